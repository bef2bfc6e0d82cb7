"""Why a partner's key is in question, and what the office types to settle it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from federation.key_changes import SuspensionReason
from node.errors import ConflictError, InvalidInputError
from node.partners.model import KeyOrigin, Partner, PartnerKey, public_key
from node.sentence import Sentence

_FINGERPRINT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why nothing flows with a partner, for people.

    Attributes:
        pinned: Fingerprint of the key that our office knows: one that it compared
            rather than one that was announced since.
        offered: Fingerprint of the key that its address showed last; None if it
            shows the accepted one again.
        doubted: Fingerprints of further keys that were announced and count as long
            as our office has not compared.
    """

    because: SuspensionReason
    pinned: str
    offered: str | None
    doubted: tuple[str, ...] = ()


def suspension_of(partner: Partner) -> Suspension | None:
    """Say why nothing flows with a partner, None if its key is in order."""
    if partner.suspended_because is None:
        return None
    known = _known(partner)
    offered = partner.offered_multibase
    return Suspension(
        partner.suspended_because,
        known.fingerprint,
        None if offered is None else public_key(offered).fingerprint,
        tuple(
            key.fingerprint
            for key in partner.keys
            if key.pinned.is_current and key is not known and key.multibase != offered
        ),
    )


def _known(partner: Partner) -> PartnerKey:
    """Return the key that our office knows; who has stolen it may have added others."""
    if partner.suspended_because is SuspensionReason.REVOKED_ITSELF:
        revoked = [key for key in partner.keys if key.revoked is not None]
        return max(revoked, key=_revoked_at, default=partner.key)
    compared = (
        key
        for key in partner.keys
        if key.pinned.is_current and key.origin is not KeyOrigin.ANNOUNCED
    )
    return next(compared, partner.key)


def _revoked_at(key: PartnerKey) -> datetime:
    return key.revoked or key.pinned_at


def fingerprint_digits(fingerprint: str) -> str:
    """Return the sixteen hex digits of a fingerprint that somebody typed.

    Raises:
        InvalidInputError: The text is something else.
    """
    digits = "".join(fingerprint.split()).replace("-", "").upper()
    if len(digits) != _FINGERPRINT_DIGITS or set(digits) - set("0123456789ABCDEF"):
        raise InvalidInputError(
            "A fingerprint has sixteen digits and letters from A to F.",
            code="fingerprint-mistyped",
            path="fingerprint",
            hint="Let the other office read it out again.",
        )
    return digits


def ended_key(partner: Partner) -> ConflictError:
    """Say that the key at a partner's address was retired or revoked before."""
    return ConflictError(
        Sentence(
            "{name} signs with a key that it has retired or revoked before.",
            name=partner.name,
        ),
        code="partner-key-ended",
        hint=(
            "The other cluster's administrator has to make a new key; or end the "
            "partnership and begin anew."
        ),
    )
