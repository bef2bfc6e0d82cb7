"""A node that has moved: its names, what it signed under them, and what is believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import schemas
from federation.documents import (
    NoticeType,
    build_entry,
    build_message,
    build_notice,
    build_withdrawal,
    parse_entry,
    parse_message,
    parse_notice,
    parse_page,
    parse_withdrawal,
)
from federation.documents.move import Move, build_move, parse_move
from federation.documents.page import Removal, Upsert, build_page
from federation.documents.signed import sign
from federation.errors import (
    ConflictError,
    LocalError,
    OriginMismatchError,
    PeerError,
    ProofInvalidError,
    SchemaInvalidError,
)
from federation.ids import BaseUrl, NodeAddress, base_url_of_actor
from federation.keys import Signer
from federation.limits import FORMER_ADDRESSES_MAX
from federation.moving import (
    MoveFault,
    fault_of_new_address,
    move_number,
    require_announceable,
)
from federation.peers import PinnedKey, RemotePeer, renamed_keys
from tests.unit.federation.nodes import EPOCH, NOW, Node

OLDEST = BaseUrl("https://spalier.optence.example")
OLD = BaseUrl("https://netz.optence.example")
NEW = BaseUrl("https://netz.photonik.example")
LOCAL = "aaaaaaaaaaaaaaaaaaaaaaaaaa"
OTHER = "bbbbbbbbbbbbbbbbbbbbbbbbbb"

# The same node at its three addresses, one key all the time.
BEFORE = Node("spalier.optence.example")
AFTER = NodeAddress(NEW, (OLDEST, OLD), born={LOCAL: OLDEST})
SIGNER = Signer(AFTER, BEFORE.key, 1)
PEER = RemotePeer(
    base_url=NEW,
    actor_id=AFTER.actor,
    keys=renamed_keys(BEFORE.keys, actor_id=AFTER.actor),
    former=(OLDEST, OLD),
)
GUEST = Node("spalier.swissmem.example")


def test_names_of_a_node_that_has_moved() -> None:
    assert AFTER.names == (NEW, OLD, OLDEST)
    assert AFTER.entry(LOCAL) == f"{OLDEST}/entries/{LOCAL}"
    assert AFTER.entry(OTHER) == f"{NEW}/entries/{OTHER}"
    for name in AFTER.names:
        assert AFTER.entry_local_id(f"{name}/entries/{LOCAL}") == LOCAL
        assert AFTER.activity_local_id(f"{name}/activities/{LOCAL}") == LOCAL
        assert AFTER.called(f"{name}/entries/{LOCAL}").base_url == name
        assert PEER.called(f"{name}/entries/{LOCAL}").actor_id == f"{name}/actor"
    foreign = f"https://spalier.swissmem.example/entries/{LOCAL}"
    assert AFTER.entry_local_id(foreign) is None
    assert AFTER.called(foreign) is AFTER
    assert PEER.called(foreign) is PEER
    assert PEER.called(7) is PEER


def test_a_name_covers_its_own_host_only() -> None:
    for uri in (
        f"{OLDEST}.evil.example/entries/{LOCAL}",
        f"{OLDEST}:8443/entries/{LOCAL}",
        f"{OLDEST}@evil.example/entries/{LOCAL}",
        OLDEST,
    ):
        assert AFTER.called(uri) is AFTER
        assert AFTER.entry_local_id(uri) is None


def test_who_knows_a_former_address_knows_no_later_one() -> None:
    known = AFTER.as_known(OLD)
    assert (known.base_url, known.former) == (OLD, (OLDEST,))
    assert AFTER.as_known(NEW) is AFTER
    assert known.entry(LOCAL) == f"{OLDEST}/entries/{LOCAL}"
    with pytest.raises(LocalError):
        AFTER.as_known(GUEST.base_url)


# -- one name throughout an entry ---------------------------------------------------


def test_what_was_signed_before_is_what_is_signed_now() -> None:
    entry = BEFORE.entry(id=f"{OLDEST}/entries/{LOCAL}")
    before = build_entry(entry, signer=BEFORE.signer, created=NOW)
    after = build_entry(entry, signer=SIGNER, created=NOW)
    assert after.raw == before.raw
    assert parse_entry(before.document, peer=PEER).signed == before


def test_a_new_entry_has_the_new_name() -> None:
    entry = BEFORE.entry(id=AFTER.entry(OTHER))
    document = build_entry(entry, signer=SIGNER, created=NOW).document
    assert document["attributedTo"] == f"{NEW}/actor"
    parse_entry(document, peer=PEER)
    with pytest.raises(PeerError):
        parse_entry(document, peer=BEFORE.peer)


def test_a_withdrawal_has_the_name_of_its_entry() -> None:
    withdrawal = BEFORE.withdrawal(AFTER.entry(LOCAL))
    document = build_withdrawal(withdrawal, signer=SIGNER, created=NOW).document
    assert document["actor"] == f"{OLDEST}/actor"
    # Also who has not heard of the move takes it.
    for peer in (PEER, BEFORE.peer):
        assert parse_withdrawal(document, peer=peer).entry_id == AFTER.entry(LOCAL)
    with pytest.raises(LocalError):
        build_withdrawal(
            replace(withdrawal, id=AFTER.activity(OTHER)), signer=SIGNER, created=NOW
        )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("attributedTo", f"{NEW}/actor"),
        ("attributedTo", f"{OLD}/actor"),
        ("id", f"{OLD}/entries/{LOCAL}"),
        ("id", f"{NEW}/entries/{LOCAL}"),
    ],
)
def test_an_entry_of_two_names_is_forged(field: str, value: str) -> None:
    entry = BEFORE.entry(id=f"{OLDEST}/entries/{LOCAL}")
    document = build_entry(entry, signer=BEFORE.signer, created=NOW).document
    unsigned = {k: v for k, v in {**document, field: value}.items() if k != "proof"}
    for by in (BEFORE.signer, SIGNER):
        changed = sign(unsigned, signer=by, created=NOW).document
        with pytest.raises((OriginMismatchError, ProofInvalidError)):
            parse_entry(changed, peer=PEER)


def test_the_proof_has_the_name_of_the_entry_too() -> None:
    entry = BEFORE.entry(id=f"{OLDEST}/entries/{LOCAL}")
    document = build_entry(entry, signer=BEFORE.signer, created=NOW).document
    unsigned = {k: v for k, v in document.items() if k != "proof"}
    with pytest.raises(ProofInvalidError):
        parse_entry(sign(unsigned, signer=SIGNER, created=NOW).document, peer=PEER)


def test_a_page_has_the_present_name_whatever_is_in_it() -> None:
    old = build_entry(BEFORE.entry(id=AFTER.entry(LOCAL)), signer=SIGNER, created=NOW)
    new = build_entry(BEFORE.entry(id=AFTER.entry(OTHER)), signer=SIGNER, created=NOW)
    gone = build_withdrawal(
        BEFORE.withdrawal(f"{OLDEST}/entries/{OTHER}"), signer=SIGNER, created=NOW
    )
    items = [Upsert(old.document, is_first=False), Upsert(new.document, is_first=True)]
    page = build_page(
        [*items, Removal(gone.document)],
        address=AFTER,
        epoch=EPOCH,
        first=1,
        last=3,
        head=3,
    )
    parsed = parse_page(page, peer=PEER)
    assert [item.entry_id.partition("/entries")[0] for item in parsed.items] == [
        OLDEST,
        NEW,
        OLDEST,
    ]
    # The wrapper is the page's.
    page["orderedItems"][0]["actor"] = f"{OLDEST}/actor"
    with pytest.raises(OriginMismatchError):
        parse_page(page, peer=PEER)


def test_a_page_by_the_old_name_is_refused_once_the_new_one_is_known() -> None:
    with pytest.raises(OriginMismatchError):
        parse_page(BEFORE.page(), peer=PEER)


def test_a_conversation_goes_on_about_old_ids() -> None:
    message = replace(
        GUEST.message(BEFORE),
        recipient=AFTER.actor,
        about=f"{OLDEST}/entries/{LOCAL}",
        in_reply_to=f"{OLDEST}/activities/{OTHER}#note",
    )
    document = build_message(message, signer=GUEST.signer, created=NOW).document
    assert parse_message(document, peer=GUEST.peer, address=AFTER).about == (
        message.about
    )
    # What was queued before the move keeps its id, with the new name around it.
    queued = replace(
        BEFORE.message(GUEST), sender=AFTER.actor, id=f"{OLD}/activities/{OTHER}"
    )
    queued = replace(queued, thread=queued.id)
    document = build_message(queued, signer=SIGNER, created=NOW).document
    assert parse_message(document, peer=PEER, address=GUEST.address).id == queued.id


# -- the announcement ---------------------------------------------------------------


def move(**changes: Any) -> Move:
    values: dict[str, Any] = {
        "id": BEFORE.activity_id(),
        "target": NEW,
        "recipient": GUEST.address.actor,
        "published": NOW,
        **changes,
    }
    return Move(**values)


def test_an_announcement_is_by_the_name_that_is_known() -> None:
    document = build_move(move(), signer=BEFORE.signer, created=NOW).document
    parsed = parse_move(document, peer=BEFORE.peer, address=GUEST.address)
    assert (parsed.target, parsed.published) == (NEW, NOW)
    with pytest.raises(OriginMismatchError):
        parse_move(document, peer=PEER, address=GUEST.address)
    with pytest.raises(OriginMismatchError):
        parse_move(document, peer=BEFORE.peer, address=BEFORE.address)
    with pytest.raises(LocalError):
        build_move(move(target=OLDEST), signer=BEFORE.signer, created=NOW)


def test_a_key_that_has_retired_announces_nothing() -> None:
    document = build_move(move(), signer=BEFORE.signer, created=NOW).document
    retired = replace(
        BEFORE.peer, keys=(replace(BEFORE.keys[0], expires=NOW + timedelta(days=1)),)
    )
    with pytest.raises(ProofInvalidError):
        parse_move(document, peer=retired, address=GUEST.address)


def test_an_answer_names_the_announcement_by_its_old_id() -> None:
    notice = replace(
        GUEST.notice(BEFORE, NoticeType.ACCEPT),
        recipient=AFTER.actor,
        object=f"{OLD}/activities/{OTHER}",
    )
    document = build_notice(notice, signer=GUEST.signer, created=NOW).document
    assert parse_notice(document, peer=GUEST.peer, address=AFTER).object == (
        notice.object
    )


ANNOUNCEABLE: dict[str, Any] = {
    "own": GUEST.address,
    "taken": (),
    "last_published": None,
    "now": NOW,
}


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"taken": (NEW,)}, ConflictError, "address-taken"),
        ({"own": NodeAddress(NEW)}, ConflictError, "address-taken"),
        ({"own": NodeAddress(OLD, (NEW,))}, ConflictError, "address-taken"),
        (
            {"last_published": NOW + timedelta(seconds=1)},
            ConflictError,
            "update-older",
        ),
        ({"now": NOW - timedelta(seconds=61)}, SchemaInvalidError, "schema-invalid"),
    ],
)
def test_what_is_not_shown_to_an_office(
    changes: dict[str, Any], error: type[PeerError], code: str
) -> None:
    with pytest.raises(error) as caught:
        require_announceable(move(), **{**ANNOUNCEABLE, **changes})
    assert caught.value.code == code


def test_what_is_shown_to_an_office() -> None:
    require_announceable(move(), **ANNOUNCEABLE)
    require_announceable(move(), **{**ANNOUNCEABLE, "last_published": NOW})


# -- what is found at the new address ------------------------------------------------

SHOWN = replace(
    BEFORE.actor, base_url=NEW, keys=PEER.keys, former=(OLDEST,), updated=NOW
)
SECOND = Signer(AFTER, Node("second").key, 2)
ADDED = PinnedKey(SECOND.key_id, SECOND.key.public_key)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"former": (OLD, OLDEST)}, None),
        ({"keys": (ADDED, *PEER.keys)}, None),
        ({"former": ()}, MoveFault.NOT_NAMED),
        ({"former": (OLD,)}, MoveFault.NOT_NAMED),
        ({"keys": (ADDED,)}, MoveFault.OTHER_KEY),
        (
            {"keys": (ADDED, replace(PEER.keys[0], revoked=NOW))},
            MoveFault.OTHER_KEY,
        ),
        # The right key, but under another id.
        (
            {"keys": (replace(PEER.keys[0], key_id=AFTER.key(7)),)},
            MoveFault.OTHER_KEY,
        ),
    ],
)
def test_both_halves_of_a_move(
    changes: dict[str, Any], fault: MoveFault | None
) -> None:
    shown = replace(SHOWN, **changes)
    assert fault_of_new_address(shown, peer=BEFORE.peer, now=NOW) is fault


def test_the_number_binds_both_addresses_and_the_key() -> None:
    key = BEFORE.key.public_key
    number = move_number(old=OLD, new=NEW, key=key)
    assert len(number.replace(" ", "")) == 8
    others = {
        move_number(old=OLDEST, new=NEW, key=key),
        move_number(old=NEW, new=OLD, key=key),
        move_number(old=OLD, new=OLDEST, key=key),
        move_number(old=OLD, new=NEW, key=SECOND.key.public_key),
    }
    assert number not in others
    assert len(others) == 4


@pytest.mark.parametrize(
    "actor_id",
    ["https://a.example", "https://a.example/actor/", "http://a.example/actor", "x"],
)
def test_what_is_no_actor_is_nowhere(actor_id: str) -> None:
    assert base_url_of_actor(actor_id, like=OLD) is None


def test_plain_http_is_for_those_who_have_it() -> None:
    loopback = "http://127.0.0.1:8081"
    assert base_url_of_actor(f"{loopback}/actor", like=OLD) is None
    assert base_url_of_actor(f"{loopback}/actor", like=BaseUrl(loopback)) == loopback


def test_the_schema_has_room_for_every_move() -> None:
    values = schemas.load_schema("wire/values")["$defs"]["formerActors"]
    assert values["maxItems"] == FORMER_ADDRESSES_MAX
