"""Refusals in the language that was asked for; documents for scripts in English."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import TestNode, make_node, spalier

GERMAN = {"LANG": "de_DE.UTF-8"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> TestNode:
    return make_node(tmp_path_factory.mktemp("language") / "node", "Cluster Nord")


def test_message_and_hint_with_values(node: TestNode) -> None:
    asked = ("partner", "show", "Nirgends", "--node", node.folder)
    done = spalier(*asked, "--lang", "de")
    assert done.code == 1
    assert "Fehler: Es gibt keinen Partner „Nirgends“." in done.err
    assert "→ Verwenden Sie die Adresse, den Host oder den Namen" in done.err
    # The terminal's language is as good as the option, the option is stronger.
    assert spalier(*asked, env=GERMAN).err == done.err
    assert (
        "There is no partner “Nirgends”."
        in spalier(*asked, "--lang", "en", env=GERMAN).err
    )
    script = spalier(*asked, "--lang", "de", "--json")
    assert script.error["message"] == "There is no partner “Nirgends”."
    assert set(script.error) == {"code", "message", "path", "hint"}


def test_every_fault_of_an_entry(node: TestNode, tmp_path: Path) -> None:
    file = tmp_path / "offer.json"
    file.write_text(json.dumps({"kind": "capacity_offer", "title": {"de": "ab"}}))
    asked = ("entry", "publish", file, "--node", node.folder)
    done = spalier(*asked, "--lang", "de")
    assert done.code == 1
    assert "Fehler; es wurde nichts gespeichert." in done.err
    assert "/title/de: Das ist kürzer als 3 Zeichen." in done.err
    assert "/summary: Dieses Feld fehlt." in done.err
    assert "This" not in done.err
    messages = {
        fault["path"]: fault["message"]
        for fault in spalier(*asked, "--lang", "de", "--json").error["faults"]
    }
    assert messages["/summary"] == "This field is missing."


def test_settings_name_what_was_meant(node: TestNode, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    text = (node.folder / "node.toml").read_text()
    (folder / "node.toml").write_text(f'nmae = "x"\n{text}')
    done = spalier("members", "list", "--node", folder, "--lang", "de")
    assert "Diese Einstellung gibt es nicht. Meinten Sie name?" in done.err
