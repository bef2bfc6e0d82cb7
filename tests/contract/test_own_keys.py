"""The node's own keys and their stages, on both engines."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from federation.ids import random_id
from federation.keys import SigningKey
from federation.trust import TrustState
from node.errors import ConflictError, NotAuthorisedError
from node.exchange.sending import Sending
from node.exchange.wakeup import WakeUp
from node.keys.backups import KeyBackups
from node.keys.model import KeyState
from node.keys.own_keys import OwnKeys
from node.keys.rules import OVERLAP, WAITING_DAYS
from node.keys.status import effects_of_revocation, key_status
from node.members.model import Person, Role
from node.node_key import load_key, store_key, stored_numbers
from node.partners.model import HandshakeRole, Partner
from node.storage.database import Database, Transaction
from node.storage.node_keys import list_keys, note_told
from node.storage.node_state import require_node_state
from node.storage.outgoing import (
    ActivityKind,
    OutgoingActivity,
    mark_delivered,
    next_undelivered,
    queue_activity,
    undelivered_of_kind,
)
from node.storage.partners import insert_partner, load_partner, update_partner
from node.visibility.policy import PolicySheet, Preset
from tests.contract.member_world import World, capacity_offer, make_world
from tests.partner_key import first_key


@pytest.fixture
async def world(database: Database, tmp_path: Path) -> World:
    made = await make_world(database)
    folder = tmp_path / "folder"
    folder.mkdir()
    store_key(folder, made.context.keys.signer.key, number=1)
    keys = OwnKeys(made.context, folder=folder, entries=made.catalogue, waker=WakeUp())
    made.extra = {
        "folder": folder,
        "keys": keys,
        "backups": KeyBackups(made.context, folder=folder, own_keys=keys),
    }
    return made


def own_keys(world: World) -> OwnKeys:
    keys: OwnKeys = world.extra["keys"]
    return keys


async def add_partner(
    world: World, name: str, state: TrustState = TrustState.ACTIVE
) -> str:
    partner = Partner(
        id=name,
        base_url=f"https://{name}.example",
        actor_id=f"https://{name}.example/actor",
        name=name,
        card={"contact": f"office@{name}.example"},
        state=state,
        role=HandshakeRole.HOST,
        keys=(
            first_key(
                f"https://{name}.example",
                SigningKey.generate(world.context.random).public_key,
                row=name,
            ),
        ),
        request_id=f"https://{name}.example/activities/x",
        check_number="0000 0000",
        created_at=world.clock.now(),
        released_at=world.clock.now(),
        compared_at=world.clock.now(),
        policy_out=PolicySheet(Preset.CLOSE),
        policy_in=PolicySheet(Preset.CLOSE),
    )

    async def work(tx: Transaction) -> None:
        epoch = (await require_node_state(tx)).epoch
        await insert_partner(tx, replace(partner, compared_epoch=epoch))

    await world.context.database.write(work)
    return name


async def told(world: World, partner_id: str) -> int:
    async with world.context.database.read() as tx:
        partner = await load_partner(tx, partner_id)
    assert partner is not None
    return partner.told_key_number


async def queued(world: World) -> list[tuple[str, str]]:
    """Partner and subject of everything about ourselves that is on its way."""
    async with world.context.database.read() as tx:
        return [
            (each.partner_id, each.subject.rpartition("/")[2])
            for each in await about_ourselves(tx)
        ]


async def about_ourselves(tx: Transaction) -> list[OutgoingActivity]:
    return [
        each
        for kind in (ActivityKind.REVOCATION, ActivityKind.ACTOR)
        for each in await undelivered_of_kind(tx, kind)
    ]


async def take(world: World, partner_id: str, number: int) -> None:
    """The partner has confirmed what it was told."""

    async def work(tx: Transaction) -> None:
        for each in await about_ourselves(tx):
            if each.partner_id == partner_id:
                await mark_delivered(tx, each.activity_id, at=world.clock.now())
        await note_told(tx, partner_id, number=number)

    await world.context.database.write(work)


async def stored(world: World) -> dict[int, tuple[str, bool]]:
    """Number → stage and whether the ring in memory says the same."""
    async with world.context.database.read() as tx:
        rows = await list_keys(tx)
    ring = {key.number: key for key in world.context.keys.keys}
    return {key.number: (key.state.value, ring[key.number] == key) for key in rows}


async def test_stages_of_a_rotation(world: World) -> None:
    nord, sued = await add_partner(world, "nord"), await add_partner(world, "sued")
    await add_partner(world, "gone", TrustState.ENDED)
    keys = own_keys(world)
    new = await keys.rotate(world.admin)
    assert (new.number, new.state, new.created_by) == (
        2,
        KeyState.ANNOUNCED,
        "Karin Amberg",
    )
    assert await stored(world) == {1: ("active", True), 2: ("announced", True)}
    assert await queued(world) == [(nord, "actor"), (sued, "actor")]
    assert world.context.signer.key_number == 1

    await take(world, nord, 2)
    assert await keys.advance() == 0, "Süd has not taken it"
    await take(world, sued, 2)
    assert await keys.advance() == 1
    assert world.context.signer.key_number == 2
    assert await keys.advance() == 0, "the old one overlaps"
    world.clock.advance(seconds=OVERLAP.total_seconds() + 1)
    assert await keys.advance() == 2, "retired, and its file is gone"
    assert await stored(world) == {1: ("retired", True), 2: ("active", True)}
    assert stored_numbers(world.extra["folder"]) == [2]
    assert await queued(world) == [(nord, "actor"), (sued, "actor")]
    assert await keys.advance() == 0


async def test_waiting_time_ends_for_who_is_away(world: World) -> None:
    away = await add_partner(world, "away")
    keys = own_keys(world)
    await keys.rotate(None)
    world.clock.advance(days=WAITING_DAYS, seconds=-1)
    assert await keys.advance() == 0
    world.clock.advance(seconds=1)
    assert await keys.advance() == 1
    world.clock.advance(days=300)
    assert await keys.advance() == 0, "the old key is kept for who is away"
    status = await key_status(world.context)
    assert [key.number for key in status.replaced] == [1]
    assert [each.id for each in status.progress.waiting] == [away]
    partner = status.progress.waiting[0]
    assert world.context.keys.signer_for(partner).key_number == 1
    assert not world.context.keys.can_verify_entries(partner)
    # By order it goes all the same; then only the new key is left to speak.
    (retired,) = await keys.retire(world.admin)
    assert (retired.number, retired.ended_by) == (1, "Karin Amberg")
    assert world.context.keys.signer_for(partner).key_number == 2
    assert not world.context.keys.is_known_to(partner)


async def test_without_partners_nobody_is_waited_for(world: World) -> None:
    keys = own_keys(world)
    await keys.rotate(None)
    assert await keys.advance() == 1
    world.clock.advance(seconds=OVERLAP.total_seconds() + 1)
    assert await keys.advance() == 2
    assert await stored(world) == {1: ("retired", True), 2: ("active", True)}


async def test_partner_that_came_meanwhile_is_told_by_itself(world: World) -> None:
    keys = own_keys(world)
    await keys.rotate(None)
    late = await add_partner(world, "late")
    assert await keys.advance() == 1
    assert await queued(world) == [(late, "actor")]
    assert await keys.advance() == 0, "asked once"


async def test_what_is_about_us_goes_before_everything_else(world: World) -> None:
    partner = await add_partner(world, "nord")

    async def work(tx: Transaction) -> None:
        await queue_activity(
            tx,
            partner,
            kind=ActivityKind.MESSAGE,
            subject="m",
            activity_id=world.context.address.activity(random_id(world.context.random)),
            at=world.clock.now(),
        )

    await world.context.database.write(work)
    await own_keys(world).rotate(None)
    async with world.context.database.read() as tx:
        first = await next_undelivered(tx, partner)
    assert first is not None
    assert first.kind is ActivityKind.ACTOR


async def test_told_number_never_goes_back(world: World) -> None:
    partner = await add_partner(world, "nord")
    await take(world, partner, 3)
    await take(world, partner, 2)
    assert await told(world, partner) == 3


async def test_revocation_signs_everything_anew_and_speaks_itself(world: World) -> None:
    partner = await add_partner(world, "nord")
    offer = capacity_offer(audience={"level": "trusted"})
    entry = await world.catalogue.publish(world.admin, offer)
    draft = await world.catalogue.publish(world.admin, offer, draft=True)
    assert (entry.key_number, draft.key_number) == (1, None)
    found = await effects_of_revocation(world.context)
    assert (found.entries, found.partners) == (1, 1)
    keys = own_keys(world)
    await keys.revoke(world.admin, reason=" Laptop\n gestohlen ")
    old, new = world.context.keys.keys
    assert (old.state, old.reason, old.ended_by) == (
        KeyState.REVOKED,
        "Laptop gestohlen",
        "Karin Amberg",
    )
    assert (new.number, new.state) == (2, KeyState.ACTIVE)
    assert await queued(world) == [(partner, "actor#key-1"), (partner, "actor")]
    again, _ = await world.catalogue.show(world.admin, entry.id)
    assert (again.version, again.key_number) == (entry.version.next(), 2)
    status = await key_status(world.context)
    assert (status.unsigned, status.revoking) == (0, ("nord",))
    assert stored_numbers(world.extra["folder"]) == [1, 2]
    await take(world, partner, 1)
    assert await keys.advance() == 2, "told of the new key again; the file has gone"
    assert stored_numbers(world.extra["folder"]) == [2]


async def test_no_page_carries_what_a_revoked_key_has_signed(world: World) -> None:
    partner = await add_partner(world, "nord")
    keys = own_keys(world)
    offer = capacity_offer(audience={"level": "trusted"})
    await world.catalogue.publish(world.admin, offer)
    await keys.rotate(None)
    await keys.activate(None)
    await keys.retire(None)
    await take(world, partner, 2)
    sending = Sending(world.context)
    (item,) = (await sending.next_page(partner)).document["orderedItems"]
    assert signer_of(item) == 1
    # Broken off before the entries are signed anew.
    broken_off = OwnKeys(
        world.context,
        folder=world.extra["folder"],
        entries=NotYet(),
        waker=WakeUp(),
    )
    await broken_off.revoke(None, reason="Stick verloren", number=1)
    assert (await sending.next_page(partner)).is_empty
    assert (await key_status(world.context)).unsigned == 1
    assert await keys.advance() > 0
    (item,) = (await sending.next_page(partner)).document["orderedItems"]
    assert signer_of(item) == 2


class NotYet:
    """A catalogue that does not come to sign anything."""

    async def sign_anew(self, limit: int) -> int:
        del limit
        return 0


def signer_of(item: Any) -> int:
    method: str = item["object"]["proof"]["verificationMethod"]
    return int(method.rpartition("-")[2])


async def test_fresh_key_after_an_unknown_file(world: World) -> None:
    """A file that a thief may have seen never becomes the new key."""
    folder = world.extra["folder"]
    planted = load_key(folder, number=1)
    store_key(folder, planted, number=2)
    await own_keys(world).revoke(None, reason="Einbruch")
    assert world.context.keys.active.number == 3


@pytest.mark.parametrize("role", [Role.OFFICE, Role.ORGANISATION_ADMIN, Role.PERSON])
async def test_only_the_technical_administrator(world: World, role: Role) -> None:
    person: Person = replace(world.admin, role=role)
    keys, backups = own_keys(world), world.extra["backups"]
    attempts: list[Any] = [
        keys.rotate(person),
        keys.activate(person),
        keys.retire(person),
        keys.revoke(person, reason="x"),
        keys.replace_lost(person, reason="x"),
        backups.make(person),
        backups.note_taken(person, b""),
        backups.check(person, b"", code=""),
        backups.restore(person, b"", code=""),
    ]
    for attempt in attempts:
        with pytest.raises(NotAuthorisedError):
            await attempt
    assert await stored(world) == {1: ("active", True)}
    assert stored_numbers(world.extra["folder"]) == [1]


async def test_orders_that_make_no_sense(world: World) -> None:
    keys = own_keys(world)
    with pytest.raises(ConflictError) as nothing:
        await keys.activate(None)
    assert nothing.value.code == "nothing-announced"
    with pytest.raises(ConflictError) as none_old:
        await keys.retire(None)
    assert none_old.value.code == "nothing-replaced"


async def test_backup_counts_once_somebody_has_it(world: World) -> None:
    backups: KeyBackups = world.extra["backups"]
    made = await backups.make(world.admin)
    assert world.context.keys.active.backed_up_at is None
    await backups.note_taken(world.admin, made.content)
    key = world.context.keys.active
    assert (key.backed_up_at, key.backed_up_by) == (world.clock.now(), "Karin Amberg")
    assert await stored(world) == {1: ("active", True)}


async def test_clock_that_was_set_back_does_not_turn_stages_round(
    world: World,
) -> None:
    keys = own_keys(world)
    await keys.rotate(None)
    world.clock.advance(hours=-5)
    await keys.activate(None)
    await keys.retire(None)
    first, second = world.context.keys.keys
    assert second.activated_at is not None
    assert first.retired_at is not None
    assert second.created_at <= second.activated_at <= first.retired_at


async def test_suspended_and_paused_partners_are_waited_for(world: World) -> None:
    for state in (TrustState.PAUSED, TrustState.ENDING, TrustState.WAITING):
        await add_partner(world, state.value, state)
    await own_keys(world).rotate(None)
    assert len(await queued(world)) == 3

    async def end(tx: Transaction) -> None:
        for state in ("paused", "ending", "waiting"):
            await update_partner(tx, state, state=TrustState.ENDED)

    await world.context.database.write(end)
    assert await own_keys(world).advance() == 1


async def test_backup_that_is_noted_beside_a_rotation(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has read must not put the ring back to before the rotation."""
    keys = own_keys(world)
    reading, go_on = asyncio.Event(), asyncio.Event()
    real = keys._follow

    async def slow(tx: Transaction, new: dict[int, SigningKey] | None = None) -> None:
        await real(tx, new)
        if new is None and not reading.is_set():
            reading.set()
            await go_on.wait()

    monkeypatch.setattr(keys, "_follow", slow)
    noting = asyncio.create_task(keys.note_backup(None, [1]))
    await reading.wait()
    rotating = asyncio.create_task(keys.rotate(None))
    await asyncio.wait({rotating}, timeout=0.5)
    go_on.set()
    await noting
    await rotating
    assert await stored(world) == {1: ("active", True), 2: ("announced", True)}


