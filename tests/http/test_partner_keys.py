"""Keys of partners that change: announced, foreign, replayed, seen, confirmed.

Süd is the partner whose keys change, Nord the node that has to decide. Süd's own
way of changing keys has tests of its own; here its documents are made by hand, so
that they can also be what an honest node never sends.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from federation.documents import ActorDocument, ActorUpdate, EntryDocument
from federation.documents.actor import build_actor
from federation.documents.actor_update import build_actor_update
from federation.documents.entry import build_entry
from federation.documents.page import Upsert, build_page
from federation.documents.signed import sign
from federation.ids import random_id
from federation.key_changes import SuspensionReason
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from federation.trust import TrustState
from federation.version import Version
from node.errors import ConflictError, InvalidInputError, NotAuthorisedError
from node.keys.model import KeyState, NodeKey
from node.partners.model import KeyOrigin, Partner
from node.partners.own_actor import own_actor
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, START, MovableClock, RunningNode, SeededRandom
from tests.http.sender import Answer, Sender, Untouched, as_bytes

Pair = tuple[RunningNode, RunningNode]


def signer(node: RunningNode, number: int, *, seed: str = "") -> Signer:
    """Return a key of a node, the pinned one for number 1; another seed is foreign."""
    if number == 1 and not seed:
        return node.context.keys.signer_of(1) or node.context.signer
    secret = SigningKey.generate(SeededRandom(f"{node.name}{number}{seed}"))
    return Signer(node.context.address, secret, number)


def listed(by: Signer, **ends: datetime) -> PinnedKey:
    return PinnedKey(by.key_id, by.key.public_key, **ends)


async def actor_of(
    node: RunningNode, *keys: PinnedKey, updated: datetime = START, **changes: Any
) -> ActorDocument:
    async with node.database.read() as tx:
        actor = await own_actor(tx, node.context)
    return replace(actor, keys=keys, updated=updated, **changes)


async def update(
    sued: RunningNode,
    nord: RunningNode,
    *keys: PinnedKey,
    by: Signer,
    updated: datetime = START,
    **changes: Any,
) -> dict[str, Any]:
    """Süd tells Nord what its actor says now."""
    told = ActorUpdate(
        id=sued.context.address.activity(random_id(sued.context.random)),
        actor=await actor_of(sued, *keys, updated=updated, **changes),
        recipient=nord.context.address.actor,
        published=START,
    )
    return dict(build_actor_update(told, signer=by, created=updated).document)


def resigned(document: dict[str, Any], by: Signer, **changes: Any) -> dict[str, Any]:
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return dict(sign(unsigned, signer=by, created=START).document)


def show(node: RunningNode, *keys: tuple[Signer, KeyState]) -> None:
    """Let a node's actor list these keys, as if it had been set up so."""
    rows = []
    for by, state in keys:
        row = NodeKey(
            number=by.key_number,
            multibase=by.key.public_key.multibase,
            state=state,
            created_at=START,
            activated_at=START,
            retired_at=START if state is KeyState.RETIRED else None,
            revoked_at=START if state is KeyState.REVOKED else None,
        )
        rows.append(row)
    node.context.keys.replace(rows, {by.key_number: by.key for by, _ in keys})


async def post(
    sender: Sender, nord: RunningNode, document: Any, *, by: Signer
) -> Answer:
    return await sender.post(
        nord, as_bytes(document), signer=by, created=nord.context.clock.now()
    )


async def titles(node: RunningNode) -> list[str]:
    async with node.database.read() as tx:
        found = await list_received(tx, where=received_entries.c.state == "present")
    return sorted(entry.title["de"] for entry in found)


def entry_page(sued: RunningNode, by: Signer, *, created: datetime) -> dict[str, Any]:
    """Return a page of Süd with one entry whose proof has this key and time."""
    content = {k: v for k, v in OFFER.items() if k != "audience"}
    entry = EntryDocument.from_content(
        content,
        id=sued.context.address.entry(random_id(sued.context.random)),
        version=Version(1, 1),
        published=created,
        updated=created,
        owner=None,
    )
    signed = build_entry(entry, signer=by, created=created)
    return dict(
        build_page(
            [Upsert(signed.document, is_first=True)],
            address=sued.context.address,
            epoch="0123456789abcdef" * 2,
            first=1,
            last=1,
            head=1,
        )
    )


