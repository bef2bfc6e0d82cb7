"""Make the nodes and fill them, through the functions that offices use."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from federation.ports import Clock, RandomSource
from node.app import Node, open_node
from node.demo.clusters import DemoNode, card_of
from node.demo.data import load_entries
from node.errors import InvalidInputError
from node.initialise import initialise
from node.members.model import Person
from node.sentence import Sentence

LANGUAGE = "de"
UNKNOWN_PARTNER = "unknown-partner"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What is in a node afterwards.

    Attributes:
        entries: URI of each published entry by its external id.
    """

    persons: int
    entries: Mapping[str, str]


async def make_node(node: DemoNode, *, clock: Clock, random: RandomSource) -> None:
    """Set up a node that does not exist yet."""
    await initialise(
        node.folder,
        base_url=node.base_url,
        name=node.cluster.name,
        office_email=node.office,
        default_language=LANGUAGE,
        allow_loopback_http=True,
        demo=True,
        card=card_of(node.cluster, language=LANGUAGE),
        clock=clock,
        random=random,
    )


async def load_sample_data(
    demo_node: DemoNode, *, base_urls: Mapping[str, str], password: str
) -> Loaded:
    """Import members and publish entries; what is there already stays as it is.

    Args:
        demo_node: The node, which must not be serving.
        base_urls: Address of each cluster by slug, for named audiences.
        password: Password for everybody.
    """
    async with open_node(demo_node.folder) as node:
        office = await node.members.office_person()
        for file in (
            demo_node.cluster.organisations_csv,
            demo_node.cluster.persons_csv,
        ):
            report = await node.members.import_members(office, file, dry_run=False)
            if report.errors:
                first = report.errors[0]
                raise InvalidInputError(
                    Sentence(
                        "The sample members of {cluster} do not fit: row {row}: "
                        "{reason}",
                        cluster=demo_node.cluster.name,
                        row=first.row,
                        reason=first.message,
                    )
                )
        persons = [
            person
            for person in await node.members.list_persons()
            if person.left_at is None
        ]
        await _set_passwords(node, persons, password)
        entries = await _publish_entries(node, demo_node, office, base_urls)
        return Loaded(len(persons), entries)


async def _set_passwords(node: Node, persons: list[Person], password: str) -> None:
    async with asyncio.TaskGroup() as group:
        for person in persons:
            if not person.has_password:
                group.create_task(node.sign_in.set_password(person, password))


async def _publish_entries(
    node: Node, demo_node: DemoNode, office: Person, base_urls: Mapping[str, str]
) -> dict[str, str]:
    """Publish what does not name a partner that this node does not have yet."""
    published = {}
    today = node.context.clock.now().date()
    for entry in load_entries(demo_node.slug, today=today, base_urls=base_urls):
        try:
            stored = await node.catalogue.publish(office, entry)
        except InvalidInputError as error:
            if error.code != UNKNOWN_PARTNER:
                raise
            continue
        published[entry["external_id"]] = stored.uri
    return published
