"""A node with people and entries of every audience, for attacks on its pages.

Every text that not everybody may read holds a canary: a word that occurs nowhere
else and says whose it is. Whoever finds one where it must not be has found a leak.
"""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from node.catalogue.model import Entry
from node.members.model import Person, Role
from tests.hostile.people import Somebody, signed_in
from tests.hostile.world import World, hostile_world
from tests.http.nodes import OFFER

CANARY = re.compile(r"cnry[a-z0-9]+")
ROLES = ("visitor", "other", "colleague", "administrator", "office", "node_admin")


@dataclass
class PageWorld:
    """Süd with members; Nord and Ost are its partners.

    Attributes:
        people: By role; `colleague` and `administrator` belong to the author's
            organisation, `other` to another one.
        entries: By audience or state.
    """

    world: World
    people: dict[str, Person]
    browsers: dict[str, Somebody]
    entries: dict[str, Entry]
    received: dict[str, str]
    ids: dict[str, list[str]]

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """For hypothesis, which writes out the arguments of what failed."""
        printer.text("PageWorld")

    @property
    def site(self) -> Any:
        return self.world.sued

    def canaries_for(self, role: str) -> set[str]:
        """The model: which canaries a role may see on any page."""
        may: set[str] = {"cnrypublic"}
        if role == "visitor":
            return may
        # Own cluster's entries, and what partners sent.
        may |= {"cnrycluster", "cnrytrusted", "cnryreceived", "cnryreceivedpublic"}
        if role in {"colleague", "administrator", "office", "node_admin"}:
            may |= {"cnrynamed", "cnrywithdrawn"}
        if role in {"office", "node_admin"}:
            may |= {"cnrymember"}
        return may


def texts(word: str) -> dict[str, Any]:
    """A canary in every free text of an offer."""
    return {
        "title": {"de": f"Prüfung {word}"},
        "summary": {"de": f"Kurz {word}"},
        "body": {"de": f"Lang {word}"},
    }


@asynccontextmanager
async def page_world(folder: Path) -> AsyncIterator[PageWorld]:
    """Set everything up; nothing is changed by looking at it."""
    async with hostile_world(folder) as world:
        sued = world.sued
        author = await sued.member("autorin@optik.example", "Optik GmbH")
        people = {
            "other": await sued.member("anders@laser.example", "Laser AG"),
            "colleague": await sued.member("kollege@optik.example", "Optik GmbH"),
            "administrator": await sued.member(
                "leitung@optik.example", "Optik GmbH", role=Role.ORGANISATION_ADMIN
            ),
            "office": world.offices[sued.base_url],
            "node_admin": await sued.member(
                "technik@sued.example", "Süd", role=Role.NODE_ADMIN
            ),
        }
        await sued.member("cnrymember@hidden.example", "Verdeckt GmbH")
        entries = await _published(world, author)
        received = await _received(world)
        await _conversation(world, people["other"], entries["trusted"])
        browsers = {
            role: await signed_in(sued, person) for role, person in people.items()
        }
        browsers["visitor"] = Somebody(sued)
        yield PageWorld(
            world, people, browsers, entries, received, await _ids(world, entries)
        )


async def _published(world: World, author: Person) -> dict[str, Entry]:
    sued = world.sued
    levels: dict[str, dict[str, Any]] = {
        "public": {"level": "public"},
        "trusted": {"level": "trusted"},
        "cluster": {"level": "cluster"},
        "named": {"level": "partners", "partners": [world.ost.base_url]},
        "withdrawn": {"level": "public"},
    }
    entries = {
        name: await sued.node.catalogue.publish(
            author, {**OFFER, **texts(f"cnry{name}"), "audience": audience}
        )
        for name, audience in levels.items()
    }
    await sued.settle()
    withdrawn = entries["withdrawn"]
    entries["withdrawn"] = await sued.node.catalogue.withdraw(author, withdrawn.id)
    await sued.settle()
    return entries


async def _received(world: World) -> dict[str, str]:
    received = {}
    for name, level in (("received", "trusted"), ("receivedpublic", "public")):
        entry = await world.publish(
            world.nord, **texts(f"cnry{name}"), audience={"level": level}
        )
        received[name] = entry.uri
    await world.nord.settle()
    return received


async def _conversation(world: World, asker: Person, entry: Entry) -> None:
    await world.sued.node.conversations.answer(asker, entry.uri, "Frage cnrymessage")


async def _ids(world: World, entries: dict[str, Entry]) -> dict[str, list[str]]:
    """Real values for the placeholders of addresses."""
    rows = world.witness.rows[world.sued.base_url]

    def first_column(table: str) -> list[str]:
        return [str(row[0]) for row in rows.all(table)]

    await world.sued.node.partners.invite(world.offices[world.sued.base_url])
    return {
        "entry": [entry.id for entry in entries.values()]
        + first_column("received_entries"),
        "conversation": first_column("conversations"),
        "partner": first_column("partners"),
        "person": first_column("persons"),
        "mail": first_column("mail_outbox"),
        "invitation": first_column("invitations"),
        "group": first_column("groups"),
        "organisation": first_column("organisations"),
    }


def routes(app: web.Application, method: str) -> list[str]:
    """Every address of the router that answers to a method.

    A placeholder that stands for a few words only is filled in.
    """
    found = set()
    for route in app.router.routes():
        if route.method != method or route.resource is None:
            continue
        template = route.resource.canonical
        pattern = route.resource.get_info().get("pattern")
        words = dict(_FEW_WORDS.findall(pattern.pattern)) if pattern else {}
        choices = [template]
        for name, alternatives in words.items():
            choices = [
                choice.replace(f"{{{name}}}", word)
                for choice in choices
                for word in alternatives.split("|")
            ]
        found.update(choices)
    return sorted(found)


_FEW_WORDS = re.compile(r"\(\?P<(\w+)>([\w|-]+)\)")


def addresses(template: str, ids: dict[str, list[str]]) -> Iterator[str]:
    """Fill the placeholders of an address with everything that there is."""
    fillings = {
        "{partner_id}": ids["partner"],
        "{invitation_id}": ids["invitation"],
        "{person_id}": ids["person"],
        "{mail_id}": ids["mail"],
        "{entry_id}": ids["entry"],
        "{group_id}": ids.get("group") or ["x" * 26],
        "{organisation_id}": ids.get("organisation") or ["x" * 26],
        "{member_id}": ["x" * 26],
        "{token}": ["x" * 43],
        "{name}": ["spalier.css", "spalier.js"],
        "{kind}": ["event", "capacity_offer"],
        "{id}": ids["conversation"] if "nachrichten" in template else ids["entry"],
    }
    for placeholder, values in fillings.items():
        if placeholder in template:
            for value in values:
                yield from addresses(template.replace(placeholder, value, 1), ids)
            return
    assert "{" not in template, template
    yield template
