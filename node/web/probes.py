"""`/livez` and `/readyz`: what a supervisor asks.

Source: SPEC.md NOD-008.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from aiohttp import web

from node.errors import NodeError
from node.limits import PROBE_KEPT
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.node_state import load_node_state, try_to_write

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Finding:
    """What a look at the database found, and when."""

    at: datetime
    trouble: str | None


class Probes:
    """Answers for supervisors."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._looking = asyncio.Lock()
        self._found: _Finding | None = None

    def register(self, app: web.Application) -> None:
        """Add both addresses."""
        app.router.add_get("/livez", self.livez)
        app.router.add_get("/readyz", self.readyz)

    async def livez(self, _request: web.Request) -> web.Response:
        """Answer while the process lives."""
        return web.Response(text="ok\n")

    async def readyz(self, _request: web.Request) -> web.Response:
        """Answer 200 only while the database can be read and written.

        The finding holds for a second: whoever asks without end, waits without
        keeping the node from writing.
        """
        async with self._looking:
            now = self._context.clock.now()
            if self._found is None or not (
                timedelta() <= now - self._found.at < PROBE_KEPT
            ):
                self._found = _Finding(now, await self._look())
        return web.Response(
            status=503 if self._found.trouble else 200,
            text=f"{self._found.trouble or 'ready'}\n",
        )

    async def _look(self) -> str | None:
        """Return the code of what keeps the node from working, if anything does."""
        try:
            await self._context.database.write(self._try)
        except NodeError as error:
            return error.code
        except Exception:
            logger.exception("the node is not ready")
            return "storage-unavailable"
        # Withdrawals take effect, but a restore could undo them.
        recorder = self._context.database.recorder
        if recorder is not None and recorder.trouble is not None:
            return recorder.trouble.code
        keys = self._context.keys
        # Several machines may share a node: the file of a new key is still to come.
        return None if keys.active.number in keys.secrets else "key-missing"

    async def _try(self, tx: Transaction) -> None:
        """Read the node's own row, and write: both have to work.

        To take the lock would not be enough: on a full disk one gets it.
        """
        if await load_node_state(tx) is None:
            msg = "the database belongs to no node"
            raise LookupError(msg)
        await try_to_write(tx, at=self._context.clock.now())
