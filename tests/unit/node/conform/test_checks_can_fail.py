"""Each check passes on a right node, and fails on one that is wrong in its point."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import pytest

from node.clock import SystemClock, SystemRandom
from node.conform import json_checks
from node.conform.checks import Outcome, Result
from node.conform.run import Order, Report, visit_node
from node.conform.stranger_checks import INBOX_CHECKS, READING_CHECKS, SLOW_CHECKS
from node.conform.table import CHECKS
from tests.unit.node.conform.bugs import BUGS
from tests.unit.node.conform.little_host import LittleHost


@dataclass(frozen=True)
class Run:
    """A visit at a host with some bugs, and what it has to find."""

    bugs: tuple[str, ...]
    finds: frozenset[str]


def _run(bugs: str, finds: str) -> Run:
    return Run(tuple(bugs.split()), frozenset(finds.split()))


_SEMANTIC = """
entry-older withdrawal-outdated withdrawal-replayed withdrawal-first deletion
entry-equivocation entry-unknown-kind page-gap page-new-epoch
"""
_REFUSED_PAGES = """
page-altered-entry page-forged-entry page-unproven-entry page-foreign-owner
page-foreign-entry page-foreign-context page-context page-unknown-field
page-foreign-actor page-foreign-outbox page-id page-positions page-disorder
page-too-many-items page-unknown-activity
"""
_INBOX = """
inbox-unsigned inbox-draft-cavage inbox-signature-garbled inbox-signature-respelled
inbox-two-signatures inbox-uncovered-method inbox-uncovered-target-uri
inbox-uncovered-authority inbox-uncovered-content-digest inbox-without-created
inbox-without-nonce inbox-without-keyid inbox-short-nonce inbox-unknown-parameter
inbox-without-algorithm inbox-other-algorithm inbox-stale inbox-future inbox-expired
inbox-digest-wrong inbox-digest-unknown inbox-unknown-key inbox-window-past
inbox-window-future inbox-ld-json inbox-media-json inbox-media-text inbox-media-ld-bare
inbox-media-none inbox-too-large inbox-long-and-unknown inbox-slow outbox-unsigned
outbox-unknown-key entries-unknown-key
"""
_GUESTS = """
json-not-json json-cut-off json-array json-equal-keys json-equal-keys-escaped
json-fraction json-exponent json-not-a-number json-minus-zero json-big-integer json-nul
json-half-surrogate json-byte-order-mark json-utf-16 json-bad-utf-8 json-too-deep
json-far-too-deep json-too-many-values json-too-long json-no-invitation
json-unknown-invitation request-unsigned handshake-wrong-secret handshake-host-key
handshake-target handshake-actor handshake-context handshake-unknown-field
handshake-proof handshake-other-key handshake-version handshake-used
"""

RUNS = (
    _run("", ""),
    _run(
        "actor-odd",
        """
        actor-served actor-context actor-schema actor-owner actor-webfinger
        actor-implements actor-caching
        """,
    ),
    _run("actor-fraction", "actor-strict-json"),
    _run(
        "actor-old discovery-odd",
        """
        actor-not-modified actor-head method-delete-actor method-get-inbox
        method-post-outbox method-get-partner-requests webfinger-base webfinger-slash
        webfinger-actor webfinger-account webfinger-cors webfinger-rel
        webfinger-no-resource webfinger-bad-resource webfinger-unknown nodeinfo-link
        nodeinfo-application
        """,
    ),
    _run(
        "actor-old",
        "nodeinfo-document nodeinfo-no-statistics nodeinfo-name actor-caching",
    ),
    _run("forgives", f"{_INBOX} {_REFUSED_PAGES} key-conflict update-version"),
    _run("forgives-guests hurries", f"{_GUESTS} handshake-waits"),
    _run(
        "refuses-guests fetches-keys",
        "handshake-taken handshake-newer unknown-key-not-fetched",
    ),
    _run("never-confirms", "handshake-confirmed"),
    _run(
        "lax-http forgets-nonces trusts-addresses",
        """
        inbox-foreign-host inbox-twice-signature inbox-content-coding
        inbox-absolute-target outbox-body entries-body
        signature-replayed pull-replayed handshake-key-compared
        """,
    ),
    _run(
        "older-wins withdrawn-returns deleted-returns equivocates drops-unknown "
        "vague-gap",
        _SEMANTIC,
    ),
    _run(
        "keeps-withdrawn keeps-first stumbles tells-hidden signs-nothing once-only "
        "sends-rubbish",
        """
        withdrawal end-withdrawn entry-newer entry-mended withdrawal-then-later
        entry-faulty entry-too-large entry-day-in-details entry-contradiction
        entry-foreign-inside
        entries-absent pull-signed message-again leave-again key-retires
        handshake-repeated
        partner-sends-right
        """,
    ),
    _run(
        "wrong-digest gives-old-pages other-document only-creates",
        """
        entry-in-update
        page-receipt page-empty page-again page-overlap page-refusals-store-nothing
        key-new-signs key-old-proofs pull-nothing-new entry-as-told
        """,
    ),
    _run("tells-hidden", "entry-hidden entries-absent"),
    _run(
        "says-nothing refuses-verifying holdings-forgets",
        "pull-verifying page-verifying holdings-numbers holdings-list",
    ),
    _run(
        "verifies-anything holdings-open",
        "page-verifying-half holdings-unsigned holdings-no-such-bucket",
    ),
    _run(
        "refuses-partners",
        """
        signature-past signature-future signature-covers-more signature-tag
        digest-sha-512
        partner-equal-keys withdrawal-foreign-entry withdrawal-foreign-actor
        accept-unknown-request accept-own-request leave-foreign-object
        leave-foreign-receiver update-foreign-address pull-no-position
        pull-odd-position pull-more-parameters message-unknown-entry message-too-long
        message-direction message-altered message-foreign-author
        message-foreign-receiver message-foreign-thread message-taken
        key-by-itself key-announced leave-taken
        """,
    ),
    _run("faults clock-off", "no-server-fault retry-after no-cookies clock"),
    _run(
        "keeps-old-keys forgets-times ignores-missing",
        "key-retired update-older key-missing key-missing-again suspended-page",
    ),
    _run("mute", "always-an-answer"),
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def visited(*bugs: str) -> Report:
    """Visit a little host that is open while it lasts."""
    seen: list[Outcome] = []
    async with LittleHost(free_port(), *bugs).serving() as host:
        report = await visit_node(
            Order(
                target=host.address.base_url,
                code=host.code,
                allow_loopback_http=True,
                confirm_within=timedelta(
                    seconds=0.3 if "never-confirms" in bugs else 20
                ),
                message_about=str(host.entry.document["id"]),
            ),
            clock=SystemClock(),
            random=SystemRandom(),
            progress=seen.append,
            tell=lambda _sentence: None,
        )
    assert seen == report.outcomes
    return report


def failed(report: Report) -> dict[str, str]:
    return {
        outcome.check.id: f"{outcome.finding.expected} <> {outcome.finding.found}"
        for outcome in report.outcomes
        if outcome.result is Result.FAILED and outcome.finding is not None
    }


@pytest.fixture(scope="module")
def reports() -> dict[tuple[str, ...], Report]:
    """One visit for each run."""

    async def all_of_them() -> dict[tuple[str, ...], Report]:
        # Side by side, because most of a visit is waiting.
        some = asyncio.Semaphore(6)

        async def one(run: Run) -> tuple[tuple[str, ...], Report]:
            async with some:
                return run.bugs, await visited(*run.bugs)

        found = await asyncio.gather(*(one(run) for run in RUNS))
        return {**dict(found), YES: await visited_yes_man()}

    return asyncio.run(all_of_them())


Reports = dict[tuple[str, ...], Report]
YES: Final = ("says yes to everything",)


async def visited_yes_man() -> Report:
    """Visit a server that answers whatever it gets with 200, below any library."""

    async def answer(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await reader.read(65_536)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: \x1b[2Jtext\x9b31m\r\n"
            b"Content-Length: 2\r\n\r\n{}"
        )
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        return await visit_node(
            Order(target=f"http://127.0.0.1:{port}", allow_loopback_http=True),
            clock=SystemClock(),
            random=SystemRandom(),
            progress=lambda _outcome: None,
            tell=lambda _sentence: None,
        )


def test_who_says_yes_to_everything_fails_every_refusal(reports: Reports) -> None:
    found = failed(reports[YES])
    refusals = {
        check.id
        for check in (*READING_CHECKS, *INBOX_CHECKS, *SLOW_CHECKS, *json_checks.CHECKS)
    }
    assert refusals - found.keys() == set()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: "+".join(run.bugs) or "right")
def test_each_wrong_behaviour_is_found_by_the_check_that_names_it(
    reports: Reports, run: Run
) -> None:
    found = failed(reports[run.bugs])
    assert run.finds <= found.keys(), run.finds - found.keys()
    if not run.bugs:
        assert found == {}


def test_nothing_that_another_node_says_is_obeyed_by_a_terminal(
    reports: Reports,
) -> None:
    findings = [each.finding for each in reports[YES].outcomes if each.finding]
    told = [
        text for each in findings for text in (each.sent, each.expected, each.found)
    ]
    assert any("\\x1b[2Jtext" in text for text in told)
    assert all(text.isprintable() for text in told)


def test_a_right_node_is_asked_everything(reports: Reports) -> None:
    report = reports[()]
    skipped = {
        outcome.check.id: str(outcome.reason)
        for outcome in report.outcomes
        if outcome.result is Result.SKIPPED
    }
    assert skipped == {"retry-after": "No rate limit was met."}
    assert [outcome.check.id for outcome in report.outcomes] == [
        check.id for check in CHECKS
    ]


def test_every_check_has_failed_on_some_wrong_node(reports: Reports) -> None:
    found = set().union(*(failed(report) for report in reports.values()))
    assert {check.id for check in CHECKS} - found == set()


def test_every_bug_is_tried() -> None:
    assert {bug for run in RUNS for bug in run.bugs} == BUGS.keys()


def test_everything_is_taken_back_also_when_interrupted() -> None:
    async def interrupted() -> LittleHost:
        host = LittleHost(free_port())
        async with host.serving():
            done = asyncio.Event()

            def progress(outcome: Outcome) -> None:
                if outcome.check.id == "entry-newer":
                    done.set()

            visit = asyncio.create_task(
                visit_node(
                    Order(
                        target=host.address.base_url,
                        code=host.code,
                        allow_loopback_http=True,
                    ),
                    clock=SystemClock(),
                    random=SystemRandom(),
                    progress=progress,
                    tell=lambda _sentence: None,
                )
            )
            await done.wait()
            assert any(held.content_hash for held in host.held.values())
            visit.cancel()
            with pytest.raises(asyncio.CancelledError):
                await visit
        return host

    host = asyncio.run(interrupted())
    assert all(held.content_hash is None for held in host.held.values())
    assert host.peer is not None
    assert host.peer.state.value == "ended"


def test_ids_are_unique_and_clauses_are_named() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.clause and check.title for check in CHECKS)
