"""A partner's key is confirmed from the command line, with real processes."""

from pathlib import Path

from tests.cli.conftest import TestNode, make_node, serving, wait_until


def state_of(node: TestNode, other: TestNode) -> str:
    return str(node.json("partner", "show", other.base_url)["state"])


def test_key_is_confirmed_only_with_the_right_fingerprint(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    with serving(nord), serving(sued):
        code = nord.json("partner", "invite")["code"]
        sued.json("partner", "accept", code, "--yes")
        known = nord.json("partner", "confirm", "Süd", "--yes")["fingerprint"]
        wait_until(lambda: state_of(sued, nord) == "active")
        early = nord.run(
            *("partner", "confirm-key", "Süd", "--fingerprint", known, "--json")
        )
        assert early.code == 1
        assert early.error["code"] == "partner-active"
        revoked = sued.json("keys", "revoke", "--reason", "Diebstahl", "--yes")
        wait_until(lambda: state_of(nord, sued) == "suspended")
        shown = nord.json("partner", "show", "Süd")
        assert shown["key_in_question"] == {
            "because": "revoked_itself",
            "known": known,
            "shown": revoked["fingerprint"],
            "doubted": [],
        }
        wrong = nord.run(
            *("partner", "confirm-key", "Süd", "--fingerprint", known, "--json")
        )
        assert wrong.code == 1
        assert wrong.error["code"] == "fingerprint-differs"
        missing = nord.run("partner", "confirm-key", "Süd", "--json")
        assert missing.code == 2
        confirmed = nord.json(
            *("partner", "confirm-key", "Süd"),
            *("--fingerprint", revoked["fingerprint"].lower()),
        )
        assert confirmed["state"] == "active"
        assert confirmed["fingerprint"] == revoked["fingerprint"]
        assert "key_in_question" not in confirmed
