"""`spalier keys …` in this process, on a node that does not serve."""

import io
import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from node.cli.program import run

Document = dict[str, Any]


class Terminal:
    """Runs commands on nodes and reads what they print."""

    def __init__(
        self,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.folder = folder
        self._capsys = capsys
        self._monkeypatch = monkeypatch

    def run(self, *arguments: object, stdin: str = "") -> tuple[int, str, str]:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run([str(each) for each in arguments])
        captured = self._capsys.readouterr()
        return code, captured.out, captured.err

    def node(self, name: str, port: int) -> Path:
        folder = self.folder / name
        code, out, _ = self.run(
            *("init", "--node", folder, "--url", f"http://127.0.0.1:{port}"),
            *("--name", name, "--allow-loopback-http", "--json"),
        )
        assert code == 0, out
        return folder

    def json(self, node: Path, *arguments: object, stdin: str = "") -> Document:
        code, out, err = self.run(*arguments, "--node", node, "--json", stdin=stdin)
        assert code == 0, (out, err)
        document: Document = json.loads(out)
        return document

    def error(self, node: Path, *arguments: object, stdin: str = "") -> Document:
        code, out, err = self.run(*arguments, "--node", node, "--json", stdin=stdin)
        assert code == 1, (out, err)
        error: Document = json.loads(out)["error"]
        return error


@pytest.fixture
def terminal(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Terminal:
    # A process of its own would take its log handlers with it.
    monkeypatch.setattr("node.logs.configure_logs", lambda *_args, **_options: None)
    return Terminal(tmp_path, capsys, monkeypatch)


@pytest.fixture
def nord(terminal: Terminal) -> Path:
    return terminal.node("Nord", 18111)


def states(terminal: Terminal, node: Path) -> dict[int, str]:
    keys = terminal.json(node, "keys", "list")["keys"]
    return {key["number"]: key["state"] for key in keys}


def test_backup_and_restore(terminal: Terminal, nord: Path, tmp_path: Path) -> None:
    file, sheet = tmp_path / "a.spalier-keys", tmp_path / "a.html"
    made = terminal.json(nord, "keys", "backup", file, "--sheet", sheet)
    code = made["code"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(sheet.stat().st_mode) == 0o600
    assert all(group in sheet.read_text() for group in code.split("-"))
    assert code not in file.read_text()
    (key,) = terminal.json(nord, "keys", "list")["keys"]
    assert key["backed_up"] is not None
    assert terminal.error(nord, "keys", "backup", file)["code"] == "file-exists"

    checked = terminal.json(nord, "keys", "check", file, stdin=f"{code}\n")
    assert (checked["present"], checked["restored"]) == ([1], [])
    secret = (nord / "node.key").read_bytes()
    (nord / "node.key").unlink()
    missing = terminal.error(nord, "keys", "rotate", "--yes")
    assert missing["code"] == "config-invalid"
    assert "spalier keys restore" in missing["faults"][0]["message"]
    assert terminal.error(nord, "feed")["code"] == "config-invalid"

    other = "Y" if code.startswith("X") else "X"
    mistyped = terminal.error(
        nord, "keys", "restore", file, stdin=f"{other}{code[1:]}\n"
    )
    assert mistyped["code"] == "code-mistyped"
    assert "Group 1 " in mistyped["message"]
    sued = terminal.node("Sued", 18112)
    other = terminal.json(sued, "keys", "backup", tmp_path / "other")["code"]
    for backup, typed, error in (
        (file, other, "code-wrong"),
        (file, "", "code-length"),
        (tmp_path / "other", other, "backup-of-another-node"),
        (_shortened(file), code, "backup-damaged"),
        (nord / "node.toml", code, "not-a-backup"),
    ):
        failed = terminal.error(nord, "keys", "restore", backup, stdin=f"{typed}\n")
        assert failed["code"] == error
    assert not (nord / "node.key").exists(), "nothing was changed"

    code_file = tmp_path / "code"
    code_file.write_text(f" {code.lower()} \n")
    restored = terminal.json(nord, "keys", "restore", file, "--code-file", code_file)
    assert restored["restored"] == [1]
    assert (nord / "node.key").read_bytes() == secret
    assert stat.S_IMODE((nord / "node.key").stat().st_mode) == 0o600
    assert states(terminal, nord) == {1: "active"}


def _shortened(file: Path) -> Path:
    shorter = file.with_suffix(".half")
    shorter.write_bytes(file.read_bytes()[:-200])
    return shorter


def test_backup_that_is_older_than_the_key(
    terminal: Terminal, nord: Path, tmp_path: Path
) -> None:
    file = tmp_path / "old"
    code = terminal.json(nord, "keys", "backup", file)["code"]
    terminal.json(nord, "keys", "rotate", "--yes")
    terminal.json(nord, "keys", "activate", "--yes")
    terminal.json(nord, "keys", "retire", "--yes")
    (nord / "node-2.key").unlink()
    tried = terminal.json(nord, "keys", "check", file, stdin=code)
    assert (tried["ended"], tried["missing"], tried["restored"]) == ([1], [2], [])
    terminal.json(nord, "keys", "restore", file, stdin=code)
    assert not (nord / "node.key").exists(), "a retired key does not come back"
    assert terminal.error(nord, "feed")["code"] == "config-invalid"


def test_different_key_is_never_replaced(
    terminal: Terminal, nord: Path, tmp_path: Path
) -> None:
    sued = terminal.node("Sued", 18112)
    file = tmp_path / "keys"
    code = terminal.json(nord, "keys", "backup", file)["code"]
    theirs = (sued / "node.key").read_bytes()
    (nord / "node.key").write_bytes(theirs)
    assert (
        terminal.error(nord, "keys", "restore", file, stdin=code)["code"]
        == "key-exists"
    )
    assert (nord / "node.key").read_bytes() == theirs
    _, out, _ = terminal.run("doctor", "--node", nord, "--json")
    found = {each["id"]: each["severity"] for each in json.loads(out)["checks"]}
    assert found["key"] == "error"
    (nord / "node.key").write_bytes(b"half")
    assert (
        terminal.error(nord, "keys", "restore", file, stdin=code)["code"]
        == "key-exists"
    )
    assert (nord / "node.key").read_bytes() == b"half"


def test_lost_key_without_any_backup(terminal: Terminal, nord: Path) -> None:
    (nord / "node.key").unlink()
    lost = ("keys", "replace", "--lost", "--reason", "Platte defekt")
    assert terminal.error(nord, *lost)["code"] == "not-confirmed"
    assert terminal.error(nord, *lost, stdin="no\n")["code"] == "not-confirmed"
    assert (
        terminal.error(nord, "keys", "revoke", "--reason", "x", "--yes")["code"]
        == "key-missing"
    )
    done = terminal.json(nord, *lost, "--yes")
    assert done["number"] == 2
    assert states(terminal, nord) == {2: "active", 1: "revoked"}
    _, said, _ = terminal.run("keys", "list", "--node", nord)
    assert "Platte defekt" in said


def test_missing_secret_of_a_key_beside_the_one_that_signs(
    terminal: Terminal, nord: Path
) -> None:
    terminal.json(nord, "keys", "rotate", "--yes")
    (nord / "node-2.key").unlink()
    assert terminal.error(nord, "feed")["code"] == "config-invalid"
    terminal.json(
        nord, "keys", "revoke", "--number", "2", "--reason", "Datei weg", "--yes"
    )
    terminal.json(nord, "feed")
    terminal.json(nord, "keys", "rotate", "--yes")
    terminal.json(nord, "keys", "activate", "--yes")
    (nord / "node.key").unlink()
    assert terminal.error(nord, "feed")["code"] == "config-invalid"
    terminal.json(nord, "keys", "retire", "--yes")
    terminal.json(nord, "feed")
    assert states(terminal, nord) == {1: "retired", 2: "revoked", 3: "active"}


def test_backup_that_nobody_has_does_not_count(
    terminal: Terminal, nord: Path, tmp_path: Path
) -> None:
    outside = terminal.error(nord, "keys", "backup", tmp_path / "no" / "file")
    assert outside["code"] == "file-unwritable"
    taken = tmp_path / "taken"
    taken.touch()
    half = terminal.error(nord, "keys", "backup", tmp_path / "file", "--sheet", taken)
    assert half["code"] == "file-exists"
    assert not (tmp_path / "file").exists()
    (key,) = terminal.json(nord, "keys", "list")["keys"]
    assert key["backed_up"] is None


def test_usage(terminal: Terminal, nord: Path) -> None:
    for wrong in (
        ("keys", "revoke"),
        ("keys", "replace", "--reason", "x"),
        ("keys", "backup"),
        ("keys", "revoke", "--reason", "x", "--number", "0"),
    ):
        code, _, _ = terminal.run(*wrong, "--node", nord, "--json")
        assert code == 2, wrong


def test_keys_are_for_the_technical_administrator(
    terminal: Terminal, nord: Path
) -> None:
    terminal.json(
        nord,
        *("members", "add", "--email", "bea@nord.example", "--name", "Bea"),
        *("--organisation", "Nord", "--role", "office"),
    )
    for command in (
        ("keys", "list"),
        ("keys", "rotate", "--yes"),
        ("keys", "revoke", "--reason", "x", "--yes"),
        ("keys", "backup", nord.parent / "file"),
    ):
        error = terminal.error(nord, *command, "--as", "bea@nord.example")
        assert error["code"] == "not-authorised"
    assert states(terminal, nord) == {1: "active"}


def test_what_people_see(terminal: Terminal, nord: Path, tmp_path: Path) -> None:
    _, shown, _ = terminal.run("keys", "list", "--node", nord, "--lang", "de")
    assert "unterschreibt" in shown
    _, shown, aside = terminal.run("keys", "rotate", "--node", nord)
    assert "Key 1 signs" in shown
    assert "no entry is sent again" in aside
    _, shown, _ = terminal.run("keys", "backup", tmp_path / "b", "--node", nord)
    assert "shown only now" in shown
    _, shown, aside = terminal.run(
        *("keys", "revoke", "--reason", "x", "--yes", "--node", nord)
    )
    assert "Make a backup of the new key" in shown
    code, _, aside = terminal.run("keys", "revoke", "--reason", "x", "--node", nord)
    assert code == 1
    assert "This cannot be undone." in aside
