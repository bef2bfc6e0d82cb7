"""Addresses and identifiers: one parser, one permitted spelling.

An address that is not equal to its own normal form is refused instead of being
repaired: two parsers that repair differently are how one host passes for another.
Everything here works on text; nothing is looked up. Source: SPEC.md FED-001.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NewType

from federation.errors import IdentifierError, LocalError
from federation.limits import URI_CHARACTERS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from federation.ports import RandomSource

BaseUrl = NewType("BaseUrl", str)
"""Scheme, host and port of a node, without a slash at the end."""

LOOPBACK_HOST: Final = "127.0.0.1"
_PORT_MAX: Final = 65_535
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80
_HOST_CHARACTERS_MAX: Final = 253
_LOCAL_ID_BYTES: Final = 16
LOCAL_ID_CHARACTERS: Final = 26
"""Length of a local identifier."""
_LOCAL_ID: Final = re.compile(r"[a-z2-7]{26}\Z")
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# The last label must start with a letter, so that no spelling of an IPv4 address
# (decimal, hexadecimal, short) can be a host name.
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+[a-z][a-z0-9-]{{0,61}}[a-z0-9]\Z")
_URI: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:@-]*)*)"
    r"(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@/?%-]*)?"
    r"(?P<fragment>#[A-Za-z0-9._~-]*)?\Z"
)


def parse_base_url(text: str, *, allow_loopback_http: bool) -> BaseUrl:
    """Check the address of a node and return it.

    In production: `https`, a DNS name in lower-case ASCII, a port only if it is
    not 443, no user information, no path. With `allow_loopback_http` also
    `http://127.0.0.1:PORT`, and no other plain address.

    Args:
        text: The address, for example `https://spalier.optence.example`.
        allow_loopback_http: True on nodes of the demo and of tests only.

    Returns:
        The same text.

    Raises:
        IdentifierError: The text is anything else; the message says what.

    Source: SPEC.md FED-001, FED-002.
    """
    match = _URI.match(text) if len(text) <= URI_CHARACTERS_MAX else None
    if match is None or match["path"] or match["query"] or match["fragment"]:
        raise IdentifierError(
            "{address} is not a node address: it must be https://HOST or "
            "https://HOST:PORT, in lower case and without a path",
            address=_shown(text),
        )
    scheme, host = match["scheme"], match["host"]
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > _PORT_MAX:
        raise IdentifierError(
            "{address}: port {port} does not exist", address=_shown(text), port=port
        )
    if scheme == "http":
        if not allow_loopback_http:
            raise IdentifierError(
                "{address}: only https is permitted", address=_shown(text)
            )
        # Port 80 would be left out on the wire: two spellings of one address.
        if host != LOOPBACK_HOST or port in {None, _HTTP_PORT}:
            raise IdentifierError(
                "{address}: plain http is permitted for http://{loopback}:PORT only",
                address=_shown(text),
                loopback=LOOPBACK_HOST,
            )
        return BaseUrl(text)
    if len(host) > _HOST_CHARACTERS_MAX or not _HOST.match(host):
        raise IdentifierError(
            "{address}: {host} is not a DNS name", address=_shown(text), host=host
        )
    if port == _HTTPS_PORT:
        raise IdentifierError(
            "{address}: leave out the default port 443", address=_shown(text)
        )
    return BaseUrl(text)


def authority_of(base_url: BaseUrl) -> str:
    """Return host and port as they stand in a Host field (RFC 9421 §2.2.3)."""
    return base_url.partition("://")[2]


def base_url_of_actor(actor_id: str, *, like: BaseUrl) -> BaseUrl | None:
    """Return the address of the node whose actor this is; None if it is no actor.

    Args:
        actor_id: `<base_url>/actor`.
        like: An address of a node that we know: plain http is permitted only to
            nodes of the demo and of tests, which have it themselves.
    """
    text = actor_id.removesuffix("/actor")
    if text == actor_id:
        return None
    try:
        return parse_base_url(text, allow_loopback_http=like.startswith("http:"))
    except IdentifierError:
        return None


def host_of(base_url: BaseUrl) -> str:
    """Return the host without the port."""
    return authority_of(base_url).partition(":")[0]


def origin_of(uri: str) -> str:
    """Return `scheme://host:port` of an identifier, the port always written out.

    Source: FEP-fe34 "Origin": scheme, host and port.

    Raises:
        IdentifierError: The text is no absolute http(s) URI in normal form.
    """
    match = _URI.match(uri) if len(uri) <= URI_CHARACTERS_MAX else None
    if match is None:
        raise IdentifierError(
            "{address} is not an absolute address", address=_shown(uri)
        )
    default = _HTTPS_PORT if match["scheme"] == "https" else _HTTP_PORT
    port = int(match["port"]) if match["port"] else default
    if match["port"] and port == default:
        raise IdentifierError(
            "{address}: the default port is written out", address=_shown(uri)
        )
    return f"{match['scheme']}://{match['host']}:{port}"


def same_origin(first: str, second: str) -> bool:
    """Tell whether two identifiers share an origin; False if one is none."""
    try:
        return origin_of(first) == origin_of(second)
    except IdentifierError:
        return False


def random_id(random: RandomSource) -> str:
    """Make a local identifier: 128 random bits, 26 letters of lower-case base32.

    It holds no counter and no time, so it tells nothing about other entries.
    """
    raw = base64.b32encode(random.bytes(_LOCAL_ID_BYTES)).decode("ascii")
    return raw.rstrip("=").lower()


def is_local_id(text: str) -> bool:
    """Tell whether a text has the form of `random_id`."""
    return _LOCAL_ID.match(text) is not None


_NO_BIRTHS: Final[Mapping[str, BaseUrl]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """The addresses of one node, all below its `base_url`.

    A node that has moved keeps the names that it gave before: what is below one of
    its former addresses is its own still, though nothing answers there.

    Args:
        base_url: Where the node is.
        former: Where it was before, the oldest first.
        born: Local ids of our own entries that were made at a former address, with
            that address. Of other nodes nobody needs it: their ids come whole.

    Source: SPEC.md FED-003, FED-160.
    """

    base_url: BaseUrl
    former: tuple[BaseUrl, ...] = ()
    born: Mapping[str, BaseUrl] = field(
        default_factory=lambda: _NO_BIRTHS, compare=False, repr=False, kw_only=True
    )

    @property
    def authority(self) -> str:
        """Host and port."""
        return authority_of(self.base_url)

    @property
    def actor(self) -> str:
        """The node's only actor."""
        return f"{self.base_url}/actor"

    @property
    def inbox(self) -> str:
        """Where active partners deliver pages and activities."""
        return f"{self.base_url}/inbox"

    @property
    def outbox(self) -> str:
        """Where partners pull pages."""
        return f"{self.base_url}/outbox"

    @property
    def partner_requests(self) -> str:
        """Where a node with an invitation asks to become a partner."""
        return f"{self.base_url}/partner-requests"

    @property
    def holdings(self) -> str:
        """Where a partner asks what is held of it."""
        return f"{self.base_url}/holdings"

    @property
    def partners_audience(self) -> str:
        """Audience of every entry that is not public; nobody can read it."""
        return f"{self.base_url}/actor/partners"

    def key(self, number: int) -> str:
        """Return the id of the actor's key with this number, from 1."""
        return f"{self.actor}#key-{number}"

    def entry(self, local_id: str) -> str:
        """Return the id of an entry, which keeps the address it was made at."""
        return f"{self.born.get(local_id, self.base_url)}/entries/{local_id}"

    def activity(self, local_id: str) -> str:
        """Return the id of an activity."""
        return f"{self.base_url}/activities/{local_id}"

    def page(self, after: int) -> str:
        """Return the id of the page that follows a position."""
        return f"{self.outbox}?after={after}"

    def holdings_page(self, *, bucket: int | None, after: str | None) -> str:
        """Return the address of a list of what is held.

        Args:
            bucket: Only the entries of this bucket, 0 to 255; None for all.
            after: Local id of the last entry of the list before; None at the start.
        """
        asked = [] if bucket is None else [f"bucket={bucket}"]
        if after is not None or bucket is None:
            asked.append(f"after={after or ''}")
        return f"{self.holdings}?{'&'.join(asked)}"

    def entry_local_id(self, uri: str) -> str | None:
        """Return the local part of an entry's id, None if it is not ours."""
        return self._local_part(uri, "/entries/")

    def activity_local_id(self, uri: str) -> str | None:
        """Return the local part of an activity's id, None if it is not ours."""
        return self._local_part(uri, "/activities/")

    @property
    def names(self) -> tuple[BaseUrl, ...]:
        """Every address that the node's identifiers may be below, the present first."""
        return (self.base_url, *reversed(self.former))

    def as_known(self, base_url: BaseUrl) -> NodeAddress:
        """Return the same node as it is called by who knows it by a former address.

        Args:
            base_url: The present address or a former one.

        Raises:
            LocalError: The node never was there.
        """
        if base_url == self.base_url:
            return self
        if base_url not in self.former:
            raise LocalError(f"{self.base_url} never was {base_url}")
        before = self.former[: self.former.index(base_url)]
        return NodeAddress(base_url, before, born=self.born)

    def called(self, uri: str) -> NodeAddress:
        """Return the node by the name that an identifier has.

        What belongs to an entry has one name throughout: the one of its id. An
        identifier of somebody else leads to the present name, by which it is found
        to be foreign.

        Source: SPEC.md FED-162.
        """
        for base_url in self.former:
            if uri.startswith(f"{base_url}/"):
                return self.as_known(base_url)
        return self

    def _local_part(self, uri: str, folder: str) -> str | None:
        for base_url in self.names:
            prefix = f"{base_url}{folder}"
            if uri.startswith(prefix):
                local_id = uri[len(prefix) :]
                return local_id if is_local_id(local_id) else None
        return None


def _shown(text: str) -> str:
    """Quote a text for an error message, bounded and without control characters."""
    return ascii(text[:80])
