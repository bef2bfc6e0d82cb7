"""`backup …`, `restore` and `unaccounted …`."""

import asyncio
from pathlib import Path
from typing import Any

import click

from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext

_PASSPHRASE = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help=lazy_gettext("File whose first line encrypts the backup."),
)


@click.group(
    "backup",
    help=lazy_gettext("Backups of the node's database: make, list, try."),
)
def backup() -> None:
    """Hold the commands."""


@backup.command(
    "create",
    help=lazy_gettext(
        "Make a backup, also while the node runs; it counts once it was tried."
    ),
)
@click.option(
    "--to",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help=lazy_gettext("Folder for it (default: folder in [backup] of node.toml)."),
)
@_PASSPHRASE
@acting
def create(*, to: Path | None, passphrase_file: Path | None) -> None:
    """Make one."""
    from node.cli import backup_views

    call = invocation()
    with backup_views.Meter() as meter:
        document = call.perform_long(
            "backup.create",
            meter.tell,
            to=_absolute(to),
            passphrase_file=_absolute(passphrase_file),
        )
    call.show(document, backup_views.show_made)


@backup.command(
    "list", help=lazy_gettext("List the backups in a folder, and how the latest went.")
)
@click.option(
    "--in",
    "folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help=lazy_gettext("The folder (default: folder in [backup] of node.toml)."),
)
@acting
def list_kept(*, folder: Path | None) -> None:
    """List them."""
    from node.cli import backup_views

    call = invocation()
    document = call.perform("backup.list", **{"in": _absolute(folder)})
    call.show(document, backup_views.show_list)


@backup.command(
    "verify",
    help=lazy_gettext("Try a backup in a scratch folder; nothing is put back."),
)
@click.argument("file", type=click.Path(path_type=Path))
@_PASSPHRASE
@acting
def verify(*, file: Path, passphrase_file: Path | None) -> None:
    """Try one."""
    from node.cli import backup_views

    call = invocation()
    with backup_views.Meter() as meter:
        document = call.perform_long(
            "backup.verify",
            meter.tell,
            file=_absolute(file),
            passphrase_file=_absolute(passphrase_file),
        )
    call.show(document, backup_views.show_tried)


@backup.command(
    "report",
    help=lazy_gettext("Say what the last restore changed, and who has compared since."),
)
@acting
def report() -> None:
    """Report."""
    from node.cli import backup_views

    call = invocation()
    call.show(call.perform("restore.report"), backup_views.show_report)


@click.command(
    "restore",
    help=lazy_gettext(
        "Put a backup in the place of the node's database, which is kept aside."
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@_PASSPHRASE
@click.option(
    "--despite-damaged-journal",
    "despite_damage",
    is_flag=True,
    help=lazy_gettext("Go on although lines of the erasure journal are damaged."),
)
@acting
def restore(*, file: Path, passphrase_file: Path | None, despite_damage: bool) -> None:
    """Restore."""
    call = invocation()
    # A folder that is named may be a new one, without settings.
    folder = call.folder or call.node_folder()
    document = asyncio.run(
        _restored(folder, file, passphrase_file, despite_damage=despite_damage)
    )
    from node.cli import backup_views

    call.show(document, backup_views.show_restored)


async def _restored(
    folder: Path, file: Path, passphrase_file: Path | None, *, despite_damage: bool
) -> dict[str, Any]:
    from node.backup.restoring import Restoring
    from node.cli import backup_views
    from node.clock import SystemClock, SystemRandom

    call = invocation()
    with backup_views.Meter() as meter:
        restoring = Restoring(
            folder,
            file,
            clock=SystemClock(),
            random=SystemRandom(),
            passphrase_file=passphrase_file,
            despite_damage=despite_damage,
            step=meter.step,
        )
        async with restoring.prepared() as prepared:
            meter.pause()
            if not call.assume_yes:
                backup_views.show_plan(prepared, folder)
                call.agree(_("Restore this backup now?"), also_without_terminal=True)
            return await restoring.order(prepared)


@click.group(
    "unaccounted",
    help=lazy_gettext("What partners hold of us and our ledger cannot explain."),
)
def unaccounted() -> None:
    """Hold the commands."""


@unaccounted.command("list", help=lazy_gettext("List what waits for a decision."))
@click.option("--partner", help=lazy_gettext("Of one partner alone."))
@click.option("--all", "everything", is_flag=True, help=lazy_gettext("Settled too."))
@acting
def list_unaccounted(*, partner: str | None, everything: bool) -> None:
    """List them."""
    from node.cli import backup_views

    call = invocation()
    document = call.perform("unaccounted.list", partner=partner, all=everything or None)
    call.show(document, backup_views.show_unaccounted)


@unaccounted.command(
    "settle",
    help=lazy_gettext(
        "Decide: ours (publish again), taken-back (the partner removes it), left."
    ),
)
@click.argument("partner")
@click.argument("entry")
@click.argument("decision", type=click.Choice(["ours", "taken-back", "left"]))
@acting
def settle(*, partner: str, entry: str, decision: str) -> None:
    """Decide."""
    from node.cli import backup_views

    call = invocation()
    document = call.perform(
        "unaccounted.settle", partner=partner, entry=entry, decision=decision
    )
    call.show(document, backup_views.show_settled)


def _absolute(path: Path | None) -> str | None:
    """Return a path as the serving process understands it, from wherever it runs."""
    return None if path is None else str(path.absolute())


COMMANDS: tuple[click.Command, ...] = (backup, restore, unaccounted)
