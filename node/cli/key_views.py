"""What people see of the node's own keys."""

from collections.abc import Mapping, Sequence
from typing import Any

from node.cli.printing import moment, say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext


def _stage(key: Mapping[str, Any]) -> str:
    if key["signs"]:
        return _("signs")
    return {
        "announced": _("announced"),
        "active": _("replaced, still valid"),
        "retired": _("retired"),
        "revoked": _("revoked"),
    }[key["state"]]


def _since(key: Mapping[str, Any]) -> str | None:
    stages = ("revoked", "retired", "activated", "created")
    return next((key[stage] for stage in stages if key[stage]), None)


def show_keys(document: Mapping[str, Any]) -> None:
    """Show every key, the newest first, and how a change of keys stands."""
    table(
        (
            _("Key"),
            _("Fingerprint"),
            _("Stage"),
            _("Since"),
            _("Backup"),
            _("Reason"),
        ),
        [
            (
                str(key["number"]),
                key["fingerprint"],
                _stage(key),
                moment(
                    key["revoked"]
                    or key["retired"]
                    or key["activated"]
                    or key["created"]
                ),
                moment(key["backed_up"]),
                key["reason"] or "",
            )
            for key in document["keys"]
        ],
    )
    _show_progress(document)


def show_standing(document: Mapping[str, Any]) -> None:
    """Say which key signs and whom is waited for."""
    say(
        _(
            "Key %(number)s signs: %(fingerprint)s",
            number=document["number"],
            fingerprint=document["fingerprint"],
        )
    )
    _show_progress(document)


def _show_progress(document: Mapping[str, Any]) -> None:
    if document["to_be_compared"]:
        _show_telephone_list(document)
    elif document["under_way"]:
        taken, waiting = document["taken"], document["waiting"]
        say(
            ngettext(
                "%(num)s partner knows the newest key.",
                "%(num)s partners know the newest key.",
                len(taken),
            )
        )
        if waiting:
            say(_("Not yet: %(names)s", names=_names(waiting)))
        if document["due"] is not None:
            say(
                _(
                    "It signs as soon as all know it, at the latest on %(due)s.",
                    due=moment(document["due"]),
                )
            )
    if document["revoking"]:
        say(
            _(
                "Still to be told of the revocation: %(names)s",
                names=", ".join(document["revoking"]),
            )
        )


def _names(partners: Sequence[Mapping[str, Any]]) -> str:
    return ", ".join(each["name"] for each in partners)


def show_rotation(document: Mapping[str, Any]) -> None:
    """Show what an ordinary change of keys does."""
    told = [*document["taken"], *document["waiting"]]
    say_aside(
        ngettext(
            "%(num)s partner is told of the new key, signed by the present one.",
            "%(num)s partners are told of the new key, signed by the present one.",
            len(told),
        ),
        _("As soon as all know it, it signs, and the old one goes."),
        _("Partners have nothing to do, and no entry is sent again."),
    )


def show_activation(document: Mapping[str, Any]) -> None:
    """Show whom an early activation leaves behind."""
    if not document["waiting"]:
        say_aside(_("Every partner knows the new key."))
        return
    say_aside(
        _("Not told yet: %(names)s", names=_names(document["waiting"])),
        _(
            "Until they have taken the announcement they get withdrawals, but no"
            " entries. It reaches them first when they come back."
        ),
    )


def show_retirement(document: Mapping[str, Any]) -> None:
    """Show whom it cuts off when the old key goes."""
    if not document["waiting"]:
        say_aside(_("Every partner knows the new key."))
        return
    say_aside(
        _("They know only the old key: %(names)s", names=_names(document["waiting"])),
        _(
            "They will believe nothing from us any more, withdrawals included, until"
            " their office has compared the new fingerprint."
        ),
    )


def show_effects(document: Mapping[str, Any]) -> None:
    """Show what a new beginning does, before it is confirmed."""
    say_aside(
        _("A new key signs at once; the present one counts no more."),
        ngettext(
            "%(num)s partner believes nothing from us until its office has compared"
            " the new fingerprint with yours.",
            "%(num)s partners believe nothing from us until their offices have compared"
            " the new fingerprint with yours.",
            document["partners"],
        ),
        ngettext(
            "%(num)s published entry is signed anew and goes out again then.",
            "%(num)s published entries are signed anew and go out again then.",
            document["entries"],
        ),
        _("This cannot be undone."),
    )


def show_new_beginning(document: Mapping[str, Any]) -> None:
    """Say which key signs now, and whom to call."""
    say(
        _(
            "Key %(number)s signs: %(fingerprint)s",
            number=document["number"],
            fingerprint=document["fingerprint"],
        )
    )
    _show_telephone_list(document)
    if document["revoking"]:
        say(
            _(
                "Still to be told of the revocation: %(names)s",
                names=", ".join(document["revoking"]),
            )
        )
    say(_("Make a backup of the new key: spalier keys backup FILE"))


def _show_telephone_list(document: Mapping[str, Any]) -> None:
    partners = document["to_be_compared"]
    if not partners:
        say(_("No partner has to compare anything."))
        return
    say(
        "",
        _("Call these offices, on a number that you know already, and read them:"),
        f"  {document['fingerprint']}",
        _("They confirm it on the page of your cluster. Until then nothing flows."),
    )
    table(
        (_("Partner"), _("Address"), _("Contact")),
        [(each["name"], each["base_url"], each["contact"] or "") for each in partners],
    )


def show_backup(document: Mapping[str, Any]) -> None:
    """Show the recovery code, once."""
    groups = document["code"].split("-")
    say(
        _("The backup is in %(file)s.", file=document["file"]),
        "",
        _("Recovery code, shown only now. Write it down or print the sheet:"),
        f"  {'-'.join(groups[:4])}",
        f"  {'-'.join(groups[4:])}",
        "",
        _("Keep file and code apart: each is useless without the other."),
    )
    if document["sheet"] is None:
        say(_("With --sheet FILE.html you get a sheet to be printed."))
    else:
        say(
            _(
                "The sheet is in %(file)s. Print it, then delete that file: the code"
                " stands in it.",
                file=document["sheet"],
            )
        )


def show_restored(document: Mapping[str, Any]) -> None:
    """Say what came back."""
    restored = document["restored"]
    if restored:
        say(_("Put back: key %(numbers)s.", numbers=_numbers(restored)))
    else:
        say(_("Nothing had to be put back."))
    _show_rest(document)


def show_checked(document: Mapping[str, Any]) -> None:
    """Say what the backup is worth."""
    say(
        _("File and code fit, and belong to this node."),
        _(
            "In it: key %(numbers)s.",
            numbers=_numbers([*document["restored"], *document["present"]]),
        ),
    )
    _show_rest(document)


def _show_rest(document: Mapping[str, Any]) -> None:
    if document["missing"]:
        say(
            _(
                "Not in this backup: key %(numbers)s. Take a newer one.",
                numbers=_numbers(document["missing"]),
            )
        )
    if document["ended"]:
        say(
            _(
                "No longer needed: key %(numbers)s.",
                numbers=_numbers(document["ended"]),
            )
        )
    if document["unknown"]:
        say(
            _(
                "Not known to the database, which is older than this backup:"
                " key %(numbers)s.",
                numbers=_numbers(document["unknown"]),
            )
        )


def _numbers(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers)) or _("no key")
