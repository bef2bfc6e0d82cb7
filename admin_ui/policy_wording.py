"""Policy sheets in sentences."""

from collections.abc import Mapping

from node.partners.model import Partner
from node.storage.policies import PolicyVersion
from node.visibility.policy import Direction, PolicySheet, Preset, Profiles
from node.web.formats import Formats
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.pages.wording import kind_label

PRESETS: Mapping[Preset, str] = {
    Preset.ACQUAINTANCE: lazy_gettext("Getting to know"),
    Preset.PARTNER: lazy_gettext("Partner"),
    Preset.CLOSE: lazy_gettext("Close partner"),
}
_ENTRIES: Mapping[tuple[Direction, bool], str] = {
    (Direction.OUT, False): lazy_gettext("We give public entries only."),
    (Direction.OUT, True): lazy_gettext(
        "We give what is public and what is for partner clusters."
    ),
    (Direction.IN, False): lazy_gettext("They give us public entries only."),
    (Direction.IN, True): lazy_gettext(
        "They give us what is public and what is for partner clusters."
    ),
}
_PROFILES: Mapping[tuple[Direction, Profiles], str] = {
    (Direction.OUT, Profiles.NONE): lazy_gettext("No profiles go there."),
    (Direction.OUT, Profiles.ORGANISATIONS): lazy_gettext(
        "Profiles of organisations go there, profiles of persons stay here."
    ),
    (Direction.OUT, Profiles.PERSONS): lazy_gettext(
        "Profiles of organisations go there, and profiles of persons who have agreed."
    ),
    (Direction.IN, Profiles.NONE): lazy_gettext("We take no profiles."),
    (Direction.IN, Profiles.ORGANISATIONS): lazy_gettext(
        "We take profiles of organisations, and no profiles of persons."
    ),
    (Direction.IN, Profiles.PERSONS): lazy_gettext(
        "We take profiles of organisations and of persons."
    ),
}


def preset_sentences(direction: Direction, preset: Preset) -> str:
    """Say in two sentences what a preset lets pass."""
    return " ".join(sheet_sentences(direction, PolicySheet(preset)))


def level_choices(direction: Direction) -> Mapping[str, Mapping[str, str | None]]:
    """Return what stands beside each level of a form."""
    return {
        preset.value: {"sentence": preset_sentences(direction, preset), "preview": None}
        for preset in Preset
    }


def sheet_sentences(direction: Direction, sheet: PolicySheet) -> list[str]:
    """Say in two sentences what a sheet lets pass, its exceptions aside."""
    for_partners = sheet.preset is not Preset.ACQUAINTANCE
    return [
        str(_ENTRIES[direction, for_partners]),
        str(_PROFILES[direction, sheet.profiles_passing]),
    ]


def exceptions(direction: Direction, sheet: PolicySheet, formats: Formats) -> list[str]:
    """Say what a sheet keeps back besides, and until when it counts."""
    said = []
    if sheet.closed_kinds:
        kinds = ", ".join(kind_label(kind) for kind in sorted(sheet.closed_kinds))
        said.append(
            _("Not going there: %(kinds)s.", kinds=kinds)
            if direction is Direction.OUT
            else _("Not taken: %(kinds)s.", kinds=kinds)
        )
    if sheet.chiffre is not None:
        said.append(
            _("Entries under Chiffre pass, too.")
            if sheet.chiffre
            else _("No entries under Chiffre pass.")
        )
    if sheet.closed_topics:
        topics = ", ".join(sorted(sheet.closed_topics))
        said.append(
            _("Nothing about these topics goes there: %(topics)s.", topics=topics)
            if direction is Direction.OUT
            else _("Nothing about these topics is taken: %(topics)s.", topics=topics)
        )
    if sheet.lease_days is not None:
        said.append(
            ngettext(
                "What is not confirmed for %(num)s day is no longer shown.",
                "What is not confirmed for %(num)s days is no longer shown.",
                sheet.lease_days,
            )
        )
    if sheet.retention_days is not None:
        said.append(
            ngettext(
                "What is no longer shown is removed after %(num)s day.",
                "What is no longer shown is removed after %(num)s days.",
                sheet.retention_days,
            )
        )
    if sheet.valid_until is not None:
        said.append(
            _(
                "This holds until %(day)s; afterwards “Getting to know” at most.",
                day=formats.write_date(sheet.valid_until),
            )
        )
    return said


def version_sentence(version: PolicyVersion, partner: Partner) -> str:
    """Say which version of a sheet came to count."""
    preset = str(PRESETS[version.sheet.preset])
    words = {"partner": partner.name, "preset": preset, "person": version.author_name}
    if version.author_name is None and version.version == 1:
        return (
            _("To begin with, we give %(partner)s: %(preset)s", **words)
            if version.direction is Direction.OUT
            else _("To begin with, %(partner)s gives us: %(preset)s", **words)
        )
    if version.author_name is None:
        return (
            _("Since then we give %(partner)s: %(preset)s", **words)
            if version.direction is Direction.OUT
            else _("Since then %(partner)s gives us: %(preset)s", **words)
        )
    return (
        _("%(person)s decided that we give %(partner)s: %(preset)s", **words)
        if version.direction is Direction.OUT
        else _("%(person)s decided that %(partner)s gives us: %(preset)s", **words)
    )
