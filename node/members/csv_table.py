"""Reads tables as offices have them: CSV out of a spreadsheet or a member database.

Encoding: byte order mark, UTF-8, then Windows-1252, in this order; guessing with
statistics gets short German files wrong. Separator: `;`, `,` or tab, whichever the
first line has most of. Source of the form: RFC 4180.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.errors import InputFault, InvalidInputError
from node.limits import IMPORT_BYTES_MAX, IMPORT_ROWS_MAX
from node.sentence import Sentence

FILE_BYTES_MAX: Final = IMPORT_BYTES_MAX
ROWS_MAX: Final = IMPORT_ROWS_MAX
_OTHER_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
# Umlauts of MS-DOS (CP850) read as Windows-1252, and UTF-8 that was read as such.
_DAMAGED: Final = re.compile(r"[A-Za-z][„”‡†][a-z]|Ã[¤¶¼Ÿ„\u2013œ\x9f]|\ufffd")
_SPREADSHEET_GUARD: Final = re.compile(r"'[=+\-@\t\r＝＋－＠]")  # noqa: RUF001


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the file (the header is row 1) and its cells."""

    number: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """Return a cell without spaces around it; empty if there is none."""
        return self.cells.get(column, "")


@dataclass(frozen=True, slots=True)
class Table:
    """A file that could be read.

    Attributes:
        columns: Names as this module's caller knows them, in the file's order.
        unknown: Headings that mean nothing here, as they stand in the file.
        misshapen: Numbers of rows with more cells than the header.
    """

    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: tuple[Row, ...]
    misshapen: tuple[int, ...]


def normal_heading(text: str) -> str:
    """Return a heading in the form in which headings are compared."""
    return re.sub(r"[\s\-/]+", "_", text.strip().casefold()).strip("_")


def read_header(file_bytes: bytes) -> tuple[str, ...]:
    """Return the normal headings of a file, to recognise what it lists.

    Raises:
        InvalidInputError: As `read_table`.
    """
    lines = _lines(_decoded(file_bytes))
    return tuple(normal_heading(name) for name in lines[0][1])


