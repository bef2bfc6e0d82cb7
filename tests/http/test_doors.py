"""What the inbox refuses, each with its status, its problem, and no trace."""

import asyncio
import copy
import json
from typing import Any

import pytest

from federation.inbox import ACTIVITY_JSON
from federation.keys import Signer
from federation.signatures.http import sign_request
from federation.trust import TrustState
from node.storage.partners import update_partner
from tests.http.nodes import OFFER, START, MovableClock, RunningNode
from tests.http.sender import NONCE, Sender, Untouched, as_bytes, head_only

# -- signatures -----------------------------------------------------------------


async def test_good_page_is_taken_with_a_receipt(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    """The control: the same request without a fault works."""
    nord, sued = partners
    answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert answer.status == 200
    receipt = json.loads(answer.body)
    assert (receipt["type"], receipt["held"]) == ("Receipt", 2)


async def test_unsigned(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(page))
    assert (answer.status, answer.code) == (401, "signature-missing")
    assert "content-digest" in answer.headers["Accept-Signature"]


@pytest.mark.parametrize(
    ("signed_by", "code"), [(None, "signature-missing"), ("ost", "unknown-key")]
)
async def test_long_body_of_a_stranger_is_not_read(
    sued: RunningNode, ost: RunningNode, signed_by: str | None, code: str
) -> None:
    fields = {"Content-Type": ACTIVITY_JSON}
    if signed_by is not None:
        fields |= sign_request(
            "POST",
            f"{sued.base_url}/inbox",
            body=b"x",
            signer=ost.context.signer,
            created=START,
            nonce=NONCE,
        )
    head = await head_only(sued, "POST /inbox", length=3_000_000, headers=fields)
    assert head.startswith("HTTP/1.1 401 ")
    assert "Accept-Signature: " in head
    # Also if its length is not announced.
    fields["Transfer-Encoding"] = "chunked"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    answer = await stream_until_answered(sued, chunk * 6, headers=fields)
    assert answer.startswith("HTTP/1.1 401 ")
    assert answer.partition("problems#")[2].startswith(code)


async def stream_until_answered(
    node: RunningNode, body: bytes, *, headers: dict[str, str]
) -> str:
    """Send the beginning of a body that never ends; return the whole answer."""
    host = node.base_url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    lines = ["POST /inbox HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    try:
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            return (head + await reader.readuntil(b"}")).decode()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_wrong_digest(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    body = as_bytes(page)
    async with Untouched(sued, nord):
        answer = await sender.post(
            sued, body, signer=nord.context.signer, sent=body + b" "
        )
    assert (answer.status, answer.code) == (401, "digest-mismatch")


async def test_altered_signature(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    zeros = "A" * 86 + "=="
    async with Untouched(sued, nord):
        answer = await sender.post(
            sued,
            as_bytes(page),
            signer=nord.context.signer,
            headers={"Signature": f"sig1=:{zeros}:"},
        )
    assert (answer.status, answer.code) == (401, "signature-invalid")


async def test_unknown_partner_causes_no_request_of_ours(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    sender: Sender,
) -> None:
    nord, sued = partners
    async with Untouched(sued, nord, ost):
        answer = await sender.post(sued, as_bytes(page), signer=ost.context.signer)
    assert (answer.status, answer.code) == (401, "unknown-key")


async def test_key_of_another_node_under_the_partners_name(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    sender: Sender,
) -> None:
    nord, sued = partners
    forged = Signer(nord.context.address, ost.context.signer.key, 1)
    async with Untouched(sued, nord, ost):
        answer = await sender.post(sued, as_bytes(page), signer=forged)
    assert (answer.status, answer.code) == (401, "signature-invalid")


async def test_stale_request(
    partners: tuple[RunningNode, RunningNode],
    page: dict[str, Any],
    sender: Sender,
    clock: MovableClock,
) -> None:
    nord, sued = partners
    clock.advance(seconds=301)
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert answer.status == 401


async def test_replayed_request(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    signer = nord.context.signer
    first = await sender.post(sued, as_bytes(page), signer=signer, nonce=NONCE)
    assert first.status == 200
    async with Untouched(sued, nord):
        again = await sender.post(sued, as_bytes(page), signer=signer, nonce=NONCE)
    assert (again.status, again.code) == (401, "replayed")
    assert "Accept-Signature" in again.headers


async def test_same_request_many_times_at_once_takes_effect_once(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    answers = await asyncio.gather(
        *(
            sender.post(sued, as_bytes(page), signer=nord.context.signer, nonce=NONCE)
            for _ in range(6)
        )
    )
    assert sorted(answer.status for answer in answers) == [200] + 5 * [401]


async def test_refused_request_does_not_use_up_its_nonce(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    broken = {**page, "type": "Unheard"}
    for _ in range(2):
        async with Untouched(sued, nord):
            answer = await sender.post(
                sued, as_bytes(broken), signer=nord.context.signer, nonce=NONCE
            )
        assert (answer.status, answer.code) == (422, "unsupported-type")


# -- trust ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (TrustState.REQUESTED, "partnership-not-confirmed"),
        (TrustState.WAITING, "partnership-not-confirmed"),
        (TrustState.PAUSED, "partnership-paused"),
        (TrustState.REFUSED, "partnership-refused"),
        (TrustState.ENDING, "partnership-ended"),
        (TrustState.ENDED, "partnership-ended"),
    ],
)
async def test_only_an_active_partner_may_push_entries(
    partners: tuple[RunningNode, RunningNode],
    page: dict[str, Any],
    sender: Sender,
    state: TrustState,
    code: str,
) -> None:
    nord, sued = partners
    partner = await sued.partner(nord)

    async def put(tx: Any) -> None:
        await update_partner(tx, partner.id, state=state)

    await sued.database.write(put)
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(page), signer=nord.context.signer)
    assert (answer.status, answer.code) == (403, code)


# -- pages ----------------------------------------------------------------------


async def test_forged_entry_spoils_the_whole_page(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    forged = copy.deepcopy(page)
    entry = forged["orderedItems"][1]["object"]
    entry["nameMap"]["de"] = entry["name"] = "Etwas anderes"
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(forged), signer=nord.context.signer)
    assert (answer.status, answer.code) == (401, "proof-invalid")


async def test_entry_of_a_third_node_spoils_the_whole_page(
    partners: tuple[RunningNode, RunningNode],
    ost: RunningNode,
    page: dict[str, Any],
    sender: Sender,
) -> None:
    nord, sued = partners
    foreign = await ost.catalogue.publish(ost.office, OFFER)
    assert foreign.document is not None
    stuffed = copy.deepcopy(page)
    stuffed["orderedItems"][1]["object"] = json.loads(foreign.document)
    async with Untouched(sued, nord, ost):
        answer = await sender.post(sued, as_bytes(stuffed), signer=nord.context.signer)
    assert (answer.status, answer.code) == (403, "origin-mismatch")


async def test_page_with_a_gap_before_it(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    late = {
        **page,
        "id": f"{nord.base_url}/outbox?after=4",
        "from": 5,
        "through": 6,
        "head": 6,
    }
    async with Untouched(sued, nord):
        answer = await sender.post(sued, as_bytes(late), signer=nord.context.signer)
    assert (answer.status, answer.code) == (409, "position-gap")
    assert json.loads(answer.body)["position"] == 0


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b'{"type": "Create", "type": "Accept"}', 400, "malformed"),
        (b'{"type": "Create", "n": 1.5}', 400, "malformed"),
        (b"[" * 40 + b"]" * 40, 413, "too-large"),
        (b'{"type": "Create", "@context": "https://e.example"}', 400, "context"),
        (b'{"type": "Follow"}', 422, "unsupported-type"),
    ],
)
async def test_documents_that_are_none(
    partners: tuple[RunningNode, RunningNode],
    sender: Sender,
    body: bytes,
    status: int,
    code: str,
) -> None:
    nord, sued = partners
    async with Untouched(sued, nord):
        answer = await sender.post(sued, body, signer=nord.context.signer)
    assert answer.status == status
    assert answer.code.startswith(code)


async def test_other_media_types_and_codings(
    partners: tuple[RunningNode, RunningNode], page: dict[str, Any], sender: Sender
) -> None:
    nord, sued = partners
    for headers in ({"Content-Type": "application/json"}, {"Content-Encoding": "gzip"}):
        async with Untouched(sued, nord):
            answer = await sender.post(
                sued, as_bytes(page), signer=nord.context.signer, headers=headers
            )
        assert (answer.status, answer.code) == (415, "unsupported-media-type")


async def test_body_beyond_the_limit(
    partners: tuple[RunningNode, RunningNode], sender: Sender
) -> None:
    nord, sued = partners
    body = b'{"a": "' + b"x" * (4 * 1024 * 1024) + b'"}'
    async with Untouched(sued, nord):
        answer = await sender.post(sued, body, signer=nord.context.signer)
    assert (answer.status, answer.code) == (413, "too-large")
