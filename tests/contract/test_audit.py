"""The audit log on both engines: written with the decision, whole, readable."""

import asyncio
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from federation.documents.receipt import Receipt, build_receipt
from federation.ids import random_id
from federation.json_types import JsonObject
from node.audit.chain import BEGINNING, Damage, told_as
from node.audit.log import AuditFilter, AuditLog
from node.audit.model import AuditHead, SubjectKind
from node.audit.noting import note_decision
from node.errors import InvalidInputError
from node.members.model import Role
from node.storage import audit as rows
from node.storage.database import Database, Transaction
from node.storage.tables import audit_head, audit_log
from tests.contract.member_world import World, make_world


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


@pytest.fixture
def log(world: World) -> AuditLog:
    return AuditLog(world.context)


async def decide(world: World, number: int = 1, *, reason: str | None = None) -> None:
    async def work(tx: Transaction) -> None:
        for _ in range(number):
            note_decision(
                tx,
                world.context,
                "we_paused",
                actor=world.admin,
                about=(SubjectKind.PARTNER, "unknown"),
                reason=reason,
                before={"state": "active"},
                after={"state": "paused", "since": 3},
            )

    await world.context.database.write(work)


async def test_a_decision_is_a_row_of_its_transaction(
    world: World, log: AuditLog
) -> None:
    before = len(await log.list())
    person, _ = await world.members.add_person(
        world.admin, email="neu@firma.example", name="Neu", organisation="Firma"
    )
    await world.members.change_role(world.admin, person.id, Role.ORGANISATION_ADMIN)
    changed, added = (await log.list())[: 2 + before][:2]
    assert str(added.sentence) == "Neu became a member."
    assert str(changed.sentence) == "The role of Neu was changed."
    assert changed.person == world.admin.name
    assert changed.record.number == added.record.number + 1
    assert changed.record.details is not None
    assert changed.record.details["before"] == {"role": "person"}
    assert changed.record.details["after"] == {"role": "organisation-admin"}
    assert (await log.check()).damage is None


async def test_what_is_rolled_back_was_not_decided(world: World, log: AuditLog) -> None:
    await decide(world)
    head = (await log.check()).head

    async def fails(tx: Transaction) -> None:
        note_decision(tx, world.context, "we_paused", actor=None)
        raise LookupError

    with pytest.raises(LookupError):
        await world.context.database.write(fails)
    assert (await log.check()).head == head
    await decide(world)
    assert (await log.check()).head.number == head.number + 1


async def test_many_at_once_leave_no_gap(world: World, log: AuditLog) -> None:
    """On PostgreSQL also the very first ones, when there is no head to lock."""

    async def empty(tx: Transaction) -> None:
        await tx.execute(delete(audit_log))
        await tx.execute(delete(audit_head))

    await world.context.database.write(empty)
    await asyncio.gather(*(decide(world, 3) for _ in range(12)))
    check = await log.check()
    assert check.head.number == 36
    assert check.damage is None


async def test_damage_is_found_wherever_it_is(world: World, log: AuditLog) -> None:
    await decide(world, 7, reason="weil")
    head = (await log.check()).head
    hurt = head.number - 3

    async def forge(tx: Transaction) -> None:
        await tx.execute(
            update(audit_log).where(audit_log.c.number == hurt).values(person_id=None)
        )

    await world.context.database.write(forge)
    assert (await log.check()).damage == Damage(hurt, missing=False)

    async def remove(tx: Transaction) -> None:
        await tx.execute(delete(audit_log).where(audit_log.c.number >= hurt))

    await world.context.database.write(remove)
    assert (await log.check()).damage == Damage(hurt, missing=True)


async def test_rows_beyond_the_head_are_damage(world: World, log: AuditLog) -> None:
    await decide(world, 2)

    async def shorten(tx: Transaction) -> None:
        last = (await rows.list_records(tx, limit=2))[1]
        await tx.execute(update(audit_head).values(number=last.number, hash=last.hash))

    await world.context.database.write(shorten)
    check = await log.check()
    assert check.damage == Damage(check.head.number + 1, missing=False)


async def test_old_details_are_erased_and_the_chain_stays(
    world: World, log: AuditLog
) -> None:
    await decide(world, 2, reason="Name einer Person")
    tomorrow = world.context.clock.now() + timedelta(days=1)

    async def erase(tx: Transaction) -> int:
        return await rows.erase_details(tx, before=tomorrow)

    assert await world.context.database.write(erase) >= 2
    assert await world.context.database.write(erase) == 0
    assert (await log.check()).damage is None
    assert all(line.record.reason is None for line in await log.list())

    async def everything(tx: Transaction) -> str:
        return json.dumps(
            [list(map(str, row)) for row in await tx.all(select(audit_log))]
        )

    assert "Name einer Person" not in await world.context.database.write(everything)


async def test_filters(world: World, log: AuditLog) -> None:
    await decide(world, 3)
    newest = (await log.list(limit=1))[0].record
    assert [
        line.record.number
        for line in await log.list(AuditFilter(before=newest.number), limit=2)
    ] == [newest.number - 1, newest.number - 2]
    by = AuditFilter(subject_id="unknown", person_id=world.admin.id)
    assert len(await log.list(by)) == 3
    assert await log.list(AuditFilter(subject_id="else")) == []
    assert await log.list(AuditFilter(since=newest.at + timedelta(seconds=1))) == []
    assert await log.list(AuditFilter(until=newest.at)) == [
        line for line in await log.list() if line.record.at < newest.at
    ]
    everything = [line.record.number async for line in log.lines()]
    assert everything == list(range(1, newest.number + 1))


async def test_a_receipt_says_which_row_was_the_newest(
    world: World, log: AuditLog
) -> None:
    await decide(world, 2)
    then = (await log.check()).head
    await decide(world, 2)
    receipt = a_receipt(world, then)
    known = await log.newest_at(receipt)
    assert known is not None
    assert known.number == then.number
    assert await log.newest_at(a_receipt(world, AuditHead(9, "f" * 64))) is None


async def test_a_receipt_that_is_not_ours_says_nothing(
    world: World, log: AuditLog
) -> None:
    await decide(world)
    receipt = a_receipt(world, (await log.check()).head)
    for changed in (
        {**receipt, "held": 7},
        {key: value for key, value in receipt.items() if key != "proof"},
        {"type": "Receipt"},
    ):
        with pytest.raises(InvalidInputError, match="not a receipt"):
            await log.newest_at(changed)


async def test_a_log_that_was_written_anew_does_not_fit_old_receipts(
    world: World, log: AuditLog
) -> None:
    await decide(world, 3)
    receipt = a_receipt(world, (await log.check()).head)

    async def anew(tx: Transaction) -> None:
        await tx.execute(delete(audit_log))
        await tx.execute(
            update(audit_head).values(number=BEGINNING.number, hash=BEGINNING.hash)
        )

    await world.context.database.write(anew)
    await decide(world, 5)
    assert (await log.check()).damage is None
    assert await log.newest_at(receipt) is None


def a_receipt(world: World, head: AuditHead) -> JsonObject:
    """A receipt of ours as a partner keeps it."""
    receipt_id = world.context.address.activity(random_id(world.context.random))
    receipt = Receipt(
        id=receipt_id,
        actor=world.context.address.actor,
        partner="https://other.example/actor",
        epoch="0" * 32,
        position=1,
        held=0,
        digest="0" * 64,
        published=world.context.clock.now(),
        audit_head=told_as(head, receipt_id),
    )
    now = world.context.clock.now()
    return build_receipt(receipt, signer=world.context.signer, created=now).document
