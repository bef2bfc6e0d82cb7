"""`GET /holdings`: every step that refuses, and what is told to whom (PRT-054)."""

import json
from datetime import timedelta
from typing import Any

import pytest

from federation.documents.holdings import HoldingsScope
from federation.errors import PermanentFetchError
from federation.exchange import bucket_of
from federation.keys import Signer
from federation.limits import PARTNER_RATE
from federation.trust import TrustState
from node.partners.directory import known_peer
from node.storage.partners import update_partner
from tests.http.comparing_scene import change_copies, invent_copy, published
from tests.http.nodes import MovableClock, RunningNode
from tests.http.sender import Sender, Untouched, as_bytes

Pair = tuple[RunningNode, RunningNode]
PATHS = ["/holdings", "/holdings?after=", "/holdings?bucket=7"]


async def told(partners: Pair, count: int = 3) -> list[str]:
    """Let Nord tell Süd entries."""
    nord, sued = partners
    ids = await published(nord, count)
    await nord.settle()
    await sued.settle()
    return ids


async def put_state(node: RunningNode, other: RunningNode, state: TrustState) -> None:
    partner = await node.partner(other)
    await node.database.write(lambda tx: update_partner(tx, partner.id, state=state))


async def test_the_partner_reads_what_it_has_told(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    one, other, _ = await told(partners)
    await nord.catalogue.withdraw(nord.office, one)
    await nord.settle()
    peer, signer = known_peer(await nord.partner(sued)), nord.context.signer
    holdings = await nord.client.fetch_holdings(peer, signer=signer)
    assert (holdings.position, holdings.view.count) == (4, 2)
    page = await nord.client.fetch_holdings_page(peer, HoldingsScope(), signer=signer)
    states = {each.entry_id: each.held.state.value for each in page.entries}
    assert states[nord.context.address.entry(one)] == "withdrawn"
    assert sorted(states.values()) == ["present", "present", "withdrawn"]
    uri = nord.context.address.entry(other)
    bucket = HoldingsScope(bucket_of(uri))
    part = await nord.client.fetch_holdings_page(peer, bucket, signer=signer)
    assert uri in {each.entry_id for each in part.entries}
    assert {bucket_of(each.entry_id) for each in part.entries} == {bucket.bucket}


async def test_a_long_list_goes_on(
    partners: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = partners
    ids = await told(partners, 5)
    monkeypatch.setattr("node.web.holdings_door.HOLDINGS_ITEMS_MAX", 2)
    peer, signer = known_peer(await nord.partner(sued)), nord.context.signer
    scope: HoldingsScope | None = HoldingsScope()
    found: list[str] = []
    sizes = []
    while scope is not None:
        page = await nord.client.fetch_holdings_page(peer, scope, signer=signer)
        found += [each.entry_id.rpartition("/")[2] for each in page.entries]
        sizes.append(len(page.entries))
        scope = page.more
    assert sizes == [2, 2, 1]
    assert found == sorted(ids)


async def test_nobody_reads_what_another_partner_has_told(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    """Ost is a partner, too, and has told nothing."""
    nord, sued = partners
    await told(partners)
    created = await sued.partners.invite(sued.office)
    await ost.partners.accept(ost.office, created.code)
    await sued.partners.confirm(sued.office, ost.base_url, compared=True)
    await sued.settle()
    answer = await sender.get(sued, "/holdings?after=", signer=ost.context.signer)
    assert answer.status == 200
    assert json.loads(answer.body)["holds"] == []
    assert nord.base_url.encode() not in answer.body


async def test_answer_is_signed_and_kept_by_nobody(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    await told(partners)
    answer = await sender.get(sued, "/holdings", signer=nord.context.signer)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Signature" in answer.headers
    assert sued.context.signer.key_id in answer.headers["Signature-Input"]


@pytest.mark.parametrize("path", PATHS)
async def test_strangers_learn_nothing(
    partners: Pair, ost: RunningNode, sender: Sender, path: str
) -> None:
    nord, sued = partners
    await told(partners)
    for signer, code in ((None, "signature-missing"), (ost, "unknown-key")):
        async with Untouched(sued, nord, ost):
            answer = await sender.get(
                sued, path, signer=None if signer is None else signer.context.signer
            )
        assert (answer.status, answer.code) == (401, code)
        assert "Accept-Signature" in answer.headers


async def test_a_signature_of_another_key_counts_for_nothing(
    partners: Pair, ost: RunningNode, sender: Sender
) -> None:
    nord, sued = partners
    forged = Signer(nord.context.address, ost.context.signer.key, 1)
    async with Untouched(sued, nord):
        answer = await sender.get(sued, "/holdings", signer=forged)
    assert (answer.status, answer.code) == (401, "signature-invalid")


async def test_a_request_counts_once(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    first = await sender.get(sued, "/holdings", signer=nord.context.signer)
    assert first.status == 200
    sender.count -= 1
    async with Untouched(sued, nord):
        again = await sender.get(sued, "/holdings", signer=nord.context.signer)
    assert (again.status, again.code) == (401, "replayed")
    clock.advance(seconds=301)
    async with Untouched(sued, nord):
        late = await sender.get(sued, "/holdings", signer=nord.context.signer)
    assert (late.status, late.code) == (401, "signature-stale")


@pytest.mark.parametrize(
    "query",
    [
        "?after",
        "?bucket=",
        "?bucket=256",
        "?bucket=07",
        "?bucket=-1",
        "?bucket=1&after=",
        "?bucket=1&after=x",
        f"?after={'A' * 26}",
        f"?after={'a' * 27}",
        f"?after={'a' * 26}&bucket=1",
        "?bucket=1&bucket=2",
        "?x=1",
    ],
)
async def test_another_query_is_refused(
    partners: Pair, sender: Sender, query: str
) -> None:
    nord, sued = partners
    async with Untouched(sued, nord):
        answer = await sender.get(sued, f"/holdings{query}", signer=nord.context.signer)
    assert (answer.status, answer.code) == (400, "malformed")


@pytest.mark.parametrize(
    ("state", "status", "code"),
    [
        (TrustState.ACTIVE, 200, ""),
        (TrustState.PAUSED, 200, ""),
        (TrustState.ENDING, 200, ""),
        (TrustState.SUSPENDED, 403, "partnership-suspended"),
        (TrustState.WAITING, 403, "partnership-not-confirmed"),
        (TrustState.REQUESTED, 403, "partnership-not-confirmed"),
        (TrustState.REFUSED, 403, "partnership-refused"),
        (TrustState.ENDED, 403, "partnership-ended"),
    ],
)
async def test_who_may_ask(
    partners: Pair, sender: Sender, state: TrustState, status: int, code: str
) -> None:
    nord, sued = partners
    await told(partners)
    await put_state(sued, nord, state)
    if status == 200:
        answer = await sender.get(sued, "/holdings", signer=nord.context.signer)
        assert answer.status == 200
        return
    async with Untouched(sued, nord):
        answer = await sender.get(sued, "/holdings", signer=nord.context.signer)
    assert (answer.status, answer.code) == (status, code)


async def test_other_methods_are_refused(partners: Pair, sender: Sender) -> None:
    nord, sued = partners
    async with Untouched(sued, nord):
        answer = await sender.post(
            sued, b"{}", path="/holdings", signer=nord.context.signer
        )
    assert (answer.status, answer.headers["Allow"]) == (405, "GET")


async def test_a_partner_that_asks_without_end_waits(
    partners: Pair, sender: Sender
) -> None:
    nord, sued = partners
    answers = [
        await sender.get(sued, "/holdings?after=", signer=nord.context.signer)
        for _ in range(int(PARTNER_RATE.burst) + 5)
    ]
    refused = [each for each in answers if each.status != 200]
    assert refused
    assert {(each.status, each.code) for each in refused} == {
        (429, "rate-limit-exceeded")
    }


async def test_a_node_without_the_door_is_told_apart(partners: Pair) -> None:
    nord, sued = partners
    peer = known_peer(await nord.partner(sued))
    object.__setattr__(peer, "base_url", f"{sued.base_url}/nowhere")
    with pytest.raises(PermanentFetchError) as caught:
        await nord.client.fetch_holdings(peer, signer=nord.context.signer)
    assert caught.value.status == 404


async def test_the_numbers_are_those_of_the_list(
    partners: Pair, clock: MovableClock
) -> None:
    """Also after somebody has changed the copies by hand."""
    nord, sued = partners
    ids = await told(partners)
    peer, signer = known_peer(await nord.partner(sued)), nord.context.signer
    await change_copies(sued, nord, ids[:1])
    await invent_copy(sued, nord)
    clock.advance(hours=2)
    holdings = await nord.client.fetch_holdings(peer, signer=signer)
    page = await nord.client.fetch_holdings_page(peer, HoldingsScope(), signer=signer)
    assert holdings.view.count == len(page.entries) == 3


# -- verifying pages at the inbox ---------------------------------------------------


async def page_of(nord: RunningNode, sued: RunningNode) -> dict[str, Any]:
    await published(nord, 2)
    page = await nord.sending.next_page((await nord.partner(sued)).id)
    document: dict[str, Any] = json.loads(json.dumps(page.document))
    assert document["held"] == 2
    return document


@pytest.mark.parametrize(
    "change",
    [
        lambda page: page.pop("held"),
        lambda page: page.pop("digest"),
        lambda page: page.pop("published"),
        lambda page: page.update(head=page["head"] + 1),
        lambda page: page.update(held=-1),
        lambda page: page.update(held="2"),
        lambda page: page.update(digest=page["digest"].upper()),
        lambda page: page.update(digest=page["digest"][:63]),
        lambda page: page.update(published="2026-11-21"),
        lambda page: page.update(published="2026-11-21T10:00:00.5Z"),
        lambda page: page.update(published=None),
    ],
)
async def test_faulty_word_on_what_is_held_is_refused(
    partners: Pair, sender: Sender, change: Any
) -> None:
    nord, sued = partners
    page = await page_of(nord, sued)
    change(page)
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert (answer.status, answer.code) == (422, "schema-invalid")


@pytest.mark.parametrize(
    ("change", "verified"),
    [
        ({}, True),
        ({"held": 3}, False),
        ({"digest": "0" * 64}, False),
        ({"published": timedelta(seconds=-300)}, True),
        ({"published": timedelta(seconds=-301)}, False),
        ({"published": timedelta(seconds=60)}, True),
        ({"published": timedelta(seconds=61)}, False),
        # Nobody keeps copies alive for a century.
        ({"published": timedelta(days=36_500)}, False),
    ],
)
async def test_only_what_is_true_and_of_now_renews(
    partners: Pair, sender: Sender, clock: MovableClock, change: Any, verified: bool
) -> None:
    nord, sued = partners
    page = await page_of(nord, sued)
    if "published" in change:
        moment = clock.now() + change["published"]
        change = {"published": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}
    page.update(change)
    answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    # The entries count in any case.
    assert json.loads(answer.body)["held"] == 2
    assert ((await sued.partner(nord)).verified_at is not None) is verified


async def test_the_time_of_verification_never_goes_back(
    partners: Pair, sender: Sender, clock: MovableClock
) -> None:
    nord, sued = partners
    page = await page_of(nord, sued)
    for shift in (0, -200):
        moment = clock.now() + timedelta(seconds=shift)
        page["published"] = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
        await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert (await sued.partner(nord)).verified_at == clock.now()
