"""Which network addresses our own requests may reach.

The guard sits where the socket is made, after every name was resolved: a guard in
a resolver is not asked for address literals, and one before the connection can be
told another address than the connection gets. The standard library's
`is_global` calls tunnels into private networks global, so the ranges are written
down here.

Source: IANA special-purpose address registries (RFC 6890 and successors), SPEC.md
FED-095.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.connector import AddrInfoType

_LOOPBACK: Final = ipaddress.ip_address("127.0.0.1")

_CLOSED_IPV4: Final = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",  # this network (RFC 791)
        "10.0.0.0/8",  # private (RFC 1918)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
        "127.0.0.0/8",  # loopback (RFC 1122)
        "169.254.0.0/16",  # link-local, cloud metadata (RFC 3927)
        "172.16.0.0/12",  # private (RFC 1918)
        "192.0.0.0/24",  # protocol assignments (RFC 6890)
        "192.0.2.0/24",  # documentation (RFC 5737)
        "192.31.196.0/24",  # AS112 (RFC 7535)
        "192.52.193.0/24",  # AMT (RFC 7450)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "192.168.0.0/16",  # private (RFC 1918)
        "192.175.48.0/24",  # AS112 (RFC 7534)
        "198.18.0.0/15",  # benchmarks (RFC 2544)
        "198.51.100.0/24",  # documentation (RFC 5737)
        "203.0.113.0/24",  # documentation (RFC 5737)
        "224.0.0.0/4",  # multicast (RFC 5771)
        "240.0.0.0/4",  # reserved and broadcast (RFC 1112)
    )
)
_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""The only IPv6 range that holds public addresses; all else is closed."""

_CLOSED_IPV6: Final = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, ORCHID and other assignments (RFC 2928)
        "2001:db8::/32",  # documentation (RFC 3849)
        "2002::/16",  # 6to4, carries an IPv4 address (RFC 3056)
        "2620:4f:8000::/48",  # AS112 (RFC 7534)
        "3ffe::/16",  # 6bone, returned (RFC 3701)
        "3fff::/20",  # documentation (RFC 9637)
    )
)


class BlockedAddressError(OSError):
    """The address of a peer is not a public one."""


def is_public(text: str) -> bool:
    """Tell whether an IP address is a public unicast address.

    Args:
        text: An address literal; a zone index makes it not public.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_IPV4)
    return (
        address.scope_id is None
        and address in _GLOBAL_UNICAST
        and not any(address in network for network in _CLOSED_IPV6)
    )


def guarded_socket_factory(
    *, allow_loopback: bool
) -> Callable[[AddrInfoType], socket.socket]:
    """Return a socket factory that refuses addresses which are not public.

    Args:
        allow_loopback: True on nodes of the demo and of tests only; it adds
            exactly 127.0.0.1.
    """

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, target = info
        text = str(target[0])
        loopback = allow_loopback and text == str(_LOOPBACK)
        if not loopback and not is_public(text):
            raise BlockedAddressError(f"{text} is not a public address")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make_socket
