from __future__ import annotations

import hashlib
import itertools
from typing import Any

import pytest

from federation.canonical import canonical_bytes
from federation.documents import (
    PageFault,
    PageItem,
    ReceivedEntry,
    WithdrawalMode,
    parse_page,
)
from federation.exchange import (
    BUCKETS,
    Gap,
    HeldPosition,
    HeldState,
    HeldVersion,
    Ignore,
    InOrder,
    Quarantine,
    Remove,
    Store,
    ViewDigest,
    bucket_of,
    decide_continuity,
    decide_item,
    digest_of,
    element_hash,
    position_gap,
)
from federation.version import Version
from tests.unit.federation.nodes import EPOCH, Node

V1, V2, V3 = Version(1, 1), Version(1, 2), Version(1, 3)
MODE = WithdrawalMode


def upsert(node: Node, entry_id: str, version: Version) -> PageItem:
    entry = node.entry(id=entry_id, version=version)
    signed = node.signed_entry(id=entry_id, version=version)
    return PageItem(ReceivedEntry(entry, signed))


def held_after(decision: Any, item: PageItem, held: HeldVersion | None) -> Any:
    """Apply a decision as a node does."""
    match decision:
        case Store(entry=entry):
            return HeldVersion(
                entry.version, HeldState.PRESENT, entry.signed.content_hash
            )
        case Remove(withdrawal=withdrawal):
            deleted = withdrawal.mode is MODE.DELETION
            return HeldVersion(
                withdrawal.version,
                HeldState.DELETED if deleted else HeldState.WITHDRAWN,
            )
        case Quarantine(version=version, reason=reason):
            if reason == "equivocation":
                return held
            return HeldVersion(version, HeldState.QUARANTINED)
        case Ignore():
            return held


def test_first_newer_same_and_older(optence: Node) -> None:
    entry_id = optence.entry_id()
    item = upsert(optence, entry_id, V2)
    assert isinstance(decide_item(item, None), Store)
    held = held_after(decide_item(item, None), item, None)
    assert decide_item(item, held) == Ignore("same-version")
    assert decide_item(upsert(optence, entry_id, V1), held) == Ignore("older-version")
    assert isinstance(decide_item(upsert(optence, entry_id, V3), held), Store)
    assert isinstance(
        decide_item(upsert(optence, entry_id, Version(2, 1)), held), Store
    )


def test_two_contents_of_one_version_are_equivocation(optence: Node) -> None:
    held = HeldVersion(V2, HeldState.PRESENT, "0" * 64)
    item = upsert(optence, optence.entry_id(), V2)
    decision = decide_item(item, held)
    assert isinstance(decision, Quarantine)
    assert decision.reason == "equivocation"


def test_a_withdrawal_yields_to_a_later_version_only(optence: Node) -> None:
    entry_id = optence.entry_id()
    held = HeldVersion(V2, HeldState.WITHDRAWN)
    assert decide_item(upsert(optence, entry_id, V1), held) == Ignore("older-version")
    assert decide_item(upsert(optence, entry_id, V2), held) == Ignore("withdrawn")
    assert isinstance(decide_item(upsert(optence, entry_id, V3), held), Store)


def test_a_deletion_yields_to_none(optence: Node) -> None:
    entry_id = optence.entry_id()
    held = HeldVersion(V1, HeldState.DELETED)
    for version in (V1, V3, Version(9, 9)):
        assert decide_item(upsert(optence, entry_id, version), held) == Ignore(
            "deleted"
        )
    later = PageItem(optence.withdrawal(entry_id, version=Version(9, 9)))
    assert decide_item(later, held) == Ignore("deleted")


def test_withdrawals(optence: Node) -> None:
    entry_id = optence.entry_id()

    def item(version: Version, mode: WithdrawalMode = MODE.WITHDRAWAL) -> PageItem:
        return PageItem(optence.withdrawal(entry_id, version=version, mode=mode))

    # It may arrive before the entry: the tombstone keeps the entry out.
    assert isinstance(decide_item(item(V2), None), Remove)
    present = HeldVersion(V2, HeldState.PRESENT, "0" * 64)
    assert isinstance(decide_item(item(V2), present), Remove)
    assert isinstance(decide_item(item(V3), present), Remove)
    assert decide_item(item(V1), present) == Ignore("older-version")
    assert isinstance(decide_item(item(V1, MODE.DELETION), present), Remove)
    withdrawn = HeldVersion(V2, HeldState.WITHDRAWN)
    assert decide_item(item(V2), withdrawn) == Ignore("same-version")
    assert isinstance(decide_item(item(V2, MODE.DELETION), withdrawn), Remove)


def test_a_faulty_entry_is_quarantined_once(optence: Node) -> None:
    entry_id = optence.entry_id()
    item = PageItem(PageFault(entry_id, V2, "/title: wrong"))
    decision = decide_item(item, None)
    assert decision == Quarantine(entry_id, V2, "/title: wrong")
    held = held_after(decision, item, None)
    assert decide_item(item, held) == Ignore("same-version")
    # A newer program may accept what the older one refused.
    assert isinstance(decide_item(upsert(optence, entry_id, V2), held), Store)
    assert isinstance(decide_item(upsert(optence, entry_id, V3), held), Store)


