"""The composition root: the only module that puts a node together.

`open_node` opens everything a command needs; `serve` adds the pages, the doors
and the workers, and runs until it is asked to stop.
"""

import asyncio
import gc
import logging
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from federation.ids import NodeAddress, parse_base_url
from federation.ports import Clock, RandomSource
from federation.transport.client import FederationClient
from federation.transport.wire import Wire
from node import instance_lock
from node.audit.log import AuditLog
from node.backup.backups import Backups
from node.backup.replacing import finish_replacing
from node.catalogue.catalogue import Catalogue
from node.catalogue.entry_import import EntryImport
from node.chiffre.appearing import show_due
from node.clock import SystemClock, SystemRandom
from node.closing import Closing
from node.config import NodeConfig, load_config, smtp_password
from node.control.server import ControlServer
from node.conversations.conversations import Conversations
from node.erasure.following import (
    compact_journal,
    complete_journal,
    follow_journal,
    write_what_waits,
)
from node.erasure.journal import ErasureJournal
from node.errors import ConflictError, UnavailableError
from node.exchange.activities import Activities
from node.exchange.comparing import Comparing
from node.exchange.delivery import DeliveryWorker
from node.exchange.receiving import Receiving
from node.exchange.sending import Sending
from node.exchange.unaccounted import UnaccountedEntries
from node.exchange.wakeup import WakeUp
from node.feed import Feed
from node.keys.backups import KeyBackups
from node.keys.opening import open_ring
from node.keys.own_keys import OwnKeys
from node.keys.ring import KeyRing
from node.ledger import Ledger
from node.limits import PARTNER_DAYS_KEPT, PROCESSED_KEPT
from node.mail.entry_mail import EntryMailer
from node.mail.outbox import MailOutbox
from node.members.directory import MemberDirectory
from node.members.organisations import Organisations
from node.moving import OwnMove
from node.office.audiences import Audiences
from node.office.restored import take_back_known
from node.partners.partners import Partners
from node.ports import NodeContext
from node.privacy.own_data import OwnData
from node.processes import Processes, processes_of
from node.sentence import Sentence, system_reason
from node.signin.sign_in import SignIn
from node.storage.database import Transaction, open_database
from node.storage.node_keys import list_keys
from node.storage.node_state import load_names, require_node_state
from node.storage.nonces import forget_expired, forget_processed
from node.storage.partner_days import forget_days
from node.storage.schema import migrate
from node.workers.clockwork import Clockwork, Job

logger = logging.getLogger(__name__)

EXPIRY_SECONDS = 60.0
CHIFFRE_SECONDS = 60.0
MAIL_SECONDS = 5.0
KEY_SECONDS = 60.0
NONCE_SECONDS = 300.0
BACKUP_SECONDS = 60.0
RETENTION_SECONDS = 3_600.0
JOURNAL_SECONDS = 10.0
COMPLETION_SECONDS = 60.0
COMPACTION_SECONDS = 86_400.0
# How long open requests may take after the order to stop.
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Node:
    """A node with everything that pages, doors and commands call."""

    folder: Path
    context: NodeContext
    members: MemberDirectory
    entry_import: EntryImport
    sign_in: SignIn
    mail: MailOutbox
    partners: Partners
    own_keys: OwnKeys
    key_backups: KeyBackups
    conversations: Conversations
    ledger: Ledger
    catalogue: Catalogue
    feed: Feed
    sending: Sending
    receiving: Receiving
    unaccounted: UnaccountedEntries
    comparing: Comparing
    closing: Closing
    own_move: OwnMove
    delivery: DeliveryWorker
    wakeup: WakeUp
    processes: Processes
    backups: Backups
    journal: ErasureJournal

    @property
    def own_data(self) -> OwnData:
        """What is stored about a person, to be taken away."""
        return OwnData(self.context, self.ledger)

    @property
    def audit(self) -> AuditLog:
        """The audit log, to be read."""
        return AuditLog(self.context)

    @property
    def organisations(self) -> Organisations:
        """What member organisations are known by."""
        return Organisations(self.context)

    @property
    def audiences(self) -> Audiences:
        """Groups, defaults and ceilings."""
        mail = EntryMailer(self.context, self.mail)
        return Audiences(self.context, catalogue=self.catalogue, mail=mail)

    @property
    def config(self) -> NodeConfig:
        """The node's settings."""
        return self.context.config


