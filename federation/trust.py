"""Trust between two nodes: its states, how they change, and what each permits.

THE place that says what a peer may do. It knows no entry and no member; whether
an entry is visible is decided elsewhere and may look here, never the reverse.
Both tables are complete: what they do not name is refused.

Source: SPEC.md FED-070 to FED-075, FED-108, FED-164.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, assert_never

from federation.errors import LocalError


class TrustState(Enum):
    """Where a partnership stands, seen from this node.

    A peer that nobody invited has no state at all, and no row.
    """

    REQUESTED = "requested"
    """They used our invitation; our office has to decide."""
    WAITING = "waiting"
    """We used their invitation; their office has to decide."""
    ACTIVE = "active"
    """Both offices accepted; entries and messages flow."""
    PAUSED = "paused"
    """Our office stopped the flow for now; withdrawals still pass."""
    SUSPENDED = "suspended"
    """Their key has to be compared by our office before anything flows again."""
    REFUSED = "refused"
    """One of the offices said no."""
    ENDING = "ending"
    """One of the offices ended it; the withdrawals are still on their way."""
    ENDED = "ended"
    """Over; nothing passes in either direction."""


ESTABLISHED: Final = frozenset(
    {TrustState.ACTIVE, TrustState.PAUSED, TrustState.SUSPENDED}
)
"""Both offices have accepted and neither has ended it: what they were told stays."""


class TrustEvent(Enum):
    """What changes a trust state."""

    THEY_REQUESTED = "they_requested"
    """A partner request with the secret of our invitation arrived."""
    WE_REQUESTED = "we_requested"
    """Our office accepted their invitation code."""
    WE_CONFIRMED = "we_confirmed"
    """Our office confirmed their request."""
    WE_REFUSED = "we_refused"
    """Our office refused their request."""
    THEY_CONFIRMED = "they_confirmed"
    """Their signed Accept arrived."""
    THEY_REFUSED = "they_refused"
    """Their signed Reject arrived."""
    WE_PAUSED = "we_paused"
    """Our office paused the partnership."""
    WE_RESUMED = "we_resumed"
    """Our office resumed it."""
    KEY_CHANGED = "key_changed"
    """Their address shows another key, or they revoked the pinned one."""
    KEY_CONFIRMED = "key_confirmed"
    """Our office has compared the key by telephone."""
    WE_ENDED = "we_ended"
    """Our office ended it, or took its own request back."""
    THEY_LEFT = "they_left"
    """Their signed Leave arrived, or they answer that it has ended."""
    WITHDRAWALS_DONE = "withdrawals_done"
    """Every withdrawal is acknowledged, or they take none any more."""
    WE_STAYED = "we_stayed"
    """Our office took the end back, before the other node was told of it."""
    WE_CLOSED = "we_closed"
    """Our office waits no longer for the withdrawals to be acknowledged."""


_S = TrustState
_E = TrustEvent

TRANSITIONS: Final[dict[tuple[TrustState | None, TrustEvent], TrustState]] = {
    (None, _E.THEY_REQUESTED): _S.REQUESTED,
    (None, _E.WE_REQUESTED): _S.WAITING,
    (_S.REQUESTED, _E.THEY_REQUESTED): _S.REQUESTED,
    (_S.REQUESTED, _E.WE_CONFIRMED): _S.ACTIVE,
    (_S.REQUESTED, _E.WE_REFUSED): _S.REFUSED,
    (_S.REQUESTED, _E.THEY_LEFT): _S.ENDED,
    (_S.WAITING, _E.WE_REQUESTED): _S.WAITING,
    # Both sides sent each other a code: the request that arrives lets our office
    # decide, which is one click sooner than waiting.
    (_S.WAITING, _E.THEY_REQUESTED): _S.REQUESTED,
    (_S.WAITING, _E.THEY_CONFIRMED): _S.ACTIVE,
    (_S.WAITING, _E.THEY_REFUSED): _S.REFUSED,
    (_S.WAITING, _E.WE_ENDED): _S.ENDED,
    (_S.WAITING, _E.THEY_LEFT): _S.ENDED,
    # A repeated notice is answered as before, without effect.
    (_S.ACTIVE, _E.THEY_CONFIRMED): _S.ACTIVE,
    (_S.ACTIVE, _E.WE_PAUSED): _S.PAUSED,
    (_S.ACTIVE, _E.WE_ENDED): _S.ENDING,
    (_S.ACTIVE, _E.THEY_LEFT): _S.ENDING,
    (_S.PAUSED, _E.THEY_CONFIRMED): _S.PAUSED,
    (_S.PAUSED, _E.WE_RESUMED): _S.ACTIVE,
    (_S.PAUSED, _E.WE_ENDED): _S.ENDING,
    (_S.PAUSED, _E.THEY_LEFT): _S.ENDING,
    (_S.ACTIVE, _E.KEY_CHANGED): _S.SUSPENDED,
    (_S.PAUSED, _E.KEY_CHANGED): _S.SUSPENDED,
    # Yet another key is shown while the office has not compared the last one.
    (_S.SUSPENDED, _E.KEY_CHANGED): _S.SUSPENDED,
    # Whoever was paused before is paused again by our office in the same step.
    (_S.SUSPENDED, _E.KEY_CONFIRMED): _S.ACTIVE,
    (_S.SUSPENDED, _E.WE_ENDED): _S.ENDING,
    (_S.SUSPENDED, _E.THEY_LEFT): _S.ENDING,
    (_S.REFUSED, _E.THEY_REFUSED): _S.REFUSED,
    (_S.REFUSED, _E.THEY_REQUESTED): _S.REQUESTED,
    (_S.REFUSED, _E.WE_REQUESTED): _S.WAITING,
    (_S.ENDING, _E.THEY_LEFT): _S.ENDING,
    (_S.ENDING, _E.WITHDRAWALS_DONE): _S.ENDED,
    # Nothing flows before our office resumes it: what was taken back comes anew.
    (_S.ENDING, _E.WE_STAYED): _S.PAUSED,
    # Whoever cannot be reached any more, or was set up anew, confirms nothing.
    (_S.ENDING, _E.WE_CLOSED): _S.ENDED,
    (_S.ENDING, _E.THEY_REQUESTED): _S.REQUESTED,
    (_S.ENDING, _E.WE_REQUESTED): _S.WAITING,
    (_S.ENDED, _E.THEY_LEFT): _S.ENDED,
    (_S.ENDED, _E.THEY_REQUESTED): _S.REQUESTED,
    (_S.ENDED, _E.WE_REQUESTED): _S.WAITING,
}
"""Every permitted change. None stands for a peer that is not known yet."""


class TrustTransitionError(LocalError):
    """The state does not permit the event.

    Args:
        state: The present state, None for an unknown peer.
        event: What was tried.
    """

    def __init__(self, state: TrustState | None, event: TrustEvent) -> None:
        self.state = state
        self.event = event
        shown = "unknown" if state is None else state.value
        super().__init__(f"{event.value} is not possible while {shown}")


def next_state(state: TrustState | None, event: TrustEvent) -> TrustState:
    """Return the state after an event.

    Args:
        state: The present state, None for a peer that is not known yet.
        event: What happened.

    Raises:
        TrustTransitionError: The state does not permit the event.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise TrustTransitionError(state, event) from None


