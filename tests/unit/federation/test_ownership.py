"""The ownership table, row by row: each identifier of each wire type."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import schemas
from federation.documents import (
    NoticeType,
    build_actor,
    build_message,
    build_notice,
    build_partner_request,
    build_receipt,
    build_withdrawal,
)
from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsScope,
    build_holdings,
    build_holdings_page,
)
from federation.documents.move import Move, build_move
from federation.documents.receipt import Refusal
from federation.errors import OriginMismatchError
from federation.exchange import HeldState, HeldVersion, ViewDigest
from federation.ids import NodeAddress
from federation.ownership import (
    CLAIMS,
    Claim,
    OwnedType,
    require_ownership,
    require_signer,
)
from federation.version import Version
from tests.unit.federation.nodes import EPOCH, NOW, Bytes, Node

SIGNER = Node("spalier.optence.example")
RECEIVER = Node("spalier.swissmem.example")
THIRD = Node("spalier.laser.example")

ROWS = [
    (kind, path, claim) for kind, claims in CLAIMS.items() for path, claim in claims
]

# Where the identifiers of a wire schema are checked: all by these types together.
SCHEMAS = {
    "actor": (OwnedType.ACTOR,),
    "actor_update": (OwnedType.ACTOR_UPDATE,),
    "delete": (OwnedType.DELETE,),
    "entry": (OwnedType.ENTRY, OwnedType.ENTRY_CONTENT),
    "message": (OwnedType.MESSAGE,),
    "move": (OwnedType.MOVE,),
    "notice": (OwnedType.ACCEPT, OwnedType.REJECT, OwnedType.LEAVE),
    "holdings": (OwnedType.HOLDINGS,),
    "holdings_page": (OwnedType.HOLDINGS_PAGE,),
    "page": (OwnedType.PAGE,),
    "partner_request": (OwnedType.PARTNER_REQUEST,),
    "receipt": (OwnedType.RECEIPT,),
    "tombstone": (OwnedType.ENTRY,),
}
# Identifiers that say nothing about who owns what.
FREE = {
    "/generator/implements/*/href",
    "/actor/generator/implements/*/href",
    "/object/generator/implements/*/href",
}
# Checked with the type that stands inside.
INSIDE = {
    "/orderedItems/*/actor",
    "/orderedItems/*/object/id",
    "/orderedItems/*/object/attributedTo",
}
ADDRESSES = {"actorId", "entryId", "activityId", "keyId", "uri", "baseUrl"}


def samples() -> dict[OwnedType, dict[str, Any]]:
    """One correct document of each type, from SIGNER to RECEIVER."""
    signer, receiver = SIGNER.signer, RECEIVER
    actor = build_actor(replace(SIGNER.actor, former=(THIRD.base_url,)))
    entry = SIGNER.signed_entry().document
    page = SIGNER.page(SIGNER.signed_entry())
    receipt = SIGNER.receipt(receiver)
    refused = Refusal(receiver.entry_id(), Version(1, 1), "too-large")
    notices = {
        OwnedType(kind.value): build_notice(
            SIGNER.notice(receiver, kind), signer=signer, created=NOW
        ).document
        for kind in NoticeType
    }
    return {
        OwnedType.ACTOR: actor,
        OwnedType.ACTOR_UPDATE: {
            "id": SIGNER.activity_id(),
            "type": "Update",
            "actor": SIGNER.address.actor,
            "object": actor,
            "to": [receiver.address.actor],
        },
        OwnedType.PARTNER_REQUEST: build_partner_request(
            replace(SIGNER.actor, former=(THIRD.base_url,)),
            host=receiver.actor,
            secret=b"0123456789",
            signer=signer,
            random=Bytes("request"),
            created=NOW,
        ).document,
        **notices,
        OwnedType.MOVE: move_sample(),
        OwnedType.MESSAGE: build_message(
            SIGNER.message(receiver), signer=signer, created=NOW
        ).document,
        OwnedType.PAGE: page,
        OwnedType.UPSERT: page["orderedItems"][0],
        OwnedType.ENTRY: entry,
        OwnedType.ENTRY_CONTENT: entry,
        OwnedType.DELETE: build_withdrawal(
            SIGNER.withdrawal(), signer=signer, created=NOW
        ).document,
        OwnedType.HOLDINGS: build_holdings(
            Holdings(EPOCH, 0, ViewDigest(), NOW),
            address=SIGNER.address,
            partner=receiver.address.actor,
        ),
        OwnedType.HOLDINGS_PAGE: build_holdings_page(
            [
                HeldEntry(
                    receiver.entry_id(), HeldVersion(Version(1, 1), HeldState.DELETED)
                )
            ],
            scope=HoldingsScope(),
            more=True,
            address=SIGNER.address,
            partner=receiver.address.actor,
            published=NOW,
        ),
        OwnedType.RECEIPT: build_receipt(
            type(receipt)(
                **{
                    name: getattr(receipt, name)
                    for name in receipt.__slots__
                    if name != "refused"
                },
                refused=(refused,),
            ),
            signer=signer,
            created=NOW,
        ).document,
    }


def move_sample() -> dict[str, Any]:
    move = Move(
        id=SIGNER.activity_id(),
        target=THIRD.base_url,
        recipient=RECEIVER.address.actor,
        published=NOW,
    )
    return build_move(move, signer=SIGNER.signer, created=NOW).document


SAMPLES = samples()


def check(document: dict[str, Any], kind: OwnedType) -> None:
    require_ownership(document, kind, signer=SIGNER.address, receiver=RECEIVER.address)


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Return a copy with another value at a path; `*` is the first item."""
    changed = copy.deepcopy(document)
    place: Any = changed
    steps: list[Any] = [0 if step == "*" else step for step in path[1:].split("/")]
    for step in steps[:-1]:
        place = place[step]
    assert steps[-1] in place or isinstance(place, list)
    place[steps[-1]] = value
    return changed


