"""The control socket with a real node behind it."""

import asyncio
import json
import socket
import stat
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from node.app import Node, open_node
from node.clock import SystemClock, SystemRandom
from node.control.client import NotServingError, ask
from node.control.registry import COMMANDS, run_command
from node.control.request import (
    REQUEST_BYTES_MAX,
    CommandFailedError,
    ControlRequest,
    encode_request,
    packed_file,
)
from node.control.server import ControlServer
from node.control.socket_path import SOCKET_PATH_BYTES_MAX, reachable_socket_path
from node.errors import InvalidInputError, NodeError
from node.initialise import initialise

OFFER: dict[str, Any] = {
    "kind": "capacity_offer",
    "title": {"de": "Freie Stunden"},
    "summary": {"de": "Wir prüfen Linsen."},
    "valid_until": "2035-06-30",
    "equipment_class": "measuring",
    "availability": "on_request",
    "audience": {"level": "cluster"},
}


async def _node_in(folder: Path) -> None:
    await initialise(
        folder,
        base_url="http://127.0.0.1:8090",
        name="Cluster Nord",
        office_email="office@nord.example",
        allow_loopback_http=True,
        clock=SystemClock(),
        random=SystemRandom(),
    )


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Node]:
    if not (folder / "node.toml").exists():
        await _node_in(folder)
    async with open_node(folder) as node, ControlServer(node):
        yield node


async def ask_here(folder: Path, command: str, **arguments: Any) -> dict[str, Any]:
    return await asyncio.to_thread(ask, folder, ControlRequest(command, arguments))


def offer_file(number: int) -> str:
    return packed_file(json.dumps({**OFFER, "external_id": f"o-{number}"}).encode())


async def test_answers_after_the_commit(tmp_path: Path) -> None:
    async with serving(tmp_path) as node:
        socket_file = tmp_path / "control.sock"
        assert stat.S_IMODE(socket_file.stat().st_mode) == 0o600
        stored = await ask_here(tmp_path, "entry.publish", file=offer_file(1))
        assert stored["version"] == [1, 1]
        office = await node.members.office_person()
        assert [each.uri for each in await node.catalogue.mine(office)] == [
            stored["id"]
        ]
    assert not socket_file.exists()
    with pytest.raises(NotServingError):
        ask(tmp_path, ControlRequest("ping"))


async def test_many_requests_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path):
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    ask_here(tmp_path, "entry.publish", file=offer_file(number))
                )
                for number in range(40)
            ]
        ids = {task.result()["id"] for task in tasks}
        assert len(ids) == 40
        shown = await ask_here(tmp_path, "entry.list")
        assert {entry["id"] for entry in shown["entries"]} == ids


async def test_one_connection_carries_several_requests(tmp_path: Path) -> None:
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock")
        for line in (
            encode_request(ControlRequest("ping")),
            b"not json\n",
            encode_request(ControlRequest("no.such.command")),
            encode_request(ControlRequest("ping")),
        ):
            writer.write(line)
        answers = [json.loads(await reader.readline()) for _ in range(4)]
        writer.close()
        assert "document" in answers[0]
        assert answers[1]["error"]["code"] == "control-malformed"
        assert answers[2]["error"]["code"] == "command-unknown"
        assert answers[3] == answers[0]