class TrustAction(Enum):
    """What a peer may want, or what we may want to do for it."""

    PUSH_PAGE = "push_page"
    """It delivers a page with at least one entry."""
    PUSH_WITHDRAWALS = "push_withdrawals"
    """It delivers a page that only withdraws."""
    PULL_PAGE = "pull_page"
    """It asks for our page; its content is decided by the two `BE_TOLD`."""
    READ_HOLDINGS = "read_holdings"
    """It asks what we hold of it."""
    MESSAGE = "message"
    """It delivers a message between two members."""
    NOTICE_ACCEPT = "notice_accept"
    """It confirms our request."""
    NOTICE_REJECT = "notice_reject"
    """It refuses our request."""
    NOTICE_LEAVE = "notice_leave"
    """It ends the partnership, or takes its request back."""
    UPDATE_ACTOR = "update_actor"
    """It tells of its own keys, name, card or version, signed by a pinned key."""
    ANNOUNCE_MOVE = "announce_move"
    """It tells that it is at another address now; our office has to confirm."""
    ANSWER_MOVE = "answer_move"
    """Its office has confirmed or refused that we are at another address now."""
    PARTNER_REQUEST = "partner_request"
    """It asks to become a partner."""
    BE_TOLD = "be_told"
    """We send it entries and messages."""
    BE_TOLD_WITHDRAWALS = "be_told_withdrawals"
    """We send it withdrawals of what it was told."""
    BE_NOTIFIED = "be_notified"
    """We send it notices, and what has changed about ourselves."""


_A = TrustAction

