"""Documents of a partner: every parser, JSON-LD, proofs, and the whole inbox."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

import schemas
from federation import jsonld, strict_json
from federation.canonical import canonical_bytes
from federation.documents import (
    Removal,
    SentRange,
    build_actor,
    build_entry,
    build_message,
    build_notice,
    build_partner_request,
    build_receipt,
    build_withdrawal,
    parse_actor,
    parse_entry,
    parse_message,
    parse_notice,
    parse_page,
    parse_partner_request,
    parse_receipt,
    parse_withdrawal,
)
from federation.documents.actor_update import (
    ActorUpdate,
    build_actor_update,
    parse_actor_update,
)
from federation.documents.entry import EntryDocument
from federation.documents.holdings import (
    HeldEntry,
    Holdings,
    HoldingsScope,
    build_holdings,
    build_holdings_page,
    parse_holdings,
    parse_holdings_page,
)
from federation.documents.notice import NoticeType
from federation.documents.withdrawal import Withdrawal, WithdrawalMode
from federation.errors import PeerError, ProofInvalidError
from federation.exchange import HeldState, HeldVersion, ViewDigest
from federation.inbox import (
    AdmittedRequest,
    ProvenActivity,
    ReceivedRequest,
    permit,
    prove,
    read_activity,
)
from federation.keys import PublicKey
from federation.limits import PAGE_BYTES_MAX
from federation.rates import DoorRates
from federation.signatures.proof import verify_proof
from federation.version import Version
from tests.fuzz.partner import (
    OURSELVES,
    PARTNER,
    complete,
    complete_delivery,
    complete_page,
    stripped,
)
from tests.fuzz.target import Target, law
from tests.unit.federation.nodes import EPOCH, NOW, Bytes, contents

Json = dict[str, Any]


def packed(document: Json) -> bytes:
    """Write an input: a document without what the partner puts in again."""
    return json.dumps(
        stripped(document), ensure_ascii=False, separators=(",", ":")
    ).encode()


def _reader(
    parse: Callable[[Json], Any],
    *,
    completing: Callable[[Json], Json] = complete,
    rebuild: Callable[[Any], Json | None] | None = None,
) -> Callable[[bytes], bool]:
    """Make a target's `run` from a parser.

    Args:
        parse: The parser; it may raise `PeerError`.
        completing: Puts context and proofs into an input.
        rebuild: Writes anew what was read; None where that is not promised.
    """

    def run(data: bytes) -> bool:
        try:
            document = completing(strict_json.loads_object(data))
            parsed = parse(document)
        except PeerError:
            return False
        again = strict_json.loads_object(
            canonical_bytes(document), bytes_max=PAGE_BYTES_MAX
        )
        law(again == document, "canonical bytes say something else")
        law(parse(again) == parsed, "read again, it is something else")
        signed = getattr(parsed, "signed", None)
        if signed is not None:
            law(signed.raw == canonical_bytes(document), "other bytes are kept")
        rebuilt = None if rebuild is None else rebuild(parsed)
        if rebuilt is not None:
            law(stripped(rebuilt) == stripped(document), "we would write it otherwise")
        return True

    return run


def _entry_anew(received: Any) -> Json | None:
    entry: EntryDocument = received.entry
    # The offset of a time may differ, because time zone rules change.
    if not entry.known_kind or entry.kind == "event":
        return None
    return build_entry(entry, signer=PARTNER.signer, created=NOW).document


def _withdrawal_anew(withdrawal: Withdrawal) -> Json | None:
    if withdrawal.signed is None:
        return None
    built = build_withdrawal(withdrawal, signer=PARTNER.signer, created=NOW).document
    # Whom it is for decides nothing: it takes away, whoever reads it.
    return {**built, "to": withdrawal.signed.document["to"]}


def _every_entry() -> Iterable[EntryDocument]:
    for kind in schemas.KINDS:
        for content in contents(kind):
            yield EntryDocument.from_content(
                content,
                id=PARTNER.address.entry("a" * 26),
                version=Version(1, 1),
                published=NOW,
                updated=NOW,
                public=kind == "event",
            )


def _signed_entries() -> list[Json]:
    return [
        build_entry(entry, signer=PARTNER.signer, created=NOW).document
        for entry in _every_entry()
    ] + [PARTNER.signed_entry().document]


def _signed_withdrawals() -> list[Json]:
    return [
        build_withdrawal(
            PARTNER.withdrawal(mode=mode), signer=PARTNER.signer, created=NOW
        ).document
        for mode in WithdrawalMode
    ]


def _pages() -> list[Json]:
    entry, withdrawal = PARTNER.signed_entry(), Removal(_signed_withdrawals()[0])
    return [PARTNER.page(), PARTNER.page(withdrawal), PARTNER.page(entry, withdrawal)]


def _held(count: int) -> list[HeldEntry]:
    states = list(HeldState)
    return [
        HeldEntry(
            entry_id,
            HeldVersion(
                Version(1, index + 1),
                states[index % len(states)],
                "a" * 64 if states[index % len(states)] is HeldState.PRESENT else None,
            ),
        )
        for index, entry_id in enumerate(
            sorted(OURSELVES.entry_id() for _ in range(count))
        )
    ]


def _holdings() -> list[Json]:
    view = ViewDigest()
    view.add(OURSELVES.entry_id(), Version(1, 1), "a" * 64)
    return [
        build_holdings(
            Holdings(epoch, 3, held, NOW),
            address=PARTNER.address,
            partner=OURSELVES.address.actor,
        )
        for epoch, held in ((EPOCH, view), (None, ViewDigest()))
    ]


def _holdings_pages() -> list[Json]:
    return [
        build_holdings_page(
            _held(count),
            scope=HoldingsScope(),
            more=more,
            address=PARTNER.address,
            partner=OURSELVES.address.actor,
            published=NOW,
        )
        for count, more in ((0, False), (1, False), (5, True))
    ]


def _parse_holdings(document: Json) -> Any:
    told = parse_holdings(document, peer=PARTNER.peer, address=OURSELVES.address)
    return told.epoch, told.position, told.view.to_bytes(), told.published


def _messages() -> list[Json]:
    message = PARTNER.message(OURSELVES)
    return [build_message(message, signer=PARTNER.signer, created=NOW).document]


def _notices() -> list[Json]:
    return [
        build_notice(
            PARTNER.notice(OURSELVES, kind), signer=PARTNER.signer, created=NOW
        ).document
        for kind in NoticeType
    ]


def _actor_updates() -> list[Json]:
    update = ActorUpdate(
        id=PARTNER.activity_id(),
        actor=replace(PARTNER.actor, updated=NOW),
        recipient=OURSELVES.address.actor,
        published=NOW,
    )
    return [build_actor_update(update, signer=PARTNER.signer, created=NOW).document]


def _receipts() -> list[Json]:
    receipt = PARTNER.receipt(OURSELVES)
    refusal: Json = {
        "id": OURSELVES.entry_id(),
        "incarnation": 1,
        "version": 2,
        "reason": "/availability: This field is missing.",
    }
    built = build_receipt(receipt, signer=PARTNER.signer, created=NOW).document
    return [built, {**built, "refused": [refusal], "refusedCount": 1}]


def _requests() -> list[Json]:
    return [
        build_partner_request(
            PARTNER.actor,
            host=OURSELVES.actor,
            secret=b"0123456789",
            signer=PARTNER.signer,
            random=Bytes("x"),
            created=NOW,
        ).document
    ]


def packed_request() -> bytes:
    """Return a partner request as an input."""
    return packed(_requests()[0])


def _seeds(documents: Callable[[], Iterable[Json]]) -> Callable[[], Iterable[bytes]]:
    return lambda: [packed(document) for document in documents()]


def _with_context(document: Json) -> Json:
    return {"@context": jsonld.context_copy(), **document}


def _parse_receipt(document: Json) -> Any:
    return parse_receipt(
        document,
        peer=PARTNER.peer,
        address=OURSELVES.address,
        sent=SentRange(EPOCH, 1, 1),
    )


def read_delivery(data: bytes) -> bool:
    """Read any bytes as what an authenticated partner delivered.

    Bytes that bring no `@context` are completed, so that what is behind the proof
    is reached; all others go in as they are.
    """
    body = data
    if b"@context" not in data:
        try:
            document = strict_json.loads_object(data)
        except PeerError:
            pass
        else:
            body = canonical_bytes(complete_delivery(document))
    request = ReceivedRequest(
        method="POST",
        target_uri=OURSELVES.address.inbox,
        headers=(),
        body=body,
        received_at=NOW,
    )
    admitted = AdmittedRequest(PARTNER.known(), request)
    try:
        proven = _proven(admitted)
    except PeerError as error:
        law(400 <= error.status < 500, "a partner's fault is never ours")
        return False
    law(_proven(admitted) == proven, "the same bytes mean something else")
    return True


def _proven(admitted: AdmittedRequest) -> ProvenActivity:
    permitted = permit(read_activity(admitted), rates=DoorRates(), now=NOW)
    return prove(permitted, address=OURSELVES.address)


def read_proof(data: bytes) -> bool:
    """Check a proof of any form, over any document."""
    try:
        document = complete(strict_json.loads_object(data))
    except PeerError:
        return False
    try:
        verify_proof(document, find_key=_key)
    except ProofInvalidError:
        return False
    law(document["proof"]["@context"] == document["@context"], "contexts differ")
    for changed in (
        {**document, "": 0},
        {**document, "proof": {**document["proof"], "created": "2026-11-21T10:00:01Z"}},
    ):
        if changed == document:
            continue
        try:
            verify_proof(changed, find_key=_key)
        except ProofInvalidError:
            continue
        law(False, "a changed document verifies")
    return True


def _key(key_id: str, _created: datetime) -> PublicKey | None:
    return PARTNER.key.public_key if key_id == PARTNER.signer.key_id else None


def read_linked_data(data: bytes) -> bool:
    """Read a document as JSON-LD: in our context, or in the one that it brings."""
    try:
        document = strict_json.loads_object(data)
        if "@context" in document:
            # No partner gets here: its context must equal ours. What remains to be
            # shown is the errors; the time grows with each context that is named.
            if len(data) > FOREIGN_CONTEXT_BYTES_MAX:
                return False
            jsonld.unmapped_terms(jsonld.expand(document))
            return True
        kind = document.get("type")
        node = jsonld.check_meaning(
            _with_context(document),
            type_iri=jsonld.type_iri(kind) if kind in TYPES else "Thing",
        )
    except PeerError:
        return False
    law(node.get("@id") == document.get("id"), "another identifier as JSON-LD")
    return True


FOREIGN_CONTEXT_BYTES_MAX = 2_000
TYPES = (
    "Accept",
    "Application",
    "Create",
    "Delete",
    "Document",
    "Event",
    "Leave",
    "Note",
    "OrderedCollectionPage",
    "PartnerRequest",
    "Proposal",
    "Receipt",
    "Reject",
    "Update",
)


def _proof_seeds() -> Iterable[bytes]:
    document = _messages()[0]
    proof = {**document["proof"], "proofValue": "*"}
    yield b'{"@context":["https://a.example/c"],"id":"x","list":[1,{"a":"b"}]}'
    small: Json = {"@context": "c", "a": "b", "proof": {**proof, "@context": "c"}}
    yield json.dumps(small).encode()
    yield json.dumps({**small, "proof": [small["proof"]]}).encode()
    yield json.dumps({**small, "proof": {**small["proof"], "domain": "x"}}).encode()


def _linked_data_seeds() -> Iterable[bytes]:
    for document in (*_messages(), *_notices()[:1], build_actor(PARTNER.actor)):
        yield packed(document)
    for context in (
        '"https://www.w3.org/ns/activitystreams"',
        '["https://www.w3.org/ns/cid/v1",{"a":{"@id":"as:name","@container":"@set"}}]',
        '{"@vocab":"_:","a":{"@reverse":"x:y"},"x":"https://x.example/"}',
        '{"@version":1.1,"a":{"@id":"@graph"},"b":"@type"}'.replace("1.1", "1"),
    ):
        yield f'{{"@context":{context},"id":"urn:x","a":["b",{{"a":1}}]}}'.encode()


DOCUMENT_TARGETS = (
    Target(
        "actor",
        _reader(
            lambda document: parse_actor(document, base_url=PARTNER.base_url),
            completing=_with_context,
        ),
        _seeds(lambda: [build_actor(PARTNER.actor)]),
        is_json=True,
    ),
    Target(
        "actor_update",
        _reader(
            lambda document: parse_actor_update(
                document, peer=PARTNER.peer, address=OURSELVES.address
            )
        ),
        _seeds(_actor_updates),
        is_json=True,
    ),
    Target(
        "entry",
        _reader(
            lambda document: parse_entry(document, peer=PARTNER.peer),
            rebuild=_entry_anew,
        ),
        _seeds(_signed_entries),
        is_json=True,
    ),
    Target(
        "inbox",
        read_delivery,
        _seeds(lambda: [*_pages(), *_messages(), *_notices(), *_actor_updates()]),
        is_json=True,
    ),
    Target("jsonld", read_linked_data, _linked_data_seeds, is_json=True),
    Target(
        "message",
        _reader(
            lambda document: parse_message(
                document, peer=PARTNER.peer, address=OURSELVES.address
            ),
            rebuild=lambda message: (
                build_message(message, signer=PARTNER.signer, created=NOW).document
            ),
        ),
        _seeds(_messages),
        is_json=True,
    ),
    Target(
        "notice",
        _reader(
            lambda document: parse_notice(
                document, peer=PARTNER.peer, address=OURSELVES.address
            ),
            rebuild=lambda notice: (
                build_notice(notice, signer=PARTNER.signer, created=NOW).document
            ),
        ),
        _seeds(_notices),
        is_json=True,
    ),
    Target(
        "page",
        _reader(
            lambda document: parse_page(document, peer=PARTNER.peer),
            completing=complete_page,
        ),
        _seeds(_pages),
        is_json=True,
    ),
    Target(
        "holdings",
        _reader(_parse_holdings, completing=_with_context),
        _seeds(_holdings),
        is_json=True,
    ),
    Target(
        "holdings_page",
        _reader(
            lambda document: parse_holdings_page(
                document,
                scope=HoldingsScope(),
                peer=PARTNER.peer,
                address=OURSELVES.address,
            ),
            completing=_with_context,
        ),
        _seeds(_holdings_pages),
        is_json=True,
    ),
    Target(
        "partner_request",
        _reader(
            lambda document: parse_partner_request(
                document, address=OURSELVES.address, allow_loopback_http=False
            )
        ),
        _seeds(_requests),
        is_json=True,
    ),
    Target("proof", read_proof, _proof_seeds, is_json=True),
    Target(
        "receipt",
        _reader(
            _parse_receipt,
            rebuild=lambda receipt: (
                build_receipt(receipt, signer=PARTNER.signer, created=NOW).document
            ),
        ),
        _seeds(_receipts),
        is_json=True,
    ),
    Target(
        "withdrawal",
        _reader(
            lambda document: parse_withdrawal(document, peer=PARTNER.peer),
            rebuild=_withdrawal_anew,
        ),
        _seeds(_signed_withdrawals),
        is_json=True,
    ),
)
