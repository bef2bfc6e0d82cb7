"""The audit log on the command line, with real processes."""

import json
import sqlite3
from pathlib import Path

from tests.cli.conftest import make_node, serving, wait_until
from tests.cli.test_outage import connect, publish, titles


def test_what_was_decided_can_be_read_and_checked(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    with serving(nord), serving(sued):
        connect(nord, sued)
        publish(sued, tmp_path, "Etwas")
        wait_until(lambda: titles(nord) == ["Etwas"])
        nord.json("partner", "pause", sued.base_url, "--yes")

        rows = nord.json("audit", "list")["rows"]
        assert [row["event"] for row in rows[:3]] == [
            "we_paused",
            "we_confirmed",
            "they_requested",
        ]
        assert rows[0]["sentence"] == "The partnership with Süd was paused."
        assert rows[0]["by"]
        about = nord.json("audit", "list", "--about", sued.base_url, "--limit", 1)
        assert about["rows"] == rows[:1]
        german = nord.run("audit", "list", "--lang", "de")
        assert "Die Partnerschaft mit Süd wurde pausiert." in german.out

        # A receipt that Nord has signed, as Süd keeps it.
        entry = sued.json("entry", "list")["entries"][0]["id"]
        history = sued.json("ledger", entry, "--history")["history"]
        kept = sued.json("ledger", "--receipt", history[0]["receipt"])["document"]
        file = tmp_path / "receipt.json"
        file.write_text(json.dumps(kept))
        checked = nord.json("audit", "verify", "--receipt", file)
        assert checked["whole"] is True
        assert checked["rows"] == rows[0]["number"]
        assert checked["receipt"]["number"] < checked["rows"]
        foreign = sued.run("audit", "verify", "--receipt", file, "--json")
        assert (foreign.code, foreign.error["code"]) == (1, "receipt-not-ours")

        target = tmp_path / "log.jsonl"
        assert nord.json("audit", "export", target)["rows"] == checked["rows"]
        exported = [json.loads(line) for line in target.read_text().splitlines()]
        assert [row["number"] for row in exported] == list(
            range(1, checked["rows"] + 1)
        )
        again = nord.run("audit", "export", target, "--json")
        assert (again.code, again.error["code"]) == (1, "file-exists")

    with sqlite3.connect(nord.folder / "node.sqlite") as database:
        database.execute("UPDATE audit_log SET person_id = NULL WHERE number = 2")
    damaged = nord.run("audit", "verify", "--json")
    assert damaged.code == 1
    assert damaged.document["first_damage"] == {"number": 2, "missing": False}
    doctor = nord.run("doctor", "--json")
    assert doctor.code == 1
    found = {each["id"]: each["severity"] for each in doctor.document["checks"]}
    assert found["audit"] == "error"
