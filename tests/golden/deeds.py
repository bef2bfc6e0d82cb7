"""What Nord's office does in the story; the replay does the same at the same times."""

import base64
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import select

from node.partners.model import Invitation
from node.storage.database import Transaction
from node.storage.partners import insert_invitation
from node.storage.tables import invitations
from node.visibility.policy import Preset
from tests.golden.traffic import GoldenNode
from tests.http.nodes import OFFER


async def invite(nord: GoldenNode, values: Mapping[str, Any]) -> None:
    """Write down the invitation of the recording, with its secret."""
    invitation = Invitation(
        id="recorded",
        secret=bytes.fromhex(values["secret"]),
        public_id=values["public_id"],
        group_hint=values["group_hint"],
        created_at=datetime.fromisoformat(values["created_at"]),
        expires_at=datetime.fromisoformat(values["expires_at"]),
        # Every kind passes, also profiles of persons.
        preset=Preset.CLOSE,
    )

    async def work(tx: Transaction) -> None:
        await insert_invitation(tx, invitation, created_by=None)

    await nord.node.context.database.write(work)


async def open_invitation(nord: GoldenNode) -> dict[str, Any]:
    """Return what `invite` takes to have the only invitation once more."""
    async with nord.node.context.database.read() as tx:
        (row,) = await tx.all(select(invitations))
    return {
        "secret": bytes(row.secret).hex(),
        "public_id": row.public_id,
        "group_hint": row.group_hint,
        "created_at": row.created_at.isoformat(),
        "expires_at": row.expires_at.isoformat(),
    }


async def confirm(nord: GoldenNode, _values: Mapping[str, Any]) -> None:
    """Confirm the request of the guest."""
    partner = await nord.partner()
    await nord.node.partners.confirm(nord.office, partner.base_url, compared=True)


async def publish(nord: GoldenNode, values: Mapping[str, Any]) -> None:
    """Publish an entry with the id of the recording."""
    wanted = values["id"]
    padded = f"{wanted.upper()}{'=' * (-len(wanted) % 8)}"
    nord.random.ids = [base64.b32decode(padded)]
    entry = await nord.node.catalogue.publish(nord.office, OFFER)
    assert entry.id == wanted, "publishing draws something else before the id"


async def reply(nord: GoldenNode, values: Mapping[str, Any]) -> None:
    """Answer in the only conversation."""
    (thread,) = await nord.node.conversations.list_for(nord.office)
    await nord.node.conversations.reply(nord.office, thread.id, values["text"])


async def pause(nord: GoldenNode, _values: Mapping[str, Any]) -> None:
    """Stop the flow."""
    await nord.node.partners.pause(nord.office, (await nord.partner()).base_url)


async def resume(nord: GoldenNode, _values: Mapping[str, Any]) -> None:
    """Let it flow again."""
    await nord.node.partners.resume(nord.office, (await nord.partner()).base_url)


DEEDS: Final[
    Mapping[str, Callable[[GoldenNode, Mapping[str, Any]], Awaitable[None]]]
] = {each.__name__: each for each in (invite, confirm, publish, reply, pause, resume)}
