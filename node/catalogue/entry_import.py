"""Imports entries from a table: how a cluster that asked its members starts.

Each row has an external id. The same file again changes what differs and leaves
the rest alone. See `node.catalogue.import_content` for the columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any, Final

from federation.trust import ESTABLISHED
from node.catalogue.catalogue import Catalogue
from node.catalogue.import_content import (
    column_for,
    column_of_pointer,
    flat,
    read_content,
)
from node.catalogue.import_specs import split_list
from node.catalogue.model import Entry, EntryState
from node.catalogue.owners import Owner, resolve_owner
from node.catalogue.publication import Publication, read_publication
from node.catalogue.states import named_state
from node.errors import InvalidInputError, NodeError, NotAuthorisedError
from node.members.csv_table import (
    Row,
    Table,
    check_keys,
    normal_heading,
    read_header,
    read_table,
)
from node.members.directory import MemberDirectory
from node.members.fields import FieldError, read_code
from node.members.import_report import (
    FieldChange,
    ImportReport,
    ImportSubject,
    RowAction,
    RowError,
    RowResult,
)
from node.members.model import Person, Role
from node.partners.model import Partner
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage.database import Transaction
from node.storage.entries import find_by_external_id
from node.storage.partners import list_partners
from schemas import KINDS

ROWS_MAX: Final = 5_000  # signed one by one in one transaction
_REQUIRED: Final = ("kind", "external_id")
_OPEN_STATES: Final = frozenset({EntryState.PUBLISHED, EntryState.EXPIRED})


@dataclass(frozen=True, slots=True)
class PlannedEntry:
    """One row's result and the document to publish for it.

    Attributes:
        document: As for `Catalogue.publish`; None if there is nothing to do.
        entry_id: The entry that the row changes; None if it is new.
        stays_home: A person's profile without a recorded consent.
    """

    result: RowResult
    document: Mapping[str, Any] | None = None
    entry_id: str | None = None
    stays_home: bool = False


class EntryImport:
    """Plans an import of entries and carries it out in one transaction."""

    def __init__(
        self, context: NodeContext, catalogue: Catalogue, directory: MemberDirectory
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._directory = directory

    async def import_entries(
        self, actor: Person, file_bytes: bytes, *, dry_run: bool = False
    ) -> ImportReport:
        """Import a CSV file of entries.

        Rows with faults are left out and reported; the others are stored and told
        to partners in one transaction. A dry run gives the same report and stores
        nothing. A person's profile without a recorded consent is published at
        home only, and counted.

        Args:
            actor: Who imports: the office for everybody, an organisation's
                administrator for the own organisation.
            file_bytes: The CSV file.
            dry_run: Only tell what would happen.

        Raises:
            InvalidInputError: The file as a whole cannot be used: encoding,
                missing column, one external id in two rows.
            NotAuthorisedError: The actor is neither.
        """
        if actor.left_at is not None or actor.role is Role.PERSON:
            raise NotAuthorisedError(
                Sentence(
                    "Only the office or your organisation's administrator may "
                    "import entries."
                )
            )
        table = read_entry_table(file_bytes)
        if dry_run:
            async with self._context.database.read() as tx:
                planned = await self._plan(tx, actor, table)
            return _report(table, planned, dry_run=True)

        async def work(tx: Transaction) -> ImportReport:
            planned = await self._plan(tx, actor, table)
            done = [await self._apply(tx, actor, row) for row in planned]
            return _report(table, done, dry_run=False)

        return await self._context.database.write(work)

    async def _plan(
        self, tx: Transaction, actor: Person, table: Table
    ) -> list[PlannedEntry]:
        partners = [
            partner
            for partner in await list_partners(tx)
            if partner.state in ESTABLISHED
        ]
        planning = _Planning(
            tx=tx,
            context=self._context,
            directory=self._directory,
            actor=actor,
            partners=partners,
            today=self._context.clock.now().date(),
        )
        return [await planning.row(row) for row in table.rows]

    async def _apply(
        self, tx: Transaction, actor: Person, planned: PlannedEntry
    ) -> PlannedEntry:
        if planned.document is None:
            return planned
        try:
            await self._catalogue.publish_in(
                tx, actor, planned.document, entry_ref=planned.entry_id
            )
        except NodeError as error:
            # Raised before anything of this row was written, e.g. an entry that is
            # too long to sign; the other rows are not concerned.
            errors = tuple(_errors_of(error, planned.result.row))
            failed = replace(
                planned.result, action=RowAction.ERROR, changes=(), errors=errors
            )
            return PlannedEntry(failed)
        return planned


def read_entry_table(file_bytes: bytes) -> Table:
    """Read a table of entries.

    Raises:
        InvalidInputError: Nothing of the file can be used.
    """
    headings = {
        heading: column
        for heading in read_header(file_bytes)
        if (column := column_for(normal_heading(heading))) is not None
    }
    table = read_table(file_bytes, aliases=headings, required=_REQUIRED)
    if len(table.rows) > ROWS_MAX:
        raise InvalidInputError(
            Sentence("The file has more than {rows} rows.", rows=ROWS_MAX),
            code="file-too-large",
            hint="Divide it into several files.",
        )
    check_keys(table, column="external_id")
    return table


@dataclass(frozen=True, slots=True)
class _Planning:
    """Plans rows one by one against what is stored; writes nothing."""

    tx: Transaction
    context: NodeContext
    directory: MemberDirectory
    actor: Person
    partners: list[Partner]
    today: date

    async def row(self, row: Row) -> PlannedEntry:
        """Decide what happens with one row."""
        kind, errors = _kind(row)
        if not row.get("external_id"):
            sentence = Sentence("{column} is empty.", column="external_id")
            errors.append(RowError(row.number, sentence, "external_id"))
        if kind is None or errors:
            return _failed(row, errors)
        content, errors = read_content(
            row, kind, default_language=self.context.config.default_language
        )
        around, around_errors = self._around(row, kind)
        errors += around_errors
        if errors:
            return _failed(row, errors)
        try:
            before = await self._stored(row)
            content = await self._completed(content, around, before)
            document = {**content, **around}
            publication = read_publication(document, today=self.today)
            owner = await resolve_owner(self.tx, self.actor, publication)
        except NodeError as error:
            return _failed(row, _errors_of(error, row.number))
        return self._compared(row, document, publication, owner, before)

    def _around(self, row: Row, kind: str) -> tuple[dict[str, Any], list[RowError]]:
        """Read what stands beside the content: audience, owner, external id."""
        errors: list[RowError] = []
        level = "cluster"
        if row.get("audience"):
            try:
                level = read_code(row.get("audience"), vocabulary="audience_levels")
            except FieldError as error:
                errors.append(RowError(row.number, error.sentence, "audience"))
        audience: dict[str, Any] = {"level": level}
        named = split_list(row.get("partners"))
        if named:
            audience["partners"] = [self._base_url(each) for each in named]
            errors += [
                RowError(
                    row.number,
                    Sentence("{name} is not a partner cluster.", name=each),
                    "partners",
                )
                for each in named
                if self._partner(each) is None
            ]
        behalf = {
            column: row.get(column)
            for column in ("organisation", "person")
            if row.get(column)
        }
        if KINDS[kind].personal and "person" not in behalf:
            sentence = Sentence(
                "A person's profile needs the person's e-mail in the column person."
            )
            errors.append(RowError(row.number, sentence, "person"))
        around: dict[str, Any] = {
            "audience": audience,
            "external_id": row.get("external_id"),
        }
        if behalf:
            around["on_behalf_of"] = behalf
        return around, errors

    def _partner(self, named: str) -> Partner | None:
        wanted = named.rstrip("/").casefold()
        found = [
            each
            for each in self.partners
            if wanted
            in {
                each.base_url,
                each.base_url.partition("://")[2],
                each.name.casefold(),
            }
        ]
        return found[0] if len(found) == 1 else None

    def _base_url(self, named: str) -> str:
        partner = self._partner(named)
        return named if partner is None else partner.base_url

    async def _stored(self, row: Row) -> Entry | None:
        """Load the entry of the row's external id, if the actor may change it."""
        entry = await find_by_external_id(
            self.tx, self.context.address, row.get("external_id")
        )
        if entry is not None and not self.actor.may_change(
            organisation_id=entry.organisation_id,
            person_ids={entry.person_id, entry.author_id},
        ):
            raise NotAuthorisedError(
                Sentence("Somebody else is responsible for this entry."),
                path="/external_id",
            )
        return entry

    async def _completed(
        self, content: dict[str, Any], around: dict[str, Any], before: Entry | None
    ) -> dict[str, Any]:
        """Fill what a survey need not ask: last day, and what we know of members."""
        kind: str = content["kind"]
        behalf = around.get("on_behalf_of", {})
        known: Mapping[str, Any] = {}
        if KINDS[kind].personal:
            known = await self.directory.known_of_person(self.tx, behalf["person"])
        elif kind == "organisation_profile" and "organisation" in behalf:
            known = await self.directory.known_of_organisation(
                self.tx, behalf["organisation"]
            )
        completed = {**known, **content}
        lifetime = KINDS[kind].default_lifetime_days
        if "valid_until" not in content and lifetime is not None:
            last_day = self.today + timedelta(days=lifetime)
            if before is not None and (before.valid_until or date.min) >= self.today:
                last_day = before.valid_until or last_day
            completed["valid_until"] = last_day.isoformat()
        named = completed.get("name" if KINDS[kind].personal else "legal_name")
        if named and "title" not in completed:
            language = self.context.config.default_language
            completed["title"] = {language: named}
        return completed

    def _compared(
        self,
        row: Row,
        document: Mapping[str, Any],
        publication: Publication,
        owner: Owner,
        before: Entry | None,
    ) -> PlannedEntry:
        title = next(iter(publication.content["title"].values()))
        stays_home = KINDS[publication.kind].personal and not (
            owner.person is not None and owner.person.has_consented
        )
        result = RowResult(row.number, row.get("external_id"), title, RowAction.ADDED)
        if before is None:
            return PlannedEntry(result, document, None, stays_home)
        changes = tuple(self._changes(before, publication, owner))
        if not changes:
            unchanged = replace(result, action=RowAction.UNCHANGED)
            return PlannedEntry(unchanged, None, before.id, stays_home)
        if before.kind != publication.kind:
            sentence = Sentence("The kind of an entry cannot change.")
            return _failed(row, [RowError(row.number, sentence, "kind")])
        if before.state not in {*_OPEN_STATES, EntryState.DRAFT}:
            sentence = Sentence(
                "This entry is {state}; an import does not publish it again.",
                state=named_state(before.state),
            )
            return _failed(row, [RowError(row.number, sentence, "external_id")])
        changed = replace(result, action=RowAction.CHANGED, changes=changes)
        return PlannedEntry(changed, document, before.id, stays_home)

    def _changes(
        self, before: Entry, publication: Publication, owner: Owner
    ) -> list[FieldChange]:
        old, new = flat(before.content), flat(publication.content)
        old |= self._cells(
            before.audience.level.value,
            {
                each.base_url
                for each in self.partners
                if each.id in before.audience.partner_ids
            },
            before.organisation_name,
            before.person_name,
        )
        new |= self._cells(
            publication.level.value,
            set(publication.partners),
            owner.organisation.name,
            owner.person.name if owner.person else None,
        )
        return [
            FieldChange(column, old.get(column, ""), new.get(column, ""))
            for column in dict.fromkeys([*old, *new])
            if old.get(column, "") != new.get(column, "")
        ]

    @staticmethod
    def _cells(
        level: str, partners: set[str], organisation: str, person: str | None
    ) -> dict[str, str]:
        return {
            "audience": level,
            "partners": " | ".join(sorted(partners)),
            "organisation": organisation,
            "person": person or "",
        }


