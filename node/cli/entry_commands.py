"""`entry …`, `feed`, `ledger`, `why`."""

import click

from node.cli.files import read_packed
from node.cli.invocation import invocation
from node.cli.member_commands import import_file
from node.cli.options import acting
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext


@click.group("entry", help=lazy_gettext("Publish, change and close entries."))
def entry() -> None:
    """Hold the commands."""


@entry.command(
    "publish",
    help=lazy_gettext(
        "Publish an entry, or change it. FILE is JSON; - reads the input."
    ),
)
@click.argument("file")
@click.option(
    "--entry", "entry_id", metavar="ID", help=lazy_gettext("Change this entry.")
)
@click.option(
    "--draft", is_flag=True, help=lazy_gettext("Only store it; nobody else sees it.")
)
@acting
def publish(*, file: str, entry_id: str | None, draft: bool) -> None:
    """Publish an entry."""
    from node.cli import entry_views

    call = invocation()
    document = call.perform(
        "entry.publish", file=read_packed(file), entry=entry_id, draft=draft
    )
    call.show(document, lambda shown: entry_views.show_step(shown, served=call.served))


@entry.command("import", help=lazy_gettext("Import entries from a CSV file."))
@click.argument("file")
@click.option(
    "--dry-run", is_flag=True, help=lazy_gettext("Only say what would change.")
)
@acting
def import_entries(*, file: str, dry_run: bool) -> None:
    """Import entries."""
    import_file("entry.import", file, dry_run=dry_run)


def _step(command: str, entry_id: str) -> None:
    from node.cli import entry_views

    call = invocation()
    document = call.perform(command, entry=entry_id)
    call.show(document, lambda shown: entry_views.show_step(shown, served=call.served))


@entry.command("withdraw", help=lazy_gettext("Take an entry back everywhere."))
@click.argument("entry_id", metavar="ID")
@acting
def withdraw(*, entry_id: str) -> None:
    """Withdraw an entry."""
    _step("entry.withdraw", entry_id)


@entry.command("delete", help=lazy_gettext("Delete an entry everywhere, for good."))
@click.argument("entry_id", metavar="ID")
@acting
def delete(*, entry_id: str) -> None:
    """Delete an entry."""
    invocation().agree(
        _("Delete %(entry)s everywhere? It cannot be brought back.", entry=entry_id)
    )
    _step("entry.delete", entry_id)


@entry.command(
    "fulfil", help=lazy_gettext("Close an entry that found what it looked for.")
)
@click.argument("entry_id", metavar="ID")
@acting
def fulfil(*, entry_id: str) -> None:
    """Close an entry."""
    _step("entry.fulfil", entry_id)


@entry.command(
    "confirm",
    help=lazy_gettext("Say that an entry still holds; its last day moves on."),
)
@click.argument("entry_id", metavar="ID")
@acting
def confirm(*, entry_id: str) -> None:
    """Confirm an entry."""
    _step("entry.confirm", entry_id)


@entry.command(
    "show", help=lazy_gettext("Show an entry of the own cluster or of a partner.")
)
@click.argument("entry_id", metavar="ID")
@acting
def show(*, entry_id: str) -> None:
    """Show an entry."""
    from node.cli import entry_views

    call = invocation()
    call.show(call.perform("entry.show", entry=entry_id), entry_views.show_entry)


@entry.command(
    "list", help=lazy_gettext("List own entries; for the office those of all members.")
)
@acting
def list_entries() -> None:
    """List entries."""
    from node.cli import entry_views

    call = invocation()
    call.show(call.perform("entry.list"), entry_views.show_entries)


@click.command(
    "feed", help=lazy_gettext("List what a member may see, own cluster and partners.")
)
@click.option(
    "--kind", metavar="KIND", help=lazy_gettext("Only this kind, e.g. capacity_offer.")
)
@click.option(
    "--search", metavar="WORDS", help=lazy_gettext("Only entries with these words.")
)
@click.option(
    "--partners-only", is_flag=True, help=lazy_gettext("Leave out the own cluster.")
)
@acting
def feed(*, kind: str | None, search: str | None, partners_only: bool) -> None:
    """List the feed."""
    from node.cli import entry_views

    call = invocation()
    document = call.perform(
        "feed", kind=kind, search=search, only_partners=partners_only
    )
    call.show(document, entry_views.show_feed)


@click.command(
    "ledger",
    help=lazy_gettext("List what was told to which partner, and confirmed when."),
)
@click.argument("entry_id", metavar="[ENTRY]", required=False)
@click.option(
    "--history",
    is_flag=True,
    help=lazy_gettext("Everything that partners ever confirmed of ENTRY."),
)
@click.option(
    "--receipt",
    metavar="ID",
    help=lazy_gettext("Print a partner's signed receipt, as evidence."),
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=lazy_gettext("Only so many lines, the latest first."),
)
@acting
def ledger(
    *, entry_id: str | None, history: bool, receipt: str | None, limit: int | None
) -> None:
    """List the ledger."""
    from node.cli import ledger_views

    call = invocation()
    if receipt is not None:
        document = call.perform("ledger.receipt", receipt=receipt)
        call.show(document, ledger_views.show_receipt)
    elif history:
        if entry_id is None:
            raise click.UsageError(_("Name the ENTRY whose history is wanted."))
        document = call.perform("ledger.history", entry=entry_id)
        call.show(document, ledger_views.show_history)
    else:
        document = call.perform("ledger", entry=entry_id, limit=limit)
        call.show(document, ledger_views.show_ledger)


@click.command(
    "why",
    help=lazy_gettext(
        "Say whether VIEWER (e-mail, partner or “public”) sees ENTRY, and why."
    ),
)
@click.argument("viewer", metavar="VIEWER")
@click.argument("entry_id", metavar="ENTRY")
@acting
def why(*, viewer: str, entry_id: str) -> None:
    """Explain a visibility decision."""
    from node.cli import entry_views

    call = invocation()
    document = call.perform("why", viewer=viewer, entry=entry_id)
    call.show(document, entry_views.show_why)


COMMANDS: tuple[click.Command, ...] = (entry, feed, ledger, why)
