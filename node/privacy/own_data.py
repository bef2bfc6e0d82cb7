"""Everything that the node holds about one person, for that person to take away.

What others wrote stays theirs: of their messages it says when and from which
organisation, not the text and not the name (GDPR Art. 15(4), 20(4)).

Source: SPEC.md DAT-001 to DAT-003.
"""

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import or_, select

from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.catalogue.model import Entry, EntryState
from node.errors import NotAuthorisedError
from node.ledger import Ledger, LedgerLine
from node.members.csv_export import write_table
from node.members.model import Person
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.entries import list_entries
from node.storage.tables import (
    audit_log,
    conversations,
    entries,
    mail_outbox,
    messages,
    organisations,
    persons,
    sessions,
    sign_in_links,
)

FORMAT: Final = "spalier-personal-data"
FORMAT_VERSION: Final = 1
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)  # `made_at` is inside
_ABOUT: Final = (
    "Alle Daten, die dieser Knoten zu Ihrer Person gespeichert hat: daten.json, die"
    " Einträge auch als Tabelle in eintraege.csv. Texte anderer Personen sind nicht"
    " enthalten.\n\n"
    "All data that this node has stored about you: daten.json, entries also as a table"
    " in eintraege.csv. Texts of other people are not included.\n"
)


class OwnData:
    """Collects what is stored about a person."""

    def __init__(self, context: NodeContext, ledger: Ledger) -> None:
        self._context = context
        self._ledger = ledger

    async def collect(self, actor: Person, person: Person) -> dict[str, Any]:
        """Return everything that is stored about `person`, as JSON.

        If the office asks for it, the audit log says so.

        Args:
            actor: The person itself, or the office on its request.
            person: Whose data, also somebody who has left.

        Raises:
            NotAuthorisedError: The actor is neither.
        """
        if actor.id != person.id and not actor.is_office:
            raise NotAuthorisedError(
                "Only the person itself and the office may take these data away."
            )
        if actor.id != person.id:

            async def note(tx: Transaction) -> None:
                note_decision(
                    tx,
                    self._context,
                    "personal_data_exported",
                    actor=actor,
                    about=(SubjectKind.PERSON, person.id),
                )

            await self._context.database.write(note)
        async with self._context.database.read() as tx:
            own = await list_entries(
                tx,
                self._context.address,
                where=or_(
                    entries.c.person_id == person.id, entries.c.author_id == person.id
                )
                & (entries.c.state != EntryState.DELETED),
            )
            document = {
                "format": FORMAT,
                "version": FORMAT_VERSION,
                "node": str(self._context.address.base_url),
                "cluster": self._context.config.name,
                "made_at": _plain(self._context.clock.now()),
                "person": await _person(tx, person.id),
                "conversations": await _conversations(tx, person.id),
                **await _traces(tx, person.id),
            }
        document["entries"] = [
            _entry(each, await self._ledger.lines_of_entry(each.id)) for each in own
        ]
        return document

    async def archive(self, actor: Person, person: Person) -> bytes:
        """Return the same as a ZIP file with a table of the entries.

        Raises:
            NotAuthorisedError: See `collect`.
        """
        document = await self.collect(actor, person)
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in (
                ("LIESMICH.txt", _ABOUT),
                ("daten.json", json.dumps(document, ensure_ascii=False, indent=2)),
                ("eintraege.csv", _table(document["entries"])),
            ):
                archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content)
        return written.getvalue()


async def _person(tx: Transaction, person_id: str) -> Mapping[str, Any]:
    (row,) = await _rows(
        tx,
        select(
            persons.c.name,
            persons.c.email,
            persons.c.function,
            persons.c.phone,
            persons.c.role,
            persons.c.language,
            persons.c.external_id,
            persons.c.consent_on,
            persons.c.consent_source,
            persons.c.left_at,
            persons.c.created_at,
            persons.c.updated_at,
            organisations.c.name.label("organisation"),
        )
        .join(organisations, organisations.c.id == persons.c.organisation_id)
        .where(persons.c.id == person_id),
    )
    return row


