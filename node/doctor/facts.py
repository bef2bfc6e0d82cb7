"""What the database says about the node, read without changing anything.

The serving process may be running: SQLite is opened read-only, so that this
connection can neither write nor checkpoint (DESIGN: the writer alone does).
"""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from node.audit.log import AuditCheck, find_damage
from node.keys.model import NodeKey
from node.partners.model import Partner
from node.storage.audit import load_head
from node.storage.database import (
    SQLITE_FILE,
    Database,
    Transaction,
    Work,
    open_database,
)
from node.storage.ledger_pages import LedgerCounts, counts
from node.storage.mail import MailCounts, count_mails
from node.storage.node_keys import list_keys
from node.storage.node_state import NodeState, load_node_state
from node.storage.partners import list_partners
from node.storage.quotas import count_remembered
from node.storage.schema import SchemaState, SchemaStatus, schema_state
from node.storage.sqlite_connection import SqliteConnection, SqliteTransaction
from node.storage.transaction import Recorder

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PartnerFacts:
    """A partner, how its ledger stands, and how many of its entries are remembered."""

    partner: Partner
    ledger: LedgerCounts
    remembered: int = 0


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What the checks need of the database.

    Attributes:
        state: None if the database belongs to no node.
        partners: All partners; empty while the schema is not current.
        mails: None while the schema is not current.
        bytes_used: Size of the SQLite file; None on PostgreSQL.
        keys: Our own keys; empty while the schema is not current.
        audit: What a look at the whole audit log found; None while the schema is not
            current.
    """

    engine: str
    schema: SchemaState
    state: NodeState | None
    partners: tuple[PartnerFacts, ...]
    mails: MailCounts | None
    bytes_used: int | None
    keys: tuple[NodeKey, ...] = ()
    audit: AuditCheck | None = None

    @property
    def latest(self) -> datetime | None:
        """The latest time that the node wrote down."""
        times = [
            moment
            for each in self.partners
            for moment in (
                each.partner.last_received_at,
                each.partner.checked_at,
                each.partner.last_failure_at,
            )
            if moment is not None
        ]
        if self.state is not None:
            times.append(self.state.created_at)
        return max(times, default=None)


class ReadOnlyDatabase:
    """A SQLite file that cannot be changed through this object."""

    engine_name = "sqlite"
    recorder: Recorder | None = None

    def __init__(self, path: Path) -> None:
        url = f"sqlite:///file:{quote(str(path))}?mode=ro&uri=true"
        self._engine = create_engine(
            url, poolclass=NullPool, connect_args={"check_same_thread": False}
        )
        self._threads = ThreadPoolExecutor(1, "sqlite")

    async def write(self, work: Work[T]) -> T:
        """Refuse."""
        del work
        msg = "the examination changes nothing"
        raise PermissionError(msg)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Transaction]:
        """Open a snapshot."""
        connection = SqliteConnection(self._engine, self._threads)
        try:
            connection.begin_reading()
            yield SqliteTransaction(connection)
        finally:
            connection.roll_back()
            connection.close()

    def look_up(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a snapshot: here the same as `read`."""
        return self.read()

    async def run_sync(self, function: Callable[[Any], T]) -> T:
        """Run a synchronous function that only reads."""
        with self._engine.connect() as connection:
            return function(connection)

    async def close(self) -> None:
        """Close."""
        self._threads.shutdown(wait=False)


async def read_facts(folder: Path, url: str) -> DatabaseFacts:
    """Read what the database of the node in `folder` says.

    Args:
        folder: The node's folder.
        url: The setting `database.url`; empty for SQLite in the folder.

    Raises:
        FileNotFoundError: There is no SQLite file.
        sqlalchemy.exc.SQLAlchemyError: The database cannot be read.
    """
    path = folder / SQLITE_FILE
    database: Database
    if url:
        database, size = open_database(url, folder=folder), None
    else:
        # Also a missing file would be an error, with a text that helps nobody.
        size = path.stat().st_size
        database = ReadOnlyDatabase(path)
    try:
        schema = await schema_state(database)
        if schema.status is not SchemaStatus.CURRENT:
            return DatabaseFacts(database.engine_name, schema, None, (), None, size)
        async with database.read() as tx:
            partners = [
                PartnerFacts(
                    partner,
                    await counts(tx, partner.id),
                    await count_remembered(tx, partner.id),
                )
                for partner in await list_partners(tx)
            ]
            head = await load_head(tx)
            return DatabaseFacts(
                engine=database.engine_name,
                schema=schema,
                state=await load_node_state(tx),
                partners=tuple(partners),
                mails=await count_mails(tx),
                bytes_used=size,
                keys=tuple(await list_keys(tx)),
                audit=AuditCheck(head, await find_damage(tx, head)),
            )
    finally:
        await database.close()
