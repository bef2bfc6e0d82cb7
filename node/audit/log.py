"""Read the audit log, and look whether it is whole."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, and_, select

from federation.errors import FederationError
from federation.json_types import JsonObject
from federation.signatures.proof import verify_proof
from federation.validation import check_wire
from node.audit.chain import BEGINNING, Damage, first_damage, told_as
from node.audit.model import AuditHead, AuditRecord, SubjectKind
from node.audit.sentences import AUDIT_SENTENCES
from node.errors import InvalidInputError
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import audit as rows
from node.storage.database import Transaction
from node.storage.tables import (
    audit_log,
    entries,
    organisations,
    partners,
    persons,
)

_READ_AT_ONCE: Final = 1000  # rows of the log
PAGE_SIZE: Final = 100


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A row of the log as people read it.

    Attributes:
        sentence: What was decided; about whom, by the present name.
        person: Who decided, by the present name; None for the node or a partner.
    """

    record: AuditRecord
    sentence: Sentence
    person: str | None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows somebody wants to read; what is None does not matter.

    Attributes:
        subject_id: Our id of what the decision is about.
        before: Only rows with a smaller number, to page on.
    """

    subject_id: str | None = None
    person_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None

    def condition(self) -> ColumnElement[bool]:
        """Return it as a condition over `audit_log`."""
        wanted: list[ColumnElement[bool]] = [audit_log.c.number > 0]
        if self.subject_id is not None:
            wanted.append(audit_log.c.subject_id == self.subject_id)
        if self.person_id is not None:
            wanted.append(audit_log.c.person_id == self.person_id)
        if self.since is not None:
            wanted.append(audit_log.c.at >= self.since)
        if self.until is not None:
            wanted.append(audit_log.c.at < self.until)
        if self.before is not None:
            wanted.append(audit_log.c.number < self.before)
        return and_(*wanted)


@dataclass(frozen=True, slots=True)
class AuditCheck:
    """What a look at the whole log found.

    Attributes:
        damage: The first row that does not fit; None if all do.
    """

    head: AuditHead
    damage: Damage | None


class AuditLog:
    """The log of this node; it is written by `Transaction.note`."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context

    async def list(
        self, wanted: AuditFilter | None = None, *, limit: int = PAGE_SIZE
    ) -> Sequence[AuditLine]:
        """Load rows, newest first, in sentences."""
        condition = (wanted or AuditFilter()).condition()
        async with self._context.database.read() as tx:
            found = await rows.list_records(tx, where=condition, limit=limit)
            return await _in_words(tx, found)

    async def lines(self) -> AsyncIterator[AuditLine]:
        """Read the whole log, oldest first, for an export."""
        last = 0
        while True:
            async with self._context.database.read() as tx:
                found = await rows.list_records(
                    tx,
                    where=audit_log.c.number > last,
                    newest_first=False,
                    limit=_READ_AT_ONCE,
                )
                words = await _in_words(tx, found)
            for line in words:
                yield line
            if not found:
                return
            last = found[-1].number

    async def check(self) -> AuditCheck:
        """Compute every row's hash again and compare the last with the head."""
        async with self._context.database.read() as tx:
            head = await rows.load_head(tx)
            return AuditCheck(head, await find_damage(tx, head))

    async def newest_at(self, receipt: JsonObject) -> AuditRecord | None:
        """Find the row that was the newest when this node signed a receipt.

        Args:
            receipt: As a partner holds it (schemas/wire/receipt).

        Returns:
            None if there is no such row: the log was written anew since, or it was
            put back from a backup that is older than the receipt.

        Raises:
            InvalidInputError: It is no receipt that one of our keys has signed, or it
                names no row.
        """
        told = self._told(receipt)
        receipt_id = str(receipt["id"])
        async for line in self.lines():
            head = AuditHead(line.record.number, line.record.hash)
            if told_as(head, receipt_id) == told:
                return line.record
        return None

    def _told(self, receipt: JsonObject) -> str:
        """Return how a receipt of ours names the head."""
        address = self._context.address
        keys = {
            address.key(each.number): each.public_key
            for each in self._context.keys.keys
        }
        try:
            check_wire("receipt", receipt)
            verify_proof(receipt, find_key=lambda key_id, _: keys.get(key_id))
        except FederationError as error:
            raise InvalidInputError(
                "This is not a receipt that this node has signed.",
                code="receipt-not-ours",
                path="receipt",
                hint="Ask the partner for the file as it is stored there.",
            ) from error
        told = receipt.get("auditHead")
        if not isinstance(told, str):
            raise InvalidInputError(
                "The receipt names no row of the audit log.",
                code="receipt-without-head",
                path="receipt",
                hint="Take one of a later date.",
            )
        return told


async def find_damage(tx: Transaction, head: AuditHead) -> Damage | None:
    """Read the whole log, some rows at a time, up to the first that does not fit."""
    last = BEGINNING
    while last.number < head.number:
        found = await rows.list_records(
            tx,
            where=audit_log.c.number > last.number,
            newest_first=False,
            limit=_READ_AT_ONCE,
        )
        if not found:
            return Damage(last.number + 1, missing=True)
        end = head if found[-1].number >= head.number else _head_of(found[-1])
        damage = first_damage(found, end, after=last)
        if damage is not None:
            return damage
        last = _head_of(found[-1])
    return None


def _head_of(record: AuditRecord) -> AuditHead:
    return AuditHead(record.number, record.hash)


async def _in_words(
    tx: Transaction, found: Sequence[AuditRecord]
) -> Sequence[AuditLine]:
    people = {each.person_id for each in found if each.person_id is not None}
    names = await _names(tx, found)
    names.update(
        {
            (SubjectKind.PERSON, row.id): row.name
            for row in await tx.all(
                select(persons.c.id, persons.c.name).where(persons.c.id.in_(people))
            )
        }
    )
    return [
        AuditLine(
            record,
            _sentence(record, names),
            None
            if record.person_id is None
            else names.get((SubjectKind.PERSON, record.person_id), record.person_id),
        )
        for record in found
    ]


def _sentence(
    record: AuditRecord, names: Mapping[tuple[SubjectKind, str], str]
) -> Sentence:
    template = AUDIT_SENTENCES.get(record.event)
    if template is None:
        return Sentence("{event}", event=record.event)
    subject = record.subject_id or ""
    shown = names.get((record.subject_kind, subject), subject)
    return Sentence(template, subject=shown)


async def _names(
    tx: Transaction, found: Sequence[AuditRecord]
) -> dict[tuple[SubjectKind, str], str]:
    """Load the present names of what rows are about."""
    names: dict[tuple[SubjectKind, str], str] = {}
    for kind, table in (
        (SubjectKind.PARTNER, partners),
        (SubjectKind.PERSON, persons),
        (SubjectKind.ORGANISATION, organisations),
    ):
        ids = _ids(found, kind)
        if ids:
            statement = select(table.c.id, table.c.name).where(table.c.id.in_(ids))
            for row in await tx.all(statement):
                names[kind, row.id] = row.name
    titled = _ids(found, SubjectKind.ENTRY)
    if titled:
        statement = select(entries.c.id, entries.c.content).where(
            entries.c.id.in_(titled)
        )
        for row in await tx.all(statement):
            title: Mapping[str, str] = row.content.get("title", {})
            names[SubjectKind.ENTRY, row.id] = next(iter(title.values()), row.id)
    return names


def _ids(found: Sequence[AuditRecord], kind: SubjectKind) -> set[str]:
    return {
        each.subject_id
        for each in found
        if each.subject_kind is kind and each.subject_id is not None
    }
