"""Sample data of the demonstration: three clusters, all members invented.

The files are in the forms that an office uses itself: CSV files for the member
import, entries as for `spalier entry publish`. Two things differ, because a
demonstration must not age: days are written as `{"in_days": 60}` and partners
as `{optence}`. `load_entries` puts real days and addresses in their place.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from types import MappingProxyType
from typing import Any

CLUSTERS = ("optence", "swissmem-photonics", "beispiel-netz-laser")
"""The demonstration's clusters, in the order in which it starts them."""

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class DemoCluster:
    """One cluster of the demonstration.

    Attributes:
        slug: Its name in paths and as a partner in entries.
        invented: Whether the cluster itself is invented, not only its members.
        card: Fields of the card: field, regions, founded, members, sme,
            contact, languages, website, note; texts by language.
        description: What it does, by language.
        source: Where the printed facts are from, by language.
        organisations_csv: File for the import of organisations, UTF-8.
        persons_csv: File for the import of persons, UTF-8.
    """

    slug: str
    name: str
    invented: bool
    card: Mapping[str, Any]
    description: Mapping[str, str]
    source: Mapping[str, str]
    organisations_csv: bytes
    persons_csv: bytes


@functools.cache
def load_cluster(slug: str) -> DemoCluster:
    """Return a cluster of the demonstration.

    Raises:
        KeyError: There is no such cluster.
    """
    if slug not in CLUSTERS:
        raise KeyError(slug)
    facts = json.loads(_read(slug, "cluster.json"))
    return DemoCluster(
        slug=slug,
        name=facts["name"],
        invented=facts["invented"],
        card=MappingProxyType(facts["card"]),
        description=MappingProxyType(facts["description"]),
        source=MappingProxyType(facts["source"]),
        organisations_csv=_read(slug, "organisations.csv"),
        persons_csv=_read(slug, "persons.csv"),
    )


def load_entries(
    slug: str, *, today: date, base_urls: Mapping[str, str]
) -> tuple[dict[str, Any], ...]:
    """Return the entries of a cluster, ready to be published.

    Args:
        slug: One of `CLUSTERS`.
        today: The day that relative days count from.
        base_urls: The base_url of each cluster, by slug.

    Raises:
        KeyError: There is no such cluster, or an entry names a partner whose
            base_url is not given.
    """
    if slug not in CLUSTERS:
        raise KeyError(slug)
    own = json.loads(_read(slug, "entries.json"))
    converted = json.loads(_read("examples.json"))[slug]
    return tuple(_settled(entry, today, base_urls) for entry in [*own, *converted])


def _read(*path: str) -> bytes:
    return files("node.demo.data").joinpath(*path).read_bytes()


def _settled(entry: Any, today: date, base_urls: Mapping[str, str]) -> dict[str, Any]:
    settled: dict[str, Any] = _with_days(entry, today)
    audience = settled["audience"]
    if "partners" in audience:
        audience["partners"] = [
            base_urls[token.strip("{}")] for token in audience["partners"]
        ]
    return settled


def _with_days(value: Any, today: date) -> Any:
    if isinstance(value, list):
        return [_with_days(item, today) for item in value]
    if not isinstance(value, dict):
        return value
    if "in_days" in value:
        return _day(today + timedelta(days=value["in_days"]), value.get("at"))
    return {key: _with_days(item, today) for key, item in value.items()}


def _day(day: date, at: str | None) -> str:
    if at is None:
        return day.isoformat()
    # Nobody holds a workshop on a Sunday: times move on to Monday.
    if day.weekday() >= _SATURDAY:
        day += timedelta(days=7 - day.weekday())
    return f"{day.isoformat()}T{at}"
