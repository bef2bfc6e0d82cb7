"""`keys …`: the node's own keys."""

import sys
from pathlib import Path
from typing import Any

import click

from node.cli.files import NewFile, read_packed
from node.cli.invocation import Invocation, invocation
from node.cli.options import acting
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext
from node.errors import InvalidInputError
from node.sentence import system_reason

_CODE_CHARACTERS_MAX = 400


@click.group(
    "keys",
    help=lazy_gettext("The node's own keys: list, change, revoke, back up, restore."),
)
def keys() -> None:
    """Hold the commands."""


@keys.command(
    "list", help=lazy_gettext("Show every key, and whom a change of keys waits for.")
)
@acting
def list_keys() -> None:
    """List."""
    from node.cli import key_views

    call = invocation()
    call.show(call.perform("keys.list"), key_views.show_keys)


@keys.command(
    "rotate",
    help=lazy_gettext(
        "Replace the key in order: partners are told first and notice nothing."
    ),
)
@acting
def rotate() -> None:
    """Rotate."""
    from node.cli import key_views

    call = invocation()
    if not call.assume_yes:
        key_views.show_rotation(call.perform("keys.list"))
        call.agree(_("Announce a new key?"))
    call.show(call.perform("keys.rotate"), key_views.show_standing)


@keys.command(
    "activate",
    help=lazy_gettext("Sign with the announced key now, whoever has not taken it."),
)
@acting
def activate() -> None:
    """Activate."""
    from node.cli import key_views

    call = invocation()
    if not call.assume_yes:
        key_views.show_activation(call.perform("keys.list"))
        call.agree(_("Sign with the new key from now on?"))
    call.show(call.perform("keys.activate"), key_views.show_standing)


@keys.command(
    "retire",
    help=lazy_gettext("Let the old key go now, whoever does not know the new one."),
)
@acting
def retire() -> None:
    """Retire."""
    from node.cli import key_views

    call = invocation()
    if not call.assume_yes:
        key_views.show_retirement(call.perform("keys.list"))
        call.agree(_("Let the old key go?"))
    call.show(call.perform("keys.retire"), key_views.show_standing)


_REASON = click.option(
    "--reason",
    required=True,
    help=lazy_gettext("Why; it stays in the node's own history."),
)


@keys.command(
    "revoke",
    help=lazy_gettext(
        "Emergency: somebody else may have the key. A new one signs at once."
    ),
)
@_REASON
@click.option(
    "--number",
    type=click.IntRange(1),
    help=lazy_gettext("Another key than the one that signs, by its number."),
)
@acting
def revoke(*, reason: str, number: int | None) -> None:
    """Revoke."""
    call = invocation()
    if number is None:
        _agree_to_new_beginning(call)
    _begin_anew(call, "keys.revoke", reason=reason, number=number)


@keys.command(
    "replace",
    help=lazy_gettext("The secret key is lost, and no backup of it is left."),
)
@click.option(
    "--lost",
    is_flag=True,
    required=True,
    help=lazy_gettext("Say that it is so."),
)
@_REASON
@acting
def replace(*, lost: bool, reason: str) -> None:
    """Replace."""
    del lost
    call = invocation()
    _agree_to_new_beginning(call)
    _begin_anew(call, "keys.replace", reason=reason)


def _agree_to_new_beginning(call: Invocation) -> None:
    from node.cli import key_views

    if call.assume_yes:
        return
    key_views.show_effects(call.perform("keys.effects"))
    call.agree(_("Begin with a new key now?"), also_without_terminal=True)


def _begin_anew(call: Invocation, command: str, **arguments: Any) -> None:
    from node.cli import key_views

    call.show(call.perform(command, **arguments), key_views.show_new_beginning)


@keys.command(
    "backup",
    help=lazy_gettext(
        "Write an encrypted backup of the secret keys; shows its code once."
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    help=lazy_gettext("Also write a sheet with the code, to be printed (HTML)."),
)
@acting
def backup(*, file: Path, sheet: Path | None) -> None:
    """Back up."""
    import base64

    from node.cli import key_views

    call = invocation()
    targets = [NewFile(path) for path in (file, sheet) if path is not None]
    try:
        for target in targets:
            target.open()
        made = call.perform("keys.backup")
        targets[0].write(base64.b64decode(made["file"]))
        if sheet is not None:
            targets[1].write(_sheet(made, file).encode("utf-8"))
    except BaseException:
        for target in targets:
            target.remove()
        raise
    # Only now: a backup counts once it is on disk.
    call.perform("keys.backed-up", file=made["file"])
    document = {
        "file": str(file),
        "sheet": None if sheet is None else str(sheet),
        "code": made["code"],
        "created": made["created"],
        "keys": made["keys"],
        "number": made["number"],
        "fingerprint": made["fingerprint"],
    }
    call.show(document, key_views.show_backup)


def _sheet(made: dict[str, Any], file: Path) -> str:
    from node.web.recovery_sheet import SheetPartner, recovery_sheet, standalone_page

    sheet = recovery_sheet(
        cluster=made["name"],
        base_url=made["base_url"],
        number=made["number"],
        fingerprint=made["fingerprint"],
        created=made["created"],
        code=made["code"],
        file_name=file.name,
        partners=[
            SheetPartner(each["name"], each["base_url"], each["contact"] or "")
            for each in made["partners"]
        ],
    )
    return standalone_page(sheet, language=made["language"])


_CODE_FILE = click.option(
    "--code-file",
    type=click.Path(path_type=Path),
    help=lazy_gettext("File with the recovery code; otherwise it is asked for."),
)


@keys.command(
    "restore", help=lazy_gettext("Put missing secret keys back from a backup.")
)
@click.argument("file")
@_CODE_FILE
@acting
def restore(*, file: str, code_file: Path | None) -> None:
    """Restore."""
    from node.cli import key_views

    call = invocation()
    document = call.perform(
        "keys.restore", file=read_packed(file), code=_code(code_file)
    )
    call.show(document, key_views.show_restored)


@keys.command(
    "check", help=lazy_gettext("Try a backup and its code; nothing is changed.")
)
@click.argument("file")
@_CODE_FILE
@acting
def check(*, file: str, code_file: Path | None) -> None:
    """Try."""
    from node.cli import key_views

    call = invocation()
    document = call.perform("keys.check", file=read_packed(file), code=_code(code_file))
    call.show(document, key_views.show_checked)


def _code(code_file: Path | None) -> str:
    """Read the recovery code from a file, or ask for it; it is never an argument."""
    if code_file is not None:
        try:
            with code_file.open(encoding="utf-8", errors="replace") as stream:
                return stream.read(_CODE_CHARACTERS_MAX).strip()
        except OSError as error:
            raise InvalidInputError(
                _(
                    "The file %(name)s cannot be read: %(reason)s.",
                    name=code_file,
                    reason=system_reason(error).translated(_),
                ),
                code="file-unreadable",
                path=str(code_file),
            ) from error
    if sys.stdin.isatty():
        from getpass import getpass

        return getpass(_("Recovery code from the sheet (it is not shown): "))
    return sys.stdin.readline(_CODE_CHARACTERS_MAX).strip()


COMMANDS: tuple[click.Command, ...] = (keys,)
