"""What a proven activity changes: a value with its reason, applied elsewhere.

`decide` is the last step of the pipeline in `federation.inbox`. It reads nothing
and changes nothing; the node loads what it has to know inside the transaction of
the effect, asks, and applies the answer in that transaction.

Source: SPEC.md PRT-044, PRT-045, FED-133 to FED-135.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from federation.documents.actor_update import ActorUpdate
from federation.documents.entry import ReceivedEntry
from federation.documents.message import Message
from federation.documents.move import Move
from federation.documents.notice import Notice, NoticeType
from federation.documents.page import Page, PageFault, PageItem
from federation.documents.withdrawal import Withdrawal
from federation.errors import NotPermittedError, SignatureInvalidError
from federation.inbox import ProvenActivity, require_trust
from federation.limits import (
    ACTIVITIES_DAILY_MAX,
    ENTRIES_HELD_MAX,
    ENTRIES_REMEMBERED_MAX,
    MESSAGES_DAILY_MAX,
    QUOTA_WAIT,
)
from federation.rates import too_many
from federation.trust import TrustAction, TrustEvent, TrustState

if TYPE_CHECKING:
    from federation.peers import KnownPeer

QUOTA_CODE: Final = "quota-exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the node knows of a peer in the transaction of the effect.

    Args:
        peer: The peer as it is now; it may have changed since the request came.
        request_id: Id of the partner request that the partnership rests on.
        own_move: Id of the announcement of our own move that the peer was sent, if
            this notice names one.
        answered_before: Whether this very activity took effect before.
        entries_remembered: Ids of entries of this peer that are remembered.
        known_entries: Those of the page among them; may be left empty as long as
            `entries_remembered` and the page stay below the quota together.
        kept_out: Those of `known_entries` that are kept out, whatever for.
        activities_today: Single activities of this peer within a day.
    """

    peer: KnownPeer
    request_id: str = ""
    own_move: str = ""
    answered_before: bool = False
    entries_remembered: int = 0
    known_entries: frozenset[str] = frozenset()
    kept_out: frozenset[str] = frozenset()
    activities_today: int = 0


@dataclass(frozen=True, slots=True)
class ApplyPage:
    """Apply the page item by item and answer with a receipt.

    Args:
        page: The page; entries beyond the quota stand in it as `PageFault`.
        reason: Why.
        not_remembered: What the page loses, because no further id is remembered:
            faults for the receipt, in order. A withdrawal of what is not known
            goes without a word; there is nothing to take back.
    """

    page: Page
    reason: str
    not_remembered: tuple[PageFault, ...] = ()


@dataclass(frozen=True, slots=True)
class KeepMessage:
    """Store a message between two members."""

    message: Message
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeTrust:
    """Change the trust state by an event, with what follows from it."""

    event: TrustEvent
    notice: Notice
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeKeys:
    """Look at what the peer says of its keys and card, and take what counts."""

    update: ActorUpdate
    reason: str


@dataclass(frozen=True, slots=True)
class AskAboutMove:
    """Show our office that the peer says to be at another address now."""

    move: Move
    reason: str


@dataclass(frozen=True, slots=True)
class MoveAnswered:
    """The peer's office has confirmed, or refused, that we are elsewhere now."""

    notice: Notice
    reason: str


@dataclass(frozen=True, slots=True)
class AnsweredBefore:
    """Answer as then, without effect."""

    reason: str


Decision: TypeAlias = (
    ApplyPage
    | KeepMessage
    | ChangeTrust
    | ChangeKeys
    | AskAboutMove
    | MoveAnswered
    | AnsweredBefore
)

_EVENTS: Final = {
    NoticeType.ACCEPT: TrustEvent.THEY_CONFIRMED,
    NoticeType.REJECT: TrustEvent.THEY_REFUSED,
    NoticeType.LEAVE: TrustEvent.THEY_LEFT,
}


def decide(proven: ProvenActivity, standing: Standing) -> Decision:
    """Say what a proven activity changes.

    Args:
        proven: From `inbox.prove`.
        standing: What the node knows now.

    Raises:
        PeerError: 401 if a key has ended meanwhile, 403 if the trust state does
            not permit it any more or the notice is about another request, 429 if a
            quota is used up.
    """
    content = proven.content
    if standing.answered_before and not isinstance(content, Page):
        return AnsweredBefore("This activity took effect before.")
    require_keys_still_count(proven.peer, standing.peer)
    require_trust(standing.peer, proven.action)
    match content:
        case Page():
            return _decide_page(content, standing)
        case Message():
            _require_below(standing.activities_today, MESSAGES_DAILY_MAX)
            return KeepMessage(content, "A partner's member writes.")
        case Notice():
            _require_below(standing.activities_today, ACTIVITIES_DAILY_MAX)
            return _decide_notice(content, standing)
        case ActorUpdate():
            if not _revokes(content, standing.peer):
                _require_below(standing.activities_today, ACTIVITIES_DAILY_MAX)
            return ChangeKeys(content, "The partner tells of itself.")
        case Move():
            _require_below(standing.activities_today, ACTIVITIES_DAILY_MAX)
            return AskAboutMove(content, "The partner says that it has moved.")
        case _:
            assert_never(content)


