"""What people see of a visit at another node."""

from collections import Counter
from dataclasses import dataclass

from node.cli.printing import marked, say, say_aside
from node.cli.wording import gettext as _
from node.cli.wording import ngettext
from node.conform.checks import Outcome, Result, Severity
from node.conform.run import Report
from node.conform.table import CHECKS
from node.sentence import Sentence, in_words


@dataclass(slots=True)
class Progress:
    """Shows each outcome when it is there.

    Attributes:
        quiet: Show only what people have to act on, beside the result.
        done: Checks that were made.
    """

    quiet: bool
    done: int = 0

    def outcome(self, outcome: Outcome) -> None:
        """Show one outcome."""
        self.done += 1
        # Those that were not made are counted with their reasons at the end.
        if self.quiet or outcome.result is Result.SKIPPED:
            return
        number = f"{self.done}/{len(CHECKS)}"
        title = in_words(outcome.check.title, _)
        marked(*_mark(outcome), f"{number:>7}", f"{outcome.check.id}: {title}", "")
        for line in _details(outcome):
            say(f"{'':30}{line}")

    def tell(self, sentence: Sentence) -> None:
        """Show what people should know meanwhile, beside the result."""
        say_aside(f"  → {in_words(sentence, _)}")


def _mark(outcome: Outcome) -> tuple[str, str]:
    """Return the colour and the word of an outcome."""
    if outcome.result is Result.OK:
        return "ok", _("ok")
    if outcome.check.severity is Severity.SHOULD:
        return "warning", _("poor")
    return "error", _("FAILED")


def _details(outcome: Outcome) -> list[str]:
    finding = outcome.finding
    if finding is None or outcome.result is Result.OK:
        return []
    return [
        _("clause    %(clause)s", clause=outcome.check.clause),
        _("sent      %(text)s", text=finding.sent),
        _("expected  %(text)s", text=finding.expected),
        _("found     %(text)s", text=finding.found),
    ]


def show_report(report: Report) -> None:
    """Show how the visit ended, and what stays."""
    counted = Counter(outcome.result for outcome in report.outcomes)
    musts = len(report.failures(Severity.MUST))
    say(
        "",
        _(
            "%(target)s: %(ok)s checks ok, %(failed)s failed (%(musts)s of them "
            "required), %(skipped)s skipped.",
            target=report.target,
            ok=counted[Result.OK],
            failed=counted[Result.FAILED],
            musts=musts,
            skipped=counted[Result.SKIPPED],
        ),
    )
    reasons = Counter(
        in_words(outcome.reason, _)
        for outcome in report.outcomes
        if outcome.reason is not None
    )
    for reason, count in reasons.items():
        say(
            ngettext(
                "  %(num)s check skipped: %(reason)s",
                "  %(num)s checks skipped: %(reason)s",
                count,
                reason=reason,
            )
        )
    for remains in report.remains:
        say(f"  {in_words(remains, _)}")