PERMITTED: Final[dict[TrustState | None, frozenset[TrustAction]]] = {
    None: frozenset({_A.PARTNER_REQUEST}),
    _S.REQUESTED: frozenset(
        {_A.PARTNER_REQUEST, _A.NOTICE_LEAVE, _A.UPDATE_ACTOR, _A.BE_NOTIFIED}
    ),
    _S.WAITING: frozenset(
        {
            _A.PARTNER_REQUEST,
            _A.NOTICE_ACCEPT,
            _A.NOTICE_REJECT,
            _A.NOTICE_LEAVE,
            _A.UPDATE_ACTOR,
            _A.BE_NOTIFIED,
        }
    ),
    _S.ACTIVE: frozenset(
        {
            _A.PUSH_PAGE,
            _A.PUSH_WITHDRAWALS,
            _A.PULL_PAGE,
            _A.READ_HOLDINGS,
            _A.MESSAGE,
            _A.NOTICE_ACCEPT,
            _A.NOTICE_LEAVE,
            _A.UPDATE_ACTOR,
            _A.ANNOUNCE_MOVE,
            _A.ANSWER_MOVE,
            _A.BE_TOLD,
            _A.BE_TOLD_WITHDRAWALS,
            _A.BE_NOTIFIED,
        }
    ),
    _S.PAUSED: frozenset(
        {
            _A.PUSH_WITHDRAWALS,
            _A.PULL_PAGE,
            _A.READ_HOLDINGS,
            _A.NOTICE_ACCEPT,
            _A.NOTICE_LEAVE,
            _A.UPDATE_ACTOR,
            _A.ANNOUNCE_MOVE,
            _A.ANSWER_MOVE,
            _A.BE_TOLD_WITHDRAWALS,
            _A.BE_NOTIFIED,
        }
    ),
    # Nothing goes to an address that may be somebody else's.
    _S.SUSPENDED: frozenset({_A.PUSH_WITHDRAWALS, _A.NOTICE_LEAVE, _A.UPDATE_ACTOR}),
    _S.REFUSED: frozenset({_A.PARTNER_REQUEST, _A.NOTICE_REJECT, _A.BE_NOTIFIED}),
    _S.ENDING: frozenset(
        {
            _A.PARTNER_REQUEST,
            _A.PUSH_WITHDRAWALS,
            _A.PULL_PAGE,
            _A.READ_HOLDINGS,
            _A.NOTICE_LEAVE,
            _A.UPDATE_ACTOR,
            _A.BE_TOLD_WITHDRAWALS,
            _A.BE_NOTIFIED,
        }
    ),
    _S.ENDED: frozenset({_A.PARTNER_REQUEST, _A.NOTICE_LEAVE, _A.BE_NOTIFIED}),
}
"""What each state permits; everything else is refused."""


@dataclass(frozen=True, slots=True)
class Allow:
    """The peer may do it."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The peer may not do it.

    Args:
        reason: One sentence that may be sent to the peer.
        status: HTTP status.
        code: Last part of the problem type.
    """

    reason: str
    status: int
    code: str


def decide_trust(state: TrustState | None, action: TrustAction) -> Allow | Refuse:
    """Say whether a peer in this state may do this.

    Args:
        state: The trust state, None for a peer that is not known.
        action: What it wants, or what we want to do for it.
    """
    if action in PERMITTED[state]:
        return Allow()
    if state is None:
        return Refuse("The key is not known here.", 401, "unknown-key")
    return _refusal(state)


def _refusal(state: TrustState) -> Refuse:
    match state:
        case TrustState.REQUESTED:
            return Refuse(
                "The office here has not confirmed the partnership yet.",
                403,
                "partnership-not-confirmed",
            )
        case TrustState.WAITING:
            return Refuse(
                "The partnership is not confirmed yet.",
                403,
                "partnership-not-confirmed",
            )
        case TrustState.ACTIVE:
            return Refuse(
                "The partnership is active already.", 403, "partnership-active"
            )
        case TrustState.PAUSED:
            return Refuse(
                "The office here has paused the partnership.",
                403,
                "partnership-paused",
            )
        case TrustState.SUSPENDED:
            return Refuse(
                "Another key was seen at this partner's address; the office here has "
                "to compare it first.",
                403,
                "partnership-suspended",
            )
        case TrustState.REFUSED:
            return Refuse("The partnership was refused.", 403, "partnership-refused")
        case TrustState.ENDING | TrustState.ENDED:
            return Refuse("The partnership has ended.", 403, "partnership-ended")
        case _:
            assert_never(state)
