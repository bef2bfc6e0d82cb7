"""Write a decision into the audit log, in the transaction that carries it out."""

from collections.abc import Mapping
from typing import Any

from federation.ids import random_id
from node.audit.model import AuditNote, SubjectKind
from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction


def note_decision(
    tx: Transaction,
    context: NodeContext,
    event: str,
    *,
    actor: Person | None,
    about: tuple[SubjectKind, str] | None = None,
    reason: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Note who decided what about whom, and why (SPEC AUD-001).

    Args:
        tx: The transaction; if it is rolled back, nothing was decided.
        context: For the time and the random part.
        event: Code of `node.audit.sentences.AUDIT_SENTENCES`.
        actor: None for the node itself or another node.
        about: Our id of what it is about; None for the node.
        reason: In the words of whoever decided.
        before: What changed, as it was.
        after: What changed, as it is now.
    """
    kind, subject_id = about or (SubjectKind.NODE, None)
    tx.note(
        AuditNote(
            id=random_id(context.random),
            at=context.clock.now(),
            event=event,
            person_id=None if actor is None else actor.id,
            subject_kind=kind,
            subject_id=subject_id,
            reason=reason,
            before=before,
            after=after,
        )
    )
