"""What a member may see: counted by filter, and one page of it.

Every entry that may be seen is counted, but only in an index; which entries are on
the page is found by walking from the newest one, kind by kind, without touching the
others. A search reads the text of all that may be seen once, for both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import add
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    union_all,
)

from node.catalogue.model import EntryState
from node.members.model import Person
from node.storage.database import Transaction
from node.storage.join_order import InThisOrder
from node.storage.tables import entries, partners, received_entries
from node.visibility import visible_entries, visible_received
from schemas import KINDS

PAGE_ITEMS = 20  # entries on one page
INSIDE_WORDS_FROM = 4  # letters of a query's word that is looked for inside others
_LIKE_ESCAPE = "\\"
_OF_PARTNER: Final = received_entries.c.partner_id == partners.c.id

Counts: TypeAlias = Mapping[tuple[bool, str], int]
"""Numbers of entries by whether they are ours, and by kind."""


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """What a member wants to see.

    Attributes:
        kind: One kind, or None for all.
        purpose: `offer` or `request`, or None for all.
        only_partners: Leave out the own cluster.
        text: Words to look for; an entry with any of them is found.
        page: 1-based.
    """

    kind: str | None = None
    purpose: str | None = None
    only_partners: bool = False
    text: str = ""
    page: int = 1

    def takes(self, kind: str, *, own: bool) -> bool:
        """Whether entries of a kind, ours or partners', are asked for."""
        return (
            self.kind in {None, kind}
            and (
                self.purpose is None
                or (kind in KINDS and KINDS[kind].purpose == self.purpose)
            )
            and not (own and self.only_partners)
        )


@dataclass(frozen=True, slots=True)
class FoundEntries:
    """One page of a list, and how long the list is.

    Attributes:
        counts: Of everything that may be seen, or that has the words.
        total: Of what is asked for.
        page: 1-based; the last one if a later one was asked for.
        keys: Whether an entry is ours, and its local id; in order.
    """

    counts: Counts
    total: int
    page: int
    keys: Sequence[tuple[bool, str]]

    @property
    def pages(self) -> int:
        """Number of pages, 1 or more."""
        return _pages(self.total)


class VisibleEntries:
    """Entries that one member may see at one moment.

    Args:
        person: The member.
        now: The moment.
    """

    def __init__(self, person: Person, now: datetime) -> None:
        today = now.date()
        self._own = and_(
            visible_entries(person, today),
            entries.c.state == EntryState.PUBLISHED,
            or_(entries.c.valid_until.is_(None), entries.c.valid_until >= today),
        )
        self._received = visible_received(person, now)

    async def newest(self, tx: Transaction, query: FeedQuery) -> FoundEntries:
        """Load a page of everything, newest first."""
        counts = await self._counts(tx)
        total = _total(counts, query)
        page = min(max(1, query.page), _pages(total))
        wanted = [key for key in counts if query.takes(key[1], own=key[0])]
        rows: list[Any] = []
        if total:
            parts = self._newest_by_kind(wanted, limit=page * PAGE_ITEMS)
            rows = await tx.all(_page_of(union_all(*parts).subquery("newest"), page))
        keys = [(bool(row.own), row.id) for row in rows]
        return FoundEntries(counts, total, page, keys)

    async def with_words(
        self, tx: Transaction, words: Sequence[str], query: FeedQuery
    ) -> FoundEntries:
        """Load a page of what has any of the words; first what has more of them."""
        found = self._having(words).cte("found")
        asked = max(1, query.page)
        while True:
            counted = select(
                found.c.own,
                found.c.kind,
                func.count().label("number"),
                func.max(found.c.score).label("score"),
                func.max(found.c.updated_at).label("updated_at"),
                func.min(found.c.id).label("id"),
            ).group_by(found.c.own, found.c.kind)
            listed = (
                select(
                    found.c.own,
                    found.c.kind,
                    literal(0, Integer).label("number"),
                    found.c.score,
                    found.c.updated_at,
                    found.c.id,
                )
                .where(_asked_for(found.c.own, found.c.kind, query))
                .order_by(
                    found.c.score.desc(), found.c.updated_at.desc(), found.c.id.desc()
                )
                .limit(PAGE_ITEMS)
                .offset((asked - 1) * PAGE_ITEMS)
                .subquery("listed")
            )
            rows = await tx.all(union_all(counted, select(listed)))
            counts = {
                (bool(row.own), row.kind): int(row.number) for row in rows if row.number
            }
            total = _total(counts, query)
            page = min(asked, _pages(total))
            if page == asked:
                break
            asked = page  # a page behind the last one was asked for
        hits = [row for row in rows if not row.number]
        hits.sort(key=lambda row: (row.score, row.updated_at, row.id), reverse=True)
        return FoundEntries(
            counts, total, page, [(bool(row.own), row.id) for row in hits]
        )

    async def _counts(self, tx: Transaction) -> Counts:
        """Count by whether an entry is ours, and by kind: every filter in one pass."""
        own = (
            select(literal(1).label("own"), entries.c.kind, func.count().label("n"))
            .where(self._own)
            .group_by(entries.c.kind)
        )
        received = (
            select(
                literal(0).label("own"),
                received_entries.c.kind,
                func.count().label("n"),
            )
            .select_from(InThisOrder(partners, received_entries, _OF_PARTNER))
            .where(self._received)
            # As the index has them, so that nothing has to be sorted.
            .group_by(partners.c.id, received_entries.c.kind)
        )
        counts: dict[tuple[bool, str], int] = {}
        for row in await tx.all(union_all(own, received)):
            key = (bool(row.own), row.kind)
            counts[key] = counts.get(key, 0) + int(row.n)
        return counts

    def _newest_by_kind(
        self, wanted: Sequence[tuple[bool, str]], *, limit: int
    ) -> list[Select[Any]]:
        """Return queries for the newest entries, each from one stretch of an index.

        Kinds that this program does not know share one, which is sorted.
        """
        kinds = received_entries.c.kind
        parts = []
        own = sorted(kind for is_own, kind in wanted if is_own)
        if own:
            where = and_(self._own, entries.c.kind.in_(own))
            parts.append(_newest_own(where, limit))
        theirs = {kind for is_own, kind in wanted if not is_own}
        stretches = [kinds == kind for kind in sorted(theirs & KINDS.keys())]
        if theirs - KINDS.keys():
            stretches.append(kinds.in_(sorted(theirs - KINDS.keys())))
        parts += [
            _newest_received(and_(self._received, stretch), limit)
            for stretch in stretches
        ]
        return parts

    def _having(self, words: Sequence[str]) -> Any:
        own = select(
            literal(1).label("own"),
            entries.c.id,
            entries.c.kind,
            entries.c.updated_at,
            _score(entries.c.search_text, words).label("score"),
        ).where(self._own, _has_any(entries.c.search_text, words))
        received = (
            select(
                literal(0).label("own"),
                received_entries.c.id,
                received_entries.c.kind,
                # By our own clock: the origin's could keep an entry on top.
                received_entries.c.changed_at.label("updated_at"),
                _score(received_entries.c.search_text, words).label("score"),
            )
            .select_from(InThisOrder(partners, received_entries, _OF_PARTNER))
            .where(self._received, _has_any(received_entries.c.search_text, words))
        )
        return union_all(own, received)


