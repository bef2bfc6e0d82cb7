"""C: where our requests may go. Addresses, names, redirects."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from federation.errors import (
    FetchError,
    IdentifierError,
    PermanentFetchError,
)
from federation.handshake import InvitationCodeError, format_code
from federation.ids import BaseUrl, parse_base_url
from federation.transport.address_guard import is_public
from federation.transport.client import FederationClient
from node.errors import NodeError
from tests.hostile.addresses import CLOSED, OPEN
from tests.hostile.evil_requests import (
    SECRET,
    actor_of,
    every_request_fails,
)
from tests.hostile.evil_server import EvilServer, evil_server, reply
from tests.hostile.world import World
from tests.http.nodes import MovableClock, SeededRandom

ROOT = Path(__file__).parents[2]


# -- redirects and schemes ------------------------------------------------------


@pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
async def test_redirects_are_not_followed(
    client: FederationClient, evil: EvilServer, status: int
) -> None:
    async with evil_server() as other:
        other.says(reply(actor_of(evil.base_url)))
        for target in (
            f"{evil.base_url}/actor",
            f"{evil.base_url}/elsewhere",
            f"{other.base_url}/actor",
            "http://169.254.169.254/latest/meta-data/",
            "file:///etc/passwd",
            "data:application/activity+json,{}",
            "gopher://127.0.0.1:6379/_FLUSHALL",
            "//127.0.0.1/",
            "http://[::1]/",
            "",
        ):
            evil.says(
                reply(
                    actor_of(evil.base_url),
                    status=f"{status} Moved",
                    headers=(("Location", target),),
                )
            )
            await every_request_fails(client, evil, target, kinds=PermanentFetchError)
        assert other.asked == []


async def test_other_ways_to_lead_elsewhere(
    client: FederationClient, evil: EvilServer
) -> None:
    """Refresh, Link, Alt-Svc, an HTML page: none makes us ask anybody."""
    async with evil_server() as other:
        where = other.base_url
        html = f'<meta http-equiv="refresh" content="0;url={where}/actor">'.encode()
        for headers in (
            (("Refresh", f"0; url={where}/actor"),),
            (("Link", f'<{where}/actor>; rel="alternate"'),),
            (("Alt-Svc", f'h2="{where}"'),),
            (("Content-Location", f"{where}/actor"),),
        ):
            evil.says(reply(html, media_type="text/html", headers=headers))
            await every_request_fails(client, evil, headers)
        assert other.asked == []


ADDRESSES_THAT_ARE_NONE = [
    "http://spalier.example",
    "http://127.0.0.1",
    "http://127.0.0.2:8080",
    "http://localhost:8080",
    "http://127.1:8080",
    "http://2130706433:8080",
    "http://0x7f000001:8080",
    "http://0177.0.0.1:8080",
    "http://[::1]:8080",
    "http://[::ffff:127.0.0.1]:8080",
    "https://127.0.0.1",
    "https://10.0.0.1",
    "https://169.254.169.254",
    "https://[2001:4860:4860::8888]",
    "https://localhost",
    "https://intern",
    "https://spalier.example:443",
    "https://spalier.example:0",
    "https://spalier.example:99999",
    "https://spalier.example:08443",
    "https://spalier.example/",
    "https://spalier.example/actor",
    "https://spalier.example?x",
    "https://spalier.example#x",
    "https://good@spalier.example",
    "https://good:x@spalier.example",
    "https://spalier.example\\@angreifer.example",
    "https://spalier.example.",
    "https://SPALIER.example",
    "https://spalier..example",
    "https://-spalier.example",
    "https://spalier-.example",
    "https://spalier_x.example",
    "https://spaliér.example",
    "https://spalier。example",
    "https://①②⑦.0.0.1",
    "https://faſ.example",
    "https://spalier%2eexample",
    "https://spalier.example\t",
    "https://spa\tlier.example",
    "https://spalier.example\n",
    " https://spalier.example",
    "https:/spalier.example",
    "https:spalier.example",
    "//spalier.example",
    "spalier.example",
    "ftp://spalier.example",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "data:text/plain,x",
    "javascript:alert(1)",
    "https://" + "a" * 250 + ".example",
    "https://" + "a." * 200 + "example",
    "https://",
    "",
]


@pytest.mark.parametrize("address", ADDRESSES_THAT_ARE_NONE, ids=ascii)
@pytest.mark.parametrize("loopback", [False, True], ids=["outside", "loopback"])
def test_addresses_that_are_none(address: str, loopback: bool) -> None:
    with pytest.raises(IdentifierError):
        parse_base_url(address, allow_loopback_http=loopback)


def test_our_reader_agrees_with_two_others() -> None:
    """Ten thousand addresses: what we take, urllib and yarl read the same way."""
    import random
    from urllib.parse import urlsplit

    from yarl import URL

    seed = 20261121
    print("seed", seed)
    chance = random.Random(seed)
    pieces = [
        *"ab0-._~@:/?#[]\\%\t 。①ſ",
        "example",
        "spalier.",
        "127.0.0.1",
        ":443",
        ":8443",
        "xn--",
        "%2e",
        "localhost",
    ]
    taken = 0
    for _ in range(10_000):
        rest = "".join(chance.choice(pieces) for _ in range(chance.randrange(1, 7)))
        if chance.random() < 0.5:
            # Most would be none at all; these are nearly right.
            rest = f"spalier.example{chance.choice(['', ':8443', '.', ':', rest])}"
        text = f"{chance.choice(['https', 'https', 'http', 'HTTPS'])}://{rest}"
        try:
            parse_base_url(text, allow_loopback_http=False)
        except IdentifierError:
            continue
        taken += 1
        split, url = urlsplit(text), URL(text)
        assert (split.hostname, split.port) == (url.raw_host, url.explicit_port), text
        assert f"https://{split.netloc}" == text, text
    assert taken > 1000


async def test_codes_that_name_such_addresses(world: World) -> None:
    """An office types a code: nobody is asked who cannot be a partner's node."""
    letters = format_code(BaseUrl("https://spalier.example"), SECRET).partition("/")[2]
    office = world.offices[world.sued.base_url]
    async with world.untouched() as untouched:
        for host in (
            "localhost",
            "127.0.0.2:8080",
            "127.1",
            "10.0.0.1",
            "169.254.169.254",
            "[::1]",
            "2130706433",
            "0x7f000001",
            "intern",
            "good@127.0.0.1:22",
            "spalier.example:443",
            "spalier.example\\x",
            "①②⑦.0.0.1",
            "spalier.example#x",
        ):
            for ask in (
                lambda code: world.sued.node.partners.preview(office, code),
                lambda code: world.sued.node.partners.accept(office, code),
            ):
                with pytest.raises((NodeError, InvitationCodeError)):
                    await ask(f"{host}/{letters}")
            untouched.check(host)