def read_table(
    file_bytes: bytes, *, aliases: Mapping[str, str], required: Sequence[str]
) -> Table:
    """Read a CSV file.

    Args:
        file_bytes: The file as it was uploaded.
        aliases: Column by normal heading; a heading that is no key is unknown.
        required: Columns that must be there.

    Raises:
        InvalidInputError: The file is too long, has another encoding, is no
            table, lacks a column, or has one twice. All faults of the header are
            named together.
    """
    lines = _lines(_decoded(file_bytes))
    header = lines[0][1]
    names = [aliases.get(normal_heading(name)) for name in header]
    _check_header(header, names, required)
    rows: list[Row] = []
    misshapen: list[int] = []
    for number, cells in lines[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(names) and any(
            cell.strip() for cell in cells[len(names) :]
        ):
            misshapen.append(number)
            continue
        found = {
            name: _cell(cell)
            for name, cell in zip(names, cells, strict=False)
            if name is not None
        }
        rows.append(Row(number, found))
    return Table(
        columns=tuple(name for name in names if name is not None),
        unknown=tuple(
            title.strip()
            for title, name in zip(header, names, strict=True)
            if name is None and title.strip()
        ),
        rows=tuple(rows),
        misshapen=tuple(misshapen),
    )


def check_keys(table: Table, *, column: str) -> None:
    """Require that no key stands in two rows.

    Raises:
        InvalidInputError: Naming each key and its rows. The whole file is
            refused: nobody can tell which row is meant.
    """
    rows_of: dict[str, list[int]] = {}
    for row in table.rows:
        key = row.get(column)
        if key:
            rows_of.setdefault(key.casefold(), []).append(row.number)
    faults = []
    for numbers in rows_of.values():
        if len(numbers) < 2:  # noqa: PLR2004 - a pair
            continue
        key = next(row.get(column) for row in table.rows if row.number == numbers[0])
        listed = ", ".join(str(number) for number in numbers)
        sentence = Sentence(
            "{key} stands in the rows {rows}; each must stand once.",
            key=key,
            rows=listed,
        )
        faults += [InputFault(column, sentence, row=number) for number in numbers[1:]]
    if faults:
        raise InvalidInputError(
            Sentence(
                "The column {column} has the same value in several rows; "
                "nothing was stored.",
                column=column,
            ),
            faults=faults,
            code="duplicate-key",
            hint="Correct the file and import it again.",
        )


def _cell(text: str) -> str:
    # Our own exports guard cells that a spreadsheet would take for a formula.
    text = text.strip()
    return text[1:] if _SPREADSHEET_GUARD.match(text) else text


def _decoded(file_bytes: bytes) -> str:
    if len(file_bytes) > FILE_BYTES_MAX:
        raise _unreadable(
            Sentence(
                "The file is larger than {size} MB.", size=FILE_BYTES_MAX // 1024**2
            ),
            code="file-too-large",
        )
    for mark, name in _OTHER_MARKS:
        if file_bytes.startswith(mark):
            raise _wrong_encoding(Sentence("The file is stored as {name}.", name=name))
    raw = file_bytes.removeprefix(_UTF8_MARK)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = _windows(raw)
    control = _CONTROL.search(text)
    if control:
        if control.group() == "\x00":
            sentence = Sentence(
                "The file is no CSV text; perhaps it is a spreadsheet or UTF-16."
            )
        else:
            sentence = Sentence("The file holds control characters; it is no CSV text.")
        raise _wrong_encoding(sentence)
    damaged = _DAMAGED.search(text)
    if damaged:
        line = text.count("\n", 0, damaged.start()) + 1
        raise _wrong_encoding(
            Sentence("The umlauts in line {line} are damaged.", line=line)
        )
    return text


def _windows(raw: bytes) -> str:
    try:
        return raw.decode("cp1252")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise _wrong_encoding(
            Sentence("Line {line} is neither UTF-8 nor Windows-1252 text.", line=line)
        ) from error


def _wrong_encoding(sentence: Sentence) -> InvalidInputError:
    return InvalidInputError(
        sentence,
        faults=[InputFault("", sentence)],
        code="wrong-encoding",
        hint='Save it in the spreadsheet as "CSV UTF-8" and try again.',
    )


def _unreadable(sentence: Sentence, *, code: str) -> InvalidInputError:
    return InvalidInputError(sentence, faults=[InputFault("", sentence)], code=code)


def _lines(text: str) -> list[tuple[int, list[str]]]:
    """Split into records, each with the number a spreadsheet shows for it."""
    first = text.lstrip().partition("\n")[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    separator = max(";,\t", key=unquoted.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[tuple[int, list[str]]] = []
    number = 0
    try:
        for cells in reader:
            number += 1
            if lines or any(cell.strip() for cell in cells):
                lines.append((number, cells))
            if len(lines) > ROWS_MAX + 1:
                raise _unreadable(
                    Sentence("The file has more than {rows} rows.", rows=ROWS_MAX),
                    code="file-too-large",
                )
    except csv.Error as error:
        sentence = Sentence(
            "Row {row} cannot be read; is a quotation mark missing?", row=number + 1
        )
        raise InvalidInputError(
            sentence,
            faults=[InputFault("", sentence, row=number + 1)],
            code="no-table",
        ) from error
    if not lines:
        raise _unreadable(Sentence("The file is empty."), code="no-table")
    return lines


def _check_header(
    header: Sequence[str], names: Sequence[str | None], required: Sequence[str]
) -> None:
    present = [name for name in names if name is not None]
    missing = [
        InputFault(column, Sentence("The column {column} is missing.", column=column))
        for column in required
        if column not in present
    ]
    faults = missing + [
        InputFault(
            column,
            Sentence("The column {column} stands in the file twice.", column=column),
        )
        for column in dict.fromkeys(present)
        if present.count(column) > 1
    ]
    if faults:
        found = ", ".join(title.strip() for title in header if title.strip())
        raise InvalidInputError(
            faults[0].message if len(faults) == 1 else _header_summary(len(faults)),
            faults=faults,
            code="missing-column" if missing else "duplicate-column",
            hint=Sentence("Headings found: {found}.", found=found),
        )


def _header_summary(number: int) -> Sentence:
    return Sentence(
        "The header has {number} faults; nothing was stored.", number=number
    )
