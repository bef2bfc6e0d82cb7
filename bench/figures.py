"""What was measured, as numbers and as text."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Spread:
    """Values of one figure over the rounds."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Summarise; at least one value."""
        found = sorted(values)
        return cls(statistics.median(found), found[0], found[-1])

    def text(self, digits: int = 0) -> str:
        """Median, and lowest and highest in brackets."""
        low, high = f"{self.lowest:,.{digits}f}", f"{self.highest:,.{digits}f}"
        return f"{self.median:,.{digits}f} [{low} .. {high}]"


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure beside what it has to reach.

    Attributes:
        name: What is measured, with its unit.
        value: What was found, median over the rounds.
        limit: What has to be reached.
        at_least: True if more is better.
    """

    name: str
    value: float
    limit: float
    at_least: bool = True

    @property
    def met(self) -> bool:
        """Whether the figure is as wanted."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit

    def line(self) -> str:
        """One line, beginning with the verdict."""
        verdict = "goal met   " if self.met else "goal MISSED"
        sign = "≥" if self.at_least else "≤"
        return f"{verdict}  {self.name}: {self.value:,.2f} ({sign} {self.limit:,g})"


@dataclass(frozen=True, slots=True)
class Report:
    """What one part of the benchmark found.

    Attributes:
        lines: The figures as text.
        goals: Those that have a goal.
        document: The figures for `--json`.
    """

    lines: list[str]
    goals: list[Goal]
    document: dict[str, Any]


@dataclass(slots=True)
class Section:
    """One sort of load beside its bare steps.

    Attributes:
        name: For example "single message".
        unit: What is counted.
        bare: µs of each bare step for one unit, one value for each round.
        own: µs of the node's own faster form of two of the steps.
        rates: Units stored per second of the node's processor time.
        wall_rates: Units stored per second of the clock.
        latencies_ms: Of every answer.
        lags_ms: Of every answer to the probe.
    """

    name: str
    unit: str
    bare: dict[str, list[float]] = field(default_factory=dict)
    own: dict[str, list[float]] = field(default_factory=dict)
    rates: list[float] = field(default_factory=list)
    wall_rates: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    lags_ms: list[float] = field(default_factory=list)

    def add_bare(self, steps: Mapping[str, float]) -> None:
        """Take the bare steps of one round."""
        for name, value in steps.items():
            self.bare.setdefault(name, []).append(value)

    def add_own(self, steps: Mapping[str, float]) -> None:
        """Take the node's own forms of steps, of one round."""
        for name, value in steps.items():
            self.own.setdefault(name, []).append(value)

    @property
    def costs(self) -> list[float]:
        """µs of the node's processor time for one unit."""
        return [1e6 / rate for rate in self.rates]

    @property
    def sums(self) -> list[float]:
        """µs of all bare steps together, of each round."""
        return [sum(values) for values in zip(*self.bare.values(), strict=True)]

    @property
    def ratios(self) -> list[float]:
        """Rate as a part of the reciprocal of the bare steps, round by round."""
        pairs = zip(self.rates, self.sums, strict=True)
        return [rate * total / 1e6 for rate, total in pairs]

    @property
    def own_sums(self) -> list[float]:
        """As `sums`, with the node's own forms in place of the plain libraries'."""
        replaced = {name.partition(",")[0] for name in self.own}
        kept = [
            values
            for name, values in self.bare.items()
            if name.partition(",")[0] not in replaced
        ]
        return [sum(values) for values in zip(*kept, *self.own.values(), strict=True)]

    @property
    def own_ratios(self) -> list[float]:
        """Rate as a part of the reciprocal of `own_sums`."""
        pairs = zip(self.rates, self.own_sums, strict=True)
        return [rate * total / 1e6 for rate, total in pairs]

    def lines(self) -> list[str]:
        """The section as text."""
        found = [f"{self.name}", f"  {'bare step':<26} µs for one {self.unit}"]
        for name, values in {**self.bare, **self.own}.items():
            found.append(f"    {name:<24} {Spread.of(values).text(1)}")
        found += [
            f"    {'sum, plain libraries':<24} {Spread.of(self.sums).text()}",
            f"    {'sum, own forms':<24} {Spread.of(self.own_sums).text()}",
            f"  µs of the node            {Spread.of(self.costs).text()}",
            f"  stored/s and core         {Spread.of(self.rates).text()}",
            f"  stored/s by the clock     {Spread.of(self.wall_rates).text()}",
            f"  part of 1/sum, plain      {_percent(self.ratios)}",
            f"  part of 1/sum, own forms  {_percent(self.own_ratios)}",
        ]
        if self.latencies_ms:
            found.append(f"  answers, ms               {tail(self.latencies_ms)}")
        if self.lags_ms:
            found.append(f"  other requests, ms        {tail(self.lags_ms)}")
        return found

    def document(self) -> dict[str, Any]:
        """The section for `--json`."""
        return {
            "name": self.name,
            "unit": self.unit,
            "bare_us": {name: _summary(v) for name, v in self.bare.items()},
            "own_us": {name: _summary(v) for name, v in self.own.items()},
            "sum_us": _summary(self.sums),
            "own_sum_us": _summary(self.own_sums),
            "per_core_second": _summary(self.rates),
            "per_second": _summary(self.wall_rates),
            "ratio": _summary(self.ratios),
            "own_ratio": _summary(self.own_ratios),
            "lag_ms": _summary(self.lags_ms) if self.lags_ms else None,
        }


def machine_facts() -> dict[str, str]:
    """What the figures depend on."""
    model = "unknown"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "processor": f"{model}, {os.cpu_count()} cores",
        "system": platform.platform(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value that `part` of all values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def tail(values: Sequence[float]) -> str:
    """Write the middle, the slow end and the slowest of some times."""
    p50, p95 = percentile(values, 0.5), percentile(values, 0.95)
    return f"p50 {p50:.1f}, p95 {p95:.1f}, longest {max(values):.1f}"


def _percent(ratios: Sequence[float]) -> str:
    spread = Spread.of(100 * ratio for ratio in ratios)
    return f"{spread.text()} %"


def _summary(values: Iterable[float]) -> dict[str, float]:
    return asdict(Spread.of(values))
