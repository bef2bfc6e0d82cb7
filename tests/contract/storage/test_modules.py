"""The modules of node.storage on both engines: round trips, races, order."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from federation.exchange import ViewDigest
from federation.trust import TrustAction, TrustState
from federation.version import Version
from node.mail.model import Mail, MailKind
from node.members.model import Organisation, Person, Role
from node.partners.directory import known_peer
from node.partners.model import HandshakeRole, Invitation, Partner
from node.storage import (
    ledger,
    mail,
    members,
    nonces,
    outgoing,
    partners,
    quotas,
    received,
    sign_in,
    views,
)
from node.storage.database import Database, Transaction
from node.storage.outgoing import ActivityKind
from node.storage.tables import received_entries
from tests.partner_key import first_key

AT_ONCE = 8


def organisation() -> Organisation:
    return Organisation(
        id="o1",
        name="Lumen Optik GmbH",
        external_id="L-1",
        region="DE-HE",
        description={"de": "Größen: µm", "en": "Sizes"},
    )


def person() -> Person:
    return Person(
        id="p1",
        organisation_id="o1",
        organisation_name="Lumen Optik GmbH",
        email="jana@lumen.example",
        name="Jana Müller",
        role=Role.ORGANISATION_ADMIN,
        language="de",
    )


def partner(now: datetime, partner_id: str = "r1", number: int = 0) -> Partner:
    base = f"https://spalier{number or ''}.swissmem.example"
    return Partner(
        id=partner_id,
        base_url=base,
        actor_id=f"{base}/actor",
        name="Swissmem Photonics",
        card={"regions": ["CH-ZH"], "members": 60},
        state=TrustState.WAITING,
        role=HandshakeRole.GUEST,
        keys=(first_key(base),),
        request_id=f"{base}/activities/1",
        check_number="4711 0815",
        created_at=now,
    )


@pytest.fixture
async def filled(database: Database, now: datetime) -> Database:
    async def work(tx: Transaction) -> None:
        await members.insert_organisation(tx, organisation(), now=now)
        await members.insert_person(tx, person(), now=now)
        await partners.insert_partner(tx, partner(now))

    await database.write(work)
    return database


async def test_members_come_back(filled: Database, now: datetime) -> None:
    async with filled.read() as tx:
        assert await members.load_organisation(tx, "o1") == organisation()
        assert await members.find_organisation(tx, "lumen optik gmbh") == organisation()
        assert await members.find_person_by_email(tx, " JANA@lumen.example") == person()
        assert await members.list_persons(tx, organisation_id="o1") == [person()]

    async def leave(tx: Transaction) -> None:
        await members.update_person(tx, "p1", {"left_at": now}, now=now)

    await filled.write(leave)
    async with filled.read() as tx:
        assert await members.list_persons(tx, with_left=False) == []
        found = await members.load_person(tx, "p1")
    assert found == replace(person(), left_at=now)


async def test_one_address_belongs_to_one_person(
    filled: Database, now: datetime
) -> None:
    second = replace(person(), id="p2")
    with pytest.raises(IntegrityError):
        await filled.write(lambda tx: members.insert_person(tx, second, now=now))


async def test_references_are_enforced(filled: Database, now: datetime) -> None:
    stray = replace(person(), id="p2", email="x@y.example", organisation_id="nowhere")
    with pytest.raises(IntegrityError):
        await filled.write(lambda tx: members.insert_person(tx, stray, now=now))


async def test_a_link_is_used_once_by_many_at_once(
    filled: Database, now: datetime
) -> None:
    link = sign_in.StoredLink(
        token_hash="a" * 64,
        person_id="p1",
        purpose="sign-in",
        subject=None,
        created_at=now,
        expires_at=now + timedelta(minutes=30),
    )
    await filled.write(lambda tx: sign_in.insert_link(tx, link))
    results = await asyncio.gather(
        *(
            filled.write(lambda tx: sign_in.use_link(tx, "a" * 64, now=now))
            for _ in range(AT_ONCE)
        )
    )
    assert sorted(results) == [False] * (AT_ONCE - 1) + [True]
    async with filled.read() as tx:
        assert await sign_in.load_link(tx, "a" * 64) == replace(link, used_at=now)


async def test_sessions_end(filled: Database, now: datetime) -> None:
    session = sign_in.StoredSession(
        token_hash="b" * 64,
        person_id="p1",
        created_at=now,
        seen_at=now,
        expires_at=now + timedelta(days=7),
    )
    await filled.write(lambda tx: sign_in.insert_session(tx, session))
    async with filled.read() as tx:
        assert await sign_in.load_session(tx, "b" * 64) == session
    later = now + timedelta(hours=13)
    deleted = await filled.write(
        lambda tx: sign_in.purge_sign_in(
            tx,
            now=later,
            idle_since=later - timedelta(hours=12),
            links_before=now,
        )
    )
    assert deleted == 1


async def test_a_nonce_counts_once_among_many_at_once(
    filled: Database, now: datetime
) -> None:
    async def remember(tx: Transaction) -> bool:
        return await nonces.add_nonce(tx, "key-1", "nonce", now + timedelta(minutes=6))

    results = await asyncio.gather(*(filled.write(remember) for _ in range(AT_ONCE)))
    assert sorted(results) == [False] * (AT_ONCE - 1) + [True]
    until = now + timedelta(minutes=7)
    assert await filled.write(lambda tx: nonces.forget_expired(tx, now=until)) == 1
    async with filled.read() as tx:
        assert not await nonces.has_nonce(tx, "key-1", "nonce")


async def test_an_activity_takes_effect_once(filled: Database, now: datetime) -> None:
    async def process(tx: Transaction) -> bool:
        return await nonces.add_processed(
            tx, "https://a.example/activities/1", partner_id="r1", at=now
        )

    results = await asyncio.gather(*(filled.write(process) for _ in range(AT_ONCE)))
    assert sorted(results) == [False] * (AT_ONCE - 1) + [True]


async def test_effect_that_fails_is_not_remembered(
    filled: Database, now: datetime
) -> None:
    async def process(tx: Transaction) -> None:
        assert await nonces.add_processed(tx, "a1", partner_id="r1", at=now)
        assert await nonces.add_nonce(tx, "key-1", "nonce", now)
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            await filled.write(process)


async def test_partners_and_invitations_come_back(
    filled: Database, now: datetime
) -> None:
    made = partner(now)
    invitation = Invitation(
        id="i1",
        secret=b"\x00\xff" * 5,
        public_id="h1",
        group_hint="K7QF9",
        created_at=now,
        expires_at=now + timedelta(days=7),
    )

    async def work(tx: Transaction) -> None:
        await partners.insert_invitation(tx, invitation, created_by="p1")
        await partners.update_partner(
            tx, "r1", state=TrustState.ACTIVE, active_since=now, digest_equal=False
        )
        await partners.update_invitation(tx, "i1", used_at=now, partner_id="r1")

    await filled.write(work)
    active = replace(
        made, state=TrustState.ACTIVE, active_since=now, digest_equal=False
    )
    async with filled.read() as tx:
        assert await partners.load_partner(tx, "r1") == active
        assert await partners.find_peer(tx, made.key.key_id) == known_peer(active)
        assert await partners.list_partners(tx, [TrustState.WAITING]) == []
        assert await partners.find_invitation(tx, "h1") == replace(
            invitation, used_at=now, partner_id="r1"
        )


async def test_history_keeps_its_order(filled: Database, now: datetime) -> None:
    names = ["zuerst", "dann", "am Ende"]

    async def work(tx: Transaction) -> None:
        for number, name in enumerate(names):
            await partners.add_event(
                tx,
                event_id=f"e{9 - number}",
                partner_id="r1",
                at=now,
                event=name,
                person_id="p1",
                note=None,
            )

    await filled.write(work)
    async with filled.read() as tx:
        events = await partners.list_events(tx, "r1")
    assert [event.event for event in events] == names
    assert {event.person_name for event in events} == {"Jana Müller"}


async def test_positions_of_a_partner_are_dense(filled: Database) -> None:
    seqs = await asyncio.gather(
        *(filled.write(lambda tx: ledger.next_seq(tx, "r1")) for _ in range(30))
    )
    assert sorted(seqs) == list(range(1, 31))


async def test_activities_leave_in_order_and_the_farewell_last(
    filled: Database, now: datetime
) -> None:
    def queueing(name: str, kind: ActivityKind):  # type: ignore[no-untyped-def]
        return lambda tx: outgoing.queue_activity(
            tx, "r1", kind=kind, subject=name, activity_id=name, at=now
        )

    await filled.write(queueing("leave", ActivityKind.LEAVE))
    queued = await asyncio.gather(
        *(
            filled.write(queueing(f"m{number}", ActivityKind.MESSAGE))
            for number in range(10)
        )
    )
    assert sorted(activity.seq for activity in queued) == list(range(2, 12))
    await filled.write(lambda tx: ledger.next_seq(tx, "r1"))
    seen = []
    for _ in range(10):
        async with filled.read() as tx:
            following = await outgoing.next_undelivered(tx, "r1")
        assert following is not None
        seen.append(following.seq)
        name = following.activity_id
        assert await filled.write(
            lambda tx, name=name: outgoing.mark_delivered(tx, name, at=now)
        )
        assert not await filled.write(
            lambda tx, name=name: outgoing.mark_delivered(tx, name, at=now)
        )
    assert seen == list(range(2, 12))
    async with filled.read() as tx:
        assert await outgoing.next_undelivered(tx, "r1") is None
        assert await outgoing.count_undelivered(tx, "r1") == 1
    await filled.write(lambda tx: partners.update_partner(tx, "r1", acked_seq=1))
    async with filled.read() as tx:
        last = await outgoing.next_undelivered(tx, "r1")
    assert last is not None
    assert last.kind is ActivityKind.LEAVE


async def test_received_copies(filled: Database, now: datetime) -> None:
    base = "https://spalier.swissmem.example/entries/"
    uris = [f"{base}{number}" for number in range(100)]

    def values(uri: str, *, counter: int, at: datetime) -> dict[str, object]:
        return {
            "id": f"{uri.rpartition('/')[2]}/{counter}",
            "entry_uri": uri,
            "state": "present",
            "kind": "capacity_offer",
            "known_kind": True,
            "incarnation": 1,
            "counter": counter,
            "content": {"title": {"de": "Größe"}, "summary": {}},
            "owner": None,
            "is_public": False,
            "is_personal": False,
            "search_text": "groesse",
            "changed_at": at,
            "content_hash": "c" * 64,
        }

    async def put(rows: list[dict[str, object]]) -> None:
        await filled.write(lambda tx: received.put_received(tx, "r1", rows))

    later = now + timedelta(hours=1)
    await put([values(uri, counter=2, at=now) for uri in uris[:60]])
    # Known and new ones in one statement.
    await put([values(uri, counter=3, at=later) for uri in uris[30:]])
    emptied = {
        **values(uris[0], counter=4, at=later),
        "state": "withdrawn",
        "content": None,
    }
    await put([emptied])
    async with filled.read() as tx:
        held = await received.held_versions(tx, "r1", [*uris, "unknown"])
        stored = await tx.all(select(received_entries))
    assert len(held) == 100
    assert held[uris[29]].version == Version(1, 2)
    assert held[uris[30]].version == Version(1, 3)
    by_uri = {row.entry_uri: row for row in stored}
    # A known one keeps its own id and its first time.
    assert by_uri[uris[30]].id == "30/2"
    assert by_uri[uris[30]].first_received_at == now
    assert by_uri[uris[30]].changed_at == later
    assert by_uri[uris[99]].id == "99/3"
    assert by_uri[uris[99]].first_received_at == later
    async with filled.read() as tx:
        empty = await tx.all(
            select(received_entries.c.id).where(received_entries.c.content.is_(None))
        )
    assert [row.id for row in empty] == ["0/2"]
    assert await filled.write(lambda tx: received.forget_partner(tx, "r1")) == 99


async def test_digest_comes_back(filled: Database) -> None:
    view = ViewDigest()
    async with filled.read() as tx:
        assert (await views.load_view(tx, "r1", "out")).to_bytes() == view.to_bytes()
    changed = ViewDigest.from_bytes(bytes([7]) * len(view.to_bytes()))
    for stored in (changed, view, changed):
        await filled.write(lambda tx, it=stored: views.store_view(tx, "r1", "out", it))
    async with filled.read() as tx:
        loaded = await views.load_view(tx, "r1", "out")
        other = await views.load_view(tx, "r1", "in")
    assert loaded.to_bytes() == changed.to_bytes()
    assert other.to_bytes() == view.to_bytes()


async def test_mails_wait_for_their_time(filled: Database, now: datetime) -> None:
    made = Mail(
        id="m1",
        recipient="jana@lumen.example",
        person_id="p1",
        kind=MailKind.NEW_ANSWER,
        language="de",
        subject="Neue Antwort",
        body="Grüße",
        entry_id=None,
        created_at=now,
        next_attempt_at=now,
    )
    await filled.write(lambda tx: mail.insert_mail(tx, made))
    async with filled.read() as tx:
        assert await mail.load_mail(tx, "m1") == made
        early = now - timedelta(microseconds=1)
        assert await mail.due_mails(tx, now=early, limit=5) == []
        assert await mail.due_mails(tx, now=now, limit=5) == [made]


async def test_only_what_could_change_nothing_again_is_forgotten(
    filled: Database, now: datetime
) -> None:
    kinds = [
        TrustAction.MESSAGE,
        TrustAction.NOTICE_ACCEPT,
        TrustAction.NOTICE_REJECT,
        TrustAction.NOTICE_LEAVE,
        TrustAction.UPDATE_ACTOR,
    ]

    async def process(tx: Transaction) -> None:
        for kind in kinds:
            for name, at in (("old", now), ("new", now + timedelta(days=30))):
                await nonces.add_processed(
                    tx, f"{kind.value}-{name}", partner_id="r1", at=at, kind=kind.value
                )

    await filled.write(process)
    later = now + timedelta(days=1)
    assert await filled.write(lambda tx: nonces.forget_processed(tx, before=later)) == 3

    async def before(
        tx: Transaction, activity: str, of: str = "r1"
    ) -> tuple[bool, int]:
        return await nonces.processed_before(tx, activity, partner_id=of, since=later)

    async with filled.read() as tx:
        for kind in kinds:
            stays = kind in {TrustAction.NOTICE_LEAVE, TrustAction.UPDATE_ACTOR}
            assert await before(tx, f"{kind.value}-old") == (stays, 5)
            assert await before(tx, f"{kind.value}-new") == (True, 5)
            assert await before(tx, f"{kind.value}-x") == (False, 5)
            assert await before(tx, f"{kind.value}-new", of="r2") == (True, 0)
        assert await quotas.count_remembered(tx, "r1") == 0
