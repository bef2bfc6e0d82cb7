"""Keys that a partner announces, retires and revokes; and what is refused."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation.documents import Card
from federation.documents.actor import build_actor
from federation.documents.actor_update import parse_actor_update
from federation.errors import ProofInvalidError
from federation.ids import random_id
from federation.key_changes import SuspensionReason
from federation.limits import KEYS_DAILY_MAX
from federation.trust import TrustState
from node.errors import ConflictError
from node.keys.model import KeyState
from node.partners.directory import known_peer
from node.partners.model import KeyOrigin, PartnerKey
from node.storage.database import Transaction
from node.storage.partner_keys import store_keys
from tests.http.nodes import START, MovableClock, RunningNode, become_partners
from tests.http.partner_key_world import (
    Pair,
    actor_of,
    confirm,
    entry_page,
    listed,
    post,
    resigned,
    show,
    signer,
    titles,
    update,
)
from tests.http.refusal_scene import written_lines
from tests.http.sender import Sender, Untouched

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
    """Updates of somebody else: document, who signs the request, the answer."""
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
    }


async def refused_keys(nord: RunningNode, sued: RunningNode) -> Any:
    """Updates whose keys, or whose version, are refused."""
    one, two = signer(sued, 1), signer(sued, 2)
    evil = signer(sued, 1, seed="evil")
    good = await update(sued, nord, listed(one), listed(two), by=one)
    told = good["object"]
    return {
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
    cases = {**await refusals(nord, sued, ost), **await refused_keys(nord, sued)}
    for what, case in cases.items():
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
    document = await update(sued, nord, listed(two), listed(one), by=two)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, document, by=two)
    assert (answer.status, answer.code) == (409, "key-conflict")
    # Retired once more, after a backup was put back: the earlier end stays.
    later = listed(one, expires=START)
    document = await update(sued, nord, listed(two), later, by=two)
    assert (await post(sender, nord, document, by=two)).status == 202
    assert (await nord.partner(sued)).keys[1].expires == retired.expires


async def test_update_without_a_key_that_counts_stops_the_flow(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    """A thief has slipped in a key of its own; the owner announces another."""
    nord, sued = partners
    one, two, evil = signer(sued, 1), signer(sued, 2), signer(sued, 77, seed="evil")
    slipped = await update(sued, nord, listed(one), listed(evil), by=one)
    assert (await post(sender, nord, slipped, by=one)).status == 202
    assert await nord.mails("partner-key-announced") == ["office@nord.example"]
    document = await update(sued, nord, listed(one), listed(two), by=one)
    with written_lines(clock) as stream:
        answer = await post(sender, nord, document, by=one)
    assert (answer.status, answer.code) == (409, "keys-suspended")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["code"] for line in lines if line["event"] == "refused"] == [
        "keys-suspended"
    ]
    partner = await nord.partner(sued)
    assert partner.state is TrustState.SUSPENDED
    assert partner.suspended_because is SuspensionReason.DISOWNED
    assert two.key_id not in [key.key_id for key in partner.keys]
    assert len(await nord.mails("partner-key-changed")) == 1
    # Once more, the same and as a node that tries again says it.
    fresh = sued.context.address.activity(random_id(sued.context.random))
    for again in (document, resigned(document, one, id=fresh)):
        async with Untouched(nord, sued):
            answer = await post(sender, nord, again, by=one)
        assert (answer.status, answer.code) == (409, "keys-suspended")
    async with Untouched(nord, sued):
        answer = await sender.get(nord, "/outbox?after=0", signer=evil)
    assert (answer.status, answer.code) == (403, "partnership-suspended")
    # What the office compares leaves nothing of the thief, and the update that
    # was refused is not taken for one that has come before.
    active = await confirm(nord, sued, one, (one, KeyState.ACTIVE))
    assert [key.key_id for key in active.keys] == [one.key_id]
    answer = await post(sender, nord, document, by=one)
    assert answer.status == 202
    now = await nord.partner(sued)
    assert [key.key_id for key in now.keys] == [one.key_id, two.key_id]


async def test_update_without_a_key_that_counts_is_refused_of_a_guest(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    one, two = signer(sued, 1), signer(sued, 2)
    both = await update(sued, nord, listed(one), listed(two), by=one)
    assert (await post(sender, nord, both, by=one)).status == 202
    assert await nord.mails("partner-key-announced") == []
    document = await update(sued, nord, listed(one), by=one)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, document, by=one)
    assert (answer.status, answer.code) == (409, "key-conflict")


async def test_older_update_is_refused(partners: Pair, sender: Sender) -> None:
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
    old = resigned(first, one, id=fresh)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, old, by=one)
    assert (answer.status, answer.code) == (409, "update-older")
    for document in (first, second):
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
    async with Untouched(nord, sued):
        answer = await post(sender, nord, again, by=two)
    assert (answer.status, answer.code) == (403, "partnership-suspended")
    # Another key at the address does not make a lesser reason of it.
    show(sued, (signer(sued, 3), KeyState.ACTIVE))
    await nord.partners.keys.look(await nord.partner(sued))
    partner = await nord.partner(sued)
    assert partner.suspended_because is SuspensionReason.REVOKED_ITSELF


async def test_guest_that_waits_changes_its_key_but_not_what_our_office_saw(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    one, two = signer(sued, 1), signer(sued, 2)
    document = await update(
        sued, nord, listed(two), listed(one), by=one, name="Anders", card=Card()
    )
    assert (await post(sender, nord, document, by=one)).status == 202
    partner = await nord.partner(sued)
    assert (partner.state, partner.key.key_id) == (TrustState.REQUESTED, two.key_id)
    assert (partner.name, partner.card["field"]) == ("Sued", "Photonik")
    # What its address shows is not the key of the request any more, or not yet.
    with pytest.raises(ConflictError) as caught:
        await nord.partners.confirm(nord.office, sued.base_url)
    assert caught.value.code == "partner-key-differs"


# -- too much ---------------------------------------------------------------------


async def test_more_new_keys_in_a_day_than_anybody_needs(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    one = signer(sued, 1)
    listed_now = [listed(one)]
    for number in range(2, 2 + KEYS_DAILY_MAX):
        ended = [replace(key, revoked=START) for key in listed_now[1:]]
        listed_now = [listed(one), listed(signer(sued, number)), *ended]
        document = await update(sued, nord, *listed_now, by=one)
        assert (await post(sender, nord, document, by=one)).status == 202
    ended = [replace(key, revoked=START) for key in listed_now[1:]]
    further = [listed(one), listed(signer(sued, 9)), *ended]
    document = await update(sued, nord, *further, by=one)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, document, by=one)
    assert (answer.status, answer.code) == (429, "too-many-keys")
    assert int(answer.headers["Retry-After"]) > 0
    clock.advance(hours=23, minutes=59)
    async with Untouched(nord, sued):
        answer = await post(sender, nord, document, by=one)
    assert (answer.status, answer.code) == (429, "too-many-keys")
    clock.advance(minutes=1, seconds=1)
    assert (await post(sender, nord, document, by=one)).status == 202


@pytest.mark.parametrize(
    "name",
    ["Nord", "OST", " Nord", "Nord\u200b", "O\u00adst", "\uff2eord", "o\u2060st"],
)
async def test_name_of_somebody_else_is_not_taken_over(
    partners: Pair, ost: RunningNode, sender: Sender, name: str
) -> None:
    nord, sued = partners
    await become_partners(nord, ost)
    one = signer(sued, 1)
    document = await update(sued, nord, listed(one), by=one, name=name)
    assert (await post(sender, nord, document, by=one)).status == 202
    assert (await nord.partner(sued)).name == "Sued"


async def test_key_that_ends_while_its_update_is_on_the_way(partners: Pair) -> None:
    """The door proved it with the keys of that moment; the transaction asks again."""
    nord, sued = partners
    one, two = signer(sued, 1), signer(sued, 2)
    partner = await nord.partner(sued)
    document = await update(sued, nord, listed(one), listed(two), by=one)
    proven = parse_actor_update(
        document, peer=known_peer(partner), address=nord.context.address
    )
    revoked = replace(partner.key, revoked=START)
    anew = signer(sued, 1, seed="anew")
    exchanged = replace(partner.key, id="anew", multibase=anew.key.public_key.multibase)
    for key in (revoked, exchanged):

        async def work(tx: Transaction, key: PartnerKey = key) -> None:
            await store_keys(tx, partner.id, [key], at=START)

        await nord.database.write(work)
        changed = await nord.partner(sued)
        async with Untouched(nord, sued):
            with pytest.raises(ProofInvalidError):
                await nord.database.write(
                    lambda tx, changed=changed: nord.partners.receive_update(  # type: ignore[misc]
                        tx, changed, proven
                    )
                )
