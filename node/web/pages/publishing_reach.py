"""Whom an entry can be for, before its author chooses."""

from collections.abc import Mapping
from typing import Any, Final

from multidict import MultiMapping

from federation.trust import ESTABLISHED
from node.app import Node
from node.catalogue.exclusions import Exclusions
from node.catalogue.model import AudienceLevel, Entry
from node.limits import EXCLUDED_ORGANISATIONS_MAX
from node.members.model import Person
from node.visibility.fields import PHONE, optional_fields
from node.web.i18n import gettext as _
from node.web.pages.entry_form import beside as around
from node.web.pages.entry_form.kinds import PLANS

ACTION: Final = "action"
EXCLUDE: Final = "exclude"
EXCLUDED_ROWS: Final = "shape.excluded"
# Comes from the preview: whoever publishes has seen who reads.
SEEN: Final = "shape.seen"


def stays_inside(document: Mapping[str, Any]) -> bool:
    """Whether a file is for nobody outside the cluster."""
    return document["audience"]["level"] in {AudienceLevel.GROUP, AudienceLevel.CLUSTER}


def excludes_somebody(document: Mapping[str, Any]) -> bool:
    """Whether a file excludes organisations, so that its readers are shown first."""
    return bool(document["audience"].get("exclude", {}).get("organisations"))


def excluded_rows(sent: MultiMapping[Any] | None, excluded: Exclusions) -> int:
    """Say for how many excluded organisations the form has room, and one more."""
    text = "" if sent is None else str(sent.get(EXCLUDED_ROWS, ""))
    if not (text.isascii() and text.isdigit()):
        return min(len(excluded.organisations) + 1, EXCLUDED_ORGANISATIONS_MAX)
    rows = int(text[:3]) + (sent is not None and sent.get(ACTION) == EXCLUDE)
    return max(1, min(rows, EXCLUDED_ORGANISATIONS_MAX))


async def reach_of(
    node: Node,
    person: Person,
    kind: str,
    organisation_id: str,
    entry: Entry | None,
    rows: int,
) -> around.Reach:
    """Say whom an entry of an organisation can be for."""
    groups = await node.audiences.groups(
        organisation_id=None if person.is_office else person.organisation_id
    )
    setting, ceilings = await node.audiences.limits(kind, organisation_id)
    present = None if entry is None else entry.audience.level
    levels = [
        level
        for level in AudienceLevel
        if level is present
        or (
            ceilings.under(level) is level
            and (groups or level is not AudienceLevel.GROUP)
        )
    ]
    default = ceilings.under(setting.default)
    return around.Reach(
        await node.partners.list(states=ESTABLISHED),
        groups,
        levels,
        default,
        rows,
        _labels(kind),
    )


def _labels(kind: str) -> dict[str, str]:
    """Name the fields of a profile that may stay in the own cluster."""
    labels = {item.path: str(item.label) for item in PLANS[kind].items}
    labels[PHONE] = _("Telephone for questions")
    return {name: labels[name] for name in optional_fields(kind) if name in labels}
