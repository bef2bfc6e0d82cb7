"""Nodes, documents and ports for the tests of the protocol; all deterministic."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import schemas
from federation.documents import (
    ActorDocument,
    Card,
    EntryDocument,
    EntryOwner,
    Message,
    MessageAuthor,
    Notice,
    NoticeType,
    OwnerOrganisation,
    Receipt,
    Signer,
    Upsert,
    Withdrawal,
    WithdrawalMode,
    build_entry,
    build_page,
)
from federation.documents.signed import SignedDocument
from federation.ids import BaseUrl, NodeAddress, random_id
from federation.inbox import ACTIVITY_JSON, ReceivedRequest
from federation.keys import SigningKey
from federation.peers import KnownPeer, PinnedKey, RemotePeer
from federation.signatures.http import sign_request
from federation.trust import TrustState
from federation.version import Version

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
EPOCH = "0123456789abcdef" * 2


class Bytes:
    """Reproducible random bytes from a seed."""

    def __init__(self, seed: str) -> None:
        self.seed = seed
        self.count = 0

    def bytes(self, count: int, /) -> bytes:
        self.count += 1
        return hashlib.shake_256(f"{self.seed}/{self.count}".encode()).digest(count)


class FixedClock:
    """A clock that stands still until it is moved."""

    def __init__(self, moment: datetime = NOW) -> None:
        self.moment = moment

    def now(self) -> datetime:
        return self.moment


@dataclass
class Peers:
    """A directory of pinned keys that counts how often it was asked."""

    known: dict[str, KnownPeer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def find_by_key(self, key_id: str, /) -> KnownPeer | None:
        self.asked.append(key_id)
        return self.known.get(key_id)


@dataclass
class Nonces:
    """A log of nonces."""

    seen: dict[tuple[str, str], datetime] = field(default_factory=dict)

    async def remember(self, key_id: str, nonce: str, /, *, until: datetime) -> bool:
        if (key_id, nonce) in self.seen:
            return False
        self.seen[key_id, nonce] = until
        return True


class Node:
    """A node with address, key and whatever it sends."""

    def __init__(self, host: str, *, base_url: str | None = None) -> None:
        self.random = Bytes(host)
        self.base_url = BaseUrl(base_url or f"https://{host}")
        self.address = NodeAddress(self.base_url)
        self.key = SigningKey.generate(self.random)
        self.signer = Signer(self.address, self.key, 1)
        self.keys = (PinnedKey(self.signer.key_id, self.key.public_key),)

    @property
    def actor(self) -> ActorDocument:
        return ActorDocument(
            base_url=self.base_url,
            name="Beispiel-Netz Laser",
            keys=self.keys,
            card=Card(field="Photonik", regions=("DE-HE",), founded=2001, members=90),
        )

    @property
    def peer(self) -> RemotePeer:
        return self.actor.as_peer()

    def known(self, state: TrustState = TrustState.ACTIVE) -> KnownPeer:
        return KnownPeer(
            base_url=self.base_url,
            actor_id=self.address.actor,
            keys=self.keys,
            partner_id=self.base_url,
            state=state,
        )

    def entry_id(self) -> str:
        return self.address.entry(random_id(self.random))

    def activity_id(self) -> str:
        return self.address.activity(random_id(self.random))

    def entry(self, kind: str = "capacity_offer", **changes: Any) -> EntryDocument:
        values: dict[str, Any] = {
            "id": self.entry_id(),
            "version": Version(1, 1),
            "published": NOW,
            "updated": NOW,
            "owner": EntryOwner(OwnerOrganisation("Muster Optik GmbH")),
            **changes,
        }
        content = values.pop("content", None) or example_content(kind)
        return EntryDocument.from_content(content, **values)

    def signed_entry(
        self, kind: str = "capacity_offer", **changes: Any
    ) -> SignedDocument:
        entry = self.entry(kind, **changes)
        return build_entry(entry, signer=self.signer, created=NOW)

    def withdrawal(
        self,
        entry_id: str | None = None,
        *,
        version: Version | None = None,
        mode: WithdrawalMode = WithdrawalMode.WITHDRAWAL,
    ) -> Withdrawal:
        return Withdrawal(
            id=self.activity_id(),
            entry_id=entry_id or self.entry_id(),
            version=version or Version(1, 2),
            mode=mode,
            published=NOW,
        )

    def page(self, *items: Any, first: int = 1) -> dict[str, Any]:
        wrapped = [
            Upsert(item.document, is_first=True)
            if isinstance(item, SignedDocument)
            else item
            for item in items
        ]
        last = first - 1 + len(wrapped)
        return build_page(
            wrapped,
            address=self.address,
            epoch=EPOCH,
            first=first,
            last=last,
            head=last,
        )

    def receipt(self, partner: Node, *, position: int = 1) -> Receipt:
        return Receipt(
            id=self.activity_id(),
            actor=self.address.actor,
            partner=partner.address.actor,
            epoch=EPOCH,
            position=position,
            held=position,
            digest="0" * 64,
            published=NOW,
        )

    def message(self, recipient: Node, **changes: Any) -> Message:
        message_id = self.activity_id()
        entry_id = recipient.entry_id()
        values: dict[str, Any] = {
            "id": message_id,
            "sender": self.address.actor,
            "recipient": recipient.address.actor,
            "thread": message_id,
            "in_reply_to": entry_id,
            "about": entry_id,
            "text": "Guten Tag,\nist die Maschine noch frei?",
            "author": MessageAuthor("Erika Beispiel", "Muster Optik GmbH"),
            "published": NOW,
            **changes,
        }
        return Message(**values)

    def notice(self, recipient: Node, kind: NoticeType) -> Notice:
        about = (
            recipient.address.actor
            if kind is NoticeType.LEAVE
            else recipient.activity_id()
        )
        return Notice(
            id=self.activity_id(),
            type=kind,
            actor=self.address.actor,
            recipient=recipient.address.actor,
            object=about,
            published=NOW,
        )

    def request(
        self,
        recipient: Node,
        body: bytes | None,
        *,
        path: str = "/inbox",
        created: datetime = NOW,
        received_at: datetime | None = None,
        nonce: str | None = None,
        signer: Signer | None = None,
    ) -> ReceivedRequest:
        """Sign a request and return it as it arrives."""
        method = "GET" if body is None else "POST"
        target = f"{recipient.base_url}{path}"
        fields = sign_request(
            method,
            target,
            body=body,
            signer=signer or self.signer,
            created=created,
            nonce=nonce or self.random.bytes(11).hex(),
        )
        if body is not None:
            fields["Content-Type"] = ACTIVITY_JSON
        return ReceivedRequest(
            method=method,
            target_uri=target,
            headers=(("Host", recipient.address.authority), *fields.items()),
            body=body or b"",
            received_at=received_at or created + timedelta(seconds=1),
        )


def example_content(kind: str) -> dict[str, Any]:
    """Return the content of the first shipped example of a kind."""
    document = schemas.examples(kind, valid=True)[0].document
    return schemas.split_file(document)[0]


def contents(kind: str) -> list[dict[str, Any]]:
    """Return the content of every shipped valid example of a kind."""
    return [
        schemas.split_file(example.document)[0]
        for example in schemas.examples(kind, valid=True)
    ]
