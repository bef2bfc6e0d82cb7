"""Two nodes as processes: handshake, exchange, answer, withdrawal, end."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.conftest import TestNode, entry_file, make_node, serving, wait_until

PARTNER_KEYS = {
    "partner",
    "base_url",
    "name",
    "state",
    "fingerprint",
    "check_number",
    "in_sync",
}
IN_SYNC_KEYS = {"sent", "held", "refused", "digest_equal", "checked_at"}


@pytest.fixture(scope="module")
def nord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = make_node(tmp_path_factory.mktemp("nord") / "node", "Cluster Nord")
    with serving(node):
        yield node


@pytest.fixture(scope="module")
def sued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = make_node(tmp_path_factory.mktemp("sued") / "node", "Cluster Süd")
    node.json(
        *("members", "add", "--email", "ben@sued.example", "--name", "Ben Süd"),
        *("--organisation", "Metall Süd"),
    )
    with serving(node):
        yield node


def state_of(node: TestNode, other: TestNode) -> str:
    return str(node.json("partner", "show", other.base_url)["state"])


@pytest.fixture(scope="module")
def partners(nord: TestNode, sued: TestNode) -> tuple[TestNode, TestNode]:
    """Both nodes, with the handshake behind them."""
    code = nord.json("partner", "invite")["code"]
    accepted = sued.json("partner", "accept", code, "--yes")
    assert accepted["state"] == "waiting"
    (asked,) = nord.json("partner", "list")["partners"]
    assert asked["state"] == "requested"
    assert asked["check_number"] == accepted["check_number"]
    confirmed = nord.json("partner", "confirm", "Cluster Süd", "--yes")
    assert set(confirmed) >= PARTNER_KEYS
    assert set(confirmed["in_sync"]) >= IN_SYNC_KEYS
    assert confirmed["state"] == "active"
    wait_until(lambda: state_of(sued, nord) == "active")
    return nord, sued


# Codes


def test_invitation_document(nord: TestNode) -> None:
    document = nord.json("partner", "invite", "--days", "3")
    assert set(document) == {"code", "link", "expires"}
    assert document["code"].startswith(f"127.0.0.1:{nord.port}/")
    assert document["link"].startswith(nord.base_url)
    left = datetime.fromisoformat(document["expires"]) - datetime.now(UTC)
    assert 2 < left.total_seconds() / 86_400 <= 3


def test_mistyped_code_names_the_group(nord: TestNode, sued: TestNode) -> None:
    code = nord.json("partner", "invite")["code"]
    host, _, typed = code.partition("/")
    groups = typed.split("-")
    groups[2] = groups[2][:-1] + ("2" if groups[2][-1] != "2" else "3")
    done = sued.run(
        "partner", "accept", f"{host}/{'-'.join(groups)}", "--yes", "--json"
    )
    assert done.code == 1
    assert done.error["code"] == "invitation-mistyped"
    assert "3" in done.error["message"]
    assert groups[2] in done.error["message"]
    short = sued.run("partner", "accept", f"{host}/ABC", "--yes", "--json")
    assert (short.code, short.error["code"]) == (1, "invitation-mistyped")
    bare = sued.run("partner", "accept", typed, "--yes", "--json")
    assert (bare.code, bare.error["code"]) == (1, "invitation-mistyped")


def test_case_spaces_and_dashes_do_not_matter(nord: TestNode, sued: TestNode) -> None:
    code = nord.json("partner", "invite")["code"]
    typed = code.lower().replace("-", " ")
    # Asked and not answered: the code was understood, and nothing was sent.
    done = sued.run("partner", "accept", typed)
    assert done.code == 1
    assert "Cluster Nord" in done.err
    assert "Check number" in done.err


def test_expired_code(nord: TestNode, sued: TestNode) -> None:
    code = nord.json("partner", "invite", "--note", "expires")["code"]
    with sqlite3.connect(nord.folder / "node.sqlite", timeout=20) as database:
        database.execute(
            "UPDATE invitations SET expires_at = created_at - 1000000 "
            "WHERE note = 'expires'"
        )
    done = sued.run("partner", "accept", code, "--yes", "--json")
    assert done.code == 1
    assert "expired" in done.error["code"]
    assert done.error["message"]


def test_unknown_code(nord: TestNode, sued: TestNode) -> None:
    from federation.handshake import format_code
    from federation.ids import BaseUrl

    code = format_code(BaseUrl(nord.base_url), b"0123456789")
    done = sued.run("partner", "accept", code, "--yes", "--json")
    assert done.code == 1
    assert "invitation" in done.error["code"]


def test_code_of_a_node_that_is_away(sued: TestNode) -> None:
    from federation.handshake import format_code
    from federation.ids import BaseUrl

    code = format_code(BaseUrl("http://127.0.0.1:9"), b"0123456789")
    done = sued.run("partner", "accept", code, "--yes", "--json")
    assert done.code == 1
    assert "127.0.0.1:9" in done.error["message"]
    assert done.error["hint"]


# Policy sheets


def test_rules_are_shown_tried_out_and_set(partners: tuple[TestNode, TestNode]) -> None:
    nord, _sued = partners
    shown = nord.json("partner", "rules", "Cluster Süd")
    assert (shown["compared"], shown["give"]["preset"]) == (True, "partner")
    assert [each["version"] for each in shown["history"]] == [1, 1]
    wanted = ("partner", "set-rules", "Cluster Süd", "--direction", "take")
    sheet = ("--preset", "close", "--without-topic", "Laser", "--lease-days", "7")
    asked = nord.run(*wanted, *sheet, "--reason", "a test")
    # Asked and not answered: the effect was shown, and nothing changed.
    assert asked.code == 1
    assert "Affects 0 entries" in asked.err
    assert nord.json("partner", "rules", "Cluster Süd") == shown
    done = nord.json(*wanted, *sheet, "--reason", "a test", "--yes")
    assert done["changed"] == {
        "direction": "take",
        "told": 0,
        "removed": 0,
        "fetching": False,
    }
    assert done["take"]["without_topics"] == ["Laser"]
    assert done["take"]["lease_days"] == 7
    assert done["history"][0]["reason"] == "a test"
    again = nord.run(*wanted, *sheet, "--reason", "a test", "--yes", "--json")
    assert (again.code, again.error["code"]) == (1, "policy-unchanged")
    wrong = nord.run(
        *wanted,
        "--preset",
        "partner",
        "--without-kind",
        "cars",
        "--reason",
        "a test",
        "--yes",
        "--json",
    )
    assert (wrong.code, wrong.error["path"]) == (1, "without_kinds")
    nord.json(*wanted, "--preset", "partner", "--reason", "back", "--yes")


# Exchange


def test_used_code(partners: tuple[TestNode, TestNode], tmp_path: Path) -> None:
    nord, _sued = partners
    code = nord.json("partner", "invite")["code"]
    west = make_node(tmp_path / "west", "Cluster West")
    east = make_node(tmp_path / "east", "Cluster Ost")
    # Neither serves: a handshake needs only the other side.
    assert west.json("partner", "accept", code, "--yes")["state"] == "waiting"
    done = east.run("partner", "accept", code, "--yes", "--json")
    assert done.code == 1
    assert "used" in done.error["code"]
    assert east.json("partner", "list")["partners"] == []
    refused = nord.json("partner", "refuse", west.base_url)
    assert refused["state"] == "refused"


def test_entry_reaches_the_partner_and_leaves_it(
    partners: tuple[TestNode, TestNode], tmp_path: Path
) -> None:
    nord, sued = partners
    audience = {"level": "partners", "partners": [sued.base_url]}
    file = entry_file(tmp_path, audience=audience)
    entry = nord.json("entry", "publish", file)
    assert entry["audience"] == audience

    def seen() -> set[str]:
        found = sued.json("feed", "--as", "ben@sued.example", "--kind", entry["kind"])
        return {each["id"] for each in found["entries"]}

    wait_until(lambda: entry["id"] in seen())
    shown = sued.json("entry", "show", entry["id"], "--as", "ben@sued.example")
    assert shown["origin"] == nord.base_url
    assert shown["audience"] is None  # whom else it is for stays at its origin

    def told() -> dict[str, object]:
        (row,) = nord.json("ledger", entry["id"])["rows"]
        return dict(row)

    wait_until(lambda: told()["acknowledged_at"] is not None)
    row = told()
    assert {"partner", "entry", "version", "op", "form", "told_at"} <= set(row)
    assert (row["partner"], row["op"]) == (sued.base_url, "upsert")
    assert nord.json("why", "Cluster Süd", entry["id"])["form"] == "full"
    in_sync = nord.json("partner", "show", "Cluster Süd")["in_sync"]
    assert in_sync["digest_equal"] is True
    assert in_sync["sent"] == in_sync["held"] + in_sync["refused"]

    nord.json("entry", "withdraw", entry["id"])
    wait_until(lambda: entry["id"] not in seen())
    gone = sued.run("entry", "show", entry["id"], "--json")
    assert (gone.code, gone.error["code"]) == (1, "entry-not-found")
    wait_until(lambda: told()["acknowledged_at"] is not None)
    assert told()["op"] == "withdraw"

    history = nord.json("ledger", "--history", entry["id"])["history"]
    assert [each["op"] for each in history] == ["withdraw", "upsert"]
    receipt = nord.json("ledger", "--receipt", history[0]["receipt"])
    assert receipt["document"]["id"] == history[0]["receipt"]
    said = nord.run("ledger", "--history", entry["id"]).out
    assert f"{sued.base_url} confirmed that it has removed its copy" in said
    standing = nord.run("partner", "show", "Cluster Süd").out
    assert "In sync: " in standing
    assert "From there: " in standing
    assert "(+ exchanged, ! tried and failed, . nothing due)" in standing


def test_answer_reaches_the_owner_and_back(
    partners: tuple[TestNode, TestNode], tmp_path: Path
) -> None:
    nord, sued = partners
    entry = nord.json(
        "entry", "publish", entry_file(tmp_path, audience={"level": "trusted"})
    )
    asker = ("--as", "ben@sued.example")

    def seen() -> bool:
        entries = sued.json("feed", *asker)["entries"]
        return entry["id"] in {each["id"] for each in entries}

    wait_until(seen)
    sent = sued.json("answer", entry["id"], "--text", "Passt Donnerstag?", *asker)
    assert {"thread", "state", "messages"} <= set(sent)
    thread = sent["thread"]
    wait_until(
        lambda: thread in {t["thread"] for t in nord.json("messages")["threads"]}
    )
    shown = nord.json("messages", thread)
    assert [message["text"] for message in shown["messages"]] == ["Passt Donnerstag?"]
    assert shown["messages"][0]["author"] == "Ben Süd"
    wait_until(lambda: sued.json("messages", thread, *asker)["state"] == "delivered")
    nord.json("answer", thread, "--text", "-", stdin="Ja.\nBis dann.")
    wait_until(lambda: len(sued.json("messages", thread, *asker)["messages"]) == 2)
    everything = sued.json("messages", *asker)
    assert everything["thread"] is None
    assert everything["state"] is None
    assert [m["text"] for m in everything["messages"] if m["thread"] == thread] == [
        "Passt Donnerstag?",
        "Ja.\nBis dann.",
    ]
    foreign = sued.run("messages", thread, "--json")
    assert foreign.code == 1  # the office of Süd takes no part


def test_partner_by_host_name_and_ambiguity(
    partners: tuple[TestNode, TestNode],
) -> None:
    nord, sued = partners
    for reference in (sued.base_url, f"127.0.0.1:{sued.port}", "cluster süd"):
        assert nord.json("partner", "show", reference)["base_url"] == sued.base_url
    done = nord.run("partner", "show", "Cluster Mitte", "--json")
    assert (done.code, done.error["code"]) == (1, "partner-unknown")
    assert "Cluster Süd" in done.error["message"]


def test_pause_resume_and_end(
    partners: tuple[TestNode, TestNode], tmp_path: Path
) -> None:
    nord, sued = partners
    assert nord.json("partner", "pause", sued.base_url)["state"] == "paused"
    again = nord.run("partner", "pause", sued.base_url, "--json")
    assert again.code == 1
    file = entry_file(tmp_path, audience={"level": "trusted"})
    entry = nord.json("entry", "publish", file)
    assert nord.json("partner", "resume", sued.base_url)["state"] == "active"

    def received() -> set[str]:
        found = sued.json("feed", "--partners-only")["entries"]
        return {each["id"] for each in found}

    wait_until(lambda: entry["id"] in received())
    ended = nord.json("partner", "end", sued.base_url, "--yes")
    assert ended["state"] in {"ending", "ended"}
    wait_until(lambda: state_of(nord, sued) == "ended")
    wait_until(lambda: state_of(sued, nord) == "ended")
    assert received() == set()
    late = sued.run(
        *("answer", entry["id"], "--text", "?", "--as", "ben@sued.example", "--json")
    )
    assert late.code == 1
