"""`archive …` and `close-down`."""

from pathlib import Path

import click

from node.cli.files import NewFile
from node.cli.invocation import invocation
from node.cli.options import acting, for_every_command
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext


@click.group(
    "archive", help=lazy_gettext("Public entries as files that anybody can verify.")
)
def archive() -> None:
    """Hold the commands."""


@archive.command(
    "make", help=lazy_gettext("Write a signed archive of the public entries (ZIP).")
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--with-contacts",
    is_flag=True,
    help=lazy_gettext("Also entries that name a person or a telephone number."),
)
@acting
def make(*, file: Path, with_contacts: bool) -> None:
    """Make an archive."""
    import base64

    from node.cli import closing_views

    call = invocation()
    target = NewFile(file)
    target.open()
    try:
        made = call.perform("archive.make", with_contacts=with_contacts)
        target.write(base64.b64decode(made.pop("file")))
    except BaseException:
        target.remove()
        raise
    call.show({**made, "written": str(file)}, closing_views.show_made)


@archive.command(
    "verify",
    help=lazy_gettext("Verify an archive, ZIP file or folder; needs no node."),
)
@click.argument("path", type=click.Path(path_type=Path))
@for_every_command
def verify(*, path: Path) -> None:
    """Verify an archive."""
    from node.archive.verifying import verify_archive
    from node.cli import closing_views

    call = invocation()
    found = verify_archive(path)
    document = {
        "name": found.name,
        "base_url": found.base_url,
        "created": found.created,
        "fingerprints": list(found.fingerprints),
        "entries": found.entries,
        "faults": [{"path": each.path, "reason": each.reason} for each in found.faults],
    }
    call.show(document, closing_views.show_verified)
    if found.faults:
        click.get_current_context().exit(1)


@click.command(
    "close-down",
    help=lazy_gettext(
        "Close the cluster down for good: everything is deleted everywhere. Without"
        " --confirm it only says what it concerns, or how far it is."
    ),
)
@click.option(
    "--confirm",
    metavar="NAME",
    help=lazy_gettext("The cluster's name, typed in full; then it begins."),
)
@acting
def close_down(*, confirm: str | None) -> None:
    """Close down."""
    from node.cli import closing_views

    call = invocation()
    if confirm is not None and not call.assume_yes:
        closing_views.show_effects(call.perform("close-down"))
        call.agree(_("Close down for good?"))
    document = call.perform("close-down", name=confirm)
    call.show(document, closing_views.show_progress)


COMMANDS: tuple[click.Command, ...] = (archive, close_down)