def get(document: Any, path: str) -> Any:
    for step in path[1:].split("/"):
        document = document[0] if step == "*" else document[step]
    return document


def foreign(value: str) -> Iterator[Any]:
    """Other addresses that an attacker could want to pass for this one."""
    host = value.split("/")[2]
    for other in (SIGNER, RECEIVER, THIRD):
        if other.address.authority != host:
            yield value.replace(host, other.address.authority)
    yield value.replace("https://", "http://")
    yield value.replace(host, host + ":8443")
    yield value.replace(host, host + ":443")
    yield value.replace(host, host.upper())
    yield value.replace(host, host + ".")
    yield value.replace(host, "evil.example@" + host)
    yield value.replace(host, host + ".evil.example")
    yield value.replace(host, "evil." + host)
    yield value.replace(host + "/", host + "/../")
    yield value.replace(host, host + "\\@evil.example")
    yield value + "/"
    yield value + "%00"
    yield " " + value
    yield value + "\n"
    yield from ("", "https:", "urn:x", None, 7, {}, [], [value], {"id": value})


@pytest.mark.parametrize(("kind", "document"), SAMPLES.items())
def test_what_belongs_to_the_signer_passes(
    kind: OwnedType, document: dict[str, Any]
) -> None:
    check(document, kind)


@pytest.mark.parametrize(
    ("kind", "path", "claim"),
    ROWS,
    ids=[f"{kind.name}{path}" for kind, path, _ in ROWS],
)
def test_each_identifier_is_compared(kind: OwnedType, path: str, claim: Claim) -> None:
    document = SAMPLES[kind]
    value = get(document, path)
    for other in foreign(value):
        if other == value:
            continue
        if claim is Claim.EITHER_NODE and _is_of_one(other):
            continue
        if claim is Claim.OTHER_ACTOR and _is_elsewhere(other):
            continue
        with pytest.raises(OriginMismatchError) as caught:
            check(put(document, path, other), kind)
        assert claim.value in caught.value.safe_text, other


