"""What the doors refuse, each with its status, its problem, and no trace."""

import asyncio
import copy
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from federation.documents.message import Message, MessageAuthor, build_message
from federation.documents.notice import Notice, NoticeType, build_notice
from federation.errors import PermanentFetchError
from federation.ids import random_id
from federation.inbox import ACTIVITY_JSON
from federation.keys import Signer
from federation.signatures.http import sign_request
from federation.trust import TrustState
from node.partners.directory import known_peer
from node.storage.partners import update_partner
from tests.http.nodes import OFFER, START, MovableClock, RunningNode

PROBLEM = "https://w3id.org/spalier/problems#"
NONCE = "AAAAAAAAAAAAAAAAAAAAAA"


@dataclass
class Answer:
    """A finished answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """Last part of the problem type, after checks of the form (RFC 9457)."""
        problem = json.loads(self.body)
        assert self.headers["Content-Type"] == "application/problem+json"
        assert problem["status"] == self.status
        assert problem["title"]
        assert problem["detail"]
        assert problem["type"].startswith(PROBLEM)
        return str(problem["type"].removeprefix(PROBLEM))


class Sender:
    """Sends any bytes in the name of a node, signed or not."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.count = 0

    async def post(
        self,
        node: RunningNode,
        body: bytes,
        *,
        signer: Signer | None = None,
        path: str = "/inbox",
        created: Any = START,
        nonce: str | None = None,
        headers: Mapping[str, str] | None = None,
        sent: bytes | None = None,
    ) -> Answer:
        """POST `sent` (by default `body`) with a signature made for `body`."""
        self.count += 1
        fields = {"Content-Type": ACTIVITY_JSON}
        target = f"{node.base_url}{path}"
        if signer is not None:
            fields |= sign_request(
                "POST",
                target,
                body=body,
                signer=signer,
                created=created,
                nonce=nonce or f"{self.count:022d}",
            )
        fields |= headers or {}
        data = io.BytesIO(body if sent is None else sent)
        async with self.session.post(target, data=data, headers=fields) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(
        self,
        node: RunningNode,
        path: str,
        *,
        signer: Signer | None = None,
        accept: str = ACTIVITY_JSON,
    ) -> Answer:
        """GET a path, signed if there is a signer."""
        self.count += 1
        target = f"{node.base_url}{path}"
        fields = {"Accept": accept}
        if signer is not None:
            fields |= sign_request(
                "GET",
                target,
                body=None,
                signer=signer,
                created=START,
                nonce=f"{self.count:022d}",
            )
        async with self.session.get(
            target, headers=fields, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    async with aiohttp.ClientSession() as session:
        yield Sender(session)


@pytest.fixture
async def page(partners: tuple[RunningNode, RunningNode]) -> dict[str, Any]:
    """A page of Nord for Süd with two entries, built but not sent."""
    nord, sued = partners
    await nord.catalogue.publish(nord.office, OFFER)
    await nord.catalogue.publish(nord.office, {**OFFER, "title": {"de": "Zweites"}})
    outgoing = await nord.sending.next_page((await nord.partner(sued)).id)
    return json.loads(json.dumps(outgoing.document))


def as_bytes(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


class Untouched:
    """Shows that a node stored nothing, and nobody sent anything."""

    def __init__(self, node: RunningNode, *others: RunningNode) -> None:
        self.node = node
        self.others = others

    async def __aenter__(self) -> None:
        self.before = await self.node.tables()
        self.reached = [list(other.reached) for other in self.others]

    async def __aexit__(self, *_: object) -> None:
        after = await self.node.tables()
        for name, rows in self.before.items():
            assert after[name] == rows, name
        assert [list(other.reached) for other in self.others] == self.reached


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


# -- messages and notices -------------------------------------------------------


def message(
    sender: RunningNode, receiver: RunningNode, *, about: str, thread: str | None = None
) -> bytes:
    """A signed message about an entry."""
    message_id = sender.context.address.activity(random_id(sender.context.random))
    document = build_message(
        Message(
            id=message_id,
            sender=sender.context.address.actor,
            recipient=receiver.context.address.actor,
            thread=thread or message_id,
            in_reply_to=about,
            about=about,
            text="Hallo",
            author=MessageAuthor("Adam", "Laser AG"),
            published=START,
        ),
        signer=sender.context.signer,
        created=START,
    )
    return document.raw


async def test_message_about_a_hidden_entry_is_answered_like_one_about_none(
    partners: tuple[RunningNode, RunningNode], sender: Sender
) -> None:
    nord, sued = partners
    secret = {**OFFER, "audience": {"level": "cluster"}}
    hidden = await nord.catalogue.publish(nord.office, secret)
    absent = nord.context.address.entry("a" * 26)
    answers = []
    for about in (hidden.uri, absent):
        async with Untouched(nord, sued):
            answer = await sender.post(
                nord, message(sued, nord, about=about), signer=sued.context.signer
            )
        assert (answer.status, answer.code) == (404, "not-found")
        answers.append((answer.body, {**answer.headers, "Date": ""}))
    assert answers[0] == answers[1]


async def test_message_into_the_thread_of_another_partner(
    partners: tuple[RunningNode, RunningNode], ost: RunningNode, sender: Sender
) -> None:
    from tests.http.nodes import become_partners

    nord, sued = partners
    await become_partners(nord, ost)
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    adam = await sued.add_person("adam@laser.example", organisation="Laser")
    asked = await sued.conversations.answer(adam, entry.uri, "Hallo")
    await sued.settle()
    # A thread that Süd opened belongs to a third node.
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            message(ost, nord, about=entry.uri, thread=asked.thread_uri),
            signer=ost.context.signer,
        )
    assert (answer.status, answer.code) == (403, "origin-mismatch")
    # One that Nord opened with Süd could be Ost's by its address, but is not.
    theirs = await sued.catalogue.publish(sued.office, OFFER)
    await sued.settle()
    opened = await nord.conversations.answer(nord.office, theirs.uri, "Hallo")
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            message(ost, nord, about=entry.uri, thread=opened.thread_uri),
            signer=ost.context.signer,
        )
    assert (answer.status, answer.code) == (404, "not-found")


