"""Steps that must not be skipped exist in one place each."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = ("federation", "node", "admin_ui", "schemas")


def files_with(text: str) -> list[str]:
    return sorted(
        {
            path.relative_to(ROOT).as_posix()
            for package in PACKAGES
            for path in (ROOT / package).rglob("*.py")
            for line in path.read_text(encoding="utf-8").splitlines()
            if text in line and not line.lstrip().startswith(("class ", "def "))
        }
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("AuthenticatedRequest(", "federation/inbox.py"),
        # Each step of a door is made by its function alone (SPEC PRT-044).
        ("RequestHead(", "federation/transport/server.py"),
        ("AdmittedHead(", "federation/inbox.py"),
        ("ReceivedRequest(", "federation/transport/server.py"),
        ("ClaimedRequest(", "federation/inbox.py"),
        ("AdmittedRequest(", "federation/inbox.py"),
        ("PermittedPull(", "federation/inbox.py"),
        ("PermittedLook(", "federation/looks.py"),
        ("ReadActivity(", "federation/inbox.py"),
        ("PermittedActivity(", "federation/inbox.py"),
        ("ProvenActivity(", "federation/inbox.py"),
        ("NamedInvitation(", "federation/inbox.py"),
        ("ClientSession(", "federation/transport/wire.py"),
        ("json.loads(", "federation/strict_json.py"),
    ],
)
def test_made_in_one_place(text: str, place: str) -> None:
    inside = [path for path in files_with(text) if path.startswith("federation/")]
    assert inside == [place]
    if not text.startswith("json"):
        assert files_with(text) == [place]


def test_no_error_is_made_to_be_ignored() -> None:
    """Verification raises; a verifier that returns a truth value does not exist."""
    for path in (ROOT / "federation").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.lstrip().startswith(("def verify", "def require", "def check_")):
                assert "-> bool" not in line, f"{path}: {line}"
