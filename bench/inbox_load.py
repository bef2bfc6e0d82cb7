"""Signed requests to the inbox of a real node, beside their bare steps.

Messages and pages of several sizes, in rounds that alternate with the bare steps; how
long others wait meanwhile, memory, and Fedify beside it where it is installed.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from bench import bare_steps
from bench.cluster_pair import TEXT, Partner, make_partners
from bench.fedify import INBOX, FedifyServer, NoteSender, why_not
from bench.figures import Goal, Report, Section, Spread, percentile
from bench.load import Prepared, prepare, send
from bench.node_process import WatchedProcess, running_echo, serve
from bench.step_table import step_lines
from federation import strict_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.plan import Plan

PAGE_SIZES: Final = (1, 20, 200)
_THREADS: Final = 5  # conversations of each partner
_AT_ONCE: Final = 16


@dataclass(slots=True)
class Run:
    """A node under measurement, with its yardstick beside it."""

    plan: Plan
    folder: Path
    partners: list[Partner]
    node: WatchedProcess
    echo: WatchedProcess
    echo_url: str
    singles: Section
    pages: dict[int, Section]
    fresh: list[Partner]
    fedify: FedifyServer | None
    fedify_rates: list[float] = field(default_factory=list)

    @property
    def partner(self) -> Partner:
        """The one that sends the pages."""
        return self.partners[0]

    @property
    def base_url(self) -> str:
        """The measured node's address."""
        return self.partner.target.base_url

    async def round(self) -> None:
        """Measure everything once."""
        await self._singles()
        if self.fedify is not None:
            await self._fedify(self.fedify)
        for size in PAGE_SIZES:
            await self._pages(size)

    async def _singles(self) -> None:
        senders = [self.fresh.pop() for _ in range(_AT_ONCE)]
        await self._open_threads(senders)
        each = self.plan.messages // _AT_ONCE
        bodies = [sender.messages(each) for sender in senders]
        sample = _sample("message", bodies[0][:50])
        bare = bare_steps.measure(
            sample,
            signer=self.partner.signer,
            folder=self.folder,
            signatures=2,
            seconds=self.plan.step_seconds,
        )
        bare["HTTP echo"] = await self._echo(bodies[0])
        self.singles.add_bare(bare)
        self.singles.add_own(
            bare_steps.measure_own(sample, seconds=self.plan.step_seconds)
        )
        queues = [
            prepare(queue, url=f"{self.base_url}/inbox", signer=sender.signer)
            for sender, queue in zip(senders, bodies, strict=True)
        ]
        await self._load(self.singles, queues, units=1, status=202)

    async def _open_threads(self, senders: Sequence[Partner]) -> None:
        """Begin the conversations in which the messages go on."""
        url = f"{self.base_url}/inbox"
        queues = [
            prepare(
                [sender.new_thread() for _ in range(_THREADS)],
                url=url,
                signer=sender.signer,
            )
            for sender in senders
        ]
        await send(queues, base_url=self.base_url, server=self.node, status=202)

    async def _pages(self, size: int) -> None:
        section, count = self.pages[size], self.plan.pages[size]
        bodies = self.partner.pages(count, size=size)
        entries = self.partner.entries(70)
        sample = bare_steps.Sample(
            "entry", [e.document for e in entries], [e.raw for e in entries]
        )
        bare = bare_steps.measure(
            sample,
            signer=self.partner.signer,
            folder=self.folder,
            signatures=1,
            seconds=self.plan.step_seconds,
        )
        # The page's own signature and transfer, shared by its entries.
        bare["Ed25519 verify"] *= 1 + 1 / size
        bare["HTTP echo"] = await self._echo(bodies) / size
        section.add_bare(bare)
        section.add_own(bare_steps.measure_own(sample, seconds=self.plan.step_seconds))
        queue = prepare(
            bodies, url=f"{self.base_url}/inbox", signer=self.partner.signer
        )
        await self._load(section, [queue], units=size, status=200)

    async def _load(
        self,
        section: Section,
        queues: Sequence[Sequence[Prepared]],
        *,
        units: int,
        status: int,
    ) -> None:
        burst = await send(
            queues, base_url=self.base_url, server=self.node, status=status
        )
        stored = burst.requests * units
        section.rates.append(stored / burst.cpu_seconds)
        section.wall_rates.append(stored / burst.wall_seconds)
        section.latencies_ms += [1000 * seconds for seconds in burst.latencies]

    async def _echo(self, bodies: Sequence[bytes]) -> float:
        """Return µs of processor time for one body on a bare server."""
        target = f"{self.echo_url}/inbox"
        requests = prepare(bodies, url=target, signer=self.partner.signer)
        requests *= max(1, 800 // len(requests))
        burst = await send(
            [requests[start::_AT_ONCE] for start in range(_AT_ONCE)],
            base_url=self.echo_url,
            server=self.echo,
            status=200,
        )
        return 1e6 * burst.cpu_seconds / burst.requests

    async def _fedify(self, server: FedifyServer) -> None:
        """Send signed notes to Fedify; its first ones only make it warm."""
        sender = NoteSender(server)
        warm = self.plan.messages // 2 if not self.fedify_rates else _AT_ONCE
        async with sender.reachable():
            for count, counts in ((warm, False), (self.plan.messages // 2, True)):
                notes = sender.notes(count, text=TEXT)
                burst = await send(
                    [notes[start::_AT_ONCE] for start in range(_AT_ONCE)],
                    base_url=server.base_url,
                    server=server.process,
                    status=HTTPStatus.ACCEPTED,
                    path=INBOX,
                )
                if counts:
                    self.fedify_rates.append(burst.requests / burst.cpu_seconds)

    async def lag(self) -> None:
        """Measure how long others wait while pages of 200 are taken."""
        bodies = self.partner.pages(4, size=200)
        queue = prepare(
            bodies, url=f"{self.base_url}/inbox", signer=self.partner.signer
        )
        burst = await send(
            [queue],
            base_url=self.base_url,
            server=self.node,
            status=200,
            with_probe=True,
        )
        self.pages[200].lags_ms += [1000 * seconds for seconds in burst.lags]


def _sample(wire: str, bodies: Sequence[bytes]) -> bare_steps.Sample:
    documents = [strict_json.loads_object(body) for body in bodies]
    return bare_steps.Sample(wire, documents, list(bodies))


def measure(
    plan: Plan,
    folder: Path,
    *,
    profile: Path | None,
    fedify: Path,
    tell: Callable[[str], None],
) -> Report:
    """Measure what a node takes in.

    Args:
        plan: How much.
        folder: An empty folder.
        profile: Where a profile of the node goes, if one is wanted.
        fedify: Where Fedify is installed, if it is.
        tell: Is told what is being measured.
    """
    measured, partners = make_partners(folder, count=1 + plan.rounds * _AT_ONCE)
    with ExitStack() as stack:
        node = serve(measured, profile=profile)
        stack.callback(node.stop)
        echo_url, echo = stack.enter_context(running_echo(folder))
        idle = node.resident_mib
        run = Run(
            plan=plan,
            folder=folder,
            partners=partners,
            node=node,
            echo=echo,
            echo_url=echo_url,
            singles=Section("single activity (message)", "message"),
            pages={
                size: Section(f"page of {size}", "entry" if size > 1 else "page")
                for size in PAGE_SIZES
            },
            fresh=partners[1:],
            fedify=None,
        )
        without_fedify = why_not(fedify)
        if without_fedify is None:
            run.fedify = FedifyServer.start(fedify, log=folder / "fedify.log")
            stack.callback(run.fedify.process.stop)
        asyncio.run(_rounds(run, tell))
        loaded = node.resident_mib
    sections = [run.singles, *run.pages.values()]
    lines = [line for section in sections for line in (*section.lines(), "")]
    lines += [
        (
            f"resident memory {idle:.0f} MiB idle, {loaded:.0f} MiB loaded; "
            f"first answer after {node.seconds_to_first_answer:.2f} s"
        ),
        _beside_fedify(run) or f"Fedify: {without_fedify}",
    ]
    if profile is not None:
        lines += step_lines(profile)
    return Report(
        lines,
        _goals(run, idle=idle, loaded=loaded),
        {
            "sections": [section.document() for section in sections],
            "resident_mib": {"idle": idle, "loaded": loaded},
            "first_answer_s": node.seconds_to_first_answer,
            "fedify_per_core_second": run.fedify_rates,
        },
    )


def _beside_fedify(run: Run) -> str | None:
    if run.fedify is None:
        return None
    theirs, ours = Spread.of(run.fedify_rates), Spread.of(run.singles.rates)
    return (
        f"Fedify {run.fedify.version}, signed notes/s and core: {theirs.text()}; "
        f"the node's messages are {ours.median / theirs.median:.1f} times as many"
    )


async def _rounds(run: Run, tell: Callable[[str], None]) -> None:
    for number in range(run.plan.rounds):
        tell(f"round {number + 1} of {run.plan.rounds}")
        await run.round()
    await run.lag()


def _goals(run: Run, *, idle: float, loaded: float) -> list[Goal]:
    singles, pages = run.singles, run.pages[200]
    return [
        Goal(
            "single activity, part of 1/sum of its bare steps",
            Spread.of(singles.ratios).median,
            0.6,
        ),
        Goal(
            "page entry, part of 1/sum of its bare steps",
            Spread.of(pages.ratios).median,
            0.7,
        ),
        Goal("singles stored/s and core", Spread.of(singles.rates).median, 1000),
        Goal("page entries stored/s and core", Spread.of(pages.rates).median, 1500),
        Goal("resident memory idle, MiB", idle, 120, at_least=False),
        Goal("resident memory loaded, MiB", loaded, 200, at_least=False),
        Goal("first answer, s", run.node.seconds_to_first_answer, 2, at_least=False),
        Goal(
            "other requests beside pages of 200, p95 ms",
            percentile(pages.lags_ms, 0.95),
            50,
            at_least=False,
        ),
    ]
