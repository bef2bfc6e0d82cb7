"""Tell the delivery worker, after a commit, that a partner has something waiting."""

import asyncio
from collections.abc import Callable


class WakeUp:
    """Collects partner ids until the worker takes them; never blocks, never loses.

    Args:
        tell_others: Passes a poke on to the node's other processes, if it has any.
    """

    def __init__(self, tell_others: Callable[[str], None] | None = None) -> None:
        self._tell_others = tell_others
        self._event = asyncio.Event()
        self._partners: set[str] = set()

    def poke(self, partner_id: str) -> None:
        """Ask for a delivery to this partner as soon as possible."""
        self.hear(partner_id)
        if self._tell_others is not None:
            self._tell_others(partner_id)

    def hear(self, partner_id: str) -> None:
        """Take up what this process, or another one, was poked for."""
        self._partners.add(partner_id)
        self._event.set()

    async def wait(self, timeout_seconds: float) -> list[str]:
        """Wait for pokes, at most `timeout_seconds`; return and forget them.

        In an order of their own, so that the same happens again in the simulator.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return []
        self._event.clear()
        partners, self._partners = self._partners, set()
        return sorted(partners)
