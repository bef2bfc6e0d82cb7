from __future__ import annotations

import pytest

from federation.errors import IdentifierError
from federation.ids import (
    BaseUrl,
    NodeAddress,
    host_of,
    is_local_id,
    origin_of,
    parse_base_url,
    random_id,
    same_origin,
)
from tests.unit.federation.nodes import Bytes


@pytest.mark.parametrize(
    "text",
    [
        "https://spalier.optence.example",
        "https://a.de",
        "https://xn--bcher-kva.example:8443",
        "https://1a.example",
    ],
)
def test_addresses_of_production(text: str) -> None:
    assert parse_base_url(text, allow_loopback_http=False) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "HTTPS://a.example",
        "https://A.example",
        "https://a.example/",
        "https://a.example/x",
        "https://a.example?x",
        "https://a.example#x",
        "https://a.example:443",
        "https://a.example:0",
        "https://a.example:080",
        "https://a.example:65536",
        "https://a.example:",
        "https://good@a.example",
        "https://good:x@a.example",
        "https://good.example\\@evil.example",
        "https://a.example.",
        "https://a..example",
        "https://.a.example",
        "https://-a.example",
        "https://a-.example",
        "https://a_b.example",
        "https://localhost",
        "https://127.0.0.1",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0x7f.1",
        "https://a.0x7f",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://①②⑦.0.0.1",
        "https://exa。mple.com",
        "https://fa\u017f.example",
        "https://ex\tample.example",
        "https://a%2eb.example",
        "https://a.example\n",
        " https://a.example",
        "ftp://a.example",
        "file:///etc/passwd",
        "data:text/plain,x",
        "http://a.example",
        "http://127.0.0.1:8101",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 60] * 5) + ".example",
    ],
)
def test_everything_else_is_refused_in_production(text: str) -> None:
    with pytest.raises(IdentifierError):
        parse_base_url(text, allow_loopback_http=False)


def test_loopback_http_needs_its_switch_and_admits_nothing_else() -> None:
    good = "http://127.0.0.1:8101"
    assert parse_base_url(good, allow_loopback_http=True) == good
    for text in (
        "http://127.0.0.1",
        "http://127.0.0.2:8101",
        "http://localhost:8101",
        "http://a.example:8101",
        "http://[::1]:8101",
        "https://127.0.0.1:8101",
    ):
        with pytest.raises(IdentifierError):
            parse_base_url(text, allow_loopback_http=True)


def test_an_error_shows_the_text_without_control_characters() -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_base_url("https://\x1b[31m\u202eevil", allow_loopback_http=False)
    assert str(caught.value).isascii()
    assert "\x1b" not in str(caught.value)


def test_origins() -> None:
    assert origin_of("https://a.example/x") == "https://a.example:443"
    assert same_origin("https://a.example/x", "https://a.example/y#z?") is False
    assert same_origin("https://a.example/x", "https://a.example/y#z")
    assert not same_origin("https://a.example/x", "https://a.example:8443/x")
    assert not same_origin("https://a.example/x", "http://a.example/x")
    assert not same_origin("https://a.example/x", "https://a.example.evil.example/x")
    assert not same_origin("not an address", "not an address")
    with pytest.raises(IdentifierError):
        origin_of("https://a.example:443/x")


def test_addresses_below_the_base() -> None:
    address = NodeAddress(BaseUrl("https://a.example:8443"))
    local = random_id(Bytes("x"))
    assert address.authority == "a.example:8443"
    assert host_of(address.base_url) == "a.example"
    assert address.key(2) == "https://a.example:8443/actor#key-2"
    assert address.entry_local_id(address.entry(local)) == local
    assert address.activity_local_id(address.activity(local)) == local
    for uri in (
        address.activity(local),
        address.entry(local) + "/x",
        address.entry(local.upper()),
        address.entry("../" + local),
        "https://a.example:8443.evil.example/entries/" + local,
        address.entry(local)[:-1],
    ):
        assert address.entry_local_id(uri) is None


def test_random_ids_have_128_bits_and_no_order() -> None:
    random = Bytes("ids")
    ids = [random_id(random) for _ in range(200)]
    assert len(set(ids)) == 200
    assert all(is_local_id(local) and len(local) == 26 for local in ids)
    assert ids != sorted(ids)
