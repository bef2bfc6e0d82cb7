"""One list of own and received entries, filtered by the visibility rules.

The filter is part of the query, so that counts, pages and order are functions
of what the viewer may see and of nothing else (INV-1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import or_

from federation.lease import LeaseState, lease_begin
from node.catalogue.model import Entry, ReceivedEntry
from node.chiffre.coarse import box_number
from node.chiffre.form import is_chiffre
from node.errors import NotFoundError
from node.feed.folding import query_words
from node.feed.visible import FeedQuery, VisibleEntries
from node.members.model import Person
from node.partners.model import Partner
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import entries as entry_rows
from node.storage import received as received_rows
from node.storage.database import Transaction
from node.storage.partners import load_partner, load_partners
from node.storage.tables import entries, received_entries
from node.visibility import (
    Form,
    Origin,
    Verdict,
    decide_entry,
    decide_received,
    form_of,
    lease_of,
)
from schemas import KINDS


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One entry as the feed and its own page show it.

    Attributes:
        local_id: Id for the page `/e/<local_id>` on this node.
        form: `full`, or what the rules leave of it.
        owner_person: Name of the person, if the entry names one.
        box_number: Of an entry under Chiffre, whose owner nobody is told.
        held_since: When this node first had it.
        unconfirmed_since: When its origin confirmed it last, if that is so long ago
            that readers are told; None otherwise.
    """

    uri: str
    local_id: str
    kind: str
    known_kind: bool
    purpose: str | None
    content: Mapping[str, Any]
    own: bool
    origin_name: str
    origin_base_url: str
    partner_id: str | None
    owner_organisation: str
    owner_person: str | None
    organisation_id: str | None
    state: str
    version: tuple[int, int]
    form: str
    since: datetime
    updated: datetime
    held_since: datetime
    valid_until: date | None
    unconfirmed_since: datetime | None = None
    box_number: str | None = None

    @property
    def title(self) -> Mapping[str, str]:
        """Title by language."""
        title: Mapping[str, str] = self.content["title"]
        return title

    @property
    def summary(self) -> Mapping[str, str]:
        """Summary by language."""
        summary: Mapping[str, str] = self.content["summary"]
        return summary


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A page of the feed, with the numbers of entries behind each filter."""

    items: tuple[FeedItem, ...]
    total: int
    page: int
    pages: int
    by_kind: Mapping[str, int]
    from_partners: int
    everything: int


class Feed:
    """What members see."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def feed(self, person: Person, query: FeedQuery) -> FeedPage:
        """Load one page of what `person` may see, newest first.

        With words to look for, entries with more of them come first.
        """
        words = query_words(query.text)
        visible = VisibleEntries(person, self._context.clock.now())
        async with self._context.database.read() as tx:
            if words:
                found = await visible.with_words(tx, words, query)
            else:
                found = await visible.newest(tx, query)
            items = await self._items(tx, found.keys)
        counts = found.counts
        by_kind: dict[str, int] = {}
        for (_, kind), number in counts.items():
            by_kind[kind] = by_kind.get(kind, 0) + number
        return FeedPage(
            items=tuple(items),
            total=found.total,
            page=found.page,
            pages=found.pages,
            by_kind=by_kind,
            from_partners=sum(n for (is_own, _), n in counts.items() if not is_own),
            everything=sum(counts.values()),
        )

    async def all_items(self, person: Person, query: FeedQuery) -> list[FeedItem]:
        """Load everything that matches; for the command line."""
        items: list[FeedItem] = []
        page = 1
        while True:
            found = await self.feed(
                person,
                FeedQuery(
                    kind=query.kind,
                    purpose=query.purpose,
                    only_partners=query.only_partners,
                    text=query.text,
                    page=page,
                ),
            )
            items.extend(found.items)
            if page >= found.pages:
                return items
            page += 1

    async def item(self, person: Person, reference: str) -> tuple[FeedItem, Verdict]:
        """Load one entry, own or received, by local id or by its URI.

        Raises:
            NotFoundError: Absent or hidden; the answer is the same.
        """
        async with self._context.database.read() as tx:
            own_id = self._context.address.entry_local_id(reference) or reference
            entry = await entry_rows.load_entry(tx, self._context.address, own_id)
            if entry is not None:
                verdict = decide_entry(entry, person, self._today())
                if verdict.visible:
                    return self._own_item(entry, verdict.form), verdict
            received = await received_rows.list_received(
                tx,
                where=or_(
                    received_entries.c.id == reference,
                    received_entries.c.entry_uri == reference,
                ),
            )
            for each in received:
                partner = await load_partner(tx, each.partner_id)
                if partner is None:
                    continue
                origin, now = Origin.of(partner), self._context.clock.now()
                verdict = decide_received(each, origin, person, now)
                if verdict.visible:
                    item = _received_item(each, partner, now, verdict.form)
                    return item, verdict
        raise NotFoundError(
            Sentence("There is no entry {reference}.", reference=reference),
            code="entry-not-found",
            hint="It may have been taken back by its owner.",
        )

    async def _items(
        self, tx: Transaction, keys: Sequence[tuple[bool, str]]
    ) -> list[FeedItem]:
        own_ids = [key for own, key in keys if own]
        received_ids = [key for own, key in keys if not own]
        by_key: dict[tuple[bool, str], FeedItem] = {}
        if own_ids:
            for entry in await entry_rows.list_entries(
                tx, self._context.address, where=entries.c.id.in_(own_ids)
            ):
                form = Form.CHIFFRE if entry.is_chiffre else Form.FULL
                by_key[True, entry.id] = self._own_item(entry, form)
        now = self._context.clock.now()
        found = await received_rows.list_received(
            tx, where=received_entries.c.id.in_(received_ids)
        )
        origins = {
            partner.id: partner
            for partner in await load_partners(
                tx, {received.partner_id for received in found}
            )
        }
        for received in found:
            by_key[False, received.id] = _received_item(
                received, origins[received.partner_id], now, form_of(received)
            )
        return [by_key[key] for key in keys]

    def _own_item(self, entry: Entry, form: str) -> FeedItem:
        return own_item(
            entry,
            origin_name=self._context.config.name,
            origin_base_url=self._context.address.base_url,
            form=form,
        )

    def _today(self) -> date:
        return self._context.clock.now().date()


