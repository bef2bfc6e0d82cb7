"""Give a partner what is for all partners, once the office has seen the list.

Source: SPEC.md VIS-076.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import Entry
from node.errors import ConflictError, NotFoundError
from node.limits import RELEASE_LINES_SHOWN
from node.members.model import Person
from node.members.rules import require_office
from node.partners.finding import find_partner
from node.partners.history import add_step
from node.partners.model import Partner
from node.partners.ports import Disclosures, OwnEntries, Waker
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import entries as entry_rows
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.node_state import hold_partnerships
from node.storage.tables import entries
from node.visibility import PartnerViewer, visible_entries
from node.visibility.policy import PolicySheet

_NOBODY = ""  # id of a partner that is none yet


@dataclass(frozen=True, slots=True)
class ReleaseList:
    """What a release gives a partner.

    Attributes:
        by_kind: Number of entries of each kind.
        entries: The entries, the newest first, at most `RELEASE_LINES_SHOWN`.
    """

    by_kind: Mapping[str, int]
    entries: tuple[Entry, ...]

    @property
    def count(self) -> int:
        """Number of entries."""
        return sum(self.by_kind.values())


class Releasing:
    """The list of what is for all partners, and who got it."""

    def __init__(
        self,
        context: NodeContext,
        *,
        ledger: Disclosures,
        entries: OwnEntries,
        waker: Waker,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._entries = entries
        self._waker = waker

    async def foresee(self, sheet: PolicySheet) -> ReleaseList:
        """Return what a new partner gets with a release, under a policy sheet."""
        viewer = PartnerViewer(_NOBODY, TrustState.ACTIVE, sheet=sheet, compared=True)
        return await self._list(viewer)

    async def waiting(self, partner: Partner) -> ReleaseList:
        """Return what a release gives a partner, as if the numbers were compared."""
        viewer = PartnerViewer.of(partner)
        return await self._list(replace(viewer, state=TrustState.ACTIVE, compared=True))

    async def unreleased(self) -> list[Partner]:
        """List the partners that wait for the release."""
        async with self._context.database.read() as tx:
            found = await rows.list_partners(tx, ESTABLISHED)
        return [partner for partner in found if partner.released_at is None]

    async def release(self, actor: Person | None, ref: str) -> tuple[Partner, int]:
        """Let a partner see what is for all partners.

        Returns:
            The partner, and the number of lines of its ledger that were written.

        Raises:
            ConflictError: There is no partnership, or it was released before.
        """
        require_office(actor)
        async with self._context.database.read() as tx:
            known = await find_partner(tx, ref)
        _require_unreleased(known)
        await self._renew(known)

        async def work(tx: Transaction) -> tuple[Partner, int]:
            await hold_partnerships(tx, alone=True)
            partner = await rows.lock_partner(tx, known.id)
            if partner is None:
                raise NotFoundError("This partner no longer exists.")
            _require_unreleased(partner)
            now = self._context.clock.now()
            by = None if actor is None else actor.id
            await rows.update_partner(tx, partner.id, released_at=now, released_by=by)
            await add_step(
                tx,
                self._context,
                partner.id,
                event="we_released",
                person=actor,
                note=None,
            )
            released = replace(partner, released_at=now, released_by=by)
            told = 0
            if released.state in ESTABLISHED:
                told = await self._ledger.follow_rules(tx, released)
            if told:
                tx.after_commit(lambda: self._waker.poke(released.id))
            return released, told

        return await self._context.database.write(work)

    async def _renew(self, partner: Partner) -> None:
        """Make new versions of what was taken back and may be seen again."""
        if partner.state not in ESTABLISHED:
            return
        viewer = replace(PartnerViewer.of(partner), released=True)
        while await self._entries.renew_taken_back(partner.id, viewer=viewer):
            pass

    async def _list(self, viewer: PartnerViewer) -> ReleaseList:
        today = self._context.clock.now().date()
        where = visible_entries(
            replace(viewer, released=True), today
        ) & ~visible_entries(replace(viewer, released=False), today)
        async with self._context.database.read() as tx:
            kinds = Counter(await entry_rows.kinds_where(tx, where))
            found = await entry_rows.list_entries(
                tx,
                self._context.address,
                where=where,
                order_by=[entries.c.published_at.desc(), entries.c.id],
                limit=RELEASE_LINES_SHOWN,
            )
        return ReleaseList(dict(sorted(kinds.items())), tuple(found))


def _require_unreleased(partner: Partner) -> None:
    possible = ESTABLISHED | {TrustState.WAITING}
    if partner.state not in possible:
        raise ConflictError(
            Sentence("{name} is no partner now.", name=partner.name),
            code=f"partner-{partner.state.value}",
        )
    if partner.released_at is not None:
        raise ConflictError(
            Sentence(
                "{name} already gets what is for all partner clusters.",
                name=partner.name,
            ),
            code="partner-released",
        )
