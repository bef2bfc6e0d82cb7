"""What our office notes about the members of partner clusters (SPEC VIS-072)."""

from federation.ids import random_id
from federation.trust import ESTABLISHED
from node.errors import InputFault, InvalidInputError, NotFoundError
from node.members.fields import FieldError, read_line
from node.members.identifiers import Known
from node.members.model import Person
from node.members.rules import require_office
from node.partners.finding import find_partner
from node.partners.known_members import KnownMember
from node.partners.model import Partner
from node.partners.ports import Disclosures, OwnEntries, Waker
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import partner_members as rows
from node.storage.database import Transaction
from node.storage.exclusions import note_hosting
from node.storage.node_state import hold_partnerships
from node.storage.partners import lock_partner

NAME_CHARS = 120


class Knowing:
    """The members of partners that are known here, from profiles or by our office."""

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

    async def members(self, partner_id: str) -> list[KnownMember]:
        """List what is known of a partner's members, by name."""
        async with self._context.database.read() as tx:
            return await rows.list_members(tx, partner_id)

    async def note(self, actor: Person | None, ref: str, known: Known) -> KnownMember:
        """Note that an organisation is a member of a partner.

        What excludes it is taken back from the partner in the same transaction.

        Raises:
            InvalidInputError: No name, or nothing that the organisation is recognised
                by.
        """
        require_office(actor)
        _require_known(known)
        async with self._context.database.read() as tx:
            partner_id = (await find_partner(tx, ref)).id

        async def work(tx: Transaction) -> KnownMember:
            partner = await self._locked(tx, partner_id)
            member = KnownMember(
                random_id(self._context.random),
                partner.id,
                known,
                None,
                self._context.clock.now(),
            )
            by = None if actor is None else actor.id
            await rows.put_member(tx, member, by=by)
            await note_hosting(tx, partner.id, known.identifiers, self._context.random)
            await self._follow(tx, partner)
            return member

        return await self._context.database.write(work)

    async def forget(self, actor: Person | None, ref: str, member_id: str) -> None:
        """Take a note back; what was withheld for it alone goes out again.

        Raises:
            NotFoundError: There is no such note. What a partner's own profile says
                cannot be taken back here.
        """
        require_office(actor)
        async with self._context.database.read() as tx:
            partner_id = (await find_partner(tx, ref)).id

        async def work(tx: Transaction) -> Partner:
            partner = await self._locked(tx, partner_id)
            found = {
                each.id: each
                for each in await rows.list_members(tx, partner.id)
                if each.entry_uri is None
            }
            if member_id not in found:
                raise NotFoundError(
                    "There is no such note.",
                    code="member-not-found",
                    hint="What a partner's own profile says stays.",
                )
            await rows.forget_member(tx, found[member_id])
            await self._follow(tx, partner)
            return partner

        partner = await self._context.database.write(work)
        if partner.state in ESTABLISHED:
            while await self._entries.renew_taken_back(partner.id):
                pass

    async def _follow(self, tx: Transaction, partner: Partner) -> None:
        if partner.state not in ESTABLISHED:
            return
        if await self._ledger.follow_rules(tx, partner):
            tx.after_commit(lambda: self._waker.poke(partner.id))

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        await hold_partnerships(tx, alone=True)
        partner = await lock_partner(tx, partner_id)
        if partner is None:
            raise NotFoundError("This partner no longer exists.")
        return partner


def _require_known(known: Known) -> None:
    try:
        read_line(known.name, limit=NAME_CHARS)
    except FieldError as error:
        raise InvalidInputError(
            error.sentence, faults=[InputFault("name", error.sentence)]
        ) from error
    if not known.identifiers:
        message = Sentence(
            "A name alone proves nothing: add VAT id, register number or domain."
        )
        raise InvalidInputError(message, faults=[InputFault("vat_id", message)])