@asynccontextmanager
async def open_node(
    folder: Path,
    *,
    clock: Clock | None = None,
    random: RandomSource | None = None,
    without_secrets: bool = False,
    wire: Wire | None = None,
    threads: Executor | None = None,
    environ: Mapping[str, str] | None = None,
) -> AsyncIterator[Node]:
    """Open a node's folder: settings, lock, key, database, services.

    Args:
        folder: The folder that `spalier init` made.
        clock: Another clock than the machine's, for tests.
        random: Another source of randomness, for tests.
        without_secrets: Open although a key file is missing or wrong, for commands
            that mend this; nothing can be signed until then.
        wire: Another way to other nodes than the network (simulator).
        threads: Runs what else runs on threads, the database's reads on the loop
            itself (simulator).
        environ: Settings beside the file instead of the process's environment.

    Raises:
        ConfigInvalidError: The settings or the keys cannot be used.
        ConflictError: Another process has the node open, or the database belongs
            to another address.
        UnavailableError: The database cannot be opened.
    """
    clock = clock or SystemClock()
    random = random or SystemRandom()
    async with AsyncExitStack() as stack:
        config = load_config(folder, environ=environ)
        stack.enter_context(_taken(folder, config))
        database = open_database(
            config.database.url, folder=folder, on_loop=threads is not None
        )
        stack.push_async_callback(database.close)
        journal = database.recorder = ErasureJournal(folder)
        processes = processes_of(database, random)
        stack.push_async_callback(processes.close)
        await migrate(database)
        async with database.read() as tx:
            state = await require_node_state(tx)
            address = await load_names(tx, _own_address(state.base_url, config))
        context = await _followed(
            folder,
            NodeContext(
                config=config,
                clock=clock,
                random=random,
                database=database,
                address=address,
                keys=KeyRing(address, (), {}),
                node_id=state.node_id,
                threads=threads,
            ),
            journal,
            without_secrets=without_secrets,
        )
        client = await stack.enter_async_context(
            FederationClient(
                clock=clock,
                random=random,
                allow_loopback_http=config.network.allow_loopback_http,
                wire=wire,
                threads=threads,
            )
        )
        yield _assemble(
            folder,
            context,
            client,
            processes,
            journal,
            mail_password=smtp_password(config, folder),
        )


@contextmanager
def _taken(folder: Path, config: NodeConfig) -> Iterator[None]:
    """Hold the folder, and finish a restore that was broken off in it."""
    is_shared = bool(config.database.url)
    with instance_lock.acquire(folder, shared=is_shared):
        if not is_shared:
            finish_replacing(folder)
        yield


def _own_address(stored: str, config: NodeConfig) -> NodeAddress:
    """Return the node's address, which settings and database have to agree on."""
    if stored != config.base_url:
        raise ConflictError(
            Sentence(
                "The database belongs to {stored}, the settings say {set}.",
                stored=stored,
                set=config.base_url,
            ),
            code="base-url-changed",
            path="base_url",
            hint="It changes by `spalier move-origin` alone. If that was cut off, give "
            "the same order again.",
        )
    return NodeAddress(
        parse_base_url(
            config.base_url, allow_loopback_http=config.network.allow_loopback_http
        )
    )


async def _followed(
    folder: Path,
    context: NodeContext,
    journal: ErasureJournal,
    *,
    without_secrets: bool,
) -> NodeContext:
    """Follow the erasure journal, then read the keys as they stand now."""
    await follow_journal(context, journal)
    async with context.database.read() as tx:
        keys = await list_keys(tx)
        restored_at = (await require_node_state(tx)).restored_at
    ring = open_ring(folder, keys, context.address, without_secrets=without_secrets)
    return replace(context, keys=ring, restored_at=restored_at)


