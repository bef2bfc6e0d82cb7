"""What the network does to each letter, drawn from the seed."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

_QUICK_S: Final = (0.004, 0.08)
_SLOW_S: Final = (3.0, 55.0)
_TOO_SLOW_S: Final = (61.0, 150.0)
_AGAIN_S: Final = (0.01, 90.0)


@dataclass(frozen=True, slots=True)
class Rates:
    """How often what happens to a letter, from 0 to 1."""

    request_lost: float = 0.03
    answer_lost: float = 0.04
    duplicated: float = 0.04
    delayed: float = 0.03
    reordered: float = 0.03


CALM: Final = Rates(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one letter.

    Attributes:
        refused: There is no way; the sender is told at once.
        again_s: Seconds after which it arrives a second time.
    """

    there_s: float
    back_s: float
    refused: bool = False
    request_lost: bool = False
    answer_lost: bool = False
    again_s: float | None = None


@dataclass
class Weather:
    """The state of all links.

    Attributes:
        cut: Links (from, to) that carry nothing; answers take the other one.
        faults: How often what was done.
        lags: Whether something is rarer than it should be.
    """

    chance: Random
    faults: Counter[str]
    rates: Rates = CALM
    cut: dict[tuple[str, str], str] = field(default_factory=dict)
    lags: Callable[[str], bool] = lambda _: False

    def fate(self, sender: str, receiver: str) -> Fate:
        """Draw what happens to a letter from one node to another."""
        quick = Fate(self._between(_QUICK_S), self._between(_QUICK_S))
        there, back = self.cut.get((sender, receiver)), self.cut.get((receiver, sender))
        if there is not None:
            self.faults[there] += 1
            # Sometimes a router says so, sometimes nobody says anything.
            silent = self.chance.random() < 0.3  # noqa: PLR2004 - a weight
            return Fate(quick.there_s, quick.back_s, not silent, silent)
        if back is not None:
            self.faults[back] += 1
            return Fate(quick.there_s, quick.back_s, answer_lost=True)
        return self._drawn(quick)

    def _drawn(self, quick: Fate) -> Fate:
        draw = self.chance.random()
        for name in (
            "request_lost",
            "answer_lost",
            "duplicated",
            "delayed",
            "reordered",
        ):
            rate: float = getattr(self.rates, name)
            draw -= 2 * rate if self.lags(name) else rate
            if draw < 0:
                self.faults[name] += 1
                return self._made(name, quick)
        return quick

    def _made(self, name: str, quick: Fate) -> Fate:
        match name:
            case "request_lost":
                return Fate(quick.there_s, quick.back_s, request_lost=True)
            case "answer_lost":
                return Fate(quick.there_s, quick.back_s, answer_lost=True)
            case "duplicated":
                again = self._between(_AGAIN_S)
                return Fate(quick.there_s, quick.back_s, again_s=again)
            case "delayed":
                there, back = self._between(_SLOW_S), self._between(_QUICK_S)
                if self.chance.random() < 0.5:  # noqa: PLR2004 - a weight
                    there, back = back, there
                return Fate(there, back)
            case _:
                # Arrives when its sender has given up and sent others.
                return Fate(self._between(_TOO_SLOW_S), quick.back_s)

    def _between(self, bounds: tuple[float, float]) -> float:
        return self.chance.uniform(*bounds)
