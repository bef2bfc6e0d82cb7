"""Who may manage whom: nobody above oneself, and outside the office only at home."""

from node.errors import NotAuthorisedError
from node.members.model import Person, Role
from node.sentence import Sentence

_RANKS = {role: rank for rank, role in enumerate(Role)}


def may_manage(actor: Person | None, *, organisation_id: str, role: Role) -> bool:
    """Whether the actor may add or change a person with this role.

    Args:
        actor: Who acts; None for the node itself (set-up).
        organisation_id: Where the person is or will be.
        role: The role that the person has or will have.
    """
    if actor is None:
        return True
    if actor.left_at is not None or _RANKS[role] > _RANKS[actor.role]:
        return False
    if actor.is_office:
        return True
    return (
        actor.role is Role.ORGANISATION_ADMIN
        and actor.organisation_id == organisation_id
    )


def require_manage(actor: Person | None, *, organisation_id: str, role: Role) -> None:
    """Raise unless `may_manage`.

    Raises:
        NotAuthorisedError: The actor may not.
    """
    if not may_manage(actor, organisation_id=organisation_id, role=role):
        raise NotAuthorisedError(
            Sentence(
                "You may not manage a person with the role {role} here.", role=role
            ),
            hint="Ask the office.",
        )


def require_office(actor: Person | None) -> None:
    """Raise unless the actor acts for the office.

    Raises:
        NotAuthorisedError: The actor does not.
    """
    if actor is not None and (not actor.is_office or actor.left_at is not None):
        raise NotAuthorisedError(
            Sentence("Only the office may do this."), hint="Ask the office."
        )
