"""`init`, `serve`, settings and usage: what goes wrong says what and where."""

import os
import re
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import (
    TestNode,
    clean_environment,
    make_node,
    serving,
    spalier,
    wait_until,
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> TestNode:
    return make_node(tmp_path_factory.mktemp("set-up") / "node", "Cluster Nord")


def test_init_describes_the_node(node: TestNode) -> None:
    first = node.first
    assert set(first) == {"node_id", "base_url", "actor", "fingerprint", "admin"}
    assert first["base_url"] == node.base_url
    assert first["actor"] == f"{node.base_url}/actor"
    assert re.fullmatch(r"([0-9A-F]{4} ){3}[0-9A-F]{4}", first["fingerprint"])
    assert set(first["admin"]) == {"email", "link"}
    assert first["admin"]["link"].startswith(f"{node.base_url}/anmelden/")
    assert stat.S_IMODE(node.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((node.folder / "node.key").stat().st_mode) == 0o600


def test_second_init_changes_nothing(node: TestNode) -> None:
    before = {
        path.name: path.read_bytes()
        for path in node.folder.iterdir()
        if path.name in {"node.key", "node.toml"}
    }
    done = spalier(
        *("init", "--node", node.folder, "--url", "https://other.example"),
        *("--name", "Other", "--json"),
    )
    assert done.code == 1
    assert done.error["code"] == "already-initialised"
    assert str(node.folder) in done.error["message"]
    assert before == {name: (node.folder / name).read_bytes() for name in before}


def test_init_below_a_file_names_the_folder(tmp_path: Path) -> None:
    # Root may write everywhere; a file in the way refuses also root.
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "node"
    done = spalier(
        *("init", "--node", folder, "--url", "https://a.example", "--name", "A"),
        "--json",
    )
    assert done.code == 1
    assert done.error["code"] == "folder-unusable"
    assert done.error["path"] == str(folder)
    assert done.error["hint"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_init_without_rights_names_the_folder(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = spalier(
        *("init", "--node", closed / "node", "--url", "https://a.example"),
        *("--name", "A", "--json"),
    )
    assert (done.code, done.error["code"]) == (1, "folder-unusable")


def test_init_reports_every_fault_at_once(tmp_path: Path) -> None:
    done = spalier(
        *("init", "--node", tmp_path / "n", "--url", "http://127.0.0.1:1"),
        *("--name", " ", "--office", "nobody", "--json"),
    )
    assert done.code == 1
    paths = {fault["path"] for fault in done.error["faults"]}
    assert {"url", "name", "office"} <= paths
    assert not (tmp_path / "n").exists()


def test_unknown_setting_is_named_with_its_path(tmp_path: Path) -> None:
    node = make_node(tmp_path / "node", "Cluster Nord")
    settings = node.folder / "node.toml"
    text = settings.read_text(encoding="utf-8")
    text = text.replace("[mail.smtp]", '[mail.smtp]\nprot = 25\npassword_fil = "x"')
    settings.write_text(text, encoding="utf-8")
    for command in (("serve",), ("feed",), ("doctor",)):
        done = node.run(*command, "--json")
        assert done.code == 1, command
        if command == ("doctor",):
            messages = " ".join(c["message"] for c in done.document["checks"])
            assert "mail.smtp.prot" in messages
            continue
        faults = done.error["faults"]
        assert [fault["path"] for fault in faults] == [
            "mail.smtp.prot",
            "mail.smtp.password_fil",
        ]
        assert "port" in faults[0]["message"]
        assert str(settings) in faults[0]["message"]


def test_unknown_variable_is_named(node: TestNode) -> None:
    done = node.run("feed", "--json", env={"SPALIER_LISTEN__PROT": "1"})
    assert done.code == 1
    assert done.error["faults"][0]["path"] == "SPALIER_LISTEN__PROT"


def test_port_in_use_names_the_program(node: TestNode) -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", node.port))
        taken.listen()
        done = node.run("serve", "--json")
    assert done.code == 1
    error = done.error
    assert error["code"] == "port-in-use"
    assert str(node.port) in error["message"]
    assert f"process {os.getpid()}" in error["message"]
    assert error["hint"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_ends_in_order(node: TestNode, number: signal.Signals) -> None:
    with serving(node) as process:
        assert (node.folder / "control.sock").is_socket()
        assert stat.S_IMODE((node.folder / "control.sock").stat().st_mode) == 0o600
        process.send_signal(number)
        assert process.wait(30) == 0
    assert not (node.folder / "control.sock").exists()
    assert node.json("members", "list")["persons"]


def test_serve_ends_with_the_process_that_started_it(node: TestNode) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "node.cli", "serve", "--with-parent"),
            *("--node", str(node.folder)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=clean_environment(),
    )
    try:
        wait_until((node.folder / "control.sock").exists)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()


def test_second_serve_names_the_first(node: TestNode) -> None:
    with serving(node) as process:
        done = node.run("serve", "--json")
        assert done.code == 1
        assert done.error["code"] == "node-in-use"
        assert f"process {process.pid}" in done.error["message"]


def test_folder_comes_from_the_environment(node: TestNode) -> None:
    done = spalier("members", "list", "--json", env={"SPALIER_NODE": str(node.folder)})
    assert done.code == 0
    assert [person["role"] for person in done.document["persons"]] == ["node-admin"]


def test_missing_node_is_an_error(tmp_path: Path) -> None:
    done = spalier("feed", "--json", "--node", tmp_path)
    assert (done.code, done.error["code"]) == (1, "node-missing")
    assert done.error["path"] == str(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (("entry", "publish"), "file"),
        (("init", "--node", "x"), "url"),
        (("members", "add", "--rolle", "x"), ""),
        (("unknown",), ""),
        (("members", "add", "--role", "king"), "role"),
    ],
)
def test_wrong_usage_exits_with_two(arguments: tuple[str, ...], path: str) -> None:
    done = spalier(*arguments, "--json")
    assert done.code == 2
    assert done.error["code"] == "usage"
    assert done.error["path"] == path
    assert "--help" in done.error["hint"]


def test_people_read_sentences_in_their_language(tmp_path: Path) -> None:
    german = spalier("feed", "--node", tmp_path, env={"LANG": "de_DE.UTF-8"})
    english = spalier("feed", "--node", tmp_path)
    assert german.code == english.code == 1
    assert german.out == english.out == ""
    assert german.err.startswith("Fehler: In ")
    assert english.err.startswith("Error: There is no node")
    chosen = spalier("--lang", "de", "feed", "--node", tmp_path)
    assert chosen.err == german.err


def test_no_traceback_without_debug(node: TestNode, tmp_path: Path) -> None:
    (node.folder / "node.sqlite").rename(tmp_path / "away")
    try:
        (node.folder / "node.sqlite").write_bytes(b"this is no database" * 100)
        done = node.run("feed", "--json")
        assert done.code == 1
        assert done.error["message"]
        assert "Traceback" in node.run("feed", "--debug").err
    finally:
        (node.folder / "node.sqlite").unlink()
        (tmp_path / "away").rename(node.folder / "node.sqlite")
