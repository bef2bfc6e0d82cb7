"""What the doors let others read: pages, entries, discovery, probes."""

import asyncio
import json
from typing import Any

import pytest

from federation.errors import PermanentFetchError
from federation.trust import TrustState
from node.partners.directory import known_peer
from tests.http.nodes import OFFER, MovableClock, RunningNode
from tests.http.sender import Sender, Untouched, head_only

# -- reading --------------------------------------------------------------------


async def test_pull_gives_the_same_page_signed(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any]
) -> None:
    nord, sued = partners
    peer = known_peer(await sued.partner(nord))
    pulled = await sued.client.pull_page(peer, after=0, signer=sued.context.signer)
    pushed = [item["object"]["id"] for item in page["orderedItems"]]
    assert [item.entry_id for item in pulled.items] == pushed


async def test_pull_by_nobody_and_by_a_stranger(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    sender: Sender,
) -> None:
    nord, sued = partners
    for signer in (None, ost.context.signer):
        async with Untouched(nord, sued, ost):
            answer = await sender.get(nord, "/outbox?after=0", signer=signer)
        assert answer.status == 401
    async with Untouched(nord, sued):
        answer = await sender.get(nord, "/outbox", signer=sued.context.signer)
    assert (answer.status, answer.code) == (400, "malformed")


async def test_pull_by_an_ended_partner(
    partners: tuple[RunningNode, RunningNode], ost: RunningNode
) -> None:
    nord, sued = partners
    peer = known_peer(await sued.partner(nord))
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    with pytest.raises(PermanentFetchError) as caught:
        await sued.client.pull_page(peer, after=0, signer=sued.context.signer)
    assert caught.value.problem_code == "partnership-ended"


async def test_entry_documents_by_who_asks(
    partners: tuple[RunningNode, RunningNode], ost: RunningNode, sender: Sender
) -> None:
    nord, sued = partners
    for_partners = await nord.catalogue.publish(nord.office, OFFER)
    for_all = await nord.catalogue.publish(
        nord.office, {**OFFER, "audience": {"level": "public"}}
    )
    secret = await nord.catalogue.publish(
        nord.office, {**OFFER, "audience": {"level": "cluster"}}
    )
    await nord.settle()
    signer = sued.context.signer
    public = await sender.get(nord, f"/entries/{for_all.id}")
    assert (public.status, public.body) == (200, for_all.document)
    told = await sender.get(nord, f"/entries/{for_partners.id}", signer=signer)
    assert (told.status, told.body) == (200, for_partners.document)
    assert told.headers["Cache-Control"] == "private, no-store"
    hidden = [
        await sender.get(nord, f"/entries/{for_partners.id}"),
        await sender.get(nord, f"/entries/{secret.id}"),
        await sender.get(nord, f"/entries/{secret.id}", signer=signer),
        await sender.get(nord, f"/entries/{'a' * 26}"),
        await sender.get(nord, "/entries/x"),
    ]
    assert {answer.status for answer in hidden} == {404}
    bare = [(answer.body, {**answer.headers, "Date": ""}) for answer in hidden]
    assert all(each == bare[0] for each in bare)
    stranger = await sender.get(
        nord, f"/entries/{for_all.id}", signer=ost.context.signer
    )
    assert (stranger.status, stranger.code) == (401, "unknown-key")


@pytest.mark.parametrize("state", [TrustState.PAUSED, TrustState.ENDING])
async def test_entry_is_given_only_to_a_partner_that_may_be_told(
    partners: tuple[RunningNode, RunningNode], sender: Sender, state: TrustState
) -> None:
    nord, sued = partners
    signer = sued.context.signer
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    path = f"/entries/{entry.id}"
    assert (await sender.get(nord, path, signer=signer)).status == 200
    if state is TrustState.PAUSED:
        await nord.partners.pause(nord.office, "sued")
    else:
        await nord.partners.end(nord.office, "sued")
    newer = {**OFFER, "summary": {"de": "Vorerst nur für uns."}}
    await nord.catalogue.publish(nord.office, newer, entry_ref=entry.id)
    hidden = await sender.get(nord, path, signer=signer)
    absent = await sender.get(nord, f"/entries/{'a' * 26}", signer=signer)
    if state is TrustState.PAUSED:
        assert (hidden.status, hidden.body) == (404, absent.body)
    else:
        # What it was told is being taken back.
        assert (hidden.status, json.loads(hidden.body)["type"]) == (410, "Tombstone")
    if state is TrustState.PAUSED:
        await nord.partners.resume(nord.office, "sued")
        assert (await sender.get(nord, path, signer=signer)).status == 200


