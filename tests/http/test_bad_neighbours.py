"""What others do beside a partner, and what the partner still gets."""

import asyncio
import json
from contextlib import ExitStack
from typing import Any

import pytest
from sqlalchemy import update

from federation import decisions
from federation.errors import PermanentFetchError, RateLimitError
from federation.limits import (
    ADDRESS_FAILURE_RATE,
    ADDRESS_REFUSAL_RATE,
    KIB,
    NAMED_KEY_RATE,
)
from federation.rates import DoorRates
from federation.signatures.http import sign_request
from node.limits import PARTNER_REQUESTS_AT_ONCE_MAX, STRANGERS_BYTES_MAX
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.storage import ledger
from node.storage.tables import disclosures, partner_keys
from node.web.partner_addresses import PartnerAddresses
from node.web.partner_check import PartnerCheck
from tests.http.nodes import (
    OFFER,
    START,
    MovableClock,
    RunningNode,
    become_partners,
)
from tests.http.partner_key_world import signer
from tests.http.raw import port_of
from tests.http.sender import Sender, Untouched, as_bytes, head_only
from tests.http.test_doors_activities import message

Pair = tuple[RunningNode, RunningNode]


async def count_held(node: RunningNode) -> int:
    return len((await node.tables())["received_entries"])


# -- the same address -------------------------------------------------------------


@pytest.mark.parametrize("silenced", [False, True])
async def test_partner_gets_through_beside_a_stranger_at_its_address(
    partners: Pair, sender: Sender, silenced: bool
) -> None:
    nord, sued = partners
    sent = int(ADDRESS_FAILURE_RATE.burst) + 1
    if silenced:
        sent += int(ADDRESS_REFUSAL_RATE.burst)
    statuses = [(await sender.post(sued, b"{}")).status for _ in range(sent)]
    assert statuses[-1] == 429
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert (await nord.partner(sued)).last_error is None
    assert await count_held(sued) == 1
    assert (await sender.post(sued, b"{}")).status == 429


async def test_head_that_a_partner_signed_lets_few_requests_in(
    partners: Pair, ost: RunningNode, sender: Sender, page: dict[str, Any]
) -> None:
    nord, sued = partners
    foreign = signer(nord, 1, seed="evil")
    for _ in range(int(ADDRESS_FAILURE_RATE.burst)):
        await sender.post(sued, b"{}")
    body, changed = as_bytes(page), as_bytes({**page, "head": 999})
    statuses = []
    async with Untouched(sued, nord):
        # An unknown key lets nobody in, nor does whoever only names a known one; and
        # what that one has signed comes in as often as its rate says.
        unknown = await sender.post(sued, body, signer=ost.context.signer)
        assert (await sender.post(sued, body, signer=foreign)).status == 429
        for _ in range(int(NAMED_KEY_RATE.burst) + 5):
            answer = await sender.post(
                sued, body, sent=changed, signer=nord.context.signer
            )
            statuses.append(answer.status)
    assert unknown.status == 429
    assert statuses == [401] * int(NAMED_KEY_RATE.burst) + [429] * 5


async def test_a_partners_faulty_documents_lock_nobody_out(
    partners: Pair, sender: Sender, page: dict[str, Any]
) -> None:
    """A wrong proof is 401, but the request was signed by a partner."""
    nord, sued = partners
    faulty = json.loads(json.dumps(page))
    faulty["orderedItems"][0]["object"]["name"] = "Other"
    for _ in range(int(ADDRESS_FAILURE_RATE.burst) + 5):
        answer = await sender.post(sued, as_bytes(faulty), signer=nord.context.signer)
        assert answer.status == 401
    assert (await sender.post(sued, b"{}")).status == 401


async def test_address_behind_a_proxy_is_no_address_of_a_partner(
    partners: Pair, sender: Sender, page: dict[str, Any], clock: MovableClock
) -> None:
    """Connections are the proxy's; a name in a field must keep none of them."""
    nord, sued = partners
    answer = await sender.post(
        sued,
        as_bytes(page),
        signer=nord.context.signer,
        headers={"X-Forwarded-For": "198.51.100.7"},
    )
    assert answer.status == 200
    assert not sued.partner_addresses.knows("198.51.100.7", now=clock.now())


