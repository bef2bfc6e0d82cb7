"""A node that moves to another port, and what stays at the old one.

On one machine an address is a port. The new port is the node's own; at the old one
either nothing answers any more, or a relay leads to the new one, as DNS and a reverse
proxy do as long as the old name is kept.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from federation.ids import BaseUrl
from node.app import open_node
from node.catalogue.model import Entry
from node.config import CONFIG_FILE
from node.moving import MoveStanding, write_setting
from tests.cli.conftest import free_ports
from tests.http.nodes import OFFER
from tests.http.whole_nodes import WholeNode, settle

Pair = tuple[WholeNode, WholeNode]


async def move(node: WholeNode, *, start: bool = True, **options: bool) -> BaseUrl:
    """Stop a node, order its move to a free port, and start it there."""
    await node.stop()
    (port,) = free_ports(1)
    old = node.base_url
    async with open_node(node.folder, clock=node.clock, random=node.random) as opened:
        new = await opened.own_move.order(None, f"http://127.0.0.1:{port}", **options)
    assert write_setting(node.folder, old=old, new=new)
    # Where it listens is for the administrator to set; behind a proxy it stays.
    path = node.folder / CONFIG_FILE
    settings = path.read_text(encoding="utf-8")
    path.write_text(settings.replace(old.rpartition(":")[2], str(port)), "utf-8")
    node.base_url = new
    if start:
        await node.start()
    return BaseUrl(old)


@asynccontextmanager
async def old_name_kept(old: str, new: str) -> AsyncIterator[None]:
    """Lead every connection to the old port to the new one, byte for byte."""

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection("127.0.0.1", _port(new))
        await asyncio.gather(pipe(reader, there[1]), pipe(there[0], writer))

    server = await asyncio.start_server(lead, "127.0.0.1", _port(old))
    try:
        yield
    finally:
        server.close()


async def confirm(office: WholeNode, mover: WholeNode, old: str) -> None:
    """Let an office confirm the move by the number that the other one reads out."""
    status = await mover.node.own_move.status()
    assert status is not None
    await office.node.partners.confirm_move(office.office, old, number=status.number)


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])


async def standing(mover: WholeNode, other: WholeNode) -> MoveStanding:
    status = await mover.node.own_move.status()
    assert status is not None
    (found,) = [
        each.standing
        for each in status.partners
        if each.partner.base_url == other.base_url
    ]
    return found


async def in_sync(origin: WholeNode, holder: WholeNode) -> bool:
    """Compare both sides anew, entry by entry, and say whether they agree."""
    partner = await origin.partner(holder)
    await origin.node.comparing.compare(partner.id)
    await origin.settle()
    partner = await origin.partner(holder)
    return partner.digest_equal is True


async def compared(two: Pair) -> Pair:
    """Both offices have compared the check number of the handshake."""
    nord, sued = two
    await sued.node.partners.mark_compared(sued.office, nord.base_url)
    await settle(nord, sued)
    return two


async def publish(node: WholeNode, title: str, *, external_id: str) -> Entry:
    document = {**OFFER, "title": {"de": title}, "external_id": external_id}
    return await node.node.catalogue.publish(node.office, document)


@dataclass(frozen=True)
class Named:
    """A node by the address that another one knows."""

    base_url: str
