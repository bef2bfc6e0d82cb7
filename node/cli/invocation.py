"""One call of the command line: its options, and how its result is shown."""

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from node.cli.wording import gettext as _
from node.control.request import ControlRequest
from node.errors import NodeError

View = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class Invocation:
    """What the options in front of and behind the command said.

    Attributes:
        as_json: Print one JSON document instead of text for people.
        folder: The node's folder, None if it was not named.
        acting_as: E-mail of the person; None for the office.
        assume_yes: Ask nothing.
        debug: Show tracebacks and debug logs.
        served: Whether the last command ran in a serving node.
        answered: Whether the one document is printed already; what happens to a
            command that goes on (`serve`, `demo`) is then said to people.
    """

    as_json: bool = False
    folder: Path | None = None
    acting_as: str | None = None
    assume_yes: bool = False
    debug: bool = False
    served: bool = False
    answered: bool = False

    def node_folder(self) -> Path:
        """Return the node's folder: named, or the current one if it is a node.

        Raises:
            click.UsageError: Nothing says which node.
        """
        if self.folder is not None:
            return self.folder
        here = Path.cwd()
        if (here / "node.toml").exists():
            return here
        raise click.UsageError(
            _("Which node? Name its folder with --node DIR or in SPALIER_NODE.")
        )

    def perform(self, command: str, **arguments: object) -> dict[str, Any]:
        """Run a command in the node and return its document."""
        return self.perform_long(command, None, **arguments)

    def perform_long(
        self,
        command: str,
        tell: Callable[[Mapping[str, Any]], None] | None,
        **arguments: object,
    ) -> dict[str, Any]:
        """Run a command that says now and then how far it is."""
        from node.cli.dispatch import perform

        given = {name: value for name, value in arguments.items() if value is not None}
        request = ControlRequest(command, given, self.acting_as, tell)
        document, self.served = perform(self.node_folder(), request, debug=self.debug)
        return document

    def show(self, document: Mapping[str, Any], view: View) -> None:
        """Print a result: the document itself, or its view for people."""
        if self.as_json:
            self.announce(document)
        else:
            view(dict(document))

    def announce(self, document: Mapping[str, Any]) -> None:
        """Print the one document of this call."""
        self.answered = True
        print_document(document)

    def agree(self, question: str, *, also_without_terminal: bool = False) -> None:
        """Ask before a step that people should think about.

        Args:
            question: What the answer decides.
            also_without_terminal: Ask scripts too, so that they have to say --yes;
                else a script is taken to mean what it says.

        Raises:
            NodeError: The answer is not yes, or nobody is there to answer.
        """
        if self.assume_yes:
            return
        if not (also_without_terminal or sys.stdin.isatty()):
            return
        hint = _("Answer yes, or give --yes to be asked nothing.")
        sys.stderr.write(f"{question} {_('[y/N]')} ")
        sys.stderr.flush()
        try:
            answer = sys.stdin.readline()
        except OSError:
            answer = ""
        if not answer:
            sys.stderr.write("\n")
        if answer.strip().lower() not in {"y", "yes", "j", "ja"}:
            raise NodeError(
                _("Nothing was done: it was not confirmed."),
                code="not-confirmed",
                hint=hint,
            )


def print_document(document: Mapping[str, Any]) -> None:
    """Write exactly one JSON document to standard output."""
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    text = json.dumps(document, ensure_ascii=encoding != "utf8", indent=2)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def invocation() -> Invocation:
    """Return the invocation that the running command belongs to."""
    found = click.get_current_context().find_object(Invocation)
    if found is None:
        msg = "a command outside of the program"
        raise RuntimeError(msg)
    return found
