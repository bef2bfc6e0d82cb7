from __future__ import annotations

import itertools

import pytest

from federation.trust import (
    PERMITTED,
    TRANSITIONS,
    Allow,
    Refuse,
    TrustAction,
    TrustEvent,
    TrustState,
    TrustTransitionError,
    decide_trust,
    next_state,
)

A, S, E = TrustAction, TrustState, TrustEvent
STATES = [None, *TrustState]
SUSP = TrustState.SUSPENDED


def test_every_pair_of_state_and_event_is_settled() -> None:
    for state, event in itertools.product(STATES, TrustEvent):
        if (state, event) in TRANSITIONS:
            assert next_state(state, event) is TRANSITIONS[state, event]
        else:
            with pytest.raises(TrustTransitionError) as caught:
                next_state(state, event)
            assert (caught.value.state, caught.value.event) == (state, event)


def test_every_pair_of_state_and_action_is_settled() -> None:
    assert set(PERMITTED) == set(STATES)
    for state, action in itertools.product(STATES, TrustAction):
        decision = decide_trust(state, action)
        assert isinstance(decision, Allow) == (action in PERMITTED[state])
        if isinstance(decision, Refuse):
            assert decision.status == (401 if state is None else 403)
            assert decision.reason.endswith(".")


def test_entries_flow_only_while_active() -> None:
    for action in (A.PUSH_PAGE, A.MESSAGE, A.BE_TOLD):
        assert [s for s in STATES if isinstance(decide_trust(s, action), Allow)] == [
            S.ACTIVE
        ]


def permitting(action: TrustAction) -> set[TrustState | None]:
    return {s for s in STATES if isinstance(decide_trust(s, action), Allow)}


def test_withdrawals_pass_until_the_end() -> None:
    for action in (A.BE_TOLD_WITHDRAWALS, A.PULL_PAGE):
        assert permitting(action) == {S.ACTIVE, S.PAUSED, S.ENDING}
    taken = {S.ACTIVE, S.PAUSED, S.SUSPENDED, S.ENDING}
    assert permitting(A.PUSH_WITHDRAWALS) == taken


def test_nothing_goes_to_a_partner_whose_key_is_in_question() -> None:
    for action in (A.BE_TOLD, A.BE_TOLD_WITHDRAWALS, A.BE_NOTIFIED, A.PULL_PAGE):
        assert S.SUSPENDED not in permitting(action)
    taken = {a for a in A if S.SUSPENDED in permitting(a)}
    assert taken == {A.PUSH_WITHDRAWALS, A.NOTICE_LEAVE, A.UPDATE_ACTOR}


def test_a_suspension_ends_by_the_office_or_with_the_partnership() -> None:
    for state in (S.ACTIVE, S.PAUSED, S.SUSPENDED):
        assert next_state(state, E.KEY_CHANGED) is S.SUSPENDED
    ways = {event: to for (state, event), to in TRANSITIONS.items() if state is SUSP}
    assert ways == {
        E.KEY_CHANGED: S.SUSPENDED,
        E.KEY_CONFIRMED: S.ACTIVE,
        E.WE_ENDED: S.ENDING,
        E.THEY_LEFT: S.ENDING,
    }
    assert {s for s, e in TRANSITIONS if e is E.KEY_CONFIRMED} == {S.SUSPENDED}


def test_only_both_offices_together_make_a_partnership() -> None:
    into_active = {
        (state, event) for (state, event), to in TRANSITIONS.items() if to is S.ACTIVE
    }
    assert into_active == {
        (S.REQUESTED, E.WE_CONFIRMED),
        (S.WAITING, E.THEY_CONFIRMED),
        (S.ACTIVE, E.THEY_CONFIRMED),
        (S.PAUSED, E.WE_RESUMED),
        (S.SUSPENDED, E.KEY_CONFIRMED),
    }


def test_the_usual_ways() -> None:
    host = next_state(None, E.THEY_REQUESTED)
    guest = next_state(None, E.WE_REQUESTED)
    assert (host, guest) == (S.REQUESTED, S.WAITING)
    assert next_state(host, E.WE_CONFIRMED) is S.ACTIVE
    assert next_state(guest, E.THEY_CONFIRMED) is S.ACTIVE
    assert next_state(host, E.WE_REFUSED) is S.REFUSED
    assert next_state(guest, E.THEY_REFUSED) is S.REFUSED
    ending = next_state(S.ACTIVE, E.WE_ENDED)
    assert ending is next_state(S.ACTIVE, E.THEY_LEFT) is S.ENDING
    assert next_state(ending, E.WITHDRAWALS_DONE) is S.ENDED
    assert next_state(S.ENDED, E.THEY_REQUESTED) is S.REQUESTED


def test_a_partnership_that_nobody_confirms_to_have_ended_is_no_dead_end() -> None:
    assert next_state(S.ENDING, E.WE_CLOSED) is S.ENDED
    assert next_state(S.ENDING, E.THEY_REQUESTED) is S.REQUESTED
    assert next_state(S.ENDING, E.WE_REQUESTED) is S.WAITING
    assert isinstance(decide_trust(S.ENDING, A.PARTNER_REQUEST), Allow)
    for state in (S.REQUESTED, S.WAITING, S.ACTIVE, S.PAUSED, S.REFUSED, S.ENDED):
        with pytest.raises(TrustTransitionError):
            next_state(state, E.WE_CLOSED)


def test_repeated_notices_change_nothing() -> None:
    for state, event in (
        (S.ACTIVE, E.THEY_CONFIRMED),
        (S.PAUSED, E.THEY_CONFIRMED),
        (S.REFUSED, E.THEY_REFUSED),
        (S.ENDING, E.THEY_LEFT),
        (S.ENDED, E.THEY_LEFT),
        (S.REQUESTED, E.THEY_REQUESTED),
    ):
        assert next_state(state, event) is state


def test_a_confirmation_cannot_wake_what_was_never_asked_or_is_over() -> None:
    for state in (None, S.REQUESTED, S.REFUSED, S.ENDING, S.ENDED):
        with pytest.raises(TrustTransitionError):
            next_state(state, E.THEY_CONFIRMED)
