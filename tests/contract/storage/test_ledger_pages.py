"""The ledger counted and cut into pages by the database, as by hand."""

from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import insert, update

from federation.version import Version
from node.storage import ledger, ledger_pages, members, partners
from node.storage.database import Database, Transaction
from node.storage.ledger_pages import LedgerCounts, LineState
from node.storage.tables import disclosure_history, disclosures, entries, receipts
from tests.contract.storage.test_modules import organisation, partner, person

SEED = 20261121
ENTRIES = 60
PARTNERS = ("r1", "r2", "r3")


def entry_row(entry_id: str, now: datetime) -> dict[str, object]:
    return {
        "id": entry_id,
        "kind": "event",
        "state": "published",
        "incarnation": 1,
        "counter": 1,
        "organisation_id": "o1",
        "audience_level": "trusted",
        "content": {},
        "search_text": "",
        "created_at": now,
        "updated_at": now,
    }


def disclosure_row(
    random: Random, partner_id: str, number: int, now: datetime
) -> dict[str, object]:
    op = random.choice(["upsert", "upsert", "upsert", "withdraw", "delete"])
    told = op != "upsert" or random.random() < 0.8
    confirmed = told and random.random() < 0.7
    refused = confirmed and op == "upsert" and random.random() < 0.3
    holds = not refused and told and random.random() < 0.5
    return {
        "partner_id": partner_id,
        "entry_id": f"e{number:03}",
        "seq": number + 1,
        "op": op,
        "incarnation": 1,
        "counter": 1,
        "form": "full",
        "reason": "VIS-032",
        # Some at the same time, so that the order has to be a whole one.
        "recorded_at": now + timedelta(minutes=random.randrange(20)),
        "told_at": now if told else None,
        "acknowledged_at": now if confirmed else None,
        "refused_reason": "/title: faulty" if refused else None,
        "told_public": False,
        "held_incarnation": 1 if holds else None,
        "held_counter": 1 if holds else None,
    }


@pytest.fixture
async def rows(database: Database, now: datetime) -> list[dict[str, object]]:
    """A ledger of three partners, drawn by a fixed seed."""
    random = Random(SEED)
    rows = [
        disclosure_row(random, partner_id, number, now)
        for partner_id in PARTNERS[:2]
        for number in range(ENTRIES)
        if random.random() < 0.9
    ]

    async def work(tx: Transaction) -> None:
        await members.insert_organisation(tx, organisation(), now=now)
        await members.insert_person(tx, person(), now=now)
        for number, partner_id in enumerate(PARTNERS):
            await partners.insert_partner(tx, partner(now, partner_id, number))
        await tx.execute(
            insert(entries), [entry_row(f"e{n:03}", now) for n in range(ENTRIES)]
        )
        await tx.execute(insert(disclosures), rows)

    await database.write(work)
    return rows


def state_of(row: dict[str, object]) -> LineState:
    if row["op"] != "upsert":
        return LineState.WITHDRAWN if row["acknowledged_at"] else LineState.WITHDRAWING
    if row["acknowledged_at"] is None:
        return LineState.WAITING
    return LineState.REFUSED if row["refused_reason"] else LineState.CONFIRMED


async def test_one_query_counts_what_counting_by_hand_does(
    database: Database, rows: list[dict[str, object]]
) -> None:
    print(f"seed {SEED}")
    async with database.read() as tx:
        found = await ledger_pages.counts_by_partner(tx)
        told = await ledger_pages.counts(tx, "r1", is_told=True)
        nobody = await ledger_pages.counts(tx, "r3")
    assert set(found) == {"r1", "r2"}
    assert nobody == LedgerCounts()
    for partner_id, counts in found.items():
        mine = [row for row in rows if row["partner_id"] == partner_id]
        for state in LineState:
            by_hand = sum(state_of(row) is state for row in mine)
            assert counts.in_state(state) == by_hand, (partner_id, state)
        still_held = sum(
            row["acknowledged_at"] is None and row["held_counter"] is not None
            for row in mine
        )
        assert counts.sent == counts.held + counts.refused + still_held
        assert counts.lines == len(mine)
    assert told.lines == sum(
        row["partner_id"] == "r1" and row["told_at"] is not None for row in rows
    )


@pytest.mark.parametrize("partner_id", [None, "r2"])
@pytest.mark.parametrize("state", [None, *LineState])
async def test_pages_hold_every_row_once_and_the_latest_first(
    database: Database,
    rows: list[dict[str, object]],
    partner_id: str | None,
    state: LineState | None,
) -> None:
    wanted = {
        (row["partner_id"], row["entry_id"])
        for row in rows
        if partner_id in {None, row["partner_id"]} and state in {None, state_of(row)}
    }
    seen: list[ledger.Disclosure] = []
    async with database.read() as tx:
        while page := await ledger_pages.page_of_rows(
            tx, partner_id=partner_id, state=state, limit=7, offset=len(seen)
        ):
            seen += page
    assert len(seen) == len(wanted)
    assert {(row.partner_id, row.entry_id) for row in seen} == wanted
    moments = [row.recorded_at for row in seen]
    assert moments == sorted(moments, reverse=True)


async def test_history_of_an_entry_names_receipts_the_latest_first(
    database: Database, rows: list[dict[str, object]], now: datetime
) -> None:
    del rows

    async def work(tx: Transaction) -> None:
        receipt = {
            "id": "https://x.example/activities/1",
            "partner_id": "r1",
            "position": 9,
            "received_at": now,
            "document": b'{"signed":"as it came"}',
        }
        await tx.execute(insert(receipts), [receipt])
        for seq, later in ((1, 0), (4, 3)):
            await tx.execute(
                insert(disclosure_history).values(
                    partner_id="r1",
                    seq=seq,
                    entry_id="e001",
                    op="upsert",
                    incarnation=1,
                    counter=seq,
                    form="full",
                    reason="VIS-032",
                    recorded_at=now,
                    acknowledged_at=now + timedelta(hours=later),
                    receipt_id=receipt["id"] if later else None,
                )
            )

    await database.write(work)
    async with database.read() as tx:
        history = await ledger_pages.history_of_entry(tx, "e001")
        found = await ledger_pages.load_receipt(tx, history[0].receipt_id or "")
        assert await ledger_pages.load_receipt(tx, "https://x.example/2") is None
        assert await ledger_pages.history_of_entry(tx, "e002") == []
    assert [each.version for each in history] == [Version(1, 4), Version(1, 1)]
    assert found is not None
    assert found.document == b'{"signed":"as it came"}'


async def test_heads_read_kind_and_title_also_of_what_was_deleted(
    database: Database, rows: list[dict[str, object]]
) -> None:
    del rows

    async def work(tx: Transaction) -> None:
        titled = {"title": {"de": "Größe"}, "summary": {"de": "x" * 50}}
        await tx.execute(
            update(entries).where(entries.c.id == "e001").values(content=titled)
        )

    await database.write(work)
    async with database.read() as tx:
        heads = await ledger_pages.heads_of(tx, ["e001", "e002", "nothing"])
    assert {each: (head.kind, head.title) for each, head in heads.items()} == {
        "e001": ("event", {"de": "Größe"}),
        "e002": ("event", {}),
    }
