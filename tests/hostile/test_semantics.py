"""E: right signatures, wrong meaning. What a partner may say, and in which order."""

import itertools
import json
import random
from typing import Any

import pytest

from federation.documents.notice import NoticeType
from federation.documents.withdrawal import WithdrawalMode
from federation.trust import TrustState
from node.storage.partners import update_partner
from tests.hostile import wire
from tests.hostile.world import World, held

SEED = 20261121
WITHDRAWAL, DELETION = WithdrawalMode.WITHDRAWAL, WithdrawalMode.DELETION


def version_of(world: World, entry: Any, counter: int, title: str | None = None) -> Any:
    """Another version of an entry, rightly signed."""
    title = title or f"Fassung {counter}"
    return world.resigned(
        {**entry, "version": counter, "name": title, "nameMap": {"de": title}}
    )


# -- forged by embedding --------------------------------------------------------


async def test_activities_that_do_not_exist_here(world: World) -> None:
    """Announce, Add, Follow and all others: 422, and nothing embedded counts."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    own = world.nord.node.context.address
    base = {
        "@context": world.context(),
        "id": own.activity("m" * 26),
        "actor": own.actor,
        "published": "2026-11-21T10:00:00Z",
        "to": [world.sued.node.context.address.actor],
    }
    kinds = [
        "Announce",
        "Add",
        "Remove",
        "Move",
        "Follow",
        "Undo",
        "Update",
        "Delete",
        "Like",
        "Dislike",
        "Block",
        "Flag",
        "Offer",
        "Invite",
        "Join",
        "Ignore",
        "View",
        "Read",
        "Listen",
        "Travel",
        "Arrive",
        "Question",
        "TentativeAccept",
        "TentativeReject",
        "Activity",
        "IntransitiveActivity",
        "Collection",
        "OrderedCollection",
        "CollectionPage",
        "Application",
        "Person",
        "Note",
        "Proposal",
        "Receipt",
        "PartnerRequest",
        "Tombstone",
        "create",
        "CREATE",
        "create\x00",
    ]
    async with world.untouched() as untouched:
        for kind in kinds:
            if "\u0000" in kind:
                continue
            for thing in (entry, entry["id"], theirs.uri, [entry, entry], None):
                document = {**base, "type": kind, "object": thing, "target": own.actor}
                for signed in (document, world.resigned(document)):
                    reply = await world.post(signed)
                    untouched.expect(
                        f"{kind} {type(thing).__name__}",
                        got=reply.status,
                        wanted={401, 403, 422},
                    )
        odd: list[Any] = [
            ["Create"],
            ["Create", "Delete"],
            "Create ",
            "as:Create",
            None,
        ]
        for odd_kind in odd:
            document = {**base, "type": odd_kind, "object": entry}
            reply = await world.post(world.resigned(document))
            untouched.expect(odd_kind, got=reply.status, wanted={422})


async def test_wrappers_change_nothing_in_what_they_carry(world: World) -> None:
    entry = await world.entry()
    other = await world.entry(title={"de": "Anderes"})
    async with world.untouched() as untouched:
        for name in (
            "name",
            "nameMap",
            "summaryMap",
            "details",
            "to",
            "version",
            "kind",
        ):
            forged = {**entry, name: other[name] if name != "version" else 9}
            if forged == entry:
                forged = {**entry, name: {"de": "Gefälscht"}}
            for kind in ("Create", "Update"):
                item = {**world.upsert(forged), "type": kind}
                reply = await world.post(world.page_of([item]))
                untouched.expect(
                    f"{kind} {name}",
                    got=reply.status,
                    wanted={401, 422},
                )
        # The proof of one entry under another; a document inside a document.
        others: list[Any] = [
            {**entry, "proof": other["proof"]},
            {**other, "object": entry},
            {"object": entry},
            [entry],
            entry["id"],
        ]
        for embedded in others:
            reply = await world.post(world.page_of([world.upsert(embedded)]))
            untouched.expect("embedded", got=reply.status, wanted={401, 403, 422})


async def test_update_of_a_foreign_actor_through_an_entry(world: World) -> None:
    """An actor, a receipt, a message as if they were entries."""
    actor = json.loads((await world.get("/actor", to=world.nord, unsigned=True)).text)
    theirs = await world.publish(world.sued)
    async with world.untouched() as untouched:
        for document in (actor, world.message(about=theirs.uri), world.page_of([])):
            for item in (
                world.upsert(document),
                document,
                {**world.upsert(document), "type": "Update"},
            ):
                reply = await world.post(world.page_of([item]))
                untouched.expect("as entry", got=reply.status, wanted={401, 403, 422})


# -- versions and order ---------------------------------------------------------


async def test_every_order_of_the_same_items_ends_in_the_same_state(
    fresh_world: World,
) -> None:
    """Versions, a withdrawal of the second, all twice: as often as there are orders."""
    world = fresh_world
    ends = set()
    for order in itertools.permutations(range(4)):
        entry = await world.entry()
        items = [
            world.upsert(version_of(world, entry, 1)),
            world.upsert(version_of(world, entry, 2)),
            world.withdrawal(entry["id"], counter=2),
            world.upsert(version_of(world, entry, 3)),
        ]
        for place in [*order, *order]:
            reply = await world.post(world.page_of([items[place]]))
            assert reply.status == 200, reply
        ends.add(held(world)[entry["id"]])
    assert ends == {("present", 3, True)}


async def test_nothing_brings_back_what_was_deleted(fresh_world: World) -> None:
    world = fresh_world
    entry = await world.entry()
    await world.post(world.page_of([world.upsert(entry)]))
    await world.post(world.page_of([world.withdrawal(entry["id"], mode=DELETION)]))
    assert held(world)[entry["id"]][0] == "deleted"
    for item in (
        world.upsert(entry),
        world.upsert(version_of(world, entry, 2)),
        world.upsert(world.resigned({**entry, "incarnation": 9, "version": 9})),
        world.withdrawal(entry["id"], counter=5),
        world.upsert(world.resigned({**entry, "version": 7, "details": {"x": 1}})),
    ):
        assert (await world.post(world.page_of([item]))).status == 200
        assert held(world)[entry["id"]][0] == "deleted"
        assert held(world)[entry["id"]][2] is False
    dump = world.witness.rows[world.sued.base_url].dump()
    assert "Fassung 2" not in dump


async def test_an_older_version_comes_too_late(fresh_world: World) -> None:
    world = fresh_world
    entry = await world.entry()
    newest = version_of(world, entry, 5)
    assert (await world.post(world.page_of([world.upsert(newest)]))).status == 200
    before = held(world)
    for item in (
        world.upsert(version_of(world, entry, 3)),
        world.upsert(entry),
        world.withdrawal(entry["id"], counter=4),
        world.upsert(newest),
    ):
        assert (await world.post(world.page_of([item]))).status == 200
        assert held(world) == before


async def test_two_texts_under_one_version(fresh_world: World) -> None:
    """Equivocation: the first stays, the partner is told, nothing else changes."""
    world = fresh_world
    entry = await world.entry()
    first = version_of(world, entry, 1, "Zuerst gesagt")
    second = version_of(world, entry, 1, "Danach gesagt")
    await world.post(world.page_of([world.upsert(first)]))
    for _ in range(2):
        reply = await world.post(world.page_of([world.upsert(second)]))
        receipt = json.loads(reply.text)
        assert receipt["refused"][0]["reason"].startswith("equivocation")
        assert receipt["held"] == 1
    dump = world.witness.rows[world.sued.base_url].dump()
    assert "Zuerst gesagt" in dump
    assert "Danach gesagt" not in dump


@pytest.mark.parametrize("name", ["version", "incarnation"])
async def test_versions_without_sense(world: World, name: str) -> None:
    entry = await world.entry()
    async with world.untouched() as untouched:
        for value in (0, -1, 2**53, "2", 1.5, None, True, [1]):
            if value in (2**53, 1.5):
                body = wire.as_bytes(
                    world.page_of([world.upsert({**entry, name: value})])
                )
                reply = await world.post(body)
                untouched.expect(value, got=reply.status, wanted={400})
                continue
            forged = world.resigned({**entry, name: value})
            reply = await world.post(world.page_of([world.upsert(forged)]))
            untouched.expect(value, got=reply.refusal, wanted=(422, "schema-invalid"))


async def test_a_version_at_the_end_of_numbers_is_held_and_harmless(
    fresh_world: World,
) -> None:
    world = fresh_world
    entry = await world.entry()
    last = world.resigned({**entry, "version": 2**53 - 1, "incarnation": 2**53 - 1})
    for item in (world.upsert(last), world.upsert(entry)):
        assert (await world.post(world.page_of([item]))).status == 200
    assert held(world)[entry["id"]] == ("present", 2**53 - 1, True)


# -- positions ------------------------------------------------------------------


async def test_gaps_rewinds_and_other_epochs(fresh_world: World) -> None:
    world = fresh_world
    entries = [await world.entry(title={"de": f"Nummer {n}"}) for n in range(3)]
    items = [world.upsert(entry) for entry in entries]
    assert (await world.post(world.page_of(items))).status == 200
    async with world.untouched() as untouched:
        for first in (5, 100, 2**53 - 200):
            late = world.page_of([world.upsert(entries[0])], first=first)
            reply = await world.post(late)
            untouched.expect(first, got=reply.refusal, wanted=(409, "position-gap"))
            assert reply.problem["position"] == 3
        # In an epoch that we never saw we are at its beginning.
        reply = await world.post(world.page_of([], first=4, epoch="f" * 32))
        untouched.expect("epoch", got=reply.refusal, wanted=(409, "position-gap"))
        assert reply.problem["position"] == 0
    before = held(world)
    # A rewind repeats what we have: allowed, and without effect.
    for epoch in ("e" * 32, "f" * 32):
        assert (await world.post(world.page_of(items[:2], epoch=epoch))).status == 200
        assert held(world) == before


async def test_a_partial_view_removes_nothing(fresh_world: World) -> None:
    """What a page does not name stays; an empty or truncated one takes nothing away."""
    world = fresh_world
    entries = [await world.entry(title={"de": f"Nummer {n}"}) for n in range(4)]
    items = [world.upsert(entry) for entry in entries]
    await world.post(world.page_of(items))
    before = held(world)
    assert len(before) == 4
    for count in range(4):
        for document in (
            world.page_of(items[:count]),
            world.page_of(items[:count], epoch=f"{count}" * 32),
            world.page_of(items[:count], head=10),
        ):
            assert (await world.post(document)).status == 200
            assert held(world) == before


# -- trust ----------------------------------------------------------------------


STATES = {
    TrustState.REQUESTED: "partnership-not-confirmed",
    TrustState.WAITING: "partnership-not-confirmed",
    TrustState.PAUSED: "partnership-paused",
    TrustState.REFUSED: "partnership-refused",
    TrustState.ENDING: "partnership-ended",
    TrustState.ENDED: "partnership-ended",
}


async def test_nothing_flows_before_or_after(fresh_world: World) -> None:
    """In no state but active: no entry, no message, no look at ours."""
    world = fresh_world
    entry = await world.entry()
    theirs = await world.publish(world.sued, summary={"de": "Nur für Aktive"})
    await world.sued.settle()
    partner = await world.partner_of(world.sued, world.nord)
    for state, code in STATES.items():

        async def put(tx: Any, state: TrustState = state) -> None:
            await update_partner(tx, partner.id, state=state)

        await world.sued.node.context.database.write(put)
        async with world.untouched() as untouched:
            for label, document in (
                ("entry", world.page_of([world.upsert(entry)])),
                ("message", world.message(about=theirs.uri)),
            ):
                reply = await world.post(document)
                untouched.expect((state, label), got=reply.refusal, wanted=(403, code))
        reply = await world.get(f"/entries/{theirs.id}")
        assert reply.status in {401, 403, 404}, (state, reply)
        assert "Nur für Aktive" not in reply.text
        pulled = await world.get("/outbox?after=0")
        assert "Nur für Aktive" not in pulled.text, state


async def test_a_guest_sees_nothing_before_the_office_confirms(
    fresh_world: World,
) -> None:
    """Ost asked Nord with a right invitation; Nord's office has not looked yet."""
    world = fresh_world
    canary = "cnry-vor-der-zusage"
    await world.publish(world.nord, summary={"de": canary})
    office = world.offices[world.nord.base_url]
    invitation = await world.nord.node.partners.invite(office)
    guest = world.offices[world.ost.base_url]
    await world.ost.node.partners.accept(guest, invitation.code)
    await world.ost.node.partners.mark_compared(guest, world.nord.base_url)
    await world.nord.settle()
    await world.ost.settle()
    entry = await world.publish(world.nord, summary={"de": canary})
    for path in ("/outbox?after=0", f"/entries/{entry.id}", "/actor"):
        reply = await world.get(path, to=world.nord, by=world.ost)
        assert canary not in reply.text
    assert canary not in world.witness.rows[world.ost.base_url].dump()
    # Only the office's own act opens it; nothing that Ost sends.
    for kind in NoticeType:
        about = (await world.partner_of(world.ost, world.nord)).request_id
        if kind is NoticeType.LEAVE:
            continue
        notice = world.notice(kind, about=about, by=world.ost, to=world.nord)
        reply = await world.post(notice, to=world.nord, by=world.ost)
        assert reply.status == 403
    await world.nord.node.partners.confirm(office, world.ost.base_url, compared=True)
    await world.nord.settle()
    assert canary in world.witness.rows[world.ost.base_url].dump()


