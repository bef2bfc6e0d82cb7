"""What can be known about deploy/container without a container engine."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import TestNode, clean_environment, make_node, serving
from tests.deploy.programs import DEPLOY, ROOT, program

FOLDER = DEPLOY / "container"
CONTAINERFILE = (FOLDER / "Containerfile").read_text()
COMPOSE = (FOLDER / "compose.yaml").read_text()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> TestNode:
    """A node for all tests here."""
    return make_node(tmp_path_factory.mktemp("container") / "node", "Cluster Nord")


def instructions(name: str) -> list[str]:
    """The rest of each instruction, its continued lines joined."""
    joined = CONTAINERFILE.replace("\\\n", " ")
    return re.findall(rf"^{name} +(.*)$", joined, re.MULTILINE)


def health_command() -> list[str]:
    (line,) = (line for line in instructions(" *CMD|HEALTHCHECK") if "CMD [" in line)
    words = json.loads(line.partition("CMD ")[2])
    assert isinstance(words, list)
    return words


def test_everything_that_is_copied_exists_and_reaches_the_builder() -> None:
    ignored = (FOLDER / "Containerfile.dockerignore").read_text().splitlines()
    sources = [
        source
        for line in instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]
    assert {"node", "federation", "schemas", "admin_ui", "pyproject.toml"} <= {*sources}
    for source in sources:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored, source


def test_images_are_pinned_and_nothing_runs_as_root() -> None:
    (base,) = re.findall(r"^ARG BASE=(\S+)$", CONTAINERFILE, re.MULTILINE)
    images = [base, *re.findall(r"^ +image: (\S+)$", COMPOSE, re.MULTILINE)]
    assert len(images) == 3
    for image in images:
        assert re.search(r":\d+\.\d+", image), image
    assert all(line.startswith("${BASE}") for line in instructions("FROM"))
    assert instructions("USER") == ["10001:10001"]
    last = CONTAINERFILE.rpartition("\nFROM ")[2]
    assert last.index("\nUSER ") < last.index("\nCMD ")


def test_node_of_the_example_has_no_more_than_it_needs() -> None:
    node = COMPOSE.partition("\n  node:\n")[2].partition("\n\n")[0]
    for line in ("read_only: true", "cap_drop:", "no-new-privileges:true"):
        assert line in node
    assert "ports:" not in node
    # The proxy's network is the one whose addresses are believed.
    (subnet,) = re.findall(r"subnet: (\S+)", COMPOSE)
    assert f"SPALIER_NETWORK__TRUSTED_PROXIES: {subnet}" in node


def test_caddyfile_of_the_example_comes_from_ours(tmp_path: Path) -> None:
    # The command that stands at the top of compose.yaml.
    (expressions,) = re.findall(r"^# +sed (.*?) \\\n", COMPOSE, re.MULTILINE)
    words = [word.strip("'") for word in expressions.split() if word != "-e"]
    arguments = [part for word in words for part in ("-e", word)]
    made = subprocess.run(
        ["sed", *arguments, str(DEPLOY / "caddy" / "Caddyfile")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    path = tmp_path / "Caddyfile"
    path.write_text(made.replace("YOUR.NAME", "netz.spalier.test"))
    adapted = subprocess.run(
        [program("caddy"), "adapt", "--config", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert '"dial":"node:8080"' in adapted
    assert "127.0.0.1:8080" not in adapted


def test_health_is_what_the_process_is(node: TestNode) -> None:
    name, *words = health_command()
    assert name == "spalier"

    def is_healthy() -> bool:
        done = subprocess.run(
            [sys.executable, "-m", "node.cli", *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env=clean_environment(SPALIER_NODE=str(node.folder)),
        )
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode == 0

    with serving(node) as process:
        assert is_healthy()
        process.send_signal(signal.SIGSTOP)
        try:
            assert not is_healthy()
        finally:
            process.send_signal(signal.SIGCONT)


def test_check_that_does_not_exist_is_wrong_usage(node: TestNode) -> None:
    done = node.run("doctor", "--check", "weather", "--json")
    assert done.code == 2
    assert "weather" in done.error["message"]
    only = node.json("doctor", "--check", "database")
    assert [check["id"] for check in only["checks"]] == ["settings", "database"]


@pytest.mark.parametrize("name", ["Containerfile", "compose.yaml"])
def test_settings_in_the_environment_exist(name: str, node: TestNode) -> None:
    text = (FOLDER / name).read_text()
    named = set(re.findall(r"\bSPALIER_[A-Z]+__[A-Z_]+", text))
    assert named
    value = {"PORT": str(node.port), "PROXIES": "127.0.0.1", "HOST": "127.0.0.1"}
    known = {
        each: value[each.rpartition("_")[2]]
        for each in named
        if each.rpartition("_")[2] in value
    }
    assert len(known) >= len(named) - 1
    done = node.run("doctor", "--check", "serving", "--json", env=known)
    settings = done.document["checks"][0]
    assert (settings["id"], settings["severity"]) == ("settings", "ok"), settings
