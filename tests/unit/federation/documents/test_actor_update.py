"""What a node says about itself, signed for one partner."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from federation.documents import ActorUpdate, Card, build_actor, parse_actor
from federation.documents.actor_update import build_actor_update, parse_actor_update
from federation.documents.signed import sign
from federation.errors import (
    ContextNotAllowedError,
    LocalError,
    OriginMismatchError,
    PeerError,
    ProofInvalidError,
    SchemaInvalidError,
)
from federation.keys import Signer, SigningKey
from federation.limits import KEYS_MAX
from federation.peers import PinnedKey
from tests.unit.federation.nodes import NOW, Bytes, Node


def further(node: Node, number: int) -> tuple[Signer, PinnedKey]:
    secret = SigningKey.generate(Bytes(f"{node.base_url}/{number}"))
    signer = Signer(node.address, secret, number)
    return signer, PinnedKey(signer.key_id, secret.public_key)


def update_of(node: Node, recipient: Node, **changes: Any) -> ActorUpdate:
    return ActorUpdate(
        id=node.activity_id(),
        actor=replace(node.actor, updated=NOW, **changes),
        recipient=recipient.address.actor,
        published=NOW,
    )


@pytest.fixture
def document(optence: Node, swissmem: Node) -> dict[str, Any]:
    update = update_of(optence, swissmem)
    return build_actor_update(update, signer=optence.signer, created=NOW).document


def read(document: Any, sender: Node, receiver: Node) -> ActorUpdate:
    return parse_actor_update(document, peer=sender.peer, address=receiver.address)


def resigned(node: Node, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return sign(unsigned, signer=node.signer, created=NOW).document


def test_it_reads_as_it_was_written(optence: Node, swissmem: Node) -> None:
    _, two = further(optence, 2)
    ended = replace(optence.keys[0], expires=NOW, revoked=NOW + timedelta(days=1))
    update = update_of(
        optence,
        swissmem,
        keys=(two, ended),
        name="Neuer Name",
        card=Card(field="Optik"),
        protocol="1.4",
        capabilities=("pages", "something-new"),
    )
    signed = build_actor_update(update, signer=optence.signer, created=NOW)
    found = read(signed.document, optence, swissmem)
    assert found == replace(
        update, signed_by=optence.signer.key_id, signed=found.signed
    )
    assert found.signed is not None
    assert found.signed.raw == signed.raw


def test_the_actor_itself_lists_ended_keys_too(optence: Node) -> None:
    _, two = further(optence, 2)
    ended = replace(optence.keys[0], expires=NOW)
    actor = replace(optence.actor, keys=(two, ended), updated=NOW)
    written = build_actor(actor)
    assert parse_actor(written, base_url=optence.base_url) == actor
    methods: Any = written["assertionMethod"]
    assert [method.get("expires") for method in methods] == [
        None,
        "2026-11-21T10:00:00Z",
    ]


@pytest.mark.parametrize(
    "further_member",
    [
        {"http://www.w3.org/ns/ldp#inbox": "https://evil.example/inbox"},
        {
            "https://w3id.org/security#assertionMethod": {
                "https://w3id.org/security#publicKeyMultibase": "z6MkEvil"
            }
        },
    ],
    ids=["inbox", "key"],
)
def test_an_actor_that_reads_differently_as_linked_data(
    optence: Node, further_member: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reads the graph would deliver elsewhere, or trust another key.

    Our schema knows no further members; this holds also if it is once more open.
    """
    monkeypatch.setattr("federation.documents.actor.check_wire", lambda *_: None)
    written = build_actor(optence.actor) | further_member
    with pytest.raises(SchemaInvalidError, match="reads differently"):
        parse_actor(written, base_url=optence.base_url)


