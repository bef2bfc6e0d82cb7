"""What people see of archives and of closing down."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import moment, say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext


def show_made(document: Mapping[str, Any]) -> None:
    """Show what is in an archive."""
    say(
        ngettext(
            "%(file)s holds %(num)s public entry.",
            "%(file)s holds %(num)s public entries.",
            document["entries"],
            file=document["written"],
        )
    )
    if document["left_out"]:
        say(
            ngettext(
                "%(num)s entry names a person or a telephone number and is left out"
                " (--with-contacts).",
                "%(num)s entries name a person or a telephone number and are left out"
                " (--with-contacts).",
                document["left_out"],
            )
        )
    say(_("  Key          %(fingerprint)s", fingerprint=document["fingerprint"]))


def show_verified(document: Mapping[str, Any]) -> None:
    """Show whether an archive is what it was when it was signed."""
    say(
        f"{document['name']} · {document['base_url']} · {moment(document['created'])}",
        *(
            _("  Key          %(fingerprint)s", fingerprint=each)
            for each in document["fingerprints"]
        ),
        ngettext(
            "%(num)s entry verified.", "%(num)s entries verified.", document["entries"]
        ),
    )
    if not document["faults"]:
        say(_("Everything is as it was signed. Compare the key with what you know."))
        return
    table(
        (_("File"), _("Fault")),
        [(each["path"], _said(each["reason"])) for each in document["faults"]],
    )


def show_effects(document: Mapping[str, Any]) -> None:
    """Show what closing down concerns."""
    say_aside(*_effects(document))


def show_progress(document: Mapping[str, Any]) -> None:
    """Show what it concerns, or how far it is."""
    if document["closing_since"] is None:
        say(
            *_effects(document),
            _("Make an archive first: spalier archive make FILE"),
            _("To begin: spalier close-down --confirm NAME"),
        )
        return
    say(_("Closing down since %(at)s.", at=moment(document["closing_since"])))
    if document["closed_at"] is not None:
        say(_("Complete since %(at)s.", at=moment(document["closed_at"])))
    say(
        ngettext(
            "%(num)s entry is still to be deleted.",
            "%(num)s entries are still to be deleted.",
            document["entries"],
        )
    )
    if document["partners"]:
        table(
            (_("Partner"), _("Not confirmed"), _("Lapsed by")),
            [
                (each["name"], str(each["open"]), moment(each["lapsed_by"]))
                for each in document["partners"]
            ],
        )


def _effects(document: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        document["name"],
        ngettext(
            "%(num)s entry is deleted, here and at every partner; nothing brings it"
            " back.",
            "%(num)s entries are deleted, here and at every partner; nothing brings"
            " them back.",
            document["entries"],
        ),
        ngettext(
            "%(num)s partnership ends.",
            "%(num)s partnerships end.",
            len(document["partners"]),
        ),
        ngettext(
            "%(num)s member can publish nothing any more.",
            "%(num)s members can publish nothing any more.",
            document["members"],
        ),
    )


def _said(reason: str) -> str:
    """Translate what we say ourselves; what the protocol says stays English."""
    return _(reason)
