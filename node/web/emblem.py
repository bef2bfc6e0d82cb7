"""A small sign for each cluster that has no logo: a trellis with its own leaves."""

import hashlib
from dataclasses import dataclass

TONES = 6  # as many colours as the style sheet has classes `emblem-<n>`
_POSTS = (6, 13, 20)  # x of the upright bars in a square of 26 units
_RAILS = (6, 13, 20)  # y of the crossbars
_LEAVES = 4


@dataclass(frozen=True, slots=True)
class Emblem:
    """Colour number, leaves and one fruit, as positions in a square of 26 units."""

    tone: int
    leaves: tuple[tuple[int, int], ...]
    fruit: tuple[int, int]


def emblem_for(name: str) -> Emblem:
    """Derive the emblem of a cluster from its name; the same on every node."""
    digest = hashlib.sha256(name.strip().casefold().encode()).digest()
    crossings = [(x, y) for y in _RAILS for x in _POSTS]
    chosen = [crossings.pop(byte % len(crossings)) for byte in digest[1 : _LEAVES + 2]]
    return Emblem(digest[0] % TONES, tuple(chosen[:-1]), chosen[-1])
