from __future__ import annotations

import socket

import pytest

from federation.transport.address_guard import (
    BlockedAddressError,
    guarded_socket_factory,
    is_public,
)

CLOSED = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.8",
    "192.0.0.170",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::5db8:d822",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:0:7f00:1::",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "3ffe::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fe80::1%eth0",
    "2a00::1%eth0",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
OPEN = [
    "1.1.1.1",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.255.255",
    "198.17.255.255",
    "198.20.0.1",
    "223.255.255.255",
    "2a00:1450:4001::1",
    "2606:4700::1111",
    "2001:4860::8888",
]


@pytest.mark.parametrize("text", CLOSED)
def test_closed(text: str) -> None:
    assert not is_public(text)


@pytest.mark.parametrize("text", OPEN)
def test_open(text: str) -> None:
    assert is_public(text)


@pytest.mark.parametrize("text", ["", "localhost", "127.1", "0x7f.1", "2130706433"])
def test_what_is_no_address(text: str) -> None:
    assert not is_public(text)


def info(text: str) -> tuple[int, int, int, str, tuple[str, int]]:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.SOCK_STREAM, 0, "", (text, 443)


def test_the_factory_makes_sockets_for_public_addresses_only() -> None:
    make = guarded_socket_factory(allow_loopback=False)
    with make(info("93.184.216.34")) as made:
        assert made.family == socket.AF_INET
    for text in CLOSED:
        with pytest.raises(BlockedAddressError):
            make(info(text))


def test_the_switch_opens_one_address() -> None:
    make = guarded_socket_factory(allow_loopback=True)
    make(info("127.0.0.1")).close()
    for text in CLOSED:
        if text != "127.0.0.1":
            with pytest.raises(BlockedAddressError):
                make(info(text))