# -- announced --------------------------------------------------------------------


async def test_announced_key_signs_requests_and_the_old_one_until_it_retires(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    document = await update(sued, nord, listed(one), listed(two), by=one)
    assert (await post(sender, nord, document, by=one)).status == 202
    partner = await nord.partner(sued)
    assert [key.key_id for key in partner.keys] == [one.key_id, two.key_id]
    assert partner.keys[1].origin is KeyOrigin.ANNOUNCED
    assert partner.state is TrustState.ACTIVE
    for by in (one, two):
        assert (await sender.get(nord, "/outbox?after=0", signer=by)).status == 200
    retired = listed(one, expires=START)
    document = await update(sued, nord, listed(two), retired, by=two)
    assert (await post(sender, nord, document, by=two)).status == 202
    partner = await nord.partner(sued)
    assert partner.key.key_id == two.key_id
    assert [step.event for step in await nord.partners.events(partner)][-2:] == [
        "key_announced",
        "key_retired",
    ]
    async with Untouched(nord, sued):
        answer = await sender.get(nord, "/outbox?after=0", signer=one)
    assert (answer.status, answer.code) == (401, "unknown-key")


async def test_proof_by_a_retired_key_counts_up_to_its_end(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    both = await update(sued, nord, listed(one), listed(two), by=one)
    await post(sender, nord, both, by=one)
    retired = listed(one, expires=START)
    document = await update(sued, nord, listed(two), retired, by=two)
    assert (await post(sender, nord, document, by=two)).status == 202
    late = entry_page(sued, one, created=START + timedelta(seconds=1))
    async with Untouched(nord, sued):
        answer = await post(sender, nord, late, by=two)
    assert (answer.status, answer.code) == (401, "unknown-key")
    old = entry_page(sued, one, created=START)
    assert (await post(sender, nord, old, by=two)).status == 200
    assert await titles(nord) == ["Prüfung von Linsen"]


async def test_name_card_and_version_come_with_the_signed_update_only(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    document = await update(
        sued,
        nord,
        listed(one),
        by=one,
        name="Süd neu",
        protocol="1.3",
        capabilities=("pages", "something-new"),
    )
    assert (await post(sender, nord, document, by=one)).status == 202
    partner = await nord.partner(sued)
    assert (partner.name, partner.protocol) == ("Süd neu", "1.3")
    assert partner.agreed.version == "1.0"
    assert partner.agreed.capabilities == ("pages",)
    assert (await nord.partners.events(partner))[-1].note == "Sued → Süd neu"
    sued_now = await nord.partners.show("Süd neu")
    await nord.partners.keys.look(sued_now)
    assert (await nord.partner(sued)).name == "Süd neu"


# -- refused ----------------------------------------------------------------------


async def refusals(nord: RunningNode, sued: RunningNode, ost: RunningNode) -> Any:
    """Every update that is refused: document, who signs the request, the answer."""
    one, two = signer(sued, 1), signer(sued, 2)
    evil, other = signer(sued, 1, seed="evil"), signer(ost, 1)
    good = await update(sued, nord, listed(one), listed(two), by=one)
    foreign = listed(other)
    own = {"id": f"{sued.base_url}/actor#key-2", "controller": good["actor"]}
    method = {**good["object"]["assertionMethod"][1], **own}
    told = good["object"]
    of_ost = build_actor(await actor_of(ost, foreign))
    of_ost.pop("@context")
    return {
        "proof by the new key alone": (resigned(good, two), one, 401, "unknown-key"),
        "all by the new key": (resigned(good, two), two, 401, "unknown-key"),
        "proof by a foreign key under the pinned id": (
            resigned(good, evil),
            one,
            401,
            "proof-invalid",
        ),
        "request by a foreign key under the pinned id": (
            good,
            evil,
            401,
            "signature-invalid",
        ),
        "by another partner": (good, other, 401, "unknown-key"),
        "without proof": (
            {k: v for k, v in good.items() if k != "proof"},
            one,
            422,
            "schema-invalid",
        ),
        "key of somebody else": (
            resigned(
                good,
                one,
                object={
                    **told,
                    "assertionMethod": [
                        told["assertionMethod"][0],
                        {**method, "controller": ost.context.address.actor},
                    ],
                },
            ),
            one,
            403,
            "origin-mismatch",
        ),
        "another actor": (
            resigned(good, one, object=of_ost),
            one,
            403,
            "origin-mismatch",
        ),
        "without a time": (
            resigned(
                good, one, object={k: v for k, v in told.items() if k != "updated"}
            ),
            one,
            422,
            "schema-invalid",
        ),
        "in the name of another actor": (
            resigned(good, one, actor=ost.context.address.actor),
            one,
            403,
            "origin-mismatch",
        ),
        "for another node": (
            resigned(good, one, to=[ost.context.address.actor]),
            one,
            403,
            "origin-mismatch",
        ),
        "altered after signing": (
            {**good, "object": {**told, "name": "Anders"}},
            one,
            401,
            "proof-invalid",
        ),
        "an id with another key": (
            await update(sued, nord, listed(evil), by=one),
            one,
            409,
            "key-conflict",
        ),
        "the pinned key is left out": (
            await update(sued, nord, listed(two), by=one),
            one,
            409,
            "key-conflict",
        ),
        "an end in the future": (
            await update(
                sued,
                nord,
                listed(two),
                listed(one, expires=START + timedelta(days=1)),
                by=one,
            ),
            one,
            409,
            "key-conflict",
        ),
        "another major version": (
            resigned(good, one, object={**told, "spalierProtocol": "2.0"}),
            one,
            422,
            "protocol-unsupported",
        ),
    }


async def test_refused_updates_change_nothing(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = partners
    for what, case in (await refusals(nord, sued, ost)).items():
        document, by, status, code = case
        async with Untouched(nord, sued, ost):
            answer = await post(sender, nord, document, by=by)
        assert answer.status == status, (what, answer.status, answer.body)
        assert answer.code == code, what


async def test_retired_key_cannot_come_back(partners: Pair, sender: Sender) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    both = await update(sued, nord, listed(one), listed(two), by=one)
    await post(sender, nord, both, by=one)
    retired = listed(one, expires=START - timedelta(days=1))
    document = await update(sued, nord, listed(two), retired, by=two)
    assert (await post(sender, nord, document, by=two)).status == 202
    for again in (listed(one), listed(one, expires=START)):
        document = await update(sued, nord, listed(two), again, by=two)
        async with Untouched(nord, sued):
            answer = await post(sender, nord, document, by=two)
        assert (answer.status, answer.code) == (409, "key-conflict")


async def test_old_update_in_a_fresh_request_is_answered_without_effect(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    first = await update(sued, nord, listed(one), by=one, name="Alt")
    assert (await post(sender, nord, first, by=one)).status == 202
    later = START + timedelta(seconds=30)
    second = await update(
        sued, nord, listed(one), listed(two), by=one, updated=later, name="Neu"
    )
    assert (await post(sender, nord, second, by=one)).status == 202
    partner = await nord.partner(sued)
    # The same activity once more, and the same content under another id.
    fresh = sued.context.address.activity(random_id(sued.context.random))
    for document in (first, resigned(first, one, id=fresh)):
        assert (await post(sender, nord, document, by=one)).status == 202
        now = await nord.partner(sued)
        assert (now.name, now.keys) == ("Neu", partner.keys)
        assert now.actor_updated == later


@pytest.mark.parametrize("state", [TrustState.REFUSED, TrustState.ENDED])
async def test_who_is_no_partner_any_more_is_not_heard(
    partners: Pair, sender: Sender, state: TrustState
) -> None:
    from node.storage.partners import update_partner

    nord, sued = partners
    one = signer(sued, 1)
    partner = await nord.partner(sued)
    await nord.database.write(lambda tx: update_partner(tx, partner.id, state=state))
    document = await update(sued, nord, listed(one), listed(signer(sued, 2)), by=one)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, document, by=one)
    assert (answer.status, answer.code) == (403, f"partnership-{state.value}")


async def test_unknown_key_in_a_request_causes_no_look(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    async with Untouched(nord, sued):
        answer = await sender.get(nord, "/outbox?after=0", signer=signer(sued, 7))
    assert (answer.status, answer.code) == (401, "unknown-key")


# -- revoked ----------------------------------------------------------------------


async def test_key_that_revokes_itself_is_believed_and_its_successor_is_not(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    revoked = listed(one, revoked=START)
    document = await update(sued, nord, listed(two), revoked, by=one, name="Böse")
    assert (await post(sender, nord, document, by=one)).status == 202
    partner = await nord.partner(sued)
    assert (partner.state, partner.name) == (TrustState.SUSPENDED, "Sued")
    assert [key.key_id for key in partner.keys] == [one.key_id]
    assert partner.key.revoked == START
    suspension = nord.partners.keys.suspension(partner)
    assert suspension is not None
    assert suspension.because is SuspensionReason.REVOKED_ITSELF
    assert suspension.offered == two.key.public_key.fingerprint
    assert len(await nord.mails("partner-key-changed")) == 1
    for by in (one, two):
        async with Untouched(nord, sued):
            answer = await post(sender, nord, document, by=by)
        assert (answer.status, answer.code) == (401, "unknown-key")
    # An entry that the revoked key signed earlier counts no more either.
    await confirm(nord, sued, two, (two, KeyState.ACTIVE), (one, KeyState.REVOKED))
    old = entry_page(sued, one, created=START - timedelta(days=1))
    async with Untouched(nord, sued):
        answer = await post(sender, nord, old, by=two)
    assert (answer.status, answer.code) == (401, "unknown-key")


async def test_office_is_needed_even_if_another_key_was_announced_before(
    partners: Pair, sender: Sender
) -> None:
    """Whoever stole the key may have announced the other one."""
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    both = await update(sued, nord, listed(one), listed(two), by=one)
    await post(sender, nord, both, by=one)
    revoked = listed(one, revoked=START)
    document = await update(sued, nord, listed(two), revoked, by=one)
    assert (await post(sender, nord, document, by=one)).status == 202
    assert (await nord.partner(sued)).state is TrustState.SUSPENDED
    again = await update(sued, nord, listed(two), revoked, by=two)
    assert (await post(sender, nord, again, by=two)).status == 202
    assert (await nord.partner(sued)).state is TrustState.SUSPENDED


# -- seen at the address ----------------------------------------------------------


async def confirm(
    nord: RunningNode,
    sued: RunningNode,
    by: Signer,
    *shown: tuple[Signer, KeyState],
) -> Partner:
    show(sued, *shown)
    fingerprint = by.key.public_key.fingerprint
    return await nord.partners.confirm_key(
        nord.office, sued.base_url, fingerprint=fingerprint.lower()
    )


async def suspend(nord: RunningNode, sued: RunningNode) -> Signer:
    """Let Nord see another key at Süd's address."""
    two = signer(sued, 2)
    show(sued, (two, KeyState.ACTIVE))
    await nord.partners.keys.look(await nord.partner(sued))
    assert (await nord.partner(sued)).state is TrustState.SUSPENDED
    return two


async def test_other_key_at_the_address_stops_the_flow_until_the_office_confirms(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Vorher"}})
    await nord.settle()
    assert await titles(sued) == ["Vorher"]
    one = signer(sued, 1)
    two = await suspend(nord, sued)
    partner = await nord.partner(sued)
    assert partner.suspended_because is SuspensionReason.NOT_LISTED
    assert len(await nord.mails("partner-key-changed")) == 1
    assert (await nord.partners.events(partner))[-1].note == (
        two.key.public_key.fingerprint
    )
    # Nothing leaves, and what comes is refused.
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Dabei"}})
    before = list(sued.reached)
    await nord.settle()
    assert sued.reached == before
    for by, status, code in (
        (one, 403, "partnership-suspended"),
        (two, 401, "unknown-key"),
    ):
        page = entry_page(sued, by, created=START)
        async with Untouched(nord, sued):
            answer = await post(sender, nord, page, by=by)
        assert (answer.status, answer.code) == (status, code)
    # The same look again asks nobody twice.
    await nord.partners.keys.look(partner)
    assert len(await nord.mails("partner-key-changed")) == 1
    await refused_confirmations(nord, sued)
    active = await confirm(nord, sued, two, (two, KeyState.ACTIVE))
    assert (active.state, active.offered_multibase) == (TrustState.ACTIVE, None)
    assert active.key.origin is KeyOrigin.CONFIRMED
    earlier = await nord.partners.keys.history(active)
    assert [(key.key_id, key.replaced_at is None) for key in earlier] == [
        (two.key_id, True),
        (one.key_id, False),
    ]
    await nord.settle()
    assert await titles(sued) == ["Dabei", "Vorher"]
    assert (await nord.partner(sued)).digest_equal
    page = entry_page(sued, two, created=START)
    assert (await post(sender, nord, page, by=two)).status == 200
    async with Untouched(nord, sued):
        answer = await post(sender, nord, page, by=one)
    assert (answer.status, answer.code) == (401, "unknown-key")


async def refused_confirmations(nord: RunningNode, sued: RunningNode) -> None:
    """Whatever is not the key that the address shows now is not confirmed."""
    before = await nord.tables()
    for typed, error, code in (
        ("3BA2 8CBD DB7C 2559", ConflictError, "fingerprint-differs"),
        ("3BA2 8CBD", InvalidInputError, "fingerprint-mistyped"),
        ("", InvalidInputError, "fingerprint-mistyped"),
    ):
        with pytest.raises(error) as caught:
            await nord.partners.confirm_key(nord.office, "sued", fingerprint=typed)
        assert caught.value.code == code
    member = await nord.add_person("anna@nord.example", organisation="Firma")
    before = await nord.tables()
    with pytest.raises(NotAuthorisedError):
        await nord.partners.confirm_key(member, "sued", fingerprint="x")
    assert await nord.tables() == before


async def test_paused_before_is_paused_afterwards(partners: Pair) -> None:
    nord, sued = partners
    await nord.partners.pause(nord.office, sued.base_url)
    two = await suspend(nord, sued)
    back = await confirm(nord, sued, two, (two, KeyState.ACTIVE))
    assert (back.state, back.suspended_from) == (TrustState.PAUSED, None)
    assert (await nord.partner(sued)).state is TrustState.PAUSED


async def test_nothing_to_confirm_while_the_key_is_in_order(partners: Pair) -> None:
    nord, sued = partners
    with pytest.raises(ConflictError) as caught:
        await nord.partners.confirm_key(
            nord.office, sued.base_url, fingerprint="3BA2 8CBD DB7C 2559"
        )
    assert caught.value.code == "partner-active"


async def test_announcement_that_comes_late_explains_what_was_seen(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    two = await suspend(nord, sued)
    unrelated = await update(sued, nord, listed(one), by=one)
    assert (await post(sender, nord, unrelated, by=one)).status == 202
    assert (await nord.partner(sued)).state is TrustState.SUSPENDED
    document = await update(sued, nord, listed(two), listed(one), by=one)
    assert (await post(sender, nord, document, by=one)).status == 202
    partner = await nord.partner(sued)
    assert (partner.state, partner.key.key_id) == (TrustState.ACTIVE, two.key_id)
    assert partner.key.origin is KeyOrigin.ANNOUNCED
    assert (await nord.partners.events(partner))[-1].event == "keys_proven"


async def test_known_key_that_is_shown_again_still_needs_the_office(
    partners: Pair,
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    await suspend(nord, sued)
    show(sued, (one, KeyState.ACTIVE))
    await nord.partners.keys.look(await nord.partner(sued))
    partner = await nord.partner(sued)
    assert (partner.state, partner.offered_multibase) == (TrustState.SUSPENDED, None)
    back = await confirm(nord, sued, one, (one, KeyState.ACTIVE))
    assert (back.state, back.key) == (TrustState.ACTIVE, partner.key)


async def test_further_keys_at_the_address_change_nothing(partners: Pair) -> None:
    nord, sued = partners
    before = await nord.partner(sued)
    show(
        sued,
        (signer(sued, 1), KeyState.ACTIVE),
        (signer(sued, 2), KeyState.ANNOUNCED),
    )
    await nord.partners.keys.look(before)
    now = await nord.partner(sued)
    assert (now.state, now.keys) == (TrustState.ACTIVE, before.keys)


async def test_withdrawals_and_leave_are_taken_while_suspended_and_it_can_end(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    await suspend(nord, sued)
    empty = build_page(
        [],
        address=sued.context.address,
        epoch="0123456789abcdef" * 2,
        first=1,
        last=0,
        head=0,
    )
    assert (await post(sender, nord, dict(empty), by=one)).status == 200
    ended = await nord.partners.end(nord.office, sued.base_url)
    assert ended.state is TrustState.ENDING


# -- when it is looked at ---------------------------------------------------------


async def test_every_partner_is_looked_at_once_a_day(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners

    def looks() -> int:
        return sued.reached.count("GET /actor")

    before = looks()
    assert await nord.partners.keys.look_at_due() == 0
    clock.advance(hours=19)
    assert await nord.partners.keys.look_at_due() == 0
    clock.advance(hours=9, minutes=1)
    assert await nord.partners.keys.look_at_due() == 1
    assert await nord.partners.keys.look_at_due() == 0
    assert looks() == before + 1
    assert (await nord.partner(sued)).looked_at == clock.now()


async def test_partner_that_does_not_answer_is_not_suspended(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await sued.stop()
    clock.advance(hours=29)
    assert await nord.partners.keys.look_at_due() == 1
    partner = await nord.partner(sued)
    assert (partner.state, partner.looked_at) == (TrustState.ACTIVE, clock.now())


@pytest.mark.parametrize("number", [1, 2], ids=["same id", "other id"])
async def test_answer_with_an_unknown_key_is_looked_into_once_an_hour(
    partners: Pair, clock: MovableClock, number: int
) -> None:
    """Süd was set up anew and signs its receipts with a key that is not pinned."""
    nord, sued = partners
    clock.advance(minutes=61)
    show(sued, (signer(sued, number, seed="anew"), KeyState.ACTIVE))
    before = sued.reached.count("GET /actor")
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert sued.reached.count("GET /actor") == before + 1
    partner = await nord.partner(sued)
    assert partner.state is TrustState.SUSPENDED
    await nord.partners.keys.foreign_key_seen(partner)
    assert sued.reached.count("GET /actor") == before + 1
    clock.advance(minutes=61)
    await nord.partners.keys.foreign_key_seen(partner)
    assert sued.reached.count("GET /actor") == before + 2


# -- later partners ---------------------------------------------------------------


async def test_partner_that_joins_after_a_rotation_verifies_old_entries(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    """Both ways of learning the keys: the request, and the host's actor."""
    one, two = signer(sued, 1), signer(sued, 2)
    show(sued, (two, KeyState.ACTIVE), (one, KeyState.RETIRED))
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    await nord.partners.confirm(nord.office, sued.base_url, compared=True)
    partner = await nord.partner(sued)
    assert [key.key_id for key in partner.keys] == [two.key_id, one.key_id]
    assert partner.keys[1].expires == START
    old = entry_page(sued, one, created=START)
    assert (await post(sender, nord, old, by=two)).status == 200
    assert await titles(nord) == ["Prüfung von Linsen"]


async def test_guest_pins_the_hosts_retired_keys_and_no_second_current_one(
    nord: RunningNode, sued: RunningNode
) -> None:
    one, two, three = (signer(sued, number) for number in (1, 2, 3))
    show(
        sued,
        (two, KeyState.ACTIVE),
        (one, KeyState.RETIRED),
        (three, KeyState.ANNOUNCED),
    )
    created = await sued.partners.invite(sued.office)
    await nord.partners.accept(nord.office, created.code)
    partner = await nord.partner(sued)
    assert [key.key_id for key in partner.keys] == [two.key_id, one.key_id]


async def test_key_that_was_revoked_cannot_begin_a_new_partnership(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    revoked = listed(one, revoked=START)
    document = await update(sued, nord, listed(two), revoked, by=one)
    await post(sender, nord, document, by=one)
    await nord.partners.end(nord.office, sued.base_url)
    await nord.partners.close_unconfirmed(nord.office, sued.base_url)
    await sued.partners.end(sued.office, nord.base_url)
    await sued.partners.close_unconfirmed(sued.office, nord.base_url)
    created = await nord.partners.invite(nord.office)
    with pytest.raises(ConflictError) as caught:
        await sued.partners.accept(sued.office, created.code)
    assert caught.value.code == "guest-key-ended"
    assert (await nord.partner(sued)).state is TrustState.ENDED
    invitation = await sued.partners.invite(sued.office)
    with pytest.raises(ConflictError) as caught:
        await nord.partners.preview(nord.office, invitation.code)
    assert caught.value.code == "partner-key-ended"
