"""What one partner may send and fill, with two real nodes."""

import json
from datetime import timedelta
from typing import Any

import pytest

from federation import decisions
from federation.limits import PARTNER_ITEMS_RATE
from federation.rates import Bucket
from node.exchange.activities import Activities
from node.limits import (
    PARTNER_ADDRESS_KEPT,
    PARTNER_ADDRESSES_MAX,
    PROCESSED_KEPT,
)
from node.members.model import Role
from node.storage.nonces import forget_processed
from node.storage.quotas import count_remembered
from node.storage.tables import (
    disclosures,
    processed_activities,
    received_entries,
)
from tests.http.nodes import OFFER, MovableClock, RunningNode
from tests.http.sender import Sender, Untouched, as_bytes


async def publish(node: RunningNode, count: int) -> list[str]:
    """Publish entries for all partners; return their ids."""
    made = []
    for number in range(count):
        document = {**OFFER, "title": {"de": f"Angebot {number}"}}
        made.append((await node.catalogue.publish(node.office, document)).id)
    return made


async def held(node: RunningNode) -> dict[str, int]:
    """How many entries of partners a node holds, by state."""
    rows = (await node.tables())["received_entries"]
    column = [each.name for each in received_entries.c].index("state")
    states = [row[column] for row in rows]
    return {state: states.count(state) for state in set(states)}


@pytest.fixture
def small_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decisions, "ENTRIES_HELD_MAX", 3)
    monkeypatch.setattr(decisions, "ENTRIES_REMEMBERED_MAX", 5)


