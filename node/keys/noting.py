"""What the audit log keeps of our own keys."""

from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction


def note_key(
    tx: Transaction,
    context: NodeContext,
    step: str,
    number: int,
    actor: Person | None,
    *,
    reason: str | None = None,
) -> None:
    """Note what was done with a key.

    Args:
        tx: The transaction that does it.
        context: For the time and the random part.
        step: `made`, `activated`, `retired`, `revoked` or `saved`.
        number: Of the key.
        actor: None if its time had come, or for whoever may use the node's folder.
        reason: Why it was revoked.
    """
    note_decision(
        tx,
        context,
        f"own_key_{step}",
        actor=actor,
        about=(SubjectKind.KEY, str(number)),
        reason=reason,
    )
