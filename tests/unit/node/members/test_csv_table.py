"""Tables as offices have them: encodings, separators, damaged files."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.errors import InvalidInputError
from node.members.csv_export import safe_cell, write_table
from node.members.csv_table import check_keys, read_header, read_table

ALIASES = {"external_id": "external_id", "name": "name", "firma": "name", "ort": "city"}
UMLAUTS = "External-ID;Firma;Ort\n1;Müller Präzision GmbH;Größenhain\n"


def read(data: bytes) -> list[dict[str, str]]:
    table = read_table(data, aliases=ALIASES, required=["external_id", "name"])
    return [dict(row.cells) for row in table.rows]


@pytest.mark.parametrize(
    "data",
    [
        UMLAUTS.encode(),
        UMLAUTS.encode("utf-8-sig"),
        UMLAUTS.encode("cp1252"),
        UMLAUTS.replace("\n", "\r\n").encode("cp1252"),
        UMLAUTS.replace(";", ",").encode(),
        UMLAUTS.replace(";", "\t").encode(),
        UMLAUTS.replace("1;Müller", '1;"Müller').replace("GmbH", 'GmbH"').encode(),
        b"\n\n" + UMLAUTS.encode(),
        UMLAUTS.encode() + b";;\n\n",
        UMLAUTS.replace(";", "; ").encode(),
    ],
)
def test_the_same_table_in_every_dress(data: bytes) -> None:
    [row] = read(data)
    assert row == {
        "external_id": "1",
        "name": "Müller Präzision GmbH",
        "city": "Größenhain",
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (UMLAUTS.encode("utf-16"), "UTF-16"),
        (UMLAUTS.encode("utf-16-le"), "UTF-16"),
        (UMLAUTS.encode("utf-32"), "UTF-32"),
        (UMLAUTS.encode("cp850"), "Line 2 is neither"),
        ("external_id;name\n1;Präzision\n".encode("cp850"), "line 2 are damaged"),
        (UMLAUTS.encode().decode("cp1252").encode(), "line 2 are damaged"),
        (b"PK\x03\x04\x00\x00external_id;name\n", "no CSV text"),
        (b"external_id;name\n1;\x07\n", "control characters"),
    ],
)
def test_another_encoding_is_named(data: bytes, words: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(data)
    assert caught.value.code == "wrong-encoding"
    assert words in caught.value.message


def test_all_faults_of_the_header_at_once() -> None:
    with pytest.raises(InvalidInputError) as caught:
        read("Ort;ORT;Straße\n".encode())
    assert [(fault.path, fault.message) for fault in caught.value.faults] == [
        ("external_id", "The column external_id is missing."),
        ("name", "The column name is missing."),
        ("city", "The column city stands in the file twice."),
    ]
    assert "Straße" in caught.value.hint


def test_unknown_headings_and_misshapen_rows_are_reported() -> None:
    data = b"external_id;name;Fax\n1;A;0\n2;B;0;extra\n3;C;0;\n4\n"
    table = read_table(data, aliases=ALIASES, required=["external_id", "name"])
    assert table.unknown == ("Fax",)
    assert table.misshapen == (3,)
    assert [(row.number, row.get("name")) for row in table.rows] == [
        (2, "A"),
        (4, "C"),
        (5, ""),
    ]


def test_row_numbers_are_those_of_the_spreadsheet() -> None:
    data = b'external_id;name\n1;"two\nlines"\n\n2;B\n'
    table = read_table(data, aliases=ALIASES, required=["name"])
    assert [(row.number, row.get("external_id")) for row in table.rows] == [
        (2, "1"),
        (4, "2"),
    ]


def test_a_key_twice_names_both_rows() -> None:
    data = b"external_id;name\nA1;A\nb;B\na1;C\n;D\n;E\n"
    table = read_table(data, aliases=ALIASES, required=["external_id"])
    with pytest.raises(InvalidInputError) as caught:
        check_keys(table, column="external_id")
    assert caught.value.code == "duplicate-key"
    [fault] = caught.value.faults
    assert (fault.row, fault.message) == (
        4,
        "A1 stands in the rows 2, 4; each must stand once.",
    )


@pytest.mark.parametrize("data", [b"", b"\n\n", b"\xef\xbb\xbf", b" \n", b",", b";;\n"])
def test_an_empty_file(data: bytes) -> None:
    with pytest.raises(InvalidInputError, match="empty"):
        read_header(data)


def test_too_large_or_too_long() -> None:
    with pytest.raises(InvalidInputError, match="10 MB"):
        read(b"external_id;name\n" + b"1;A\n" * 3_000_000)
    with pytest.raises(InvalidInputError, match="20000 rows"):
        read(b"external_id;name\n" + b"1;A\n" * 20_001)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_table_or_refused(data: bytes) -> None:
    with contextlib.suppress(InvalidInputError):
        read(data)


printable = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=20
)


@given(st.lists(st.tuples(printable, printable), max_size=5))
def test_what_is_written_is_read_again(rows: list[tuple[str, str]]) -> None:
    data = write_table(["name", "ort"], rows)
    try:
        table = read_table(data, aliases=ALIASES, required=["name"])
    except InvalidInputError as error:
        if error.code != "wrong-encoding":  # it may look like damaged umlauts
            raise
        return
    assert [(row.get("name"), row.get("city")) for row in table.rows] == [
        (unguarded(name), unguarded(city)) for name, city in rows
    ]


def unguarded(cell: str) -> str:
    """An apostrophe before the sign of a formula is taken for ours."""
    guarded = cell.startswith("'") and safe_cell(cell[1:]) != cell[1:]
    return cell[1:] if guarded else cell


@given(st.text(max_size=30))
def test_no_cell_starts_a_formula(text: str) -> None:
    cell = safe_cell(text)
    dangerous = "=+-@\t\r\n" + "\uff1d\uff0b\uff0d\uff20"  # plain and wide forms
    assert not cell.startswith(tuple(dangerous))
    assert cell.endswith(text)
