"""`audit …`."""

import json
from pathlib import Path

import click

from node.cli.files import NewFile, read_packed
from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.wording import lazy_gettext


@click.group(
    "audit",
    help=lazy_gettext("What was decided by whom, and whether that log is whole."),
)
def audit() -> None:
    """Hold the commands."""


@audit.command("list", help=lazy_gettext("List decisions, the latest first."))
@click.option(
    "--about",
    metavar="WHAT",
    help=lazy_gettext("Only about this partner, member (e-mail) or entry."),
)
@click.option(
    "--by", metavar="EMAIL", help=lazy_gettext("Only what this person decided.")
)
@click.option("--since", metavar="DAY", help=lazy_gettext("From this day on (UTC)."))
@click.option("--until", metavar="DAY", help=lazy_gettext("Before this day (UTC)."))
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help=lazy_gettext("Only so many lines, the latest first."),
)
@acting
def list_lines(
    *,
    about: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    limit: int | None,
) -> None:
    """List them."""
    from node.cli import audit_views

    call = invocation()
    document = call.perform(
        "audit.list", about=about, by=by, since=since, until=until, limit=limit
    )
    call.show(document, audit_views.show_lines)


@audit.command(
    "verify",
    help=lazy_gettext("Compute every hash again; exit code 1 if a row is damaged."),
)
@click.option(
    "--receipt",
    metavar="FILE",
    help=lazy_gettext("A receipt of ours that a partner has sent back."),
)
@acting
def verify(*, receipt: str | None) -> None:
    """Look whether it is whole."""
    from node.cli import audit_views

    call = invocation()
    packed = None if receipt is None else read_packed(receipt)
    document = call.perform("audit.verify", receipt=packed)
    call.show(document, audit_views.show_check)
    if not audit_views.is_right(document):
        click.get_current_context().exit(1)


@audit.command(
    "export", help=lazy_gettext("Write the whole log to FILE, one JSON row a line.")
)
@click.argument("file", type=click.Path(path_type=Path))
@acting
def export(*, file: Path) -> None:
    """Write it."""
    from node.cli import audit_views

    call = invocation()
    target = NewFile(file)
    target.open()
    rows = call.perform("audit.export")["rows"]
    for row in rows:
        del row["words"]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    target.write(lines.encode())
    call.show({"file": str(file), "rows": len(rows)}, audit_views.show_export)


COMMANDS: tuple[click.Command, ...] = (audit,)
