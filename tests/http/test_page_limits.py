"""Pages: a rate by address behind proxies, and a deadline that slow forms meet."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer, unused_port
from structlog.testing import capture_logs

from federation.ids import BaseUrl
from federation.rates import DoorRates
from node.config import NodeConfig, check_settings
from node.web import page_limits
from node.web.application import build_application
from node.web.client_address import (
    ClientAddress,
    TrustedProxies,
    address_key,
    parse_address,
)
from node.web.door_guard import DoorGuard
from node.web.page_limits import PAGE_LIMITS, PageLimits
from node.web.site import SiteSettings
from tests.http.nodes import MovableClock, SeededRandom


def config(**settings: Any) -> NodeConfig:
    return check_settings(
        {"base_url": "https://nord.example", "name": "Nord", **settings}
    )


@pytest.fixture
async def site(clock: MovableClock) -> AsyncIterator[str]:
    port = unused_port()
    base_url = f"http://127.0.0.1:{port}"

    async def form(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.post())))

    def add(app: web.Application) -> None:
        app[PAGE_LIMITS] = PageLimits(config(), clock)
        app.router.add_route("*", "/form", form)

    app = build_application(
        site=SiteSettings(
            base_url=base_url,
            cluster_name="Nord",
            node_id="n",
            demo=False,
            default_language="de",
        ),
        clock=clock,
        random=SeededRandom("pages"),
        registrars=[add],
    )
    async with TestServer(app, host="127.0.0.1", port=port):
        yield base_url


async def test_pages_of_one_address_are_counted(
    site: str, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ClientSession() as session:

        async def status(who: str, path: str = "/form") -> int:
            headers = {"X-Forwarded-For": who}
            async with session.get(site + path, headers=headers) as answer:
                if answer.status == 429:
                    assert int(answer.headers["Retry-After"]) == 1
                return answer.status

        for _ in range(600):
            assert await status("198.51.100.7") == 200
        assert await status("198.51.100.7") == 429
        # Files of the layout are not counted, other addresses for themselves.
        assert await status("198.51.100.7", "/static/spalier.css") == 200
        assert await status("198.51.100.8") == 200
        # What stands left of the proxy's own entry is the client's invention.
        assert await status("198.51.100.8, 198.51.100.7") == 429
        clock.advance(seconds=1)
        assert await status("198.51.100.7") == 200


async def test_form_that_never_ends_is_given_up(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_limits, "PAGE_TIMEOUT", timedelta(seconds=0.3))
    host, port = site.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(
        f"POST /form HTTP/1.1\r\nHost: {host}:{port}\r\nSec-Fetch-Site: same-origin\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n"
        "Content-Length: 500\r\n\r\na=b".encode()
    )
    async with asyncio.timeout(5):
        line = await reader.readline()
    assert line.startswith(b"HTTP/1.1 503 ")
    writer.close()


# -- whose request it is --------------------------------------------------------


class Asked:
    """As much of a request as the address needs."""

    def __init__(self, remote: str | None, *forwarded: str) -> None:
        from multidict import CIMultiDict

        self.remote = remote
        self.headers = CIMultiDict([("X-Forwarded-For", each) for each in forwarded])


@pytest.mark.parametrize(
    ("remote", "forwarded", "found", "is_direct"),
    [
        ("203.0.113.5", [], "203.0.113.5", True),
        # Not from a proxy of ours: not believed.
        ("203.0.113.5", ["198.51.100.1"], "203.0.113.5", True),
        ("127.0.0.1", [], "127.0.0.1", True),
        ("127.0.0.1", ["198.51.100.1"], "198.51.100.1", False),
        ("127.0.0.1", ["1.2.3.4, 198.51.100.1"], "198.51.100.1", False),
        ("127.0.0.1", ["1.2.3.4", "198.51.100.1"], "198.51.100.1", False),
        ("127.0.0.1", ["198.51.100.1, 10.1.2.3"], "198.51.100.1", False),
        ("127.0.0.1", ["198.51.100.1:5555"], "198.51.100.1", False),
        ("127.0.0.1", ["[2001:db8::1]:5555"], "2001:db8::1", False),
        ("127.0.0.1", ["rubbish"], "127.0.0.1", True),
        ("127.0.0.1", ["198.51.100.1, rubbish"], "127.0.0.1", True),
        ("127.0.0.1", ["198.51.100.1, "], "127.0.0.1", True),
        ("::ffff:127.0.0.1", ["198.51.100.1"], "198.51.100.1", False),
        (None, ["198.51.100.1"], "unknown", True),
    ],
)
def test_rightmost_address_that_is_no_proxy(
    remote: str | None, forwarded: list[str], found: str, is_direct: bool
) -> None:
    proxies = TrustedProxies(["127.0.0.1/32", "10.0.0.0/8"])
    client = proxies.client_of(Asked(remote, *forwarded))  # type: ignore[arg-type]
    assert isinstance(client, ClientAddress)
    assert (client.text, client.is_direct) == (found, is_direct)


def test_proxy_that_names_no_client_is_told_once(clock: MovableClock) -> None:
    proxies = TrustedProxies(["127.0.0.1/32"])
    bare = proxies.client_of(Asked("127.0.0.1"))  # type: ignore[arg-type]
    named = proxies.client_of(Asked("127.0.0.1", "198.51.100.1"))  # type: ignore[arg-type]
    assert (bare.is_proxy, named.is_proxy) == (True, False)
    for base_url, told in (("https://nord.example", 1), ("http://127.0.0.1:1", 0)):
        guard = DoorGuard(BaseUrl(base_url), clock, rates=DoorRates(), proxies=proxies)
        with capture_logs() as lines:
            for client in (named, bare, bare):
                guard._tell_unnamed(client)
        assert [line["log_level"] for line in lines] == ["warning"] * told


def test_ipv6_shares_a_rate_by_its_site() -> None:
    one, two = parse_address("2001:db8:1:2::1"), parse_address("2001:db8:1:2:ffff::9")
    other = parse_address("2001:db8:1:3::1")
    assert one is not None
    assert two is not None
    assert other is not None
    assert address_key(one) == address_key(two) == "2001:db8:1:2::/64"
    assert address_key(other) != address_key(one)


@pytest.mark.parametrize(
    ("settings", "trusted"),
    [
        ({}, True),  # listens at the loopback address, as behind a proxy
        ({"listen.host": "::1"}, True),
        ({"listen.host": "0.0.0.0"}, False),
        ({"network.trusted_proxies": ["192.0.2.1"]}, False),
        ({"network.trusted_proxies": "127.0.0.0/8, ::1"}, True),
    ],
)
def test_whom_the_settings_believe(settings: dict[str, Any], trusted: bool) -> None:
    address = parse_address("127.0.0.1")
    assert address is not None
    assert (address in TrustedProxies.of(config(**settings))) is trusted


def test_every_rate_rises_with_the_factor(clock: MovableClock) -> None:
    raised = PageLimits(config(**{"limits.factor": 1000.0}), clock)
    client = replace(ClientAddress("a", "a", is_direct=True))
    for _ in range(5_000):
        assert raised._meter.charge(client.key, now=clock.now()) is None
