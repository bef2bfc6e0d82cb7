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
@click.option(
    "--preset",
    type=click.Choice(("acquaintance", "partner", "close")),
    default="partner",
    help=lazy_gettext("What the partnership begins with, in both directions."),
)
@acting
def invite(*, days: int, note: str | None, preset: str) -> None:
    """Invite."""
    from node.cli import partner_views

    call = invocation()
    document = call.perform("partner.invite", days=days, note=note, preset=preset)
    call.show(document, partner_views.show_invitation)


_COMPARED = click.option(
    "--compared",
    is_flag=True,
    help=lazy_gettext("Both offices have compared the check number by telephone."),
)


_HOLD_LIST = click.option(
    "--hold-list",
    is_flag=True,
    help=lazy_gettext(
        "What is for all partners waits until the office releases it (partner release)."
    ),
)


@partner.command("accept", help=lazy_gettext("Accept the code of another office."))
@click.argument("code", metavar="CODE")
@_COMPARED
@_HOLD_LIST
@acting
def accept(*, code: str, compared: bool, hold_list: bool) -> None:
    """Accept."""
    from node.cli import partner_views

    call = invocation()
    if not (call.assume_yes or compared):
        partner_views.show_preview(call.perform("partner.preview", code=code))
        call.agree(_("Compared and connect?"), also_without_terminal=True)
    # Whoever leaves the question out has answered it.
    document = call.perform(
        "partner.accept", code=code, compared=True, hold_list=hold_list
    )
    call.show(document, partner_views.show_step)


@partner.command("confirm", help=lazy_gettext("Confirm the request of another office."))
@click.argument("name", metavar="PARTNER")
@_COMPARED
@_HOLD_LIST
@acting
def confirm(*, name: str, compared: bool, hold_list: bool) -> None:
    """Confirm."""
    from node.cli import partner_views

    call = invocation()
    seen = None
    if not (call.assume_yes or compared):
        asking = call.perform("partner.show", partner=name)
        partner_views.show_request(asking)
        call.agree(_("Compared and connect?"), also_without_terminal=True)
        seen = asking["check_number"]
    # Whoever leaves the question out has answered it.
    document = call.perform(
        "partner.confirm",
        partner=name,
        compared=True,
        hold_list=hold_list,
        check_number=seen,
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
    "stay",
    help=lazy_gettext("Take an end back, as long as the other node was not told."),
)
@click.argument("name", metavar="PARTNER")
@acting
def stay(*, name: str) -> None:
    """Take an end back."""
    _step("partner.stay", name)


@partner.command(
    "hide",
    help=lazy_gettext("Hide the entries of a partner from the members; copies stay."),
)
@click.argument("name", metavar="PARTNER")
@acting
def hide(*, name: str) -> None:
    """Hide."""
    _previewed("partner.hide", name, _("Hide the entries?"))


@partner.command(
    "show-again", help=lazy_gettext("Show the entries of a hidden partner again.")
)
@click.argument("name", metavar="PARTNER")
@acting
def show_again(*, name: str) -> None:
    """Show again."""
    _step("partner.show-again", name)


@partner.command(
    "purge",
    help=lazy_gettext(
        "Remove the copies of a paused partner's entries; ids and versions stay."
    ),
)
@click.argument("name", metavar="PARTNER")
@acting
def purge(*, name: str) -> None:
    """Purge."""
    _previewed("partner.purge", name, _("Remove the copies?"))


@partner.command(
    "fetch-again", help=lazy_gettext("Fetch everything anew that was purged.")
)
@click.argument("name", metavar="PARTNER")
@acting
def fetch_again(*, name: str) -> None:
    """Undo a purge."""
    _step("partner.fetch-again", name)


@partner.command(
    "tell",
    help=lazy_gettext(
        "After a restore: tell entries to a partner that does not say what it holds."
    ),
)
@click.argument("name", metavar="PARTNER")
@acting
def tell(*, name: str) -> None:
    """Tell entries without a comparison."""
    _step("partner.tell", name)


@partner.command(
    "try",
    help=lazy_gettext(
        "Deliver now what waits: to PARTNER, or to all that were not reached."
    ),
)
@click.argument("name", metavar="[PARTNER]", required=False)
@acting
def try_now(*, name: str | None) -> None:
    """Try."""
    from node.cli import partner_views

    call = invocation()
    document = call.perform("partner.try", partner=name)
    call.show(
        document, lambda shown: partner_views.show_tried(shown, served=call.served)
    )


@partner.command(
    "report",
    help=lazy_gettext("Account for a partnership: told, removed, still open."),
)
@click.argument("name", metavar="PARTNER")
@acting
def report(*, name: str) -> None:
    """Report."""
    from node.cli import partner_views

    call = invocation()
    call.show(call.perform("partner.report", partner=name), partner_views.show_report)


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


def _previewed(command: str, name: str, question: str) -> None:
    """Say in numbers what a step concerns, ask, and take it."""
    from node.cli import partner_views

    call = invocation()
    if not call.assume_yes:
        partner_views.show_effects(call.perform("partner.effects", partner=name))
        call.agree(question)
    _step(command, name)


def _step(command: str, name: str, *, reason: str | None = None) -> None:
    from node.cli import partner_views

    call = invocation()
    document = call.perform(command, partner=name, reason=reason)
    call.show(document, partner_views.show_step)


COMMANDS: tuple[click.Command, ...] = (partner,)
