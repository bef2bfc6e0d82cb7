"""What people see of conversations."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import moment, say, table
from node.cli.wording import gettext as _
from node.cli.wording import in_own_language


def _states() -> dict[str, str]:
    return {
        "delivered": _("delivered"),
        "waiting": _("waiting for delivery"),
        "refused": _("refused"),
    }


def show_sent(document: Mapping[str, Any], *, served: bool) -> None:
    """Say what became of the last message."""
    say(
        _("Message: %(state)s.", state=_states()[document["messages"][-1]["state"]]),
        _("  Conversation %(thread)s", thread=document["thread"]),
    )
    if not served and document["state"] == "waiting":
        say(_("  It is delivered as soon as the node runs."))


def show_thread(document: Mapping[str, Any]) -> None:
    """Show one conversation."""
    say(in_own_language(document["title"]), f"  {document['entry']}", "")
    for message in document["messages"]:
        state = _states()[message["state"]] if message["mine"] else ""
        say(
            f"{moment(message['sent_at'])}  {message['author']}, "
            f"{message['organisation']}" + (f"  ({state})" if state else "")
        )
        say(*(f"  {line}" for line in message["text"].splitlines()), "")


def show_threads(document: Mapping[str, Any]) -> None:
    """Show all conversations of a member."""
    if not document["threads"]:
        say(_("There are no conversations yet."))
        return
    table(
        (_("State"), _("New"), _("About"), _("Conversation")),
        [
            (
                _states()[thread["state"]],
                str(thread["unread"]),
                in_own_language(thread["title"]),
                thread["thread"],
            )
            for thread in document["threads"]
        ],
    )