@pytest.mark.usefixtures("small_quota")
async def test_entries_beyond_the_quota_are_kept_out_and_both_sides_know(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    first = await publish(nord, 4)
    await nord.settle()
    assert await held(sued) == {"present": 3, "quarantined": 1}
    sender = await nord.partner(sued)
    assert (sender.receipt_held, sender.receipt_refused) == (3, 1)
    assert sender.digest_equal
    columns = [each.name for each in disclosures.c]
    reasons = [
        row[columns.index("refused_reason")]
        for row in (await nord.tables())["disclosures"]
    ]
    (reason,) = [each for each in reasons if each]
    assert reason.startswith("quota-exceeded")
    # What is known still changes, and goes.
    await nord.catalogue.withdraw(nord.office, first[0])
    await nord.settle()
    assert await held(sued) == {"present": 2, "withdrawn": 1, "quarantined": 1}
    assert (await nord.partner(sued)).acked_seq == (await nord.partner(sued)).head_seq


@pytest.mark.usefixtures("small_quota")
async def test_pages_that_are_fetched_keep_the_quota_too(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await publish(nord, 4)
    await sued.delivery.pull((await sued.partner(nord)).id)
    assert await held(sued) == {"present": 3, "quarantined": 1}
    await publish(nord, 3)
    await sued.delivery.pull((await sued.partner(nord)).id)
    assert sum((await held(sued)).values()) == 5


@pytest.mark.usefixtures("small_quota")
async def test_more_ids_than_are_remembered_hold_nothing_up(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    first = await publish(nord, 5)
    await nord.settle()
    before = await held(sued)
    (beyond,) = await publish(nord, 1)
    await nord.settle()
    # Without a row, named in the receipt, and the position advances.
    assert await held(sued) == before
    sender = await nord.partner(sued)
    assert (sender.last_error, sender.acked_seq) == (None, sender.head_seq)
    assert sender.digest_equal
    assert "quota-exceeded" in (await refused_reason(nord, beyond) or "")
    # Withdrawals of held entries arrive behind it, also of what left no row.
    await publish(nord, 2)
    await nord.catalogue.withdraw(nord.office, beyond)
    await nord.catalogue.withdraw(nord.office, first[0])
    await nord.settle()
    assert (await held(sued))["withdrawn"] == 1
    assert sum((await held(sued)).values()) == 5
    assert (await nord.partner(sued)).digest_equal


async def refused_reason(node: RunningNode, entry_id: str) -> str | None:
    columns = [each.name for each in disclosures.c]
    for row in (await node.tables())["disclosures"]:
        if row[columns.index("entry_id")] == entry_id:
            reason: str | None = row[columns.index("refused_reason")]
            return reason
    return None


async def test_entries_and_withdrawals_pass_while_messages_wait(
    partners: tuple[RunningNode, RunningNode],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the same round, and no message is sent before `Retry-After` is over."""
    nord, sued = partners
    monkeypatch.setattr(decisions, "MESSAGES_DAILY_MAX", 1)
    asked = await sued.catalogue.publish(sued.office, OFFER)
    (withdrawn,) = await publish(nord, 1)
    await sued.settle()
    await nord.settle()
    asker = await nord.add_person("adam@laser.example", organisation="Laser")
    thread = await nord.conversations.answer(asker, asked.uri, "Frage 0")
    for number in (1, 2, 3):
        await nord.conversations.reply(asker, thread.id, f"Frage {number}")
    await nord.catalogue.withdraw(nord.office, withdrawn)
    await publish(nord, 1)
    await nord.settle()
    assert await held(sued) == {"withdrawn": 1, "present": 1}
    waiting = await nord.partner(sued)
    assert "429 quota-exceeded" in (waiting.last_error or "")
    # The messages rest: nothing but further pages is sent meanwhile.
    reached = len(sued.reached)
    for _ in range(5):
        clock.advance(minutes=10)
        await nord.settle()
    assert len(sued.reached) == reached
    await publish(nord, 1)
    await nord.settle()
    assert (await held(sued))["present"] == 2
    assert sued.reached[reached:] == ["POST /inbox"]
    for _ in range(4):
        clock.advance(days=1, minutes=1)
        await nord.settle()
    assert (await nord.partner(sued)).last_error is None


async def test_messages_beyond_a_days_quota_wait_and_arrive_the_next_day(
    partners: tuple[RunningNode, RunningNode],
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nord, sued = partners
    monkeypatch.setattr(decisions, "MESSAGES_DAILY_MAX", 3)
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    entry = await nord.catalogue.publish(owner, OFFER)
    await nord.settle()
    asker = await sued.add_person("adam@laser.example", organisation="Laser")
    asked = await sued.conversations.answer(asker, entry.uri, "Frage 0")
    for number in range(1, 6):
        await sued.conversations.reply(asker, asked.id, f"Frage {number}")
    await sued.settle()
    (arrived,) = await nord.conversations.list_for(owner)
    count = len(arrived.messages)
    assert 0 < count <= 3
    assert "429 quota-exceeded" in ((await sued.partner(nord)).last_error or "")
    for _ in range(3):
        clock.advance(days=1, minutes=1)
        await sued.settle()
    (arrived,) = await nord.conversations.list_for(owner)
    assert [each.text for each in arrived.messages] == [f"Frage {n}" for n in range(6)]


async def test_client_waits_as_long_as_the_partner_says(
    partners: tuple[RunningNode, RunningNode], clock: MovableClock
) -> None:
    nord, sued = partners
    await publish(nord, 1)
    partner_id, seconds = (await sued.partner(nord)).id, 30
    # A page of two hundred items came in its name when the bucket was empty.
    sued.rates._items._buckets[partner_id] = Bucket(
        1 - seconds * PARTNER_ITEMS_RATE.per_second, clock.now()
    )
    then = clock.now()
    await nord.settle()
    waiting = await nord.partner(sued)
    assert await held(sued) == {}
    assert "429 rate-limit-exceeded" in (waiting.last_error or "")
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at >= then + timedelta(seconds=seconds - 1)
    clock.moment = waiting.next_attempt_at
    await nord.settle()
    assert await held(sued) == {"present": 1}


async def test_requests_of_one_partner_are_counted_whatever_they_carry(
    partners: tuple[RunningNode, RunningNode],
    page: dict[str, Any],
    sender: Sender,
    clock: MovableClock,
) -> None:
    nord, sued = partners
    partner_id = (await sued.partner(nord)).id
    sued.rates._partners._buckets[partner_id] = Bucket(0.0, clock.now())
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert (answer.status, answer.code) == (429, "rate-limit-exceeded")
    assert json.loads(answer.body)["retry_after"] == 1
    # Another partner's share is its own; and this one's comes back.
    clock.advance(seconds=1)
    taken = await sender.post(
        sued, as_bytes(page), signer=nord.context.signer, created=clock.now()
    )
    assert taken.status == 200


async def test_message_that_was_forgotten_is_still_no_new_one(
    partners: tuple[RunningNode, RunningNode], sender: Sender, clock: MovableClock
) -> None:
    """Its line may go: the message itself remembers it."""
    nord, sued = partners
    owner = await nord.add_person(
        "olga@optik.example", organisation="Optik", role=Role.ORGANISATION_ADMIN
    )
    entry = await nord.catalogue.publish(owner, OFFER)
    await nord.settle()
    asker = await sued.add_person("adam@laser.example", organisation="Laser")
    await sued.conversations.answer(asker, entry.uri, "Ab wann?")
    body = await undelivered(sued, nord)
    signer = sued.context.signer
    assert (await sender.post(nord, body, signer=signer)).status == 202
    later = clock.now() + PROCESSED_KEPT

    async def forget(tx: Any) -> int:
        return await forget_processed(tx, before=later + timedelta(seconds=1))

    assert await nord.database.write(forget) >= 1
    kinds = [each.name for each in processed_activities.c].index("kind")
    rows = (await nord.tables())["processed_activities"]
    assert "message" not in {row[kinds] for row in rows}
    messages = (await nord.tables())["messages"]
    assert (await sender.post(nord, body, signer=signer)).status == 202
    assert (await nord.tables())["messages"] == messages


async def undelivered(node: RunningNode, other: RunningNode) -> bytes:
    """Build the activity that waits for a partner, without sending it."""
    from node.storage import outgoing

    partner = await node.partner(other)
    async with node.database.read() as tx:
        waiting = await outgoing.next_undelivered(tx, partner.id)
        assert waiting is not None
        built = await Activities(node.context, node.partners).build(
            tx, partner, waiting
        )
    return built.document.raw


async def test_one_partner_fills_nothing_of_another(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    await publish(nord, 3)
    await nord.settle()
    async with sued.database.read() as tx:
        assert await count_remembered(tx, (await sued.partner(nord)).id) == 3
        assert await count_remembered(tx, "nobody") == 0


async def test_address_of_a_partner_is_remembered_after_its_signature(
    partners: tuple[RunningNode, RunningNode], sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    sued.partner_addresses._seen.clear()
    await sender.post(sued, b"{}")
    assert not sued.partner_addresses.knows("127.0.0.1", now=clock.now())
    await publish(nord, 1)
    await nord.settle()
    assert sued.partner_addresses.knows("127.0.0.1", now=clock.now())
    later = clock.now() + PARTNER_ADDRESS_KEPT
    assert not sued.partner_addresses.knows("127.0.0.1", now=later)
    for number in range(PARTNER_ADDRESSES_MAX + 5):
        sued.partner_addresses.note(f"a{number}", now=clock.now())
    assert len(sued.partner_addresses._seen) == PARTNER_ADDRESSES_MAX