def _assemble(
    folder: Path,
    context: NodeContext,
    client: FederationClient,
    processes: Processes,
    journal: ErasureJournal,
    *,
    mail_password: SecretStr | None,
) -> Node:
    wakeup = processes.wakeup
    mail = MailOutbox(context, smtp_password=mail_password)
    ledger = Ledger(context)
    catalogue = Catalogue(context, ledger, EntryMailer(context, mail), wakeup)
    members = MemberDirectory(context, mail, catalogue)
    partners = Partners(
        context,
        client=client,
        ledger=ledger,
        mail=mail,
        waker=wakeup,
        entries=catalogue,
    )
    own_keys = OwnKeys(
        context,
        folder=folder,
        entries=catalogue,
        waker=wakeup,
        tell_others=processes.keys_changed if processes.are_several else None,
    )
    sending = Sending(context)
    receiving = Receiving(context, wakeup)
    unaccounted = UnaccountedEntries(context, catalogue, wakeup)
    comparing = Comparing(context, client=client, entries=unaccounted)
    return Node(
        folder=folder,
        context=context,
        members=members,
        entry_import=EntryImport(context, catalogue, members),
        sign_in=SignIn(context, mail),
        mail=mail,
        partners=partners,
        own_keys=own_keys,
        key_backups=KeyBackups(context, folder=folder, own_keys=own_keys),
        conversations=Conversations(context, mail=mail, waker=wakeup),
        ledger=ledger,
        catalogue=catalogue,
        feed=Feed(context),
        sending=sending,
        receiving=receiving,
        unaccounted=unaccounted,
        comparing=comparing,
        own_move=OwnMove(context, waker=wakeup),
        closing=Closing(context, catalogue=catalogue, partners=partners, ledger=ledger),
        delivery=DeliveryWorker(
            context,
            sending=sending,
            receiving=receiving,
            activities=Activities(context, partners),
            client=client,
            comparing=comparing,
            wakeup=wakeup,
            shared_work=processes.work,
        ),
        wakeup=wakeup,
        processes=processes,
        backups=Backups(context, folder=folder),
        journal=journal,
    )


def clockwork(node: Node) -> Clockwork:
    """Return the jobs that the passing of time brings."""
    return Clockwork(
        [
            Job("entries expire", EXPIRY_SECONDS, node.catalogue.expire_due),
            Job(
                "box numbers appear",
                CHIFFRE_SECONDS,
                lambda: show_due(node.context, node.catalogue),
            ),
            Job("owners are reminded", EXPIRY_SECONDS, node.catalogue.remind_due),
            Job("policy sheets end", EXPIRY_SECONDS, node.partners.policies.end_due),
            Job(
                "the office is told that policy sheets end",
                EXPIRY_SECONDS,
                node.partners.policies.remind_due,
            ),
            Job(
                "content goes that policy sheets keep no longer",
                RETENTION_SECONDS,
                node.partners.policies.forget_due,
            ),
            Job(
                "partners' keys are compared",
                EXPIRY_SECONDS,
                node.partners.keys.look_at_due,
            ),
            Job("mails leave", MAIL_SECONDS, node.mail.send_due),
            Job("backups", BACKUP_SECONDS, node.backups.make_due),
            *_jobs_of_folder(node),
            Job(
                "what was taken back before a restore goes",
                EXPIRY_SECONDS,
                lambda: take_back_known(node.context, node.folder, node.unaccounted),
            ),
            Job("keys change", KEY_SECONDS, node.own_keys.advance),
            Job("the cluster closes down", EXPIRY_SECONDS, node.closing.advance),
            Job("partners hear of a move", EXPIRY_SECONDS, node.own_move.tell_due),
            Job("sessions and links end", NONCE_SECONDS, node.sign_in.purge),
            Job("old nonces go", NONCE_SECONDS, lambda: _forget_nonces(node)),
            Job("old days of partners go", EXPIRY_SECONDS, lambda: _forget_days(node)),
        ]
    )


def _jobs_of_folder(node: Node) -> list[Job]:
    """Return the jobs that each of several processes has for its own folder."""
    others = [
        Job(
            "the erasure journal follows other processes",
            COMPLETION_SECONDS,
            lambda: complete_journal(node.context, node.journal),
        )
    ]
    return [
        *(others if node.processes.are_several else ()),
        Job(
            "the erasure journal is complete",
            JOURNAL_SECONDS,
            lambda: write_what_waits(node.context, node.journal),
        ),
        Job(
            "the erasure journal is short",
            COMPACTION_SECONDS,
            lambda: compact_journal(node.context, node.journal),
        ),
    ]


