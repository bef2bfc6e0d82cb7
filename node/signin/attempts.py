"""How often somebody may try, per account, whether the account exists or not.

Kept in memory of the process that serves: a restart forgets it, and that is no
way in, because nobody outside can cause one.
"""

import hashlib
from collections import OrderedDict
from datetime import datetime, timedelta

from federation.ports import Clock
from node.errors import NodeError
from node.limits import ACCOUNTS_REMEMBERED_MAX
from node.sentence import Sentence


class TooManyAttemptsError(NodeError):
    """Too many tries in a short time; `retry_after` says how long to wait."""

    code = "too-many-attempts"
    status = 429

    def __init__(self, retry_after: timedelta) -> None:
        minutes = max(1, -(-int(retry_after.total_seconds()) // 60))
        super().__init__(
            Sentence(
                "Too many attempts. Please wait {minutes} minutes.", minutes=minutes
            ),
            hint=Sentence("A sign-in link by mail works in the meantime."),
        )
        self.retry_after = retry_after


class AttemptLimit:
    """Permits a number of tries for each account within a time."""

    def __init__(self, clock: Clock, *, tries: int, within: timedelta) -> None:
        self._clock = clock
        self._tries = tries
        self._within = within
        self._seen: OrderedDict[bytes, list[datetime]] = OrderedDict()

    def count(self, account: str) -> None:
        """Count a try.

        Raises:
            TooManyAttemptsError: There were too many; this one is not counted.
        """
        now = self._clock.now()
        key = hashlib.sha256(account.casefold().encode("utf-8", "replace")).digest()
        # What lies ahead was counted before the clock was set back.
        recent = [
            at
            for at in self._seen.pop(key, [])
            if timedelta() <= now - at < self._within
        ]
        self._seen[key] = recent
        if len(recent) >= self._tries:
            raise TooManyAttemptsError(self._within - (now - recent[0]))
        recent.append(now)
        while len(self._seen) > ACCOUNTS_REMEMBERED_MAX:
            self._seen.popitem(last=False)

    def forget(self, account: str) -> None:
        """Forget the tries of an account, after one that succeeded."""
        key = hashlib.sha256(account.casefold().encode("utf-8", "replace")).digest()
        self._seen.pop(key, None)
