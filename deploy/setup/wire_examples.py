"""Examples of every document of the protocol; `wire_vectors` writes them down.

Every document is really signed, with two keys that everybody knows; nothing in it
depends on the time or on chance, so that the same code writes the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import schemas
from federation import discovery
from federation.documents import (
    ActorDocument,
    ActorUpdate,
    Card,
    EntryDocument,
    EntryOwner,
    Message,
    MessageAuthor,
    Notice,
    NoticeType,
    OwnerOrganisation,
    OwnerPerson,
    Receipt,
    Refusal,
    Removal,
    Signer,
    Upsert,
    Verifying,
    Withdrawal,
    WithdrawalMode,
    build_actor,
    build_actor_update,
    build_entry,
    build_message,
    build_notice,
    build_page,
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
from federation.documents.signed import SignedDocument, sign
from federation.documents.tombstone import build_tombstone
from federation.errors import (
    MalformedError,
    PeerError,
    SchemaInvalidError,
    SignatureInvalidError,
)
from federation.exchange import (
    Gap,
    HeldState,
    HeldVersion,
    ViewDigest,
    bucket_of,
    position_gap,
)
from federation.ids import BaseUrl, NodeAddress
from federation.keys import SigningKey
from federation.peers import PinnedKey, renamed_keys
from federation.rates import too_many
from federation.transport.problems import problem_document
from federation.version import Version

if TYPE_CHECKING:
    from federation.json_types import JsonObject

NOW: Final = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
SECRET: Final = bytes.fromhex("00112233445566778899")
EPOCH: Final = "0123456789abcdef" * 2
KINDS: Final = tuple(schemas.KINDS)


class Labelled:
    """Bytes that look random and follow from a label."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._count = 0

    def bytes(self, count: int, /) -> bytes:
        """Return the next bytes."""
        self._count += 1
        text = f"{self._label}/{self._count}"
        return hashlib.shake_256(text.encode()).digest(count)


class Node:
    """A node of the examples."""

    def __init__(self, host: str, name: str, *, first_byte: int) -> None:
        self.address = NodeAddress(BaseUrl(f"https://{host}"))
        self.seed = bytes(range(first_byte, first_byte + 32))
        self.name = name
        self.signer = Signer(self.address, SigningKey.from_bytes(self.seed), 1)
        self.random = Labelled(host)

    @property
    def keys(self) -> tuple[PinnedKey, ...]:
        """The pinned key."""
        return (PinnedKey(self.signer.key_id, self.signer.key.public_key),)

    @property
    def actor(self) -> ActorDocument:
        """The actor."""
        return ActorDocument(
            base_url=self.address.base_url,
            name=self.name,
            keys=self.keys,
            card=Card(
                field="Photonik",
                regions=("DE-HE",),
                founded=2001,
                members=90,
                languages=("de", "en"),
            ),
            updated=NOW,
        )

    def local(self, label: str) -> str:
        """Return a local id that follows from a label."""
        raw = hashlib.sha256(f"{self.name}/{label}".encode()).digest()[:16]
        return base64.b32encode(raw).decode("ascii").rstrip("=").lower()

    def entry_id(self, label: str) -> str:
        """Return the id of an entry."""
        return self.address.entry(self.local(label))

    def activity_id(self, label: str) -> str:
        """Return the id of an activity."""
        return self.address.activity(self.local(label))


HOST: Final = Node("spalier.optence.example", "Beispiel-Netz Optik", first_byte=0)
GUEST: Final = Node("spalier.swissmem.example", "Beispiel-Netz Laser", first_byte=32)


def entry(kind: str, *, counter: int = 1, public: bool = False) -> SignedDocument:
    """Return the entry of a kind: the content of its first valid example."""
    example = schemas.examples(kind, valid=True)[0].document
    content = schemas.split_file(example)[0]
    document = EntryDocument.from_content(
        content,
        id=HOST.entry_id(kind),
        version=Version(1, counter),
        published=NOW,
        updated=NOW + timedelta(days=counter - 1),
        owner=EntryOwner(
            OwnerOrganisation("Muster Optik GmbH", region="DE-HE"),
            OwnerPerson("Erika Beispiel"),
        ),
        public=public,
    )
    return build_entry(document, signer=HOST.signer, created=NOW)


def unknown_kind() -> SignedDocument:
    """Return an entry of a kind that this version does not know."""
    known = entry("organisation_profile").document
    changed: JsonObject = {
        **{name: value for name, value in known.items() if name != "proof"},
        "id": HOST.entry_id("unknown"),
        "kind": "shared_laboratory",
        "details": {"seats": 12},
    }
    return sign(changed, signer=HOST.signer, created=NOW)


def withdrawal(*, deletes: bool = False) -> SignedDocument:
    """Return a withdrawal or a deletion."""
    name = "deletion" if deletes else "withdrawal"
    return build_withdrawal(
        Withdrawal(
            id=HOST.activity_id(name),
            entry_id=HOST.entry_id("technology_offer" if deletes else "event"),
            version=Version(1, 2),
            mode=WithdrawalMode(name),
            published=NOW,
        ),
        signer=HOST.signer,
        created=NOW,
    )