async def test_key_signs_later_than_it_was_announced(world: World) -> None:
    """Also if nobody is waited for: a key that signed at once had none before."""
    keys = own_keys(world)
    announced = await keys.rotate(None)
    assert await keys.advance() == 1
    signing = world.context.keys.active
    assert (signing.number, signing.created_at) == (2, announced.created_at)
    assert signing.activated_at is not None
    assert signing.activated_at > signing.created_at


async def test_old_key_waits_a_while_for_who_may_never_take_the_new_one(
    world: World,
) -> None:
    ending = await add_partner(world, "ending", TrustState.ENDING)
    deaf = await add_partner(world, "deaf")

    async def understands_no_update(tx: Transaction) -> None:
        await update_partner(tx, deaf, capabilities=["pages"])

    await world.context.database.write(understands_no_update)
    keys = own_keys(world)
    await keys.rotate(None)
    world.clock.advance(days=WAITING_DAYS, seconds=1)
    assert await keys.advance() == 1
    world.clock.advance(days=WAITING_DAYS - 1)
    assert await keys.advance() == 0, "they are waited for as others are"
    world.clock.advance(days=1, seconds=1)
    assert await keys.advance() > 0
    assert await stored(world) == {1: ("retired", True), 2: ("active", True)}
    assert (await told(world, ending), await told(world, deaf)) == (1, 1)
    assert (await keys.rotate(None)).number == 3


async def test_old_key_waits_for_a_partner_that_will_take_the_new_one(
    world: World,
) -> None:
    nord = await add_partner(world, "nord", TrustState.PAUSED)
    keys = own_keys(world)
    await keys.rotate(None)
    await keys.activate(None)
    world.clock.advance(days=10 * WAITING_DAYS)
    assert await keys.advance() == 0
    await take(world, nord, 2)
    assert await keys.advance() > 0
    assert (await stored(world))[1] == ("retired", True)