async def test_trust_does_not_travel(fresh_world: World) -> None:
    """Nord's entries reach Süd; Süd passes nothing of them on to Ost."""
    world = fresh_world
    canary = "cnry-nicht-weitersagen"
    entry = await world.publish(world.nord, summary={"de": canary})
    await world.nord.settle()
    assert canary in world.witness.rows[world.sued.base_url].dump()
    await world.sued.settle()
    pulled = await world.get("/outbox?after=0", by=world.ost)
    assert pulled.status == 200
    assert canary not in pulled.text
    local = entry.uri.rpartition("/")[2]
    for path in (f"/entries/{local}", f"/e/{local}", f"/entries/{entry.uri}"):
        assert canary not in (await world.get(path, by=world.ost)).text
    assert canary not in world.witness.rows[world.ost.base_url].dump()


async def test_notices_about_others_and_out_of_turn(world: World) -> None:
    ours = world.sued.node.context.address
    async with world.untouched() as untouched:
        for label, kind, about in (
            ("Accept of no request", NoticeType.ACCEPT, ours.activity("q" * 26)),
            ("Accept of an entry", NoticeType.ACCEPT, ours.entry("q" * 26)),
            ("Accept of our actor", NoticeType.ACCEPT, ours.actor),
            (
                "Accept of a foreign request",
                NoticeType.ACCEPT,
                world.ost.node.context.address.activity("q" * 26),
            ),
            ("Reject while active", NoticeType.REJECT, ours.activity("q" * 26)),
            (
                "Leave of another",
                NoticeType.LEAVE,
                world.ost.node.context.address.actor,
            ),
            (
                "Leave of itself",
                NoticeType.LEAVE,
                world.nord.node.context.address.actor,
            ),
        ):
            reply = await world.post(world.notice(kind, about=about))
            untouched.expect(label, got=reply.status, wanted={403})
        # For another node, and delivered here.
        misled = world.notice(
            NoticeType.LEAVE,
            about=world.ost.node.context.address.actor,
            to=world.ost,
        )
        reply = await world.post(misled)
        untouched.expect("for Ost", got=reply.status, wanted={403})


