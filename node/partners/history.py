"""Change the state of a partnership: the only place that does.

The permitted changes are `federation.trust`'s; each one is written together with
the step in the partnership's history and the person who took it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from federation.ids import random_id
from federation.trust import (
    TrustEvent,
    TrustState,
    TrustTransitionError,
    next_state,
)
from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.errors import ConflictError, InvalidInputError
from node.limits import END_UNDONE_WITHIN
from node.members.model import Person
from node.partners.model import Partner, PartnerEvent
from node.plain_text import clean_line
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import partners as rows
from node.storage.database import Transaction

NOTE_MAX = 300
# Steps whose note is what an office wrote; of others it is ours, about the step.
WITH_REASON: Final = frozenset(
    {
        TrustEvent.WE_REFUSED.value,
        TrustEvent.THEY_REFUSED.value,
        TrustEvent.WE_ENDED.value,
        TrustEvent.THEY_LEFT.value,
        "move_refused",
        "our_move_refused",
    }
)
COPIES_REMOVED = "copies_removed"
_KEY_SETTLED: Final = frozenset(
    {
        TrustEvent.KEY_CONFIRMED.value,
        TrustEvent.WE_CONFIRMED.value,
        TrustEvent.THEY_CONFIRMED.value,
    }
)

_AT_REST: Final = frozenset({TrustState.PAUSED, TrustState.SUSPENDED})

_STATE_SENTENCES = {
    TrustState.REQUESTED: (
        "{partner} has asked to become a partner and waits for your answer"
    ),
    TrustState.WAITING: "{partner} has not confirmed the partnership yet",
    TrustState.ACTIVE: "{partner} is an active partner",
    TrustState.PAUSED: "{partner} is a partner and paused at the moment",
    TrustState.SUSPENDED: (
        "{partner} is suspended: its key has to be compared by telephone first"
    ),
    TrustState.REFUSED: "{partner} is not a partner: the partnership was refused",
    TrustState.ENDING: (
        "{partner} is no longer a partner: the partnership is being ended"
    ),
    TrustState.ENDED: "{partner} is no longer a partner: the partnership has ended",
}

_HINT_SENTENCES = {
    TrustState.REQUESTED: "Confirm or refuse the request first.",
    TrustState.WAITING: "Wait for the other office, or take the request back.",
    TrustState.ACTIVE: "",
    TrustState.PAUSED: "Resume the partnership first.",
    TrustState.SUSPENDED: (
        "Telephone the other office and compare the fingerprint of its key."
    ),
    TrustState.REFUSED: "A new invitation code starts again.",
    TrustState.ENDING: (
        "Wait until the withdrawals are confirmed, or close the partnership without "
        "confirmation."
    ),
    TrustState.ENDED: "A new invitation code starts again.",
}


_NO_QUESTION = {
    "suspended_from": None,
    "suspended_because": None,
    "offered_multibase": None,
}


def describe_state(partner: Partner) -> Sentence:
    """Say in one clause where the partnership stands."""
    return Sentence(_STATE_SENTENCES[partner.state], partner=partner.name)


def require_next(partner: Partner, event: TrustEvent) -> TrustState:
    """Return the state after an event.

    Raises:
        ConflictError: The present state does not permit it; says where the
            partnership stands and what to do.
    """
    try:
        return next_state(partner.state, event)
    except TrustTransitionError as error:
        raise ConflictError(
            Sentence("{state}.", state=describe_state(partner)),
            code=f"partner-{partner.state.value}",
            hint=_HINT_SENTENCES[partner.state],
        ) from error


def checked_reason(reason: str | None) -> str | None:
    """Return what the other office will read: one line, short enough to be kept.

    Raises:
        InvalidInputError: It is too long.
    """
    told = clean_line(reason or "")
    if len(told) > NOTE_MAX:
        raise InvalidInputError(
            Sentence("The reason has at most {limit} characters.", limit=NOTE_MAX),
            path="reason",
        )
    return told or None


async def change_state(
    tx: Transaction,
    context: NodeContext,
    partner: Partner,
    *,
    event: TrustEvent,
    person: Person | None = None,
    note: str | None = None,
    **values: Any,
) -> Partner:
    """Apply an event, with its history and what else changes with it.

    Returns:
        The partner as it is afterwards.
    """
    state = require_next(partner, event)
    if partner.state is TrustState.SUSPENDED and state is not TrustState.SUSPENDED:
        values = {**_NO_QUESTION, **values}
    if state is TrustState.ACTIVE and partner.state in _AT_REST:
        # Nothing was compared meanwhile (SPEC FED-151).
        values = {"next_check_at": context.clock.now(), **values}
    await rows.update_partner(tx, partner.id, state=state, **values)
    await add_step(tx, context, partner.id, event=event.value, person=person, note=note)
    return replace(partner, state=state, **values)


async def add_step(
    tx: Transaction,
    context: NodeContext,
    partner_id: str,
    *,
    event: str,
    person: Person | None,
    note: str | None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write one step of a partnership's history.

    `before` and `after` are for the audit log alone (`note_decision`).
    """
    await rows.add_event(
        tx,
        event_id=random_id(context.random),
        partner_id=partner_id,
        at=context.clock.now(),
        event=event,
        person_id=None if person is None else person.id,
        note=None if not note else note[:NOTE_MAX],
    )
    note_decision(
        tx,
        context,
        event,
        actor=person,
        about=(SubjectKind.PARTNER, partner_id),
        reason=(note or None) if event in WITH_REASON else None,
        before=before,
        after=after,
    )


def end_can_be_undone_until(
    partner: Partner, events: Sequence[PartnerEvent], *, now: datetime
) -> datetime | None:
    """Return until when an end can be taken back; None if it cannot.

    It can as long as the partner has not confirmed every withdrawal, because only
    then our notice leaves; at most `END_UNDONE_WITHIN`. A key in question has to be
    compared first, which takes a partnership.
    """
    if partner.state is not TrustState.ENDING or partner.acked_seq >= partner.head_seq:
        return None
    ended = None
    key_in_question = False
    for event in events:
        if event.event == TrustEvent.WE_ENDED.value:
            ended = event.at
        elif event.event == TrustEvent.KEY_CHANGED.value:
            key_in_question = True
        elif event.event in _KEY_SETTLED:
            key_in_question = False
    if ended is None or key_in_question or now > ended + END_UNDONE_WITHIN:
        return None
    return ended + END_UNDONE_WITHIN
