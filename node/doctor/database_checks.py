"""Checks of what the database says."""

import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Final

from federation.trust import TrustState
from node.doctor.facts import PartnerFacts
from node.doctor.finding import Finding, Severity, Subject
from node.storage.schema import SchemaState, SchemaStatus
from node.web.i18n import gettext as _
from node.web.i18n import ngettext

# Before 3.51.3 two connections that checkpoint at once may damage the file
# (sqlite.org/wal.html#walresetbug); the node lets one connection checkpoint only.
SQLITE_WANTED: Final = (3, 51, 3)
UNREACHABLE_AFTER: Final = timedelta(hours=24)
CLOCK_TOLERANCE: Final = timedelta(minutes=2)
_MEBIBYTE: Final = 1024 * 1024
_TOLD_STATES: Final = frozenset(
    {TrustState.ACTIVE, TrustState.PAUSED, TrustState.ENDING}
)


class DatabaseCheck:
    """The database can be read and has this program's schema."""

    id: ClassVar[str] = "database"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Database")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Compare the schema."""
        facts = subject.facts
        if facts is None:
            yield Finding(
                self.id,
                self.title,
                Severity.ERROR,
                _("The database cannot be read."),
                _("Check that it runs, its address in node.toml, and its file's mode."),
            )
            return
        schema = facts.schema
        if schema.status is not SchemaStatus.CURRENT:
            yield self._other_schema(schema)
        elif facts.state is None:
            yield Finding(
                self.id,
                self.title,
                Severity.ERROR,
                _("It belongs to no node."),
                _("Put the database back from your backup."),
            )
        else:
            message = _(
                "%(engine)s, schema %(revision)s is current",
                engine=facts.engine,
                revision=schema.revision,
            )
            message += _size(facts.bytes_used)
            yield Finding(self.id, self.title, Severity.OK, message)

    def _other_schema(self, schema: SchemaState) -> Finding:
        if schema.status is SchemaStatus.NEWER:
            return Finding(
                self.id,
                self.title,
                Severity.ERROR,
                _(
                    "Schema %(revision)s is newer than this program.",
                    revision=schema.revision,
                ),
                _("Start the version of Spalier that wrote it last."),
            )
        return Finding(
            self.id,
            self.title,
            Severity.NOTE,
            _(
                "Schema %(revision)s is older than this program.",
                revision=schema.revision or "-",
            ),
            _("The next start of the node brings it up to date."),
        )


def _size(bytes_used: int | None) -> str:
    if bytes_used is None:
        return "."
    return f", {bytes_used / _MEBIBYTE:.1f} MiB."


class SqliteCheck:
    """The SQLite library has no known fault."""

    id: ClassVar[str] = "sqlite"

    def __init__(
        self, version: tuple[int, int, int] = sqlite3.sqlite_version_info
    ) -> None:
        self._version = version

    @property
    def title(self) -> str:
        """Name for people."""
        return _("SQLite")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Compare the version."""
        if subject.config.database.url:
            return
        version = ".".join(str(part) for part in self._version)
        if self._version >= SQLITE_WANTED:
            message = _("Version %(version)s.", version=version)
            yield Finding(self.id, self.title, Severity.OK, message)
            return
        yield Finding(
            self.id,
            self.title,
            Severity.WARNING,
            _(
                "Version %(version)s has a fault in its log that several writers can "
                "meet; this node avoids it by writing from one place.",
                version=version,
            ),
            _("Never open the file with another program while the node runs."),
        )


class ClockCheck:
    """The machine's clock is not behind what was written down."""

    id: ClassVar[str] = "clock"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Clock")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Compare the clock with the latest time in the database."""
        latest = None if subject.facts is None else subject.facts.latest
        if latest is not None and latest > subject.now + CLOCK_TOLERANCE:
            yield Finding(
                self.id,
                self.title,
                Severity.ERROR,
                _(
                    "The clock says %(now)s, but the node already wrote %(latest)s.",
                    now=f"{subject.now:%Y-%m-%d %H:%M} UTC",
                    latest=f"{latest:%Y-%m-%d %H:%M} UTC",
                ),
                _("Set the clock; partners refuse signatures older than five minutes."),
            )
            return
        message = _("The clock is not behind what was written down.")
        yield Finding(self.id, self.title, Severity.OK, message)


class DeliveryCheck:
    """Partners can be reached."""

    id: ClassVar[str] = "delivery"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Delivery")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look for partners that have not answered for a day."""
        if subject.facts is None:
            return
        told = [
            each
            for each in subject.facts.partners
            if each.partner.state in _TOLD_STATES
        ]
        failing = [each for each in told if each.partner.attempts > 0]
        if not failing:
            waiting = sum(each.ledger.waiting for each in told)
            message = ngettext(
                "%(num)s partner cluster; %(waiting)s entries wait for delivery.",
                "%(num)s partner clusters; %(waiting)s entries wait for delivery.",
                len(told),
                waiting=waiting,
            )
            yield Finding(self.id, self.title, Severity.OK, message)
        for each in failing:
            yield self._failing(each, subject)

    def _failing(self, each: PartnerFacts, subject: Subject) -> Finding:
        partner = each.partner
        since = partner.checked_at or partner.active_since or partner.created_at
        away = subject.now - since
        message = _(
            "%(name)s has not answered for %(hours)s h (%(error)s); %(waiting)s wait.",
            name=partner.name,
            hours=int(away / timedelta(hours=1)),
            error=partner.last_error or "?",
            waiting=each.ledger.waiting,
        )
        if away > UNREACHABLE_AFTER:
            fix = _("Ask the other office; nothing is lost meanwhile.")
            return Finding(self.id, self.title, Severity.WARNING, message, fix)
        return Finding(self.id, self.title, Severity.NOTE, message)


class MailCheck:
    """Mails leave the node."""

    id: ClassVar[str] = "mail"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Mail")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look for mails that cannot leave."""
        mails = None if subject.facts is None else subject.facts.mails
        if mails is not None and mails.failed:
            yield Finding(
                self.id,
                self.title,
                Severity.ERROR,
                ngettext(
                    "%(num)s mail could not be sent.",
                    "%(num)s mails could not be sent.",
                    mails.failed,
                ),
                _("See the page with the mails; then check [mail] in node.toml."),
            )
        elif subject.config.mail.transport == "page":
            severity = Severity.OK if subject.config.demo else Severity.WARNING
            fix = "" if subject.config.demo else _("Set [mail] in node.toml to smtp.")
            message = _("Mails are shown to the office and not sent.")
            yield Finding(self.id, self.title, severity, message, fix)
        else:
            waiting = 0 if mails is None else mails.pending
            message = ngettext("%(num)s mail waits.", "%(num)s mails wait.", waiting)
            yield Finding(self.id, self.title, Severity.OK, message)
