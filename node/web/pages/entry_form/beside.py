"""The fields beside an entry's content: whom it is for and whose it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import wtforms
from wtforms.validators import InputRequired, Length

from node.catalogue.exclusions import Exclusions
from node.catalogue.model import AudienceLevel, Entry
from node.members.groups import Group
from node.members.model import Organisation, Person
from node.partners.model import Partner
from node.web.forms import ChecklistField, Form, TermsField, choices
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext

LEVEL: Final = "audience.level"
PARTNERS: Final = "audience.partners"
ORGANISATION: Final = "on_behalf_of.organisation"
PERSON: Final = "on_behalf_of.person"

GROUP: Final = "audience.group"
EXCLUDED_PARTNERS: Final = "audience.exclude.partners"
EXCLUDED: Final = "audience.exclude.organisations"
HOME: Final = "audience.home"
_NUMBER_CHARACTERS_MAX: Final = 60  # schemas, "values": keyword
_NAME_CHARACTERS_MAX: Final = 120  # schemas, "values": name

LEVEL_LABELS: Final[Mapping[AudienceLevel, str]] = {
    AudienceLevel.GROUP: lazy_gettext("A group of members"),
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


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom an entry can be for.

    Attributes:
        groups: Groups of own members that can be chosen.
        levels: What the office and the organisation permit.
        default: What is proposed.
        rows: Excluded organisations that the form has room for.
        fields: Fields that may stay in the own cluster, with their labels; empty for
            what is no profile.
    """

    partners: Sequence[Partner]
    groups: Sequence[Group]
    levels: Sequence[AudienceLevel]
    default: AudienceLevel
    rows: int
    fields: Mapping[str, str]


def audience_fields(reach: Reach) -> dict[str, Any]:
    """Make the fields that say whom an entry is for, and whom it excludes."""
    partners = reach.partners
    labels = [(level, LEVEL_LABELS[level]) for level in reach.levels]
    return {
        LEVEL: wtforms.RadioField(
            lazy_gettext("Who sees this?"),
            [InputRequired()],
            choices=choices(labels),
            default=reach.default.value,
        ),
        GROUP: wtforms.SelectField(
            lazy_gettext("Group"),
            [_some_group],
            choices=choices(
                [
                    ("", lazy_gettext("Please choose")),
                    *((each.id, each.name) for each in reach.groups),
                ]
            ),
            validate_choice=False,  # publishing finds the group, or says so
        ),
        PARTNERS: ChecklistField(
            lazy_gettext("Partner clusters"),
            [_some_partner],
            choices=choices((each.base_url, each.name) for each in partners),
        ),
        EXCLUDED_PARTNERS: ChecklistField(
            lazy_gettext("Partner clusters that do not get it"),
            choices=choices((each.base_url, each.name) for each in partners),
        ),
        **_excluded_fields(reach.rows),
        **_home_field(reach.fields),
    }


def _home_field(fields: Mapping[str, str]) -> dict[str, Any]:
    if not fields:
        return {}
    made = ChecklistField(
        lazy_gettext("Only for the own cluster"), choices=choices(fields.items())
    )
    return {HOME: made}


def excluded_row(number: int) -> dict[str, str]:
    """Names of the fields of one excluded organisation."""
    parts = ("name", "vat_id", "register_id", "domains", "send_anyway")
    return {part: f"{EXCLUDED}.{number}.{part}" for part in parts}


def _excluded_fields(rows: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for number in range(rows):
        names = excluded_row(number)
        made[names["name"]] = wtforms.StringField(
            lazy_gettext("Name of the organisation"),
            [_some_name, Length(max=_NAME_CHARACTERS_MAX)],
        )
        for part, label in (
            ("vat_id", lazy_gettext("VAT id")),
            ("register_id", lazy_gettext("Register number")),
        ):
            made[names[part]] = wtforms.StringField(
                label, [Length(max=_NUMBER_CHARACTERS_MAX)]
            )
        made[names["domains"]] = TermsField(lazy_gettext("Domains"))
        made[names["send_anyway"]] = wtforms.BooleanField(
            lazy_gettext("Send it all the same to a cluster that has it as member")
        )
    return made


def _some_name(form: wtforms.Form, field: wtforms.Field) -> None:
    if field.data:
        return
    row = field.name.removesuffix(".name")
    if any(form[f"{row}.{part}"].data for part in ("vat_id", "register_id", "domains")):
        raise wtforms.ValidationError(_("Write the organisation's name, too."))


def _some_group(form: wtforms.Form, field: wtforms.Field) -> None:
    if form[LEVEL].data == AudienceLevel.GROUP.value and not field.data:
        raise wtforms.ValidationError(_("Choose a group."))


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


def values_of(
    entry: Entry, partners: Sequence[Partner], excluded: Exclusions
) -> dict[str, Any]:
    """Fill the audience fields for an entry that exists."""
    rows: dict[str, Any] = {}
    for number, each in enumerate(excluded.organisations):
        names = excluded_row(number)
        rows |= {
            names["name"]: each.name,
            names["vat_id"]: each.vat_id or "",
            names["register_id"]: each.register_id or "",
            names["domains"]: list(each.domains),
            names["send_anyway"]: each.send_anyway,
        }
    return {
        **rows,
        HOME: sorted(entry.home_fields),
        LEVEL: entry.audience.level.value,
        GROUP: entry.audience.group_id or "",
        EXCLUDED_PARTNERS: [
            each.base_url for each in partners if each.id in excluded.partner_ids
        ],
        PARTNERS: [
            each.base_url for each in partners if each.id in entry.audience.partner_ids
        ],
    }


def audience_of(fields: Form, rows: int) -> dict[str, Any]:
    """Read the audience in the form of a file.

    Args:
        fields: The form.
        rows: Excluded organisations that it has room for.
    """
    level = fields[LEVEL].data
    audience: dict[str, Any] = {"level": level, "exclude": _exclude_of(fields, rows)}
    if level == AudienceLevel.GROUP.value:
        audience["group"] = fields[GROUP].data
    if HOME in fields:
        audience["home"] = list(fields[HOME].data)
    if level == AudienceLevel.PARTNERS.value:
        audience["partners"] = list(fields[PARTNERS].data)
    return audience


def _exclude_of(fields: Form, rows: int) -> dict[str, Any]:
    organisations = []
    for number in range(rows):
        names = excluded_row(number)
        row = {part: fields[name].data for part, name in names.items()}
        if row["name"]:
            organisations.append({part: value for part, value in row.items() if value})
    exclude: dict[str, Any] = {}
    if fields[EXCLUDED_PARTNERS].data:
        exclude["partners"] = list(fields[EXCLUDED_PARTNERS].data)
    if organisations:
        exclude["organisations"] = organisations
    return exclude


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
    behind = entry.answerable
    if behind.person_id == actor.id:
        return {}
    emails = [each.email for each in persons if each.id == behind.person_id]
    behalf = {"organisation": behind.organisation_id}
    return {**behalf, "person": emails[0]} if emails else behalf
