from __future__ import annotations

import copy
import dataclasses
from datetime import timedelta
from typing import Any

import pytest

import schemas
from federation.documents import (
    PUBLIC,
    EntryOwner,
    OwnerOrganisation,
    OwnerPerson,
    build_entry,
    parse_entry,
)
from federation.documents.entry import read_entry
from federation.documents.signed import SignedDocument, sign
from federation.errors import (
    ContextNotAllowedError,
    LimitExceededError,
    LocalError,
    OriginMismatchError,
    PeerError,
    ProofInvalidError,
    SchemaInvalidError,
)
from federation.version import Version
from tests.unit.federation.nodes import NOW, Node, contents, example_content


def resigned(node: Node, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Change a document and sign it again, as a faulty partner would."""
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    unsigned = {k: v for k, v in unsigned.items() if v is not None}
    return sign(unsigned, signer=node.signer, created=NOW).document


@pytest.mark.parametrize("kind", schemas.KINDS)
def test_every_kind_travels_unchanged(optence: Node, kind: str) -> None:
    for content in contents(kind):
        for public in (True, False):
            entry = optence.entry(content=content, public=public)
            assert entry.content() == content
            signed = build_entry(entry, signer=optence.signer, created=NOW)
            received = parse_entry(signed.document, peer=optence.peer)
            assert received.entry == entry
            assert received.entry.content() == content
            assert received.signed == signed
            assert received.known_kind


def test_the_wire_form_of_an_offer(optence: Node) -> None:
    content = {
        **example_content("capacity_offer"),
        "title": {"en": "Milling", "de": "Fräsen"},
        "valid_until": "2027-01-31",
    }
    entry = optence.entry(content=content, version=Version(2, 3))
    document = build_entry(entry, signer=optence.signer, created=NOW).document
    assert document["type"] == "Proposal"
    assert document["purpose"] == "offer"
    assert document["name"] == "Fräsen"
    assert document["endTime"] == "2027-01-31T23:59:59Z"
    assert (document["incarnation"], document["version"]) == (2, 3)
    assert document["publishes"]["id"] == f"{entry.id}#primary"
    assert document["unitBased"] is False
    assert document["to"] == [f"{optence.base_url}/actor/partners"]
    assert "valid_until" not in document["details"]
    assert document["proof"]["verificationMethod"] == optence.signer.key_id


def test_the_wire_form_of_an_event(optence: Node) -> None:
    content = {
        **example_content("event"),
        "starts": "2027-07-01T09:00",
        "ends": "2027-07-01T17:30:00",
        "timezone": "Europe/Berlin",
        "valid_until": "2027-06-30",
    }
    content.pop("registration_until", None)
    entry = optence.entry(content=content, public=True)
    document = build_entry(entry, signer=optence.signer, created=NOW).document
    assert document["startTime"] == "2027-07-01T09:00:00+02:00"
    assert document["endTime"] == "2027-07-01T17:30:00+02:00"
    assert document["details"]["valid_until"] == "2027-06-30"
    assert document["to"] == [PUBLIC]
    received = parse_entry(document, peer=optence.peer)
    assert received.entry.content() == content
    # Another time zone table may give the same local time another offset.
    shifted = resigned(optence, document, endTime="2027-07-01T17:30:00+01:00")
    assert parse_entry(shifted, peer=optence.peer).entry.content() == content
    moved = resigned(optence, document, endTime="2027-07-01T18:30:00+02:00")
    with pytest.raises(SchemaInvalidError, match="/endTime"):
        parse_entry(moved, peer=optence.peer)


def test_the_owner_travels_as_content(optence: Node) -> None:
    for owner in (
        None,
        EntryOwner(OwnerOrganisation("Muster GmbH", "https://muster.example", "DE-HE")),
        EntryOwner(
            OwnerOrganisation("Muster GmbH"), OwnerPerson("Erika Beispiel", "Vertrieb")
        ),
    ):
        document = optence.signed_entry(owner=owner).document
        assert ("owner" in document) == (owner is not None)
        assert parse_entry(document, peer=optence.peer).entry.owner == owner
        assert document["attributedTo"] == optence.address.actor


def test_what_cannot_be_built(optence: Node, laser: Node) -> None:
    entry = optence.entry()
    broken = dataclasses.replace(entry, title={"de": "x"})
    for wrong in (
        dataclasses.replace(entry, id=laser.entry_id()),
        dataclasses.replace(entry, published=NOW + timedelta(microseconds=1)),
        broken,
        dataclasses.replace(entry, kind="course"),
    ):
        with pytest.raises(LocalError):
            build_entry(wrong, signer=optence.signer, created=NOW)


def test_foreign_ids_and_attributions(optence: Node, laser: Node) -> None:
    document = optence.signed_entry().document
    for changes in (
        {"id": laser.entry_id()},
        {"attributedTo": laser.address.actor},
        {"attributedTo": optence.address.actor + "/x"},
    ):
        with pytest.raises(OriginMismatchError) as caught:
            parse_entry(resigned(optence, document, **changes), peer=optence.peer)
        assert caught.value.status == 403
    with pytest.raises(OriginMismatchError):
        parse_entry(laser.signed_entry().document, peer=optence.peer)


def test_a_key_of_another_node_does_not_count(optence: Node, laser: Node) -> None:
    document = optence.signed_entry().document
    forged = resigned(laser, document)
    with pytest.raises(ProofInvalidError):
        parse_entry(forged, peer=optence.peer)
    both = dataclasses.replace(optence.peer, keys=(*optence.keys, *laser.keys))
    with pytest.raises(ProofInvalidError):
        parse_entry(forged, peer=both)


def test_another_context_is_refused_even_if_signed(optence: Node) -> None:
    document = optence.signed_entry().document
    for context in (document["@context"][:3], document["@context"][0]):
        with pytest.raises(ContextNotAllowedError):
            parse_entry(
                resigned(optence, document, **{"@context": context}), peer=optence.peer
            )


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": "Another title"}, "/name"),
        (
            {"type": "Document", "purpose": None, "publishes": None, "unitBased": None},
            "",
        ),
        ({"purpose": "request"}, "/purpose"),
        ({"unitBased": True}, "/unitBased"),
        ({"endTime": "2027-01-31T12:00:00Z"}, "/endTime"),
        ({"to": ["https://evil.example/actor/partners"]}, "/to"),
        ({"startTime": "2027-01-31T12:00:00Z"}, "/startTime"),
        ({"version": 0}, "/version"),
        ({"incarnation": "1"}, "/incarnation"),
        ({"name": None}, "/name"),
        ({"summaryMap": None}, "/summaryMap"),
        ({"internal": 1}, "/internal"),
        ({"mediaType": "text/html"}, "/mediaType"),
        ({"details": {"kind": "event"}}, "/details"),
        ({"details": {"title": {"de": "Anderer Titel"}}}, "/details"),
        ({"details": {"unknown": 1}}, "/availability: This field is missing"),
        ({"updated": "2026-02-31T00:00:00Z"}, ""),
        ({"kind": "technology_offer"}, ""),
    ],
)
def test_faulty_entries_of_the_right_signer(
    optence: Node, changes: dict[str, Any], path: str
) -> None:
    document = resigned(optence, optence.signed_entry().document, **changes)
    with pytest.raises((SchemaInvalidError, OriginMismatchError)) as caught:
        parse_entry(document, peer=optence.peer)
    assert caught.value.safe_text.startswith(path)


def test_the_last_day_stands_in_one_place(optence: Node) -> None:
    document = optence.signed_entry().document
    details = {**document["details"], "valid_until": "2027-01-31"}
    wrong = resigned(optence, document, details=details)
    with pytest.raises(SchemaInvalidError, match="/details/valid_until"):
        parse_entry(wrong, peer=optence.peer)


def test_an_entry_of_a_newer_kind_is_kept_unread(optence: Node) -> None:
    document = copy.deepcopy(optence.signed_entry("organisation_profile").document)
    newer = resigned(
        optence,
        document,
        kind="training_course",
        details={"lessons": [{"deep": [1, 2]}]},
    )
    received = parse_entry(newer, peer=optence.peer)
    assert not received.known_kind
    assert received.entry.title == document["nameMap"]
    assert received.entry.details == {"lessons": [{"deep": [1, 2]}]}
    for name in ("name", "nameMap", "summaryMap"):
        with pytest.raises(SchemaInvalidError):
            parse_entry(resigned(optence, newer, **{name: None}), peer=optence.peer)


def test_a_too_long_entry(optence: Node) -> None:
    newer = resigned(
        optence,
        optence.signed_entry("organisation_profile").document,
        kind="newer",
        details={"text": "x" * 33_000},
    )
    with pytest.raises(LimitExceededError):
        read_entry(SignedDocument.of(newer), peer=optence.peer)


def test_a_shared_document_survives_another_order_of_keys(optence: Node) -> None:
    signed = optence.signed_entry()
    shuffled = dict(reversed(list(signed.document.items())))
    assert parse_entry(shuffled, peer=optence.peer).signed.raw == signed.raw


def test_removing_any_field_is_refused(optence: Node) -> None:
    document = optence.signed_entry().document
    for name in document:
        with pytest.raises(PeerError):
            parse_entry(
                {k: v for k, v in document.items() if k != name}, peer=optence.peer
            )


def test_content_does_not_show_in_logs(optence: Node) -> None:
    entry = optence.entry()
    received = parse_entry(
        build_entry(entry, signer=optence.signer, created=NOW).document,
        peer=optence.peer,
    )
    for text in (*entry.title.values(), *entry.summary.values(), "Muster Optik"):
        assert text not in repr(received)
