"""How much is measured: a full run, and a quick one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: Repetitions of what alternates with its bare steps.
        messages: Messages in a round; fresh partners share them, because a
            partner's messages have a daily quota.
        pages: Pages in a round, by their size.
        step_seconds: How long each bare step is measured in a round.
        members: Of the node whose pages are opened.
        received: Entries that it has received, ascending.
        answers: How often each page is opened.
        partners: Told of one change, ascending.
        entries: Own ones that are there when one is changed, ascending.
        changes: Of each sort, at each size.
        idle_partners: Of a node that has nothing to do, ascending.
        idle_seconds: How long it is watched.
        sync_entries: Of a first sync, and changes of a catch-up.
        withdrawals: One after the other.
        engine_messages: To a node on each engine, in a round.
    """

    rounds: int
    messages: int
    pages: dict[int, int]
    step_seconds: float
    members: int
    received: tuple[int, ...]
    answers: int
    partners: tuple[int, ...]
    entries: tuple[int, ...]
    changes: int
    idle_partners: tuple[int, ...]
    idle_seconds: float
    sync_entries: int
    withdrawals: int
    engine_messages: int


FULL: Final = Plan(
    rounds=5,
    messages=4000,
    pages={1: 300, 20: 40, 200: 8},
    step_seconds=0.25,
    members=13_000,
    received=(10_000, 100_000),
    answers=100,
    partners=(10, 100, 1_000),
    entries=(1_000, 10_000, 100_000),
    changes=15,
    idle_partners=(10, 1_500),
    idle_seconds=120,
    sync_entries=10_000,
    withdrawals=500,
    engine_messages=45,
)
QUICK: Final = Plan(
    rounds=2,
    messages=1120,
    pages={1: 80, 20: 10, 200: 2},
    step_seconds=0.1,
    members=13_000,
    received=(10_000, 100_000),
    answers=25,
    partners=(10, 100, 1_000),
    entries=(1_000, 10_000, 100_000),
    changes=5,
    idle_partners=(10, 1_500),
    idle_seconds=12,
    sync_entries=10_000,
    withdrawals=60,
    engine_messages=60,
)
