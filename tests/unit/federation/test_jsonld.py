from __future__ import annotations

import dataclasses
import socket
from typing import Any

import pytest

import schemas
from federation import jsonld
from federation.documents import (
    ActorUpdate,
    NoticeType,
    Removal,
    build_actor,
    build_actor_update,
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
from federation.documents.signed import SignedDocument
from federation.documents.tombstone import build_tombstone
from federation.errors import ContextNotAllowedError, MalformedError, SchemaInvalidError
from federation.exchange import HeldState, HeldVersion, ViewDigest
from federation.ids import BaseUrl
from federation.version import Version
from tests.unit.federation.nodes import EPOCH, NOW, Bytes, Node, contents


def every_document(node: Node, other: Node) -> list[dict[str, Any]]:
    """One document of every type, and an entry for every shipped example."""
    removal = build_withdrawal(node.withdrawal(), signer=node.signer, created=NOW)
    entries = [
        node.signed_entry(content=content)
        for kind in schemas.KINDS
        for content in contents(kind)
    ]
    update = ActorUpdate(
        id=node.activity_id(),
        actor=dataclasses.replace(node.actor, updated=NOW),
        recipient=other.address.actor,
        published=NOW,
    )
    move = Move(
        id=node.activity_id(),
        target=BaseUrl("https://elsewhere.example"),
        recipient=other.address.actor,
        published=NOW,
    )
    return [
        build_actor(node.actor),
        build_move(move, signer=node.signer, created=NOW).document,
        build_actor_update(update, signer=node.signer, created=NOW).document,
        build_tombstone(node.entry_id(), address=node.address),
        *(entry.document for entry in entries),
        removal.document,
        node.page(*entries, Removal(removal.document)),
        build_receipt(node.receipt(other), signer=node.signer, created=NOW).document,
        *holdings_of(node, other, entries),
        build_message(node.message(other), signer=node.signer, created=NOW).document,
        *(
            build_notice(
                node.notice(other, kind), signer=node.signer, created=NOW
            ).document
            for kind in NoticeType
        ),
        build_partner_request(
            node.actor,
            host=other.actor,
            secret=b"0123456789",
            signer=node.signer,
            random=Bytes("x"),
            created=NOW,
        ).document,
    ]


def holdings_of(
    origin: Node, holder: Node, entries: list[SignedDocument]
) -> list[dict[str, Any]]:
    """What a holder says of an origin's entries: in numbers, and a part of the list."""
    view = ViewDigest()
    held = []
    for entry in entries:
        entry_id, version = str(entry.document["id"]), Version(1, 1)
        view.add(entry_id, version, entry.content_hash)
        state = HeldVersion(version, HeldState.PRESENT, entry.content_hash)
        held.append(HeldEntry(entry_id, state))
    partner = origin.address.actor
    return [
        build_holdings(
            Holdings(EPOCH, 7, view, NOW), address=holder.address, partner=partner
        ),
        build_holdings_page(
            sorted(held, key=lambda each: each.entry_id),
            scope=HoldingsScope(),
            more=True,
            address=holder.address,
            partner=partner,
            published=NOW,
        ),
    ]


def test_every_term_of_every_document_has_a_meaning(
    optence: Node, swissmem: Node
) -> None:
    documents = every_document(optence, swissmem)
    assert len(documents) > 20
    for document in documents:
        kind = document["type"]
        node = jsonld.check_meaning(document, type_iri=jsonld.type_iri(kind))
        assert node["@id"] == document["id"]


def test_every_field_of_every_wire_schema_has_a_meaning() -> None:
    """What a partner may send within the schemas has a meaning, used or not."""
    opaque = {"card", "details", "owner", "author", "refused", "holds"}
    names = set()
    for name in schemas.schema_names():
        if name.startswith("wire/") and name != "wire/values":
            names |= fields_of(schemas.load_schema(name), opaque=opaque)
    names -= {"@context"}
    assert {"resourceQuantity", "hasUnit", "through", "incarnation"} <= names
    document = {"@context": jsonld.context_copy(), "id": "https://a.example/x"}
    # Defined by the type-scoped context of Multikey, where alone it stands.
    names -= {"publicKeyMultibase"}
    for name in sorted(names - {"id", "type"}):
        expanded = jsonld.expand({**document, name: "https://a.example/y"})
        assert jsonld.unmapped_terms(expanded) == [], name
        assert len(expanded) == 2, name


def fields_of(schema: Any, *, opaque: set[str]) -> set[str]:
    found: set[str] = set()
    for name, part in schema.get("properties", {}).items():
        found.add(name)
        if name not in opaque and isinstance(part, dict):
            found |= fields_of(part, opaque=opaque)
    for key in ("items", "else", "then"):
        if isinstance(schema.get(key), dict):
            found |= fields_of(schema[key], opaque=opaque)
    return found


def test_every_type_of_every_wire_schema_has_a_meaning() -> None:
    """Documents are read by `type` alone where they are not expanded."""
    names = set()
    for name in schemas.schema_names():
        if name.startswith("wire/"):
            names |= types_of(schemas.load_schema(name))
    assert {"Create", "Delete", "Intent", "Multikey", "Proposal", "Receipt"} <= names
    iris = {name: jsonld.type_iri(name) for name in names}
    assert [name for name, iri in iris.items() if iri.startswith("_:")] == []
    # Two names of one type would be two ways to be understood.
    assert len(set(iris.values())) == len(names)


def types_of(schema: Any) -> set[str]:
    found: set[str] = set()
    if isinstance(schema, list):
        for part in schema:
            found |= types_of(part)
    if isinstance(schema, dict):
        kind = schema.get("properties", {}).get("type", {})
        if isinstance(kind, dict):
            found |= {each for each in kind.get("enum", []) if isinstance(each, str)}
            found |= {kind["const"]} if "const" in kind else set()
        for part in schema.values():
            found |= types_of(part)
    return found


def test_no_kind_has_a_type_without_meaning() -> None:
    for kind in schemas.KINDS.values():
        assert not jsonld.type_iri(kind.wire_type).startswith("_:")
    assert jsonld.type_iri("Proposal").startswith("https://w3id.org/valueflows/")
    assert jsonld.type_iri("Receipt") == "https://w3id.org/spalier#Receipt"


def test_unknown_terms_and_types_are_found(optence: Node) -> None:
    document = build_actor(optence.actor)
    for changed in (
        {**document, "typo": "x"},
        {**document, "generator": {"type": "Typo"}},
    ):
        with pytest.raises(SchemaInvalidError, match="has no meaning"):
            jsonld.check_meaning(changed, type_iri=jsonld.type_iri("Application"))


def test_another_type_or_a_keyword_is_refused(optence: Node) -> None:
    document = build_actor(optence.actor)
    with pytest.raises(SchemaInvalidError):
        jsonld.check_meaning(document, type_iri=jsonld.type_iri("Note"))
    for keyword in ("@graph", "@included", "@reverse"):
        with pytest.raises(MalformedError):
            jsonld.check_meaning(
                {**document, keyword: []}, type_iri=jsonld.type_iri("Application")
            )


def mutated_contexts() -> list[Any]:
    house = jsonld.context_copy()
    terms = dict(house[3])
    return [
        None,
        house[0],
        house[:3],
        house[::-1],
        [*house, {"actor": "as:target"}],
        [*house[:3], {**terms, "actor": "as:target"}],
        [*house[:3], {k: v for k, v in terms.items() if k != "kind"}],
        [*house[:2], "https://w3id.org/security/data-integrity/v1", terms],
        [*house[:2], "http://169.254.169.254/latest", terms],
        {"@context": house},
    ]


@pytest.mark.parametrize("number", range(len(mutated_contexts())))
def test_any_other_context_is_refused(optence: Node, number: int) -> None:
    document = build_actor(optence.actor)
    document["@context"] = mutated_contexts()[number]
    with pytest.raises(ContextNotAllowedError) as caught:
        jsonld.check_context(document)
    assert caught.value.status == 400
    with pytest.raises(ContextNotAllowedError):
        jsonld.check_meaning(document, type_iri=jsonld.type_iri("Application"))


def test_nothing_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: Any, **_options: Any) -> Any:
        pytest.fail("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(ContextNotAllowedError):
        jsonld.expand({"@context": "http://127.0.0.1:1/context", "id": "x:y"})
    with pytest.raises(ContextNotAllowedError):
        jsonld.expand(
            {
                "@context": jsonld.context_copy(),
                "id": "x:y",
                "object": {"@context": "https://evil.example/c", "name": "n"},
            }
        )


def test_changing_a_copy_does_not_change_the_house_context() -> None:
    copy = jsonld.context_copy()
    copy[3]["kind"] = "as:actor"
    assert jsonld.context_copy() == jsonld.HOUSE_CONTEXT
    assert jsonld.context_copy() != copy
