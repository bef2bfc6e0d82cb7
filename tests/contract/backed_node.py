"""A whole node in a folder, on either engine, that is backed up and restored."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from federation.trust import TrustState
from node.app import Node, open_node
from node.backup.backups import MadeBackup
from node.backup.restoring import Prepared, Restoring
from node.catalogue.model import Entry
from node.initialise import initialise
from node.members.model import Person, Role
from node.partners.model import HandshakeRole, Partner
from node.storage import entries as entry_rows
from node.storage.database import Transaction
from node.storage.partners import insert_partner
from node.storage.tables import entries
from node.visibility.policy import PolicySheet, Preset
from tests.contract.member_world import capacity_offer
from tests.http.nodes import MovableClock, SeededRandom
from tests.partner_key import first_key

BASE_URL = "http://127.0.0.1:9021"


@dataclass
class BackedNode:
    """A node whose workers do not run by themselves.

    Attributes:
        backups: Where its backups go.
        database_url: Empty for SQLite.
    """

    folder: Path
    backups: Path
    database_url: str = ""
    clock: MovableClock = field(default_factory=MovableClock)
    random: SeededRandom = field(default_factory=lambda: SeededRandom("backed"))
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)
    _node: Node | None = None

    @property
    def node(self) -> Node:
        assert self._node is not None, "the node is closed"
        return self._node

    async def set_up(self) -> None:
        await initialise(
            self.folder,
            base_url=BASE_URL,
            name="Optence e. V.",
            office_email="office@optence.example",
            clock=self.clock,
            random=self.random,
            allow_loopback_http=True,
            database_url=self.database_url,
        )

    async def open(self, **options: Any) -> Node:
        self._node = await self.opened.enter_async_context(
            open_node(self.folder, clock=self.clock, random=self.random, **options)
        )
        return self._node

    async def close(self) -> None:
        await self.opened.aclose()
        self._node = None

    async def office(self) -> Person:
        return await self.node.members.office_person()

    async def publish(self, entry_ref: str | None = None, **changes: Any) -> Entry:
        self.clock.advance(seconds=1)
        return await self.node.catalogue.publish(
            await self.office(), capacity_offer(**changes), entry_ref=entry_ref
        )

    async def member(self, name: str, role: Role = Role.PERSON) -> Person:
        person, _ = await self.node.members.add_person(
            None,
            email=f"{name.lower()}@lumen.example",
            name=name,
            organisation="Lumen Optik GmbH",
            role=role,
        )
        return person

    async def partner(
        self, name: str, state: TrustState = TrustState.ACTIVE
    ) -> Partner:
        """Add a partner that is never there."""
        base = f"https://spalier.{name}.example"
        partner = Partner(
            id=name,
            base_url=base,
            actor_id=f"{base}/actor",
            name=name,
            card={},
            state=state,
            role=HandshakeRole.HOST,
            keys=(first_key(base),),
            request_id=f"{base}/activities/1",
            check_number="4711 0815",
            created_at=self.clock.now(),
            released_at=self.clock.now(),
            compared_at=self.clock.now(),
            policy_out=PolicySheet(Preset.CLOSE),
            policy_in=PolicySheet(Preset.CLOSE),
        )

        async def work(tx: Transaction) -> None:
            await insert_partner(tx, partner)
            epoch = await _epoch(tx)
            await tx.execute(_compared(partner.id, epoch))
            await self.node.ledger.disclose_all(tx, partner)

        await self.node.context.database.write(work)
        return partner

    async def entries(self) -> dict[str, Entry]:
        """Every entry by id, whatever its state."""
        async with self.node.context.database.read() as tx:
            found = await entry_rows.list_entries(
                tx, self.node.context.address, where=entries.c.id.is_not(None)
            )
        return {each.id: each for each in found}

    async def backup(self, **options: Any) -> MadeBackup:
        self.clock.advance(seconds=1)
        return await self.node.backups.create(to=self.backups, **options)

    def restoring(self, path: Path, **options: Any) -> Restoring:
        self.clock.advance(seconds=1)
        return Restoring(
            self.folder, path, clock=self.clock, random=self.random, **options
        )

    async def restore(self, path: Path, **options: Any) -> Prepared:
        """Put a backup back into the closed node."""
        restoring = self.restoring(path, **options)
        async with restoring.prepared() as prepared:
            await restoring.order(prepared)
        return prepared

    async def rows(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of the open node, by table, as the engine gives it."""
        from node.backup.copying import copied_tables

        async with self.node.context.database.read() as tx:
            return {
                table.name: sorted(
                    (tuple(row) for row in await tx.all(select(table))), key=repr
                )
                for table in copied_tables()
            }


async def _epoch(tx: Transaction) -> str:
    from node.storage.node_state import require_node_state

    return (await require_node_state(tx)).epoch


def _compared(partner_id: str, epoch: str) -> Any:
    from sqlalchemy import update

    from node.storage.tables import partners

    return (
        update(partners)
        .where(partners.c.id == partner_id)
        .values(compared_epoch=epoch, head_seq=0)
    )


@asynccontextmanager
async def backed_node(
    tmp_path: Path, database_url: str = "", *, name: str = "node"
) -> AsyncIterator[BackedNode]:
    """Set up a node and open it."""
    node = BackedNode(
        tmp_path / name,
        tmp_path / "backups",
        database_url,
        random=SeededRandom(name),
    )
    await node.set_up()
    await node.open()
    try:
        yield node
    finally:
        await node.close()
