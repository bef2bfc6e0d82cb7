"""What the documents say about this repository is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"`(tests/[\w/.-]+?)(?:::(\w+))?`")
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
DOCUMENTS = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"
)


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_test_that_is_named_exists(document: Path) -> None:
    for name, function in NAMED.findall(document.read_text(encoding="utf-8")):
        path = ROOT / name
        assert path.exists(), f"{shown(document)} names {name}"
        if function:
            text = path.read_text(encoding="utf-8")
            assert re.search(rf"\b(def|class) {function}\b", text), (
                f"{shown(document)} names {name}::{function}"
            )


@pytest.mark.parametrize("document", DOCUMENTS, ids=shown)
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        assert (document.parent / target).exists(), f"{shown(document)}: {target}"


def test_the_threat_model_names_a_test_for_every_threat() -> None:
    text = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
    rows = [
        line
        for line in text.splitlines()
        if line.count("|") == 5 and not line.startswith(("| threat", "|---"))
    ]
    assert len(rows) > 30
    for row in rows:
        assert NAMED.search(row), row