async def _traces(tx: Transaction, person_id: str) -> dict[str, Any]:
    """Return what using the node has left: mails, sessions, links, decisions."""
    return {
        "mails": await _rows(
            tx,
            select(
                mail_outbox.c.kind,
                mail_outbox.c.recipient,
                mail_outbox.c.subject,
                mail_outbox.c.created_at,
                mail_outbox.c.sent_at,
            )
            .where(mail_outbox.c.person_id == person_id)
            .order_by(mail_outbox.c.created_at),
        ),
        "sessions": await _rows(
            tx,
            select(
                sessions.c.created_at, sessions.c.seen_at, sessions.c.expires_at
            ).where(sessions.c.person_id == person_id),
        ),
        "sign_in_links": await _rows(
            tx,
            select(
                sign_in_links.c.purpose,
                sign_in_links.c.created_at,
                sign_in_links.c.expires_at,
                sign_in_links.c.used_at,
            ).where(sign_in_links.c.person_id == person_id),
        ),
        "decisions": await _rows(
            tx,
            select(
                audit_log.c.number,
                audit_log.c.at,
                audit_log.c.event,
                audit_log.c.details,
            )
            .where(
                or_(
                    audit_log.c.person_id == person_id,
                    audit_log.c.subject_id == person_id,
                )
            )
            .order_by(audit_log.c.number),
        ),
    }


async def _conversations(
    tx: Transaction, person_id: str
) -> Sequence[Mapping[str, Any]]:
    """Return the person's threads: own messages whole, of others when and whence."""
    taking_part = (
        select(messages.c.conversation_id)
        .where(messages.c.author_id == person_id)
        .scalar_subquery()
    )
    found = await tx.all(
        select(conversations)
        .where(
            or_(
                conversations.c.asker_id == person_id,
                conversations.c.owner_id == person_id,
                conversations.c.id.in_(taking_part),
            )
        )
        .order_by(conversations.c.created_at)
    )
    threads: dict[str, dict[str, Any]] = {
        row.id: {
            "entry": row.entry_uri,
            "title": row.entry_title,
            "begun_at": _plain(row.created_at),
            "messages": [],
        }
        for row in found
    }
    written = await tx.all(
        select(messages)
        .where(messages.c.conversation_id.in_(threads))
        .order_by(messages.c.sent_at)
    )
    for row in written:
        shown = {"at": _plain(row.sent_at), "organisation": row.author_organisation}
        if row.author_id == person_id:
            shown |= {"by": "you", "text": row.text}
        threads[row.conversation_id]["messages"].append(shown)
    return list(threads.values())


def _entry(entry: Entry, lines: Iterable[LedgerLine]) -> dict[str, Any]:
    return {
        "id": entry.uri,
        "kind": entry.kind,
        "state": entry.state.value,
        "version": [entry.version.incarnation, entry.version.counter],
        "audience": entry.audience.level.value,
        "content": dict(entry.content),
        "valid_until": _plain(entry.valid_until),
        "created_at": _plain(entry.created_at),
        "published_at": _plain(entry.published_at),
        "told_to": [
            {
                "cluster": line.partner_name,
                "address": line.partner_base_url,
                "what": line.op,
                "version": list(line.version),
                "told_at": _plain(line.told_at),
                "confirmed_at": _plain(line.acknowledged_at),
            }
            for line in lines
        ],
    }


def _table(found: Iterable[Mapping[str, Any]]) -> bytes:
    columns = ("id", "kind", "state", "title", "audience", "published_at", "told_to")
    return write_table(
        columns,
        [
            (
                each["id"],
                each["kind"],
                each["state"],
                next(iter(each["content"]["title"].values()), ""),
                each["audience"],
                each["published_at"] or "",
                ", ".join(told["cluster"] for told in each["told_to"]),
            )
            for each in found
        ],
    )


async def _rows(tx: Transaction, statement: Any) -> list[Mapping[str, Any]]:
    return [
        {name: _plain(value) for name, value in row._asdict().items()}
        for row in await tx.all(statement)
    ]


def _plain(value: object) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value
