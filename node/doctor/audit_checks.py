"""The check of the audit log."""

from collections.abc import Iterable
from typing import ClassVar

from node.doctor.finding import Finding, Severity, Subject
from node.web.i18n import gettext as _
from node.web.i18n import ngettext


class AuditCheck:
    """No row of the audit log was changed or removed."""

    id: ClassVar[str] = "audit"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Audit log")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look at what the reading of the database found."""
        check = None if subject.facts is None else subject.facts.audit
        if check is None:
            return
        if check.damage is None:
            yield Finding(
                self.id,
                self.title,
                Severity.OK,
                ngettext(
                    "%(num)s row, and every hash fits.",
                    "%(num)s rows, and every hash fits.",
                    check.head.number,
                ),
            )
            return
        number = check.damage.number
        yield Finding(
            self.id,
            self.title,
            Severity.ERROR,
            _("Row %(number)s is missing.", number=number)
            if check.damage.missing
            else _("Row %(number)s was changed, or the one before it.", number=number),
            _(
                "Somebody wrote into the database by hand, or the disk is damaged. "
                "Keep a copy, and compare with the last backup and with receipts that "
                "partners hold: spalier audit verify --receipt FILE"
            ),
        )
