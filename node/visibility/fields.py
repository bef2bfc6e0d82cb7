"""Which fields of an entry leave the cluster, and which stay in it. Pure.

Source: SPEC.md VIS-077.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from node.catalogue.model import Entry
from schemas import KINDS, load_schema

PHONE: Final = "contact.phone"
_PROFILES: Final = frozenset({"expert_profile", "organisation_profile"})
# Without them an entry is none, or cannot be dated.
_ALWAYS: Final = frozenset({"kind", "title", "summary", "valid_until", "contact"})


def optional_fields(kind: str) -> tuple[str, ...]:
    """Return the fields of a profile that may stay in the own cluster, sorted.

    Dotted names are members of an object. Empty for what is no profile.
    """
    if kind not in _PROFILES:
        return ()
    own, envelope = load_schema(f"entries/{kind}"), load_schema("envelope")
    names = {*own["properties"], *envelope["properties"]}
    names -= {*own["required"], *_ALWAYS}
    return tuple(sorted({*names, PHONE}))


def staying_by_default(kind: str) -> frozenset[str]:
    """Return the fields that stay as long as nothing is said.

    A person's telephone number is for the own cluster; a profile of an organisation
    names desks alone (ENT-028).
    """
    return frozenset({PHONE}) if KINDS[kind].personal else frozenset()


def without(content: Mapping[str, Any], staying: frozenset[str]) -> dict[str, Any]:
    """Return content without some fields; an object that becomes empty goes, too."""
    left = {name: value for name, value in content.items() if name not in staying}
    for name in staying:
        outer, dot, inner = name.partition(".")
        if dot and outer in left:
            kept = {key: each for key, each in left[outer].items() if key != inner}
            left[outer] = kept
    return left


def leaving_content(entry: Entry) -> Mapping[str, Any]:
    """Return what of an entry's content anybody outside the cluster may see."""
    if not entry.home_fields:
        return entry.content
    return without(entry.content, entry.home_fields)


def for_outside(entry: Entry) -> Entry:
    """Return an entry as it is for everybody outside the cluster."""
    return replace(entry, content=leaving_content(entry))
