"""Imports: upload, look at what would happen, import.

Between the two steps the file travels in the form itself, packed: nothing of it
is kept here, and both steps read exactly the same bytes.
"""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web
from aiohttp.web_request import FileField

from admin_ui.desk import Desk, desk_of
from admin_ui.forms import UploadForm
from admin_ui.wording import explain
from node.errors import InvalidInputError, NodeError
from node.members.import_report import ImportReport, RowAction, RowResult
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.pages.wording import in_words
from node.web.rendering import render
from node.web.views import Status, StatusTone
from schemas import KINDS

FILE_BYTES_MAX: Final = 2 * 1024 * 1024
ROWS_SHOWN: Final = 500

_ACTIONS: Final[dict[RowAction, tuple[str, StatusTone]]] = {
    RowAction.ADDED: (lazy_gettext("new"), "ok"),
    RowAction.CHANGED: (lazy_gettext("changed"), "warning"),
    RowAction.UNCHANGED: (lazy_gettext("unchanged"), "neutral"),
    RowAction.ERROR: (lazy_gettext("left out"), "danger"),
}
# Rows that need a look come first.
_ORDER: Final = (
    RowAction.ERROR,
    RowAction.CHANGED,
    RowAction.ADDED,
    RowAction.UNCHANGED,
)


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of the file as the page draws it."""

    result: RowResult
    status: Status
    reasons: Sequence[str]


class Run(Protocol):
    """Imports a file, or tells what would happen."""

    async def __call__(
        self, desk: Desk, content: bytes, *, dry_run: bool, invite: bool
    ) -> ImportReport:
        """Import `content`; `invite` mails new persons their link."""
        ...


@dataclass(frozen=True, slots=True)
class ImportPage:
    """What the imports of members and of entries have of their own.

    Attributes:
        templates: Address and name of the files that show the columns; a kind's name
            by language.
    """

    path: str
    heading: str
    lead: str
    back: tuple[str, str]
    templates: Sequence[tuple[str, str | Mapping[str, str]]]
    run: Run
    may_invite: bool


async def members(request: web.Request) -> web.Response:
    """Import organisations or persons."""
    return await _import(request, MEMBERS)


async def entries(request: web.Request) -> web.Response:
    """Import entries."""
    return await _import(request, ENTRIES)


async def _import(request: web.Request, page: ImportPage) -> web.Response:
    desk = desk_of(request)
    if request.method != "POST":
        return _form(request, page, UploadForm(None), "")
    sent = await request.post()
    seen = sent.get("packed")
    try:
        if isinstance(seen, str):
            report = await page.run(
                desk,
                unpacked(seen),
                dry_run=False,
                invite=page.may_invite and sent.get("invite") == "ja",
            )
            return _report(request, page, report, b"")
        form = await read_form(request, UploadForm)
        if not form.validate():
            return _form(request, page, form, "")
        content = _content(sent.get("file"))
        report = await page.run(desk, content, dry_run=True, invite=False)
    except NodeError as error:
        return _form(request, page, UploadForm(None), explain(error))
    return _report(request, page, report, content)


def packed(content: bytes) -> str:
    """Pack a file so that it can stand in a form."""
    return base64.urlsafe_b64encode(zlib.compress(content, 6)).decode()


def unpacked(text: str) -> bytes:
    """Read what `packed` wrote, never more than a file may have.

    Raises:
        InvalidInputError: It is something else.
    """
    unpacking = zlib.decompressobj()
    try:
        raw = base64.urlsafe_b64decode(text.encode())
        content = unpacking.decompress(raw, FILE_BYTES_MAX)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise InvalidInputError("The file was lost. Choose it again.") from error
    if not unpacking.eof:
        raise InvalidInputError("The file was lost. Choose it again.")
    return content


def _content(uploaded: object) -> bytes:
    if not isinstance(uploaded, FileField):
        raise InvalidInputError("Choose a file.")
    content = uploaded.file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise InvalidInputError(
            "The file is larger than 2 MB. Divide it into several files."
        )
    return content


def _form(
    request: web.Request, page: ImportPage, form: UploadForm, problem: str
) -> web.Response:
    failed = bool(problem or form.errors)
    return render(
        request,
        "admin_ui/import.html",
        {"page": page, "form": form, "problem": problem},
        status=422 if failed else 200,
    )


def _report(
    request: web.Request, page: ImportPage, report: ImportReport, content: bytes
) -> web.Response:
    rows = sorted(report.rows, key=lambda row: (_ORDER.index(row.action), row.row))
    return render(
        request,
        "admin_ui/import_report.html",
        {
            "page": page,
            "report": report,
            "rows": [_shown(row) for row in rows[:ROWS_SHOWN]],
            "not_shown": max(0, len(rows) - ROWS_SHOWN),
            "numbers": _numbers(report),
            "packed": packed(content) if content else "",
            "usable": report.added + report.changed,
        },
    )


def _numbers(report: ImportReport) -> list[Status]:
    left_out = sum(row.action is RowAction.ERROR for row in report.rows)
    return [
        Status(ngettext("%(num)s new", "%(num)s new", report.added), "ok"),
        Status(
            ngettext("%(num)s changed", "%(num)s changed", report.changed),
            "warning" if report.changed else "neutral",
        ),
        Status(
            ngettext("%(num)s unchanged", "%(num)s unchanged", report.unchanged),
            "neutral",
        ),
        Status(
            ngettext("%(num)s left out", "%(num)s left out", left_out),
            "danger" if left_out else "neutral",
        ),
    ]


def _shown(row: RowResult) -> ShownRow:
    text, tone = _ACTIONS[row.action]
    reasons = [
        f"{error.column}: {in_words(error.message)}"
        if error.column
        else in_words(error.message)
        for error in row.errors
    ]
    reasons += [
        _(
            "%(column)s: “%(before)s” becomes “%(after)s”",
            column=change.column,
            before=change.before,
            after=change.after,
        )
        for change in row.changes
    ]
    return ShownRow(row, Status(str(text), tone), reasons)


async def _run_members(
    desk: Desk, content: bytes, *, dry_run: bool, invite: bool
) -> ImportReport:
    return await desk.node.members.import_members(
        desk.person, content, dry_run=dry_run, invite=invite
    )


async def _run_entries(
    desk: Desk, content: bytes, *, dry_run: bool, invite: bool
) -> ImportReport:
    del invite
    return await desk.node.entry_import.import_entries(
        desk.person, content, dry_run=dry_run
    )


MEMBERS: Final = ImportPage(
    path="/admin/mitglieder/import",
    heading=lazy_gettext("Import members"),
    lead=lazy_gettext(
        "One file lists organisations or persons; its first line says which. Start"
        " with the organisations."
    ),
    back=(lazy_gettext("Members"), "/admin/mitglieder"),
    templates=(
        (
            "/admin/mitglieder/vorlage/organisationen",
            lazy_gettext("Organisations"),
        ),
        ("/admin/mitglieder/vorlage/personen", lazy_gettext("Persons")),
    ),
    run=_run_members,
    may_invite=True,
)
ENTRIES: Final = ImportPage(
    path="/admin/eintraege/import",
    heading=lazy_gettext("Import entries"),
    lead=lazy_gettext(
        "For example the answers of a survey among your members: capacities, offers,"
        " requests and profiles, one line each."
    ),
    back=(lazy_gettext("Entries"), "/admin/eintraege"),
    templates=tuple(
        (f"/admin/eintraege/vorlage/{kind.name}", kind.label) for kind in KINDS.values()
    ),
    run=_run_entries,
    may_invite=False,
)
