"""Change any byte of what was signed, and it is refused."""

from __future__ import annotations

import asyncio
import copy
import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.documents import (
    Removal,
    build_message,
    build_withdrawal,
    parse_entry,
    parse_message,
    parse_page,
)
from federation.errors import PeerError
from federation.inbox import (
    admit_partner,
    authenticate,
    permit,
    prove,
    read_activity,
)
from federation.rates import DoorRates
from federation.strict_json import loads_object
from tests.unit.federation.nodes import NOW, Node, Nonces, Peers

SENDER = Node("spalier.optence.example")
RECEIVER = Node("spalier.swissmem.example")
ENTRY = SENDER.signed_entry()
PAGE = SENDER.page(
    ENTRY,
    Removal(
        build_withdrawal(
            SENDER.withdrawal(), signer=SENDER.signer, created=NOW
        ).document
    ),
)
BODY = json.dumps(PAGE).encode()
REQUEST = SENDER.request(RECEIVER, BODY)
MESSAGE = build_message(SENDER.message(RECEIVER), signer=SENDER.signer, created=NOW)
SIGNED_FIELDS = ("Signature", "Signature-Input", "Content-Digest")


def deliver(request: Any) -> None:
    async def run() -> None:
        peers = Peers({SENDER.signer.key_id: SENDER.known()})
        authenticated = await authenticate(request, peers=peers, nonces=Nonces())
        rates = DoorRates()
        read = read_activity(admit_partner(authenticated, rates=rates))
        prove(permit(read, rates=rates, now=NOW), address=RECEIVER.address)

    asyncio.run(run())


def flipped(data: bytes, position: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[position % len(data)] ^= 1 << bit
    return bytes(changed)


def test_the_untouched_request_is_welcome() -> None:
    deliver(REQUEST)


@given(st.integers(0, len(BODY) - 1), st.integers(0, 7))
def test_any_bit_of_the_body(position: int, bit: int) -> None:
    body = flipped(BODY, position, bit)
    with pytest.raises(PeerError) as caught:
        deliver(dataclasses.replace(REQUEST, body=body))
    assert caught.value.status == 401


@pytest.mark.parametrize("name", SIGNED_FIELDS)
def test_every_bit_of_every_signed_field(name: str) -> None:
    """Exhaustive: these fields are short."""
    (value,) = [v for k, v in REQUEST.headers if k == name]
    for position in range(len(value)):
        for bit in range(8):
            changed = flipped(value.encode(), position, bit).decode("latin-1")
            headers = tuple(
                (k, changed if k == name else v) for k, v in REQUEST.headers
            )
            with pytest.raises(PeerError) as caught:
                deliver(dataclasses.replace(REQUEST, headers=headers))
            assert caught.value.status in {400, 401}


def test_every_bit_of_target_and_method() -> None:
    target = REQUEST.target_uri
    for position in range(len(target)):
        for bit in range(8):
            changed = flipped(target.encode(), position, bit).decode("latin-1")
            with pytest.raises(PeerError):
                deliver(dataclasses.replace(REQUEST, target_uri=changed))
    for method in ("PUT", "post", "DELETE", "PATCH"):
        with pytest.raises(PeerError):
            deliver(dataclasses.replace(REQUEST, method=method))


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [prefix] if prefix else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += paths(item, (*prefix, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += paths(item, (*prefix, index))
    return found


ENTRY_PATHS = paths(ENTRY.document)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.sampled_from(ENTRY_PATHS), json_values)
def test_any_value_of_an_entry(path: tuple[Any, ...], value: Any) -> None:
    document = copy.deepcopy(ENTRY.document)
    parent = document
    for step in path[:-1]:
        parent = parent[step]
    if parent[path[-1]] == value and type(parent[path[-1]]) is type(value):
        return
    parent[path[-1]] = value
    with pytest.raises(PeerError):
        parse_entry(document, peer=SENDER.peer)
    page = copy.deepcopy(PAGE)
    page["orderedItems"][0]["object"] = document
    with pytest.raises(PeerError):
        parse_page(page, peer=SENDER.peer)


def test_removing_any_value_of_an_entry() -> None:
    for path in ENTRY_PATHS:
        document = copy.deepcopy(ENTRY.document)
        parent = document
        for step in path[:-1]:
            parent = parent[step]
        del parent[path[-1]]
        with pytest.raises(PeerError):
            parse_entry(document, peer=SENDER.peer)


@given(st.integers(0, len(MESSAGE.raw) - 1), st.integers(0, 7))
def test_any_bit_of_a_message_without_its_request(position: int, bit: int) -> None:
    with pytest.raises(PeerError):
        parse_message(
            loads_object(flipped(MESSAGE.raw, position, bit)),
            peer=SENDER.peer,
            address=RECEIVER.address,
        )