def page() -> dict[str, Any]:
    """Return a page of two entries and a withdrawal, with a gap in its positions."""
    items: list[Upsert | Removal] = [
        Upsert(entry("capacity_offer").document, is_first=True),
        Upsert(entry("capacity_request", counter=2).document, is_first=False),
        Removal(withdrawal().document),
    ]
    return build_page(
        items, address=HOST.address, epoch=EPOCH, first=41, last=44, head=57
    )


def _held_view() -> ViewDigest:
    """Return what the guest holds: the one entry of `page` that it did not refuse."""
    held = entry("capacity_offer")
    view = ViewDigest()
    view.add(str(held.document["id"]), Version(1, 1), held.content_hash)
    return view


def empty_page() -> dict[str, Any]:
    """Return a page that says that there is nothing new, and what must be held."""
    view = _held_view()
    return build_page(
        [],
        address=HOST.address,
        epoch=EPOCH,
        first=58,
        last=57,
        head=57,
        verifying=Verifying(view.count, view.hex(), NOW),
    )


def holdings() -> dict[str, Any]:
    """Return what the guest says that it holds, in numbers."""
    return build_holdings(
        Holdings(EPOCH, 57, _held_view(), NOW),
        address=GUEST.address,
        partner=HOST.address.actor,
    )


def holdings_page(*, bucket: int | None = None) -> dict[str, Any]:
    """Return the list of what the guest was ever told, or of one bucket of it."""
    offer = entry("capacity_offer")
    known = {
        str(offer.document["id"]): HeldVersion(
            Version(1, 1), HeldState.PRESENT, offer.content_hash
        ),
        HOST.entry_id("capacity_request"): HeldVersion(
            Version(1, 2), HeldState.QUARANTINED
        ),
        HOST.entry_id("event"): HeldVersion(Version(1, 2), HeldState.WITHDRAWN),
        HOST.entry_id("technology_offer"): HeldVersion(
            Version(1, 2), HeldState.DELETED
        ),
    }
    listed = [
        HeldEntry(entry_id, held)
        for entry_id, held in sorted(known.items())
        if bucket in {None, bucket_of(entry_id)}
    ]
    at_once = listed if bucket is not None else listed[:3]
    return build_holdings_page(
        at_once,
        scope=HoldingsScope(bucket),
        more=len(at_once) < len(listed),
        address=GUEST.address,
        partner=HOST.address.actor,
        published=NOW,
    )


def receipt() -> SignedDocument:
    """Return the receipt for `page`: one entry held, one kept out."""
    view = _held_view()
    refused = Refusal(
        HOST.entry_id("capacity_request"),
        Version(1, 2),
        "/equipment_class: This field is missing.",
    )
    return build_receipt(
        Receipt(
            id=GUEST.activity_id("receipt"),
            actor=GUEST.address.actor,
            partner=HOST.address.actor,
            epoch=EPOCH,
            position=44,
            held=1,
            digest=view.hex(),
            published=NOW,
            refused=(refused,),
            refused_count=1,
        ),
        signer=GUEST.signer,
        created=NOW,
    )


def message(*, answers: bool = False) -> SignedDocument:
    """Return the first message of a conversation, or the answer to it."""
    first = GUEST.activity_id("message")
    about = HOST.entry_id("capacity_offer")
    sender, receiver = (HOST, GUEST) if answers else (GUEST, HOST)
    return build_message(
        Message(
            id=HOST.activity_id("answer") if answers else first,
            sender=sender.address.actor,
            recipient=receiver.address.actor,
            thread=first,
            in_reply_to=f"{first}#note" if answers else about,
            about=about,
            text="Ja, ab Montag." if answers else "Ist die Maschine noch frei?",
            author=MessageAuthor(
                "Erika Beispiel" if answers else "Max Muster",
                "Muster Optik GmbH" if answers else "Muster AG",
            ),
            published=NOW,
        ),
        signer=sender.signer,
        created=NOW,
    )


def partner_request() -> SignedDocument:
    """Return the guest's request."""
    return build_partner_request(
        GUEST.actor,
        host=HOST.actor,
        secret=SECRET,
        signer=GUEST.signer,
        random=Labelled("request"),
        created=NOW,
    )


def notice(kind: NoticeType, *, reason: str | None = None) -> SignedDocument:
    """Return a notice of the host to the guest."""
    leaves = kind is NoticeType.LEAVE
    about = GUEST.address.actor if leaves else str(partner_request().document["id"])
    return build_notice(
        Notice(
            id=HOST.activity_id(kind.value),
            type=kind,
            actor=HOST.address.actor,
            recipient=GUEST.address.actor,
            object=about,
            published=NOW,
            reason=reason,
        ),
        signer=HOST.signer,
        created=NOW,
    )


def second_key() -> Signer:
    """Return the host's next key."""
    return Signer(HOST.address, SigningKey.from_bytes(bytes(range(64, 96))), 2)


