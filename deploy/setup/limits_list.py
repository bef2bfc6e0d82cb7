"""Writes docs/limits.md, the list of every bound with its value and source.

Names, values and words come from `federation/limits.py` and `node/limits.py`: each
bound is a constant with a docstring that ends with the clause that asks for it.
"""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import ModuleType

import federation.limits
import node.limits
from federation.limits import Rate

DOCUMENT = Path(__file__).parents[2] / "docs" / "limits.md"
_SOURCE = re.compile(r"\s*\(((?:FED|NOD|PRT|MEM|EXC|VIS)-\d{3})\)\.\Z")
# Units of measurement, no bounds.
UNITS = frozenset({"KIB", "MIB"})
_HEAD = """# Limits

Every bound of a node, as the code has it.
Written by `python -m deploy.setup.limits_list`; a test compares it with the code.
The clauses stand in [SPEC.md](../SPEC.md).
"""
_PROTOCOL = """## Of the protocol (`federation/limits.py`)

What one side builds within these, the other accepts.
Rates and quotas are what one address or partner may send.
"""
_NODE = "## Of the node (`node/limits.py`)\n"
# What the files of deploy/ bound; tests/deploy/test_proxies.py shows that they do.
_PROXY = (Path(__file__).parent / "proxy_limits.md").read_text(encoding="utf-8")
_SECTIONS = ((federation.limits, _PROTOCOL), (node.limits, _NODE))


@dataclass(frozen=True)
class Limit:
    """One bound."""

    name: str
    value: str
    unit: str
    what: str
    source: str


def limits_of(module: ModuleType) -> Iterator[Limit]:
    """Yield the bounds of a module in their order.

    Raises:
        ValueError: A constant has no docstring, or the docstring no clause.
    """
    body = ast.parse(inspect.getsource(module)).body
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign):
            continue
        if not isinstance(statement.target, ast.Name) or statement.target.id in UNITS:
            continue
        name = statement.target.id
        text = ""
        if isinstance(following, ast.Expr) and isinstance(
            following.value, ast.Constant
        ):
            text = " ".join(str(following.value.value).split())
        source = _SOURCE.search(text)
        if source is None:
            msg = f"{module.__name__}.{name} does not end with its clause"
            raise ValueError(msg)
        value, unit = in_words(name, getattr(module, name))
        what = text[: source.start()]
        yield Limit(name, value, unit, what, source[1])


def in_words(name: str, value: object) -> tuple[str, str]:
    """Return a value and its unit as people read them."""
    if isinstance(value, Rate):
        return f"{value.per_second:g}, burst {value.burst:,.0f}", "per second"
    if isinstance(value, timedelta):
        for unit, seconds in (("days", 86_400), ("h", 3_600), ("min", 60)):
            count = value / timedelta(seconds=seconds)
            if count >= 2 and count == int(count):  # noqa: PLR2004 - "1 h" is 60 min
                return f"{count:.0f}", unit
        return f"{value.total_seconds():g}", "s"
    if not isinstance(value, int):
        msg = f"{name} is no number"
        raise TypeError(msg)
    if "BYTES" in name:
        for unit, size in (("MiB", 1024**2), ("KiB", 1024)):
            if value >= size and value % size == 0:
                return f"{value // size}", unit
        return f"{value:,}", "bytes"
    return f"{value:,}", "characters" if "CHARACTERS" in name else ""


def as_markdown() -> str:
    """Return the document."""
    parts = [_HEAD]
    for module, head in _SECTIONS:
        rows = [
            f"| `{each.name}` | {each.value} | {each.unit} | {each.what} "
            f"| {each.source} |"
            for each in limits_of(module)
        ]
        table = ["| name | value | unit | what | source |", "|---|---|---|---|---|"]
        parts.append("\n".join([head, *table, *rows, ""]))
    return "\n".join([*parts, _PROXY])


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(as_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
