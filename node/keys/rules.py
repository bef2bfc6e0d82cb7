"""Who may work with our keys, when they change, and what is wrong with them."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Final

from node.errors import (
    ConflictError,
    InvalidInputError,
    NodeError,
    NotAuthorisedError,
    UnavailableError,
)
from node.keys.model import NodeKey
from node.members.model import Person, Role
from node.sentence import Sentence

WAITING_DAYS: Final = 7
"""After so many days an announced key signs although a partner is away."""
OVERLAP: Final = timedelta(minutes=10)
"""How long the old key stays valid beside the new one at least; a request that it
has signed is on its way for `federation.limits.SIGNATURE_AGE_MAX` at most."""
REVOCATION_DAYS: Final = 30
"""So long a revoked key tries to say so itself; then its secret goes."""
REASON_MAX: Final = 300


def require_admin(actor: Person | None) -> None:
    """Let the node's administrators pass; None is somebody on the server itself.

    Raises:
        NotAuthorisedError: Anybody else.
    """
    if actor is not None and actor.role is not Role.NODE_ADMIN:
        raise NotAuthorisedError(
            "Only the node's technical administrator may work with its keys.",
            hint="Ask your cluster's technical administrator.",
        )


def due_at(announced: NodeKey) -> datetime:
    """Return when an announced key signs at the latest."""
    return announced.created_at + timedelta(days=WAITING_DAYS)


def late_at(active: NodeKey) -> datetime:
    """Return until when partners are waited for that may never take this key."""
    return (active.activated_at or active.created_at) + timedelta(days=WAITING_DAYS)


def require_secret(secrets: Collection[int], key: NodeKey) -> None:
    """Require that the key is there that has to sign afterwards.

    Raises:
        ConflictError: Its secret is not there.
    """
    if key.number in secrets:
        return
    raise ConflictError(
        Sentence(
            "The secret of key {number} is not there; nothing was done.",
            number=key.number,
        ),
        code="key-missing",
        hint="Put it back (spalier keys restore FILE), or replace it: "
        "spalier keys replace --lost",
    )


def checked_reason(reason: str) -> str:
    """Return the reason for a revocation in one line.

    Raises:
        InvalidInputError: It is empty or too long.
    """
    text = " ".join(reason.split())
    if not text or len(text) > REASON_MAX:
        raise InvalidInputError(
            Sentence(
                "Say in 1 to {limit} characters why; it stays in the history.",
                limit=REASON_MAX,
            ),
            code="reason-missing",
            path="reason",
        )
    return text


def missing_secrets(
    keys: Iterable[NodeKey], secrets: Collection[int]
) -> NodeError | None:
    """Return what is wrong while the secret of a live key is not there."""
    missing = [key.number for key in keys if key.is_live and key.number not in secrets]
    if not missing:
        return None
    return UnavailableError(
        Sentence(
            "The secret of key {numbers} is not there.",
            numbers=", ".join(map(str, missing)),
        ),
        code="key-missing",
        hint="Put it back from your backup: spalier keys restore FILE",
    )