def own_item(
    entry: Entry,
    *,
    origin_name: str,
    origin_base_url: str,
    form: str,
    outside: bool = False,
) -> FeedItem:
    """Describe one of our entries for a list or its page.

    Args:
        entry: The entry; the caller has asked the rules.
        origin_name: Name of our cluster.
        origin_base_url: Our address.
        form: `full`, or what the rules leave of it.
        outside: For somebody who does not belong to the cluster: the person is
            named only with the consent recorded for it (SPEC MEM-005).
    """
    named = entry.person_consented or not outside
    behind = entry.answerable
    return FeedItem(
        uri=entry.uri,
        local_id=entry.id,
        kind=entry.kind,
        known_kind=True,
        purpose=KINDS[entry.kind].purpose,
        content=entry.content,
        own=True,
        origin_name=origin_name,
        origin_base_url=origin_base_url,
        partner_id=None,
        owner_organisation="" if entry.is_chiffre else entry.organisation_name,
        owner_person=entry.person_name if named else None,
        organisation_id=None if form == Form.CHIFFRE else behind.organisation_id,
        state=entry.state.value,
        version=(entry.version.incarnation, entry.version.counter),
        form=form,
        since=entry.published_at or entry.created_at,
        updated=entry.updated_at,
        held_since=entry.created_at,
        valid_until=entry.valid_until,
        box_number=box_number(entry.uri) if entry.is_chiffre else None,
    )


def _received_item(
    entry: ReceivedEntry, partner: Partner, now: datetime, form: str
) -> FeedItem:
    confirmed = lease_of(entry, Origin.of(partner), now) is LeaseState.CONFIRMED
    begin = lease_begin(entry.changed_at, partner.verified_at)
    owner = entry.owner or {}
    person = owner.get("person") or {}
    kind = KINDS.get(entry.kind)
    return FeedItem(
        uri=entry.uri,
        local_id=entry.id,
        kind=entry.kind,
        known_kind=entry.known_kind,
        purpose=kind.purpose if kind else None,
        content=entry.content,
        own=False,
        origin_name=entry.partner_name,
        origin_base_url=partner.base_url,
        partner_id=entry.partner_id,
        owner_organisation=(owner.get("organisation") or {}).get("name", ""),
        owner_person=person.get("name"),
        organisation_id=None,
        state=entry.state.value,
        version=(entry.version.incarnation, entry.version.counter),
        form=form,
        since=entry.published_at,
        updated=entry.updated_at,
        held_since=entry.first_received_at,
        valid_until=entry.valid_until,
        unconfirmed_since=None if confirmed else begin,
        box_number=box_number(entry.uri) if is_chiffre(entry.content) else None,
    )
