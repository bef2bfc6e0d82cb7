"""`partner …`."""

import click

from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext

INVITATION_DAYS = 7


@click.group(
    "partner", help=lazy_gettext("Other clusters: invite, accept, confirm, end.")
)
def partner() -> None:
    """Hold the commands."""


@partner.command(
    "invite", help=lazy_gettext("Make an invitation code for another office.")
)
@click.option(
    "--days",
    type=click.IntRange(1, 60),
    default=INVITATION_DAYS,
    help=lazy_gettext("Days that the code is valid."),
)
@click.option("--note", help=lazy_gettext("For whom it is; for the own list."))
@acting
def invite(*, days: int, note: str | None) -> None:
    """Invite."""
    from node.cli import partner_views

    call = invocation()
    document = call.perform("partner.invite", days=days, note=note)
    call.show(document, partner_views.show_invitation)


_COMPARED = click.option(
    "--compared",
    is_flag=True,
    help=lazy_gettext("Both offices have compared the check number by telephone."),
)


@partner.command("accept", help=lazy_gettext("Accept the code of another office."))
@click.argument("code", metavar="CODE")
@_COMPARED
@acting
def accept(*, code: str, compared: bool) -> None:
    """Accept."""
    from node.cli import partner_views

    call = invocation()
    if not (call.assume_yes or compared):
        partner_views.show_preview(call.perform("partner.preview", code=code))
        call.agree(_("Compared and connect?"), also_without_terminal=True)
        compared = True
    document = call.perform("partner.accept", code=code, compared=compared)
    call.show(document, partner_views.show_step)


@partner.command("confirm", help=lazy_gettext("Confirm the request of another office."))
@click.argument("name", metavar="PARTNER")
@_COMPARED
@acting
def confirm(*, name: str, compared: bool) -> None:
    """Confirm."""
    from node.cli import partner_views

    call = invocation()
    seen = None
    if not (call.assume_yes or compared):
        asking = call.perform("partner.show", partner=name)
        partner_views.show_request(asking)
        call.agree(_("Compared and connect?"), also_without_terminal=True)
        compared, seen = True, asking["check_number"]
    document = call.perform(
        "partner.confirm", partner=name, compared=compared, check_number=seen
    )
    call.show(document, partner_views.show_step)


@partner.command(
    "confirm-key",
    help=lazy_gettext(
        "Confirm the new key of a partner, compared with its office by telephone."
    ),
)
@click.argument("name", metavar="PARTNER")
@click.option(
    "--fingerprint",
    required=True,
    help=lazy_gettext("What the other office read out; four groups of four."),
)
@acting
def confirm_key(*, name: str, fingerprint: str) -> None:
    """Confirm a key."""
    from node.cli import partner_views

    call = invocation()
    document = call.perform(
        "partner.confirm-key", partner=name, fingerprint=fingerprint
    )
    call.show(document, partner_views.show_step)


@partner.command("refuse", help=lazy_gettext("Refuse the request of another office."))
@click.argument("name", metavar="PARTNER")
@click.option("--reason", help=lazy_gettext("Told to the other office."))
@acting
def refuse(*, name: str, reason: str | None) -> None:
    """Refuse."""
    _step("partner.refuse", name, reason=reason)


@partner.command(
    "pause", help=lazy_gettext("Stop the exchange for now; nothing is lost.")
)
@click.argument("name", metavar="PARTNER")
@acting
def pause(*, name: str) -> None:
    """Pause."""
    _step("partner.pause", name)


@partner.command("resume", help=lazy_gettext("Let the exchange go on."))
@click.argument("name", metavar="PARTNER")
@acting
def resume(*, name: str) -> None:
    """Resume."""
    _step("partner.resume", name)


@partner.command(
    "end", help=lazy_gettext("End the partnership; everything told is taken back.")
)
@click.argument("name", metavar="PARTNER")
@click.option("--reason", help=lazy_gettext("Told to the other office."))
@acting
def end(*, name: str, reason: str | None) -> None:
    """End."""
    from node.cli import partner_views

    call = invocation()
    if not call.assume_yes:
        partner_views.show_consequences(call.perform("partner.show", partner=name))
        call.agree(_("End the partnership?"))
    _step("partner.end", name, reason=reason)


@partner.command(
    "close",
    help=lazy_gettext("Wait no longer for a partner that does not confirm the end."),
)
@click.argument("name", metavar="PARTNER")
@acting
def close(*, name: str) -> None:
    """Close."""
    from node.cli import partner_views

    call = invocation()
    if not call.assume_yes:
        partner_views.show_unconfirmed(call.perform("partner.show", partner=name))
        call.agree(_("Close without confirmation?"))
    _step("partner.close", name)


@partner.command(
    "show", help=lazy_gettext("Show a partner and whether both sides agree.")
)
@click.argument("name", metavar="PARTNER")
@acting
def show(*, name: str) -> None:
    """Show."""
    from node.cli import partner_views

    call = invocation()
    call.show(call.perform("partner.show", partner=name), partner_views.show_partner)


@partner.command("list", help=lazy_gettext("List all partners."))
@acting
def list_partners() -> None:
    """List."""
    from node.cli import partner_views

    call = invocation()
    call.show(call.perform("partner.list"), partner_views.show_partners)


def _step(command: str, name: str, *, reason: str | None = None) -> None:
    from node.cli import partner_views

    call = invocation()
    document = call.perform(command, partner=name, reason=reason)
    call.show(document, partner_views.show_step)


COMMANDS: tuple[click.Command, ...] = (partner,)
