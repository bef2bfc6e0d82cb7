"""The actor document: what a node says about itself.

It is readable by everybody without a signature, so that two nodes can meet. It
does not prove anything by itself; keys count once an office has pinned them, and
change only as `federation.key_changes` says.

Source: SPEC.md FED-032 to FED-034, FED-100, FEP-521a, FEP-844e.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from federation import jsonld
from federation.documents import reading
from federation.errors import LocalError, SchemaInvalidError
from federation.ids import BaseUrl, NodeAddress, base_url_of_actor
from federation.keys import PublicKey
from federation.negotiation import (
    CAPABILITIES,
    PROTOCOL_VERSION,
    Offer,
    require_same_major,
)
from federation.ownership import OwnedType, require_ownership
from federation.peers import PinnedKey, RemotePeer
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject, JsonValue

USERNAME: Final = "cluster"
"""Local part of every node's acct: address."""

_IMPLEMENTS: Final = (
    ("https://datatracker.ietf.org/doc/html/rfc9421", "RFC 9421"),
    (
        "https://datatracker.ietf.org/doc/html/rfc9421#name-eddsa-using-curve-edwards25",
        "RFC 9421 with Ed25519",
    ),
    ("https://w3id.org/fep/8b32", "FEP-8b32 with eddsa-jcs-2022"),
)
_INBOX: Final = "http://www.w3.org/ns/ldp#inbox"
_MULTIBASE: Final = "https://w3id.org/security#publicKeyMultibase"
_METHOD: Final = "https://w3id.org/security#assertionMethod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a cluster tells about itself; every part may be left out."""

    field: str | None = None
    regions: tuple[str, ...] = ()
    founded: int | None = None
    members: int | None = None
    sme: int | None = None
    contact: str | None = None
    languages: tuple[str, ...] = ()
    website: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActorDocument:
    """A node's actor.

    Args:
        base_url: Its address; every other address follows from it.
        name: The cluster's name.
        keys: Its keys, the one that signs now first.
        card: The cluster's card.
        protocol: Version of this protocol, `1.<minor>`.
        capabilities: What the node can do beyond the minimum.
        updated: When anything in it last changed, aware UTC with whole seconds.
        former: Addresses where the node was before, the oldest first; so it says.
    """

    base_url: BaseUrl
    name: str
    keys: tuple[PinnedKey, ...]
    card: Card = Card()
    protocol: str = PROTOCOL_VERSION
    capabilities: tuple[str, ...] = CAPABILITIES
    updated: datetime | None = None
    former: tuple[BaseUrl, ...] = ()

    @property
    def id(self) -> str:
        """The actor's id."""
        return NodeAddress(self.base_url).actor

    @property
    def offer(self) -> Offer:
        """Version and capabilities, for `federation.negotiation`."""
        return Offer(self.protocol, self.capabilities)

    def as_peer(self) -> RemotePeer:
        """Return address and keys; call it when an office decided to pin them."""
        return RemotePeer(
            base_url=self.base_url,
            actor_id=self.id,
            keys=self.keys,
            former=self.former,
        )


def build_actor(actor: ActorDocument) -> JsonObject:
    """Write the actor document.

    Raises:
        LocalError: It breaks its own schema.
    """
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        **actor_body(actor),
    }
    try:
        check_wire("actor", document)
    except SchemaInvalidError as error:
        raise LocalError(f"actor: {error.safe_text}") from error
    return document


def actor_body(actor: ActorDocument) -> JsonObject:
    """Write the actor without `@context`, as it stands inside another document."""
    address = NodeAddress(actor.base_url)
    implements: list[JsonValue] = [
        {"type": "Link", "href": href, "name": name} for href, name in _IMPLEMENTS
    ]
    body: JsonObject = {
        "id": address.actor,
        "type": "Application",
        "preferredUsername": USERNAME,
        "webfinger": f"{USERNAME}@{address.authority}",
        "name": actor.name,
        "inbox": address.inbox,
        "outbox": address.outbox,
        "partnerRequests": address.partner_requests,
        "manuallyApprovesFollowers": True,
        "assertionMethod": [
            _key_form(key, actor_id=address.actor) for key in actor.keys
        ],
        "generator": {"type": "Application", "implements": implements},
        "spalierProtocol": actor.protocol,
        "capabilities": list(actor.capabilities),
        "card": _card_form(actor.card),
    }
    if actor.updated is not None:
        body["updated"] = format_timestamp(actor.updated)
    if actor.former:
        body["alsoKnownAs"] = [NodeAddress(each).actor for each in actor.former]
    return body


