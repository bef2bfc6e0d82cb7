"""What a partner says that it holds is read as strictly as everything else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from federation.canonical import canonical_bytes
from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsScope,
    build_holdings,
    build_holdings_page,
    parse_holdings,
    parse_holdings_page,
)
from federation.errors import LocalError, PeerError
from federation.exchange import HeldState, HeldVersion, ViewDigest, bucket_of
from federation.ids import BaseUrl, NodeAddress
from federation.limits import (
    ACTIVITY_BYTES_MAX,
    ACTIVITY_NODES_MAX,
    HOLDINGS_ITEMS_MAX,
    JSON_INTEGER_MAX,
)
from federation.strict_json import loads_object
from federation.version import Version
from tests.unit.federation.nodes import EPOCH, NOW, Node

HASH = "c" * 64
Change = Callable[[dict[str, Any]], object]


def held(node: Node, count: int, *, bucket: int | None = None) -> list[HeldEntry]:
    found: list[HeldEntry] = []
    while len(found) < count:
        entry_id = node.entry_id()
        if bucket in {None, bucket_of(entry_id)}:
            version = HeldVersion(Version(1, 2), HeldState.PRESENT, HASH)
            found.append(HeldEntry(entry_id, version))
    return sorted(found, key=lambda each: each.entry_id)


def written(
    holder: Node, origin: Node, entries: list[HeldEntry], **options: Any
) -> dict[str, Any]:
    scope = options.pop("scope", HoldingsScope())
    return build_holdings_page(
        entries,
        scope=scope,
        more=options.pop("more", False),
        address=holder.address,
        partner=origin.address.actor,
        published=NOW,
    )


def read(
    document: dict[str, Any],
    holder: Node,
    origin: Node,
    scope: HoldingsScope | None = None,
) -> Any:
    return parse_holdings_page(
        document,
        scope=scope or HoldingsScope(),
        peer=holder.actor.as_peer(),
        address=origin.address,
    )


def numbers(holder: Node, origin: Node, entries: list[HeldEntry]) -> dict[str, Any]:
    view = ViewDigest()
    for each in entries:
        view.add(each.entry_id, each.held.version, HASH)
    return build_holdings(
        Holdings(EPOCH, 7, view, NOW),
        address=holder.address,
        partner=origin.address.actor,
    )


def test_numbers_arrive_as_they_were_written(optence: Node, swissmem: Node) -> None:
    document = numbers(optence, swissmem, held(swissmem, 3))
    told = parse_holdings(
        document, peer=optence.actor.as_peer(), address=swissmem.address
    )
    assert (told.epoch, told.position, told.published) == (EPOCH, 7, NOW)
    assert told.view.count == 3
    assert told.view.hex() == document["digest"]


def test_nothing_was_received_yet(optence: Node, swissmem: Node) -> None:
    document = build_holdings(
        Holdings(None, 0, ViewDigest(), NOW),
        address=optence.address,
        partner=swissmem.address.actor,
    )
    told = parse_holdings(
        document, peer=optence.actor.as_peer(), address=swissmem.address
    )
    assert told.epoch is None


def test_a_list_is_followed_to_its_end(optence: Node, swissmem: Node) -> None:
    entries = held(swissmem, 5)
    first = read(written(optence, swissmem, entries[:3], more=True), optence, swissmem)
    assert list(first.entries) == entries[:3]
    assert first.more is not None
    rest = written(optence, swissmem, entries[3:], scope=first.more)
    second = read(rest, optence, swissmem, first.more)
    assert list(second.entries) == entries[3:]
    assert second.more is None


@pytest.mark.parametrize("state", list(HeldState))
def test_every_state_arrives(optence: Node, swissmem: Node, state: HeldState) -> None:
    content_hash = HASH if state is HeldState.PRESENT else None
    entry = HeldEntry(
        swissmem.entry_id(), HeldVersion(Version(3, 4), state, content_hash)
    )
    page = read(written(optence, swissmem, [entry]), optence, swissmem)
    assert page.entries == (entry,)


def test_the_longest_list_fits_the_bound_of_a_single_document(swissmem: Node) -> None:
    label = "a" * 60
    host = ".".join([label, label, label, "b" * 57, "example"])
    origin = NodeAddress(BaseUrl(f"https://{host}:65535"))
    version = HeldVersion(
        Version(JSON_INTEGER_MAX, JSON_INTEGER_MAX), HeldState.PRESENT, HASH
    )
    ids = sorted(
        origin.entry(swissmem.entry_id().rpartition("/")[2])
        for _ in range(HOLDINGS_ITEMS_MAX)
    )
    page = build_holdings_page(
        [HeldEntry(entry_id, version) for entry_id in ids],
        scope=HoldingsScope(255, "a" * 26),
        more=True,
        address=origin,
        partner=origin.actor,
        published=NOW,
    )
    loads_object(
        canonical_bytes(page),
        bytes_max=ACTIVITY_BYTES_MAX,
        nodes_max=ACTIVITY_NODES_MAX,
    )


def test_too_many_cannot_be_written(optence: Node, swissmem: Node) -> None:
    entries = held(swissmem, 1) * (HOLDINGS_ITEMS_MAX + 1)
    with pytest.raises(LocalError):
        written(optence, swissmem, entries)
    with pytest.raises(LocalError):
        written(optence, swissmem, [], more=True)


def _first(name: str, value: Any) -> Change:
    return lambda page: page["holds"][0].update({name: value})


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda page: page["holds"].reverse(), "schema-invalid"),
        (lambda page: page["holds"].insert(1, page["holds"][0]), "schema-invalid"),
        (lambda page: page["holds"].extend(page["holds"] * 200), "schema-invalid"),
        (_first("id", "https://other.example/entries/" + "a" * 26), "origin-mismatch"),
        (_first("id", "https://spalier.swissmem.example/entries/x"), "schema-invalid"),
        (_first("state", "lost"), "schema-invalid"),
        (_first("state", "withdrawn"), "schema-invalid"),  # with a hash
        (_first("version", 0), "schema-invalid"),
        (_first("version", 2**53), "schema-invalid"),
        (_first("hash", "C" * 64), "schema-invalid"),
        (_first("title", "x"), "schema-invalid"),
        (lambda page: page["holds"][0].pop("hash"), "schema-invalid"),
        (lambda page: page.update(bucket=3), "schema-invalid"),
        (lambda page: page.update(next=page["id"]), "schema-invalid"),
        (
            lambda page: page.update(next=page["id"] + "a" * 26),
            "schema-invalid",
        ),
        (lambda page: page.update(next="https://other.example/"), "origin-mismatch"),
        (lambda page: page.update(partner=page["actor"]), "origin-mismatch"),
        (lambda page: page.update(actor=page["partner"]), "origin-mismatch"),
        (lambda page: page.update(id=page["id"] + "a" * 26), "schema-invalid"),
        (lambda page: page.update({"@context": []}), "context-not-allowed"),
    ],
)
def test_hostile_list_is_refused(
    optence: Node, swissmem: Node, change: Change, code: str
) -> None:
    page = copy.deepcopy(written(optence, swissmem, held(swissmem, 3)))
    change(page)
    with pytest.raises(PeerError) as caught:
        read(page, optence, swissmem)
    assert caught.value.code == code


def test_an_empty_list_cannot_go_on(optence: Node, swissmem: Node) -> None:
    page = written(optence, swissmem, [])
    page["next"] = page["id"]
    with pytest.raises(PeerError):
        read(page, optence, swissmem)


def test_a_list_does_not_go_back(optence: Node, swissmem: Node) -> None:
    entries = held(swissmem, 4)
    scope = HoldingsScope(None, entries[1].entry_id.rpartition("/")[2])
    page = written(optence, swissmem, entries[1:], scope=scope)
    with pytest.raises(PeerError):
        read(page, optence, swissmem, scope)


def test_entries_of_another_bucket_are_refused(optence: Node, swissmem: Node) -> None:
    scope = HoldingsScope(9)
    entries = held(swissmem, 2, bucket=9)
    assert read(
        written(optence, swissmem, entries, scope=scope), optence, swissmem, scope
    ).entries == tuple(entries)
    strange = sorted(
        [*entries, *held(swissmem, 1, bucket=10)], key=lambda each: each.entry_id
    )
    with pytest.raises(PeerError):
        read(written(optence, swissmem, strange, scope=scope), optence, swissmem, scope)


@pytest.mark.parametrize(
    "change",
    [
        lambda told: told.update(held=2),
        lambda told: told.update(digest="0" * 64),
        lambda told: told["buckets"].pop(),
        lambda told: told["buckets"].append("0" * 80),
        lambda told: told["buckets"].__setitem__(0, "0" * 79),
        lambda told: told["buckets"].__setitem__(0, "0" * 15 + "1" + "0" * 64),
        lambda told: told.update(epoch="x"),
        lambda told: told.update(id=told["id"] + "?after="),
        lambda told: told.update(position=-1),
        lambda told: told.update(partner=told["actor"]),
        lambda told: told.update(holds=[]),
    ],
)
def test_numbers_that_do_not_fit_are_refused(
    optence: Node, swissmem: Node, change: Change
) -> None:
    told = numbers(optence, swissmem, held(swissmem, 3))
    change(told)
    with pytest.raises(PeerError):
        parse_holdings(told, peer=optence.actor.as_peer(), address=swissmem.address)
