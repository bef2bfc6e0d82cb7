"""`/metrics`: for whoever has the token, without a word about entries."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.http.nodes import MovableClock
from tests.http.whole_nodes import WholeNode, connect, settle, whole_node

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def pair(
    tmp_path: Path, clock: MovableClock
) -> AsyncIterator[tuple[WholeNode, WholeNode]]:
    async with (
        whole_node(tmp_path / "nord", "Nord", clock=clock) as nord,
        whole_node(tmp_path / "sued", "Sued", clock=clock) as sued,
    ):
        await connect(nord, sued)
        await nord.stop()
        settings = tmp_path / "nord" / "node.toml"
        text = settings.read_text(encoding="utf-8")
        settings.write_text(
            text.replace("[metrics]", f'[metrics]\ntoken = "{TOKEN}"'), encoding="utf-8"
        )
        await nord.start()
        yield nord, sued


async def ask(node: WholeNode, token: str | None) -> tuple[int, str]:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{node.base_url}/metrics", headers=headers) as response,
    ):
        return response.status, await response.text()


def value(text: str, name: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return float(line.rpartition(" ")[2])


async def test_figures_follow_what_happens(
    pair: tuple[WholeNode, WholeNode], clock: MovableClock
) -> None:
    nord, sued = pair
    host = sued.base_url.removeprefix("http://")
    entry = await nord.publish("Geheime Messmaschine")
    status, text = await ask(nord, TOKEN)
    assert status == 200
    waiting = f'spalier_partner_waiting{{partner="{host}"}}'
    held = f'spalier_partner_held{{partner="{host}"}}'
    assert (value(text, waiting), value(text, held)) == (1, 0)
    assert value(text, 'spalier_entries{state="published"}') == 1

    await settle(nord)
    status, text = await ask(nord, TOKEN)
    assert (value(text, waiting), value(text, held)) == (0, 1)
    assert value(text, f'spalier_partner_digests_equal{{partner="{host}"}}') == 1
    # The answer before is counted by then.
    assert value(text, 'spalier_requests_total{door="pages",status="200"}') == 1
    assert "Messmaschine" not in text
    assert entry.id not in text
    assert nord.office.name not in text


@pytest.mark.parametrize("token", [None, "", TOKEN[:-1], f"{TOKEN}0", "ä"])
async def test_without_the_token_there_is_no_such_page(
    pair: tuple[WholeNode, WholeNode], token: str | None
) -> None:
    nord, _ = pair
    status, text = await ask(nord, token)
    assert status == 404
    assert "spalier_" not in text


async def test_without_the_setting_there_are_no_figures(
    pair: tuple[WholeNode, WholeNode],
) -> None:
    _, sued = pair
    status, _ = await ask(sued, TOKEN)
    assert status == 404
