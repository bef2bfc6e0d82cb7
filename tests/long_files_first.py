"""The order in which a run begins the files: long ones first, many short ones last.

Files run side by side, each in one process (`make test`). A file that takes half a
minute and is begun last would keep one process busy while the others are done. What
waits for processes and for time to pass goes first: meanwhile others compute.
"""

from pathlib import Path

import pytest

_TESTS = Path(__file__).parent
_FIRST = ("processes", "cli", "fuzz", "simulation", "deploy", "golden")
_LAST = ("property", "unit")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by folder; inside a folder the order stays."""
    items.sort(key=lambda item: _rank(item.path))


def _rank(path: Path) -> int:
    folder = path.relative_to(_TESTS).parts[0] if path.is_relative_to(_TESTS) else ""
    if folder in _FIRST:
        return _FIRST.index(folder) - len(_FIRST)
    return _LAST.index(folder) + 1 if folder in _LAST else 0
