"""The node's own keys on the command line, with real processes."""

import stat
from pathlib import Path

from tests.cli.conftest import TestNode, make_node, serving, wait_until
from tests.cli.test_outage import connect, publish, titles


def states(node: TestNode) -> dict[int, str]:
    return {key["number"]: key["state"] for key in node.json("keys", "list")["keys"]}


def test_keys_change_while_two_nodes_talk(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    with serving(nord), serving(sued):
        connect(nord, sued)
        publish(nord, tmp_path, "Vorher")
        wait_until(lambda: titles(sued) == ["Vorher"])

        announced = nord.json("keys", "rotate", "--yes")
        assert (announced["number"], announced["under_way"]) == (1, True)
        wait_until(
            lambda: (
                [each["name"] for each in nord.json("keys", "list")["taken"]] == ["Süd"]
            )
        )
        refused = nord.run("keys", "rotate", "--yes", "--json")
        assert (refused.code, refused.error["code"]) == (1, "rotation-under-way")
        active = nord.json("keys", "activate", "--yes")
        assert active["number"] == 2
        publish(nord, tmp_path, "Danach")
        wait_until(lambda: titles(sued) == ["Danach", "Vorher"])
        nord.json("keys", "retire", "--yes")
        assert states(nord) == {2: "active", 1: "retired"}
        assert not (nord.folder / "node.key").exists()
        assert stat.S_IMODE((nord.folder / "node-2.key").stat().st_mode) == 0o600
        publish(nord, tmp_path, "Am Ende")
        wait_until(lambda: titles(sued) == ["Am Ende", "Danach", "Vorher"])
        shown = sued.json("partner", "show", nord.base_url)
        assert shown["state"] == "active"

        # Emergency: nothing but the old copies until the other office has compared.
        revoked = nord.json("keys", "revoke", "--reason", "Einbruch", "--yes")
        assert [each["name"] for each in revoked["to_be_compared"]] == ["Süd"]
        wait_until(
            lambda: sued.json("partner", "show", nord.base_url)["state"] == "suspended"
        )
        publish(nord, tmp_path, "Nach dem Einbruch")
        sued.json(
            *("partner", "confirm-key", nord.base_url),
            *("--fingerprint", revoked["fingerprint"], "--yes"),
        )
        wait_until(lambda: "Nach dem Einbruch" in titles(sued))
    # The new key is the one that the node opens with.
    assert states(nord)[3] == "active"
    log = (sued.folder / "serve.log").read_text()
    assert "Traceback" not in log
    assert revoked["fingerprint"] not in log
