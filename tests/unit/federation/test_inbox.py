from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest

from federation.documents import (
    Message,
    Notice,
    NoticeType,
    Page,
    Removal,
    build_message,
    build_notice,
    build_partner_request,
    build_withdrawal,
)
from federation.errors import NotPermittedError, PeerError, RateLimitError
from federation.inbox import (
    Activity,
    PermittedPull,
    ReceivedRequest,
    RequestHead,
    admit,
    admit_partner,
    authenticate,
    claim,
    name_invitation,
    permit,
    prove,
    prove_guest,
    read_activity,
    read_pull,
)
from federation.limits import ADDRESS_FAILURE_RATE, ADDRESS_RATE, PARTNER_RATE
from federation.rates import DoorRates
from federation.trust import TrustState
from tests.unit.federation.nodes import NOW, Bytes, Node, Nonces, Peers


def data(document: Any) -> bytes:
    return json.dumps(document).encode()


async def deliver(
    request: ReceivedRequest, receiver: Node, peers: Peers, nonces: Nonces
) -> Activity:
    rates = DoorRates()
    authenticated = await authenticate(request, peers=peers, nonces=nonces)
    read = read_activity(admit_partner(authenticated, rates=rates))
    permitted = permit(read, rates=rates, now=request.received_at)
    return prove(permitted, address=receiver.address).content


async def pulled(
    request: ReceivedRequest, receiver: Node, peers: Peers, nonces: Nonces
) -> PermittedPull:
    known = await authenticate(request, peers=peers, nonces=nonces)
    admitted = admit_partner(known, rates=DoorRates())
    return read_pull(admitted, address=receiver.address)


async def refusal(
    request: ReceivedRequest, receiver: Node, peers: Peers, nonces: Nonces
) -> PeerError:
    with pytest.raises(PeerError) as caught:
        await deliver(request, receiver, peers, nonces)
    return caught.value


