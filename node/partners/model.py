"""Partners and invitations, as values."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, assert_never

from federation.ids import BaseUrl
from federation.key_changes import SuspensionReason
from federation.keys import PublicKey
from federation.negotiation import (
    CAPABILITIES,
    OURS,
    PROTOCOL_VERSION,
    Agreed,
    Capability,
    Incompatible,
    Offer,
    negotiate,
)
from federation.peers import PinnedKey
from federation.trust import TrustState
from node.visibility.policy import ACQUAINTANCE, PolicySheet, Preset


class HandshakeRole(StrEnum):
    """Who invited whom: the host made the code, the guest accepted it."""

    HOST = "host"
    GUEST = "guest"


class KeyOrigin(StrEnum):
    """How a key of a partner came to count."""

    HANDSHAKE = "handshake"
    """Both offices compared the check number."""
    ANNOUNCED = "announced"
    """A key that counted already signed the announcement."""
    CONFIRMED = "confirmed"
    """Our office compared the fingerprint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerKey:
    """A key of a partner, and what became of it.

    Attributes:
        id: Our own id of the row.
        key_id: Its id on the wire.
        multibase: The Ed25519 key (Multikey).
        person_id: Who confirmed it, if our office did.
        person_name: The name, where it was looked up.
        expires: Retired: proofs made up to then stay valid.
        revoked: Nothing signed by it counts any more.
        replaced_at: When a new handshake or confirmation left it out.
    """

    id: str
    key_id: str
    multibase: str
    origin: KeyOrigin
    pinned_at: datetime
    person_id: str | None = None
    person_name: str | None = None
    expires: datetime | None = None
    revoked: datetime | None = None
    replaced_at: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """The form that people compare."""
        return self.pinned.public_key.fingerprint

    @property
    def pinned(self) -> PinnedKey:
        """The key as the protocol knows it."""
        return PinnedKey(
            self.key_id,
            public_key(self.multibase),
            expires=self.expires,
            revoked=self.revoked,
        )


@functools.lru_cache(maxsize=4096)
def public_key(multibase: str) -> PublicKey:
    """Read a stored key; the checks of its import are not repeated each time."""
    return PublicKey.from_multibase(multibase)


@dataclass(frozen=True, slots=True)
class Partner:
    """A node that we trust, are about to trust, or trusted.

    Attributes:
        name: The partner's name as our office saw and confirmed it.
        role: Our role at the handshake.
        keys: The keys that count for it, the one that signs now first; there is
            always one, though it may be revoked.
        protocol: Version that it speaks, `MAJOR.MINOR`.
        capabilities: What it can do, in its own words.
        actor_updated: How old its last accepted word about itself is.
        suspended_from: The state before the suspension; None if it is not suspended.
        suspended_because: Why its key has to be compared.
        offered_multibase: The key seen instead of the pinned one; not trusted.
        looked_at: When the keys at its address were last looked at.
        former_urls: Where it was before it moved, the oldest first.
        moving_to: Where it says to be now, as long as our office has not answered.
        moving_id: Id of the announcement that says so.
        moving_since: When that arrived.
        move_published: When the newest announcement was made, by its own word.
        known_as: The former address of ours by which it knows us, until it has
            confirmed the present one; None if it has.
        told_key_number: Newest of our keys that the partner is known to hold.
        head_seq: Last position written to the partner's ledger.
        acked_seq: Last position that the partner's receipt confirmed.
        attempts: Failed attempts since the last success.
        digest_equal: Whether the partner's last receipt agreed with our ledger.
        failing_since: The first of the failed attempts in a row.
        problem_code: What went wrong last, for pages in any language; `last_error`
            is the log's sentence beside it.
        compared_epoch: The epoch of ours in which we asked what the partner holds.
        next_check_at: When both sides are compared again though nothing changes.
        renewed_at: The newest page of ours that may have renewed its copies.
        in_position: How far we have read the partner's ledger.
        refetch_since: Since when everything has to be fetched again, as a purge or
            an end was undone; None once it was.
        verified_at: When the origin made the newest page that was equal to what we
            hold; copies are leased from then.
        to_verify_since: Since when nothing is shown that no such page has confirmed.
        hidden_at: Since when our members do not see its entries.
        released_at: Since when it sees what is for all partners (SPEC VIS-076).
        policy_out: What we give it; see `node.visibility.policy`.
        policy_in: What we take from it.
        policy_reminded_until: The latest end of them of which the office was reminded.
    """

    id: str
    base_url: str
    actor_id: str
    name: str
    card: Mapping[str, Any]
    state: TrustState
    role: HandshakeRole
    keys: tuple[PartnerKey, ...]
    request_id: str
    check_number: str
    created_at: datetime
    compared_at: datetime | None = None
    active_since: datetime | None = None
    ended_at: datetime | None = None
    protocol: str = PROTOCOL_VERSION
    capabilities: tuple[str, ...] = CAPABILITIES
    actor_updated: datetime | None = None
    suspended_from: TrustState | None = None
    suspended_because: SuspensionReason | None = None
    offered_multibase: str | None = None
    looked_at: datetime | None = None
    former_urls: tuple[BaseUrl, ...] = ()
    moving_to: BaseUrl | None = None
    moving_id: str | None = None
    moving_since: datetime | None = None
    move_published: datetime | None = None
    known_as: BaseUrl | None = None
    told_key_number: int = 1
    head_seq: int = 0
    acked_seq: int = 0
    attempts: int = 0
    next_attempt_at: datetime | None = None
    failing_since: datetime | None = None
    last_error: str | None = None
    problem_code: str | None = None
    last_failure_at: datetime | None = None
    last_sent_at: datetime | None = None
    receipt_digest: str | None = None
    receipt_held: int | None = None
    receipt_refused: int | None = None
    digest_equal: bool | None = None
    checked_at: datetime | None = None
    compared_epoch: str | None = None
    next_check_at: datetime | None = None
    renewed_at: datetime | None = None
    in_epoch: str | None = None
    in_position: int = 0
    last_received_at: datetime | None = None
    refetch_since: datetime | None = None
    verified_at: datetime | None = None
    to_verify_since: datetime | None = None
    hidden_at: datetime | None = None
    hidden_by: str | None = None
    released_at: datetime | None = None
    released_by: str | None = None
    policy_out: PolicySheet = ACQUAINTANCE
    policy_in: PolicySheet = ACQUAINTANCE
    policy_reminded_until: date | None = None

    @property
    def key(self) -> PartnerKey:
        """The key that signs now."""
        return self.keys[0]

    @property
    def agreed(self) -> Agreed:
        """What both sides speak; the handshake refuses another major version."""
        found = negotiate(OURS, Offer(self.protocol, self.capabilities))
        match found:
            case Agreed():
                return found
            case Incompatible():
                msg = f"partner {self.id}: {found.reason}"
                raise ValueError(msg)
            case _:
                assert_never(found)

    def has(self, capability: Capability) -> bool:
        """Tell whether both sides can do something."""
        return self.agreed.has(capability)


@dataclass(frozen=True, slots=True)
class Invitation:
    """A code that our office gave out.

    Attributes:
        secret: The 80 bits of the code.
        public_id: Name of the invitation in a partner request (a hash).
        group_hint: First group of the code, by which the office tells them apart.
        preset: What the partnership begins with, in both directions.
        partner_id: The partner that used it.
    """

    id: str
    secret: bytes = field(repr=False)
    public_id: str
    group_hint: str
    created_at: datetime
    expires_at: datetime
    note: str | None = None
    preset: Preset = Preset.PARTNER
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
