"""An entry on the wire: profiles, offers, requests and events.

The signed document says some things twice, once in the words of ActivityStreams
(FEP-0837, FEP-8a8e) and once in ours. A document whose two halves disagree is
faulty: it is compared with the one that we would write for what it says.

Source: SPEC.md FED-040 to FED-045.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import schemas
from federation import jsonld
from federation.documents import reading
from federation.documents.signed import SignedDocument, require_proof, sign
from federation.errors import (
    LimitExceededError,
    LocalError,
    SchemaInvalidError,
)
from federation.ids import NodeAddress
from federation.limits import ENTRY_BYTES_MAX
from federation.ownership import (
    PUBLIC,
    OwnedType,
    require_ownership,
    require_signer,
)
from federation.timestamps import end_of_day, format_timestamp
from federation.validation import check_wire, faults_of_entry
from federation.version import Version

if TYPE_CHECKING:
    from federation.json_types import JsonObject, JsonValue
    from federation.keys import Signer
    from federation.peers import RemotePeer

_EVENT: Final = "event"
_ENVELOPE_FIELDS: Final = frozenset({"kind", "title", "summary", "body"})
_ACTIONS: Final = {
    "capacity_offer": "deliverService",
    "capacity_request": "deliverService",
    "technology_offer": "transfer",
    "technology_request": "transfer",
}


@dataclass(frozen=True, slots=True)
class OwnerOrganisation:
    """The organisation that an entry belongs to, as far as it is told."""

    name: str
    website: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class OwnerPerson:
    """The person to talk to, as far as it is told."""

    name: str
    function: str | None = None


@dataclass(frozen=True, slots=True)
class EntryOwner:
    """Who stands behind an entry; content, never an identity on the wire."""

    organisation: OwnerOrganisation | None = None
    person: OwnerPerson | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDocument:
    """What an entry says.

    Args:
        id: `<base_url>/entries/<id>`.
        kind: One of `schemas.KINDS`, or a newer one that we do not know.
        version: Its version.
        title: Text by language, at least one.
        summary: Text by language, at least one.
        body: Plain text by language, None if there is none.
        published: First publication, aware UTC.
        updated: This version's time, aware UTC.
        valid_until: Last day on which it is shown. Events keep theirs, if they
            have one besides their end, in `details`.
        owner: Who stands behind it, None if that is not told.
        details: The remaining fields of the kind; opaque for an unknown kind.
        public: True if it is for everybody, not for partners only.
    """

    id: str
    kind: str
    version: Version
    # Content stays out of `repr`, and with it out of logs.
    title: dict[str, str] = field(repr=False)
    summary: dict[str, str] = field(repr=False)
    published: datetime
    updated: datetime
    body: dict[str, str] | None = field(default=None, repr=False)
    valid_until: date | None = None
    owner: EntryOwner | None = field(default=None, repr=False)
    details: JsonObject = field(default_factory=dict, repr=False)
    public: bool = False

    @property
    def known_kind(self) -> bool:
        """True if this node knows the kind and can show its details."""
        return self.kind in schemas.KINDS

    def content(self) -> JsonObject:
        """Return the content as `schemas/entries/<kind>` describes it.

        Both sides validate this object with `validation.faults_of_entry`.
        """
        content: JsonObject = {
            "kind": self.kind,
            "title": dict(self.title),
            "summary": dict(self.summary),
        }
        if self.body is not None:
            content["body"] = dict(self.body)
        if self.valid_until is not None:
            content["valid_until"] = self.valid_until.isoformat()
        return {**self.details, **content}

    @classmethod
    def from_content(
        cls,
        content: JsonObject,
        *,
        id: str,
        version: Version,
        published: datetime,
        updated: datetime,
        owner: EntryOwner | None = None,
        public: bool = False,
    ) -> EntryDocument:
        """Make the document from content that `faults_of_entry` accepts."""
        kind = reading.text(content, "kind")
        details = {
            name: value
            for name, value in content.items()
            if name not in _ENVELOPE_FIELDS
        }
        valid_until = None
        if kind != _EVENT and "valid_until" in details:
            valid_until = date.fromisoformat(reading.text(details, "valid_until"))
            del details["valid_until"]
        return cls(
            id=id,
            kind=kind,
            version=version,
            title=reading.text_map(content, "title"),
            summary=reading.text_map(content, "summary"),
            body=reading.text_map(content, "body") if "body" in content else None,
            valid_until=valid_until,
            published=published,
            updated=updated,
            owner=owner,
            details=details,
            public=public,
        )


@dataclass(frozen=True, slots=True)
class ReceivedEntry:
    """An entry of a partner that passed every check.

    Args:
        entry: What it says.
        signed: The document as received, to be stored unchanged.
    """

    entry: EntryDocument
    signed: SignedDocument

    @property
    def version(self) -> Version:
        """The entry's version."""
        return self.entry.version

    @property
    def known_kind(self) -> bool:
        """False for a kind of a newer partner: show title, summary and origin."""
        return self.entry.known_kind


