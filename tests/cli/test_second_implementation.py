"""A node written from the specification alone is a partner of a real one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (
    TestNode,
    capacity_offer,
    entry_file,
    free_ports,
    make_node,
    serving,
    wait_until,
)
from tests.cli.second_node import SecondNode


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    made = make_node(tmp_path_factory.mktemp("second") / "node", "Cluster Nord")
    with serving(made):
        yield made


@pytest.fixture
def second() -> Iterator[SecondNode]:
    (port,) = free_ports(1)
    made = SecondNode(port, "Anderes Programm")
    yield made
    made.close()


def shown(node: TestNode, second: SecondNode) -> dict[str, Any]:
    return node.json("partner", "show", second.base_url)


def received(node: TestNode) -> list[str]:
    entries = node.json("feed", "--partners-only")["entries"]
    return [str(each["id"]) for each in entries]


def test_handshake_exchange_and_end(
    node: TestNode, second: SecondNode, tmp_path: Path
) -> None:
    second.join(node.json("partner", "invite")["code"])
    asked = shown(node, second)
    assert (asked["state"], asked["name"]) == ("requested", "Anderes Programm")
    assert asked["check_number"] == second.check_number
    node.json("partner", "confirm", second.base_url, "--yes")
    assert second.confirmed.wait(20), second.refused

    # From it to us: an entry, which is shown, and its withdrawal.
    content = {
        name: value for name, value in capacity_offer().items() if name != "audience"
    }
    offer = second.offer(content)
    receipt = second.push(offer)
    assert receipt["refused"] == []
    assert received(node) == [offer["id"]]
    told = second.look()
    assert (told["position"], told["held"]) == (1, 1)
    assert told["digest"] == receipt["digest"]
    listed = second.look("?after=")["holds"]
    assert [(each["id"], each["state"]) for each in listed] == [
        (offer["id"], "present")
    ]
    second.push(second.withdrawal(offer["id"]))
    assert received(node) == []

    # From us to it: pushed, and pulled as the same documents.
    file = entry_file(tmp_path, audience={"level": "trusted"})
    entry = node.json("entry", "publish", file)
    wait_until(lambda: entry["id"] in second.held, what=lambda: str(second.refused))
    wait_until(lambda: shown(node, second)["in_sync"]["digest_equal"] is True)
    in_sync = shown(node, second)["in_sync"]
    assert (in_sync["sent"], in_sync["held"], in_sync["refused"]) == (1, 1, 0)
    assert second.verified_at
    page = second.pull(0)
    pulled = [item["object"] for item in page["orderedItems"]]
    assert pulled == [second.documents[entry["id"]]]
    node.json("entry", "withdraw", entry["id"])
    wait_until(lambda: second.held == {}, what=lambda: str(second.refused))

    second.leave()
    wait_until(lambda: shown(node, second)["state"] == "ended")
    assert second.refused == []


def test_it_uses_nothing_of_ours() -> None:
    source = (Path(__file__).parent / "second_node.py").read_text(encoding="utf-8")
    for package in ("federation", "node", "schemas", "admin_ui", "tests"):
        assert f"import {package}" not in source
        assert f"from {package}" not in source
