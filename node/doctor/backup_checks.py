"""Checks of the backups, and of the journal that a restore needs."""

import shutil
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import ClassVar, Final

from node.backup.status import BackupStatus, read_status
from node.doctor.finding import Finding, Severity, Subject
from node.erasure.journal import ErasureJournal
from node.errors import NodeError
from node.limits import BACKUP_LATE
from node.sentence import system_reason
from node.web.i18n import gettext as _
from node.web.i18n import ngettext

_HOUR: Final = timedelta(hours=1)
_ROOM: Final = 2  # times the last backup, which has to fit beside the next


class BackupCheck:
    """There is a new backup that was tried, and room for the next one."""

    id: ClassVar[str] = "backup"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Backup")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look at what became of the latest ones, and at their folder."""
        status = read_status(subject.folder)
        if status.failure is not None:
            yield self._failed(status)
        if status.made_at is None:
            if status.failure is None or not subject.config.backup.folder:
                yield self._none(subject)
        else:
            yield self._age(status, subject)
        yield from self._place(status, subject)

    def _failed(self, status: BackupStatus) -> Finding:
        return self._finding(
            Severity.ERROR,
            _(
                "The last backup, or its trial restore, failed on %(at)s (%(code)s).",
                at=f"{status.failed_at:%Y-%m-%d %H:%M} UTC",
                code=status.failure,
            ),
            _("Try it by hand, which says why: spalier backup create"),
        )

    def _none(self, subject: Subject) -> Finding:
        return self._finding(
            Severity.NOTE if subject.config.demo else Severity.WARNING,
            _("There is no backup of this node yet."),
            _("Name a folder in node.toml: folder in [backup], best on another disk."),
        )

    def _age(self, status: BackupStatus, subject: Subject) -> Finding:
        # What lies ahead was made by a clock that was wrong: that is no new one.
        age = abs(subject.now - (status.made_at or subject.now))
        every = timedelta(hours=subject.config.backup.every_hours)
        message = ngettext(
            "The last one was made %(num)s hour ago and its trial restore succeeded.",
            "The last one was made %(num)s hours ago and its trial restore succeeded.",
            int(age / _HOUR),
        )
        if age <= max(BACKUP_LATE, 2 * every):
            return self._finding(Severity.OK, message)
        return self._finding(
            Severity.WARNING,
            ngettext(
                "The last backup is %(num)s day old.",
                "The last backup is %(num)s days old.",
                age.days,
            ),
            _("Make one now: spalier backup create; then see why none was made."),
        )

    def _place(self, status: BackupStatus, subject: Subject) -> Iterator[Finding]:
        named = subject.config.backup.folder
        if not named:
            return
        folder = subject.folder / named
        try:
            same_disk = folder.stat().st_dev == subject.folder.stat().st_dev
            free = shutil.disk_usage(folder).free
        except OSError as error:
            if status.made_at is not None:
                yield self._finding(
                    Severity.ERROR,
                    _(
                        "The folder for backups %(folder)s cannot be read: %(reason)s.",
                        folder=folder,
                        reason=system_reason(error).translated(_),
                    ),
                    _("Mount it again, or name another one in node.toml."),
                )
            return
        if same_disk:
            yield self._finding(
                Severity.NOTE,
                _("The backups lie on the same disk as the node itself."),
                _("Name a folder on another disk, or copy them elsewhere."),
            )
        if free < _ROOM * (status.bytes or 0):
            yield self._finding(
                Severity.WARNING,
                _(
                    "There is hardly room for another backup in %(folder)s.",
                    folder=folder,
                ),
                _("Make room there, or keep fewer: keep in [backup] of node.toml."),
            )

    def _finding(self, severity: Severity, message: str, fix: str = "") -> Finding:
        return Finding(self.id, self.title, severity, message, fix)


class JournalCheck:
    """What a restore must not undo is written down beside the database."""

    id: ClassVar[str] = "journal"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Erasure journal")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Read it, and see whether it can be written."""
        journal = ErasureJournal(subject.folder)
        if not journal.exists:
            yield self._finding(
                Severity.NOTE,
                _("There is none yet."),
                _("The next start of the node begins it."),
            )
            return
        try:
            unreadable = journal.read().unreadable
            journal.check_writable()
        except (NodeError, OSError) as error:
            yield self._finding(
                Severity.ERROR,
                _(
                    "%(file)s cannot be read and written (%(reason)s): a restore "
                    "from a backup could undo the latest deletions.",
                    file=journal.path.name,
                    reason=_reason(error),
                ),
                _("Make room on this disk, and let the node's account own the file."),
            )
            return
        if unreadable:
            yield self._finding(
                Severity.ERROR,
                ngettext(
                    "%(num)s line of it is damaged: a restore could bring back what "
                    "it took back.",
                    "%(num)s lines of it are damaged: a restore could bring back "
                    "what they took back.",
                    unreadable,
                ),
                _(
                    "Restart the node, which completes it from the database; then "
                    "look for what damages files here: disk, memory, programs."
                ),
            )
            return
        if journal.damaged_path.exists():
            yield self._finding(
                Severity.WARNING,
                _(
                    "It was damaged, and completed from the database. The damaged "
                    "lines are in %(file)s.",
                    file=journal.damaged_path.name,
                ),
                _("Find out why, make a backup, and remove that file."),
            )
            return
        yield self._finding(Severity.OK, _("It can be read and written."))

    def _finding(self, severity: Severity, message: str, fix: str = "") -> Finding:
        return Finding(self.id, self.title, severity, message, fix)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return system_reason(error).translated(_)
    return str(error)
