"""Policy sheets of partners: set them, see before what follows, and let them end.

What a sheet says is `node.visibility.policy`'s to decide; here it is written down,
with author and reason, and what follows from it is done in the same transaction.

Source: SPEC.md VIS-080 to VIS-085.
"""

import functools
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from federation.trust import ESTABLISHED, TrustState
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.limits import (
    POLICY_LEASE_DAYS_MAX,
    POLICY_REMINDER,
    POLICY_RETENTION_DAYS_MAX,
    POLICY_TOPIC_CHARACTERS_MAX,
    POLICY_TOPICS_MAX,
)
from node.members.model import Person
from node.members.rules import require_office
from node.partners.finding import find_partner
from node.partners.history import add_step, checked_reason
from node.partners.model import Partner
from node.partners.ports import Disclosures, MailQueue, OwnEntries, Waker
from node.partners.taking import Taken, drop_what_is_over, follow_sheet, sheet_of
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import partners as rows
from node.storage import policies as policy_rows
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.node_state import hold_partnerships
from node.storage.policies import PolicyVersion
from node.visibility import PartnerViewer
from node.visibility.policy import (
    ACQUAINTANCE,
    Direction,
    PolicySheet,
    is_over,
    narrower,
    to_document,
)

_COLUMN: Final = {Direction.OUT: "policy_out", Direction.IN: "policy_in"}
_OVER: Final = frozenset({TrustState.REFUSED, TrustState.ENDING, TrustState.ENDED})
_PARTNERS_AT_ONCE: Final = 20  # in one step of the clock's work


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """What followed from a sheet at once.

    Attributes:
        told: Lines of the ledger that were written: entries that go there from now
            on, and withdrawals of what does not any more.
        removed: Copies of the partner's entries that are kept out from now on.
        is_fetching: Whether everything comes anew, because more may be taken.
    """

    partner: Partner
    told: int = 0
    removed: int = 0
    is_fetching: bool = False


def current_sheet(partner: Partner, direction: Direction) -> PolicySheet:
    """Return a sheet as the office has set it."""
    return partner.policy_out if direction is Direction.OUT else partner.policy_in


