"""Which version of the protocol two nodes speak, and what both can do.

Source: SPEC.md FED-120 to FED-125.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from federation.errors import SchemaInvalidError

if TYPE_CHECKING:
    from federation.json_types import JsonValue

PROTOCOL_VERSION: Final = "1.0"
"""What this software speaks; the major number changes what is understood at all."""
UNSUPPORTED: Final = "protocol-unsupported"
"""Problem code for another major version."""


class Capability(StrEnum):
    """What a node can do beyond being a partner; names of the first release."""

    PAGES = "pages"
    """It takes and serves pages of entries, and answers with receipts."""
    MESSAGES = "messages"
    """It takes messages between two members."""
    ACTOR_UPDATES = "actor-updates"
    """It takes `Update` of an actor: new keys, name, card, version."""
    MOVES = "moves"
    """It takes `Move`, and knows a node by its former addresses too."""


CAPABILITIES: Final = tuple(each.value for each in Capability)
"""What this software can do, in the order in which an actor lists it."""

_VERSION: Final = re.compile(r"([1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,4})\Z")


@dataclass(frozen=True, slots=True)
class Offer:
    """What one node says that it speaks.

    Args:
        protocol: `MAJOR.MINOR`.
        capabilities: Names, also those that nobody here knows.
    """

    protocol: str
    capabilities: tuple[str, ...]


OURS: Final = Offer(PROTOCOL_VERSION, CAPABILITIES)


@dataclass(frozen=True, slots=True)
class Agreed:
    """What both nodes speak.

    Args:
        version: `MAJOR.MINOR`, the lower of both.
        capabilities: What both can do, in our order.
    """

    version: str
    capabilities: tuple[str, ...]

    def has(self, capability: Capability) -> bool:
        """Tell whether both sides can do it."""
        return capability.value in self.capabilities


@dataclass(frozen=True, slots=True)
class Incompatible:
    """The nodes cannot understand each other.

    Args:
        reason: One sentence that may be sent to the peer.
        ours: Our version.
        theirs: Their version.
    """

    reason: str
    ours: str
    theirs: str


Negotiated: TypeAlias = Agreed | Incompatible


def negotiate(ours: Offer, theirs: Offer) -> Negotiated:
    """Find what two nodes have in common.

    The same major number is needed, the lower minor one counts; a capability is
    used only if both list it, and unknown ones are ignored.
    """
    our_major, our_minor = _parts(ours.protocol) or (0, 0)
    their_parts = _parts(theirs.protocol)
    if their_parts is None or their_parts[0] != our_major:
        return Incompatible(
            f"This node speaks protocol {ours.protocol}, the other one "
            f"{theirs.protocol}.",
            ours.protocol,
            theirs.protocol,
        )
    minor = min(our_minor, their_parts[1])
    known = frozenset(theirs.capabilities)
    return Agreed(
        f"{our_major}.{minor}",
        tuple(each for each in ours.capabilities if each in known),
    )


def require_same_major(protocol: JsonValue) -> None:
    """Refuse what was written for another major version, before it is read.

    Another major version may have another context and another schema; the one
    thing that can be said of it is which version it is.

    Args:
        protocol: Value of `spalierProtocol`, whatever it is. What is no version
            is left to the schema.

    Raises:
        SchemaInvalidError: With code `protocol-unsupported`: it is a version with
            another major number.
    """
    if not isinstance(protocol, str) or _parts(protocol) is None:
        return
    found = negotiate(OURS, Offer(protocol, ()))
    if isinstance(found, Incompatible):
        raise SchemaInvalidError(
            found.reason,
            code=UNSUPPORTED,
            members={"protocol": found.ours, "offered": found.theirs},
        )


def version_shown(value: str | int | None) -> str | None:
    """Return a version that the other side named, if it is one, to be shown."""
    return value if isinstance(value, str) and _parts(value) is not None else None


def _parts(version: str) -> tuple[int, int] | None:
    match = _VERSION.match(version)
    return None if match is None else (int(match[1]), int(match[2]))
