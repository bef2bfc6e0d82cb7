"""`audience …`, and of `partner …` and `members …` what says who is who."""

import click

from node.cli.invocation import invocation
from node.cli.member_commands import members
from node.cli.options import acting
from node.cli.partner_commands import partner
from node.cli.wording import gettext as _
from node.cli.wording import lazy_gettext

LEVELS = ("cluster", "partners", "trusted", "public")
_NO_LIMIT = "none"


@click.group(
    "audience",
    help=lazy_gettext("Groups of members, and whom entries are for by default."),
)
def audience() -> None:
    """Hold the commands."""


@audience.command(
    "show", help=lazy_gettext("Show default and maximum of every kind of entry.")
)
@acting
def show() -> None:
    """Show."""
    from node.cli import audience_views

    call = invocation()
    call.show(call.perform("audience.show"), audience_views.show_kinds)


_DRY_RUN = click.option(
    "--dry-run", is_flag=True, help=lazy_gettext("Only say what would change.")
)


@audience.command(
    "set",
    help=lazy_gettext(
        "Set whom a kind of entry is for by default, and at most. It holds for entries"
        " that exist, too; the effect is shown before."
    ),
)
@click.argument("kind", metavar="KIND")
@click.option(
    "--default", type=click.Choice(LEVELS), help=lazy_gettext("Proposed audience.")
)
@click.option(
    "--max", "most", type=click.Choice(LEVELS), help=lazy_gettext("Widest audience.")
)
@_DRY_RUN
@acting
def set_kind(
    *, kind: str, default: str | None, most: str | None, dry_run: bool
) -> None:
    """Set."""
    _set("kind", dry_run=dry_run, kind=kind, default=default, max=most)


@audience.command(
    "limit",
    help=lazy_gettext(
        "Set whom the entries of an organisation are for at most; none lifts the limit."
    ),
)
@click.argument("organisation", metavar="ORGANISATION")
@click.option(
    "--max",
    "most",
    type=click.Choice((*LEVELS, _NO_LIMIT)),
    required=True,
    help=lazy_gettext("Widest audience."),
)
@_DRY_RUN
@acting
def limit(*, organisation: str, most: str, dry_run: bool) -> None:
    """Limit."""
    ceiling = None if most == _NO_LIMIT else most
    _set("organisation", dry_run=dry_run, organisation=organisation, max=ceiling)


def _set(what: str, *, dry_run: bool, **arguments: object) -> None:
    from node.cli import audience_views

    call = invocation()
    if dry_run:
        document = call.perform(f"audience.foresee-{what}", **arguments)
        call.show(document, audience_views.show_effect)
        return
    if not call.assume_yes:
        audience_views.show_effect(
            call.perform(f"audience.foresee-{what}", **arguments)
        )
        call.agree(_("Set it?"))
    document = call.perform(f"audience.set-{what}", **arguments)
    call.show(document, audience_views.show_set)


@audience.command("groups", help=lazy_gettext("List the groups of members."))
@acting
def groups() -> None:
    """List."""
    from node.cli import audience_views

    call = invocation()
    call.show(call.perform("group.list"), audience_views.show_groups)


_ORGANISATIONS = click.option(
    "--organisation",
    "organisations",
    multiple=True,
    metavar="ORGANISATION",
    help=lazy_gettext("A member of the group; may be given several times."),
)


@audience.command("make-group", help=lazy_gettext("Make a group of own members."))
@click.argument("name", metavar="NAME")
@_ORGANISATIONS
@acting
def make_group(*, name: str, organisations: tuple[str, ...]) -> None:
    """Make."""
    from node.cli import audience_views

    call = invocation()
    document = call.perform("group.make", name=name, organisations=list(organisations))
    call.show(document, audience_views.show_group)


@audience.command(
    "change-group",
    help=lazy_gettext("Rename a group, add organisations to it or take some out."),
)
@click.argument("group", metavar="GROUP")
@click.option("--name", help=lazy_gettext("The new name."))
@click.option(
    "--add",
    multiple=True,
    metavar="ORGANISATION",
    help=lazy_gettext("A member to be added; may be given several times."),
)
@click.option(
    "--remove",
    multiple=True,
    metavar="ORGANISATION",
    help=lazy_gettext("A member to be removed; may be given several times."),
)
@acting
def change_group(
    *, group: str, name: str | None, add: tuple[str, ...], remove: tuple[str, ...]
) -> None:
    """Change."""
    from node.cli import audience_views

    call = invocation()
    document = call.perform(
        "group.change", group=group, name=name, add=list(add), remove=list(remove)
    )
    call.show(document, audience_views.show_group)


