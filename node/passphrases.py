"""Keys from secrets that people keep: parameters of Argon2id, as files name them.

Source: RFC 9106; SPEC.md NOD-030, NOD-062.
"""

import base64
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from federation.ports import RandomSource

MEMORY_KIB, ITERATIONS, LANES = 64 * 1024, 3, 1
KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16
# What a file may ask of us; a hostile one could ask for all memory and an hour.
_MEMORY_KIB_MAX, _ITERATIONS_MAX, _LANES_MAX = 128 * 1024, 10, 8
_WORK_MAX: Final = 3 * MEMORY_KIB * ITERATIONS
"""KiB times iterations: about a second, three times what we ask for ourselves."""
_MEMORY_KIB_MIN_PER_LANE: Final = 8  # RFC 9106, 3.1


def new_kdf(random: RandomSource) -> dict[str, Any]:
    """Return parameters with a new salt, as they stand in a file."""
    return {
        "name": "argon2id",
        "memory_kib": MEMORY_KIB,
        "iterations": ITERATIONS,
        "lanes": LANES,
        "salt": base64.b64encode(random.bytes(_SALT_BYTES)).decode("ascii"),
    }


def require_bearable(kdf: Mapping[str, Any]) -> None:
    """Refuse parameters that would cost too much, or are none.

    Raises:
        ValueError: They are refused.
        KeyError: One is missing.
        TypeError: It is no object.
    """
    memory, iterations, lanes = (
        kdf[name] for name in ("memory_kib", "iterations", "lanes")
    )
    if any(type(number) is not int for number in (memory, iterations, lanes)):
        raise ValueError("a parameter is no whole number")
    bearable = (
        1 <= iterations <= _ITERATIONS_MAX
        and 1 <= lanes <= _LANES_MAX
        and _MEMORY_KIB_MIN_PER_LANE * lanes <= memory <= _MEMORY_KIB_MAX
        and memory * iterations <= _WORK_MAX
    )
    if not bearable or kdf["name"] != "argon2id" or len(_salt(kdf)) != _SALT_BYTES:
        raise ValueError("these parameters are not used here")


def derived_key(secret: bytes, kdf: Mapping[str, Any]) -> bytes:
    """Return the 32 bytes that belong to a secret under these parameters."""
    return Argon2id(
        salt=_salt(kdf),
        length=KEY_BYTES,
        iterations=kdf["iterations"],
        lanes=kdf["lanes"],
        memory_cost=kdf["memory_kib"],
    ).derive(secret)


def _salt(kdf: Mapping[str, Any]) -> bytes:
    return base64.b64decode(kdf["salt"], validate=True)