def decide_pulled(page: Page, *, peer: KnownPeer, standing: Standing) -> ApplyPage:
    """Say what a page changes that we have asked for: the same as a pushed one.

    Args:
        page: The page, every owner, schema and proof checked.
        peer: The peer as it was when the page was checked.
        standing: What the node knows now.

    Raises:
        PeerError: 401 if a key has ended meanwhile, 403 if the trust state does
            not permit it any more.
    """
    require_keys_still_count(peer, standing.peer)
    require_trust(
        standing.peer,
        TrustAction.PUSH_WITHDRAWALS if page.only_withdraws else TrustAction.PUSH_PAGE,
    )
    return _decide_page(page, standing)


def needs_known_entries(page: Page, *, remembered: int) -> bool:
    """Tell whether `decide` has to know which entries of a page are remembered."""
    return remembered + len(page.items) > ENTRIES_HELD_MAX


def _decide_page(page: Page, standing: Standing) -> ApplyPage:
    if not needs_known_entries(page, remembered=standing.entries_remembered):
        return ApplyPage(page, "It continues what we have.")
    held = set(standing.known_entries - standing.kept_out)
    remembered = set(standing.known_entries)
    room = ENTRIES_HELD_MAX - standing.entries_remembered
    ids_left = ENTRIES_REMEMBERED_MAX - standing.entries_remembered
    items: list[PageItem] = []
    without_row: dict[str, PageFault] = {}
    for item in page.items:
        if item.entry_id not in remembered and ids_left <= 0:
            without_row.pop(item.entry_id, None)
            if not isinstance(item.content, Withdrawal):
                without_row[item.entry_id] = _beyond_quota(item)
            continue
        ids_left -= item.entry_id not in remembered
        remembered.add(item.entry_id)
        is_new = item.entry_id not in held
        room -= is_new
        if is_new and room < 0 and isinstance(item.content, ReceivedEntry):
            items.append(PageItem(_beyond_quota(item)))
        else:
            items.append(item)
            held.add(item.entry_id)
    return ApplyPage(
        replace(page, items=tuple(items)),
        "Entries beyond the quota are kept out.",
        tuple(without_row.values()),
    )


def _beyond_quota(item: PageItem) -> PageFault:
    reason = f"{QUOTA_CODE}: at most {ENTRIES_HELD_MAX} entries of a partner are held."
    return PageFault(item.entry_id, item.version, reason)


def _decide_notice(
    notice: Notice, standing: Standing
) -> ChangeTrust | MoveAnswered | AnsweredBefore:
    if standing.own_move and notice.object == standing.own_move:
        return MoveAnswered(notice, f"Our move: {notice.type.value}.")
    if notice.type is NoticeType.REJECT:
        # Permitted so far for an answer about a move; this is about a request.
        require_trust(standing.peer, TrustAction.NOTICE_REJECT)
    if notice.type is not NoticeType.LEAVE:
        if notice.object != standing.request_id:
            raise NotPermittedError(
                "The notice is about another request than ours.",
                code="unknown-request",
            )
        if standing.peer.state is not TrustState.WAITING:
            return AnsweredBefore("The request was answered before.")
    event = _EVENTS[notice.type]
    return ChangeTrust(event, notice, f"The partner says {notice.type.value}.")


def require_keys_still_count(then: KnownPeer, now: KnownPeer) -> None:
    """Require that no key has ended since the request and its proofs were checked.

    To be asked in the transaction of every effect and of every answer that is
    not for everybody.

    Args:
        then: The peer as it was when its request was authenticated.
        now: The peer as it is in the transaction.

    Raises:
        SignatureInvalidError: One has; signed anew the request is looked at again.
    """
    if _current(then) - _current(now):
        raise SignatureInvalidError(
            "A key has ended while the request was looked at; sign it again.",
            code="key-ended",
        )


def _revokes(update: ActorUpdate, peer: KnownPeer) -> bool:
    """Tell whether an update ends a key by revocation.

    No quota holds that up: whoever has stolen the key could use the quota up.
    """
    revoked = {key.key_id for key in update.actor.keys if key.revoked is not None}
    return bool(revoked & _current(peer))


def _current(peer: KnownPeer) -> set[str]:
    return {key.key_id for key in peer.keys if key.is_current}


def _require_below(count: int, limit: int) -> None:
    if count >= limit:
        raise too_many(
            QUOTA_WAIT,
            code=QUOTA_CODE,
            text=f"More than {limit} activities a day are not taken.",
        )


__all__ = [
    "QUOTA_CODE",
    "AnsweredBefore",
    "ApplyPage",
    "AskAboutMove",
    "ChangeKeys",
    "ChangeTrust",
    "Decision",
    "KeepMessage",
    "MoveAnswered",
    "Standing",
    "decide",
    "decide_pulled",
    "needs_known_entries",
    "require_keys_still_count",
]
