"""What the node knows about an owner, and whom else an entry would fit.

It reads own members and what partners have published for us, and nothing of it
leaves the node (SPEC CHI-007).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import select

from node.catalogue.model import EntryState, ReceivedState
from node.chiffre.fitting import Traits, traits_of
from node.chiffre.giveaways import OwnerFacts
from node.feed.folding import fold
from node.storage.database import Transaction
from node.storage.tables import entries, organisations, persons, received_entries

LOOKED_AT_MAX: Final = 20_000  # entries of partners, the newest; a second's work
_USUAL_FROM: Final = 2  # other organisations that use a word
_WORD: Final = re.compile(r"[^\W_]+")
_TEXTS: Final = ("title", "summary", "body")
# Mail addresses there belong to anybody.
_FREE_MAIL: Final = frozenset(
    {
        "aol.com",
        "bluewin.ch",
        "freenet.de",
        "gmail.com",
        "gmx.at",
        "gmx.ch",
        "gmx.de",
        "gmx.net",
        "hotmail.com",
        "icloud.com",
        "outlook.com",
        "outlook.de",
        "posteo.de",
        "t-online.de",
        "web.de",
    }
)


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What the node knows around one organisation of ours.

    Attributes:
        facts: What a text may give away about it.
        organisations: What each organisation is about, itself, the other members
            and partners' members.
    """

    facts: OwnerFacts
    organisations: tuple[Traits, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """A content, and the organisation that says it: (partner or empty, id or name)."""

    by: tuple[str, str]
    content: Mapping[str, Any]


async def look_around(
    tx: Transaction, organisation_id: str, *, entry_id: str | None = None
) -> Neighbourhood:
    """Collect what is known around an organisation of ours.

    Args:
        tx: Reads only.
        organisation_id: Whose entry it is.
        entry_id: The entry itself, which gives nothing away about itself.
    """
    members = await tx.all(select(organisations))
    said = [*await _own(tx, entry_id), *await _received(tx)]
    home = ("", organisation_id)
    facts = OwnerFacts(
        names=frozenset(await _names(tx, organisation_id, members, said)),
        products=frozenset(
            product
            for each in said
            if each.by == home
            for product in _products_in(each.content)
        ),
        domains=frozenset(await _domains(tx, organisation_id, members)),
        towns=frozenset(_towns(members, said)),
        usual_words=frozenset(_usual_words(said, home)),
    )
    return Neighbourhood(facts, tuple(_traits(members, said)))


async def _own(tx: Transaction, entry_id: str | None) -> list[_Said]:
    rows = await tx.all(
        select(entries.c.id, entries.c.organisation_id, entries.c.content).where(
            entries.c.state != EntryState.DELETED
        )
    )
    return [
        _Said(("", row.organisation_id), row.content)
        for row in rows
        if row.id != entry_id
    ]


async def _received(tx: Transaction) -> list[_Said]:
    rows = await tx.all(
        select(
            received_entries.c.partner_id,
            received_entries.c.owner,
            received_entries.c.content,
        )
        .where(received_entries.c.state == ReceivedState.PRESENT)
        .order_by(received_entries.c.changed_at.desc())
        .limit(LOOKED_AT_MAX)
    )
    said = []
    for row in rows:
        name = ((row.owner or {}).get("organisation") or {}).get("name")
        if name:  # under Chiffre nobody knows whose it is
            said.append(_Said((row.partner_id, fold(name)), row.content))
    return said


async def _names(
    tx: Transaction,
    organisation_id: str,
    members: Iterable[Any],
    said: Iterable[_Said],
) -> set[str]:
    names = {
        name
        for each in members
        if each.id == organisation_id
        for name in (each.name, each.short_name)
        if name
    }
    people = select(persons.c.name).where(persons.c.organisation_id == organisation_id)
    names.update(row.name for row in await tx.all(people))
    for each in said:
        if each.by == ("", organisation_id):
            names.update(_names_in(each.content))
    return names


async def _domains(
    tx: Transaction, organisation_id: str, members: Iterable[Any]
) -> set[str]:
    domains = {
        _host(each.website)
        for each in members
        if each.id == organisation_id and each.website
    }
    mails = select(persons.c.email).where(persons.c.organisation_id == organisation_id)
    for row in await tx.all(mails):
        domain = row.email.rpartition("@")[2]
        if domain not in _FREE_MAIL:
            domains.add(domain)
    return domains - {""}


def _host(website: str) -> str:
    address = website if "//" in website else f"//{website}"
    return (urlsplit(address).hostname or "").removeprefix("www.")


def _names_in(content: Mapping[str, Any]) -> Iterator[str]:
    """Names of the owner in its other entries."""
    for key in ("legal_name", "short_name"):
        if isinstance(content.get(key), str):
            yield content[key]
    if content["kind"] == "expert_profile":
        yield content["name"]


def _products_in(content: Mapping[str, Any]) -> Iterator[str]:
    """Products, makers and models in the owner's other entries."""
    yield from content.get("products", ())
    equipment = content.get("equipment", {})
    for key in ("manufacturer", "model"):
        if key in equipment:
            yield equipment[key]


def _towns(members: Iterable[Any], said: Iterable[_Said]) -> Iterator[str]:
    """Return every town that members and entries name."""
    yield from (each.city for each in members if each.city)
    for each in said:
        place = each.content.get("location")
        if isinstance(place, Mapping) and isinstance(place.get("city"), str):
            yield place["city"]


def _usual_words(said: Iterable[_Said], home: tuple[str, str]) -> Iterator[str]:
    """Return folded words that at least two other owners use in their texts."""
    users: dict[str, set[tuple[str, str]]] = {}
    for each in said:
        if each.by == home:
            continue
        for key in _TEXTS:
            for text in each.content.get(key, {}).values():
                for match in _WORD.finditer(text):
                    users.setdefault(fold(match.group()), set()).add(each.by)
    return (word for word, who in users.items() if len(who) >= _USUAL_FROM)


def _traits(members: Iterable[Any], said: Iterable[_Said]) -> Iterable[Traits]:
    known = {
        ("", each.id): Traits(
            regions=frozenset({each.region}) if each.region else frozenset()
        )
        for each in members
        if not each.is_office
    }
    for each in said:
        # What the office publishes says nothing about a member.
        if each.by in known or each.by[0]:
            known[each.by] = known.get(each.by, Traits()) | traits_of(each.content)
    return known.values()
