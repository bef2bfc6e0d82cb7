"""The news of a member, on both engines: counted, paged and searched as by hand."""

import os
from collections import Counter
from random import Random
from typing import Any

import pytest

from node.catalogue.model import ReceivedState
from node.feed.feed import FeedQuery
from node.feed.visible import PAGE_ITEMS
from node.storage.database import Transaction
from node.storage.received import put_received
from schemas import KINDS
from tests.contract.backed_node import BackedNode

_RECEIVED = 70
_WORDS = ("linse", "faser", "laser", "gitter", "spiegel")
_UNKNOWN_KIND = "kind_of_tomorrow"


@pytest.fixture
def random() -> Random:
    seed = os.environ.get("SPALIER_FEED_SEED") or str(Random().randrange(10**9))
    print(f"SPALIER_FEED_SEED={seed}")
    return Random(seed)


def _received(random: Random, node: BackedNode, number: int) -> dict[str, Any]:
    """An entry of a partner; two in five have the time of the one before."""
    if random.random() < 0.6:
        node.clock.advance(seconds=1)
    kind = random.choice([*sorted(KINDS), _UNKNOWN_KIND])
    words = random.sample(_WORDS, random.randrange(3))
    return {
        "id": f"r{number:03d}",
        "entry_uri": f"https://partner.example/entries/{number}",
        "state": random.choice([*[ReceivedState.PRESENT] * 4, *ReceivedState]).value,
        "kind": kind,
        "known_kind": kind in KINDS,
        "incarnation": 1,
        "counter": 1,
        "is_public": True,
        "is_personal": False,
        "search_text": " ".join(["anfang", *words]),
        "content": {"title": {"de": " ".join(words)}, "summary": {}},
        "document": b"{}",
        "content_hash": "0" * 64,
        "changed_at": node.clock.now(),
    }


async def _fill(random: Random, node: BackedNode) -> list[dict[str, Any]]:
    """Give the node entries of two partners, and own ones; return the former."""
    rows: list[dict[str, Any]] = []
    for name in ("swissmem", "laser"):
        await node.partner(name)
    by_partner: dict[str, list[dict[str, Any]]] = {"swissmem": [], "laser": []}
    for number in range(_RECEIVED):
        row = _received(random, node, number)
        by_partner[random.choice(sorted(by_partner))].append(row)
        rows.append(row)

    async def work(tx: Transaction) -> None:
        for partner_id, some in by_partner.items():
            await put_received(tx, partner_id, some)

    await node.node.context.database.write(work)
    for _ in range(3):
        node.clock.advance(seconds=1)
        await node.publish(audience={"level": "public"})
    return [row for row in rows if row["state"] == ReceivedState.PRESENT.value]


def _queries(random: Random) -> list[FeedQuery]:
    words = random.sample(_WORDS, 2)
    return [
        FeedQuery(),
        FeedQuery(page=2),
        FeedQuery(page=99),
        FeedQuery(only_partners=True),
        FeedQuery(purpose="offer"),
        FeedQuery(kind=random.choice(sorted(KINDS))),
        FeedQuery(text=words[0]),
        FeedQuery(text=" ".join(words)),
        FeedQuery(text=words[0], page=99, only_partners=True),
        FeedQuery(text="nirgends"),
    ]


async def test_a_page_is_what_counting_by_hand_finds(
    node: BackedNode, random: Random
) -> None:
    present = await _fill(random, node)
    office = await node.office()
    own = await node.node.catalogue.mine(office)
    # own or not, kind, time, id, text
    everything = [
        (True, each.kind, each.updated_at, each.id, "freie stunden") for each in own
    ] + [
        (False, row["kind"], row["changed_at"], row["id"], row["search_text"])
        for row in present
    ]
    for query in _queries(random):
        words = query.text.split()
        found = [
            (sum(word in each[4] for word in words), each)
            for each in everything
            if not words or any(word in each[4] for word in words)
        ]
        wanted = sorted(
            (
                (score, each[2], each[3])
                for score, each in found
                if query.takes(each[1], own=each[0])
            ),
            reverse=True,
        )
        page = await node.node.feed.feed(office, query)
        last = max(1, -(-len(wanted) // PAGE_ITEMS))
        number = min(query.page, last)
        shown = wanted[(number - 1) * PAGE_ITEMS : number * PAGE_ITEMS]
        assert [item.local_id for item in page.items] == [each[2] for each in shown]
        assert (page.total, page.page, page.pages) == (len(wanted), number, last)
        assert page.everything == len(found)
        assert page.from_partners == sum(not each[0] for _, each in found)
        assert page.by_kind == Counter(each[1] for _, each in found)
