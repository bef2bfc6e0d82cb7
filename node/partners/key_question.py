"""Why a partner's key is in question, and what the office types to settle it."""

from dataclasses import dataclass
from typing import Final

from federation.key_changes import SuspensionReason
from node.errors import ConflictError, InvalidInputError
from node.partners.model import Partner, public_key
from node.sentence import Sentence

_FINGERPRINT_DIGITS: Final = 16


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why nothing flows with a partner, for people.

    Attributes:
        pinned: Fingerprint of the key that our office has accepted.
        offered: Fingerprint of the key that its address showed last; None if it
            shows the accepted one again.
    """

    because: SuspensionReason
    pinned: str
    offered: str | None


def suspension_of(partner: Partner) -> Suspension | None:
    """Say why nothing flows with a partner, None if its key is in order."""
    if partner.suspended_because is None:
        return None
    offered = partner.offered_multibase
    return Suspension(
        partner.suspended_because,
        partner.key.fingerprint,
        None if offered is None else public_key(offered).fingerprint,
    )


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
