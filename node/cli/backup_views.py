"""What people see of backups and of a restore."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from node.cli.printing import moment, say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext

if TYPE_CHECKING:
    from node.backup.restoring import Prepared

_MEBIBYTE = 1024 * 1024


class Meter:
    """Shows on a terminal how far something is; elsewhere it says nothing."""

    def __init__(self) -> None:
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.pause()

    def tell(self, progress: Mapping[str, Any]) -> None:
        """Show what a running command says."""
        done, total = progress["done"], progress["total"]
        stage = {
            "copying": _("Copying"),
            "trying": _("Trial restore"),
        }.get(progress["stage"], "")
        if total:
            self._show(f"{stage} … {100 * done // total} %")
        else:
            self._show(f"{stage} … " + ngettext("%(num)s row", "%(num)s rows", done))

    def step(self, name: str) -> None:
        """Show a step of a restore."""
        stage, _space, number = name.partition(" ")
        if stage == "loading":
            rows = ngettext("%(num)s row", "%(num)s rows", int(number))
            self._show(f"{_('Loading')} … {rows}")

    def pause(self) -> None:
        """Leave the line empty."""
        self._show("")

    def _show(self, line: str) -> None:
        if not sys.stderr.isatty() or (not line and not self._shown):
            return
        sys.stderr.write("\r" + line.ljust(self._shown) + ("" if line else "\r"))
        sys.stderr.flush()
        self._shown = len(line)


def show_made(document: Mapping[str, Any]) -> None:
    """Say where the backup lies and what was tried."""
    say(
        _(
            "Backup %(file)s: %(size)s MiB, made and tried in %(seconds)s s.",
            file=document["file"],
            size=f"{document['bytes'] / _MEBIBYTE:.1f}",
            seconds=f"{document['seconds']:.1f}",
        )
    )
    _show_trial(document)
    if document["removed"]:
        say(
            ngettext(
                "%(num)s older backup was removed.",
                "%(num)s older backups were removed.",
                len(document["removed"]),
            )
        )
    say_aside(
        _(
            "Not in it: the secret keys (spalier keys backup) and node.toml. Keep "
            "copies of both elsewhere."
        )
    )


def show_tried(document: Mapping[str, Any]) -> None:
    """Say that a backup can be restored."""
    say(
        _(
            "The backup of %(created)s can be restored.",
            created=moment(document["created"]),
        )
    )
    _show_trial(document)


def _show_trial(document: Mapping[str, Any]) -> None:
    say(
        _(
            "Trial restore: %(rows)s rows, %(entries)s entries of our own, %(proofs)s "
            "signatures verified.",
            rows=document["rows"],
            entries=document["entries"],
            proofs=document["proofs"],
        )
    )


def show_list(document: Mapping[str, Any]) -> None:
    """Show the backups of a folder."""
    if document["backups"]:
        table(
            (_("Made"), _("MiB"), _("Encrypted"), _("File")),
            [
                (
                    moment(each["created"]),
                    f"{each['bytes'] / _MEBIBYTE:.1f}",
                    _("yes") if each["encrypted"] else _("no"),
                    each["file"],
                )
                for each in document["backups"]
            ],
        )
    else:
        say(_("There is no backup in this folder."))
    say(
        _("Last backup: %(at)s", at=moment(document["last"])),
        _("Last successful trial: %(at)s", at=moment(document["verified"])),
    )
    if document["failed"]:
        say(
            _(
                "The last attempt failed: %(at)s (%(code)s)",
                at=moment(document["failed"]),
                code=document["failure"],
            )
        )


def show_plan(prepared: "Prepared", folder: Path) -> None:
    """Say what a restore will do, before it is ordered."""
    age = prepared.at - prepared.header.created
    hours = int(age.total_seconds() // 3600)
    done = prepared.done
    say_aside(
        _(
            "Backup of %(created)s, %(hours)s h old, with %(rows)s rows.",
            created=moment(prepared.header.created.isoformat()),
            hours=hours,
            rows=sum(prepared.tried.rows.values()),
        ),
        _("What was written after it is lost."),
    )
    if not prepared.journal_exists:
        say_aside(
            _(
                "There is no erasure journal in %(folder)s: what was deleted or "
                "withdrawn after the backup comes back, unless partner clusters "
                "know of it.",
                folder=folder,
            )
        )
    if prepared.is_forgotten:
        say_aside(
            _(
                "This backup is older than the erasure journal remembers entries and "
                "persons: what was deleted, withdrawn or narrowed soon after it comes "
                "back. Take a newer one if there is any."
            )
        )
    if prepared.unreadable:
        say_aside(
            ngettext(
                "%(num)s line of the erasure journal cannot be read: what it took "
                "back may come back.",
                "%(num)s lines of the erasure journal cannot be read: what they took "
                "back may come back.",
                prepared.unreadable,
            )
        )
    table_rows = _changes(
        {
            "deleted": len(done.deleted),
            "closed": len(done.closed),
            "narrowed": len(done.narrowed),
            "older": len(done.older),
            "lost": len(done.lost),
            "persons": len(done.persons),
            "partners": len(done.partners),
            "lost_partners": len(done.lost_partners),
            "purged": len(done.purged),
            "closing": int(done.closing),
            "keys": len(done.keys),
            "mails": done.mails,
            "invitations": done.invitations,
        }
    )
    say_aside(*(f"  {text}: {number}" for text, number in table_rows))
    if prepared.replaces:
        say_aside(_("The present database is kept aside, in the same place."))


def _changes(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    words = {
        "deleted": _("Entries deleted again"),
        "closed": _("Entries withdrawn or closed again"),
        "narrowed": _("Entries for fewer readers again"),
        "older": _("Entries changed later, which show their older text"),
        "lost": _("Entries published later, which are lost"),
        "persons": _("Persons who have left, or may less, again"),
        "partners": _("Partnerships ended, stopped or hidden again"),
        "lost_partners": _("Partnerships begun later, which are lost"),
        "purged": _("Partner clusters whose copies were removed again"),
        "closing": _("The cluster closes down, as was ordered"),
        "keys": _("Keys of this node brought up to date"),
        "mails": _("Waiting mails not sent, because they may have left already"),
        "invitations": _("Open invitation codes taken back"),
    }
    return [(words[name], numbers[name]) for name in words if numbers.get(name)]


def show_restored(document: Mapping[str, Any]) -> None:
    """Say what was done and how to go on."""
    say(
        _(
            "Restored from %(file)s (%(rows)s rows).",
            file=document["file"],
            rows=document["rows"],
        )
    )
    if document["replaced"]:
        say(_("The replaced database: %(name)s", name=document["replaced"]))
    _show_changes(document)
    say(
        _(
            "Now start the node: spalier serve. It compares itself with every partner "
            "cluster; spalier backup report shows how far that is."
        ),
        _("If key files are missing: spalier keys restore FILE"),
    )


def show_report(document: Mapping[str, Any]) -> None:
    """Show the last restore and who has compared since."""
    if document["restored"] is None:
        say(_("This node was never restored from a backup."))
        return
    say(
        _(
            "Restored on %(at)s from a backup of %(of)s.",
            at=moment(document["restored"]),
            of=moment(document["from"]),
        )
    )
    _show_changes(document)
    if document["partners_compared"]:
        table(
            (_("Partner cluster"), _("It has said what it holds"), _("Ours is equal")),
            [
                (
                    each["name"],
                    _("yes") if each["compared"] else _("not yet"),
                    _("yes") if each["verified"] else _("not yet"),
                )
                for each in document["partners_compared"]
            ],
        )
    if document["open"]:
        say(
            ngettext(
                "%(num)s entry waits for a decision: spalier unaccounted list",
                "%(num)s entries wait for a decision: spalier unaccounted list",
                document["open"],
            )
        )


def _show_changes(document: Mapping[str, Any]) -> None:
    numbers = {
        name: len(value) if isinstance(value, list) else value
        for name, value in document.items()
        if isinstance(value, list | int)
    }
    for text, number in _changes(numbers):
        say(f"  {text}: {number}")


def show_unaccounted(document: Mapping[str, Any]) -> None:
    """Show what waits for a decision."""
    if not document["entries"]:
        say(_("Nothing waits for a decision."))
        return
    table(
        (_("Partner cluster"), _("Entry"), _("Version"), _("Found"), _("Choices")),
        [
            (
                each["name"],
                _title(each),
                ".".join(map(str, each["held"])),
                moment(each["found"]),
                each["decision"] or ", ".join(each["choices"]),
            )
            for each in document["entries"]
        ],
    )
    say(_("Decide: spalier unaccounted settle PARTNER ENTRY CHOICE"))


def _title(each: Mapping[str, Any]) -> str:
    titles = each["title"] or {}
    title = next(iter(titles.values()), None)
    entry: str = each["id"]
    return f"{title} ({entry})" if title else entry


def show_settled(document: Mapping[str, Any]) -> None:
    """Say what was decided."""
    say(
        _(
            "Decided about %(entry)s at %(name)s.",
            entry=document["id"],
            name=document["name"],
        )
    )
