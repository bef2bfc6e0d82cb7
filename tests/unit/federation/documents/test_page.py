from __future__ import annotations

import copy
from typing import Any

import pytest

from federation.documents import (
    PageFault,
    ReceivedEntry,
    Removal,
    Upsert,
    Withdrawal,
    build_page,
    build_withdrawal,
    parse_page,
)
from federation.documents.signed import sign
from federation.errors import (
    ContextNotAllowedError,
    LimitExceededError,
    LocalError,
    OriginMismatchError,
    PeerError,
    ProofInvalidError,
    SchemaInvalidError,
)
from tests.unit.federation.nodes import EPOCH, NOW, Node


def removal(node: Node) -> Removal:
    signed = build_withdrawal(node.withdrawal(), signer=node.signer, created=NOW)
    return Removal(signed.document)


def resigned(node: Node, document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return sign(unsigned, signer=node.signer, created=NOW).document


def test_a_page_keeps_order_and_content(optence: Node) -> None:
    entries = [optence.signed_entry(kind) for kind in ("event", "capacity_request")]
    document = optence.page(entries[0], removal(optence), entries[1], first=41)
    page = parse_page(document, peer=optence.peer)
    assert (page.first, page.last, page.head, page.epoch) == (41, 43, 43, EPOCH)
    kinds = [type(item.content) for item in page.items]
    assert kinds == [ReceivedEntry, Withdrawal, ReceivedEntry]
    assert page.items[0].entry_id == entries[0].document["id"]
    assert page.items[0].content.signed == entries[0]
    assert all(item.known_kind for item in page.items)
    assert not page.only_withdraws


def test_create_and_update_are_alike(optence: Node) -> None:
    entry = optence.signed_entry()
    pages = [
        parse_page(
            optence.page(Upsert(entry.document, is_first=first)), peer=optence.peer
        )
        for first in (True, False)
    ]
    assert pages[0] == pages[1]


def test_an_empty_page(optence: Node) -> None:
    page = parse_page(optence.page(first=8), peer=optence.peer)
    assert (page.first, page.last, page.items) == (8, 7, ())
    assert page.only_withdraws


def test_what_cannot_be_built(optence: Node) -> None:
    entry = Upsert(optence.signed_entry().document, is_first=True)

    def build(items: list[Upsert], first: int, last: int, head: int) -> None:
        build_page(
            items,
            address=optence.address,
            epoch=EPOCH,
            first=first,
            last=last,
            head=head,
        )

    with pytest.raises(LocalError):
        build([entry] * 201, 1, 201, 201)
    for first, last, head in ((0, 1, 1), (5, 3, 9), (1, 2, 1)):
        with pytest.raises(LocalError):
            build([entry], first, last, head)


def test_too_many_items(optence: Node) -> None:
    document = optence.page(optence.signed_entry())
    document["orderedItems"] *= 201
    document["through"] = document["head"] = 201
    with pytest.raises(LimitExceededError) as caught:
        parse_page(document, peer=optence.peer)
    assert caught.value.status == 413


def test_more_items_than_positions(optence: Node) -> None:
    document = optence.page(optence.signed_entry())
    document["orderedItems"] *= 2
    with pytest.raises(SchemaInvalidError):
        parse_page(document, peer=optence.peer)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("actor", "https://evil.example/actor", OriginMismatchError),
        ("id", "https://evil.example/outbox?after=0", OriginMismatchError),
        ("id", "https://spalier.optence.example/outbox?after=1", SchemaInvalidError),
        ("partOf", "https://spalier.optence.example/inbox", OriginMismatchError),
        ("epoch", "x", SchemaInvalidError),
        ("from", 0, SchemaInvalidError),
        ("from", "1", SchemaInvalidError),
        ("through", -1, SchemaInvalidError),
        ("head", 0, SchemaInvalidError),
        ("orderedItems", {}, SchemaInvalidError),
        ("orderedItems", [7], SchemaInvalidError),
        ("orderedItems", [{"type": "Announce", "actor": "x", "object": "y"}], None),
        ("type", ["OrderedCollectionPage"], SchemaInvalidError),
        ("totalItems", 7, SchemaInvalidError),
        ("@context", "https://www.w3.org/ns/activitystreams", ContextNotAllowedError),
    ],
)
def test_faulty_pages(optence: Node, name: str, value: Any, error: Any) -> None:
    document = {**optence.page(optence.signed_entry()), name: value}
    with pytest.raises(error or SchemaInvalidError):
        parse_page(document, peer=optence.peer)


