"""docs/limits.md is what the code says, and every bound stands in the specification."""

import re
from pathlib import Path

import federation.limits
import node.limits
from deploy.setup import limits_list

ROOT = Path(limits_list.__file__).parents[2]


def test_document_is_what_the_code_says() -> None:
    written = limits_list.DOCUMENT.read_text(encoding="utf-8")
    assert written == limits_list.as_markdown(), (
        "run: .venv/bin/python -m deploy.setup.limits_list"
    )


def test_every_constant_is_listed_once() -> None:
    for module in (federation.limits, node.limits):
        listed = [each.name for each in limits_list.limits_of(module)]
        constants = {
            name
            for name, value in vars(module).items()
            if name.isupper() and not name.startswith("_")
        }
        imported = {"KIB"} if module is node.limits else set()
        assert set(listed) == constants - limits_list.UNITS - imported
        assert len(listed) == len(set(listed))


def test_every_clause_stands_in_the_specification() -> None:
    spec = (ROOT / "SPEC.md").read_text(encoding="utf-8")
    known = set(re.findall(r"\*\*((?:FED|NOD|PRT|MEM|EXC|VIS)-\d{3})\*\*", spec))
    for module in (federation.limits, node.limits):
        for each in limits_list.limits_of(module):
            assert each.source in known, f"{each.name}: {each.source}"


def test_no_other_bound_hides_in_the_doors() -> None:
    """A number with a unit in the web layer belongs into the list."""
    hidden = re.compile(
        r"= timedelta\(|_(?:BYTES|CHARACTERS|TIMEOUT)(?:_MAX)?: Final = \d"
    )
    allowed = {
        "node/web/formats.py",  # wording of times
        "node/web/showcase.py",  # sample data
        "node/web/connections.py",  # how often a line is written
        "node/web/security.py",  # length of a request's number
    }
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "node/web").glob("*.py")
        if hidden.search(path.read_text(encoding="utf-8"))
    }
    assert found <= allowed