def test_it_is_the_senders_and_for_us(
    optence: Node, swissmem: Node, laser: Node, document: dict[str, Any]
) -> None:
    with pytest.raises(OriginMismatchError):
        read(document, optence, laser)
    with pytest.raises(OriginMismatchError):
        read(document, laser, swissmem)
    told = document["object"]
    other = update_of(laser, swissmem)
    foreign = build_actor_update(other, signer=laser.signer, created=NOW).document
    for changes in (
        {"object": foreign["object"]},
        {"object": {**told, "inbox": laser.address.inbox}},
        {"id": laser.activity_id()},
        {"actor": laser.address.actor},
        {"to": [laser.address.actor]},
    ):
        with pytest.raises(OriginMismatchError):
            read(resigned(optence, document, **changes), optence, swissmem)
    with pytest.raises(LocalError):
        build_actor_update(other, signer=optence.signer, created=NOW)


def test_only_a_key_that_may_sign_now_proves_it(
    optence: Node, swissmem: Node, document: dict[str, Any]
) -> None:
    signer, two = further(optence, 2)
    by_new = {k: v for k, v in document.items() if k != "proof"}
    by_new = sign(by_new, signer=signer, created=NOW).document
    with pytest.raises(ProofInvalidError) as caught:
        read(by_new, optence, swissmem)
    assert caught.value.code == "unknown-key"
    for ended in (
        replace(optence.keys[0], expires=NOW + timedelta(days=1)),
        replace(optence.keys[0], revoked=NOW),
    ):
        peer = replace(optence.peer, keys=(two, ended))
        with pytest.raises(ProofInvalidError):
            parse_actor_update(document, peer=peer, address=swissmem.address)
        assert parse_actor_update(by_new, peer=peer, address=swissmem.address)
    altered = {**document, "object": {**document["object"], "name": "Anders"}}
    with pytest.raises(ProofInvalidError):
        read(altered, optence, swissmem)


def test_closed_schema(optence: Node, swissmem: Node, document: dict[str, Any]) -> None:
    told = document["object"]
    method = told["assertionMethod"][0]
    without = {k: v for k, v in told.items() if k != "updated"}
    many = [
        {
            **method,
            "id": optence.address.key(number),
            "publicKeyMultibase": further(optence, number)[1].public_key.multibase,
        }
        for number in range(1, KEYS_MAX + 2)
    ]
    for changes in (
        {"object": without},
        {"object": {**told, "@context": document["@context"]}},
        {"object": {**told, "secret": "x"}},
        {"object": {**told, "assertionMethod": []}},
        {"object": {**told, "assertionMethod": many}},
        {"object": {**told, "assertionMethod": [{**method, "expires": "gestern"}]}},
        {"object": {**told, "assertionMethod": [{**method, "revoked": None}]}},
        {"object": {**told, "updated": "2026-11-21T10:00:00+01:00"}},
        {"summary": "x"},
    ):
        with pytest.raises(SchemaInvalidError):
            read(resigned(optence, document, **changes), optence, swissmem)
    assert read(
        resigned(
            optence, document, object={**told, "assertionMethod": many[:KEYS_MAX]}
        ),
        optence,
        swissmem,
    )


def test_keys_that_contradict_themselves(
    optence: Node, swissmem: Node, document: dict[str, Any]
) -> None:
    told = document["object"]
    method = told["assertionMethod"][0]
    ended = {**method, "expires": "2026-11-21T10:00:00Z"}
    twice = {**method, "id": optence.address.key(2)}
    for methods in ([ended], [method, method], [method, twice]):
        changed = {**told, "assertionMethod": methods}
        with pytest.raises(PeerError) as caught:
            read(resigned(optence, document, object=changed), optence, swissmem)
        assert caught.value.status == 422


def test_another_context_or_major_version(
    optence: Node, swissmem: Node, document: dict[str, Any]
) -> None:
    changed = {**document, "@context": [*document["@context"], {"a": "as:b"}]}
    with pytest.raises(ContextNotAllowedError):
        read(resigned(optence, changed), optence, swissmem)
    told = {**document["object"], "spalierProtocol": "2.0"}
    with pytest.raises(SchemaInvalidError) as caught:
        read(resigned(optence, document, object=told), optence, swissmem)
    assert caught.value.code == "protocol-unsupported"
