"""A real Fedify beside a real node; runs only if this folder is named.

`make interop` names it, after it has installed what is needed. `make test` goes over
all tests and leaves these out, because they need npm and once a network.
"""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "interop"
SECONDS = 60


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave this folder out unless it, or something in it, was asked for."""
    here = Path(__file__).parent
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0])
        if path.resolve().is_relative_to(here):
            return None
    return True


@dataclass(frozen=True)
class Counterpart:
    """The Fedify process."""

    port: int

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **values: Any) -> Any:
        """Call one of the commands of counterpart.mjs."""
        request = urllib.request.Request(
            self.base_url + path, json.dumps(values).encode(), method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            pytest.fail(f"{path}: {error.code} {error.read().decode()}")


@contextmanager
def running(script: str) -> Iterator[Counterpart]:
    """Run a script on the Node that was installed for it; ends with the block."""
    node = BUILD / "node-path"
    if not node.exists():
        pytest.fail("Fedify is not installed: run `make interop`")
    process = subprocess.Popen(
        [node.read_text().strip(), str(BUILD / script)],
        cwd=BUILD,
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    with process:
        try:
            assert process.stdout is not None
            yield Counterpart(int(process.stdout.readline()))
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def fedify() -> Iterator[Counterpart]:
    """Fedify's functions, each called by itself."""
    with running("counterpart.mjs") as counterpart:
        yield counterpart


@pytest.fixture(scope="session")
def fedify_server() -> Iterator[Counterpart]:
    """A whole Fedify server with an actor and an inbox."""
    with running("server.mjs") as counterpart:
        yield counterpart


@pytest.fixture(scope="session")
def fedify_version() -> str:
    """The version that is installed, not the one that was asked for."""
    package = BUILD / "node_modules" / "@fedify" / "fedify" / "package.json"
    return str(json.loads(package.read_text())["version"])