class Policies:
    """The sheets of all partners."""

    def __init__(
        self,
        context: NodeContext,
        *,
        ledger: Disclosures,
        entries: OwnEntries,
        mail: MailQueue,
        waker: Waker,
    ) -> None:
        self._context = context
        self._ledger = ledger
        self._entries = entries
        self._mail = mail
        self._waker = waker

    async def set(
        self,
        actor: Person | None,
        ref: str,
        direction: Direction,
        sheet: PolicySheet,
        *,
        reason: str,
    ) -> PolicyChange:
        """Let another sheet count, and do what follows from it.

        Args:
            actor: Who sets it; None for whoever may use the node's folder.
            ref: The partner.
            direction: What we give, or what we take.
            sheet: The sheet.
            reason: Why; it stays in the history.

        Raises:
            InvalidInputError: The sheet says what it cannot say, or no reason is
                given.
            ConflictError: The partnership is over, or nothing would change.
        """
        require_office(actor)
        note = checked_reason(reason)
        if note is None:
            raise InvalidInputError(
                "Say why the rules change.",
                path="reason",
                hint="The reason stays in the history of the partnership.",
            )
        _require_possible(sheet, direction, today=self._today())
        async with self._context.database.read() as tx:
            known = await find_partner(tx, ref)
        _require_change(known, direction, sheet)
        await self._renew(with_sheet(known, direction, sheet), direction)

        async def work(tx: Transaction) -> PolicyChange:
            await hold_partnerships(tx, alone=True)
            partner = await self._locked(tx, known.id)
            _require_change(partner, direction, sheet)
            return await self._write(
                tx, partner, direction, sheet, actor=actor, reason=note
            )

        change = await self._context.database.write(work)
        # What was taken back while the first round ran.
        await self._renew(change.partner, direction)
        return change

    async def note_compared(self, actor: Person | None, ref: str) -> Partner:
        """Note that both offices have compared the check number: the sheets count.

        What was held back until then is sent, and what was kept out comes.
        """
        require_office(actor)
        async with self._context.database.read() as tx:
            known = await find_partner(tx, ref)
        now = self._context.clock.now()
        await self._renew(replace(known, compared_at=now), Direction.OUT)

        async def work(tx: Transaction) -> Partner:
            await hold_partnerships(tx, alone=True)
            partner = await self._locked(tx, known.id)
            before = sheet_of(partner, self._today())
            compared = replace(partner, compared_at=now)
            await rows.update_partner(tx, partner.id, compared_at=now)
            await add_step(
                tx,
                self._context,
                partner.id,
                event="compared",
                person=actor,
                note=partner.check_number,
            )
            await self._follow(tx, compared, before=before)
            return compared

        compared = await self._context.database.write(work)
        await self._renew(compared, Direction.OUT)
        return compared

    async def history(self, partner_id: str) -> list[PolicyVersion]:
        """Return every version of both sheets, the latest first."""
        async with self._context.database.read() as tx:
            return await policy_rows.list_versions(tx, partner_id)

    async def ending(self) -> list[Partner]:
        """List the partners of whom a sheet ends soon."""
        last = self._today() + POLICY_REMINDER
        async with self._context.database.read() as tx:
            due = set(await policy_rows.partners_ending(tx, last))
            if not due:
                return []
            return [each for each in await rows.list_partners(tx) if each.id in due]

    # Work of the clock

    async def end_due(self) -> int:
        """Let sheets end whose last day is over; return for how many partners.

        They count as `ACQUAINTANCE` at most from the first moment of the next day
        on; here this is written down, sent and taken.
        """
        today = self._today()

        async def work(tx: Transaction, partner_id: str) -> None:
            await hold_partnerships(tx, alone=True)
            partner = await self._locked(tx, partner_id)
            if partner.state not in ESTABLISHED:
                return
            for direction in Direction:
                sheet = current_sheet(partner, direction)
                if is_over(sheet, today):
                    ended = replace(narrower(sheet, ACQUAINTANCE), valid_until=None)
                    change = await self._write(tx, partner, direction, ended)
                    partner = change.partner

        async with self._context.database.read() as tx:
            due = await policy_rows.partners_past_end(tx, today)
        for each in due[:_PARTNERS_AT_ONCE]:
            await self._context.database.write(functools.partial(work, partner_id=each))
        return len(due[:_PARTNERS_AT_ONCE])

    async def remind_due(self) -> int:
        """Mail the office about sheets that end soon; return for how many partners."""

        async def work(tx: Transaction) -> int:
            last = self._today() + POLICY_REMINDER
            due = await policy_rows.partners_ending(tx, last, not_reminded=True)
            for each in due[:_PARTNERS_AT_ONCE]:
                await self._remind(tx, await self._locked(tx, each), last)
            return len(due[:_PARTNERS_AT_ONCE])

        return await self._context.database.write(work)

    async def forget_due(self) -> int:
        """Remove content that our sheets keep no longer; return how many copies."""
        async with self._context.database.read() as tx:
            concerned = await policy_rows.partners_with_retention(tx)

        async def work(tx: Transaction, partner_id: str) -> int:
            partner = await self._locked(tx, partner_id)
            return await drop_what_is_over(tx, self._context, partner)

        removed = 0
        for each in concerned:
            step = functools.partial(work, partner_id=each)
            removed += await self._context.database.write(step)
        return removed

    # Inside

    async def _renew(self, partner: Partner, direction: Direction) -> None:
        """Make new versions of what was taken back and may go there again."""
        if direction is Direction.OUT and partner.state in ESTABLISHED:
            viewer = PartnerViewer.of(partner)
            while await self._entries.renew_taken_back(partner.id, viewer=viewer):
                pass

    async def _write(
        self,
        tx: Transaction,
        partner: Partner,
        direction: Direction,
        sheet: PolicySheet,
        *,
        actor: Person | None = None,
        reason: str | None = None,
    ) -> PolicyChange:
        before = sheet_of(partner, self._today())
        changed = with_sheet(partner, direction, sheet)
        await rows.update_partner(
            tx,
            partner.id,
            policy_reminded_until=changed.policy_reminded_until,
            **{_COLUMN[direction]: sheet},
        )
        version = await self._add_version(
            tx, partner.id, direction, sheet, actor=actor, reason=reason
        )
        event = _COLUMN[direction]
        if reason is None:
            event = f"{event}_ended"
        await add_step(
            tx,
            self._context,
            partner.id,
            event=event,
            person=actor,
            note=reason or str(version),
            before=to_document(current_sheet(partner, direction)),
            after=to_document(sheet),
        )
        if direction is Direction.OUT:
            told = await self._tell(tx, changed)
            return PolicyChange(changed, told=told)
        taken = await self._take(tx, changed, before=before)
        return PolicyChange(
            changed, removed=taken.removed, is_fetching=taken.is_fetching
        )

    async def _follow(
        self, tx: Transaction, partner: Partner, *, before: PolicySheet
    ) -> None:
        await self._tell(tx, partner)
        await self._take(tx, partner, before=before)

    async def _tell(self, tx: Transaction, partner: Partner) -> int:
        if partner.state not in ESTABLISHED:
            return 0
        told = await self._ledger.follow_rules(tx, partner)
        if told:
            self._poke_after_commit(tx, partner.id)
        return told

    async def _take(
        self, tx: Transaction, partner: Partner, *, before: PolicySheet
    ) -> Taken:
        if partner.state not in ESTABLISHED:
            return Taken(0, is_fetching=False)
        taken = await follow_sheet(tx, self._context, partner, before=before)
        if taken.is_fetching:
            self._poke_after_commit(tx, partner.id)
        return taken

    async def _add_version(
        self,
        tx: Transaction,
        partner_id: str,
        direction: Direction,
        sheet: PolicySheet,
        *,
        actor: Person | None = None,
        reason: str | None = None,
    ) -> int:
        return await policy_rows.add_version(
            tx,
            partner_id,
            direction,
            sheet,
            at=self._context.clock.now(),
            author_id=None if actor is None else actor.id,
            reason=reason,
        )

    async def _remind(self, tx: Transaction, partner: Partner, last: date) -> None:
        ends = [
            (direction, until)
            for direction in Direction
            if (until := current_sheet(partner, direction).valid_until) is not None
            and until <= last
        ]
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="policy-ends",
                language=person.language,
                partner=partner.name,
                partner_id=partner.id,
                gives=any(direction is Direction.OUT for direction, _ in ends),
                takes=any(direction is Direction.IN for direction, _ in ends),
                last_day=min(until for _, until in ends),
            )
        await rows.update_partner(
            tx, partner.id, policy_reminded_until=max(until for _, until in ends)
        )

    async def _locked(self, tx: Transaction, partner_id: str) -> Partner:
        partner = await rows.lock_partner(tx, partner_id)
        if partner is None:
            raise NotFoundError("This partner no longer exists.")
        return partner

    def _poke_after_commit(self, tx: Transaction, partner_id: str) -> None:
        tx.after_commit(lambda: self._waker.poke(partner_id))

    def _today(self) -> date:
        return self._context.clock.now().date()


