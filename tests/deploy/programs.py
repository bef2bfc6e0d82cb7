"""The programs of others that deploy/ is for; see deploy/setup/programs.sh."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
_PLACES = (
    "/usr/sbin",
    ROOT / ".venv/debian/usr/sbin",
    ROOT / ".venv/debian/usr/bin",
)


def program(name: str) -> str:
    """Path of a program; fails the test that needs it if it is missing."""
    for path in (None, *map(str, _PLACES)):
        if found := shutil.which(name, path=path):
            return found
    pytest.fail(f"{name} is missing: run `make setup-dev`")
