"""Signing in: nothing tells who is a member, and nothing can be used twice."""

import asyncio
import time

import pytest
from sqlalchemy import select

from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.members.model import Person
from node.signin.attempts import TooManyAttemptsError
from node.signin.links import LinkPurpose
from node.signin.tokens import token_hash
from node.storage.database import Database, Transaction
from node.storage.tables import sessions, sign_in_links
from tests.contract.member_world import World, capacity_offer, make_world

PASSWORD = "vier Wörter in Reihe"


@pytest.fixture
async def world(database: Database) -> World:
    return await make_world(database)


@pytest.fixture
async def member(world: World) -> Person:
    found, _ = await world.members.add_person(
        world.admin,
        email="anna@optik.example",
        name="Anna Muster",
        organisation="Optik GmbH",
        send_invitation=False,
    )
    await world.sign_in.set_password(found, PASSWORD)
    return found


async def first_password_link(world: World, member: Person) -> str:
    async def work(tx: Transaction) -> str:
        return await world.members.first_password_link(tx, member)

    return await world.context.database.write(work)


async def mailed_token(world: World) -> str:
    return (await world.links_in_mails())[0].rpartition("/")[2]


async def test_a_link_works_once(world: World, member: Person) -> None:
    await world.sign_in.start_link(" Anna@Optik.example ")
    token = await mailed_token(world)
    assert (await world.sign_in.inspect_link(token)).person.id == member.id
    assert (await world.sign_in.inspect_link(token)).purpose is LinkPurpose.SIGN_IN
    session = await world.sign_in.redeem_link(token)
    found = await world.sign_in.session(session.value)
    assert found is not None
    assert found.id == member.id
    for use in (world.sign_in.redeem_link, world.sign_in.inspect_link):
        with pytest.raises(ConflictError) as caught:
            await use(token)
        assert caught.value.code == "link-used"


async def test_of_two_at_the_same_time_one_gets_in(
    world: World, member: Person
) -> None:
    await world.sign_in.start_link(member.email)
    token = await mailed_token(world)
    results = await asyncio.gather(
        *(world.sign_in.redeem_link(token) for _ in range(5)), return_exceptions=True
    )
    refused = [each for each in results if isinstance(each, ConflictError)]
    assert len(refused) == 4


async def test_a_link_gets_too_old(world: World, member: Person) -> None:
    await world.sign_in.start_link(member.email)
    token = await mailed_token(world)
    world.clock.advance(minutes=29, seconds=59)
    await world.sign_in.inspect_link(token)
    world.clock.advance(seconds=1)
    with pytest.raises(ConflictError) as caught:
        await world.sign_in.redeem_link(token)
    assert caught.value.code == "link-expired"


async def test_an_unknown_link(world: World) -> None:
    for token in ("", "x", "A" * 43, "ä" * 43, "\ud800" * 43, "A" * 5000):
        with pytest.raises(NotFoundError):
            await world.sign_in.redeem_link(token)


async def test_unknown_address_same_answer_no_mail(
    world: World, member: Person
) -> None:
    times = {}
    for email in ("nobody@optik.example", member.email):
        started = time.monotonic()
        assert await world.sign_in.start_link(email) is None
        times[email] = time.monotonic() - started
    assert min(times.values()) >= 0.05
    assert [mail.recipient for mail in await world.mail.list_mails()] == [member.email]


async def test_too_many_links_known_or_not(world: World, member: Person) -> None:
    for email in (member.email, "nobody@optik.example"):
        for _ in range(5):
            await world.sign_in.start_link(email)
        with pytest.raises(TooManyAttemptsError) as caught:
            await world.sign_in.start_link(email.upper())
        assert caught.value.status == 429
    world.clock.advance(minutes=15)
    await world.sign_in.start_link(member.email)
    assert len(await world.mail.list_mails()) == 6


async def test_password(world: World, member: Person) -> None:
    sign_in = world.sign_in.sign_in_with_password
    session = await sign_in("ANNA@optik.example", PASSWORD)
    assert session is not None
    assert await world.sign_in.session(session.value) is not None
    assert await sign_in(member.email, PASSWORD.upper()) is None
    assert await sign_in(member.email, "") is None
    assert await sign_in("nobody@optik.example", PASSWORD) is None
    assert await sign_in(world.admin.email, "") is None  # has no password


async def test_too_many_passwords_known_or_not(world: World, member: Person) -> None:
    for email in (member.email, "nobody@optik.example"):
        for _ in range(10):
            assert await world.sign_in.sign_in_with_password(email, "wrong") is None
        with pytest.raises(TooManyAttemptsError):
            await world.sign_in.sign_in_with_password(email, PASSWORD)


async def test_a_session_ends(world: World, member: Person) -> None:
    async def begin() -> str:
        session = await world.sign_in.sign_in_with_password(member.email, PASSWORD)
        assert session is not None
        return session.value

    idle, used = await begin(), await begin()
    for _ in range(2):
        world.clock.advance(hours=6)
        assert await world.sign_in.session(used) is not None
    assert await world.sign_in.session(idle) is None
    for _ in range(12):
        world.clock.advance(hours=11)
        assert await world.sign_in.session(used) is not None
    world.clock.advance(hours=24)
    assert await world.sign_in.session(used) is None
    out = await begin()
    await world.sign_in.sign_out(out)
    assert await world.sign_in.session(out) is None
    assert await world.sign_in.session("") is None