def test_any_order_ends_in_the_same_state(optence: Node) -> None:
    entry_id = optence.entry_id()
    items = [
        upsert(optence, entry_id, V1),
        upsert(optence, entry_id, V2),
        PageItem(optence.withdrawal(entry_id, version=V2)),
        upsert(optence, entry_id, V3),
    ]
    for chosen in (items, [*items, items[0]]):
        for order in itertools.permutations(chosen):
            held = None
            for item in order:
                held = held_after(decide_item(item, held), item, held)
            assert held is not None
            assert (held.version, held.state) == (V3, HeldState.PRESENT)
    gone = [*items, PageItem(optence.withdrawal(entry_id, mode=MODE.DELETION))]
    for order in itertools.permutations(gone):
        held = None
        for item in order:
            held = held_after(decide_item(item, held), item, held)
        assert held is not None
        assert held.state is HeldState.DELETED


def test_continuity(optence: Node) -> None:
    def page(first: int) -> Any:
        return parse_page(
            optence.page(optence.signed_entry(), first=first), peer=optence.peer
        )

    assert decide_continuity(page(1), None) == InOrder()
    assert decide_continuity(page(2), None) == Gap(EPOCH, 0)
    held = HeldPosition(EPOCH, 10)
    assert decide_continuity(page(11), held) == InOrder()
    assert decide_continuity(page(5), held) == InOrder()
    assert decide_continuity(page(12), held) == Gap(EPOCH, 10)
    other = HeldPosition("f" * 32, 10)
    assert decide_continuity(page(1), other) == InOrder()
    assert decide_continuity(page(11), other) == Gap(EPOCH, 0)
    error = position_gap(Gap(EPOCH, 10))
    assert (error.status, error.code) == (409, "position-gap")
    assert error.members == {"epoch": EPOCH, "position": 10}


def elements(count: int) -> list[tuple[str, Version, str]]:
    return [
        (
            f"https://a.example/entries/{number}",
            Version(1, number + 1),
            hashlib.sha256(str(number).encode()).hexdigest(),
        )
        for number in range(count)
    ]


def test_digest_layout_by_hand() -> None:
    entry_id, version, content = elements(1)[0]
    inner = hashlib.sha256(canonical_bytes([entry_id, 1, 1, content])).digest()
    bucket = hashlib.sha256(entry_id.encode()).digest()[0]
    layout = b"".join(
        (1).to_bytes(8, "big") + inner if number == bucket else bytes(40)
        for number in range(256)
    )
    digest = ViewDigest()
    digest.add(entry_id, version, content)
    assert digest.to_bytes() == layout
    assert digest.hex() == hashlib.sha256(layout).hexdigest()
    assert element_hash(entry_id, version, content) == int.from_bytes(inner, "big")
    assert bucket_of(entry_id) == bucket
    assert digest_of([]) == hashlib.sha256(bytes(256 * 40)).hexdigest()


def test_adding_and_removing_need_no_order() -> None:
    items = elements(600)
    digest = ViewDigest()
    for item in items:
        digest.add(*item)
    assert digest.count == 600
    assert digest.hex() == digest_of(reversed(items))
    for item in items[::2]:
        digest.remove(*item)
    assert digest.hex() == digest_of(items[1::2])
    for item in items[1::2]:
        digest.remove(*item)
    assert digest.to_bytes() == bytes(BUCKETS * 40)
    with pytest.raises(ValueError, match="no entry"):
        digest.remove(*items[0])
    assert not digest.discard(*items[0])
    assert digest.to_bytes() == bytes(BUCKETS * 40)
    digest.add(*items[0])
    assert digest.discard(*items[0])
    assert digest.to_bytes() == bytes(BUCKETS * 40)


def test_one_difference_names_its_bucket() -> None:
    items = elements(300)
    ours, theirs = ViewDigest(), ViewDigest()
    for item in items:
        ours.add(*item)
    entry_id, version, content = items[7]
    for item in [*items[:7], (entry_id, version.next(), content), *items[8:]]:
        theirs.add(*item)
    assert ours.hex() != theirs.hex()
    assert ours.buckets_that_differ(theirs) == (bucket_of(entry_id),)


def test_a_digest_survives_storage() -> None:
    digest = ViewDigest()
    for item in elements(50):
        digest.add(*item)
    assert ViewDigest.from_bytes(digest.to_bytes()).hex() == digest.hex()
    with pytest.raises(ValueError, match="bytes"):
        ViewDigest.from_bytes(b"short")


def test_the_published_vector() -> None:
    entry_id = "https://spalier.optence.example/entries/" + "a" * 26
    assert bucket_of(entry_id) == 116
    assert digest_of([(entry_id, V2, "0" * 64)]) == (
        "205d0d92315c0e46257aca17a18f47d989e643298ed65a913fe2914a559486d0"
    )
    assert digest_of([]) == (
        "84ff92691f909a05b224e1c56abb4864f01b4f8e3c854e4bb4c7baf1d3f6d652"
    )