# -- conversations --------------------------------------------------------------


async def test_messages_about_what_is_hidden(fresh_world: World) -> None:
    """The same answer for hidden, withdrawn, named for others, absent: no trace."""
    world = fresh_world
    ost = world.ost.base_url
    hidden = [
        await world.publish(world.sued, audience={"level": "cluster"}),
        await world.publish(
            world.sued, audience={"level": "partners", "partners": [ost]}
        ),
    ]
    office = world.offices[world.sued.base_url]
    gone = await world.publish(world.sued)
    await world.sued.node.catalogue.withdraw(office, gone.id)
    absent = world.sued.node.context.address.entry("a" * 26)
    answers = set()
    async with world.untouched() as untouched:
        for about in (*(entry.uri for entry in (*hidden, gone)), absent):
            reply = await world.post(world.message(about=about))
            untouched.expect(about, got=reply.refusal, wanted=(404, "not-found"))
            answers.add((reply.body, wire.shown_headers(reply)))
    assert len(answers) == 1


async def test_messages_into_conversations_of_others(fresh_world: World) -> None:
    """Ost asks about Süd's entry; Nord may neither join nor read along."""
    world = fresh_world
    entry = await world.publish(world.sued)
    await world.sued.settle()
    asked = world.message(about=entry.uri, by=world.ost, text="cnry-frage")
    assert (await world.post(asked, by=world.ost)).status == 202
    async with world.untouched() as untouched:
        for thread in (asked["id"], world.sued.node.context.address.activity("t" * 26)):
            for in_reply_to in (entry.uri, asked["object"]["id"]):
                forged = world.message(
                    about=entry.uri, thread=thread, in_reply_to=in_reply_to
                )
                reply = await world.post(forged)
                untouched.expect(thread, got=reply.status, wanted={403, 404})
        # The very message of Ost, sent by Nord.
        reply = await world.post(asked)
        untouched.expect("relayed", got=reply.status, wanted={403})
    for path in ("/outbox?after=0", "/entries/x", "/activities/x"):
        assert "cnry-frage" not in (await world.get(path)).text