def actor_update(*, retires: bool) -> SignedDocument:
    """Return the announcement of the host's next key, or the end of the old one."""
    new = second_key()
    old, added = HOST.keys[0], PinnedKey(new.key_id, new.key.public_key)
    moment = NOW + timedelta(days=14 if retires else 0)
    keys = (added, replace(old, expires=moment)) if retires else (old, added)
    return build_actor_update(
        ActorUpdate(
            id=HOST.activity_id("retires" if retires else "announces"),
            actor=replace(HOST.actor, keys=keys, updated=moment),
            recipient=GUEST.address.actor,
            published=moment,
        ),
        signer=new if retires else HOST.signer,
        created=moment,
    )


NEW_ADDRESS: Final = BaseUrl("https://netz.optence.example")
"""Where the host moves to."""


def move() -> SignedDocument:
    """Return the host's announcement that it moves, for the guest."""
    return build_move(
        Move(
            id=HOST.activity_id("move"),
            target=NEW_ADDRESS,
            recipient=GUEST.address.actor,
            published=NOW,
        ),
        signer=HOST.signer,
        created=NOW,
    )


def moved_actor() -> ActorDocument:
    """Return the host's actor at its new address."""
    return replace(
        HOST.actor,
        base_url=NEW_ADDRESS,
        keys=renamed_keys(HOST.keys, actor_id=NodeAddress(NEW_ADDRESS).actor),
        former=(HOST.address.base_url,),
    )


def move_answer() -> SignedDocument:
    """Return the guest's confirmation of the host's move."""
    return build_notice(
        Notice(
            id=GUEST.activity_id("move"),
            type=NoticeType.ACCEPT,
            actor=GUEST.address.actor,
            recipient=NodeAddress(NEW_ADDRESS).actor,
            object=str(move().document["id"]),
            published=NOW,
        ),
        signer=GUEST.signer,
        created=NOW,
    )


def problems() -> dict[str, PeerError]:
    """Return refusals by the name of their file."""
    challenge = SignatureInvalidError(
        "The request is not signed.", code="signature-missing"
    )
    schema = SchemaInvalidError(
        "/title: This field is missing.", members={"pointer": "/title"}
    )
    return {
        "problem-signature-missing": challenge,
        "problem-position-gap": position_gap(Gap(EPOCH, 40)),
        "problem-malformed": MalformedError("The document is not JSON."),
        "problem-schema-invalid": schema,
        "problem-rate-limit-exceeded": too_many(timedelta(seconds=3)),
    }


def examples() -> dict[str, tuple[str, dict[str, Any]]]:
    """Return every example: file name without ending, schema, document."""
    found: dict[str, tuple[str, dict[str, Any]]] = {
        "actor": ("wire/actor", build_actor(HOST.actor)),
        "actor-guest": ("wire/actor", build_actor(GUEST.actor)),
        "partner_request": ("wire/partner_request", partner_request().document),
        "accept": ("wire/notice", notice(NoticeType.ACCEPT).document),
        "reject": (
            "wire/notice",
            notice(NoticeType.REJECT, reason="Wir kennen uns noch nicht.").document,
        ),
        "leave": ("wire/notice", notice(NoticeType.LEAVE).document),
        "actor_update-announces": (
            "wire/actor_update",
            actor_update(retires=False).document,
        ),
        "actor_update-retires": (
            "wire/actor_update",
            actor_update(retires=True).document,
        ),
        "actor-moved": ("wire/actor", build_actor(moved_actor())),
        "move": ("wire/move", move().document),
        "accept-move": ("wire/notice", move_answer().document),
        "entry-public": ("wire/entry", entry("event", public=True).document),
        "entry-unknown_kind": ("wire/entry", unknown_kind().document),
        "withdrawal": ("wire/delete", withdrawal().document),
        "deletion": ("wire/delete", withdrawal(deletes=True).document),
        "tombstone": (
            "wire/tombstone",
            build_tombstone(HOST.entry_id("event"), address=HOST.address),
        ),
        "page": ("wire/page", page()),
        "page-empty": ("wire/page", empty_page()),
        "receipt": ("wire/receipt", receipt().document),
        "holdings": ("wire/holdings", holdings()),
        "holdings_page": ("wire/holdings_page", holdings_page()),
        "holdings_page-bucket": (
            "wire/holdings_page",
            holdings_page(bucket=bucket_of(HOST.entry_id("capacity_offer"))),
        ),
        "message": ("wire/message", message().document),
        "message-answer": ("wire/message", message(answers=True).document),
        "webfinger": (
            "",
            discovery.webfinger(HOST.address.base_url, address=HOST.address),
        ),
        "nodeinfo-links": ("", discovery.nodeinfo_links(HOST.address)),
        "nodeinfo": (
            "",
            discovery.nodeinfo(
                address=HOST.address, version="1.0", name=HOST.name, description=""
            ),
        ),
    }
    for kind in KINDS:
        found[f"entry-{kind}"] = ("wire/entry", entry(kind).document)
    for name, error in problems().items():
        found[name] = ("", problem_document(error))
    return found