async def _forget_nonces(node: Node) -> int:
    async def work(tx: Transaction) -> int:
        now = node.context.clock.now()
        forgotten = await forget_expired(tx, now=now)
        return forgotten + await forget_processed(tx, before=now - PROCESSED_KEPT)

    return await node.context.database.write(work)


async def _forget_days(node: Node) -> int:
    async def work(tx: Transaction) -> int:
        today = node.context.clock.now().date()
        return await forget_days(tx, before=today - PARTNER_DAYS_KEPT)

    return await node.context.database.write(work)


async def serve(
    folder: Path,
    *,
    ready: Callable[[Node], None] | None = None,
    with_worker: bool = True,
) -> None:
    """Run a node until SIGTERM or SIGINT; stop in order, losing nothing.

    Args:
        folder: The node's folder.
        ready: Called once the doors are open.
        with_worker: Also deliver and do the work of the clock; without, a `work`
            in another process does.

    Raises:
        ConflictError: Without a worker, on a database that is not shared.
        UnavailableError: The port is taken.
    """
    # Late: the pages import this module for the type of the node.
    from node.web.server import opened_doors  # noqa: PLC0415

    stop = _order_to_stop()
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(open_node(folder))
        if not with_worker:
            _require_sharing(node)
        doors = opened_doors(node, stop_seconds=STOP_SECONDS)
        await _open_port(stack, doors, node.config)
        async with ControlServer(node):
            logger.info("node serves at %s", node.config.base_url)
            await _run(node, stop, ready=ready, with_worker=with_worker)


async def work(folder: Path, *, ready: Callable[[Node], None] | None = None) -> None:
    """Deliver and do the work of the clock, without doors, until SIGTERM or SIGINT.

    Args:
        folder: The node's folder, or a copy of it on another machine.
        ready: Called once the work has begun.

    Raises:
        ConflictError: The node's database is a file, which one process owns.
    """
    stop = _order_to_stop()
    async with open_node(folder) as node:
        _require_sharing(node)
        async with ControlServer(node):
            logger.info("worker of %s", node.config.base_url)
            await _run(node, stop, ready=ready, with_worker=True)


def _set_apart() -> None:
    """Exempt what lives as long as the process from the search for garbage.

    To look at every module, table and page again holds each request up that is
    being answered then, for a twentieth of a second, and takes a tenth of all time.
    """
    gc.collect()
    gc.freeze()


def _require_sharing(node: Node) -> None:
    if not node.processes.are_several:
        raise ConflictError(
            "The database of this node is a SQLite file, which one process owns.",
            code="database-not-shared",
            path="database.url",
            hint="spalier serve does everything by itself. Several processes need "
            "PostgreSQL.",
        )


def _order_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _run(
    node: Node,
    stop: asyncio.Event,
    *,
    ready: Callable[[Node], None] | None,
    with_worker: bool,
) -> None:
    processes = node.processes
    jobs: dict[str, Coroutine[None, None, object]] = {
        "processes": processes.run(read_keys=node.own_keys.follow)
    }
    if processes.are_several:
        jobs["folder"] = Clockwork(_jobs_of_folder(node)).run()
    if with_worker:
        jobs["clockwork"] = processes.work.run_clock(clockwork(node).run)
        jobs["delivery"] = node.delivery.run()
    workers = [asyncio.create_task(job, name=name) for name, job in jobs.items()]
    if ready is not None:
        ready(node)
    _set_apart()
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({stopping, *workers}, return_when=asyncio.FIRST_COMPLETED)
    logger.info("node stops")
    stopping.cancel()
    for worker in workers:
        worker.cancel()
    results = await asyncio.gather(*workers, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _open_port(
    stack: AsyncExitStack,
    doors: AbstractAsyncContextManager[object],
    config: NodeConfig,
) -> None:
    try:
        await stack.enter_async_context(doors)
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "Port {port} on {host} cannot be opened: {reason}.",
                port=config.listen.port,
                host=config.listen.host,
                reason=system_reason(error),
            ),
            code="port-in-use",
            path="listen.port",
            hint="Stop the other program, or choose another port in node.toml.",
        ) from error
