"""Checks of the bounds: raised for a measurement, or nearly used up by a partner."""

from collections.abc import Iterable
from typing import ClassVar, Final

from federation.limits import ENTRIES_HELD_MAX
from node.doctor.finding import Finding, Severity, Subject
from node.web.i18n import gettext as _

_NEARLY: Final = 0.8  # of a quota


class LimitsCheck:
    """The bounds are those of a real node, and no partner has used up its share."""

    id: ClassVar[str] = "limits"

    @property
    def title(self) -> str:
        """Name for people."""
        return _("Limits")

    def findings(self, subject: Subject) -> Iterable[Finding]:
        """Look at the setting, and at what partners fill."""
        factor = subject.config.limits.factor
        found = []
        if factor > 1:
            found.append(
                Finding(
                    self.id,
                    self.title,
                    Severity.WARNING,
                    _(
                        "limits.factor is %(factor)s: every rate is raised, and a "
                        "flood reaches the node.",
                        factor=f"{factor:g}",
                    ),
                    _("Remove it from node.toml; it is for measurements only."),
                )
            )
        for each in () if subject.facts is None else subject.facts.partners:
            if each.remembered < ENTRIES_HELD_MAX * _NEARLY:
                continue
            found.append(
                Finding(
                    self.id,
                    self.title,
                    Severity.WARNING,
                    _(
                        "%(name)s fills %(count)s of the %(limit)s entries that are "
                        "held of one partner; further ones are kept out.",
                        name=each.partner.name,
                        count=each.remembered,
                        limit=ENTRIES_HELD_MAX,
                    ),
                    _("Ask the other office what it publishes, or pause it."),
                )
            )
        if not found:
            message = _("The usual limits hold; no partner has used up its share.")
            found.append(Finding(self.id, self.title, Severity.OK, message))
        return found
