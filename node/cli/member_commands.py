"""`members add`, `members export`, `members import`, `members list`."""

from pathlib import Path

import click

from node.cli.files import NewFile, read_packed
from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.wording import lazy_gettext

ROLES = ("person", "organisation-admin", "office", "node-admin")


@click.group("members", help=lazy_gettext("Organisations and persons of the cluster."))
def members() -> None:
    """Hold the commands."""


@members.command(
    "add", help=lazy_gettext("Add a person, and the organisation if it is new.")
)
@click.option("--email", required=True, help=lazy_gettext("E-mail address."))
@click.option("--name", required=True, help=lazy_gettext("Name."))
@click.option(
    "--organisation",
    required=True,
    help=lazy_gettext("Id, external id or name of the organisation."),
)
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="person",
    help=lazy_gettext("What the person may do."),
)
@click.option(
    "--language",
    type=click.Choice(["de", "en"]),
    help=lazy_gettext("Language of mails and pages."),
)
@click.option(
    "--invite", is_flag=True, help=lazy_gettext("Send the link for the first password.")
)
@acting
def add(
    *,
    email: str,
    name: str,
    organisation: str,
    role: str,
    language: str | None,
    invite: bool,
) -> None:
    """Add a person."""
    from node.cli import member_views

    call = invocation()
    document = call.perform(
        "members.add",
        email=email,
        name=name,
        organisation=organisation,
        role=role,
        language=language,
        send_invitation=invite,
    )
    call.show(document, member_views.show_report)


@members.command(
    "import", help=lazy_gettext("Import organisations or persons from a CSV file.")
)
@click.argument("file")
@click.option(
    "--dry-run", is_flag=True, help=lazy_gettext("Only say what would change.")
)
@acting
def import_members(*, file: str, dry_run: bool) -> None:
    """Import members."""
    import_file("members.import", file, dry_run=dry_run)


def import_file(command: str, file: str, *, dry_run: bool) -> None:
    """Run an import and show its report; rows with errors make it exit 1."""
    from node.cli import member_views

    call = invocation()
    document = call.perform(command, file=read_packed(file), dry_run=dry_run)
    call.show(document, lambda shown: member_views.show_report(shown, dry_run=dry_run))
    if document["errors"]:
        click.get_current_context().exit(1)


@members.command(
    "export",
    help=lazy_gettext("Write all that is stored about EMAIL to FILE (ZIP)."),
)
@click.argument("email")
@click.argument("file", type=click.Path(path_type=Path))
@acting
def export(*, email: str, file: Path) -> None:
    """Take a person's data away."""
    import base64

    from node.cli import member_views

    call = invocation()
    target = NewFile(file)
    target.open()
    try:
        made = call.perform("members.export", email=email)
        target.write(base64.b64decode(made.pop("file")))
    except BaseException:
        target.remove()
        raise
    call.show({**made, "written": str(file)}, member_views.show_export)


@members.command("list", help=lazy_gettext("List organisations and persons."))
@acting
def list_members() -> None:
    """List members."""
    from node.cli import member_views

    call = invocation()
    call.show(call.perform("members.list"), member_views.show_members)


COMMANDS: tuple[click.Command, ...] = (members,)
