"""Reads base58btc in its one spelling.

Each text of these letters stands for other bytes than every other one, so there is
no second spelling to look for; the library forgives white space, and takes four
times as long.

Source: draft-msporny-base58-03 §3, W3C Controlled Identifiers 1.0 "Multibase".
"""

from __future__ import annotations

from typing import Final

_LETTERS: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {letter: value for value, letter in enumerate(_LETTERS)}
_BASE: Final = len(_LETTERS)
_STEP: Final = 10  # letters that are added up before they join the long number


def decode(text: str) -> bytes:
    """Return the bytes of a text; each leading `1` is a leading zero byte.

    Args:
        text: A short one: the time grows with the square of its length.

    Raises:
        ValueError: A letter that base58btc does not have.
    """
    number = 0
    try:
        for start in range(0, len(text), _STEP):
            part = text[start : start + _STEP]
            digits = 0
            for letter in part:
                digits = digits * _BASE + _VALUES[letter]
            number = number * _BASE ** len(part) + digits
    except KeyError as error:
        msg = "not base58btc"
        raise ValueError(msg) from error
    zeros = len(text) - len(text.lstrip(_LETTERS[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")
