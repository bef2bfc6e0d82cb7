"""What our client asks of an evil server, and how each request has to end."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from federation.documents.actor import ActorDocument, build_actor
from federation.errors import (
    FetchError,
)
from federation.ids import NodeAddress, parse_base_url
from federation.jsonld import context_copy
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey, RemotePeer
from federation.transport.client import FederationClient
from tests.hostile.evil_server import EvilServer
from tests.http.nodes import SeededRandom

SECONDS = 1.0  # total time of one request, instead of limits.ANSWER_TIMEOUT
KEY = SigningKey.generate(SeededRandom("evil"))
SECRET = b"\x07" * 10


def actor_of(base_url: str, key: SigningKey = KEY) -> Any:
    """A right actor document of a node."""
    address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
    document = build_actor(
        ActorDocument(
            base_url=address.base_url,
            name="Angreifer",
            keys=(PinnedKey(address.key(1), key.public_key),),
        )
    )
    return json.loads(json.dumps(document))


def peer_of(base_url: str) -> RemotePeer:
    address = NodeAddress(parse_base_url(base_url, allow_loopback_http=True))
    return RemotePeer(
        base_url=address.base_url,
        actor_id=address.actor,
        keys=(PinnedKey(address.key(1), KEY.public_key),),
    )


def own_signer() -> Signer:
    address = NodeAddress(
        parse_base_url("https://spalier.optence.example", allow_loopback_http=False)
    )
    return Signer(address, SigningKey.generate(SeededRandom("own")), 1)


def requests_of(
    client: FederationClient, base_url: str
) -> dict[str, Callable[[], Any]]:
    """Every request that we make of another node."""
    peer, signer = peer_of(base_url), own_signer()
    page: dict[str, Any] = {
        "@context": context_copy(),
        "epoch": "e" * 32,
        "from": 1,
        "through": 0,
        "head": 0,
        "orderedItems": [],
    }
    return {
        "actor": lambda: client.fetch_actor(peer.base_url),
        "pull": lambda: client.pull_page(peer, after=0, signer=signer),
        "push": lambda: client.push_page(peer, page, signer=signer),
    }


async def every_request_fails(
    client: FederationClient,
    evil: EvilServer,
    label: object,
    *,
    kinds: type[FetchError] = FetchError,
) -> None:
    """Each request of ours ends with a declared error, after one request only."""
    for name, ask in requests_of(client, evil.base_url).items():
        evil.asked.clear()
        began = time.perf_counter()
        with pytest.raises(kinds):
            await ask()
        assert time.perf_counter() - began < SECONDS * 3, (label, name)
        # A GET whose connection breaks off unanswered is sent once more (RFC 9110
        # §9.2.2); nothing else is.
        most = 1 if name == "push" else 2
        assert len(evil.asked) <= most, (label, name)
