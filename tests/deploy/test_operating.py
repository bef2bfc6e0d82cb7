"""What the documents and deploy/ tell people to type exists."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from node.cli.program import program
from tests.deploy.programs import DEPLOY, ROOT

DOCUMENTS = [
    ROOT / "OPERATING.md",
    ROOT / "README.md",
    *sorted(
        path for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"
    ),
]
# In a line of a shell, a unit or a code span; "spalier.service" is none.
_COMMAND = re.compile(
    r"(?:^ *|`|\$ |\$\(|bin/|sudo -u [\w-]+ )spalier (?=[a-z-])([^`\n]*)", re.MULTILINE
)
_WORDS_AT_ONCE = re.compile(r'\["spalier"(?:, *"[^"]*")+\]')
# What ends a command inside a line.
_END = re.compile(r"[;|&>)]|\s#\s|\s2?>")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words after `spalier` of each command."""
    for found in _WORDS_AT_ONCE.findall(text):
        yield json.loads(found)[1:]
    for rest in _COMMAND.findall(text):
        line = _END.split(rest, maxsplit=1)[0].replace("“", '"').replace("…", "")
        try:
            words = shlex.split(line)
        except ValueError:
            words = line.split()
        yield words


def fault_of(words: list[str]) -> str | None:
    """Return what is wrong with a command, None if nothing is."""
    command: click.Command = program
    place = "spalier"
    rest = list(words)
    while isinstance(command, click.Group):
        names = [word for word in rest if not word.startswith("-")]
        if not names:
            return None if rest else f"{place}: nothing follows"
        found = command.commands.get(names[0])
        if found is None:
            return f"{place} has no command {names[0]}"
        rest.remove(names[0])
        command, place = found, f"{place} {names[0]}"
    known = {
        name
        for parameter in (*command.params, *program.params)
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts, "--help", "-h")
    }
    for word in rest:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known:
            return f"{place} has no option {name}"
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_commands_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    for words in commands_in(text):
        assert fault_of(words) is None, f"{shown(document)}: spalier {' '.join(words)}"


def test_the_guide_names_the_commands_that_a_node_needs() -> None:
    text = (ROOT / "OPERATING.md").read_text(encoding="utf-8")
    named = {" ".join(words[:2]) for words in commands_in(text)}
    assert len(named) > 15
    assert {
        "init --node",
        "doctor --node",
        "backup create",
        "backup verify",
        "restore /var/backups/spalier/node/FILE",
        "keys revoke",
        "keys replace",
        "keys restore",
        "partner invite",
    } <= named


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("$ spalier serv --node x", "no command serv"),
        ("`spalier keys restor FILE`", "no command restor"),
        ("ExecStart=/opt/x/bin/spalier serve --nod x", "no option --nod"),
        ("sudo -u spalier spalier backup create --into x", "no option --into"),
        ('CMD ["spalier", "serve", "--nodes", "/data"]', "no option --nodes"),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, fault: str) -> None:
    (words,) = commands_in(line)
    assert fault in str(fault_of(words))


def test_files_that_the_guide_names_exist() -> None:
    text = (ROOT / "OPERATING.md").read_text(encoding="utf-8")
    named = set(
        re.findall(r"(?<![\w-])(?:/opt/spalier/source/)?(deploy/[\w@./-]+)", text)
    )
    assert len(named) > 8
    for name in named:
        assert (ROOT / name.rstrip("./")).exists(), name
    units = set(re.findall(r"\bspalier[\w@-]*\.(?:service|timer)\b", text))
    assert units
    for unit in units:
        file = re.sub("@NAME", "@", unit)
        assert (DEPLOY / "systemd" / file).is_file(), unit
