"""Writes tables for spreadsheets, so that no cell becomes a formula.

A cell that starts with `=`, `+`, `-`, `@`, tab or carriage return (also in their
wide forms) is run by spreadsheets; an apostrophe before it keeps it a text
(OWASP, "CSV Injection"). `node.members.csv_table` takes the apostrophe off again.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Final

_DANGEROUS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def safe_cell(text: str) -> str:
    """Return a cell that every spreadsheet shows as text."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Write a CSV file: UTF-8 with byte order mark, semicolons, all cells quoted.

    Args:
        columns: The headings.
        rows: As many cells in each as there are headings.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=";", quoting=csv.QUOTE_ALL)
    writer.writerow([safe_cell(column) for column in columns])
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    return file.getvalue().encode("utf-8-sig")