def build_entry(
    entry: EntryDocument, *, signer: Signer, created: datetime
) -> SignedDocument:
    """Sign an entry, once for each version and form.

    Args:
        entry: With content that `validation.faults_of_entry` accepts.
        signer: The node's key; the entry is attributed to its actor.
        created: Time of signing, aware.

    Raises:
        LocalError: It is not ours, breaks its schema or is longer than
            `ENTRY_BYTES_MAX`.
    """
    signer = signer.called(entry.id)
    address = signer.address
    if address.entry_local_id(entry.id) is None:
        raise LocalError(f"{entry.id} is not an entry of {address.base_url}")
    if entry.published.microsecond or entry.updated.microsecond:
        raise LocalError("published and updated carry whole seconds")
    faults = faults_of_entry(entry.content())
    if faults:
        raise LocalError(f"{entry.id}{faults[0].path}: {faults[0].message}")
    document = _wire_form(entry, address=address)
    document["@context"] = jsonld.context_copy()
    signed = sign(document, signer=signer, created=created)
    try:
        check_wire("entry", signed.document)
    except SchemaInvalidError as error:
        raise LocalError(f"{entry.id}: {error.safe_text}") from error
    if len(signed.raw) > ENTRY_BYTES_MAX:
        raise LocalError(
            f"{entry.id} has {len(signed.raw)} bytes, {ENTRY_BYTES_MAX} are permitted"
        )
    return signed


def parse_entry(document: JsonObject, *, peer: RemotePeer) -> ReceivedEntry:
    """Read a single entry of a peer, outside a page, with every check.

    Raises:
        PeerError: Context, ownership, proof, size or content is wrong.
    """
    peer = peer.called(document.get("id"))
    return read_entry(check_entry_provenance(document, peer=peer), peer=peer)


def check_entry_provenance(document: JsonObject, *, peer: RemotePeer) -> SignedDocument:
    """Require context, ownership and proof; what fails here was not the origin's.

    Returns:
        The document with its bytes and hash.

    Raises:
        ContextNotAllowedError: Another context.
        OriginMismatchError: Id or attribution is not the peer's.
        ProofInvalidError: Not signed by the peer.
    """
    jsonld.check_context(document)
    require_signer(document, "attributedTo", actor_id=peer.actor_id)
    require_ownership(document, OwnedType.ENTRY, signer=peer.address)
    return require_proof(document, peer=peer)


def read_entry(signed: SignedDocument, *, peer: RemotePeer) -> ReceivedEntry:
    """Read an entry whose provenance was checked.

    It is not expanded as JSON-LD: the context is equal to ours and the schema is
    closed, so which terms occur is known before, and that each of them has a
    meaning is a property of the two files, shown by a test (SPEC.md FED-022).

    Raises:
        LimitExceededError: Longer than `ENTRY_BYTES_MAX`.
        SchemaInvalidError: Faulty; the text starts with the JSON pointer.
        OriginMismatchError: It names something inside that is not the peer's.
    """
    document = signed.document
    if len(signed.raw) > ENTRY_BYTES_MAX:
        raise LimitExceededError(f"The entry is longer than {ENTRY_BYTES_MAX} bytes.")
    check_wire("entry", document)
    address = peer.address
    require_ownership(document, OwnedType.ENTRY_CONTENT, signer=address)
    entry = _from_wire(document)
    if not _ENVELOPE_FIELDS.isdisjoint(entry.details):
        raise SchemaInvalidError("/details: A field of the envelope stands here.")
    if entry.kind != _EVENT and entry.known_kind and "valid_until" in entry.details:
        raise SchemaInvalidError("/details/valid_until: The last day is in endTime.")
    if entry.known_kind:
        faults = faults_of_entry(entry.content())
        if faults:
            raise SchemaInvalidError(f"{faults[0].path}: {faults[0].message}")
        _require_agreement(entry, document, address=address)
    return ReceivedEntry(entry, signed)


