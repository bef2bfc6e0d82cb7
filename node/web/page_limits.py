"""How much and how long for pages: a rate by address, and a deadline.

Sign-in has bounds of its own by account (node.signin.attempts), doors theirs
(node.web.door_guard). Files of the layout are not counted: they lie in memory, and
browsers keep them.

Source: SPEC.md NOD-044.
"""

import asyncio
from datetime import timedelta

from aiohttp import web

from federation.errors import RateLimitError
from federation.limits import ADDRESSES_REMEMBERED_MAX
from federation.ports import Clock
from federation.rates import Meter
from node.config import NodeConfig
from node.errors import NodeError, UnavailableError
from node.limits import PAGE_RATE, PAGE_TIMEOUT
from node.sentence import Sentence
from node.web.client_address import TrustedProxies
from node.web.door_paths import door_of
from node.web.security import Handler


class TooManyRequestsError(NodeError):
    """Too many requests from one address; `retry_after` says how long to wait."""

    code = "rate-limit-exceeded"
    status = 429

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__(Sentence("Too many requests. Please wait a moment."))
        self.retry_after = retry_after


class PageLimits:
    """The bounds of a node's pages."""

    def __init__(self, config: NodeConfig, clock: Clock) -> None:
        self._clock = clock
        self._proxies = TrustedProxies.of(config)
        rate = PAGE_RATE.times(config.limits.factor)
        self._meter = Meter(rate, keys_max=ADDRESSES_REMEMBERED_MAX)

    def admit(self, request: web.Request) -> None:
        """Count a request of a page.

        Raises:
            TooManyRequestsError: The address has sent too many.
        """
        if request.path.startswith("/static/"):
            return
        client = self._proxies.client_of(request)
        try:
            self._meter.require(client.key, now=self._clock.now())
        except RateLimitError as error:
            seconds = error.members["retry_after"]
            raise TooManyRequestsError(timedelta(seconds=int(seconds))) from error


PAGE_LIMITS = web.AppKey("PAGE_LIMITS", PageLimits)


@web.middleware
async def limit_pages(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse too many requests of pages, and give up one that takes too long."""
    limits = request.config_dict.get(PAGE_LIMITS)
    if limits is None or door_of(request.path) is not None:
        return await handler(request)
    limits.admit(request)
    try:
        async with asyncio.timeout(PAGE_TIMEOUT.total_seconds()):
            return await handler(request)
    except TimeoutError as error:
        raise UnavailableError(
            "The answer took too long.", hint="Try again.", code="timeout"
        ) from error
