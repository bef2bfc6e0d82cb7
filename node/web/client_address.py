"""Whose request this is, behind whatever stands in between.

`X-Forwarded-For` is written by anybody. It is believed from the reverse proxies
that the settings name, and from the right: the first address that is no proxy of
ours is the client, whatever stands to the left of it.

Source: SPEC.md NOD-040.
"""

import functools
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from aiohttp import web

from node.config import NodeConfig

IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
_IPV6_SITE_BITS: Final = 64  # what one customer has at the least (RFC 6177)
_HOPS_MAX: Final = 20
_LOOPBACK: Final = ("127.0.0.1/32", "::1/128")
_UNKNOWN: Final = "unknown"
_CLIENTS_KEPT_MAX: Final = 1024  # that were worked out before
_FORWARDED_CHARACTERS_KEPT_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """A client's network address.

    Attributes:
        text: The address, for the log.
        key: What shares one rate: an IPv4 address, or the /64 of an IPv6 address.
        is_direct: Whether the client is the one who is connected, and no proxy.
        is_proxy: Whether it is a reverse proxy of ours that names no client.
    """

    text: str
    key: str
    is_direct: bool
    is_proxy: bool = False


class TrustedProxies:
    """The reverse proxies of the node.

    Args:
        networks: Addresses or networks in the notation of `ipaddress`.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(text) for text in networks]
        self._known_client = functools.lru_cache(_CLIENTS_KEPT_MAX)(self._client)

    @classmethod
    def of(cls, config: NodeConfig) -> "TrustedProxies":
        """Return what the settings say (SPEC NOD-040).

        A node that listens at the loopback address is reached by processes of its
        own machine alone, so these count as proxies if nothing else is named.
        """
        named = config.network.trusted_proxies
        if not named and is_loopback(config.listen.host):
            named = _LOOPBACK
        return cls(named)

    def __contains__(self, address: IPAddress) -> bool:
        return any(address in network for network in self._networks)

    def client_of(self, request: web.Request) -> ClientAddress:
        """Return the rightmost address that is no proxy of ours."""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
        if len(forwarded) > _FORWARDED_CHARACTERS_KEPT_MAX:
            return self._client(request.remote or "", forwarded)
        return self._known_client(request.remote or "", forwarded)

    def _client(self, remote: str, forwarded: str) -> ClientAddress:
        hop = parse_address(remote)
        if hop is None:
            return ClientAddress(_UNKNOWN, _UNKNOWN, is_direct=True)
        is_direct = True
        for written in reversed(forwarded.split(",")[-_HOPS_MAX:]):
            if hop not in self:
                break
            before = parse_address(written.strip())
            if before is None:
                break
            hop, is_direct = before, False
        return ClientAddress(str(hop), address_key(hop), is_direct, hop in self)


def parse_address(text: str) -> IPAddress | None:
    """Read an address, also with a port or in brackets; None if it is none."""
    bare = text
    if text.startswith("["):
        bare = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        bare = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def address_key(address: IPAddress) -> str:
    """Return what shares one rate with an address."""
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    site = ipaddress.ip_network((address, _IPV6_SITE_BITS), strict=False)
    return str(site)


def is_loopback(host: str) -> bool:
    """Whether a listening address is reached from this machine only."""
    if host == "localhost":
        return True
    address = parse_address(host)
    return address is not None and address.is_loopback


PROXIES = web.AppKey("PROXIES", TrustedProxies)