def _newest_own(where: ColumnElement[bool], limit: int) -> Select[Any]:
    part = (
        select(
            literal(1).label("own"),
            entries.c.id,
            entries.c.updated_at.label("updated_at"),
        )
        .where(where)
        .order_by(entries.c.updated_at.desc(), entries.c.id.desc())
        .limit(limit)
    )
    return select(part.subquery())


def _newest_received(where: ColumnElement[bool], limit: int) -> Select[Any]:
    table = received_entries.c
    part = (
        select(literal(0).label("own"), table.id, table.changed_at.label("updated_at"))
        .select_from(InThisOrder(received_entries, partners, _OF_PARTNER))
        .where(where)
        .order_by(table.changed_at.desc(), table.id.desc())
        .limit(limit)
    )
    return select(part.subquery())


def _page_of(found: Any, page: int) -> Select[Any]:
    return (
        select(found.c.own, found.c.id)
        .order_by(found.c.updated_at.desc(), found.c.id.desc())
        .limit(PAGE_ITEMS)
        .offset((page - 1) * PAGE_ITEMS)
    )


def _asked_for(
    own: ColumnElement[int], kind: ColumnElement[str], query: FeedQuery
) -> ColumnElement[bool]:
    """The same as `FeedQuery.takes`."""
    conditions: list[ColumnElement[bool]] = []
    if query.kind is not None:
        conditions.append(kind == query.kind)
    if query.purpose is not None:
        conditions.append(
            kind.in_(
                sorted(
                    name
                    for name, each in KINDS.items()
                    if each.purpose == query.purpose
                )
            )
        )
    if query.only_partners:
        conditions.append(own == 0)
    return and_(own >= 0, *conditions)


def _total(counts: Counts, query: FeedQuery) -> int:
    return sum(n for (own, kind), n in counts.items() if query.takes(kind, own=own))


def _pages(total: int) -> int:
    return max(1, -(-total // PAGE_ITEMS))


def _score(column: ColumnElement[str], words: Sequence[str]) -> ColumnElement[int]:
    """Count how many of the words an entry has that has at least one."""
    if len(words) == 1:
        return literal(1, Integer)
    return reduce(add, (case((_has(column, word), 1), else_=0) for word in words))


def _has_any(column: ColumnElement[str], words: Sequence[str]) -> ColumnElement[bool]:
    return or_(false(), *(_has(column, word) for word in words))


def _has(column: ColumnElement[str], word: str) -> ColumnElement[bool]:
    """Find a word, also inside a longer one, because German joins words.

    A short one only at the beginning of a word, because it occurs inside too many.
    """
    escaped = (
        word.replace(_LIKE_ESCAPE, _LIKE_ESCAPE * 2)
        .replace("%", _LIKE_ESCAPE + "%")
        .replace("_", _LIKE_ESCAPE + "_")
    )
    if len(word) < INSIDE_WORDS_FROM:
        patterns = [f"{escaped}%", f"% {escaped}%"]
    else:
        patterns = [f"%{escaped}%"]
    return or_(*(column.like(each, escape=_LIKE_ESCAPE) for each in patterns))
