"""Imports lists of organisations and of persons from a member database."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from federation.ids import random_id
from node.errors import InvalidInputError
from node.mail.outbox import MailOutbox
from node.members.csv_table import Table, check_keys, read_table
from node.members.first_password import issue_first_password
from node.members.import_columns import (
    ORGANISATION_COLUMNS,
    PERSON_COLUMNS,
    aliases,
    recognise,
)
from node.members.import_plan import (
    PersonState,
    PlannedRow,
    plan_organisations,
    plan_persons,
)
from node.members.import_report import (
    ImportReport,
    ImportSubject,
    RowAction,
    RowError,
    RowResult,
)
from node.members.model import Organisation, Person
from node.members.ports import PersonalProfiles
from node.ports import NodeContext
from node.sentence import Sentence
from node.signin.links import IssuedLink
from node.storage import members as rows
from node.storage.database import Transaction
from node.storage.sign_in import drop_links

# A change of these is seen in a person's profile as partners have it.
_SEEN_IN_PROFILES = frozenset({"name", "function", "consent_on", "consent_source"})


@dataclass(frozen=True, slots=True)
class MemberFile:
    """A file that could be read, before it is compared with what is stored."""

    subject: ImportSubject
    table: Table


def read_member_file(file_bytes: bytes) -> MemberFile:
    """Read a list of organisations or of persons; the header says which.

    Raises:
        InvalidInputError: Wrong encoding, missing column, no table, or one key in
            two rows; nothing of the file can be used.
    """
    subject = recognise(file_bytes)
    persons = subject is ImportSubject.PERSONS
    columns = PERSON_COLUMNS if persons else ORGANISATION_COLUMNS
    table = read_table(
        file_bytes,
        aliases=aliases(columns),
        required=[each.name for each in columns if each.needed],
    )
    if persons:
        lacks = {"consent_date", "consent_source"} - set(table.columns)
        if len(lacks) == 1:
            raise InvalidInputError(
                Sentence("The column {column} is missing.", column=lacks.pop()),
                code="missing-column",
                hint="A consent needs both its day and its source.",
            )
        check_keys(table, column="email")
    check_keys(table, column="external_id")
    return MemberFile(subject, table)


class MemberImport:
    """Plans an import in a transaction and carries the plan out."""

    def __init__(
        self, context: NodeContext, mail: MailOutbox, profiles: PersonalProfiles
    ) -> None:
        self._context = context
        self._mail = mail
        self._profiles = profiles

    async def plan(
        self, tx: Transaction, actor: Person | None, file: MemberFile
    ) -> list[PlannedRow[Any]]:
        """Compare a file with what is stored; writes nothing."""
        organisations = await rows.list_organisations(tx)
        if file.subject is ImportSubject.ORGANISATIONS:
            return list(plan_organisations(file.table, organisations))
        state = PersonState(
            organisations=organisations,
            persons=await rows.list_persons(tx),
            actor=actor,
            default_language=self._context.config.default_language,
            today=self._context.clock.now().date(),
        )
        return list(plan_persons(file.table, state))

    async def apply(
        self, tx: Transaction, planned: Sequence[PlannedRow[Any]], *, invite: bool
    ) -> list[IssuedLink]:
        """Carry a plan out; returns the links of persons who were added."""
        links = []
        for row in planned:
            is_person = isinstance(row.stored, Person) or "email" in row.values
            if row.result.action is RowAction.ADDED:
                if is_person:
                    links.append(await self._add_person(tx, row, invite=invite))
                else:
                    await self._add_organisation(tx, row)
            elif row.result.action is RowAction.CHANGED:
                if is_person:
                    await self._change_person(tx, row)
                elif isinstance(row.stored, Organisation):
                    await rows.update_organisation(
                        tx, row.stored.id, row.values, now=self._context.clock.now()
                    )
        return links

    async def _add_organisation(
        self, tx: Transaction, row: PlannedRow[Organisation]
    ) -> None:
        organisation = Organisation(id=random_id(self._context.random), **row.values)
        await rows.insert_organisation(tx, organisation, now=self._context.clock.now())

    async def _add_person(
        self, tx: Transaction, row: PlannedRow[Person], *, invite: bool
    ) -> IssuedLink:
        person = Person(
            id=random_id(self._context.random), organisation_name="", **row.values
        )
        await rows.insert_person(tx, person, now=self._context.clock.now())
        link = await issue_first_password(
            tx, self._context, self._mail, person, by_mail=invite
        )
        return IssuedLink(person.email, link)

    async def _change_person(self, tx: Transaction, row: PlannedRow[Person]) -> None:
        before = row.stored
        if before is None:
            msg = "a change of nobody"
            raise AssertionError(msg)
        changed = {
            name: value
            for name, value in row.values.items()
            if getattr(before, name) != value
        }
        await rows.update_person(tx, before.id, changed, now=self._context.clock.now())
        if "email" in changed:
            # Links went to the old address; whoever reads it now must not use them.
            await drop_links(tx, before.id)
        if _SEEN_IN_PROFILES & changed.keys():
            await self._profiles.refresh_person(tx, before.id)


def report_of(
    file: MemberFile,
    planned: Sequence[PlannedRow[Any]],
    *,
    dry_run: bool,
    links: Sequence[IssuedLink] = (),
) -> ImportReport:
    """Put the result of a plan together."""
    misshapen = [
        RowResult(
            number,
            "",
            "",
            RowAction.ERROR,
            errors=(
                RowError(number, Sentence("The row has more cells than the header.")),
            ),
        )
        for number in file.table.misshapen
    ]
    results = [*(row.result for row in planned), *misshapen]
    return ImportReport(
        subject=file.subject,
        rows=tuple(sorted(results, key=lambda result: result.row)),
        dry_run=dry_run,
        links=tuple(links),
        without_consent=sum(1 for row in planned if _lacks_consent(file, row)),
        ignored_columns=file.table.unknown,
    )


def _lacks_consent(file: MemberFile, row: PlannedRow[Any]) -> bool:
    if file.subject is not ImportSubject.PERSONS:
        return False
    if row.result.action is RowAction.ERROR:
        return False
    if "consent_on" in row.values:
        return row.values["consent_on"] is None
    return row.stored is None or not row.stored.has_consented
