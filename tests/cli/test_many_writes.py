"""The command line writes while members write through the pages."""

import asyncio
import json
import re
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from node.control.client import ask
from node.control.request import ControlRequest, packed_file
from tests.cli.conftest import (
    TestNode,
    capacity_offer,
    entry_file,
    make_node,
    serving,
    spalier,
)

COMMANDS = 200
# A process each would mostly measure the start of Python; these go the same way
# through the same socket, the rest skips only the interpreter's start.
PROCESSES = 24
PASSWORD = "four plain words suffice"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    made = make_node(tmp_path_factory.mktemp("many") / "node", "Cluster Nord")
    with serving(made):
        yield made


class Browser:
    """A member who is signed in; keeps the cookie, as a browser does."""

    def __init__(self, node: TestNode) -> None:
        self._base_url = node.base_url
        cookies = urllib.request.HTTPCookieProcessor(CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def post(self, path: str, **fields: str) -> tuple[int, str]:
        url = path if path.startswith("http") else f"{self._base_url}{path}"
        request = urllib.request.Request(
            url,
            data=urllib.parse.urlencode(fields).encode(),
            headers={"Sec-Fetch-Site": "same-origin"},
        )
        with self._opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode()


def test_two_hundred_commands_beside_page_writes(
    node: TestNode, tmp_path: Path
) -> None:
    asked_about = node.json("entry", "publish", entry_file(tmp_path, external_id="q"))
    added = node.json(
        *("members", "add", "--email", "mo@firma.example", "--name", "Mo"),
        *("--organisation", "Firma"),
    )
    browser = Browser(node)
    link = added["links"][0]["link"]
    status, _ = browser.post(link, password=PASSWORD, again=PASSWORD)
    assert status == 200
    page = f"/e/{asked_about['id'].rpartition('/')[2]}/antworten"
    written: list[str] = []
    done = False

    def write_through_the_pages() -> None:
        while not done:
            text = f"Nachricht {len(written)}"
            status, _ = browser.post(page, text=text)
            assert status == 200
            written.append(text)

    def command(number: int) -> str:
        offer = capacity_offer(external_id=f"w-{number}")
        if number < PROCESSES:
            result = spalier(
                *("entry", "publish", "-", "--json", "--node", node.folder),
                stdin=json.dumps(offer),
            )
            assert result.code == 0, result
            return str(result.document["id"])
        file = packed_file(json.dumps(offer).encode())
        document = ask(node.folder, ControlRequest("entry.publish", {"file": file}))
        return str(document["id"])

    with ThreadPoolExecutor(9) as pool:
        pages = pool.submit(write_through_the_pages)
        ids = set(pool.map(command, range(COMMANDS)))
        deadline = time.monotonic() + 60
        while len(written) < 10 and not pages.done() and time.monotonic() < deadline:
            time.sleep(0.05)
        done = True
        pages.result(60)
    assert len(ids) == COMMANDS
    assert len(written) >= 10

    stored = {entry["id"] for entry in node.json("entry", "list")["entries"]}
    assert ids <= stored
    messages = node.json("messages", "--as", "mo@firma.example")["messages"]
    assert [message["text"] for message in messages] == written


def test_commands_wait_for_each_other_without_a_serving_node(tmp_path: Path) -> None:
    node = make_node(tmp_path / "node", "Cluster Nord")

    def publish(number: int) -> list[int]:
        offer = capacity_offer(external_id=f"d-{number}")
        document = node.json("entry", "publish", "-", stdin=json.dumps(offer))
        return list(document["version"])

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(publish, range(4))) == [[1, 1]] * 4
    assert len(node.json("entry", "list")["entries"]) == 4


def test_a_lock_that_nobody_gives_back_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from node import instance_lock
    from node.cli import dispatch
    from node.errors import UnavailableError

    node = make_node(tmp_path / "node", "Cluster Nord")
    monkeypatch.setattr(dispatch, "LOCK_WAIT_SECONDS", 0.2)
    with (
        instance_lock.acquire(node.folder),
        pytest.raises(UnavailableError) as caught,
    ):
        dispatch.perform(node.folder, ControlRequest("feed"))
    assert caught.value.code == "node-silent"
    assert re.search(r"process \d+", caught.value.message)
    assert caught.value.hint


def test_a_node_that_takes_the_request_and_dies_is_explained(tmp_path: Path) -> None:
    from node.errors import UnavailableError

    folder = tmp_path / "node"
    folder.mkdir()

    async def scene() -> None:
        async def hang_up(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.readline()
            writer.close()

        server = await asyncio.start_unix_server(hang_up, folder / "control.sock")
        async with server:
            with pytest.raises(UnavailableError) as caught:
                await asyncio.to_thread(ask, folder, ControlRequest("ping"))
        assert caught.value.code == "node-silent"

    asyncio.run(scene())
