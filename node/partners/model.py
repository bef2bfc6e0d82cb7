"""Partners and invitations, as values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from federation.trust import TrustState


class HandshakeRole(StrEnum):
    """Who invited whom: the host made the code, the guest accepted it."""

    HOST = "host"
    GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Partner:
    """A node that we trust, are about to trust, or trusted.

    Attributes:
        name: The partner's name as our office saw and confirmed it.
        role: Our role at the handshake.
        key_multibase: The pinned Ed25519 key (Multikey).
        head_seq: Last position written to the partner's ledger.
        acked_seq: Last position that the partner's receipt confirmed.
        attempts: Failed attempts since the last success.
        digest_equal: Whether the partner's last receipt agreed with our ledger.
        in_position: How far we have read the partner's ledger.
    """

    id: str
    base_url: str
    actor_id: str
    name: str
    card: Mapping[str, Any]
    state: TrustState
    role: HandshakeRole
    key_id: str
    key_multibase: str
    request_id: str
    check_number: str
    created_at: datetime
    compared_at: datetime | None = None
    active_since: datetime | None = None
    ended_at: datetime | None = None
    head_seq: int = 0
    acked_seq: int = 0
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    last_failure_at: datetime | None = None
    last_sent_at: datetime | None = None
    receipt_digest: str | None = None
    receipt_held: int | None = None
    receipt_refused: int | None = None
    digest_equal: bool | None = None
    checked_at: datetime | None = None
    in_epoch: str | None = None
    in_position: int = 0
    last_received_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that our office gave out.

    Attributes:
        secret: The 80 bits of the code.
        public_id: Name of the invitation in a partner request (a hash).
        group_hint: First group of the code, by which the office tells them apart.
        partner_id: The partner that used it.
    """

    id: str
    secret: bytes = field(repr=False)
    public_id: str
    group_hint: str
    created_at: datetime
    expires_at: datetime
    note: str | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    partner_id: str | None = None


@dataclass(frozen=True, slots=True)
class PartnerEvent:
    """One step in the history of a partnership."""

    partner_id: str
    at: datetime
    event: str
    person_name: str | None
    note: str | None
