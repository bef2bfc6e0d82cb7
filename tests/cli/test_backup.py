"""Backups and restores of real processes: under load, and beside a partner."""

import json
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node.control.client import ask
from node.control.request import ControlRequest, packed_file
from tests.cli.conftest import (
    TestNode,
    capacity_offer,
    clean_environment,
    entry_file,
    make_node,
    serving,
    wait_until,
)

PUBLIC = {"level": "public"}
TRUSTED = {"level": "trusted"}
ANSWER_SECONDS = 2.0  # the longest that a page may take beside a backup, with load


PAGE_EVERY = 0.5  # seconds; a stranger that asks more often is told to wait


@contextmanager
def load_of(node: TestNode) -> Iterator[list[str]]:
    """Publish without end, and read a page meanwhile; gives the ids as they come."""
    stop, ids = threading.Event(), list[str]()
    slowest: list[float] = [0.0]

    def publish() -> None:
        while not stop.is_set():
            file = packed_file(json.dumps(capacity_offer(audience=PUBLIC)).encode())
            asked = ControlRequest("entry.publish", {"file": file})
            ids.append(ask(node.folder, asked)["id"])

    def read() -> None:
        while not stop.is_set():
            began = time.perf_counter()
            with urllib.request.urlopen(f"{node.base_url}/actor", timeout=20) as page:
                page.read()
            slowest[0] = max(slowest[0], time.perf_counter() - began)
            stop.wait(PAGE_EVERY)

    threads = [threading.Thread(target=each) for each in (publish, publish, read)]
    for thread in threads:
        thread.start()
    try:
        yield ids
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert slowest[0] < ANSWER_SECONDS, slowest


def test_a_backup_under_load_is_whole_and_holds_nobody_up(tmp_path: Path) -> None:
    node = make_node(tmp_path / "node", "Cluster Nord")
    with serving(node) as process:
        with load_of(node) as ids:
            wait_until(lambda: len(ids) > 30)
            before = len(ids)
            made = node.json("backup", "create", "--to", tmp_path / "backups")
            after = len(ids)
            wait_until(lambda: len(ids) > after + 10)
        assert before <= made["entries"] <= after + 2
        assert made["proofs"] > 0
        (listed,) = node.json("backup", "list", "--in", tmp_path / "backups")["backups"]
        assert listed["file"] == made["file"]
        assert node.json("backup", "verify", made["file"])["entries"] == made["entries"]
        refused = node.run("restore", made["file"], "--yes", "--json")
        assert (refused.code, refused.error["code"]) == (1, "node-in-use")
        process.send_signal(signal.SIGKILL)
    asked = node.run("restore", made["file"], "--json")
    assert (asked.code, asked.error["code"]) == (1, "not-confirmed")
    restored = node.json("restore", made["file"], "--yes")
    assert len(restored["lost"]) == len(ids) - made["entries"]
    assert restored["incarnation"] == 2
    with serving(node):
        shown = node.json("entry", "list")["entries"]
        assert {each["id"] for each in shown} <= set(ids)
        assert len(shown) == made["entries"]
        assert node.json("backup", "report")["lost"] == restored["lost"]


def titles(node: TestNode) -> set[str]:
    return {each["title"]["de"] for each in node.json("feed")["entries"]}


def publish(node: TestNode, folder: Path, title: str) -> str:
    file = entry_file(folder, title={"de": title}, audience=TRUSTED)
    return str(node.json("entry", "publish", file)["id"])


def test_a_restored_node_and_its_partner_repair_each_other(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Cluster Nord")
    sued = make_node(tmp_path / "sued", "Cluster Süd")
    with serving(sued):
        with serving(nord) as process:
            code = nord.json("partner", "invite")["code"]
            sued.json("partner", "accept", code, "--yes")
            nord.json("partner", "confirm", "Cluster Süd", "--yes")
            publish(nord, tmp_path, "bleibt")
            taken_back = publish(nord, tmp_path, "wird zurückgezogen")
            publish(sued, tmp_path, "von Süd")
            both = {"bleibt", "wird zurückgezogen"}
            wait_until(lambda: both <= titles(sued) and "von Süd" in titles(nord))
            made = nord.json("backup", "create", "--to", tmp_path / "backups")
            later = publish(nord, tmp_path, "später")
            nord.json("entry", "withdraw", taken_back)
            wait_until(lambda: titles(sued) - {"von Süd"} == {"bleibt", "später"})
            process.send_signal(signal.SIGKILL)
        restored = nord.json("restore", made["file"], "--yes")
        assert restored["closed"] == [taken_back.rpartition("/")[2]]
        assert restored["lost"] == [later.rpartition("/")[2]]
        with serving(nord):
            # Its partner's word is not believed before both have compared.
            report = nord.json("backup", "report")
            assert [each["name"] for each in report["partners_compared"]] == [
                "Cluster Süd"
            ]

            def compared() -> bool:
                (partner,) = nord.json("backup", "report")["partners_compared"]
                return bool(partner["compared"])

            wait_until(compared)
            assert "wird zurückgezogen" not in titles(sued) | titles(nord)
            (open_one,) = _open(nord)
            assert open_one["id"] == later
            assert open_one["choices"] == ["taken-back", "left"]
            nord.json("unaccounted", "settle", sued.base_url, later, "taken-back")
            wait_until(lambda: titles(sued) - {"von Süd"} == {"bleibt"})
            assert _open(nord) == []
            publish(nord, tmp_path, "nach der Wiederherstellung")
            wait_until(lambda: "nach der Wiederherstellung" in titles(sued))


def _open(node: TestNode) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.json("unaccounted", "list")["entries"]
    return found


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("backup", "create"), "backup-folder-missing"),
        (("backup", "list"), "backup-folder-missing"),
        (("backup", "verify", "missing.spalier-backup"), "backup-unreadable"),
        (("restore", "missing.spalier-backup", "--yes"), "file-unreadable"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, arguments: tuple[str, ...], code: str
) -> None:
    node = make_node(tmp_path / "node", "Cluster Nord")
    done = node.run(*arguments, "--json")
    assert (done.code, done.error["code"]) == (1, code)
    assert done.error["message"]


def test_a_restore_that_is_killed_leaves_a_node_that_opens(tmp_path: Path) -> None:
    """Killed at random; the next command finishes it, or finds all as before."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    node = make_node(tmp_path / "node", "Cluster Nord")
    taken_back = publish(node, tmp_path, "wird zurückgezogen")
    made = node.json("backup", "create", "--to", tmp_path / "backups")
    node.json("entry", "withdraw", taken_back)
    began = time.monotonic()
    node.json("restore", made["file"], "--yes")
    usual = time.monotonic() - began
    for _ in range(4):
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "node.cli", "restore", made["file"], "--yes"),
                *("--node", str(node.folder)),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=clean_environment(),
        )
        time.sleep(chance.uniform(0.4, 1.1) * usual)
        process.kill()
        process.wait(30)
        (entry,) = node.json("entry", "list")["entries"]
        assert (entry["id"], entry["state"]) == (taken_back, "withdrawn"), seed
        assert not (node.folder / "node.restore-unfinished").exists(), seed
