"""Passwords: argon2id (RFC 9106), and what a good one is.

Checking takes the same work whether the account exists, has a password or not:
without one the hash of nothing is computed and thrown away (OWASP ASVS 6.3.8).
"""

import asyncio
import base64
import functools
from typing import Final

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

from federation.ports import RandomSource
from node.errors import InputFault, InvalidInputError
from node.limits import (
    PASSWORD_CHARACTERS_MAX,
    PASSWORD_CHARACTERS_MIN,
    PASSWORDS_AT_ONCE_MAX,
)
from node.sentence import Sentence

_DIFFERENT_MIN: Final = 5
_SALT_BYTES: Final = 16


class Passwords:
    """Hashes and checks passwords off the event loop, a few at a time."""

    def __init__(
        self,
        random: RandomSource,
        *,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        """Take the source of salts.

        Args:
            random: Random bytes.
            hasher: Costs; left out, RFC 9106 §4, second recommended option
                (64 MiB, 3 passes, 4 lanes).
        """
        self._random = random
        self._hasher = hasher or argon2.PasswordHasher()
        self._slots = asyncio.Semaphore(PASSWORDS_AT_ONCE_MAX)

    async def hash(self, password: str) -> str:
        """Return the encoded hash to store."""
        salt = self._random.bytes(_SALT_BYTES)
        async with self._slots:
            return await asyncio.to_thread(
                functools.partial(self._hasher.hash, password, salt=salt)
            )

    async def check(self, stored: str | None, password: str) -> bool:
        """Tell whether a password fits; the same work if `stored` is None."""
        async with self._slots:
            fits = await asyncio.to_thread(
                self._verify,
                stored or self._nothing(),
                password[:PASSWORD_CHARACTERS_MAX],
            )
        return fits and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other costs than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    def _nothing(self) -> str:
        """A well-formed hash with today's costs that no password has."""
        hasher = self._hasher
        salt = base64.b64encode(bytes(_SALT_BYTES)).rstrip(b"=").decode()
        key = base64.b64encode(bytes(hasher.hash_len)).rstrip(b"=").decode()
        costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
        return f"$argon2id$v=19${costs}${salt}${key}"


def check_new_password(password: str, *, known_words: tuple[str, ...]) -> None:
    """Require a password that nobody guesses in a few tries.

    Long enough is what counts; no rule asks for digits or signs.

    Args:
        password: What the person chose.
        known_words: What everybody knows of the person: mail address, name,
            cluster; a password that is little more than one of them is refused.

    Raises:
        InvalidInputError: With what is wrong and what to do.
    """
    reason = _weakness(password, known_words)
    if reason:
        raise InvalidInputError(
            "This password cannot be used.",
            faults=[InputFault("password", reason)],
            code="weak-password",
        )


def _weakness(password: str, known_words: tuple[str, ...]) -> Sentence | None:
    if len(password) < PASSWORD_CHARACTERS_MIN:
        return Sentence(
            "The password needs at least {number} characters; "
            "four words in a row are easy to remember.",
            number=PASSWORD_CHARACTERS_MIN,
        )
    if len(password) > PASSWORD_CHARACTERS_MAX:
        return Sentence(
            "The password must not be longer than {number} characters.",
            number=PASSWORD_CHARACTERS_MAX,
        )
    folded = password.casefold()
    if len(set(folded)) < _DIFFERENT_MIN:
        return Sentence("The password repeats the same few characters.")
    for word in known_words:
        rest = folded.replace(word.casefold(), "") if len(word) > 3 else folded  # noqa: PLR2004 - shorter words are chance
        if len(rest) < PASSWORD_CHARACTERS_MIN // 2:
            return Sentence(
                "The password is your name or address; choose something else."
            )
    return None