def test_one_forged_entry_spoils_the_page(optence: Node, laser: Node) -> None:
    good = [optence.signed_entry() for _ in range(3)]
    forged = copy.deepcopy(good[1].document)
    forged["nameMap"] = {"de": "Gefälscht"}
    with pytest.raises(ProofInvalidError) as caught:
        parse_page(
            optence.page(good[0], Upsert(forged, is_first=True), good[2]),
            peer=optence.peer,
        )
    assert caught.value.code == "proof-invalid"
    # Somebody else's genuine entry is no more welcome.
    with pytest.raises(OriginMismatchError):
        parse_page(
            optence.page(good[0], laser.signed_entry()),
            peer=optence.peer,
        )
    with pytest.raises(OriginMismatchError):
        parse_page(optence.page(removal(laser)), peer=optence.peer)


def test_an_item_of_another_actor(optence: Node) -> None:
    document = optence.page(optence.signed_entry())
    document["orderedItems"][0]["actor"] = "https://evil.example/actor"
    with pytest.raises(OriginMismatchError):
        parse_page(document, peer=optence.peer)


def test_an_entry_with_another_context(optence: Node) -> None:
    entry = optence.signed_entry().document
    other = resigned(optence, entry, **{"@context": entry["@context"][:3]})
    with pytest.raises(ContextNotAllowedError):
        parse_page(optence.page(Upsert(other, is_first=True)), peer=optence.peer)


@pytest.mark.parametrize("kind", ["capacity_offer", "newer"])
def test_an_entry_for_anothers_partners_is_faulty_and_not_forged(
    optence: Node, laser: Node, kind: str
) -> None:
    good = optence.signed_entry()
    wrong = resigned(
        optence,
        optence.signed_entry().document,
        kind=kind,
        to=[laser.address.partners_audience],
    )
    page = parse_page(
        optence.page(Upsert(wrong, is_first=True), good), peer=optence.peer
    )
    first, second = (item.content for item in page.items)
    assert isinstance(first, PageFault)
    assert first.reason.startswith("/to")
    assert isinstance(second, ReceivedEntry)


def test_a_faulty_entry_does_not_hold_up_the_others(optence: Node) -> None:
    good = [optence.signed_entry() for _ in range(2)]
    faulty = resigned(optence, optence.signed_entry().document, details={"x": 1})
    profile = optence.signed_entry("organisation_profile").document
    large = resigned(optence, profile, kind="newer", details={"x": "y" * 33_000})
    page = parse_page(
        optence.page(
            good[0],
            Upsert(faulty, is_first=True),
            Upsert(large, is_first=False),
            good[1],
        ),
        peer=optence.peer,
    )
    first, second, third, fourth = (item.content for item in page.items)
    assert isinstance(first, ReceivedEntry)
    assert isinstance(fourth, ReceivedEntry)
    assert isinstance(second, PageFault)
    assert second.entry_id == faulty["id"]
    assert second.reason == "/availability: This field is missing."
    assert isinstance(third, PageFault)
    assert third.reason == "too-large"


def test_a_newer_kind_is_an_ordinary_item(optence: Node) -> None:
    profile = optence.signed_entry("organisation_profile").document
    newer = resigned(optence, profile, kind="newer", details={"any": ["thing"]})
    (item,) = parse_page(
        optence.page(Upsert(newer, is_first=True)), peer=optence.peer
    ).items
    assert isinstance(item.content, ReceivedEntry)
    assert not item.known_kind


@pytest.mark.parametrize(
    "changes",
    [
        {"mode": "purge"},
        {"version": 0},
        {"object": {"id": "x"}},
        {"name": "Geheim"},
        {"published": "yesterday"},
    ],
)
def test_faulty_withdrawals(optence: Node, changes: dict[str, Any]) -> None:
    document = resigned(optence, removal(optence).document, **changes)
    with pytest.raises(PeerError):
        parse_page(optence.page(Removal(document)), peer=optence.peer)


def test_a_withdrawal_says_nothing_but_the_id(optence: Node) -> None:
    document = removal(optence).document
    assert set(document) == {
        "@context",
        "id",
        "type",
        "actor",
        "object",
        "incarnation",
        "version",
        "mode",
        "published",
        "to",
        "proof",
    }