@audience.command(
    "remove-group",
    help=lazy_gettext(
        "Dissolve a group; its entries stay for their owners and the office alone."
    ),
)
@click.argument("group", metavar="GROUP")
@acting
def remove_group(*, group: str) -> None:
    """Remove."""
    from node.cli import audience_views

    call = invocation()
    if not call.assume_yes:
        audience_views.show_group_entries(call.perform("group.entries", group=group))
        call.agree(_("Dissolve the group?"))
    document = call.perform("group.remove", group=group)
    call.show(document, audience_views.show_removed)


@partner.command(
    "release",
    help=lazy_gettext("Give a partner what is for all partners; the list is shown."),
)
@click.argument("name", metavar="PARTNER")
@_DRY_RUN
@acting
def release(*, name: str, dry_run: bool) -> None:
    """Release."""
    from node.cli import audience_views

    call = invocation()
    if dry_run or not call.assume_yes:
        document = call.perform("partner.foresee-release", partner=name)
        if dry_run:
            call.show(document, audience_views.show_list)
            return
        audience_views.show_list(document)
        call.agree(_("Release?"))
    document = call.perform("partner.release", partner=name)
    call.show(document, audience_views.show_released)


@partner.command(
    "members", help=lazy_gettext("List what is known of a partner's members.")
)
@click.argument("name", metavar="PARTNER")
@acting
def list_known(*, name: str) -> None:
    """List."""
    from node.cli import audience_views

    call = invocation()
    call.show(call.perform("partner.members", partner=name), audience_views.show_known)


_VAT_ID = click.option("--vat-id", help=lazy_gettext("VAT identification number."))
_REGISTER_ID = click.option(
    "--register-id", help=lazy_gettext("Number in a register of companies.")
)
_DOMAINS = click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="DOMAIN",
    help=lazy_gettext("A domain; may be given several times."),
)


@partner.command(
    "note-member",
    help=lazy_gettext("Note that an organisation is a member of a partner."),
)
@click.argument("name", metavar="PARTNER")
@click.option(
    "--organisation", required=True, help=lazy_gettext("Name of the organisation.")
)
@_VAT_ID
@_REGISTER_ID
@_DOMAINS
@acting
def note_member(
    *,
    name: str,
    organisation: str,
    vat_id: str | None,
    register_id: str | None,
    domains: tuple[str, ...],
) -> None:
    """Note."""
    from node.cli import audience_views

    call = invocation()
    document = call.perform(
        "partner.note-member",
        partner=name,
        name=organisation,
        vat_id=vat_id,
        register_id=register_id,
        domains=list(domains),
    )
    call.show(document, audience_views.show_noted)


@partner.command("forget-member", help=lazy_gettext("Take such a note back."))
@click.argument("name", metavar="PARTNER")
@click.argument("member", metavar="MEMBER")
@acting
def forget_member(*, name: str, member: str) -> None:
    """Forget."""
    from node.cli import audience_views

    call = invocation()
    document = call.perform("partner.forget-member", partner=name, member=member)
    call.show(document, audience_views.show_forgotten)


@members.command(
    "identify",
    help=lazy_gettext(
        "Say what an organisation is known by; what was said before is replaced."
    ),
)
@click.argument("organisation", metavar="ORGANISATION")
@_VAT_ID
@_REGISTER_ID
@_DOMAINS
@acting
def identify(
    *,
    organisation: str,
    vat_id: str | None,
    register_id: str | None,
    domains: tuple[str, ...],
) -> None:
    """Identify."""
    from node.cli import audience_views

    call = invocation()
    document = call.perform(
        "members.identify",
        organisation=organisation,
        vat_id=vat_id,
        register_id=register_id,
        domains=list(domains),
    )
    call.show(document, audience_views.show_identified)


COMMANDS: tuple[click.Command, ...] = (audience,)
