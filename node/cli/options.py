"""Options that many commands share.

They may stand before or after the command's name; they end up in the
`Invocation`, not in the command's arguments.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from node.cli.invocation import Invocation
from node.cli.wording import lazy_gettext

FOLDER_VARIABLE = "SPALIER_NODE"
LANGUAGES = ("de", "en")

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


def _remembered(name: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def remember(context: click.Context, _: click.Parameter, value: Any) -> Any:
        found = context.find_object(Invocation)
        if found is not None and value not in {None, False}:
            setattr(found, name, value)
        return value

    return remember


def _flag(flag: str, name: str, text: str) -> Any:
    return click.option(
        flag,
        is_flag=True,
        expose_value=False,
        callback=_remembered(name),
        help=text,
    )


def for_every_command(function: Decorated) -> Decorated:
    """Add `--json`, `--lang` and `--debug`."""
    for option in (
        _flag("--debug", "debug", lazy_gettext("Show tracebacks and debug messages.")),
        # Read before the commands are built, see `program.run`.
        click.option(
            "--lang",
            type=click.Choice(LANGUAGES),
            expose_value=False,
            help=lazy_gettext("Language of the texts (default: that of the terminal)."),
        ),
        _flag("--json", "as_json", lazy_gettext("Print exactly one JSON document.")),
    ):
        function = option(function)
    return function


def on_a_node(function: Decorated) -> Decorated:
    """Add `--node`, and what every command has."""
    option = click.option(
        "--node",
        metavar="DIR",
        envvar=FOLDER_VARIABLE,
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=_remembered("folder"),
        help=lazy_gettext(
            "Folder of the node (default: SPALIER_NODE, or the current folder)."
        ),
    )
    return for_every_command(option(function))


def acting(function: Decorated) -> Decorated:
    """Add `--as` and `--yes`, and what every command on a node has."""
    for option in (
        _flag("--yes", "assume_yes", lazy_gettext("Ask nothing.")),
        click.option(
            "--as",
            metavar="EMAIL",
            expose_value=False,
            callback=_remembered("acting_as"),
            help=lazy_gettext("Member for whom it is done (default: the office)."),
        ),
    ):
        function = option(function)
    return on_a_node(function)