async def test_page_message_and_notice_arrive_typed(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    page = optence.page(optence.signed_entry())
    message = build_message(
        optence.message(swissmem), signer=optence.signer, created=NOW
    )
    notice = build_notice(
        optence.notice(swissmem, NoticeType.LEAVE), signer=optence.signer, created=NOW
    )
    for body, expected in (
        (data(page), Page),
        (message.raw, Message),
        (notice.raw, Notice),
    ):
        request = optence.request(swissmem, body)
        arrived = await deliver(request, swissmem, peers, nonces)
        assert isinstance(arrived, expected)
    assert len(nonces.seen) == 3


async def test_an_unsigned_request_is_401_with_a_challenge(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    request = optence.request(swissmem, data(optence.page()))
    bare = tuple(
        pair for pair in request.headers if not pair[0].startswith("Signature")
    )
    error = await refusal(
        dataclasses.replace(request, headers=bare), swissmem, peers, nonces
    )
    assert (error.status, error.code) == (401, "signature-missing")
    assert error.challenge is not None
    assert "content-digest" in error.challenge
    assert peers.asked == []


async def test_a_wrong_digest_is_401(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    request = optence.request(swissmem, data(optence.page()))
    changed = dataclasses.replace(request, body=request.body + b" ")
    error = await refusal(changed, swissmem, peers, nonces)
    assert (error.status, error.code) == (401, "digest-mismatch")
    assert nonces.seen == {}


async def test_an_unknown_key_is_401(
    laser: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    request = laser.request(swissmem, data(laser.page(laser.signed_entry())))
    error = await refusal(request, swissmem, peers, nonces)
    assert (error.status, error.code) == (401, "unknown-key")
    assert nonces.seen == {}


async def test_a_known_key_id_with_another_key_is_401(
    optence: Node, laser: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    thief = dataclasses.replace(laser.signer, address=optence.address)
    request = laser.request(swissmem, data(optence.page()), signer=thief)
    error = await refusal(request, swissmem, peers, nonces)
    assert (error.status, error.code) == (401, "signature-invalid")
    assert nonces.seen == {}


async def test_the_same_request_twice_is_401(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    request = optence.request(swissmem, data(optence.page()))
    await deliver(request, swissmem, peers, nonces)
    error = await refusal(request, swissmem, peers, nonces)
    assert (error.status, error.code) == (401, "replayed")
    (until,) = nonces.seen.values()
    assert until >= NOW + timedelta(seconds=300)
    # Signed again, the same page is welcome.
    await deliver(optence.request(swissmem, request.body), swissmem, peers, nonces)


@pytest.mark.parametrize("late", [-61, 301])
async def test_a_stale_request_is_401(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces, late: int
) -> None:
    request = optence.request(
        swissmem, data(optence.page()), received_at=NOW + timedelta(seconds=late)
    )
    error = await refusal(request, swissmem, peers, nonces)
    assert (error.status, error.code) == (401, "signature-stale")


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
async def test_who_is_not_active_delivers_no_entries(
    optence: Node, swissmem: Node, nonces: Nonces, state: TrustState, code: str
) -> None:
    peers = Peers({optence.signer.key_id: optence.known(state)})
    message = build_message(
        optence.message(swissmem), signer=optence.signer, created=NOW
    )
    for body in (data(optence.page(optence.signed_entry())), message.raw):
        error = await refusal(optence.request(swissmem, body), swissmem, peers, nonces)
        assert (error.status, error.code) == (403, code)


async def test_withdrawals_pass_while_paused_and_ending(
    optence: Node, swissmem: Node, nonces: Nonces
) -> None:
    signed = build_withdrawal(optence.withdrawal(), signer=optence.signer, created=NOW)
    body = data(optence.page(Removal(signed.document)))
    for state in (TrustState.PAUSED, TrustState.ENDING):
        peers = Peers({optence.signer.key_id: optence.known(state)})
        request = optence.request(swissmem, body)
        assert isinstance(await deliver(request, swissmem, peers, nonces), Page)
    peers = Peers({optence.signer.key_id: optence.known(TrustState.ENDED)})
    error = await refusal(optence.request(swissmem, body), swissmem, peers, nonces)
    assert error.code == "partnership-ended"


async def test_media_type_and_coding(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    body = data(optence.page())

    def request(*headers: tuple[str, str]) -> ReceivedRequest:
        made = optence.request(swissmem, body)
        kept = tuple(pair for pair in made.headers if pair[0] != "Content-Type")
        return dataclasses.replace(made, headers=(*kept, *headers))

    for wrong in (
        (),
        (("Content-Type", "application/json"),),
        (("Content-Type", "text/html"),),
        (("Content-Type", "application/ld+json"),),
        (("Content-Type", "application/activity+json; charset=latin-1"),),
        (
            ("Content-Type", "application/activity+json"),
            ("Content-Type", "application/activity+json"),
        ),
        (("Content-Type", "application/activity+json"), ("Content-Encoding", "gzip")),
    ):
        error = await refusal(request(*wrong), swissmem, peers, nonces)
        assert error.status == 415
    for right in (
        "application/activity+json",
        "application/activity+json; charset=utf-8",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
    ):
        await deliver(request(("Content-Type", right)), swissmem, peers, nonces)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"type":"Create","type":"Create"}', 400),
        (b"{" * 100_000, 413),
        (b'{"type":"Announce"}', 422),
        (b'{"type":["Create"]}', 422),
        (b'{"type":"Follow"}', 422),
        (b"{}", 422),
        (b'{"type":"Create"}', 400),
        (b'{"type":"OrderedCollectionPage"}', 400),
    ],
)
async def test_other_bodies(
    optence: Node,
    swissmem: Node,
    peers: Peers,
    nonces: Nonces,
    body: bytes,
    status: int,
) -> None:
    error = await refusal(optence.request(swissmem, body), swissmem, peers, nonces)
    assert error.status == status


async def test_sizes(
    optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
) -> None:
    large = data({"type": "Create", "x": "y" * 300_000})
    error = await refusal(optence.request(swissmem, large), swissmem, peers, nonces)
    assert (error.status, error.code) == (413, "too-large")
    wide = data({"type": "Create", "x": [0] * 20_000})
    error = await refusal(optence.request(swissmem, wide), swissmem, peers, nonces)
    assert error.status == 413
    huge = optence.request(swissmem, b" " * (4 * 1024 * 1024 + 1))
    error = await refusal(huge, swissmem, peers, nonces)
    assert error.status == 413


class TestPull:
    async def test_a_partner_says_where_it_is(
        self, optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
    ) -> None:
        request = optence.request(swissmem, None, path="/outbox?after=17")
        pull = await pulled(request, swissmem, peers, nonces)
        assert pull.after == 17
        assert pull.peer.actor_id == optence.address.actor

    @pytest.mark.parametrize(
        "path",
        [
            "/outbox",
            "/outbox?after=",
            "/outbox?after=-1",
            "/outbox?after=01",
            "/outbox?after=1&after=2",
            "/outbox?after=1&x=1",
            "/outbox?AFTER=1",
            "/outbox/?after=1",
            "/outbox?after=99999999999999999",
            "/outbox?after=9999999999999999",
            "/actor",
        ],
    )
    async def test_any_other_question_is_400(
        self, optence: Node, swissmem: Node, peers: Peers, nonces: Nonces, path: str
    ) -> None:
        with pytest.raises(PeerError) as caught:
            await pulled(
                optence.request(swissmem, None, path=path), swissmem, peers, nonces
            )
        assert caught.value.status == 400

    async def test_who_ended_pulls_nothing(
        self, optence: Node, swissmem: Node, nonces: Nonces
    ) -> None:
        peers = Peers({optence.signer.key_id: optence.known(TrustState.ENDED)})
        with pytest.raises(PeerError) as caught:
            await pulled(
                optence.request(swissmem, None, path="/outbox?after=0"),
                swissmem,
                peers,
                nonces,
            )
        assert caught.value.status == 403

    async def test_a_get_has_no_body(
        self, optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
    ) -> None:
        request = optence.request(swissmem, None, path="/outbox?after=0")
        with pytest.raises(PeerError) as caught:
            await authenticate(
                dataclasses.replace(request, body=b"x"), peers=peers, nonces=nonces
            )
        assert caught.value.status == 400


class TestPartnerRequest:
    def body(self, guest: Node, host: Node) -> bytes:
        return build_partner_request(
            guest.actor,
            host=host.actor,
            secret=b"0123456789",
            signer=guest.signer,
            random=Bytes("r"),
            created=NOW,
        ).raw

    def receive(self, request: ReceivedRequest, host: Node) -> Any:
        return prove_guest(
            name_invitation(claim(request)),
            address=host.address,
            allow_loopback_http=False,
        )

    def test_it_brings_its_own_key(self, laser: Node, optence: Node) -> None:
        request = laser.request(
            optence, self.body(laser, optence), path="/partner-requests"
        )
        assert self.receive(request, optence).guest == laser.actor

    def test_it_is_signed_by_that_key(
        self, laser: Node, optence: Node, swissmem: Node
    ) -> None:
        body = self.body(laser, optence)
        request = swissmem.request(optence, body, path="/partner-requests")
        with pytest.raises(PeerError) as caught:
            self.receive(request, optence)
        assert (caught.value.status, caught.value.code) == (401, "unknown-key")
        thief = dataclasses.replace(swissmem.signer, address=laser.address)
        request = swissmem.request(
            optence, body, path="/partner-requests", signer=thief
        )
        with pytest.raises(PeerError) as caught:
            self.receive(request, optence)
        assert caught.value.status == 401
        assert caught.value.challenge is not None

    def test_a_get_is_400(self, laser: Node, optence: Node) -> None:
        request = laser.request(optence, None, path="/partner-requests")
        with pytest.raises(PeerError) as caught:
            self.receive(request, optence)
        assert caught.value.status == 400


def test_requests_do_not_show_their_content(optence: Node, swissmem: Node) -> None:
    request = optence.request(swissmem, b'{"secret":1}')
    assert "secret" not in repr(request)
    assert "sig1" not in repr(request)


class TestRates:
    def head(self, sender: str = "192.0.2.1", *, after: float = 0.0) -> RequestHead:
        return RequestHead(
            "POST",
            "https://a.example/inbox",
            (),
            sender,
            NOW + timedelta(seconds=after),
        )

    def test_an_address_is_stopped_after_its_burst_and_others_are_not(self) -> None:
        rates = DoorRates()
        for _ in range(int(ADDRESS_RATE.burst)):
            admit(self.head(), rates=rates)
        with pytest.raises(RateLimitError) as caught:
            admit(self.head(), rates=rates)
        assert (caught.value.status, caught.value.code) == (429, "rate-limit-exceeded")
        assert caught.value.members == {"retry_after": 1}
        admit(self.head("192.0.2.2"), rates=rates)
        admit(self.head(after=1.0), rates=rates)

    def test_wrong_signatures_are_counted_apart(self) -> None:
        rates = DoorRates()
        for _ in range(int(ADDRESS_FAILURE_RATE.burst)):
            rates.note_failure("192.0.2.1", now=NOW)
        with pytest.raises(RateLimitError):
            admit(self.head(), rates=rates)
        admit(self.head("192.0.2.2"), rates=rates)

    async def test_a_partner_is_stopped_before_its_body_is_read(
        self, optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
    ) -> None:
        rates = DoorRates()
        request = optence.request(swissmem, b"no json")
        known = await authenticate(request, peers=peers, nonces=nonces)
        for _ in range(int(PARTNER_RATE.burst)):
            admit_partner(known, rates=rates)
        with pytest.raises(RateLimitError):
            admit_partner(known, rates=rates)

    async def test_a_page_costs_as_much_as_it_carries(
        self, optence: Node, swissmem: Node, peers: Peers, nonces: Nonces
    ) -> None:
        entry = optence.signed_entry()
        request = optence.request(swissmem, data(optence.page(*[entry] * 3)))
        rates = DoorRates()
        known = await authenticate(request, peers=peers, nonces=nonces)
        read = read_activity(admit_partner(known, rates=rates))
        assert read.items == 3
        rates.admit_items(read.peer.partner_id, 3_998, now=NOW)
        with pytest.raises(RateLimitError):
            permit(read, rates=rates, now=NOW)
        permit(read, rates=rates, now=NOW + timedelta(seconds=1))

    async def test_who_may_not_is_told_so_and_not_counted(
        self, optence: Node, swissmem: Node, nonces: Nonces
    ) -> None:
        peers = Peers({optence.signer.key_id: optence.known(TrustState.PAUSED)})
        request = optence.request(swissmem, data(optence.page(optence.signed_entry())))
        rates = DoorRates()
        known = await authenticate(request, peers=peers, nonces=nonces)
        read = read_activity(admit_partner(known, rates=rates))
        rates.admit_items(read.peer.partner_id, 4_000, now=NOW)
        with pytest.raises(NotPermittedError):
            permit(read, rates=rates, now=NOW)
