"""What happens because time passes: expiry, reminders, mails, old nonces."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from node.errors import UnavailableError
from node.storage.leases import LeaseLostError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to be done again and again.

    Attributes:
        name: For the log.
        every_seconds: Pause between two runs.
        step: Does what is due; returns how much it did. It is called again at
            once while it returns more than 0, so it may work in batches.
    """

    name: str
    every_seconds: float
    step: Callable[[], Awaitable[int]]


class Clockwork:
    """Runs jobs until it is cancelled; a failing job is logged and tried again.

    Where several processes share the node, one of them runs the jobs; it stops when
    another one has taken over.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = tuple(jobs)

    async def run(self) -> None:
        """Run every job in its own rhythm; ends only by cancellation.

        Raises:
            ExceptionGroup: With a `LeaseLostError`: another process runs the jobs.
        """
        async with asyncio.TaskGroup() as group:
            for job in self._jobs:
                group.create_task(_repeat(job), name=f"clockwork-{job.name}")


async def _repeat(job: Job) -> None:
    while True:
        try:
            done = await job.step()
            while done > 0:
                logger.info("%s: %d done", job.name, done)
                done = await job.step()
        except LeaseLostError:
            raise
        except UnavailableError as error:
            logger.warning("%s: %s Tried again later.", job.name, error)
        except Exception:
            # A job must survive a locked row or a bug; the next run tries again.
            logger.exception("%s failed", job.name)
        await asyncio.sleep(job.every_seconds)
