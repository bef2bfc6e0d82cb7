"""`move-origin`, and `partner confirm-move`, `refuse-move` and `announce-move`."""

import asyncio
import os

import click

from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.partner_commands import partner
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext


@click.command(
    "move-origin",
    help=lazy_gettext(
        "Move the node to another address, while it does not serve. Without URL: say"
        " which partners have confirmed the last move."
    ),
)
@click.argument("url", metavar="[URL]", required=False)
@click.option(
    "--leave-unconfirmed",
    is_flag=True,
    help=lazy_gettext("Also if partners have not confirmed the last move."),
)
@acting
def move_origin(*, url: str | None, leave_unconfirmed: bool) -> None:
    """Move."""
    from node.cli import moving_views

    call = invocation()
    if url is None:
        call.show(call.perform("move.status"), moving_views.show_status)
        return
    from node.control.relocating import Relocation, relocate

    folder = call.node_folder()
    if not call.assume_yes:
        moving_views.show_what_follows(url)
        call.agree(_("Move the node now?"), also_without_terminal=True)
    relocation = Relocation(
        folder=folder,
        new_url=url.rstrip("/"),
        acting_as=call.acting_as,
        leave_unconfirmed=leave_unconfirmed,
        environ=os.environ,
    )
    document = asyncio.run(relocate(relocation))
    call.show(document, moving_views.show_moved)


@partner.command(
    "confirm-move",
    help=lazy_gettext(
        "Confirm that a partner has another address, compared with its office by"
        " telephone."
    ),
)
@click.argument("name", metavar="PARTNER")
@click.option(
    "--number",
    required=True,
    help=lazy_gettext("The check number that the other office read out."),
)
@acting
def confirm_move(*, name: str, number: str) -> None:
    """Confirm a move."""
    from node.cli import moving_views

    call = invocation()
    document = call.perform("partner.confirm-move", partner=name, number=number)
    call.show(document, moving_views.show_answered)


@partner.command(
    "refuse-move", help=lazy_gettext("Refuse that a partner has another address.")
)
@click.argument("name", metavar="PARTNER")
@click.option("--reason", help=lazy_gettext("A sentence for the other office."))
@acting
def refuse_move(*, name: str, reason: str | None) -> None:
    """Refuse a move."""
    from node.cli import moving_views

    call = invocation()
    document = call.perform("partner.refuse-move", partner=name, reason=reason)
    call.show(document, moving_views.show_answered)


@partner.command(
    "announce-move",
    help=lazy_gettext(
        "Announce the own move anew to a partner that has not confirmed it."
    ),
)
@click.argument("name", metavar="PARTNER")
@acting
def announce_move(*, name: str) -> None:
    """Announce a move again."""
    from node.cli import moving_views

    call = invocation()
    document = call.perform("partner.announce-move", partner=name)
    call.show(document, moving_views.show_status)


COMMANDS: tuple[click.Command, ...] = (move_origin,)
