"""A partner that was killed gets everything when it is back, without help."""

import signal
import subprocess
from pathlib import Path

from tests.cli.conftest import TestNode, entry_file, make_node, serving, wait_until


def titles(node: TestNode) -> list[str]:
    found = node.json("feed")["entries"]
    return sorted(entry["title"]["de"] for entry in found)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a node at once: no chance to finish, to flush or to say goodbye."""
    process.send_signal(signal.SIGKILL)
    assert process.wait(20) == -signal.SIGKILL


def connect(nord: TestNode, sued: TestNode) -> None:
    code = nord.json("partner", "invite")["code"]
    sued.json("partner", "accept", code, "--yes")
    nord.json("partner", "confirm", sued.base_url, "--yes")
    wait_until(lambda: sued.json("partner", "list")["partners"][0]["state"] == "active")


def publish(node: TestNode, folder: Path, title: str, *more: object) -> str:
    file = entry_file(folder, title={"de": title}, audience={"level": "trusted"})
    return str(node.json("entry", "publish", file, *more)["id"])


def test_partner_that_was_down_catches_up_by_itself(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    with serving(nord):
        with serving(sued) as process:
            connect(nord, sued)
            stays = publish(nord, tmp_path, "Bleibt")
            goes = publish(nord, tmp_path, "Geht")
            wait_until(lambda: titles(sued) == ["Bleibt", "Geht"])
            kill(process)
        publish(nord, tmp_path, "Neu")
        for number in range(5):
            publish(nord, tmp_path, f"Geändert {number}", "--entry", stays)
        nord.json("entry", "withdraw", goes)
        never_seen = publish(nord, tmp_path, "Nie gesehen")
        nord.json("entry", "delete", never_seen)
        answered = sued.json("partner", "list")["partners"][0]
        assert answered["state"] == "active"
        with serving(sued):
            wait_until(lambda: titles(sued) == ["Geändert 4", "Neu"])
            wait_until(lambda: in_sync(nord))
            known = sued.json("ledger")["rows"]
            assert known == []
            told = {row["entry"]: row for row in nord.json("ledger")["rows"]}
            # Five changes were one row and one message.
            assert told[stays]["version"] == [1, 6]
            assert told[goes]["op"] == "withdraw"
            # What never left leaves no trace with the partner.
            assert never_seen not in told


def test_own_crash_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    with serving(sued):
        with serving(nord) as process:
            connect(nord, sued)
            entry = publish(nord, tmp_path, "Eben noch bestätigt")
            kill(process)
        with serving(nord):
            assert nord.json("entry", "show", entry)["state"] == "published"
            wait_until(lambda: titles(sued) == ["Eben noch bestätigt"])
            wait_until(lambda: in_sync(nord))


def in_sync(node: TestNode) -> bool:
    state = node.json("partner", "list")["partners"][0]["in_sync"]
    return bool(
        state["digest_equal"]
        and state["waiting"] == 0
        and state["sent"] == state["held"] + state["refused"]
    )