def _wire_form(entry: EntryDocument, *, address: NodeAddress) -> JsonObject:
    """Write an entry without context and proof."""
    kind = schemas.KINDS[entry.kind]
    document: JsonObject = {
        "id": entry.id,
        "type": kind.wire_type,
        "kind": entry.kind,
        "attributedTo": address.actor,
        "incarnation": entry.version.incarnation,
        "version": entry.version.counter,
        "name": entry.title[min(entry.title)],
        "nameMap": dict(entry.title),
        "summaryMap": dict(entry.summary),
        "mediaType": "text/plain",
        "published": format_timestamp(entry.published),
        "updated": format_timestamp(entry.updated),
        "details": dict(entry.details),
        "to": [PUBLIC if entry.public else address.partners_audience],
    }
    if entry.body is not None:
        document["contentMap"] = dict(entry.body)
    if entry.owner is not None:
        document["owner"] = _owner_form(entry.owner)
    if entry.valid_until is not None:
        document["endTime"] = format_timestamp(end_of_day(entry.valid_until))
    if kind.purpose is not None:
        document.update(_proposal_form(entry, purpose=kind.purpose))
    if entry.kind == _EVENT:
        zone = ZoneInfo(reading.text(entry.details, "timezone"))
        for wire_name, name in (("startTime", "starts"), ("endTime", "ends")):
            local = datetime.fromisoformat(reading.text(entry.details, name))
            document[wire_name] = local.replace(tzinfo=zone).isoformat()
    return document


def _proposal_form(entry: EntryDocument, *, purpose: str) -> JsonObject:
    """Write the FEP-0837 part: one primary intent for one countable thing."""
    return {
        "purpose": purpose,
        "publishes": {
            "type": "Intent",
            "id": f"{entry.id}#primary",
            "action": _ACTIONS[entry.kind],
            "resourceQuantity": {"hasUnit": "one", "hasNumericalValue": "1"},
        },
        "unitBased": False,
    }


def _owner_form(owner: EntryOwner) -> JsonObject:
    form: JsonObject = {}
    if owner.organisation is not None:
        organisation: JsonObject = {"name": owner.organisation.name}
        if owner.organisation.website is not None:
            organisation["website"] = owner.organisation.website
        if owner.organisation.region is not None:
            organisation["region"] = owner.organisation.region
        form["organisation"] = organisation
    if owner.person is not None:
        person: JsonObject = {"name": owner.person.name}
        if owner.person.function is not None:
            person["function"] = owner.person.function
        form["person"] = person
    return form


def _from_wire(document: JsonObject) -> EntryDocument:
    """Read a document that fits the wire schema."""
    kind = reading.text(document, "kind")
    valid_until = None
    if kind != _EVENT and "endTime" in document:
        end = reading.timestamp(document, "endTime")
        if end != end_of_day(end.date()):
            raise SchemaInvalidError("/endTime: This must be the end of a day in UTC.")
        valid_until = end.date()
    return EntryDocument(
        id=reading.text(document, "id"),
        kind=kind,
        version=Version(
            reading.integer(document, "incarnation"),
            reading.integer(document, "version"),
        ),
        title=reading.text_map(document, "nameMap"),
        summary=reading.text_map(document, "summaryMap"),
        body=(
            reading.text_map(document, "contentMap")
            if "contentMap" in document
            else None
        ),
        published=reading.timestamp(document, "published"),
        updated=reading.timestamp(document, "updated"),
        valid_until=valid_until,
        owner=(
            _owner_from(reading.member(document, "owner"))
            if "owner" in document
            else None
        ),
        details=reading.member(document, "details"),
        public=reading.texts(document, "to") == (PUBLIC,),
    )


def _owner_from(form: JsonObject) -> EntryOwner:
    organisation = person = None
    if "organisation" in form:
        source = reading.member(form, "organisation")
        organisation = OwnerOrganisation(
            name=reading.text(source, "name"),
            website=reading.optional_text(source, "website"),
            region=reading.optional_text(source, "region"),
        )
    if "person" in form:
        source = reading.member(form, "person")
        person = OwnerPerson(
            name=reading.text(source, "name"),
            function=reading.optional_text(source, "function"),
        )
    return EntryOwner(organisation, person)


def _require_agreement(
    entry: EntryDocument, document: JsonObject, *, address: NodeAddress
) -> None:
    """Require the document that we would write for what this one says."""
    expected = _wire_form(entry, address=address)
    for name in ("startTime", "endTime"):
        if entry.kind == _EVENT and _same_local_time(document, expected, name=name):
            # Time zone rules change; an older or newer table than ours may give
            # the same local time another offset.
            expected[name] = document[name]
    differing = sorted(
        name
        for name in (expected.keys() | document.keys()) - {"@context", "proof"}
        if _value(expected, name) != _value(document, name)
    )
    if differing:
        raise SchemaInvalidError(
            f"/{differing[0]}: This does not agree with the rest of the entry."
        )


def _value(document: JsonObject, name: str) -> tuple[JsonValue, ...]:
    return (document[name],) if name in document else ()


def _same_local_time(first: JsonObject, second: JsonObject, *, name: str) -> bool:
    values = (first.get(name), second.get(name))
    locals_ = [value[:19] for value in values if isinstance(value, str)]
    return len(locals_) == len(values) and locals_[0] == locals_[1]
