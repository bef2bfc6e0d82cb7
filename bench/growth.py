"""What one change costs as partners and entries become more.

A change is told to every partner, so its cost has to grow with them, evenly; with the
entries that are there it must not grow.
"""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from bench import bare_steps, fan_out, many_pages
from bench.cluster_pair import example_offer
from bench.figures import Goal, Report, Spread
from bench.node_process import BenchError
from federation.trust import TrustState
from node.app import Node, open_node
from node.storage.partners import list_partners

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from federation.keys import Signer

FLAT: Final = 1.5
"""Times the cost at the smallest size; what is less is not seen through the noise."""
_BUILT: Final = 5  # partners for whom a page is built


@dataclass(frozen=True, slots=True)
class Cost:
    """One change of a node of some size, in µs of processor time, medians.

    Attributes:
        partners: That are told.
        entries: Own ones that are there.
        publish: A new entry: signed, and a line for each partner.
        edit: A new version of it.
        withdraw: It is taken back.
        page: The page with it for one partner is built and signed.
        bare: A signature, and for each partner a row in a commit of 64.
    """

    partners: int
    entries: int
    publish: float
    edit: float
    withdraw: float
    page: float
    bare: float

    def line(self) -> str:
        """The figures as text."""
        return (
            f"    {self.partners:>5,} partners, {self.entries:>7,} entries   "
            f"publish {self.publish:>9,.0f}  edit {self.edit:>9,.0f}  "
            f"withdraw {self.withdraw:>9,.0f}  a page {self.page:>7,.0f}  "
            f"bare {self.bare:>7,.0f}"
        )


def measure(
    folder: Path,
    first: Signer,
    *,
    partners: Sequence[int],
    entries: Sequence[int],
    changes: int,
    seconds: float,
) -> tuple[Report, Path]:
    """Let a stopped node grow, and change entries at each size.

    Args:
        folder: A node with one partner and an entry of its own.
        first: The partner, of which the others are copies.
        partners: How many, ascending; the entries are made with the fewest.
        entries: How many, ascending; the partners are added last.
        changes: Of each sort, at each size.
        seconds: How long each bare step is measured.

    Returns:
        What was found, and the folder with the most partners.
    """
    there = 1

    def add_up_to(number: int) -> None:
        nonlocal there
        fan_out.add_partners(folder, first, count=number - there, begin=there)
        there = number

    def cost() -> Cost:
        return asyncio.run(
            _cost(folder, partners=there, changes=changes, signer=first, s=seconds)
        )

    add_up_to(partners[0])
    _fill(folder, entries[0])
    by_entries = [cost()]
    by_partners = [by_entries[0]]
    grown = _copy_of(folder)
    for number in entries[1:]:
        _fill(folder, number)
        by_entries.append(cost())
    folder = grown
    for number in partners[1:]:
        add_up_to(number)
        by_partners.append(cost())
    return _report(by_partners, by_entries), folder


def _copy_of(folder: Path) -> Path:
    """Copy a node, so that partners are added to few entries."""
    other = folder.with_name(f"{folder.name}-grown")
    other.mkdir()
    for each in folder.iterdir():
        if each.is_dir():
            continue
        (other / each.name).write_bytes(each.read_bytes())
        (other / each.name).chmod(each.stat().st_mode)
    return other


def _report(by_partners: list[Cost], by_entries: list[Cost]) -> Report:
    fewest, most = by_partners[0], by_partners[-1]
    smallest, largest = by_entries[0], by_entries[-1]
    lines = ["one change, µs of processor", "  as partners become more"]
    lines += [each.line() for each in by_partners]
    lines += [
        (
            "    of it for each partner more     "
            f"publish {_for_one(fewest, most, 'publish'):,.0f}, "
            f"edit {_for_one(fewest, most, 'edit'):,.0f}, "
            f"withdraw {_for_one(fewest, most, 'withdraw'):,.0f}, "
            f"bare {_for_one(fewest, most, 'bare'):,.0f}"
        ),
        "  as entries become more",
    ]
    lines += [each.line() for each in by_entries]
    goals = [
        Goal(
            f"{name}: with {largest.entries:,} entries, times that with "
            f"{smallest.entries:,}",
            getattr(largest, name) / getattr(smallest, name),
            FLAT,
            at_least=False,
        )
        for name in ("publish", "edit", "withdraw", "page")
    ]
    goals.append(
        Goal(
            f"page: with {most.partners:,} partners, times that with {fewest.partners}",
            most.page / fewest.page,
            FLAT,
            at_least=False,
        )
    )
    document: dict[str, Any] = {
        "by_partners": [asdict(each) for each in by_partners],
        "by_entries": [asdict(each) for each in by_entries],
    }
    return Report(lines, goals, document)


def _for_one(fewest: Cost, most: Cost, name: str) -> float:
    more = most.partners - fewest.partners
    return float(getattr(most, name) - getattr(fewest, name)) / more


def _fill(folder: Path, number: int) -> None:
    """Bring the own entries up to a number, by copies that nobody was told of."""
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        many_pages.add_new_id(connection)
        (held,) = connection.execute("SELECT count(*) FROM entries").fetchone()
        if not held:
            raise BenchError("there is no entry to be copied")
        changes = {"id": "new_id()", "external_id": "NULL", "state": "'published'"}
        many_pages.copy_rows(connection, "entries", changes, count=number - held)
        connection.commit()


async def _cost(
    folder: Path, *, partners: int, changes: int, signer: Signer, s: float
) -> Cost:
    async with open_node(folder) as node:
        async with node.context.database.read() as tx:
            told = [each.id for each in await list_partners(tx, {TrustState.ACTIVE})]
        if len(told) != partners:
            raise BenchError(f"{len(told)} partners, not {partners}")
        spent: dict[str, list[float]] = {}
        for turn in range(changes + 1):
            one = await _one_change(node, told[:_BUILT])
            if turn == 0:
                continue  # that one only makes warm
            for name, value in one.items():
                spent.setdefault(name, []).append(value)
        office = await node.members.office_person()
        entries = len(await node.catalogue.mine(office))
    sign = bare_steps.signing(signer, seconds=s)
    row = bare_steps.ledger_row(folder, seconds=s)
    medians = {name: Spread.of(values).median for name, values in spent.items()}
    return Cost(partners, entries, **medians, bare=sign + partners * row)


async def _one_change(node: Node, told: Sequence[str]) -> dict[str, float]:
    """Publish, edit and withdraw an entry; return the µs of processor of each."""
    office = await node.members.office_person()
    marks = [time.process_time()]
    entry = await node.catalogue.publish(office, example_offer())
    marks.append(time.process_time())
    for partner_id in told:
        await node.sending.next_page(partner_id)
    marks.append(time.process_time())
    await node.catalogue.publish(office, example_offer(), entry_ref=entry.id)
    marks.append(time.process_time())
    await node.catalogue.withdraw(office, entry.id)
    marks.append(time.process_time())
    publish, page, edit, withdraw = (
        1e6 * (later - earlier) for earlier, later in itertools.pairwise(marks)
    )
    return {
        "publish": publish,
        "page": page / len(told),
        "edit": edit,
        "withdraw": withdraw,
    }