def _is_of_one(value: Any) -> bool:
    return isinstance(value, str) and any(
        value.startswith(f"{node.base_url}/") for node in (SIGNER, RECEIVER)
    )


def _is_elsewhere(value: Any) -> bool:
    host = r"https://(?:[a-z]+\.)+[a-z]+(?::8443)?/actor"
    return (
        isinstance(value, str)
        and re.fullmatch(host, value) is not None
        and value != SIGNER.address.actor
    )


@pytest.mark.parametrize("kind", OwnedType)
def test_every_type_has_rows_and_a_sample(kind: OwnedType) -> None:
    assert CLAIMS[kind]
    assert kind in SAMPLES


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        (kind, path)
        for kind, path, claim in ROWS
        if claim
        in {
            Claim.RECEIVER,
            Claim.RECEIVER_NODE,
            Claim.OUR_ACTIVITY,
            Claim.OUR_ENTRY,
            Claim.EITHER_NODE,
        }
    ],
)
def test_without_a_receiver_nothing_is_the_receivers(
    kind: OwnedType, path: str
) -> None:
    with pytest.raises(OriginMismatchError):
        require_ownership(
            SAMPLES[kind],
            kind,
            signer=SIGNER.address,
        )


def test_the_owner_is_compared_exactly_and_not_by_origin() -> None:
    document = SAMPLES[OwnedType.ENTRY]
    for value in (
        f"{SIGNER.base_url}/actor/partners",
        f"{SIGNER.base_url}/actor#key-1",
        f"{SIGNER.base_url}/ACTOR",
        SIGNER.base_url,
    ):
        with pytest.raises(OriginMismatchError):
            check({**document, "attributedTo": value}, OwnedType.ENTRY)
        with pytest.raises(OriginMismatchError):
            require_signer(
                {**document, "attributedTo": value},
                "attributedTo",
                actor_id=SIGNER.address.actor,
            )


@pytest.mark.parametrize("value", [None, 7, True, {}, [SIGNER.address.actor]])
def test_a_signer_of_another_type_is_nobody(value: Any) -> None:
    with pytest.raises(OriginMismatchError):
        require_signer({"actor": value}, "actor", actor_id=SIGNER.address.actor)
    with pytest.raises(OriginMismatchError):
        require_signer({}, "actor", actor_id=SIGNER.address.actor)


def addresses(schema: Any, path: str = "") -> Iterator[str]:
    """Yield the paths of all identifiers in a schema."""
    if not isinstance(schema, dict):
        return
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if name in ADDRESSES:
        yield path
    if name == "to":
        yield f"{path}/*"
    for key, child in schema.get("properties", {}).items():
        yield from addresses(child, f"{path}/{key}")
    yield from addresses(schema.get("items"), f"{path}/*")
    for branch in ("if", "then", "else"):
        yield from addresses(schema.get(branch), path)


WIRE = Path(schemas.__file__).parent / "wire"


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name.removesuffix(".schema.json")
        for path in WIRE.glob("*.schema.json")
        if path.name != "values.schema.json"
    ),
)
def test_no_identifier_of_a_schema_is_without_a_row(name: str) -> None:
    schema = json.loads((WIRE / f"{name}.schema.json").read_text(encoding="utf-8"))
    found = set(addresses(schema))
    assert found
    named = {path for kind in SCHEMAS[name] for path, _ in CLAIMS[kind]}
    assert found - named - FREE - INSIDE == set()


def test_rows_are_for_parties_and_not_for_hosts_alone() -> None:
    """A second actor of the same origin is another owner (FEP-fe34)."""
    other = NodeAddress(SIGNER.base_url)
    assert other.actor == SIGNER.address.actor
    document = {**SAMPLES[OwnedType.DELETE], "actor": f"{SIGNER.base_url}/users/alice"}
    with pytest.raises(OriginMismatchError):
        check(document, OwnedType.DELETE)
