"""A node moves by the command line, with real processes."""

from dataclasses import replace
from pathlib import Path

from tests.cli.conftest import (
    TestNode,
    entry_file,
    free_ports,
    make_node,
    serving,
    wait_until,
)

SHARED = {"audience": {"level": "trusted"}}


def titles(node: TestNode) -> set[str]:
    return {each["title"]["de"] for each in node.json("feed")["entries"]}


def standing_of(node: TestNode) -> str:
    (partner,) = node.json("move-origin")["partners"]
    return str(partner["standing"])


def listening_at(node: TestNode, port: int) -> TestNode:
    """Let a node listen where its new address leads; behind a proxy nothing changes."""
    path = node.folder / "node.toml"
    settings = path.read_text("utf-8").replace(f"= {node.port}", f"= {port}")
    path.write_text(settings, "utf-8")
    return replace(node, port=port)


def test_a_node_moves_and_its_partner_follows(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    sued = make_node(tmp_path / "sued", "Süd")
    (port,) = free_ports(1)
    new = f"http://127.0.0.1:{port}"
    with serving(sued):
        with serving(nord):
            code = nord.json("partner", "invite")["code"]
            sued.json("partner", "accept", code, "--yes", "--compared")
            nord.json("partner", "confirm", "Süd", "--yes", "--compared")
            before = entry_file(tmp_path, "a.json", title={"de": "Vorher"}, **SHARED)
            published = nord.json("entry", "publish", before)
            wait_until(lambda: titles(sued) == {"Vorher"})
        old = nord.base_url
        moved = nord.json("move-origin", new, "--yes")
        assert moved == {
            "old": old,
            "base_url": new,
            "check_number": moved["check_number"],
            "told": 1,
            "settings_written": True,
            "finished": False,
        }
        nord = listening_at(nord, port)
        with serving(nord):
            wait_until(lambda: standing_of(nord) == "announced")
            shown = sued.json("partner", "show", "Nord")
            assert shown["base_url"] == old
            assert shown["move_announced"]["to"] == new
            wrong = sued.run(
                *("partner", "confirm-move", "Nord", "--number", "00000000", "--json")
            )
            assert wrong.error["code"] == "move-number-differs"
            confirmed = sued.json(
                *("partner", "confirm-move", "Nord"),
                *("--number", moved["check_number"]),
            )
            assert (confirmed["partner"], confirmed["former"]) == (new, [old])
            wait_until(lambda: standing_of(nord) == "confirmed")
            after = entry_file(tmp_path, "b.json", title={"de": "Nachher"}, **SHARED)
            nord.json("entry", "publish", after)
            wait_until(lambda: titles(sued) == {"Vorher", "Nachher"})
            nord.json("entry", "withdraw", published["id"])
            wait_until(lambda: titles(sued) == {"Nachher"})
            # Its old name still finds it.
            assert sued.json("partner", "show", old)["base_url"] == new


def test_orders_that_are_refused(tmp_path: Path) -> None:
    """Not while somebody serves it, not without a yes, not to nowhere."""
    nord = make_node(tmp_path / "nord", "Nord")
    (port,) = free_ports(1)
    new = f"http://127.0.0.1:{port}"
    with serving(nord):
        assert nord.json("move-origin")["moved_at"] is None
        busy = nord.run("move-origin", new, "--yes", "--json")
        assert (busy.code, busy.error["code"]) == (1, "node-in-use")
    asked = nord.run("move-origin", new, "--json")
    assert (asked.code, asked.error["code"]) == (1, "not-confirmed")
    nowhere = nord.run("move-origin", "https://netz.example/x", "--yes", "--json")
    assert (nowhere.code, nowhere.error["path"]) == (1, "new_url")
    same = nord.run("move-origin", nord.base_url, "--yes", "--json")
    assert same.error["code"] == "not-moved"
    stranger = nord.run("partner", "confirm-move", "Nord", "--number", "1", "--json")
    assert stranger.error["code"] == "number-mistyped"
    assert nord.run("partner", "confirm-move", "Nord", "--json").code == 2


def test_a_move_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    path = nord.folder / "node.toml"
    settings = path.read_text("utf-8")
    (port,) = free_ports(1)
    new = f"http://127.0.0.1:{port}"
    nord.json("move-origin", new, "--yes")
    path.write_text(settings, "utf-8")  # as before: only the database has moved
    closed = nord.run("move-origin", "--json")
    assert (closed.code, closed.error["code"]) == (1, "base-url-changed")
    assert "move-origin" in closed.error["hint"]
    elsewhere = nord.run(
        "move-origin", f"http://127.0.0.1:{port + 1}", "--yes", "--json"
    )
    assert elsewhere.error["code"] == "base-url-changed"
    finished = nord.json("move-origin", new, "--yes")
    assert (finished["finished"], finished["old"]) == (True, nord.base_url)
    assert nord.json("move-origin")["base_url"] == new


def test_an_address_from_the_environment_is_the_administrators(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    (port,) = free_ports(1)
    new = f"http://127.0.0.1:{port}"
    environment = {"SPALIER_BASE_URL": nord.base_url}
    moved = nord.json("move-origin", new, "--yes", env=environment)
    assert moved["settings_written"] is False
    still = nord.run("move-origin", "--json", env=environment)
    assert still.error["code"] == "base-url-changed"
    assert nord.json("move-origin")["base_url"] == new


def test_people_read_what_to_do(tmp_path: Path) -> None:
    nord = make_node(tmp_path / "nord", "Nord")
    (port,) = free_ports(1)
    new = f"http://127.0.0.1:{port}"
    never = nord.run("move-origin", "--lang", "de")
    assert "nie umgezogen" in never.out
    moved = nord.run("move-origin", new, "--lang", "de", stdin="ja\n")
    assert moved.code == 0, moved.err
    assert "Jetzt umziehen?" in moved.err
    assert f"Der Knoten ist jetzt unter {new}" in moved.out
    assert "Prüfzahl" in moved.out
    assert "Sicherung" in moved.out
