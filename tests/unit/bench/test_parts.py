"""The parts of `make bench`: each by its name, and described."""

from dataclasses import fields
from pathlib import Path

import pytest

from bench.__main__ import Bench
from bench.plan import FULL, QUICK, Plan

DOCUMENT = Path(__file__).parents[3] / "docs" / "performance.md"


def test_every_part_is_described() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for name in Bench(QUICK, None, Path()).parts():
        assert f"\n| `{name}` |" in text


@pytest.mark.parametrize("plan", [FULL, QUICK], ids=["full", "quick"])
def test_sizes_ascend_as_far_as_the_goals_ask(plan: Plan) -> None:
    for field in fields(plan):
        value = getattr(plan, field.name)
        if isinstance(value, tuple):
            assert list(value) == sorted(value)
    assert plan.received[-1] == 100_000
    assert (plan.partners[0], plan.partners[-1]) == (10, 1_000)
    assert (plan.entries[0], plan.entries[-1]) == (1_000, 100_000)
    assert plan.idle_partners[-1] == 1_500
    assert plan.sync_entries == 10_000