async def test_a_long_command_says_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines before the answer reach who asked; the answer is the last one."""
    from node.control.commands import backup

    monkeypatch.setattr(backup, "TELL_SECONDS", 0.001)
    told: list[Mapping[str, Any]] = []
    async with serving(tmp_path):
        asked = ControlRequest(
            "backup.create", {"to": str(tmp_path / "backups")}, tell=told.append
        )
        made = await asyncio.to_thread(ask, tmp_path, asked)
        refused = ControlRequest("backup.create", tell=told.append)
        with pytest.raises(CommandFailedError, match="where backups are kept"):
            await asyncio.to_thread(ask, tmp_path, refused)
    assert made["rows"] > 0
    assert {each["stage"] for each in told} <= {"copying", "trying"}
    assert told


async def test_a_slow_connection_holds_up_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path):
        with socket.socket(socket.AF_UNIX) as silent:
            silent.connect(str(tmp_path / "control.sock"))
            silent.sendall(b'{"command": "pi')
            assert await ask_here(tmp_path, "ping")


async def test_too_long_a_request_is_refused_and_the_node_goes_on(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path):
        reader, writer = await asyncio.open_unix_connection(tmp_path / "control.sock")

        async def send() -> None:
            chunk = b"x" * 1_048_576
            for _ in range(REQUEST_BYTES_MAX // len(chunk) * 2 + 4):
                writer.write(chunk)
                await writer.drain()

        sending = asyncio.create_task(send())
        answer = json.loads(await reader.readline())
        assert answer["error"]["code"] == "too-large"
        writer.close()
        await asyncio.gather(sending, return_exceptions=True)
        assert await ask_here(tmp_path, "ping")


async def test_a_failure_of_ours_tells_no_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> dict[str, Any]:
        raise RuntimeError("secret detail")

    async with serving(tmp_path):
        monkeypatch.setattr("node.control.server.run_command", broken)
        with pytest.raises(CommandFailedError) as caught:
            await ask_here(tmp_path, "ping")
    assert caught.value.code == "internal"
    assert "secret detail" not in caught.value.message
    assert "secret detail" in caplog.text


async def test_stopping_finishes_what_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def slow(node: Node, request: ControlRequest) -> dict[str, Any]:
        begun.set()
        await asyncio.sleep(0.3)
        return await run_command(node, request)

    monkeypatch.setattr("node.control.server.run_command", slow)
    async with serving(tmp_path):
        asking = asyncio.create_task(ask_here(tmp_path, "ping"))
        await begun.wait()
    assert (await asking)["base_url"] == "http://127.0.0.1:8090"


async def test_a_socket_left_by_a_killed_node_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    await _node_in(folder)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(folder / "control.sock"))
    with pytest.raises(NotServingError):
        ask(folder, ControlRequest("ping"))
    async with serving(folder):
        assert await ask_here(folder, "ping")


async def test_a_folder_deeper_than_a_socket_path(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 20) / ("deeper" * 12)
    assert len(str(folder / "control.sock")) > SOCKET_PATH_BYTES_MAX
    async with serving(folder):
        assert (folder / "control.sock").is_socket()
        assert await ask_here(folder, "ping")


def test_short_paths_stay_as_they_are(tmp_path: Path) -> None:
    with reachable_socket_path(Path("/n")) as path:
        assert path == Path("/n/control.sock")
    with reachable_socket_path(tmp_path / ("x" * 200)) as path:
        assert len(str(path)) <= SOCKET_PATH_BYTES_MAX
        kept = path.parent
    assert not kept.is_symlink()


@pytest.mark.parametrize("command", sorted(COMMANDS))
async def test_no_command_acts_for_a_stranger(command: str, tmp_path: Path) -> None:
    if command == "ping":
        return
    await _node_in(tmp_path)
    async with open_node(tmp_path) as node:
        request = ControlRequest(command, {}, "stranger@elsewhere.example")
        with pytest.raises(NodeError) as caught:
            await run_command(node, request)
        assert caught.value.code in {"person-unknown", "person-not-found"}


async def test_members_see_no_partners_and_no_ledger(tmp_path: Path) -> None:
    await _node_in(tmp_path)
    async with open_node(tmp_path) as node:
        office = await node.members.office_person()
        await node.members.add_person(
            office,
            email="m@nord.example",
            name="Mo",
            organisation="Firma",
            send_invitation=False,
        )
        for command, arguments in (
            ("partner.list", {}),
            ("partner.show", {"partner": "x"}),
            ("partner.invite", {}),
            ("ledger", {}),
            ("why", {"viewer": "public", "entry": "x"}),
        ):
            request = ControlRequest(command, arguments, "m@nord.example")
            with pytest.raises(NodeError) as caught:
                await run_command(node, request)
            assert caught.value.code == "not-authorised", command


async def test_a_kind_that_does_not_exist_is_named(tmp_path: Path) -> None:
    await _node_in(tmp_path)
    async with open_node(tmp_path) as node:
        with pytest.raises(InvalidInputError) as caught:
            await run_command(node, ControlRequest("feed", {"kind": "offer"}))
    assert caught.value.path == "kind"
    assert "capacity_offer" in caught.value.hint