async def test_same_activity_in_a_new_request_has_no_second_effect(
    partners: tuple[RunningNode, RunningNode], sender: Sender
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    body = message(sued, nord, about=entry.uri)
    first = await sender.post(nord, body, signer=sued.context.signer)
    before = await nord.tables()
    again = await sender.post(nord, body, signer=sued.context.signer)
    after = await nord.tables()
    assert (first.status, again.status) == (202, 202)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"seen_nonces", "partners"}
    assert len(after["messages"]) == 1


def notice(
    sender: RunningNode, receiver: RunningNode, kind: NoticeType, about: str
) -> bytes:
    """A signed notice."""
    document = build_notice(
        Notice(
            id=sender.context.address.activity(random_id(sender.context.random)),
            type=kind,
            actor=sender.context.address.actor,
            recipient=receiver.context.address.actor,
            object=about,
            published=START,
        ),
        signer=sender.context.signer,
        created=START,
    )
    return document.raw


async def test_accept_of_another_request_does_not_confirm(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    await sued.partners.accept(sued.office, created.code)
    other = sued.context.address.activity("a" * 26)
    async with Untouched(sued, nord):
        answer = await sender.post(
            sued,
            notice(nord, sued, NoticeType.ACCEPT, other),
            signer=nord.context.signer,
        )
    assert (answer.status, answer.code) == (403, "unknown-request")


async def test_guest_cannot_confirm_itself(
    nord: RunningNode, sued: RunningNode, sender: Sender
) -> None:
    created = await nord.partners.invite(nord.office)
    waiting = await sued.partners.accept(sued.office, created.code)
    assert waiting.state is TrustState.WAITING
    about = nord.context.address.activity("a" * 26)
    async with Untouched(nord, sued):
        answer = await sender.post(
            nord,
            notice(sued, nord, NoticeType.ACCEPT, about),
            signer=sued.context.signer,
        )
    assert (answer.status, answer.code) == (403, "partnership-not-confirmed")


# -- partner requests -----------------------------------------------------------


async def test_partner_request_without_signature(
    nord: RunningNode, sender: Sender
) -> None:
    async with Untouched(nord):
        answer = await sender.post(nord, b"{}", path="/partner-requests")
    assert answer.status == 401


async def test_partner_request_that_was_altered(
    nord: RunningNode, sued: RunningNode, ost: RunningNode, sender: Sender
) -> None:
    """A request caught on the way and sent on in another node's name."""
    from federation.documents.partner_request import build_partner_request
    from federation.handshake import parse_code
    from node.partners.own_actor import own_actor

    created = await nord.partners.invite(nord.office)
    code = parse_code(created.code, allow_loopback_http=True)
    async with sued.database.read() as tx:
        guest = await own_actor(tx, sued.context)
    host = await sued.client.fetch_actor(nord.context.address.base_url)
    request = build_partner_request(
        guest,
        host=host,
        secret=code.secret,
        signer=sued.context.signer,
        random=sued.context.random,
        created=START,
    )
    altered = {**request.document, "nonce": NONCE}
    foreign = await sender.post(
        nord, request.raw, path="/partner-requests", signer=ost.context.signer
    )
    assert foreign.status == 401
    async with Untouched(nord, sued, ost):
        answer = await sender.post(
            nord,
            as_bytes(altered),
            path="/partner-requests",
            signer=sued.context.signer,
        )
    assert (answer.status, answer.code) == (401, "proof-invalid")
    # Untouched it works, and a copy of it changes nothing any more.
    taken = await sender.post(
        nord, request.raw, path="/partner-requests", signer=sued.context.signer
    )
    assert taken.status == 202
    async with Untouched(nord, sued, ost):
        again = await sender.post(
            nord, request.raw, path="/partner-requests", signer=sued.context.signer
        )
    assert again.status == 202


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


async def test_probes(nord: RunningNode, sender: Sender) -> None:
    before = await nord.tables()
    assert (await sender.get(nord, "/livez")).status == 200
    assert (await sender.get(nord, "/readyz")).status == 200
    assert await nord.tables() == before
    await nord.database.close()
    assert (await sender.get(nord, "/livez")).status == 200
    closed = await sender.get(nord, "/readyz")
    assert closed.status == 503
