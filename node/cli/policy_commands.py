"""`partner rules`, `partner set-rules`, `partner compared`."""

from datetime import datetime

import click

from node.cli.invocation import invocation
from node.cli.options import acting
from node.cli.partner_commands import partner
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext

PRESETS = ("acquaintance", "partner", "close")
DIRECTIONS = ("give", "take")
PROFILES = ("none", "organisations", "persons")


@partner.command(
    "compared",
    help=lazy_gettext(
        "Note that both offices have compared the check number; the rules count in"
        " full from then on."
    ),
)
@click.argument("name", metavar="PARTNER")
@acting
def compared(*, name: str) -> None:
    """Note it."""
    from node.cli import partner_views

    call = invocation()
    if not call.assume_yes:
        partner_views.show_request(call.perform("partner.show", partner=name))
        call.agree(_("Compared?"), also_without_terminal=True)
    document = call.perform("partner.compared", partner=name)
    call.show(document, partner_views.show_step)


@partner.command(
    "rules",
    help=lazy_gettext("Show what goes to a partner, what is taken, and since when."),
)
@click.argument("name", metavar="PARTNER")
@acting
def rules(*, name: str) -> None:
    """Show."""
    from node.cli import policy_views

    call = invocation()
    call.show(call.perform("partner.rules", partner=name), policy_views.show_rules)


@partner.command(
    "set-rules",
    help=lazy_gettext(
        "Set what goes to a partner or is taken from it; the effect is shown before."
        " What is not named is no exception."
    ),
)
@click.argument("name", metavar="PARTNER")
@click.option(
    "--direction",
    type=click.Choice(DIRECTIONS),
    required=True,
    help=lazy_gettext("What goes there (give) or what comes from there (take)."),
)
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    required=True,
    help=lazy_gettext(
        "acquaintance: public entries; partner: also entries for partners; close:"
        " also profiles of persons."
    ),
)
@click.option(
    "--without-kind",
    "kinds",
    multiple=True,
    metavar="KIND",
    help=lazy_gettext("A kind that does not pass; may be given several times."),
)
@click.option(
    "--without-topic",
    "topics",
    multiple=True,
    metavar="TOPIC",
    help=lazy_gettext("A topic that does not pass; may be given several times."),
)
@click.option(
    "--profiles",
    type=click.Choice(PROFILES),
    help=lazy_gettext("Which profiles pass; otherwise as the preset says."),
)
@click.option(
    "--chiffre",
    type=click.Choice(("yes", "no")),
    help=lazy_gettext("Whether entries under Chiffre pass; otherwise as the preset."),
)
@click.option(
    "--lease-days",
    type=int,
    help=lazy_gettext(
        "Of what is taken: days for which a copy is shown without confirmation."
    ),
)
@click.option(
    "--retention-days",
    type=int,
    help=lazy_gettext(
        "Of what is taken: days for which content stays that is no longer shown."
    ),
)
@click.option(
    "--until",
    type=click.DateTime(formats=["%Y-%m-%d"]),
    help=lazy_gettext("The last day on which the rules count (YYYY-MM-DD)."),
)
@click.option(
    "--reason",
    required=True,
    help=lazy_gettext("Why; it stays in the history."),
)
@acting
def set_rules(  # noqa: PLR0913 - the options
    *,
    name: str,
    direction: str,
    preset: str,
    kinds: tuple[str, ...],
    topics: tuple[str, ...],
    profiles: str | None,
    chiffre: str | None,
    lease_days: int | None,
    retention_days: int | None,
    until: datetime | None,
    reason: str,
) -> None:
    """Set."""
    from node.cli import policy_views

    call = invocation()
    wanted: dict[str, object] = {
        "partner": name,
        "direction": direction,
        "preset": preset,
        "without_kinds": list(kinds),
        "without_topics": list(topics),
        "profiles": profiles,
        "chiffre": chiffre,
        "lease_days": lease_days,
        "retention_days": retention_days,
        "until": None if until is None else until.date().isoformat(),
    }
    if not call.assume_yes:
        policy_views.show_effect(call.perform("partner.foresee-rules", **wanted))
        call.agree(_("Let these rules count?"), also_without_terminal=True)
    document = call.perform("partner.set-rules", **wanted, reason=reason)
    call.show(document, policy_views.show_change)


COMMANDS: tuple[click.Command, ...] = ()
"""They belong to `partner` (node.cli.partner_commands)."""
