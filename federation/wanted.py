"""What a peer wants with a single activity, by its type.

Source: SPEC.md FED-078, PRT-057.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from federation.documents.actor_update import UPDATE
from federation.documents.move import MOVE
from federation.documents.notice import NoticeType
from federation.trust import Allow, TrustAction, TrustState, decide_trust

if TYPE_CHECKING:
    from federation.json_types import JsonValue

_ACTIONS: Final = {
    "Create": TrustAction.MESSAGE,
    NoticeType.ACCEPT.value: TrustAction.NOTICE_ACCEPT,
    NoticeType.REJECT.value: TrustAction.NOTICE_REJECT,
    NoticeType.LEAVE.value: TrustAction.NOTICE_LEAVE,
    UPDATE: TrustAction.UPDATE_ACTOR,
    MOVE: TrustAction.ANNOUNCE_MOVE,
}


def wanted_by(kind: JsonValue, *, state: TrustState) -> TrustAction | None:
    """Return what a peer wants, None if no activity has this type.

    While both are partners a `Reject` can only be about a move of ours: the request
    that it may be about otherwise was answered.

    Args:
        kind: The type on the wire, or whatever stands in its place.
        state: Where the partnership stands.
    """
    if not isinstance(kind, str):
        return None
    answers = decide_trust(state, TrustAction.ANSWER_MOVE)
    if kind == NoticeType.REJECT.value and isinstance(answers, Allow):
        return TrustAction.ANSWER_MOVE
    return _ACTIONS.get(kind)