def parse_actor(document: JsonObject, *, base_url: BaseUrl) -> ActorDocument:
    """Read the actor that a node serves at its own address.

    Args:
        document: The parsed answer.
        base_url: The address that was asked; nothing else may answer for it.

    Raises:
        PeerError: Context, schema, ownership or a key is wrong, or it is of
            another major version.
    """
    require_same_major(document.get("spalierProtocol"))
    jsonld.check_context(document)
    check_wire("actor", document)
    node = jsonld.check_meaning(document, type_iri=jsonld.type_iri("Application"))
    actor = read_actor(document, base_url=base_url)
    _require_same_graph(node, document)
    return actor


def read_actor(document: JsonObject, *, base_url: BaseUrl) -> ActorDocument:
    """Read an actor whose schema was checked, with the ownership rules.

    Raises:
        OriginMismatchError: An address or a key is not of this origin or owner.
        SchemaInvalidError: A key cannot be used.
    """
    address = NodeAddress(base_url)
    require_ownership(document, OwnedType.ACTOR, signer=address)
    return ActorDocument(
        base_url=base_url,
        name=reading.text(document, "name"),
        keys=_keys(document),
        card=_card_from(reading.member(document, "card")),
        protocol=reading.text(document, "spalierProtocol"),
        capabilities=reading.texts(document, "capabilities"),
        updated=reading.optional_timestamp(document, "updated"),
        former=_former(document, base_url=base_url),
    )


def _former(document: JsonObject, *, base_url: BaseUrl) -> tuple[BaseUrl, ...]:
    """Read where the node says that it was; each was checked to be an actor's id."""
    found = (
        base_url_of_actor(actor_id, like=base_url)
        for actor_id in reading.optional_texts(document, "alsoKnownAs")
    )
    return tuple(each for each in found if each is not None)


def _keys(document: JsonObject) -> tuple[PinnedKey, ...]:
    """Read the keys, whose ids and owners were checked (FEP-521a)."""
    keys: list[PinnedKey] = []
    for method in reading.objects(document, "assertionMethod"):
        key_id = reading.text(method, "id")
        multibase = reading.text(method, "publicKeyMultibase")
        keys.append(
            PinnedKey(
                key_id,
                PublicKey.from_multibase(multibase),
                expires=reading.optional_timestamp(method, "expires"),
                revoked=reading.optional_timestamp(method, "revoked"),
            )
        )
    if len({key.key_id for key in keys}) != len(keys):
        raise SchemaInvalidError("/assertionMethod: Two keys have the same id.")
    if len({key.public_key.raw for key in keys}) != len(keys):
        raise SchemaInvalidError("/assertionMethod: Two ids have the same key.")
    if not keys[0].is_current:
        raise SchemaInvalidError(
            "/assertionMethod/0: The first key must be the one that signs now."
        )
    return tuple(keys)


def _key_form(key: PinnedKey, *, actor_id: str) -> JsonObject:
    form: JsonObject = {
        "id": key.key_id,
        "type": "Multikey",
        "controller": actor_id,
        "publicKeyMultibase": key.public_key.multibase,
    }
    for name, moment in (("expires", key.expires), ("revoked", key.revoked)):
        if moment is not None:
            form[name] = format_timestamp(moment)
    return form


def _require_same_graph(node: JsonObject, document: JsonObject) -> None:
    """Require that inbox and keys are the same when read as JSON-LD."""
    inbox = [{"@id": document["inbox"]}]
    keys: list[JsonValue] = []
    methods = node.get(_METHOD)
    for method in methods if isinstance(methods, list) else []:
        values = method.get(_MULTIBASE) if isinstance(method, dict) else None
        keys.extend(
            value.get("@value") if isinstance(value, dict) else None
            for value in (values if isinstance(values, list) else [])
        )
    plain = [
        reading.text(method, "publicKeyMultibase")
        for method in reading.objects(document, "assertionMethod")
    ]
    if node.get(_INBOX) != inbox or keys != plain:
        raise SchemaInvalidError("The actor reads differently as JSON-LD.")


def _card_form(card: Card) -> JsonObject:
    form: JsonObject = {
        "field": card.field,
        "regions": list(card.regions) or None,
        "founded": card.founded,
        "members": card.members,
        "sme": card.sme,
        "contact": card.contact,
        "languages": list(card.languages) or None,
        "website": card.website,
        "note": card.note,
    }
    return {name: value for name, value in form.items() if value is not None}


def _card_from(form: JsonObject) -> Card:
    return Card(
        field=reading.optional_text(form, "field"),
        regions=reading.optional_texts(form, "regions"),
        founded=reading.optional_integer(form, "founded"),
        members=reading.optional_integer(form, "members"),
        sme=reading.optional_integer(form, "sme"),
        contact=reading.optional_text(form, "contact"),
        languages=reading.optional_texts(form, "languages"),
        website=reading.optional_text(form, "website"),
        note=reading.optional_text(form, "note"),
    )
