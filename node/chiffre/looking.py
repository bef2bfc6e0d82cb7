"""The office's view of entries under Chiffre: what waits, and whose one is.

Source: SPEC.md CHI-008.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from sqlalchemy import func, select

from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.catalogue.model import Entry, EntryState
from node.catalogue.states import entry_not_found
from node.chiffre.coarse import box_number
from node.errors import InvalidInputError, NotAuthorisedError
from node.members.model import Person
from node.plain_text import clean_line
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.conversations import hidden_owner
from node.storage.database import Transaction
from node.storage.entries import list_entries, load_entry
from node.storage.members import load_organisation, load_person
from node.storage.tables import audit_log, conversations, entries

LOOKED: Final = "looked_behind"
REASON_MAX: Final = 300  # characters


@dataclass(frozen=True, slots=True)
class BoxNumber:
    """An entry under Chiffre as the office sees it.

    Attributes:
        waits_until: The hour at which it appears; None if it has.
        threads: Conversations about it.
        unanswered: Those without an answer of the owner.
        oldest: Since when the oldest of these waits.
    """

    entry_id: str
    number: str
    kind: str
    title: Mapping[str, str]
    state: EntryState
    valid_until: date | None
    waits_until: datetime | None
    threads: int
    unanswered: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class Behind:
    """Whose an entry under Chiffre is.

    Attributes:
        person: The person it belongs to; None if it names none.
    """

    number: str
    title: Mapping[str, str]
    organisation: str
    person: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Look:
    """That somebody of the office has looked behind a Chiffre."""

    at: datetime
    by: str
    reason: str


async def box_numbers(context: NodeContext) -> list[BoxNumber]:
    """List the entries under Chiffre that are not deleted, newest day first."""
    async with context.database.read() as tx:
        found = await list_entries(
            tx,
            context.address,
            where=entries.c.is_chiffre & (entries.c.state != EntryState.DELETED),
            order_by=[entries.c.created_at.desc(), entries.c.id],
        )
        waiting = await tx.all(
            select(
                conversations.c.chiffre_of,
                func.count().label("threads"),
                func.count(conversations.c.answered_at).label("answered"),
                func.min(conversations.c.created_at)
                .filter(conversations.c.answered_at.is_(None))
                .label("oldest"),
            )
            .where(conversations.c.chiffre_of.is_not(None))
            .group_by(conversations.c.chiffre_of)
        )
    counts = {row.chiffre_of: row for row in waiting}
    return [_shown(each, counts) for each in found]


def _shown(entry: Entry, counts: Mapping[str, object]) -> BoxNumber:
    row = counts.get(entry.id)
    threads = getattr(row, "threads", 0)
    return BoxNumber(
        entry_id=entry.id,
        number=box_number(entry.uri),
        kind=entry.kind,
        title=entry.title,
        state=entry.state,
        valid_until=entry.valid_until,
        waits_until=entry.waits_until,
        threads=threads,
        unanswered=threads - getattr(row, "answered", 0),
        oldest=getattr(row, "oldest", None),
    )


async def look_behind(
    context: NodeContext, actor: Person, reference: str, *, reason: str
) -> Behind:
    """Say whose an entry under Chiffre is, and note who asked and why.

    Raises:
        NotAuthorisedError: The actor does not belong to the office.
        InvalidInputError: There is no reason, or it is too long.
        NotFoundError: There is no such entry under Chiffre.
    """
    if not actor.is_office:
        raise NotAuthorisedError("Only the office looks behind a box number.")
    why = clean_line(reason)
    if not why or len(why) > REASON_MAX:
        raise InvalidInputError(
            Sentence(
                "Give a reason of at most {limit} characters; the owner sees it.",
                limit=REASON_MAX,
            ),
            path="reason",
        )

    async def work(tx: Transaction) -> Behind:
        entry_id = context.address.entry_local_id(reference) or reference
        entry = await load_entry(tx, context.address, entry_id)
        if entry is None or not entry.is_chiffre or entry.state is EntryState.DELETED:
            raise entry_not_found(reference)
        owner = await hidden_owner(tx, entry.id)
        note_decision(
            tx,
            context,
            LOOKED,
            actor=actor,
            about=(SubjectKind.ENTRY, entry.id),
            reason=why,
        )
        organisation = (
            None
            if owner is None
            else await load_organisation(tx, owner.organisation_id)
        )
        person = (
            None
            if owner is None or owner.person_id is None
            else await load_person(tx, owner.person_id)
        )
        return Behind(
            number=box_number(entry.uri),
            title=entry.title,
            organisation="" if organisation is None else organisation.name,
            person=None if person is None else person.name,
            email=None if person is None else person.email,
        )

    return await context.database.write(work)


async def looks_at(context: NodeContext, entry_id: str) -> list[Look]:
    """List who has looked behind an entry and why, for whoever stands behind it."""
    async with context.database.read() as tx:
        rows = await tx.all(
            select(audit_log)
            .where(audit_log.c.subject_id == entry_id, audit_log.c.event == LOOKED)
            .order_by(audit_log.c.number)
        )
        looks = []
        for row in rows:
            person = None
            if row.person_id is not None:
                person = await load_person(tx, row.person_id)
            looks.append(
                Look(
                    at=row.at,
                    by="" if person is None else person.name,
                    reason=(row.details or {}).get("reason") or "",
                )
            )
        return looks