async def test_get_has_no_body(nord: RunningNode) -> None:
    for path in (f"/entries/{'a' * 26}", "/outbox?after=0"):
        head = await head_only(nord, f"GET {path}", length=4_000_000)
        assert head.startswith("HTTP/1.1 400 ")


async def test_browser_is_led_to_the_page_whether_there_is_an_entry_or_not(
    nord: RunningNode, sender: Sender
) -> None:
    entry = await nord.catalogue.publish(nord.office, OFFER)
    for entry_id in (entry.id, "a" * 26):
        answer = await sender.get(nord, f"/entries/{entry_id}", accept="text/html,*/*")
        assert answer.status == 303
        assert answer.headers["Location"] == f"/e/{entry_id}"
    odd = await sender.get(nord, "/entries/%0d%0aX-Odd:1", accept="text/html")
    assert (odd.status, "X-Odd" in odd.headers) == (404, False)


async def test_discovery(nord: RunningNode, sender: Sender) -> None:
    host = nord.base_url.removeprefix("http://")
    found = await sender.get(nord, f"/.well-known/webfinger?resource={nord.base_url}/")
    assert found.headers["Content-Type"] == "application/jrd+json"
    assert found.headers["Access-Control-Allow-Origin"] == "*"
    links = {link["rel"]: link["href"] for link in json.loads(found.body)["links"]}
    assert links["self"] == f"{nord.base_url}/actor"
    account = await sender.get(
        nord, f"/.well-known/webfinger?resource=acct:cluster@{host}"
    )
    assert account.status == 200
    for query, status in (("", 400), ("?resource=x", 400), ("?resource=acct:a@b", 404)):
        answer = await sender.get(nord, f"/.well-known/webfinger{query}")
        assert answer.status == status
    actor = json.loads((await sender.get(nord, "/actor")).body)
    assert (actor["type"], actor["card"]["members"]) == ("Application", 84)
    links = json.loads((await sender.get(nord, "/.well-known/nodeinfo")).body)["links"]
    info = await sender.get(nord, links[0]["href"].removeprefix(nord.base_url))
    assert json.loads(info.body)["usage"] == {"users": {}}


async def test_probes(nord: RunningNode, sender: Sender, clock: MovableClock) -> None:
    before = await nord.tables()
    assert (await sender.get(nord, "/livez")).status == 200
    assert (await sender.get(nord, "/readyz")).status == 200
    after = await nord.tables()
    # Whether anything can be written is known only by writing.
    assert (before.pop("probes"), len(after.pop("probes"))) == ([], 1)
    assert after == before
    keys = nord.context.keys
    keys.replace(keys.keys, {})
    clock.advance(seconds=1)
    without = await sender.get(nord, "/readyz")
    assert (without.status, without.body) == (503, b"key-missing\n")
    await nord.database.close()
    assert (await sender.get(nord, "/livez")).status == 200
    clock.advance(seconds=1)
    closed = await sender.get(nord, "/readyz")
    assert closed.status == 503


async def test_probe_takes_the_write_lock_once_a_second(
    nord: RunningNode,
    sender: Sender,
    clock: MovableClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writes = 0
    write = nord.database.write

    async def counted(work: Any) -> Any:
        nonlocal writes
        writes += 1
        return await write(work)

    monkeypatch.setattr(nord.database, "write", counted)
    await asyncio.gather(*(sender.get(nord, "/readyz") for _ in range(20)))
    assert writes == 1
    clock.advance(seconds=1)
    assert (await sender.get(nord, "/readyz")).status == 200
    assert writes == 2
