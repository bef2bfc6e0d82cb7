"""A message between two members, delivered from node to node.

Source: SPEC.md PRT-030 to PRT-032.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof, sign
from federation.errors import LocalError, SchemaInvalidError
from federation.ids import NodeAddress
from federation.ownership import OwnedType, require_ownership, require_signer
from federation.timestamps import format_timestamp
from federation.validation import check_wire

if TYPE_CHECKING:
    from datetime import datetime

    from federation.json_types import JsonObject
    from federation.keys import Signer
    from federation.peers import RemotePeer


@dataclass(frozen=True, slots=True)
class MessageAuthor:
    """Who wrote it, as the own node tells it."""

    name: str
    organisation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message.

    Args:
        id: `<base_url>/activities/<id>` of the node that sends it.
        sender: The sending node's actor.
        recipient: The receiving node's actor.
        thread: Id of the first message of the conversation; its own for the first.
        in_reply_to: Id of the entry, or `note_id` of the message answered.
        about: Id of the entry that the conversation is about.
        text: Plain text, at most `MESSAGE_CHARACTERS_MAX` characters.
        author: Who wrote it.
        published: When, aware UTC.
        signed: The document as received, None before it is signed.
    """

    id: str
    sender: str
    recipient: str
    thread: str
    in_reply_to: str
    about: str
    # What people write stays out of `repr`, and with it out of logs.
    text: str = field(repr=False)
    author: MessageAuthor = field(repr=False)
    published: datetime
    signed: SignedDocument | None = None

    @property
    def note_id(self) -> str:
        """Id of the note inside, for answers to refer to."""
        return f"{self.id}#note"


def build_message(
    message: Message, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign a message.

    Raises:
        LocalError: It is not ours or breaks its schema.
    """
    address = signer.address
    if message.sender != address.actor or address.activity_local_id(message.id) is None:
        raise LocalError(f"{message.id} is not a message of {address.base_url}")
    published = format_timestamp(message.published)
    document: JsonObject = {
        "@context": jsonld.context_copy(),
        "id": message.id,
        "type": "Create",
        "actor": address.actor,
        "published": published,
        "to": [message.recipient],
        "object": {
            "id": message.note_id,
            "type": "Note",
            "attributedTo": address.actor,
            "context": message.thread,
            "inReplyTo": message.in_reply_to,
            "about": message.about,
            "mediaType": "text/plain",
            "content": message.text,
            "author": {
                "name": message.author.name,
                "organisation": message.author.organisation,
            },
            "published": published,
        },
    }
    signed = sign(document, signer=signer, created=created)
    try:
        check_wire("message", signed.document)
    except SchemaInvalidError as error:
        raise LocalError(f"{message.id}: {error.safe_text}") from error
    return signed


def parse_message(
    document: JsonObject, *, peer: RemotePeer, address: NodeAddress
) -> Message:
    """Read a message of a peer to us, with every check.

    Thread, entry and answered message must belong to one of the two nodes: a
    peer cannot write into a conversation between others.

    Args:
        document: The parsed body.
        peer: The peer that must have signed it.
        address: Our own address; the message must be for us.

    Raises:
        PeerError: Context, schema, ownership, proof or recipient is wrong.
    """
    jsonld.check_context(document)
    require_signer(document, "actor", actor_id=peer.actor_id)
    check_wire("message", document)
    require_ownership(
        document,
        OwnedType.MESSAGE,
        signer=peer.address,
        receiver=address,
    )
    signed = require_proof(document, peer=peer)
    note = reading.member(document, "object")
    message_id = reading.text(document, "id")
    if note["id"] != f"{message_id}#note":
        raise SchemaInvalidError("/object/id: This must end in #note.")
    if note["published"] != document["published"]:
        raise SchemaInvalidError("/published: The two times differ.")
    author = reading.member(note, "author")
    return Message(
        id=message_id,
        sender=peer.actor_id,
        recipient=address.actor,
        thread=reading.text(note, "context"),
        in_reply_to=reading.text(note, "inReplyTo"),
        about=reading.text(note, "about"),
        text=reading.text(note, "content"),
        author=MessageAuthor(
            name=reading.text(author, "name"),
            organisation=reading.text(author, "organisation"),
        ),
        published=reading.timestamp(document, "published"),
        signed=signed,
    )
