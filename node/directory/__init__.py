"""The printed directory of clusters: facts and where they are from.

These are facts as printed at the time, not data of this network; no entry here
means that a cluster runs a node.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class DirectoryCluster:
    """A cluster with its printed facts.

    Attributes:
        slug: Short name for addresses, unique.
        aliases: Further names in use.
        website: Host name as printed, without scheme; None if none is printed.
        fields: Fields of innovation, by language (`de`, `en`).
        country: ISO 3166-1 alpha-2 code of the seat.
        countries: All countries it works in.
        regions: ISO 3166-2 codes; empty if none is printed.
        founded: Year; None if not printed.
        members: Number of members; None if not printed.
        members_sme: Those of them that are small or medium enterprises.
        members_note: What goes with the number, by language, e.g. "more than".
        description: What it does, by language.
        note: What to know about the facts, by language.
        source: Where they are printed, by language.
    """

    slug: str
    name: str
    aliases: tuple[str, ...]
    website: str | None
    fields: Mapping[str, tuple[str, ...]]
    country: str
    countries: tuple[str, ...]
    regions: tuple[str, ...]
    founded: int | None
    members: int | None
    members_sme: int | None
    members_note: Mapping[str, str] | None
    description: Mapping[str, str]
    note: Mapping[str, str] | None
    source: Mapping[str, str]


@functools.cache
def load_directory() -> tuple[DirectoryCluster, ...]:
    """Return all clusters of the directory, sorted by name."""
    path = files("node.directory").joinpath("clusters.json")
    data = json.loads(path.read_text(encoding="utf-8"))
    return tuple(_cluster(item) for item in data["clusters"])


def _cluster(item: Mapping[str, Any]) -> DirectoryCluster:
    fields = {lang: tuple(words) for lang, words in item["fields"].items()}
    return DirectoryCluster(
        slug=item["slug"],
        name=item["name"],
        aliases=tuple(item["aliases"]),
        website=item["website"],
        fields=MappingProxyType(fields),
        country=item["country"],
        countries=tuple(item["countries"]),
        regions=tuple(item["regions"]),
        founded=item["founded"],
        members=item["members"],
        members_sme=item["members_sme"],
        members_note=_by_language(item["members_note"]),
        description=MappingProxyType(item["description"]),
        note=_by_language(item["note"]),
        source=MappingProxyType(item["source"]),
    )


def _by_language(texts: Mapping[str, str] | None) -> Mapping[str, str] | None:
    return None if texts is None else MappingProxyType(dict(texts))
