"""A cluster closes down: everything is deleted everywhere, every partnership ended.

In steps that a crash may interrupt: the order is one row, and what is left to do
follows from what there is. Entries are deleted first, so that every partner is asked
to delete and not only to withdraw; then the partnerships end in order, each with
`Leave` once it has confirmed. Whoever does not confirm is waited for until its copies
have lapsed (SPEC EXC-025).
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from federation.lease import lapses_at
from federation.trust import ESTABLISHED, TrustState
from node.audit.noting import note_decision
from node.catalogue.catalogue import Catalogue
from node.catalogue.model import EntryState
from node.errors import ConflictError, InvalidInputError
from node.keys.rules import require_admin
from node.ledger import Ledger, LedgerLine
from node.members.model import Person
from node.partners.model import Partner
from node.partners.partners import Partners
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.node_state import (
    note_closed,
    note_closing,
    require_node_state,
)
from node.storage.tables import conversations, entries, persons

DELETED_AT_ONCE = 50  # entries in one round
_OVER = frozenset({TrustState.ENDED, TrustState.REFUSED})


@dataclass(frozen=True, slots=True)
class PartnerProgress:
    """How far the end of one partnership is.

    Attributes:
        open: Removals that the partner has not confirmed.
        lapsed_by: By when the last of these copies has lapsed; None if there is
            none, or if one of them is public and never lapses.
    """

    partner: Partner
    open: int
    lapsed_by: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """What closing down concerns, and how far it is.

    Attributes:
        closing_since: When it was ordered; None if it was not.
        closed_at: When nobody was waited for any more; None if not yet.
        entries: Own entries that are not deleted.
        partners: Every partner with a partnership that is not over, or with copies
            that are not confirmed as removed.
    """

    closing_since: datetime | None
    closed_at: datetime | None
    entries: int
    members: int
    conversations: int
    partners: tuple[PartnerProgress, ...]


class Closing:
    """The way to the end of a node."""

    def __init__(
        self,
        context: NodeContext,
        *,
        catalogue: Catalogue,
        partners: Partners,
        ledger: Ledger,
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._partners = partners
        self._ledger = ledger

    async def progress(self) -> Progress:
        """Count what there is, and how far it is; changes nothing."""
        async with self._context.database.read() as tx:
            state = await require_node_state(tx)
            own = await _count(tx, entries.c.id, entries.c.state != EntryState.DELETED)
            members = await _count(tx, persons.c.id, persons.c.left_at.is_(None))
            talks = await _count(tx, conversations.c.id)
        open_lines: dict[str, list[LedgerLine]] = {}
        for line in await self._ledger.unconfirmed_removals():
            open_lines.setdefault(line.partner_id, []).append(line)
        return Progress(
            closing_since=state.closing_since,
            closed_at=state.closed_at,
            entries=own,
            members=members,
            conversations=talks,
            partners=tuple(
                _progress_of(partner, open_lines.get(partner.id, []))
                for partner in await self._partners.list()
                if partner.state not in _OVER or partner.id in open_lines
            ),
        )

    async def begin(self, actor: Person, *, typed: str) -> Progress:
        """Order it; the rest goes on by itself.

        Args:
            actor: A node administrator.
            typed: The cluster's name, as the administrator typed it.

        Raises:
            NotAuthorisedError: The actor does not administer the node.
            InvalidInputError: Another name was typed.
            ConflictError: It was ordered before.
        """
        require_admin(actor)
        name = self._context.config.name
        if typed.strip().casefold() != name.casefold():
            raise InvalidInputError(
                Sentence("This is not the name of the cluster: {name}", name=name),
                path="name",
                hint="Type it exactly; nothing was done.",
            )

        async def work(tx: Transaction) -> None:
            state = await require_node_state(tx)
            if state.closing_since is not None:
                raise ConflictError(
                    "This cluster is closing down already.", code="closing-down"
                )
            await note_closing(tx, at=self._context.clock.now())
            note_decision(tx, self._context, "closing_down", actor=actor)

        await self._context.database.write(work)
        await self.advance()
        return await self.progress()

    async def advance(self) -> int:
        """Do what can be done now; return how much that was."""
        async with self._context.database.read() as tx:
            state = await require_node_state(tx)
            if state.closing_since is None or state.closed_at is not None:
                return 0
            office = (await office_persons(tx))[0]
        deleted = await self._delete_some(office)
        if deleted:
            return deleted
        ended = await self._end_all(office, closing_since=state.closing_since)
        if not ended and all(
            partner.state in _OVER for partner in await self._partners.list()
        ):
            await self._context.database.write(
                lambda tx: note_closed(tx, at=self._context.clock.now())
            )
        return ended

    async def _delete_some(self, office: Person) -> int:
        mine = await self._catalogue.mine(office)
        for entry in mine[:DELETED_AT_ONCE]:
            await self._catalogue.delete(office, entry.id)
        return len(mine[:DELETED_AT_ONCE])

    async def _end_all(self, office: Person, *, closing_since: datetime) -> int:
        ended = 0
        now = self._context.clock.now()
        given_up = lapses_at(closing_since, personal=False)
        for partner in await self._partners.list():
            if partner.state in ESTABLISHED | {TrustState.WAITING}:
                await self._partners.end(office, partner.id)
            elif partner.state is TrustState.REQUESTED:
                await self._partners.refuse(office, partner.id)
            elif partner.state is TrustState.ENDING and now > given_up:
                await self._partners.close_unconfirmed(office, partner.id)
            else:
                continue
            ended += 1
        return ended


def _progress_of(partner: Partner, lines: list[LedgerLine]) -> PartnerProgress:
    moments = [None if line.lapse is None else line.lapse.at for line in lines]
    known = [moment for moment in moments if moment is not None]
    return PartnerProgress(
        partner,
        open=len(lines),
        lapsed_by=max(known) if known and len(known) == len(lines) else None,
    )


async def _count(tx: Transaction, column: object, *where: object) -> int:
    statement = select(func.count(column)).where(*where)  # type: ignore[arg-type]
    return int(await tx.scalar(statement) or 0)
