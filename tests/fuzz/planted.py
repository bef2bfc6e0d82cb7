"""A reader with a fault, which shows that a run finds faults and says so."""

from __future__ import annotations

from typing import Final

from tests.fuzz.target import Target


def _read(data: bytes) -> bool:
    if data == b"\x7fwrong":
        raise ZeroDivisionError("planted")
    return not data.startswith(b"\x7f")


PLANTED: Final = Target("planted", _read, lambda: [b"right"], tokens=("\x7fwrong",))
