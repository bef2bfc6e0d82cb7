"""docs/attacks.md names a test or a reason for every attack, and every test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CATALOGUE = ROOT / "docs" / "attacks.md"
_ROW = re.compile(r"^\| ([A-G])-([0-9]{2}) \|(.*)\|$")
_TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
_REASON = re.compile(r"^\*Not (?:here|yet):\* \S.{10,}$")
_HEADINGS = ("No.", "Attack", "Known from", "Right answer", "Shown by")
# Attacks of each group without which the page would not be whole.
LEAST = {"A": 12, "B": 18, "C": 16, "D": 17, "E": 8, "F": 6, "G": 14}
OWN_CHECKS = {"test_catalogue.py"}


def rows() -> dict[str, list[str]]:
    """The cells of each row by its number."""
    found: dict[str, list[str]] = {}
    for line in CATALOGUE.read_text(encoding="utf-8").splitlines():
        match = _ROW.match(line)
        if match is None:
            continue
        number = f"{match[1]}-{match[2]}"
        assert number not in found, f"{number} stands there twice"
        found[number] = [cell.strip() for cell in match[3].split(" | ")]
    return found


def named_tests() -> set[str]:
    """Every test that the page names, as path from the root and function."""
    text = CATALOGUE.read_text(encoding="utf-8")
    return {
        f"{path if '/' in path else f'tests/hostile/{path}'}::{function}"
        for path, function in _TEST.findall(text)
    }


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """What pytest collects of the files that the page names, and of this folder."""
    files = {name.partition("::")[0] for name in named_tests()}
    outside = sorted(path for path in files if not path.startswith("tests/hostile/"))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--collect-only", "-q", "-p"),
            *("no:cacheprovider", "tests/hostile", *outside),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return {
        line.partition("[")[0] for line in done.stdout.splitlines() if "::test_" in line
    }


def test_every_row_is_whole() -> None:
    """Five cells; numbers without a gap; a source; a test or a reason."""
    found = rows()
    for number, cells in found.items():
        assert len(cells) == len(_HEADINGS) - 1, number
        assert all(cells), number
        shown = cells[-1]
        tests = _TEST.findall(shown)
        listed = ", ".join(f"`{path}::{function}`" for path, function in tests)
        assert shown == listed or _REASON.match(shown), (number, shown)
        assert tests or _REASON.match(shown), number
    for group, least in LEAST.items():
        numbers = [number for number in found if number.startswith(group)]
        wanted = [f"{group}-{count:02d}" for count in range(1, len(numbers) + 1)]
        assert numbers == wanted
        assert len(numbers) >= least


def test_every_named_test_is_collected(collected: set[str]) -> None:
    assert named_tests() - collected == set()


def test_every_test_of_this_folder_is_named(collected: set[str]) -> None:
    """A new attack gets its row."""
    here = {
        name
        for name in collected
        if name.startswith("tests/hostile/")
        and Path(name.partition("::")[0]).name not in OWN_CHECKS
    }
    assert here
    assert here - named_tests() == set()


def test_the_folder_has_no_test_that_is_left_out() -> None:
    """Nothing is skipped here, and what fails has an owner."""
    for path in HERE.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        marks = re.findall(r"@pytest\.mark\.(skip\w*|xfail)\b(.*)", text)
        for mark, rest in marks:
            assert mark == "xfail", path.name
            assert "strict=True" in rest, path.name
