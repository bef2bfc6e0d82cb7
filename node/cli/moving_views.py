"""What people see of a move."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import moment, say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext, ngettext

_STANDINGS = {
    "confirmed": lazy_gettext("confirmed"),
    "announced": lazy_gettext("announced, its office has not answered"),
    "waiting": lazy_gettext("not announced yet"),
    "unreachable": lazy_gettext("not reachable"),
    "refused": lazy_gettext("refused"),
    "not_told": lazy_gettext("cannot be told now"),
}


def show_what_follows(url: str) -> None:
    """Say what a move means, before it is ordered."""
    say_aside(
        _("The node moves to %(url)s.", url=url),
        _(
            "Every partner's office has to confirm that by telephone. Until then it"
            " gets withdrawals, but no entries and no messages."
        ),
        _("Everybody has to sign in again; older backups cannot be restored."),
    )


def show_moved(document: Mapping[str, Any]) -> None:
    """Say what has to be done now."""
    say(
        _("The node is at %(url)s now.", url=document["base_url"]),
        _("Before it was at %(url)s.", url=document["old"]),
        _("  Check number %(number)s", number=document["check_number"]),
    )
    if document["told"]:
        say(
            ngettext(
                "%(num)s partner has to confirm. Read this number to its office when"
                " it calls; see: spalier move-origin",
                "%(num)s partners have to confirm. Read this number to their offices"
                " when they call; see: spalier move-origin",
                document["told"],
            )
        )
    if not document["settings_written"]:
        say(
            _(
                "Set base_url to %(url)s where your settings say it: node.toml does"
                " not, or the environment wins.",
                url=document["base_url"],
            )
        )
    say(
        _(
            "Now start the node, make a backup, and let the old name lead to it as"
            " long as possible."
        )
    )


def show_status(document: Mapping[str, Any]) -> None:
    """Show who has confirmed."""
    say(_("The node is at %(url)s.", url=document["base_url"]))
    if document["moved_at"] is None:
        say(_("It has never moved."))
        return
    say(
        _(
            "Moved on %(at)s from %(url)s.",
            at=moment(document["moved_at"]),
            url=document["former"][-1],
        ),
        _("  Check number %(number)s", number=document["check_number"]),
    )
    if document["partners"]:
        table(
            (_("Partner"), _("Knows the node at"), _("Move")),
            [
                (each["name"], each["knows"], _standing(each))
                for each in document["partners"]
            ],
        )


def show_answered(document: Mapping[str, Any]) -> None:
    """Show where a partner is now."""
    say(
        _(
            "%(name)s is at %(url)s.",
            name=document["name"],
            url=document["partner"],
        )
    )


def _standing(described: Mapping[str, Any]) -> str:
    words = _STANDINGS[described["standing"]]
    said = str(_(words))
    return f"{said}: {described['reason']}" if described["reason"] else said
