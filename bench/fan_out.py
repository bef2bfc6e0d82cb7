"""One change told to many partners: signed once, a row of the ledger for each.

What follows, the delivery, is measured by the pages that a node receives.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from bench import bare_steps
from bench.cluster_pair import copy_partner, example_offer
from bench.figures import Goal, Report, Section, Spread
from bench.node_process import BenchError
from federation.ids import NodeAddress, parse_base_url
from federation.keys import Signer, SigningKey
from federation.trust import TrustState
from node.app import Node, open_node
from node.clock import SystemRandom
from node.storage.ledger import rows_of_entry
from node.storage.partners import list_partners

if TYPE_CHECKING:
    from pathlib import Path

_FIRST_PORT: Final = 30_000  # of addresses at which nobody ever listens


def add_partners(folder: Path, first: Signer, *, count: int, begin: int = 0) -> None:
    """Give a stopped node more partners, copies of one that it has.

    Args:
        folder: The node's folder.
        first: The partner that is copied.
        count: How many are added.
        begin: How many were added before.
    """
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        for number in range(begin, begin + count):
            url = f"http://127.0.0.1:{_FIRST_PORT + number}"
            address = NodeAddress(parse_base_url(url, allow_loopback_http=True))
            key = SigningKey.generate(SystemRandom())
            copy_partner(connection, first, Signer(address, key, 1))
        connection.commit()


async def measure(
    folder: Path, *, changes: int, signer: Signer, seconds: float
) -> Section:
    """Publish entries on a node that does not serve, in this process.

    Args:
        folder: Of a stopped node with partners.
        changes: Entries, after a first one that only makes warm.
        signer: For the bare signature.
        seconds: How long each bare step is measured.

    Raises:
        BenchError: A partner was left out.
    """
    async with open_node(folder) as node:
        async with node.context.database.read() as tx:
            active = len(await list_partners(tx, {TrustState.ACTIVE}))
        section = Section(f"fan-out of one change to {active} partners", "partner")
        for number in range(changes + 1):
            spent, wall = await _publish(node, to=active)
            if number == 0:
                continue
            section.rates.append(active / spent)
            section.wall_rates.append(active / wall)
            sign = bare_steps.signing(signer, seconds=seconds)
            section.add_bare(
                {
                    "Ed25519 sign, shared": sign / active,
                    "row in a group commit": bare_steps.ledger_row(
                        folder, seconds=seconds
                    ),
                }
            )
    return section


async def _publish(node: Node, *, to: int) -> tuple[float, float]:
    """Return the seconds of processor and clock that one change takes."""
    office = await node.members.office_person()
    begun, begun_wall = time.process_time(), time.perf_counter()
    entry = await node.catalogue.publish(office, example_offer())
    spent, wall = time.process_time() - begun, time.perf_counter() - begun_wall
    async with node.context.database.read() as tx:
        told = len(await rows_of_entry(tx, entry.id))
    if told != to:
        raise BenchError(f"the ledger tells {told} of {to} partners")
    return spent, wall


def measure_told(
    folder: Path, *, changes: int, signer: Signer, seconds: float
) -> Report:
    """As `measure`, as a part of the benchmark."""
    told = asyncio.run(measure(folder, changes=changes, signer=signer, seconds=seconds))
    rate = Spread.of(told.rates).median
    return Report(
        told.lines(),
        [Goal("partners told of a change/s and core", rate, 2000)],
        {"fan_out": told.document()},
    )
