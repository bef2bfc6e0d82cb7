"""Entries and members from the command line, with the node serving and not."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.control.client import ask
from node.control.request import CommandFailedError, ControlRequest, packed_file
from schemas import KINDS, examples
from tests.cli.conftest import TestNode, capacity_offer, entry_file, make_node, serving

KEYS = {"id", "version", "kind", "state", "audience"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    made = make_node(tmp_path_factory.mktemp("entries") / "node", "Cluster Nord")
    made.json(
        *("members", "add", "--email", "mo@firma.example", "--name", "Mo"),
        *("--organisation", "Firma"),
    )
    with serving(made):
        yield made


def _entries_in_database(node: TestNode) -> int:
    with sqlite3.connect(f"file:{node.folder}/node.sqlite?mode=ro", uri=True) as file:
        (number,) = file.execute("SELECT count(*) FROM entries").fetchone()
    return int(number)


def test_life_of_an_entry(node: TestNode, tmp_path: Path) -> None:
    file = entry_file(tmp_path, external_id="life-1")
    first = node.json("entry", "publish", file)
    assert set(first) == KEYS
    assert first["version"] == [1, 1]
    assert first["kind"] == "capacity_offer"
    assert first["state"] == "published"
    assert first["audience"] == {"level": "cluster", "partners": []}
    assert first["id"].startswith(f"{node.base_url}/entries/")

    # The same external id changes the entry instead of adding a second one.
    changed = node.json("entry", "publish", entry_file(tmp_path, external_id="life-1"))
    assert (changed["id"], changed["version"]) == (first["id"], [1, 2])
    short = first["id"].rpartition("/")[2]
    third = node.json(
        "entry", "publish", "-", "--entry", short, stdin=json.dumps(capacity_offer())
    )
    assert (third["id"], third["version"]) == (first["id"], [1, 3])

    shown = node.json("entry", "show", short)
    assert set(shown) >= KEYS
    assert shown["content"]["title"] == capacity_offer()["title"]
    assert node.json("entry", "show", first["id"]) == shown

    for step, state in (("withdraw", "withdrawn"), ("delete", "deleted")):
        document = node.json("entry", step, first["id"])
        assert set(document) == KEYS
        assert document["state"] == state
    gone = node.run("entry", "show", first["id"], "--json")
    assert (gone.code, gone.error["code"]) == (1, "entry-not-found")


def test_confirm_and_fulfil(node: TestNode, tmp_path: Path) -> None:
    entry = node.json("entry", "publish", entry_file(tmp_path))
    assert node.json("entry", "confirm", entry["id"])["version"] == [1, 2]
    assert node.json("entry", "fulfil", entry["id"])["state"] == "fulfilled"
    again = node.run("entry", "fulfil", "unknown", "--json")
    assert (again.code, again.error["code"]) == (1, "entry-not-found")


def test_feed_is_what_the_member_may_see(node: TestNode, tmp_path: Path) -> None:
    entry = node.json("entry", "publish", entry_file(tmp_path))
    (found,) = (
        each
        for each in node.json("feed", "--as", "mo@firma.example")["entries"]
        if each["id"] == entry["id"]
    )
    assert {"id", "version", "kind", "title", "origin", "since", "form"} <= set(found)
    assert found["origin"] == node.base_url
    assert found["form"] == "full"
    draft = node.json("entry", "publish", entry_file(tmp_path), "--draft")
    assert draft["state"] == "draft"
    seen = {each["id"] for each in node.json("feed")["entries"]}
    assert draft["id"] not in seen
    why = node.json("why", "mo@firma.example", draft["id"])
    assert set(why) == {"form", "rule", "reason"}
    assert why["form"] == "hidden"
    assert node.json("why", "public", entry["id"])["form"] == "hidden"


def test_only_the_owner_and_the_office_change(node: TestNode, tmp_path: Path) -> None:
    entry = node.json("entry", "publish", entry_file(tmp_path))
    done = node.run(
        "entry", "withdraw", entry["id"], "--as", "mo@firma.example", "--json"
    )
    assert (done.code, done.error["code"]) == (1, "not-authorised")
    stranger = node.run("feed", "--as", "nobody@firma.example", "--json")
    assert stranger.code == 1
    assert "nobody@firma.example" in stranger.error["message"]


INVALID = [
    pytest.param(example, id=f"{example.kind}/{example.name}")
    for kind in KINDS
    for example in examples(kind, valid=False)
]


@pytest.mark.parametrize("example", INVALID)
def test_entry_that_breaks_its_schema_names_each_path(
    node: TestNode, example: Any
) -> None:
    file = packed_file(json.dumps(example.document).encode())
    before = _entries_in_database(node)
    with pytest.raises(CommandFailedError) as caught:
        ask(node.folder, ControlRequest("entry.publish", {"file": file}))
    paths = {fault["path"] for fault in caught.value.faults}
    if caught.value.code != "not-json":  # a fraction is no number of the protocol
        assert example.path in paths, caught.value.faults
    assert all(fault["message"] for fault in caught.value.faults)
    assert _entries_in_database(node) == before


def test_all_faults_of_a_file_at_once(node: TestNode, tmp_path: Path) -> None:
    file = entry_file(tmp_path, valid_until="30.6.2030", regions=["XX"], spare=1)
    done = node.run("entry", "publish", file, "--json")
    assert done.code == 1
    paths = [fault["path"] for fault in done.error["faults"]]
    assert sorted(set(paths)) == ["/regions/0", "/spare", "/valid_until"]
    assert all(fault["message"] for fault in done.error["faults"])
    for_people = node.run("entry", "publish", file)
    assert for_people.out == ""
    for path in paths:
        assert path in for_people.err


@pytest.mark.parametrize(
    "text", ["", "{", '{"kind": 1.5}', '{"a": 1, "a": 2}', "NaN", "\x00"]
)
def test_file_that_is_no_json(node: TestNode, text: str) -> None:
    done = node.run("entry", "publish", "-", "--json", stdin=text)
    assert done.code == 1
    assert done.error["code"] == "not-json"
    assert done.error["hint"]


def test_file_that_does_not_exist(node: TestNode, tmp_path: Path) -> None:
    path = tmp_path / "none.json"
    done = node.run("entry", "publish", path, "--json")
    assert (done.code, done.error["code"]) == (1, "file-unreadable")
    assert done.error["path"] == str(path)


HEADER = "external_id;organisation;name;email;role\n"


def test_import_reports_by_row_and_repeats_without_change(
    node: TestNode, tmp_path: Path
) -> None:
    file = tmp_path / "persons.csv"
    file.write_text(
        HEADER
        + "p-1;Firma;Ada Nord;ada@firma.example;person\n"
        + "p-2;Firma;Ben Nord;no-address;person\n"
        + "p-3;Nirgendwo;Cem Nord;cem@firma.example;person\n",
        encoding="utf-8",
    )
    rehearsal = node.run("members", "import", file, "--dry-run", "--json")
    first = node.run("members", "import", file, "--json")
    assert rehearsal.code == first.code == 1  # rows were left out
    assert rehearsal.document["added"] == first.document["added"] == 1
    assert rehearsal.document["links"] == []
    assert {error["row"] for error in first.document["errors"]} == {3, 4}
    assert [link["email"] for link in first.document["links"]] == ["ada@firma.example"]
    again = node.run("members", "import", file, "--json").document
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 1)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (HEADER.encode("utf-16"), "UTF-16"),
        (b"external_id;organisation;email\n", "name"),
        (b"", ""),
    ],
)
def test_table_that_cannot_be_read(
    node: TestNode, tmp_path: Path, data: bytes, word: str
) -> None:
    file = tmp_path / "table.csv"
    file.write_bytes(data)
    done = node.run("members", "import", file, "--json")
    assert done.code == 1
    said = json.dumps(done.document, ensure_ascii=False)
    assert word in said
    assert done.document.get("added", 0) == 0


def test_entries_from_a_table(node: TestNode, tmp_path: Path) -> None:
    file = tmp_path / "entries.csv"
    file.write_text(
        "kind;external_id;organisation;title_de;summary_de;audience;valid_until;"
        "equipment_class;availability\n"
        "capacity_offer;t-1;Firma;Freie Zeit am Laser;Wir schneiden Blech.;cluster;"
        "2035-01-31;laser;now\n"
        "capacity_offer;t-2;Firma;X;Zu kurz.;cluster;2035-01-31;laser;now\n",
        encoding="utf-8",
    )
    done = node.run("entry", "import", file, "--json")
    document = done.document
    assert {"added", "changed", "unchanged", "errors", "links"} <= set(document)
    assert {error["row"] for error in document["errors"]} >= {3}
    assert done.code == 1
