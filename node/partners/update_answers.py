"""What a partner's update of its actor is answered, beside being taken."""

from dataclasses import dataclass

from federation.errors import ConflictError, NotPermittedError
from federation.key_changes import (
    KeyDecision,
    KeySuspended,
    RefusalReason,
    SuspensionReason,
)
from federation.trust import ESTABLISHED, TrustState
from node.partners.model import Partner


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """What became of a partner's update.

    Args:
        partner: As it is now; to be committed in any case.
        refusal: What the partner is answered then; None if the update was taken.
    """

    partner: Partner
    refusal: ConflictError | None = None


def require_heard(partner: Partner, decision: KeyDecision) -> None:
    """Require that an update may have an effect in the partner's present state.

    Raises:
        PeerError: 403 if the partner is suspended, unless a key revokes itself; 409
            if a current key is missing and it is suspended already, or nothing
            flows that could be stopped.
    """
    because = decision.reason if isinstance(decision, KeySuspended) else None
    if because is SuspensionReason.REVOKED_ITSELF:
        return
    if partner.state is TrustState.SUSPENDED:
        if because is not None:
            raise keys_suspended()  # the same answer as to the first one
        raise NotPermittedError(
            "The office here has to compare this partner's key first.",
            code="partnership-suspended",
        )
    if because is not None and partner.state not in ESTABLISHED:
        raise broken_rule(RefusalReason.MISSING)


def keys_suspended() -> ConflictError:
    """Return the answer to an update without a key that may sign now (FED-104)."""
    return ConflictError(
        "A key that may sign now is not listed. Nothing of the update was taken, and "
        "the office here has to compare the keys of this node first.",
        code="keys-suspended",
    )


def broken_rule(reason: RefusalReason) -> ConflictError:
    """Return the answer to an update that breaks a rule of FED-104."""
    return ConflictError(
        reason.value, code="key-conflict", members={"rule": reason.name}
    )
