"""Whole nodes that can be stopped and started again in the same folder."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import select

from node.app import Node, open_node
from node.catalogue.model import Entry
from node.members.model import Person
from node.partners.model import Partner
from node.storage.tables import received_entries
from node.web.server import opened_doors
from tests.http.nodes import OFFER, MovableClock, SeededRandom
from tests.http.prepared import (
    Original,
    Together,
    prepared_node,
    prepared_together,
)


class HasAddress(Protocol):
    """Whoever is known by an address."""

    @property
    def base_url(self) -> str: ...


@dataclass
class WholeNode:
    """A node as `spalier serve` runs it, its workers moved by hand."""

    name: str
    folder: Path
    base_url: str
    clock: MovableClock
    random: SeededRandom
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _node: Node | None = None
    _office: Person | None = None

    @property
    def node(self) -> Node:
        assert self._node is not None, f"{self.name} is away"
        return self._node

    @property
    def office(self) -> Person:
        assert self._office is not None
        return self._office

    @property
    def is_away(self) -> bool:
        return self._node is None

    async def start(self) -> None:
        """Open the folder and the doors."""
        self._node = await self.opened.enter_async_context(
            open_node(self.folder, clock=self.clock, random=self.random)
        )
        await self.opened.enter_async_context(
            opened_doors(self._node, stop_seconds=1.0)
        )
        self._office = await self._node.members.office_person()

    async def stop(self) -> None:
        """Go away; everything that is only in memory is forgotten."""
        await self.opened.aclose()
        self._node = None

    async def settle(self) -> None:
        """Deliver what waits for every partner, as the worker would."""
        for partner in await self.node.partners.list():
            await self.node.delivery.deliver(partner.id)

    async def partner(self, other: "HasAddress") -> Partner:
        return await self.node.partners.find(other.base_url)

    async def publish(self, title: str) -> Entry:
        return await self.node.catalogue.publish(
            self.office, {**OFFER, "title": {"de": title}}
        )

    async def held_from(self, other: "HasAddress") -> dict[str, Any]:
        """Title → row of what this node holds of another."""
        partner = await self.partner(other)
        async with self.node.context.database.read() as tx:
            rows = await tx.all(
                select(received_entries).where(
                    received_entries.c.partner_id == partner.id,
                    received_entries.c.state == "present",
                )
            )
        return {row.content["title"]["de"]: row for row in rows}


@asynccontextmanager
async def whole_node(
    folder: Path,
    name: str,
    *,
    clock: MovableClock,
    beginning: Original | None = None,
) -> AsyncIterator[WholeNode]:
    """Set up a node in a folder and start it; see `prepared_node`."""
    random = SeededRandom(name)
    async with prepared_node(
        folder,
        name=name,
        office_email=f"office@{name.lower()}.example",
        clock=clock,
        random=random,
        card={
            "field": "Photonik",
            "members": 84,
            "contact": f"office@{name.lower()}.example",
        },
        beginning=beginning,
    ) as port:
        node = WholeNode(name, folder, f"http://127.0.0.1:{port}", clock, random)
        try:
            await node.start()
            yield node
        finally:
            await node.stop()


async def connect(host: WholeNode, guest: WholeNode) -> None:
    """Make two nodes partners, the check number compared."""
    created = await host.node.partners.invite(host.office)
    await guest.node.partners.accept(guest.office, created.code)
    await guest.node.partners.mark_compared(guest.office, host.base_url)
    await host.node.partners.confirm(host.office, guest.base_url, compared=True)
    await host.settle()
    await guest.settle()


def prepared_circle(hub: str, *others: str) -> Together:
    """A node and its partners, as `connect` leaves them one after the other."""

    async def make(folder: Path) -> dict[str, SeededRandom]:
        clock = MovableClock()
        async with AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(
                    whole_node(folder / name, name, clock=clock)
                )
                for name in (hub, *others)
            ]
            for other in nodes[1:]:
                await connect(nodes[0], other)
            return {node.name: node.random for node in nodes}

    return prepared_together(f"whole nodes {hub} {others}", make)


async def settle(*nodes: WholeNode) -> None:
    """Let every node that is there deliver what waits."""
    for node in nodes:
        if not node.is_away:
            await node.settle()


async def advance(node: WholeNode) -> None:
    """What the clockwork does, and the deliveries that follow."""
    while await node.node.own_keys.advance():
        pass
    await node.settle()


def states(node: WholeNode) -> dict[int, str]:
    """Stage of each of our keys."""
    return {key.number: key.state.value for key in node.node.context.keys.keys}


def signed_by(document: bytes) -> int:
    """Number of the key in a document's proof."""
    method = json.loads(document)["proof"]["verificationMethod"]
    return int(method.rpartition("-")[2])


async def assert_equal(nord: WholeNode, other: WholeNode) -> None:
    """Everything told is confirmed, and both digests agree."""
    partner = await nord.partner(other)
    assert partner.digest_equal is True, partner
    assert partner.acked_seq == partner.head_seq
