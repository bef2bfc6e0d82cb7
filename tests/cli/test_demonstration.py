"""`spalier demo` as a process: first start, second start, failures, the end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (
    Done,
    clean_environment,
    free_ports,
    is_ready,
    spalier,
    wait_until,
)

FIRST_START_SECONDS = 120.0
SECOND_START_SECONDS = 10.0  # on two cores that have nothing else to do


@contextmanager
def demo(folder: Path, *arguments: object) -> Iterator[tuple[Any, Path]]:
    """Run the demonstration until it is ready; yield its document and its process."""
    out, err = folder.parent / "out.txt", folder.parent / "err.txt"
    with out.open("wb") as out_file, err.open("wb") as err_file:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "node.cli", "demo", "--json"),
                *("--folder", str(folder), *map(str, arguments)),
            ],
            stdout=out_file,
            stderr=err_file,
            stdin=subprocess.DEVNULL,
            env=clean_environment(),
        )
    try:
        wait_until(
            lambda: out.read_text().endswith("}\n"),
            what=err.read_text,
            alive=lambda: process.poll() is None,
            seconds=FIRST_START_SECONDS,
        )
        yield process, out
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def share_of_the_machine() -> float:
    """How many times longer everything takes because others use the cores too."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def document_of(out: Path) -> dict[str, Any]:
    document = json.loads(out.read_text())
    assert isinstance(document, dict)
    return document


def processes_below(folder: Path) -> list[int]:
    """Ids of the processes whose command line names the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            line = (each / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in line and int(each.name) != os.getpid():
            found.append(int(each.name))
    return found


def run_on(folder: Path, *arguments: object) -> Done:
    done = spalier(*arguments, "--json", "--node", folder)
    assert done.code == 0, done
    return done


@pytest.mark.timeout(400)
def test_demonstration_from_first_start_to_reset(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    first_port, *_others = free_ports(3)
    with demo(folder, "--port", first_port) as (process, out):
        document = document_of(out)
        clusters = document["clusters"]
        assert [each["base_url"] for each in clusters] == [
            f"http://127.0.0.1:{first_port + index}" for index in range(3)
        ]
        assert all(is_ready(each["base_url"]) for each in clusters)
        _check_partners(clusters)
        _check_logins(folder, document)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert processes_below(folder) == []
    assert not any(is_ready(each["base_url"]) for each in clusters)
    steps = (tmp_path / "err.txt").read_text()
    for part in ("[3/5]", "[4/5]", "[5/5]", "confirmed", document["password"]):
        assert part in steps
    assert "Traceback" not in steps

    started = time.monotonic()
    with demo(folder) as (process, out):
        seconds = time.monotonic() - started
        again = document_of(out)
        assert again["password"] == document["password"]
        assert again["clusters"] == clusters
        assert seconds < SECOND_START_SECONDS * share_of_the_machine()
        steps = (tmp_path / "err.txt").read_text()
        assert steps.count("already there") == 3
        _check_running(folder)
        _check_crash(folder, process, tmp_path / "err.txt")
    assert processes_below(folder) == []

    stranger = folder / "letter.txt"
    stranger.write_text("not of the demonstration")
    kept = spalier("demo", "--folder", folder, "--reset", "--json")
    assert (kept.code, kept.error["code"]) == (1, "folder-in-use")
    assert stranger.exists()


def _check_partners(clusters: list[dict[str, Any]]) -> None:
    optence, swissmem, laser = (Path(each["folder"]) for each in clusters)
    states = {
        partner["base_url"]: partner["state"]
        for partner in run_on(optence, "partner", "list").document["partners"]
    }
    assert states == {
        clusters[1]["base_url"]: "active",
        clusters[2]["base_url"]: "requested",
    }
    (waiting,) = run_on(laser, "partner", "list").document["partners"]
    assert waiting["state"] == "waiting"
    rows = run_on(optence, "ledger").document["rows"]
    assert rows
    assert all(row["acknowledged_at"] for row in rows)

    def origins(folder: Path, member: str) -> set[str]:
        found = run_on(folder, "feed", "--as", member).document["entries"]
        return {each["origin"] for each in found}

    urls = [each["base_url"] for each in clusters]
    assert origins(optence, clusters[0]["member"]) == {urls[0], urls[1]}
    assert origins(swissmem, clusters[1]["member"]) == {urls[0], urls[1]}
    assert origins(laser, clusters[2]["member"]) == {urls[2]}
    for folder in (optence, swissmem, laser):
        listed = run_on(folder, "members", "list").document["persons"]
        assert len(listed) >= 15
        assert len(run_on(folder, "entry", "list").document["entries"]) >= 12
    talked = run_on(optence, "messages", "--as", clusters[0]["member"]).document
    assert len(talked["messages"]) == 2


def _check_logins(folder: Path, document: dict[str, Any]) -> None:
    logins = folder / "logins.json"
    assert logins.stat().st_mode & 0o777 == 0o600
    stored = json.loads(logins.read_text())
    assert {each["password"] for each in stored["logins"]} == {document["password"]}
    assert {each["url"] for each in stored["logins"]} == {
        each["base_url"] for each in document["clusters"]
    }
    assert all(each["email"].endswith(".example") for each in _persons(folder))


def _persons(folder: Path) -> list[dict[str, Any]]:
    persons: list[dict[str, Any]] = []
    for slug in ("optence", "swissmem-photonics", "beispiel-netz-laser"):
        found = run_on(folder / slug, "members", "list").document
        persons += found["persons"]
    return persons


def _check_running(folder: Path) -> None:
    second = spalier("demo", "--folder", folder, "--json")
    assert (second.code, second.error["code"]) == (1, "demo-running")
    reset = spalier("demo", "--folder", folder, "--reset", "--json")
    assert (reset.code, reset.error["code"]) == (1, "demo-running")
    assert (folder / "demo.json").exists()


def _check_crash(folder: Path, process: "subprocess.Popen[bytes]", err: Path) -> None:
    """A node that ends by itself is named, with its log; the others end too."""
    (child,) = (
        pid
        for pid in processes_below(folder / "swissmem-photonics")
        if pid != process.pid
    )
    os.kill(child, signal.SIGKILL)
    assert process.wait(60) == 1
    said = err.read_text()
    assert "Swissmem, Fachgruppe Photonics has ended unexpectedly" in said
    assert str(folder / "log" / "swissmem-photonics.log") in said


def test_a_taken_port_is_named_before_anything_is_made(tmp_path: Path) -> None:
    first_port, second_port, _third = free_ports(3)
    folder = tmp_path / "demo"
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", second_port))
        taken.listen()
        done = spalier("demo", "--folder", folder, "--port", first_port, "--json")
        german = spalier("demo", "--folder", folder, "--lang", "de")
    assert done.code == 1
    assert done.error["code"] == "port-in-use"
    assert str(second_port) in done.error["message"]
    assert str(os.getpid()) in done.error["message"]
    assert "make demo PORT=" in done.error["hint"]
    assert f"Port {second_port} ist belegt" in german.err
    assert not (folder / "optence").exists()


def test_reset_and_another_range(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "demo.json").write_text(
        '{"first_port": 8301, "loaded": [], "paired": false, "talked": false, '
        '"entries": {}}'
    )
    done = spalier("demo", "--folder", folder, "--port", "8401", "--json")
    assert (done.code, done.error["code"]) == (1, "demo-has-ports")
    assert "8301" in done.error["message"]
