"""The fields beside an entry's content: whom it is for and whose it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import wtforms
from wtforms.validators import InputRequired

from node.catalogue.model import AudienceLevel, Entry
from node.members.model import Organisation, Person
from node.partners.model import Partner
from node.web.forms import ChecklistField, Form, choices
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext

LEVEL: Final = "audience.level"
PARTNERS: Final = "audience.partners"
ORGANISATION: Final = "on_behalf_of.organisation"
PERSON: Final = "on_behalf_of.person"

LEVEL_LABELS: Final[Mapping[AudienceLevel, str]] = {
    AudienceLevel.CLUSTER: lazy_gettext("Only my cluster"),
    AudienceLevel.PARTNERS: lazy_gettext("Chosen partner clusters"),
    AudienceLevel.TRUSTED: lazy_gettext("All partner clusters"),
    AudienceLevel.PUBLIC: lazy_gettext("Public"),
}


@dataclass(frozen=True, slots=True)
class Owners:
    """For whom the office can publish.

    Attributes:
        chosen: Id of the organisation that the entry is for.
        persons: Those of the chosen organisation.
    """

    organisations: Sequence[Organisation]
    chosen: str
    persons: Sequence[Person]


def audience_fields(partners: Sequence[Partner]) -> dict[str, Any]:
    """Make the fields that say whom an entry is for; at first the own cluster."""
    return {
        LEVEL: wtforms.RadioField(
            lazy_gettext("Who sees this?"),
            [InputRequired()],
            choices=choices(LEVEL_LABELS.items()),
            default=AudienceLevel.CLUSTER.value,
        ),
        PARTNERS: ChecklistField(
            lazy_gettext("Partner clusters"),
            [_some_partner],
            choices=choices((each.base_url, each.name) for each in partners),
        ),
    }


def _some_partner(form: wtforms.Form, field: wtforms.Field) -> None:
    if form[LEVEL].data == AudienceLevel.PARTNERS.value and not field.data:
        raise wtforms.ValidationError(_("Choose at least one partner cluster."))


def owner_fields(owners: Owners) -> dict[str, Any]:
    """Make the fields with which the office says whose entry it is."""
    return {
        ORGANISATION: wtforms.SelectField(
            lazy_gettext("Organisation"),
            [InputRequired()],
            choices=choices((each.id, each.name) for each in owners.organisations),
        ),
        PERSON: wtforms.SelectField(
            lazy_gettext("Person"),
            choices=choices(
                [
                    ("", lazy_gettext("No person, the organisation itself")),
                    *((each.email, each.name) for each in owners.persons),
                ]
            ),
        ),
    }


def values_of(entry: Entry, partners: Sequence[Partner]) -> dict[str, Any]:
    """Fill the audience fields for an entry that exists."""
    return {
        LEVEL: entry.audience.level.value,
        PARTNERS: [
            each.base_url for each in partners if each.id in entry.audience.partner_ids
        ],
    }


def audience_of(fields: Form) -> dict[str, Any]:
    """Read the audience in the form of a file."""
    level = fields[LEVEL].data
    audience: dict[str, Any] = {"level": level}
    if level == AudienceLevel.PARTNERS.value:
        audience["partners"] = list(fields[PARTNERS].data)
    return audience


def behalf_of(fields: Form, actor: Person) -> dict[str, str]:
    """Read for whom the office publishes; empty if for the actor."""
    organisation, person = fields[ORGANISATION].data, fields[PERSON].data
    if (organisation, person) == (actor.organisation_id, actor.email):
        return {}
    behalf = {"organisation": organisation}
    return {**behalf, "person": person} if person else behalf


def same_owner(
    entry: Entry, persons: Sequence[Person], actor: Person
) -> dict[str, str]:
    """Name the owner of an entry, so that a colleague's edit does not change it.

    Args:
        entry: The entry that is edited.
        persons: Those of its organisation who have not left.
        actor: The one who edits it.
    """
    if entry.person_id == actor.id:
        return {}
    emails = [each.email for each in persons if each.id == entry.person_id]
    behalf = {"organisation": entry.organisation_id}
    return {**behalf, "person": emails[0]} if emails else behalf
