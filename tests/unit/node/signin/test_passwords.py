"""Passwords: the same work for accounts that do not exist."""

import statistics
import time
from datetime import UTC, datetime, timedelta

import argon2
import pytest

from node.clock import SystemRandom
from node.errors import InvalidInputError
from node.signin.attempts import AttemptLimit, TooManyAttemptsError
from node.signin.passwords import Passwords, check_new_password

PASSWORD = "vier Wörter in Reihe"


def cheap() -> argon2.PasswordHasher:
    return argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def test_hash_and_check() -> None:
    passwords = Passwords(SystemRandom(), hasher=cheap())
    first, second = await passwords.hash(PASSWORD), await passwords.hash(PASSWORD)
    assert first != second
    assert first.startswith("$argon2id$")
    assert await passwords.check(first, PASSWORD)
    assert not await passwords.check(first, PASSWORD + " ")
    assert not await passwords.check(None, PASSWORD)
    assert not await passwords.check("not a hash", PASSWORD)
    assert passwords.is_outdated(first) is False
    assert Passwords(SystemRandom()).is_outdated(first) is True


async def test_unknown_accounts_cost_the_same() -> None:
    hasher = argon2.PasswordHasher(time_cost=2, memory_cost=16 * 1024, parallelism=1)
    passwords = Passwords(SystemRandom(), hasher=hasher)
    stored = await passwords.hash(PASSWORD)
    times: dict[str, list[float]] = {"known": [], "unknown": []}
    for _ in range(9):
        for name, candidate in (("known", stored), ("unknown", None)):
            started = time.perf_counter()
            await passwords.check(candidate, "something else")
            times[name].append(time.perf_counter() - started)
    ratio = statistics.median(times["unknown"]) / statistics.median(times["known"])
    assert 0.4 < ratio < 2.5


def test_the_cost_is_that_of_rfc_9106() -> None:
    hasher = Passwords(SystemRandom())._hasher
    assert (hasher.time_cost, hasher.memory_cost) == (3, 64 * 1024)
    assert hasher.type is argon2.Type.ID


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("elf Zeichen", "at least 12"),
        ("x" * 201, "longer than 200"),
        ("ababcbababab", "repeats"),
        ("anna@optik.example", "name or address"),
        ("AnnaMuster2026", "name or address"),
    ],
)
def test_what_is_refused(password: str, words: str) -> None:
    known = ("anna@optik.example", "annamuster", "Optence e. V.")
    with pytest.raises(InvalidInputError) as caught:
        check_new_password(password, known_words=known)
    assert words in caught.value.faults[0].message


@pytest.mark.parametrize(
    "password", [PASSWORD, "kein-Sonderzeichen", "Optence ist mein Zuhause"]
)
def test_what_is_fine(password: str) -> None:
    check_new_password(password, known_words=("anna@optik.example", "Optence"))


class SetClock:
    time = datetime(2026, 11, 21, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


def test_attempts_slide() -> None:
    clock = SetClock()
    limit = AttemptLimit(clock, tries=2, within=timedelta(minutes=10))
    limit.count("a@b.example")
    clock.time += timedelta(minutes=5)
    limit.count("A@B.example")
    with pytest.raises(TooManyAttemptsError) as caught:
        limit.count("a@b.example")
    assert caught.value.retry_after == timedelta(minutes=5)
    limit.count("other@b.example")
    clock.time += timedelta(minutes=5)
    limit.count("a@b.example")
    limit.forget("a@b.example")
    limit.count("a@b.example")


def test_attempts_are_not_remembered_without_end() -> None:
    limit = AttemptLimit(SetClock(), tries=1, within=timedelta(minutes=10))
    for number in range(10_050):
        limit.count(str(number))
    assert len(limit._seen) == 10_000