async def test_replies_keep_no_text_of_an_entry_that_was_narrowed(
    fresh_world: World,
) -> None:
    """A conversation refers to its entry; it does not carry the entry onward."""
    world = fresh_world
    canary = "cnry-beschreibung"
    entry = await world.publish(world.sued, summary={"de": canary})
    await world.sued.settle()
    office = world.offices[world.sued.base_url]
    assert (await world.post(world.message(about=entry.uri))).status == 202
    threads = await world.sued.node.conversations.list_for(office)
    await world.sued.node.catalogue.withdraw(office, entry.id)
    await world.sued.node.conversations.reply(office, threads[0].id, "Gern.")
    before = len(world.witness.rows[world.nord.base_url].all("messages"))
    await world.sued.settle()
    nord = world.witness.rows[world.nord.base_url]
    assert len(nord.all("messages")) >= before
    assert not any(canary in repr(row) for row in nord.all("messages"))
    assert not any(canary in repr(row) for row in nord.all("mail_outbox"))
    sued = world.witness.rows[world.sued.base_url]
    assert not any(canary in repr(row) for row in sued.all("mail_outbox"))


async def test_answer_before_question(fresh_world: World) -> None:
    """What arrives in the other order is taken in the end, or refused alike."""
    world = fresh_world
    entry = await world.publish(world.sued)
    first = world.message(about=entry.uri, text="eins")
    second = world.message(
        about=entry.uri,
        thread=first["id"],
        in_reply_to=first["object"]["id"],
        text="zwei",
    )
    early = await world.post(second)
    assert early.status in {202, 404}
    assert (await world.post(first)).status == 202
    if early.status == 404:
        assert (await world.post(second)).status == 202
    messages = world.witness.rows[world.sued.base_url].all("messages")
    assert sum("eins" in repr(row) for row in messages) == 1
    assert sum("zwei" in repr(row) for row in messages) == 1