# -- bodies -----------------------------------------------------------------------


@pytest.mark.parametrize("names_a_key", [False, True])
async def test_strangers_fill_their_own_room_only(
    partners: Pair, sender: Sender, names_a_key: bool
) -> None:
    nord, sued = partners
    length, of_one = 256 * KIB, 4
    fields = {
        "Host": sued.base_url.removeprefix("http://"),
        "Content-Type": "application/activity+json",
        "Content-Length": str(length),
    }
    if names_a_key:
        fields |= sign_request(
            "POST",
            f"{sued.base_url}/inbox",
            body=b"",
            signer=signer(nord, 1, seed="evil"),
            created=START,
            nonce="n" * 22,
        )
    lines = [f"{name}: {value}" for name, value in fields.items()]
    head = "\r\n".join(["POST /inbox HTTP/1.1", *lines, "", ""])
    held = []
    for number in range(STRANGERS_BYTES_MAX // length + 8):
        source = f"127.0.1.{1 + number // of_one}"
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port_of(sued), local_addr=(source, 0)
        )
        writer.write(head.encode() + b"x" * (length - 1))
        await writer.drain()
        held.append(writer)
    await asyncio.sleep(0.2)
    assert (await sender.post(sued, b"{}" + b" " * 64 * KIB)).code == "busy"
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    assert (await nord.partner(sued)).last_error is None
    assert await count_held(sued) == 1
    for writer in held:
        writer.close()


@pytest.mark.parametrize("names_a_key", [False, True])
async def test_long_body_of_a_stranger_is_refused_before_it_is_sent(
    partners: Pair, names_a_key: bool
) -> None:
    nord, sued = partners
    fields = {"Content-Type": "application/activity+json"}
    if names_a_key:
        fields |= sign_request(
            "POST",
            f"{sued.base_url}/inbox",
            body=b"",
            signer=signer(nord, 1, seed="evil"),
            created=START,
            nonce="n" * 22,
        )
    answer = await head_only(sued, "POST /inbox", length=300 * KIB, headers=fields)
    assert answer.split()[1] == "401"


# -- turns ------------------------------------------------------------------------


async def test_requests_of_one_partner_at_once_are_bounded(nord: RunningNode) -> None:
    check = PartnerCheck(nord.context, rates=DoorRates(), addresses=PartnerAddresses())
    with ExitStack() as open_requests:
        for _ in range(PARTNER_REQUESTS_AT_ONCE_MAX):
            open_requests.enter_context(check.one_of_few("p"))
        with pytest.raises(RateLimitError), check.one_of_few("p"):
            pass
        with check.one_of_few("q"):
            pass
    with check.one_of_few("p"):
        pass


