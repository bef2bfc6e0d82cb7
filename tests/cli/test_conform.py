"""`spalier conform` against a real node: as a stranger, and as a partner."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.setup import conformance_list
from node.conform.checks import Severity
from node.conform.table import AS_PARTNER, CHECKS, as_markdown
from tests.cli.conftest import (
    Done,
    TestNode,
    clean_environment,
    entry_file,
    make_node,
    serving,
    spalier,
)

# Some hundred requests from one address within seconds: more than a real node takes.
UNLIMITED = {"SPALIER_LIMITS__FACTOR": "1000"}
LOOPBACK = "--allow-loopback-http"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    """A node that serves, with an entry for all partners."""
    made = make_node(tmp_path_factory.mktemp("conform") / "node", "Cluster Nord")
    before = dict(os.environ)
    os.environ.update(UNLIMITED)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "tests.cli.conftest.clean_environment",
                lambda **more: clean_environment(**UNLIMITED, **more),
            )
            with serving(made):
                yield made
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="module")
def entry(node: TestNode, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An entry that every partner may see."""
    file = entry_file(tmp_path_factory.mktemp("file"), audience={"level": "trusted"})
    return str(node.json("entry", "publish", file)["id"])


def request_of(node: TestNode) -> dict[str, Any] | None:
    """The open request of our temporary node, once it is there."""
    partners = node.json("partner", "list")["partners"]
    return next((each for each in partners if each["state"] == "requested"), None)


class Office(threading.Thread):
    """The other office: confirms the request as soon as it is there."""

    def __init__(self, node: TestNode) -> None:
        super().__init__(daemon=True)
        self.node = node
        self.confirmed: dict[str, Any] | None = None

    def run(self) -> None:
        for _ in range(200):
            asked = request_of(self.node)
            if asked is not None:
                # After the checks of what must not happen before it.
                time.sleep(1.5)
                self.confirmed = self.node.json(
                    "partner", "confirm", asked["base_url"], "--yes"
                )
                return
            time.sleep(0.1)


@pytest.fixture(scope="module")
def stranger(node: TestNode) -> Iterator[subprocess.Popen[str]]:
    """A visit without invitation, under way beside the other one.

    Both wait 15 seconds for one check.
    """
    arguments = ("conform", f"{node.base_url}/", LOOPBACK, "--lang", "de")
    process = subprocess.Popen(
        [sys.executable, "-m", "node.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(PYTHONUTF8="1"),
    )
    yield process
    process.kill()
    process.wait()


@pytest.fixture(scope="module")
def visit(
    node: TestNode, entry: str, stranger: subprocess.Popen[str]
) -> tuple[Done, Office]:
    """One visit with an invitation; shared, because it takes a while."""
    assert stranger.poll() is None
    code = node.json("partner", "invite")["code"]
    office = Office(node)
    office.start()
    done = spalier(
        *("conform", node.base_url, LOOPBACK, "--code", code),
        *("--message-about", entry, "--confirm-minutes", 1, "--json"),
    )
    office.join(10)
    return done, office


def by_id(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["id"]: check for check in document["checks"]}


def test_real_node_passes_everything(visit: tuple[Done, Office]) -> None:
    done, _office = visit
    document = done.document
    failed = [each for each in document["checks"] if each["result"] == "failed"]
    assert failed == []
    assert (document["failed"], document["poor"], done.code) == (0, 0, 0)
    skipped = {
        id for id, each in by_id(document).items() if each["result"] == "skipped"
    }
    assert skipped == {"retry-after"}


def test_document(node: TestNode, visit: tuple[Done, Office]) -> None:
    document = visit[0].document
    assert document["target"] == node.base_url
    assert {"version", "checks", "failed"} <= set(document)
    assert [each["id"] for each in document["checks"]] == [each.id for each in CHECKS]
    for each in document["checks"]:
        keys = {"id", "clause", "severity", "result", "sent", "expected", "found"}
        assert keys <= set(each)
        assert each["severity"] in {"must", "should"}
        if each["result"] == "ok":
            assert each["expected"], each


def test_both_offices_saw_the_same_check_number(visit: tuple[Done, Office]) -> None:
    done, office = visit
    assert office.confirmed is not None
    assert office.confirmed["check_number"] in done.err
    assert office.confirmed["name"] in done.err


def test_nothing_stays_but_the_history(
    node: TestNode, visit: tuple[Done, Office]
) -> None:
    done, office = visit
    assert office.confirmed is not None
    shown = node.json("partner", "show", office.confirmed["base_url"])
    assert shown["state"] == "ended"
    assert node.json("feed", "--partners-only")["entries"] == []
    remains = done.document["remains"]
    assert any("history of this visit" in each for each in remains)
    assert any("test message" in each for each in remains)
    assert not any("could not" in each for each in remains)


def test_stranger_and_people(
    visit: tuple[Done, Office], stranger: subprocess.Popen[str]
) -> None:
    out, err = stranger.communicate(timeout=60)
    assert stranger.returncode == 0, out
    assert "FEHLT" not in out
    assert "inbox-unsigned: Eine Anfrage ohne Signatur" in out
    counted = len(AS_PARTNER)
    assert f"{counted - 3} Prüfungen übersprungen: Es wurde keine Einladung" in out
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_visit_takes_its_request_back(
    node: TestNode, number: signal.Signals
) -> None:
    code = node.json("partner", "invite")["code"]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "node.cli", "conform", node.base_url, LOOPBACK),
            *("--code", code),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    asked = None
    for _ in range(300):
        asked = request_of(node)
        if asked is not None:
            break
        time.sleep(0.1)
    assert asked is not None
    process.send_signal(number)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert node.json("partner", "show", asked["base_url"])["state"] == "ended"
    assert "history of this visit" in err


def test_wrong_calls(node: TestNode) -> None:
    plain = spalier("conform", node.base_url, "--json")
    assert (plain.code, plain.error["path"]) == (1, "url")
    assert LOOPBACK in plain.error["hint"]
    away = spalier("conform", "http://127.0.0.1:9", LOOPBACK, "--json")
    assert (away.code, away.error["code"]) == (1, "target-unreachable")


def test_list_in_the_documentation_is_the_table() -> None:
    written = conformance_list.DOCUMENT.read_text(encoding="utf-8")
    assert written == as_markdown()


def test_clauses_stand_in_the_specification() -> None:
    spec = (Path(conformance_list.__file__).parents[2] / "SPEC.md").read_text()
    missing = {
        clause
        for check in CHECKS
        for clause in check.clause.split(", ")
        if clause.startswith(("FED-", "PRT-", "CON-", "VIS-")) and clause not in spec
    }
    assert missing == set()


def test_most_checks_are_required() -> None:
    musts = sum(check.severity is Severity.MUST for check in CHECKS)
    assert musts > 0.8 * len(CHECKS)
    assert json.dumps([check.id for check in CHECKS])
