"""The arithmetic between what was measured and what is printed."""

import cProfile
from pathlib import Path

import pytest

from bench.figures import Goal, Section, Spread, percentile
from bench.step_table import step_lines


def test_spread_is_median_lowest_and_highest() -> None:
    assert Spread.of([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)
    assert Spread.of([1234.5, 1.0]).text(1) == "617.8 [1.0 .. 1,234.5]"


@pytest.mark.parametrize(
    ("goal", "met"),
    [
        (Goal("x", 1000, 1000), True),
        (Goal("x", 999, 1000), False),
        (Goal("x", 121, 120, at_least=False), False),
        (Goal("x", 120, 120, at_least=False), True),
    ],
)
def test_goal_says_whether_it_is_met(goal: Goal, met: bool) -> None:
    assert goal.met is met
    assert goal.line().startswith("goal met" if met else "goal MISSED")


def test_ratio_is_the_rate_beside_its_own_rounds_bare_steps() -> None:
    section = Section("page", "entry")
    for scale in (1.0, 2.0):
        section.add_bare({"verify": 60 * scale, "JCS, plain": 140 * scale})
        section.add_own({"JCS, own": 40 * scale})
    # 5,000 a second are all that 200 µs permit; the second round ran at half speed.
    section.rates += [2500.0, 1250.0]
    section.wall_rates += [2000.0, 1000.0]
    assert section.sums == [200, 400]
    assert section.own_sums == [100, 200]
    assert section.ratios == [0.5, 0.5]
    assert section.own_ratios == [0.25, 0.25]
    text = "\n".join(section.lines())
    assert "50 [50 .. 50] %" in text
    assert section.document()["ratio"]["median"] == 0.5


def test_percentile_is_a_value_that_was_measured() -> None:
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert percentile([5.0], 0.95) == 5.0


def test_a_profile_of_something_else_is_said_to_be_one(tmp_path: Path) -> None:
    profiler = cProfile.Profile()
    profiler.runcall(sorted, [2, 1])
    profiler.dump_stats(tmp_path / "profile")
    assert step_lines(tmp_path / "profile") == ["the profile shows no event loop"]