def with_sheet(partner: Partner, direction: Direction, sheet: PolicySheet) -> Partner:
    """Return a partner for whom a sheet counts; of a new end the office is told."""
    if sheet.valid_until is not None:
        partner = replace(partner, policy_reminded_until=None)
    if direction is Direction.OUT:
        return replace(partner, policy_out=sheet)
    return replace(partner, policy_in=sheet)


def _require_change(partner: Partner, direction: Direction, sheet: PolicySheet) -> None:
    if partner.state in _OVER:
        raise ConflictError(
            Sentence("{name} is not a partner any more.", name=partner.name),
            code=f"partner-{partner.state.value}",
            hint="A new invitation code starts again.",
        )
    if current_sheet(partner, direction) == sheet:
        raise ConflictError(
            Sentence("These rules count for {name} already.", name=partner.name),
            code="policy-unchanged",
        )


def _require_possible(sheet: PolicySheet, direction: Direction, *, today: date) -> None:
    if is_over(sheet, today):
        raise InvalidInputError(
            "The last day of the rules is over already.", path="valid_until"
        )
    if direction is Direction.OUT and (
        sheet.lease_days is not None or sheet.retention_days is not None
    ):
        raise InvalidInputError(
            "How long copies are shown and kept is set for what we take.",
            path="lease_days" if sheet.lease_days is not None else "retention_days",
        )
    for name, value, most in (
        ("lease_days", sheet.lease_days, POLICY_LEASE_DAYS_MAX),
        ("retention_days", sheet.retention_days, POLICY_RETENTION_DAYS_MAX),
    ):
        if value is not None and not 1 <= value <= most:
            raise InvalidInputError(
                Sentence(
                    "This is 1 to {limit} days, not {days}.", limit=most, days=value
                ),
                path=name,
            )
    if len(sheet.closed_topics) > POLICY_TOPICS_MAX or any(
        not 0 < len(topic) <= POLICY_TOPIC_CHARACTERS_MAX
        for topic in sheet.closed_topics
    ):
        raise InvalidInputError(
            Sentence(
                "There are at most {limit} topics of {characters} characters.",
                limit=POLICY_TOPICS_MAX,
                characters=POLICY_TOPIC_CHARACTERS_MAX,
            ),
            path="closed_topics",
        )
