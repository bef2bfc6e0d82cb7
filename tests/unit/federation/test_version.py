from __future__ import annotations

import itertools

import pytest

from federation.version import Version


def test_the_incarnation_counts_first() -> None:
    versions = [Version(1, 1), Version(1, 9), Version(2, 1), Version(2, 2)]
    for low, high in itertools.combinations(versions, 2):
        assert low < high
    assert Version(1, 9).next() == Version(1, 10)
    assert Version(2, 1).shown == "2.1"


@pytest.mark.parametrize("values", [(0, 1), (1, 0), (-1, 1)])
def test_both_start_at_one(values: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Version(*values)
