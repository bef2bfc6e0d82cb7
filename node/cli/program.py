"""The tree of commands, exit codes, and how failures are shown."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import click

from node.cli import (
    audience_commands,
    audit_commands,
    backup_commands,
    closing_commands,
    conform_commands,
    conversation_commands,
    entry_commands,
    key_commands,
    member_commands,
    moving_commands,
    node_commands,
    partner_commands,
    policy_commands,
    simulate_commands,
)
from node.cli.invocation import Invocation, print_document
from node.cli.options import LANGUAGES, on_a_node
from node.cli.wording import gettext as _
from node.cli.wording import language_of, lazy_gettext, speak

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


@click.group(
    help=lazy_gettext(
        "Spalier: clusters exchange offers, requests and answers, each on its own node."
    ),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(
    package_name="spalier",
    message="%(prog)s %(version)s",
    help=lazy_gettext("Show the version and exit."),
)
@on_a_node
def program() -> None:
    """Hold the commands."""


for _module in (
    node_commands,
    member_commands,
    entry_commands,
    partner_commands,
    policy_commands,
    audience_commands,
    moving_commands,
    key_commands,
    backup_commands,
    conversation_commands,
    conform_commands,
    simulate_commands,
    closing_commands,
    audit_commands,
):
    for _command in _module.COMMANDS:
        program.add_command(_command)


def run(arguments: Sequence[str]) -> int:
    """Run the command line.

    Returns:
        0 done, 1 refused or failed, 2 wrong usage, 130 interrupted.
    """
    invocation = Invocation(as_json="--json" in arguments, debug="--debug" in arguments)
    speak("en" if invocation.as_json else _wanted_language(arguments))
    try:
        _translate(program)
        # click returns the code of an early exit such as --help.
        code = program.main(
            args=list(arguments),
            prog_name="spalier",
            standalone_mode=False,
            obj=invocation,
        )
    except click.UsageError as error:
        return _wrong_usage(error, invocation)
    except (KeyboardInterrupt, click.Abort):
        sys.stderr.write("\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone, e.g. `spalier feed | head -1`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:  # noqa: BLE001 - people get a sentence
        return _failed(error, invocation)
    return code if isinstance(code, int) else EXIT_DONE


def _wanted_language(arguments: Sequence[str]) -> str:
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--lang":
            wanted = value if equals else "".join(arguments[index + 1 : index + 2])
            if wanted in LANGUAGES:
                return wanted
    return language_of(os.environ)


def _translate(command: click.Command) -> None:
    """Put the help texts into the language that is spoken."""
    if command.help:
        command.help = _(command.help)
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.help:
            parameter.help = _(parameter.help)
    if isinstance(command, click.Group):
        for child in command.commands.values():
            _translate(child)


def _failed(error: Exception, invocation: Invocation) -> int:
    from node.control.failures import error_document

    if invocation.debug:
        traceback.print_exception(error)
    _show_error(error_document(error)["error"], invocation)
    return EXIT_FAILED


def _wrong_usage(error: click.UsageError, invocation: Invocation) -> int:
    context = error.ctx
    command = context.command_path if context else "spalier"
    parameter = getattr(error, "param", None)
    described = {
        "code": "usage",
        "message": _usage_message(error),
        "path": parameter.name if parameter is not None and parameter.name else "",
        "hint": _("See: %(command)s --help", command=command),
    }
    _show_error(described, invocation)
    return EXIT_USAGE


def _usage_message(error: click.UsageError) -> str:
    match error:
        case click.NoSuchOption():
            return _("There is no option %(name)s.", name=error.option_name)
        case click.MissingParameter(param=click.Option() as option):
            return _("The option %(name)s is missing.", name=option.opts[0])
        case click.MissingParameter(param=click.Argument() as argument):
            name = argument.make_metavar(error.ctx) if error.ctx else argument.name
            return _("%(name)s is missing.", name=name)
        case _:
            return error.format_message()


def _show_error(error: dict[str, Any], invocation: Invocation) -> None:
    if invocation.as_json and not invocation.answered:
        from node.control.failures import without_words

        print_document(without_words({"error": error}))
        return
    faults = error.get("faults", [])
    lines = [_("Error: %(message)s", message=_said(error))]
    lines.extend(f"  {_place(fault)}{_said(fault)}" for fault in faults)
    if _tells_place(error):
        lines.append(f"  {error['path']}")
    if error["hint"]:
        hint = {"message": error["hint"], "words": error.get("hint_words")}
        lines.append(f"  → {_said(hint)}")
    sys.stderr.write("\n".join(lines) + "\n")


def _said(described: dict[str, Any]) -> str:
    """Say a message in the language that is spoken, if it can be translated."""
    from node.control.failures import sentence_from

    words = described.get("words")
    if words is None:
        message: str = described["message"]
        return _(message)
    return sentence_from(words).translated(_)


def _tells_place(error: dict[str, Any]) -> bool:
    path = error["path"]
    known = error["code"] == "usage" or error.get("faults")
    return bool(path) and not known and path not in error["message"]


def _place(fault: dict[str, Any]) -> str:
    row = _("row %(row)s", row=fault["row"]) if fault.get("row") else ""
    place = ", ".join(part for part in (row, fault.get("path", "")) if part)
    return f"{place}: " if place else ""