async def test_what_took_effect_is_answered_also_beyond_the_quota(
    partners: Pair, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    monkeypatch.setattr(decisions, "MESSAGES_DAILY_MAX", 2)
    body = message(sued, nord, about=entry.uri)
    signer = sued.context.signer
    assert (await sender.post(nord, body, signer=signer)).status == 202
    monkeypatch.setattr(decisions, "MESSAGES_DAILY_MAX", 1)
    assert (await sender.post(nord, body, signer=signer)).status == 202
    further = message(sued, nord, about=entry.uri)
    assert (await sender.post(nord, further, signer=signer)).status == 429


# -- keys that end while a request waits ---------------------------------------------


@pytest.fixture
def revoked_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every key of a partner is revoked between its check and its turn."""
    real = PartnerCheck.admitted_with

    async def admitted(self: PartnerCheck, *args: Any, **named: Any) -> Any:
        outcome = await real(self, *args, **named)
        now = self._context.clock.now()

        async def revoke(tx: Any) -> None:
            await tx.execute(update(partner_keys).values(revoked=now))

        await self._context.database.write(revoke)
        return outcome

    monkeypatch.setattr(PartnerCheck, "admitted_with", admitted)


@pytest.mark.usefixtures("revoked_meanwhile")
async def test_pull_with_a_key_that_ended_meanwhile(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    peer = known_peer(await sued.partner(nord))
    with pytest.raises(PermanentFetchError) as caught:
        await sued.client.pull_page(peer, after=0, signer=sued.context.signer)
    assert (caught.value.status, caught.value.problem_code) == (401, "key-ended")


async def test_answer_takes_no_longer_the_more_others_were_told(
    partners: Pair,
    ost: RunningNode,
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The time would tell a partner who else there is."""
    nord, sued = partners
    await become_partners(nord, ost)
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    read = []
    real = ledger.disclosure_of
    monkeypatch.setattr(
        ledger, "disclosure_of", lambda row: read.append(1) or real(row)
    )
    signer = sued.context.signer
    assert (await sender.get(nord, f"/entries/{entry.id}", signer=signer)).status == 200
    assert len(read) == 1


@pytest.mark.parametrize("exists", [False, True])
async def test_key_that_ended_meanwhile_does_not_say_whether_there_is_an_entry(
    partners: Pair, sender: Sender, request: pytest.FixtureRequest, exists: bool
) -> None:
    nord, sued = partners
    hidden = await nord.catalogue.publish(
        nord.office, {**OFFER, "audience": {"level": "cluster"}}
    )
    request.getfixturevalue("revoked_meanwhile")
    path = f"/entries/{hidden.id if exists else 'a' * 26}"
    answer = await sender.get(nord, path, signer=sued.context.signer)
    assert (answer.status, answer.code) == (401, "key-ended")


@pytest.mark.parametrize("way", ["present", "withdrawn"])
async def test_entry_for_a_key_that_ended_meanwhile(
    partners: Pair, sender: Sender, request: pytest.FixtureRequest, way: str
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    if way == "withdrawn":
        await nord.catalogue.withdraw(nord.office, entry.id)
    signer = sued.context.signer
    before = await sender.get(nord, f"/entries/{entry.id}", signer=signer)
    assert before.status == (200 if way == "present" else 410)
    request.getfixturevalue("revoked_meanwhile")
    answer = await sender.get(nord, f"/entries/{entry.id}", signer=signer)
    assert (answer.status, answer.code) == (401, "key-ended")
    assert "Accept-Signature" in answer.headers


async def test_entry_in_another_version_than_the_partner_is_told_is_not_shown(
    partners: Pair, sender: Sender
) -> None:
    """Otherwise a copy would exist that no withdrawal names."""
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    signer = sued.context.signer
    path = f"/entries/{entry.id}"
    assert (await sender.get(nord, path, signer=signer)).status == 200

    async def put_back(tx: Any) -> None:
        await tx.execute(update(disclosures).values(counter=entry.version.counter + 1))

    await nord.database.write(put_back)
    assert (await sender.get(nord, path, signer=signer)).status == 404


# -- turns of our own deliveries -----------------------------------------------------


async def test_partner_for_whom_there_is_always_more_keeps_nobody_waiting(
    partners: Pair, ost: RunningNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slot, and a partner that takes a step back again and again."""
    nord, sued = partners
    await become_partners(nord, ost)
    await nord.catalogue.publish(nord.office, OFFER)
    busy, waiting = await nord.partner(sued), await nord.partner(ost)
    worker, served = nord.delivery, asyncio.Event()
    monkeypatch.setattr(worker, "_slots", asyncio.Semaphore(1))
    real = worker._one_round

    async def one_round(partner: Partner) -> Any:
        await asyncio.sleep(0)
        if partner.id == busy.id:
            return True, None
        served.set()
        return await real(partner)

    monkeypatch.setattr(worker, "_one_round", one_round)
    worker._start(busy.id, worker.deliver)
    await asyncio.sleep(0.1)
    running = asyncio.create_task(worker.run())
    try:
        async with asyncio.timeout(10):
            worker._start(waiting.id, worker.deliver)
            await served.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
