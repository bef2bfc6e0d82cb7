"""Who a document belongs to: every identifier in it, and what it must be.

THE place that compares identifiers with the node that signed. A proof says which
key made a document; these tables say which addresses that key may speak about.
Origins are compared with scheme, host and port, owners exactly. Nothing that a
document embeds is believed because of where it stands.

Every wire type has a row in `CLAIMS`; a test compares the rows with the schemas,
so that no identifier goes unchecked.

An entry or withdrawal of a node that has moved is asked about under the name that its
entry has (`RemotePeer.called`), so that all of it has one name; identifiers of
activities and entries may be below any address that the node was at.

Source: FEP-fe34 "Ownership" and "Authorization", SPEC.md FED-004, FED-140 to FED-143,
FED-162.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from federation.errors import OriginMismatchError
from federation.ids import base_url_of_actor, same_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from federation.ids import NodeAddress
    from federation.json_types import JsonObject, JsonValue

PUBLIC: Final = "https://www.w3.org/ns/activitystreams#Public"
"""The audience of public entries (ActivityPub §5.6)."""


_FRAGMENT: Final = re.compile(r"[A-Za-z0-9._~-]+\Z")
_POSITION: Final = re.compile(r"(?:0|[1-9][0-9]{0,15})\Z")
_HOLDINGS_QUERY: Final = re.compile(
    r"(?:\?(?:bucket=(?:0|[1-9][0-9]{0,2})(?:&after=[a-z2-7]{26})?|after=(?:[a-z2-7]{26})?))?\Z"
)


class OwnedType(Enum):
    """A document or activity, by what it may name."""

    ACTOR = "Application"
    ACTOR_UPDATE = "Update of an actor"
    MOVE = "Move"
    PARTNER_REQUEST = "PartnerRequest"
    ACCEPT = "Accept"
    REJECT = "Reject"
    LEAVE = "Leave"
    MESSAGE = "Create of a note"
    PAGE = "OrderedCollectionPage"
    UPSERT = "Create or Update in a page"
    ENTRY = "entry"
    ENTRY_CONTENT = "content of an entry"
    DELETE = "Delete"
    RECEIPT = "Receipt"
    HOLDINGS = "Holdings"
    HOLDINGS_PAGE = "HoldingsPage"


class Claim(Enum):
    """What an identifier must be; "own" is the signer's, "ours" the receiver's."""

    SIGNER = "the signing actor"
    OWN_INBOX = "the signer's inbox"
    OWN_OUTBOX = "the signer's outbox"
    OWN_PAGE = "a page of the signer's outbox"
    OWN_PARTNER_REQUESTS = "the signer's door for partner requests"
    OWN_HOLDINGS = "the signer's door for what it holds"
    OWN_ACTIVITY = "an activity of the signer"
    OWN_ENTRY = "an entry of the signer"
    OWN_AUDIENCE = "the signer's partners, or the public"
    OWN_PART = "a part of the document"
    OWN_KEY = "a key of the signing actor"
    RECEIVER = "the receiving actor"
    RECEIVER_NODE = "the receiving node"
    OUR_ACTIVITY = "an activity of the receiver"
    OUR_ENTRY = "an entry of the receiver"
    EITHER_NODE = "of one of the two nodes"
    OTHER_ACTOR = "the actor of a node at another address"


_T = OwnedType
_C = Claim

_ACTOR: Final = (
    ("/id", _C.SIGNER),
    ("/inbox", _C.OWN_INBOX),
    ("/outbox", _C.OWN_OUTBOX),
    ("/partnerRequests", _C.OWN_PARTNER_REQUESTS),
    ("/assertionMethod/*/id", _C.OWN_KEY),
    ("/assertionMethod/*/controller", _C.SIGNER),
    # What it says of its past is believed as FED-160 and FED-170 say, or not at all.
    ("/alsoKnownAs/*", _C.OTHER_ACTOR),
)
_NOTICE: Final = (
    ("/actor", _C.SIGNER),
    ("/id", _C.OWN_ACTIVITY),
    ("/to/*", _C.RECEIVER),
)

_HOLDINGS: Final = (
    ("/actor", _C.SIGNER),
    ("/id", _C.OWN_HOLDINGS),
    ("/partner", _C.RECEIVER),
)

CLAIMS: Final[dict[OwnedType, tuple[tuple[str, Claim], ...]]] = {
    _T.ACTOR: _ACTOR,
    _T.ACTOR_UPDATE: (
        *_NOTICE,
        *((f"/object{path}", claim) for path, claim in _ACTOR),
    ),
    _T.MOVE: (
        *_NOTICE,
        ("/object", _C.SIGNER),
        ("/target", _C.OTHER_ACTOR),
    ),
    _T.PARTNER_REQUEST: (
        ("/id", _C.OWN_ACTIVITY),
        *((f"/actor{path}", claim) for path, claim in _ACTOR),
        ("/target", _C.RECEIVER_NODE),
    ),
    _T.ACCEPT: (*_NOTICE, ("/object", _C.OUR_ACTIVITY)),
    _T.REJECT: (*_NOTICE, ("/object", _C.OUR_ACTIVITY)),
    _T.LEAVE: (*_NOTICE, ("/object", _C.RECEIVER)),
    _T.MESSAGE: (
        *_NOTICE,
        ("/object/id", _C.OWN_PART),
        ("/object/attributedTo", _C.SIGNER),
        ("/object/context", _C.EITHER_NODE),
        ("/object/inReplyTo", _C.EITHER_NODE),
        ("/object/about", _C.EITHER_NODE),
    ),
    _T.PAGE: (
        ("/actor", _C.SIGNER),
        ("/id", _C.OWN_PAGE),
        ("/partOf", _C.OWN_OUTBOX),
    ),
    _T.UPSERT: (("/actor", _C.SIGNER),),
    _T.ENTRY: (
        ("/attributedTo", _C.SIGNER),
        ("/id", _C.OWN_ENTRY),
    ),
    # Apart, because an entry that is the signer's and names something wrong inside
    # is faulty, but not forged: it alone is refused, not the page around it.
    _T.ENTRY_CONTENT: (
        ("/to/*", _C.OWN_AUDIENCE),
        ("/publishes/id", _C.OWN_PART),
    ),
    _T.DELETE: (
        ("/actor", _C.SIGNER),
        ("/id", _C.OWN_ACTIVITY),
        ("/object", _C.OWN_ENTRY),
        ("/to/*", _C.OWN_AUDIENCE),
    ),
    _T.RECEIPT: (
        ("/actor", _C.SIGNER),
        ("/id", _C.OWN_ACTIVITY),
        ("/partner", _C.RECEIVER),
        ("/refused/*/id", _C.OUR_ENTRY),
    ),
    _T.HOLDINGS: _HOLDINGS,
    _T.HOLDINGS_PAGE: (
        *_HOLDINGS,
        ("/holds/*/id", _C.OUR_ENTRY),
        ("/next", _C.OWN_HOLDINGS),
    ),
}
"""Every identifier of every type, as JSON pointer; `*` stands for each item."""

_STEPS: Final = {
    kind: tuple((path, tuple(path[1:].split("/")), claim) for path, claim in claims)
    for kind, claims in CLAIMS.items()
}


def require_signer(document: JsonObject, name: str, *, actor_id: str) -> None:
    """Require that a field names exactly the signing actor.

    Asked before the schema, because it decides whose fault everything else is.

    Raises:
        OriginMismatchError: It names somebody else, or nobody.
    """
    if document.get(name) != actor_id:
        raise _mismatch(f"/{name}", Claim.SIGNER)


def require_ownership(
    document: JsonObject,
    kind: OwnedType,
    *,
    signer: NodeAddress,
    receiver: NodeAddress | None = None,
) -> None:
    """Require that every identifier in a document is what its signer may name.

    Args:
        document: With a schema that was checked; absent fields are optional ones.
        kind: What it is.
        signer: The node whose key signs it.
        receiver: The node that it is for; needed by types that name one.

    Raises:
        OriginMismatchError: Names the first identifier that is something else.
    """
    parties = _Parties(signer, receiver, document.get("id"))
    for path, steps, claim in _STEPS[kind]:
        for value in _values(document, steps):
            if not parties.holds(claim, value):
                raise _mismatch(path, claim)


def _values(value: JsonValue, steps: tuple[str, ...]) -> Iterator[JsonValue]:
    if not steps:
        yield value
    elif steps[0] == "*":
        for item in value if isinstance(value, list) else ():
            yield from _values(item, steps[1:])
    elif isinstance(value, dict) and steps[0] in value:
        yield from _values(value[steps[0]], steps[1:])


def _part_of(whole: JsonValue, value: str) -> bool:
    """Tell whether a value is a fragment of an identifier (FEP-fe34 "Embedding")."""
    name, _, part = value.partition("#")
    return name == whole and _FRAGMENT.match(part) is not None


def _is_page(node: NodeAddress, value: str) -> bool:
    position = value.removeprefix(f"{node.outbox}?after=")
    return position != value and _POSITION.match(position) is not None


def _is_other_actor(node: NodeAddress, value: str) -> bool:
    """Tell whether a value is an actor that the node is not, or is not any more."""
    base_url = base_url_of_actor(value, like=node.base_url)
    return base_url is not None and base_url != node.base_url


def _is_holdings(node: NodeAddress, value: str) -> bool:
    query = value.removeprefix(node.holdings)
    return value.startswith(node.holdings) and _HOLDINGS_QUERY.match(query) is not None


@dataclass(frozen=True, slots=True)
class _Parties:
    """Whose document it is, whom it is for, and what it is called."""

    signer: NodeAddress
    receiver: NodeAddress | None
    document_id: JsonValue

    def holds(self, claim: Claim, value: JsonValue) -> bool:
        """Tell whether a value is what the claim says."""
        if not isinstance(value, str):
            return False
        if claim in _BY_SIGNER:
            return _BY_SIGNER[claim](self.signer, value)
        if claim is Claim.OWN_PART:
            return _part_of(self.document_id, value)
        if self.receiver is None:
            return False
        if claim is Claim.EITHER_NODE:
            names = (*self.signer.names, *self.receiver.names)
            return any(same_origin(value, name) for name in names)
        return _BY_RECEIVER[claim](self.receiver, value)


_Rule: TypeAlias = "Callable[[NodeAddress, str], bool]"

_BY_SIGNER: Final[dict[Claim, _Rule]] = {
    _C.SIGNER: lambda node, value: value == node.actor,
    _C.OWN_INBOX: lambda node, value: value == node.inbox,
    _C.OWN_OUTBOX: lambda node, value: value == node.outbox,
    _C.OWN_PAGE: _is_page,
    _C.OWN_PARTNER_REQUESTS: lambda node, value: value == node.partner_requests,
    _C.OWN_HOLDINGS: _is_holdings,
    _C.OWN_ACTIVITY: lambda node, value: node.activity_local_id(value) is not None,
    _C.OWN_ENTRY: lambda node, value: node.entry_local_id(value) is not None,
    _C.OWN_AUDIENCE: lambda node, value: value in (node.partners_audience, PUBLIC),
    _C.OWN_KEY: lambda node, value: _part_of(node.actor, value),
    _C.OTHER_ACTOR: _is_other_actor,
}
_BY_RECEIVER: Final[dict[Claim, _Rule]] = {
    _C.RECEIVER: lambda node, value: value == node.actor,
    _C.RECEIVER_NODE: lambda node, value: value == node.base_url,
    _C.OUR_ACTIVITY: lambda node, value: node.activity_local_id(value) is not None,
    _C.OUR_ENTRY: lambda node, value: node.entry_local_id(value) is not None,
}


def _mismatch(path: str, claim: Claim) -> OriginMismatchError:
    return OriginMismatchError(f"{path}: This must be {claim.value}.")