def _kind(row: Row) -> tuple[str | None, list[RowError]]:
    wanted = row.get("kind").replace("-", "_").casefold()
    for kind in KINDS.values():
        names = {kind.name, *(label.casefold() for label in kind.label.values())}
        if wanted in names:
            return kind.name, []
    sentence = Sentence(
        "{value} is no kind; possible are: {words}.",
        value=row.get("kind")[:40] or "„“",
        words=", ".join(KINDS),
    )
    return None, [RowError(row.number, sentence, "kind")]


def _errors_of(error: NodeError, row: int) -> list[RowError]:
    if isinstance(error, InvalidInputError) and error.faults:
        return [
            RowError(row, fault.message, column_of_pointer(fault.path))
            for fault in error.faults
        ]
    return [RowError(row, error.message, column_of_pointer(error.path))]


def _failed(row: Row, errors: list[RowError]) -> PlannedEntry:
    label = row.get("title_de") or row.get("title_en") or row.get("external_id")
    return PlannedEntry(
        RowResult(
            row.number,
            row.get("external_id"),
            label,
            RowAction.ERROR,
            errors=tuple(errors),
        )
    )


def _report(
    table: Table, planned: list[PlannedEntry], *, dry_run: bool
) -> ImportReport:
    results = [each.result for each in planned]
    for number in table.misshapen:
        sentence = Sentence("The row has more cells than the header.")
        error = RowError(number, sentence)
        results.append(RowResult(number, "", "", RowAction.ERROR, errors=(error,)))
    return ImportReport(
        subject=ImportSubject.ENTRIES,
        rows=tuple(sorted(results, key=lambda result: result.row)),
        dry_run=dry_run,
        without_consent=sum(1 for each in planned if each.stays_home),
        ignored_columns=table.unknown,
    )
