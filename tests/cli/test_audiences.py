"""Groups, ceilings, the release and who is who, from the command line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import TestNode, entry_file, make_node, serving, wait_until


@pytest.fixture(scope="module")
def nord(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = make_node(tmp_path_factory.mktemp("nord") / "node", "Cluster Nord")
    node.json(
        *("members", "add", "--email", "mo@firma.example", "--name", "Mo"),
        *("--organisation", "Firma"),
    )
    with serving(node):
        yield node


@pytest.fixture(scope="module")
def sued(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestNode]:
    node = make_node(tmp_path_factory.mktemp("sued") / "node", "Cluster Süd")
    with serving(node):
        yield node


def test_a_group_and_an_entry_for_it(nord: TestNode, tmp_path: Path) -> None:
    made = nord.json("audience", "make-group", "Kreis", "--organisation", "Firma")
    assert (made["name"], made["organisations"]) == ("Kreis", ["Firma"])
    file = entry_file(tmp_path, audience={"level": "group", "group": "Kreis"})
    entry = nord.json("entry", "publish", file)
    assert entry["audience"]["group"] == made["group"]
    seen = nord.json("why", "mo@firma.example", entry["id"])
    assert (seen["form"], seen["rule"]) == ("full", "VIS-026")
    nord.json("audience", "change-group", "Kreis", "--remove", "Firma")
    seen = nord.json("why", "mo@firma.example", entry["id"])
    assert (seen["form"], seen["rule"]) == ("hidden", "VIS-027")
    assert nord.json("audience", "remove-group", "Kreis", "--yes")["hidden"] == 1
    assert nord.json("audience", "groups")["groups"] == []
    missing = nord.run("audience", "remove-group", "Kreis", "--yes", "--json")
    assert (missing.code, missing.error["code"]) == (1, "group-not-found")


def test_a_ceiling_is_tried_out_and_set(nord: TestNode, tmp_path: Path) -> None:
    file = entry_file(tmp_path, audience={"level": "public"})
    entry = nord.json("entry", "publish", file)
    wish = ("audience", "set", "capacity_offer", "--max", "partners")
    tried = nord.json(*wish, "--dry-run")
    assert tried["effect"]["viewers"] == [{"name": None, "hidden": 1, "shown": 0}]
    assert [each["id"] for each in tried["effect"]["entries"]] == [entry["id"]]
    assert nord.json(*wish, "--yes")["told"] == 1
    kinds = {each["kind"]: each for each in nord.json("audience", "show")["kinds"]}
    assert kinds["capacity_offer"]["max"] == "partners"
    seen = nord.json("why", "public", entry["id"])
    assert seen["rule"] == "VIS-062"
    refused = nord.run("entry", "publish", file, "--json")
    assert (refused.code, refused.error["code"]) == (1, "above-ceiling")
    nord.json("audience", "set", "capacity_offer", "--max", "public", "--yes")
    limit = ("audience", "limit", "Firma", "--max")
    assert nord.json(*limit, "cluster", "--yes")["max"] == "cluster"
    assert nord.json(*limit, "none", "--yes")["max"] is None


def test_the_list_waits_and_known_members_keep_entries_back(
    nord: TestNode, sued: TestNode, tmp_path: Path
) -> None:
    exclude = {"organisations": [{"name": "Rivale", "domains": ["rivale.example"]}]}
    audience = {"level": "trusted", "exclude": exclude}
    entry = nord.json("entry", "publish", entry_file(tmp_path, audience=audience))
    code = nord.json("partner", "invite")["code"]
    sued.json("partner", "accept", code, "--yes")
    confirmed = nord.json("partner", "confirm", "Cluster Süd", "--yes", "--hold-list")
    assert confirmed["released_at"] is None
    wait_until(lambda: sued.json("partner", "list")["partners"][0]["state"] == "active")
    why = ("why", "Cluster Süd", entry["id"])
    assert nord.json(*why)["rule"] == "VIS-036"
    waiting = nord.json("partner", "release", "Cluster Süd", "--dry-run")
    assert (waiting["count"], waiting["kinds"]) == (1, {"capacity_offer": 1})
    assert nord.json("partner", "release", "Cluster Süd", "--yes")["released"] == 1
    assert nord.json(*why)["rule"] == "VIS-032"
    again = nord.run("partner", "release", "Cluster Süd", "--yes", "--json")
    assert (again.code, again.error["code"]) == (1, "partner-released")
    note = ("partner", "note-member", "Cluster Süd", "--organisation", "Rivale")
    refused = nord.run(*note, "--json")
    assert refused.code == 1
    noted = nord.json(*note, "--domain", "www.rivale.example")
    assert noted["identifiers"] == ["domain:rivale.example"]
    assert nord.json(*why)["rule"] == "VIS-061"
    known = nord.json("partner", "members", "Cluster Süd")
    assert [each["from"] for each in known["members"]] == ["office"]
    nord.json("partner", "forget-member", "Cluster Süd", noted["member"])
    assert nord.json(*why)["rule"] == "VIS-032"


def test_an_own_member_is_identified(nord: TestNode) -> None:
    found = nord.json("members", "identify", "Firma", "--vat-id", "DE 1-2")
    assert found["identifiers"] == ["vat:DE12"]
    wrong = nord.run("members", "identify", "Firma", "--domain", "x", "--json")
    assert (wrong.code, wrong.error["path"]) == (1, "domains")
