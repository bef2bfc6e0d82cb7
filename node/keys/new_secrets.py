"""Make the secret of a new key; its file is on disk before anything knows of it."""

import logging
from collections.abc import Sequence
from pathlib import Path

from federation.keys import SigningKey
from federation.ports import RandomSource
from node.errors import ConfigInvalidError
from node.keys.model import NodeKey
from node.node_key import create_key, load_key, stored_numbers

logger = logging.getLogger(__name__)


def secret_to_announce(
    folder: Path, random: RandomSource, keys: Sequence[NodeKey]
) -> tuple[int, SigningKey]:
    """Make the next secret, or take the one of a rotation that was broken off."""
    number = _next_number(keys)
    while number in stored_numbers(folder):
        try:
            return number, load_key(folder, number=number)
        except ConfigInvalidError:
            # Written by half, perhaps: it was never told to anybody.
            logger.warning("key file %d cannot be used and stays", number)
            number += 1
    return number, create_key(folder, random, number=number)


def fresh_secret(
    folder: Path, random: RandomSource, keys: Sequence[NodeKey]
) -> tuple[int, SigningKey]:
    """Make a secret that nobody can have seen before, whatever lies in the folder."""
    number = max(_next_number(keys), *(each + 1 for each in stored_numbers(folder)), 1)
    return number, create_key(folder, random, number=number)


def _next_number(keys: Sequence[NodeKey]) -> int:
    return max(key.number for key in keys) + 1