async def test_a_new_password_ends_the_other_sessions(
    world: World, member: Person
) -> None:
    first = await world.sign_in.sign_in_with_password(member.email, PASSWORD)
    second = await world.sign_in.sign_in_with_password(member.email, PASSWORD)
    link = await first_password_link(world, member)
    assert first is not None
    assert second is not None
    await world.sign_in.set_password(member, "noch vier neue Wörter", keep=first.value)
    assert await world.sign_in.session(first.value) is not None
    assert await world.sign_in.session(second.value) is None
    with pytest.raises(NotFoundError):
        await world.sign_in.redeem_link(link.rpartition("/")[2])


async def test_a_weak_password_changes_nothing(world: World, member: Person) -> None:
    for password in ("kurz", "anna@optik.example"):
        with pytest.raises(InvalidInputError) as caught:
            await world.sign_in.set_password(member, password)
        assert caught.value.code == "weak-password"
    assert await world.sign_in.sign_in_with_password(member.email, PASSWORD)


async def test_a_newer_first_password_link_replaces_the_older(
    world: World, member: Person
) -> None:
    older = await first_password_link(world, member)
    newer = await first_password_link(world, member)
    with pytest.raises(NotFoundError):
        await world.sign_in.inspect_link(older.rpartition("/")[2])
    opened = await world.sign_in.inspect_link(newer.rpartition("/")[2])
    assert opened.purpose is LinkPurpose.FIRST_PASSWORD


async def test_no_token_is_stored(world: World, member: Person) -> None:
    session = await world.sign_in.sign_in_with_password(member.email, PASSWORD)
    link = await first_password_link(world, member)
    assert session is not None
    async with world.context.database.read() as tx:
        rows = [
            *await tx.all(select(sessions)),
            *await tx.all(select(sign_in_links)),
        ]
    text = repr([tuple(row) for row in rows])
    assert session.value not in text
    assert link.rpartition("/")[2] not in text
    assert token_hash(session.value) in text
    assert session.value not in repr(session)


async def test_purge_keeps_what_is_needed(world: World, member: Person) -> None:
    session = await world.sign_in.sign_in_with_password(member.email, PASSWORD)
    await first_password_link(world, member)
    assert session is not None
    world.clock.advance(hours=1)
    assert await world.sign_in.session(session.value) is not None
    purged = await world.sign_in.purge()
    assert purged == 0
    world.clock.advance(days=45)
    assert await world.sign_in.purge() == 2
    assert await world.sign_in.purge() == 0


async def test_confirm_an_entry_with_one_click(world: World, member: Person) -> None:
    entry = await world.catalogue.publish(
        member, capacity_offer(valid_until="2026-11-25")
    )
    assert await world.catalogue.remind_due() == 1
    mail = (await world.mail.list_mails())[0]
    assert mail.recipient == member.email
    assert mail.subject == (
        "Gilt noch bis 25.11.2026: „Freie Stunden auf dem Messplatz“"
    )
    link = next(line for line in mail.body.splitlines() if "/bestaetigen/" in line)
    token = link.rpartition("/")[2]
    with pytest.raises(NotFoundError):  # it opens no session
        await world.sign_in.redeem_link(token)
    renewed = await world.sign_in.redeem_confirm_link(token, world.catalogue.confirm)
    assert renewed.id == entry.id
    assert renewed.valid_until is not None
    assert renewed.valid_until.isoformat() == "2027-02-19"
    with pytest.raises(ConflictError):
        await world.sign_in.redeem_confirm_link(token, world.catalogue.confirm)


async def test_a_sign_in_link_confirms_no_entry(world: World, member: Person) -> None:
    await world.sign_in.start_link(member.email)
    with pytest.raises(NotFoundError):
        await world.sign_in.redeem_confirm_link(
            await mailed_token(world), world.catalogue.confirm
        )


async def test_withdrawing_voids_reminder_and_link(
    world: World, member: Person
) -> None:
    entry = await world.catalogue.publish(
        member, capacity_offer(valid_until="2026-11-25")
    )
    await world.catalogue.remind_due()
    mail = (await world.mail.list_mails())[0]
    link = next(line for line in mail.body.splitlines() if "/bestaetigen/" in line)
    await world.catalogue.withdraw(member, entry.id)
    assert (await world.mail.list_mails())[0].state.value == "cancelled"
    with pytest.raises(NotFoundError):
        await world.sign_in.redeem_confirm_link(
            link.rpartition("/")[2], world.catalogue.confirm
        )


async def test_an_expired_entry_is_told_and_can_come_back(
    world: World, member: Person
) -> None:
    await world.catalogue.publish(member, capacity_offer(valid_until="2026-11-25"))
    world.clock.advance(days=5)
    assert await world.catalogue.expire_due() == 1
    mail = (await world.mail.list_mails())[0]
    assert mail.subject.startswith("Abgelaufen:")
    link = next(line for line in mail.body.splitlines() if "/bestaetigen/" in line)
    entry = await world.sign_in.redeem_confirm_link(
        link.rpartition("/")[2], world.catalogue.confirm
    )
    assert entry.state.value == "published"
