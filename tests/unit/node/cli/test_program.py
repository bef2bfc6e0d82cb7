"""The tree of commands, its options, its exit codes and its texts."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from node.cli import program as program_module
from node.cli.program import EXIT_FAILED, EXIT_USAGE, program, run
from node.cli.wording import language_of, speak

COMMANDS = {
    "answer",
    "archive make",
    "archive verify",
    "audience change-group",
    "audience groups",
    "audience limit",
    "audience make-group",
    "audience remove-group",
    "audience set",
    "audience show",
    "audit export",
    "audit list",
    "audit verify",
    "backup create",
    "backup list",
    "backup report",
    "backup verify",
    "close-down",
    "conform",
    "demo",
    "doctor",
    "entry confirm",
    "entry delete",
    "entry fulfil",
    "entry import",
    "entry list",
    "entry publish",
    "entry show",
    "entry withdraw",
    "feed",
    "init",
    "keys activate",
    "keys backup",
    "keys check",
    "keys list",
    "keys replace",
    "keys restore",
    "keys retire",
    "keys revoke",
    "keys rotate",
    "ledger",
    "members add",
    "members export",
    "members identify",
    "members import",
    "members list",
    "messages",
    "move-origin",
    "partner accept",
    "partner announce-move",
    "partner close",
    "partner compared",
    "partner confirm",
    "partner confirm-key",
    "partner confirm-move",
    "partner end",
    "partner fetch-again",
    "partner forget-member",
    "partner hide",
    "partner invite",
    "partner list",
    "partner members",
    "partner note-member",
    "partner pause",
    "partner purge",
    "partner refuse",
    "partner refuse-move",
    "partner release",
    "partner report",
    "partner resume",
    "partner rules",
    "partner set-rules",
    "partner show",
    "partner show-again",
    "partner stay",
    "partner tell",
    "partner try",
    "restore",
    "reveal",
    "serve",
    "simulate",
    "unaccounted list",
    "unaccounted settle",
    "version",
    "why",
    "worker",
}


def _leaves(group: click.Group, before: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= _leaves(command, f"{before}{name} ")
        else:
            found[f"{before}{name}"] = command
    return found


@pytest.fixture(autouse=True)
def _english() -> None:
    speak("en")


def test_every_command_is_there() -> None:
    assert set(_leaves(program)) == COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_and_the_common_options(name: str) -> None:
    command = _leaves(program)[name]
    options = {flag for each in command.params for flag in each.opts}
    assert "--json" in options
    assert command.help
    for each in command.params:
        if isinstance(each, click.Option) and not each.hidden:
            assert each.help, each.opts
    nowhere = {"archive verify", "conform", "demo", "simulate", "version"}
    if name not in nowhere:
        assert "--node" in options
    alone = nowhere | {"doctor"}
    if name not in alone | {"serve", "worker"}:
        assert {"--as", "--yes"} <= options


def test_options_count_before_and_behind_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = []
    for arguments in (
        ["--node", str(tmp_path), "--json", "feed"],
        ["feed", "--json", "--node", str(tmp_path)],
    ):
        code = run(arguments)
        outcomes.append((code, json.loads(capsys.readouterr().out)))
    assert outcomes[0] == outcomes[1]
    assert outcomes[0][0] == EXIT_FAILED
    assert outcomes[0][1]["error"]["path"] == str(tmp_path)


def test_wrong_usage_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["entry", "publish", "--json"]) == EXIT_USAGE
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {
        "error": {
            "code": "usage",
            "message": "FILE is missing.",
            "path": "file",
            "hint": "See: spalier entry publish --help",
        }
    }


def test_an_unexpected_failure_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(program_module.program, "main", broken)
    assert run(["version"]) == EXIT_FAILED
    captured = capsys.readouterr()
    assert "RuntimeError" in captured.err
    assert "secret detail" not in captured.err
    assert "Traceback" not in captured.err
    assert run(["version", "--debug"]) == EXIT_FAILED
    assert "secret detail" in capsys.readouterr().err


def test_interruption_is_no_failure_text(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program_module.program, "main", interrupted)
    assert run(["version"]) == program_module.EXIT_INTERRUPTED
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "de"),
        ({"LANG": "de_CH"}, "de"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US", "LC_MESSAGES": "de_AT"}, "de"),
        ({"LC_ALL": "", "LANG": "de_DE"}, "de"),
        ({"LANG": "fr_FR"}, "en"),
    ],
)
def test_language_of_the_terminal(environment: dict[str, str], language: str) -> None:
    assert language_of(environment) == language


def test_help_is_german_where_people_read_german(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "node.cli", "--lang", "de", "entry", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Einen Eintrag überall zurückziehen." in done.stdout


def test_a_start_loads_nothing_heavy() -> None:
    """A command that is passed on to a serving node must not cost seconds."""
    code = (
        "import sys; from node.cli.program import run; "
        "import node.control.client; run(['--help']); "
        "heavy = {'sqlalchemy', 'aiohttp', 'pyld', 'rich', 'jsonschema', 'pydantic', "
        "'babel', 'cryptography'} & set(sys.modules); "
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PATH": "", "LANG": "C.UTF-8"},
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_version_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"spalier {version('spalier')}\n"
