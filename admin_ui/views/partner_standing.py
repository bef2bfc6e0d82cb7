"""How far both sides agree, as the office's pages say it."""

from collections.abc import Sequence
from typing import Literal

from node.office.standing import PartnerStanding
from node.storage.partner_days import PartnerDay
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.views import Day


def strip_of(standing: PartnerStanding) -> list[Day]:
    """Prepare the strip of the last days, today last; each says it in words, too."""
    return [Day(each.day, _mark(each), _day_words(each)) for each in standing.days]


def strip_sentence(standing: PartnerStanding) -> str:
    """Sum the strip up in one sentence."""
    reached = sum(each.exchanges > 0 for each in standing.days)
    failed = sum(each.failures > 0 and not each.exchanges for each in standing.days)
    parts = [ngettext("exchanged on %(num)s day", "exchanged on %(num)s days", reached)]
    if failed:
        parts.append(
            ngettext(
                "tried in vain on %(num)s day", "tried in vain on %(num)s days", failed
            )
        )
    quiet = len(standing.days) - reached - failed
    if quiet:
        parts.append(
            ngettext("nothing due on %(num)s day", "nothing due on %(num)s days", quiet)
        )
    return _(
        "Last %(count)s days: %(parts)s",
        count=len(standing.days),
        parts=", ".join(parts),
    )


def waiting_parts(standing: PartnerStanding) -> Sequence[str]:
    """Say what waits for the partner: entries, withdrawals and messages apart."""
    ledger, parts = standing.ledger, []
    if ledger.waiting_entries:
        parts.append(
            ngettext("%(num)s entry", "%(num)s entries", ledger.waiting_entries)
        )
    if ledger.waiting_removals:
        parts.append(
            ngettext(
                "%(num)s withdrawal", "%(num)s withdrawals", ledger.waiting_removals
            )
        )
    if standing.messages_waiting:
        parts.append(
            ngettext(
                "%(num)s message or notice",
                "%(num)s messages or notices",
                standing.messages_waiting,
            )
        )
    return parts


def _mark(day: PartnerDay) -> Literal["ok", "partly", "down", "none"]:
    if day.exchanges:
        return "partly" if day.failures else "ok"
    return "down" if day.failures else "none"


def _day_words(day: PartnerDay) -> str:
    if day.exchanges and day.failures:
        return _("exchanged, with attempts in vain")
    if day.exchanges:
        return _("exchanged")
    if day.failures:
        return _("tried in vain")
    return _("nothing due")
