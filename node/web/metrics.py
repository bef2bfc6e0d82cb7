"""`/metrics`: figures for Prometheus, for whoever has the token.

Partners are named by their host, entries and persons never. The counts come from
the database when they are asked for; what passes by is counted as it passes, in
this process. Source: SPEC.md WEB-008.
"""

import asyncio
import hmac
from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector
from typing_extensions import override

from node.backup.backups import Backups
from node.backup.status import BackupStatus
from node.office.figures import Figures, PartnerFigures, read_figures
from node.ports import NodeContext
from node.web.door_paths import door_of
from node.web.security import Handler

_SCHEME: Final = "Bearer "
_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_ERROR: Final = 500


class Metrics:
    """Counts requests, and answers whoever asks for the figures.

    Args:
        context: The node.
        token: What the asker has to know.
        backups: Their times are told, too.
    """

    def __init__(self, context: NodeContext, *, token: str, backups: Backups) -> None:
        self._context = context
        self._backups = backups
        self._expected = f"{_SCHEME}{token}".encode()
        self._registry = CollectorRegistry(auto_describe=False)
        self._requests = Counter(
            "spalier_requests",
            "Answers of this process, by door (or pages) and status.",
            ("door", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "spalier_request_seconds",
            "How long answers of this process took, by door (or pages).",
            ("door",),
            buckets=_SECONDS,
            registry=self._registry,
        )

    def register(self, app: web.Application) -> None:
        """Add the address, and count every request."""
        # Outside everything else, so that errors are counted as they are shown.
        app.middlewares.insert(0, self._count)
        app.router.add_get("/metrics", self.show)

    async def show(self, request: web.Request) -> web.Response:
        """Answer with the figures; without the token there is no such page."""
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, self._expected):
            raise web.HTTPNotFound
        now = self._context.clock.now()
        async with self._context.database.read() as tx:
            figures = await read_figures(tx, now=now)
        counted = CollectorRegistry(auto_describe=False)
        status = await asyncio.to_thread(lambda: self._backups.status)
        counted.register(_Counted(figures, status))
        return web.Response(
            body=generate_latest(self._registry) + generate_latest(counted),
            headers={
                "Content-Type": CONTENT_TYPE_LATEST,
                "Cache-Control": "private, no-store",
            },
        )

    @web.middleware
    async def _count(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        # Not the path: a scanner would make a series of each that it tries.
        door = door_of(request.path) or "pages"
        began, status = perf_counter(), _ERROR
        try:
            response = await handler(request)
            status = response.status
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            self._requests.labels(door, str(status)).inc()
            self._seconds.labels(door).observe(perf_counter() - began)
        return response


class _Counted(Collector):
    """What the database says, as metrics."""

    def __init__(self, figures: Figures, backup: BackupStatus) -> None:
        self._figures = figures
        self._backup = backup

    @override
    def collect(self) -> Iterator[Metric]:
        """Yield every family, also one without a value."""
        entries = GaugeMetricFamily(
            "spalier_entries", "Own entries, by state.", labels=("state",)
        )
        for state, number in sorted(self._figures.entries.items()):
            entries.add_metric((state,), number)
        yield entries
        mails = GaugeMetricFamily(
            "spalier_mails", "Mails that wait or were given up.", labels=("state",)
        )
        mails.add_metric(("pending",), self._figures.mails.pending)
        mails.add_metric(("failed",), self._figures.mails.failed)
        yield mails
        yield from _of_backups(self._backup)
        yield from _of_partners(self._figures.partners)


def _of_backups(status: BackupStatus) -> Iterator[Metric]:
    for name, text, at in (
        ("made", "When the newest backup that counts was made.", status.made_at),
        ("verified", "When a trial restore last succeeded.", status.verified_at),
        ("failed", "When a backup or its trial last failed.", status.failed_at),
    ):
        family = GaugeMetricFamily(f"spalier_backup_{name}_timestamp_seconds", text)
        if at is not None:
            family.add_metric((), at.timestamp())
        yield family


def _of_partners(partners: Iterable[PartnerFigures]) -> Iterator[Metric]:
    families = {
        name: GaugeMetricFamily(f"spalier_partner_{name}", text, labels=("partner",))
        for name, text in (
            ("active", "1 while the partnership is active."),
            ("waiting", "What it has not confirmed: entries, withdrawals, messages."),
            ("held", "Our entries that it holds, by its last receipt."),
            ("refused", "Our entries that it keeps out, by its last receipt."),
            ("received", "Its entries that we hold."),
            ("quarantined", "Its entries that we keep out."),
            ("digests_equal", "1 if both sides agreed when last compared, else 0."),
            ("failing_seconds", "For how long it has not been reached; 0 if it is."),
            ("last_exchange_timestamp_seconds", "When it last took something."),
            ("verified_timestamp_seconds", "When what we hold of it was last equal."),
        )
    }
    for each in partners:
        label = (urlsplit(each.partner.base_url).netloc,)
        values: dict[str, float | None] = {
            "active": each.partner.state.value == "active",
            "waiting": each.waiting,
            "held": each.held_by_it,
            "refused": each.refused_by_it,
            "received": each.held_of_it,
            "quarantined": each.quarantined,
            "digests_equal": each.partner.digest_equal,
            "failing_seconds": each.failing.total_seconds(),
            "last_exchange_timestamp_seconds": each.last_exchange.timestamp(),
            "verified_timestamp_seconds": None
            if each.verified is None
            else each.verified.timestamp(),
        }
        for name, value in values.items():
            if value is not None:
                families[name].add_metric(label, float(value))
    yield from families.values()