# -- digests --------------------------------------------------------------------


def test_digests_cannot_be_balanced_by_xor() -> None:
    """Views whose hashes cancel out under XOR have different digests here.

    FEP-8fcf's digest is linear: any view becomes equal to any other by entries
    that an attacker chooses. Sums modulo 2^256 in counted buckets are not undone
    by adding the same entry twice.
    """
    from federation.exchange import ViewDigest, digest_of
    from federation.version import Version

    chance = random.Random(SEED)
    base = "https://spalier.optence.example/entries/"
    letters = "abcdefghijklmnopqrstuvwxyz234567"

    def element() -> tuple[str, Version, str]:
        local = "".join(chance.choice(letters) for _ in range(26))
        return base + local, Version(1, 1), f"{chance.getrandbits(256):064x}"

    view = [element() for _ in range(50)]
    extra = element()
    assert digest_of([*view, extra, extra]) != digest_of(view)
    seen = {digest_of(view)}
    for kept in range(50):
        seen.add(digest_of(view[:kept] + view[kept + 1 :]))
        seen.add(digest_of([*view, view[kept]]))
    assert len(seen) == 101
    digest = ViewDigest()
    for each in view:
        digest.add(*each)
    shuffled = list(view)
    chance.shuffle(shuffled)
    assert digest.hex() == digest_of(shuffled)
