"""What another policy sheet would change, before it counts. Changes nothing.

Source: SPEC.md VIS-082.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from federation.trust import TrustState
from node.catalogue.model import ReceivedState
from node.limits import POLICY_LINES_SHOWN
from node.partners.model import Partner
from node.partners.taking import not_taken, sheet_of
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import entries as entry_rows
from node.storage.database import Transaction
from node.storage.received import count_not_taken, count_received
from node.storage.tables import entries
from node.visibility import Form, PartnerViewer, decide_entry, visible_entries
from node.visibility.policy import Direction, PolicySheet

_NOT_TAKEN = ("VIS-059", Sentence("The office's rules do not take the entry."))


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """An entry that another sheet would hide or show.

    Attributes:
        uri: Its id.
        local_id: Id of its page on this node.
        rule: That would decide then (SPEC VIS number), and its reason in words.
    """

    uri: str
    local_id: str
    kind: str
    title: Mapping[str, str]
    before: Form
    after: Form
    rule: str
    reason: Sentence


@dataclass(frozen=True, slots=True)
class PolicyEffect:
    """What another sheet would change.

    Attributes:
        affected: Entries that the sheet decides about: of ours those that the
            partner sees now or would see then, of the partner's those that we hold
            or keep out.
        hidden: How many would become invisible.
        shown: How many would become visible.
        waiting: Of the partner's: so many are kept out now, and come and are looked
            at anew if more may be taken.
        lines: The entries by name, at most `POLICY_LINES_SHOWN`.
        capped: The check number was not compared, so that the sheet counts as
            `ACQUAINTANCE` at most.
    """

    affected: int
    hidden: int
    shown: int
    waiting: int
    lines: tuple[PolicyLine, ...]
    capped: bool

    @property
    def unnamed(self) -> int:
        """How many of the entries are counted and not named."""
        return self.hidden + self.shown - len(self.lines)


async def foresee(
    context: NodeContext, partner: Partner, direction: Direction, sheet: PolicySheet
) -> PolicyEffect:
    """Return what a sheet would change if it counted now.

    Args:
        context: The node.
        partner: The partner; of one that is none yet, as if it were.
        direction: What we give, or what we take.
        sheet: The sheet.
    """
    async with context.database.read() as tx:
        if direction is Direction.OUT:
            return await _foresee_given(tx, context, partner, sheet)
        return await _foresee_taken(tx, context, partner, sheet)


async def _foresee_given(
    tx: Transaction, context: NodeContext, partner: Partner, sheet: PolicySheet
) -> PolicyEffect:
    today = context.clock.now().date()
    now = replace(PartnerViewer.of(partner), state=TrustState.ACTIVE)
    then = replace(now, sheet=sheet)
    seen = await entry_rows.versions_where(tx, visible_entries(now, today))
    would = await entry_rows.versions_where(tx, visible_entries(then, today))
    hidden, shown = seen.keys() - would.keys(), would.keys() - seen.keys()
    named = [*sorted(hidden), *sorted(shown)][:POLICY_LINES_SHOWN]
    lines = []
    for entry in await entry_rows.list_entries(
        tx, context.address, where=entries.c.id.in_(named)
    ):
        before, after = (decide_entry(entry, each, today) for each in (now, then))
        lines.append(
            PolicyLine(
                uri=entry.uri,
                local_id=entry.id,
                kind=entry.kind,
                title=entry.title,
                before=before.form,
                after=after.form,
                rule=after.rule,
                reason=after.reason,
            )
        )
    return PolicyEffect(
        affected=len(seen.keys() | would.keys()),
        hidden=len(hidden),
        shown=len(shown),
        waiting=0,
        lines=tuple(sorted(lines, key=lambda line: (line.after.value, line.uri))),
        capped=partner.compared_at is None,
    )


async def _foresee_taken(
    tx: Transaction, context: NodeContext, partner: Partner, sheet: PolicySheet
) -> PolicyEffect:
    now = context.clock.now()
    then = sheet_of(replace(partner, policy_in=sheet), now.date())
    gone = await not_taken(tx, partner, then, now=now)
    waiting = await count_not_taken(tx, partner.id)
    rule, reason = _NOT_TAKEN
    return PolicyEffect(
        affected=await count_received(tx, partner.id, ReceivedState.PRESENT) + waiting,
        hidden=len(gone),
        shown=0,
        waiting=waiting,
        lines=tuple(
            PolicyLine(
                uri=each.uri,
                local_id=each.id,
                kind=each.kind,
                title=each.title,
                before=Form.FULL,
                after=Form.HIDDEN,
                rule=rule,
                reason=reason,
            )
            for each in gone[:POLICY_LINES_SHOWN]
        ),
        capped=partner.compared_at is None,
    )
