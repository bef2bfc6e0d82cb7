"""Tell the delivery worker, after a commit, that a partner has something waiting."""

import asyncio


class WakeUp:
    """Collects partner ids until the worker takes them; never blocks, never loses."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._partners: set[str] = set()

    def poke(self, partner_id: str) -> None:
        """Ask for a delivery to this partner as soon as possible."""
        self._partners.add(partner_id)
        self._event.set()

    async def wait(self, timeout_seconds: float) -> set[str]:
        """Wait for pokes, at most `timeout_seconds`; return and forget them."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._event.wait()
        except TimeoutError:
            return set()
        self._event.clear()
        partners, self._partners = self._partners, set()
        return partners
