"""The owner's line: who has confirmed an entry, or its removal, and who has not."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from aiohttp import web

from federation.trust import TrustState
from node.ledger import Lapse, LedgerLine
from node.storage.ledger import UPSERT
from node.web.formats import Formats
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.keys import CLOCK
from node.web.pages.serving import formats_of

_NAMED_MAX: Final = 5  # partner clusters that are named one by one
# Where withdrawals still go out.
_TOLD: Final = frozenset({TrustState.ACTIVE, TrustState.PAUSED, TrustState.ENDING})


def standing_words(request: web.Request, lines: Sequence[LedgerLine]) -> list[str]:
    """Write the sentences, the sum first; none if nobody was told.

    Args:
        request: Of the page.
        lines: All lines of one entry.
    """
    told = [line for line in lines if line.op == UPSERT]
    removed = [line for line in lines if line.op != UPSERT]
    sentences = []
    if told:
        sentences.append(
            ngettext(
                "%(confirmed)s of %(num)s partner cluster has confirmed that it"
                " arrived.",
                "%(confirmed)s of %(num)s partner clusters have confirmed that it"
                " arrived.",
                len(told),
                confirmed=_confirmed(told),
            )
        )
    if removed:
        sentences.append(
            ngettext(
                "%(confirmed)s of %(num)s partner cluster has confirmed that it was"
                " removed.",
                "%(confirmed)s of %(num)s partner clusters have confirmed that it was"
                " removed.",
                len(removed),
                confirmed=_confirmed(removed),
            )
        )
    waiting = sorted(
        (line for line in removed if line.acknowledged_at is None),
        key=lambda line: line.partner_name.casefold(),
    )
    now = request.config_dict[CLOCK].now()
    formats = formats_of(request)
    sentences += [open_copy(line, formats, now) for line in waiting[:_NAMED_MAX]]
    if len(waiting) > _NAMED_MAX:
        sentences.append(
            ngettext(
                "%(num)s more has not confirmed it yet.",
                "%(num)s more have not confirmed it yet.",
                len(waiting) - _NAMED_MAX,
            )
        )
    return sentences


def open_copy(line: LedgerLine, formats: Formats, now: datetime) -> str:
    """Say why a removal is not confirmed, and by when the copy lapses."""
    return (
        f"{_in_the_way(line, formats)} {lapse_words(line.lapse, formats, now)}".rstrip()
    )


def _confirmed(lines: Sequence[LedgerLine]) -> int:
    return sum(line.acknowledged_at is not None for line in lines)


def _in_the_way(line: LedgerLine, formats: Formats) -> str:
    name = line.partner_name
    if line.partner_state is TrustState.SUSPENDED:
        return _("%(name)s is told as soon as its key has been compared.", name=name)
    if line.partner_state not in _TOLD:
        return _(
            "%(name)s is not a partner any more and has not confirmed it.", name=name
        )
    if line.failing_since is not None:
        return _(
            "%(name)s has not been reachable since %(since)s.",
            name=name,
            since=formats.weekday(line.failing_since),
        )
    return _("%(name)s has not confirmed it yet.", name=name)


def lapse_words(
    lapse: Lapse | None, formats: Formats, now: datetime | None = None
) -> str:
    """Say by when a copy lapses; with `now` also that it has."""
    if lapse is None:
        return ""
    if lapse.at is None:
        return _("Its copy is public and does not lapse by itself.")
    day = formats.write_date(lapse.at)
    if now is not None and lapse.at <= now:
        return _("Its copy has lapsed, on %(day)s at the latest.", day=day)
    return _("Its copy lapses by %(day)s at the latest.", day=day)
