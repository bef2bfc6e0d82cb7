"""An older database in the node's place: whatever was decided since still counts."""

import shutil
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path

import pytest

from federation.trust import TrustState
from node.catalogue.model import EntryState
from node.members.model import Role
from node.partners.model import Partner
from node.storage.node_state import require_node_state
from tests.contract.backed_node import BackedNode, backed_node

ENDINGS = ("", "-wal", "-shm")


def put_back_by_hand(node: BackedNode, kept: Path) -> None:
    """What somebody does who does not know `spalier restore`."""
    for ending in ENDINGS:
        (node.folder / f"node.sqlite{ending}").unlink(missing_ok=True)
    shutil.copy(kept, node.folder / "node.sqlite")


async def keep_a_copy(node: BackedNode, tmp_path: Path) -> Path:
    """Copy the database as it is; the node goes on."""
    kept = tmp_path / "kept.sqlite"
    await node.close()
    shutil.copy(node.folder / "node.sqlite", kept)
    await node.open()
    node.clock.advance(seconds=1)
    return kept


async def _leaves(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    await node.node.members.mark_left(None, person.id)


async def _no_consent(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    await node.node.members.set_consent(None, person.id, on=None, source=None)


async def _lower_role(node: BackedNode) -> None:
    (person,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    office = await node.office()
    await node.node.members.change_role(office, person.id, Role.PERSON)


async def _ends(node: BackedNode) -> None:
    await node.node.partners.end(None, "swissmem")


async def _pauses(node: BackedNode) -> None:
    await node.node.partners.pause(None, "swissmem")


async def _hides(node: BackedNode) -> None:
    await node.node.partners.hide(None, "swissmem")


Step = Callable[[BackedNode], Awaitable[None]]


async def _standing(node: BackedNode) -> tuple[object, ...]:
    (jana,) = [p for p in await node.node.members.list_persons() if p.name == "Jana"]
    partner: Partner = await node.node.partners.find("swissmem")
    state = partner.state
    return (
        jana.left_at is not None,
        jana.consent_on is not None,
        jana.role,
        TrustState.ENDED if state is TrustState.ENDING else state,
        partner.hidden_at is not None,
    )


@pytest.mark.parametrize(
    "step", [_leaves, _no_consent, _lower_role, _ends, _pauses, _hides]
)
async def test_one_decision_alone_is_missed_in_a_database_put_back_by_hand(
    tmp_path: Path, step: Step
) -> None:
    async with backed_node(tmp_path) as node:
        person = await node.member("Jana", Role.OFFICE)
        await node.node.members.set_consent(
            None, person.id, on=date(2026, 1, 1), source="Formular"
        )
        await node.partner("swissmem")
        kept = await keep_a_copy(node, tmp_path)
        before = await _standing(node)
        await step(node)
        after = await _standing(node)
        assert after != before
        await node.close()
        put_back_by_hand(node, kept)
        services = await node.open()
        assert await _standing(node) == after
        async with services.context.database.read() as tx:
            state = await require_node_state(tx)
        assert state.incarnation == 2
        # It is settled with that.
        await node.close()
        services = await node.open()
        async with services.context.database.read() as tx:
            assert await require_node_state(tx) == state


async def test_a_restore_knows_what_only_the_present_database_says(
    node: BackedNode,
) -> None:
    """As after a crash, or a full disk, that kept lines from the journal."""
    entry = await node.publish(audience={"level": "public"})
    await node.partner("swissmem")
    made = await node.backup()
    node.node.context.database.recorder = None
    await node.node.catalogue.withdraw(await node.office(), entry.id)
    await node.node.partners.end(None, "swissmem")
    await node.close()
    await node.restore(made.path)
    await node.open()
    assert (await node.entries())[entry.id].state is EntryState.WITHDRAWN
    partner = await node.node.partners.find("swissmem")
    assert partner.state in {TrustState.ENDING, TrustState.ENDED}
