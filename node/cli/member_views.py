"""What people see of members and imports."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import day, say, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext


def show_report(document: Mapping[str, Any], *, dry_run: bool = False) -> None:
    """Show what an import did, row by row where something is wrong."""
    if dry_run:
        say(_("Dry run: nothing was stored."))
    say(
        _(
            "%(added)s added, %(changed)s changed, %(unchanged)s unchanged.",
            added=document["added"],
            changed=document["changed"],
            unchanged=document["unchanged"],
        )
    )
    for change in document.get("changes", []):
        say(
            _(
                "  row %(row)s, %(key)s: %(fields)s",
                row=change["row"],
                key=change["key"],
                fields=_differences(change),
            )
        )
    errors = document["errors"]
    if errors:
        say(
            ngettext(
                "%(num)s row was left out:", "%(num)s rows were left out:", len(errors)
            )
        )
    for error in errors:
        column = f"{error['column']}: " if error.get("column") else ""
        message: str = error["message"]
        say(
            _(
                "  row %(row)s: %(message)s",
                row=error["row"],
                message=f"{column}{_(message)}",
            )
        )
    without_consent = document.get("without_consent", 0)
    if without_consent:
        say(
            ngettext(
                "%(num)s person has not agreed to be shown to partners; the profile"
                " stays in the own cluster.",
                "%(num)s persons have not agreed to be shown to partners; their"
                " profiles stay in the own cluster.",
                without_consent,
            )
        )
    for link in document["links"]:
        say(_("  First sign-in %(email)s", email=link["email"]), f"    {link['link']}")


def _differences(change: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{field['column']} “{field['before']}” → “{field['after']}”"
        for field in change["fields"]
    )


def show_members(document: Mapping[str, Any]) -> None:
    """Show persons by organisation."""
    persons = sorted(
        document["persons"], key=lambda each: (each["organisation"], each["name"])
    )
    table(
        (_("Organisation"), _("Name"), _("E-mail"), _("Role"), _("Consent")),
        [
            (
                person["organisation"],
                person["name"],
                person["email"],
                person["role"],
                day(person["consent_on"]),
            )
            for person in persons
        ],
    )
    say(
        ngettext(
            "%(num)s organisation",
            "%(num)s organisations",
            len(document["organisations"]),
        )
        + ", "
        + ngettext("%(num)s person", "%(num)s persons", len(persons))
        + "."
    )


def show_export(document: Mapping[str, Any]) -> None:
    """Say where a person's data were written."""
    say(
        _(
            "All that is stored about %(name)s was written to %(file)s.",
            name=document["name"],
            file=document["written"],
        )
    )