# -- addresses at the moment of the connection ----------------------------------


@pytest.mark.parametrize("address", CLOSED)
def test_closed_addresses(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OPEN)
def test_open_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "text", ["", "x", "127.1", "2130706433", "0x7f000001", "010.0.0.1", "1.1.1.1\n"]
)
def test_texts_that_are_no_addresses_are_closed(text: str) -> None:
    assert not is_public(text)


class Names(AbstractResolver):
    """Answers each question with the next list of addresses."""

    answers: list[list[str]]
    asked = 0

    @override
    async def resolve(
        self, host: str, port: int = 0, family: Any = 0
    ) -> list[ResolveResult]:
        import socket

        addresses = self.answers[min(Names.asked, len(self.answers) - 1)]
        Names.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=0,
            )
            for address in addresses
        ]

    @override
    async def close(self) -> None:
        return None


async def connections_to(
    answers: list[list[str]], world: World, patch: pytest.MonkeyPatch, times: int = 1
) -> list[str]:
    """Ask a name that a resolver of the attacker answers; return what was tried."""
    Names.answers, Names.asked = answers, 0
    patch.setattr("aiohttp.connector.DefaultResolver", lambda **_: Names())
    before = len(world.witness.outbound.attempts)
    async with FederationClient(
        clock=MovableClock(), random=SeededRandom("names")
    ) as opened:
        for _ in range(times):
            with pytest.raises(FetchError):
                await opened.fetch_actor(BaseUrl("https://spalier.angreifer.example"))
    return [where for _, where in world.witness.outbound.attempts[before:]]


@pytest.mark.parametrize("address", [each for each in CLOSED if "%" not in each])
async def test_names_that_lead_inside(
    world: World, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    assert await connections_to([[address]], world, monkeypatch) == []


async def test_names_that_change_their_mind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a public address, then an own one; or both in one answer."""
    tried = await connections_to(
        [["93.184.216.34"], ["127.0.0.1"], ["10.0.0.1"]], world, monkeypatch, times=3
    )
    assert tried
    assert all("93.184.216.34" in where for where in tried)
    for mixed in (["93.184.216.34", "127.0.0.1"], ["::1", "93.184.216.34"]):
        tried = await connections_to([mixed], world, monkeypatch)
        assert all("93.184.216.34" in where for where in tried), tried


@pytest.mark.parametrize(
    "address",
    [
        "https://127.0.0.1:1",
        "https://10.0.0.1",
        "https://169.254.169.254",
        "https://[::1]:1",
        "https://[::ffff:127.0.0.1]:1",
        "https://[64:ff9b::7f00:1]",
        "https://127.1:1",
        "https://2130706433:1",
        "https://0x7f000001:1",
        "http://127.0.0.1:1",
    ],
)
async def test_literals_past_every_earlier_check(world: World, address: str) -> None:
    """Even if such an address came so far: the socket is not made."""
    before = len(world.witness.outbound.attempts)
    async with FederationClient(
        clock=MovableClock(), random=SeededRandom("literals")
    ) as opened:
        with pytest.raises(FetchError):
            await opened.fetch_actor(BaseUrl(address))
    attempts = world.witness.outbound.attempts[before:]
    assert [each for each in attempts if each[0] == "connect"] == []


async def test_loopback_of_the_demonstration_is_one_address_only(
    client: FederationClient, world: World
) -> None:
    before = len(world.witness.outbound.attempts)
    for address in ("http://127.0.0.2:1", "http://[::1]:1", "http://10.0.0.1:1"):
        with pytest.raises(PermanentFetchError) as caught:
            await client.fetch_actor(BaseUrl(address))
        assert caught.value.problem_code == "address-not-public"
    attempts = world.witness.outbound.attempts[before:]
    assert [each for each in attempts if each[0] == "connect"] == []
