"""What a partner whose keys change may send, honest or not.

Süd is the partner, Nord the node that has to decide. Süd's own way of changing keys
has tests of its own; here its documents are made by hand, so that they can also be
what an honest node never sends.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from federation.documents import ActorDocument, ActorUpdate, EntryDocument
from federation.documents.actor_update import build_actor_update
from federation.documents.entry import build_entry
from federation.documents.page import Upsert, build_page
from federation.documents.signed import sign
from federation.ids import random_id
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from federation.trust import TrustState
from federation.version import Version
from node.keys.model import KeyState, NodeKey
from node.partners.model import Partner
from node.partners.own_actor import own_actor
from node.storage.received import list_received
from node.storage.tables import received_entries
from tests.http.nodes import OFFER, START, RunningNode, SeededRandom
from tests.http.sender import Answer, Sender, as_bytes

Pair = tuple[RunningNode, RunningNode]


def signer(node: RunningNode, number: int, *, seed: str = "") -> Signer:
    """Return a key of a node, the pinned one for number 1; another seed is foreign."""
    if number == 1 and not seed:
        return node.context.keys.signer_of(1) or node.context.signer
    secret = SigningKey.generate(SeededRandom(f"{node.name}{number}{seed}"))
    return Signer(node.context.address, secret, number)


def listed(by: Signer, **ends: datetime) -> PinnedKey:
    return PinnedKey(by.key_id, by.key.public_key, **ends)


async def actor_of(
    node: RunningNode, *keys: PinnedKey, updated: datetime = START, **changes: Any
) -> ActorDocument:
    async with node.database.read() as tx:
        actor = await own_actor(tx, node.context)
    return replace(actor, keys=keys, updated=updated, **changes)


async def update(
    sued: RunningNode,
    nord: RunningNode,
    *keys: PinnedKey,
    by: Signer,
    updated: datetime = START,
    **changes: Any,
) -> dict[str, Any]:
    """Süd tells Nord what its actor says now."""
    told = ActorUpdate(
        id=sued.context.address.activity(random_id(sued.context.random)),
        actor=await actor_of(sued, *keys, updated=updated, **changes),
        recipient=nord.context.address.actor,
        published=START,
    )
    return dict(build_actor_update(told, signer=by, created=updated).document)


def resigned(document: dict[str, Any], by: Signer, **changes: Any) -> dict[str, Any]:
    unsigned = {k: v for k, v in {**document, **changes}.items() if k != "proof"}
    return dict(sign(unsigned, signer=by, created=START).document)


def show(node: RunningNode, *keys: tuple[Signer, KeyState]) -> None:
    """Let a node's actor list these keys, as if it had been set up so."""
    rows = []
    for by, state in keys:
        row = NodeKey(
            number=by.key_number,
            multibase=by.key.public_key.multibase,
            state=state,
            created_at=START,
            activated_at=START,
            retired_at=START if state is KeyState.RETIRED else None,
            revoked_at=START if state is KeyState.REVOKED else None,
        )
        rows.append(row)
    node.context.keys.replace(rows, {by.key_number: by.key for by, _ in keys})


async def post(
    sender: Sender, nord: RunningNode, document: Any, *, by: Signer
) -> Answer:
    return await sender.post(
        nord, as_bytes(document), signer=by, created=nord.context.clock.now()
    )


async def titles(node: RunningNode) -> list[str]:
    async with node.database.read() as tx:
        found = await list_received(tx, where=received_entries.c.state == "present")
    return sorted(entry.title["de"] for entry in found)


def entry_page(sued: RunningNode, by: Signer, *, created: datetime) -> dict[str, Any]:
    """Return a page of Süd with one entry whose proof has this key and time."""
    content = {k: v for k, v in OFFER.items() if k != "audience"}
    entry = EntryDocument.from_content(
        content,
        id=sued.context.address.entry(random_id(sued.context.random)),
        version=Version(1, 1),
        published=created,
        updated=created,
        owner=None,
    )
    signed = build_entry(entry, signer=by, created=created)
    return dict(
        build_page(
            [Upsert(signed.document, is_first=True)],
            address=sued.context.address,
            epoch="0123456789abcdef" * 2,
            first=1,
            last=1,
            head=1,
        )
    )


async def confirm(
    nord: RunningNode,
    sued: RunningNode,
    by: Signer,
    *shown: tuple[Signer, KeyState],
) -> Partner:
    show(sued, *shown)
    fingerprint = by.key.public_key.fingerprint
    return await nord.partners.confirm_key(
        nord.office, sued.base_url, fingerprint=fingerprint.lower()
    )


async def suspend(nord: RunningNode, sued: RunningNode) -> Signer:
    """Let Nord see another key at Süd's address."""
    two = signer(sued, 2)
    show(sued, (two, KeyState.ACTIVE))
    await nord.partners.keys.look(await nord.partner(sued))
    assert (await nord.partner(sued)).state is TrustState.SUSPENDED
    return two
