"""`keys …`: the node's own keys, their backup and their emergencies."""

import base64
from typing import TYPE_CHECKING, Any

from node.control.commands.acting import person_by_email
from node.control.commands.described import timestamp
from node.control.request import ControlRequest
from node.keys.backups import Restoration
from node.keys.model import NodeKey
from node.keys.rules import require_admin
from node.keys.status import effects_of_revocation, key_status
from node.members.model import Person
from node.partners.model import Partner

if TYPE_CHECKING:
    from node.app import Node

MENDING = frozenset(
    {
        *("keys.check", "keys.effects", "keys.list", "keys.replace"),
        *("keys.restore", "keys.retire", "keys.revoke"),
    }
)
"""Commands that run although a secret key is missing."""


async def list_keys(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List every key, and whom a change of keys waits for."""
    await _admin(node, request)
    return await _standing(node)


async def rotate(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Announce a new key."""
    await node.own_keys.rotate(await _admin(node, request))
    return await _standing(node)


async def activate(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Sign with the announced key from now on."""
    await node.own_keys.activate(await _admin(node, request))
    return await _standing(node)


async def retire(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Let the old key go."""
    await node.own_keys.retire(await _admin(node, request))
    return await _standing(node)


async def effects(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Count what a revocation would touch."""
    await _admin(node, request)
    found = await effects_of_revocation(node.context)
    return {"entries": found.entries, "partners": found.partners}


async def revoke(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Revoke the key that signs, or another one."""
    number = request.number("number", default=0)
    await node.own_keys.revoke(
        await _admin(node, request),
        reason=request.text("reason"),
        number=number or None,
    )
    return await _standing(node)


async def replace(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Begin with a new key because the secret of the old one is lost."""
    await node.own_keys.replace_lost(
        await _admin(node, request), reason=request.text("reason")
    )
    return await _standing(node)


async def backup(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Encrypt the secret keys; the code is in this answer and nowhere else."""
    made = await node.key_backups.make(await _admin(node, request))
    active = node.context.keys.active
    status = await key_status(node.context)
    partners = [*status.progress.taken, *status.progress.waiting]
    return {
        "file": base64.b64encode(made.content).decode("ascii"),
        "code": made.code,
        "created": timestamp(made.created),
        "keys": list(made.numbers),
        "name": node.config.name,
        "language": node.config.default_language,
        "base_url": node.context.address.base_url,
        "number": active.number,
        "fingerprint": active.fingerprint,
        "partners": [_contact(each) for each in partners],
    }


async def backed_up(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Note that a backup was stored."""
    actor = await _admin(node, request)
    await node.key_backups.note_taken(actor, request.file("file"))
    return await _standing(node)


async def restore(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Put missing secret keys back."""
    done = await node.key_backups.restore(
        await _admin(node, request), request.file("file"), code=request.text("code")
    )
    return _restoration(node, done)


async def check(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what `restore` would do."""
    plan = await node.key_backups.check(
        await _admin(node, request), request.file("file"), code=request.text("code")
    )
    return _restoration(node, plan)


async def _admin(node: "Node", request: ControlRequest) -> Person | None:
    """Return the person named by `--as`; None for whoever is on the server itself."""
    if request.acting_as is None:
        return None
    person = await person_by_email(node, request.acting_as)
    require_admin(person)
    return person


async def _standing(node: "Node") -> dict[str, Any]:
    status = await key_status(node.context)
    return {
        "keys": [_key(node, key) for key in status.keys],
        "number": status.active.number,
        "fingerprint": status.active.fingerprint,
        "under_way": bool(status.announced or status.replaced),
        "due": timestamp(status.due_at),
        "taken": [_contact(each) for each in status.progress.taken],
        "waiting": [_contact(each) for each in status.progress.waiting],
        "to_be_compared": [
            _contact(each)
            for each in status.progress.waiting
            if not node.context.keys.is_known_to(each)
        ],
        "revoking": list(status.revoking),
        "unsigned": status.unsigned,
    }


def _key(node: "Node", key: NodeKey) -> dict[str, Any]:
    return {
        "number": key.number,
        "id": node.context.address.key(key.number),
        "fingerprint": key.fingerprint,
        "multibase": key.multibase,
        "state": key.state.value,
        "signs": key.number == node.context.keys.active.number,
        "created": timestamp(key.created_at),
        "activated": timestamp(key.activated_at),
        "retired": timestamp(key.retired_at),
        "revoked": timestamp(key.revoked_at),
        "reason": key.reason,
        "backed_up": timestamp(key.backed_up_at),
    }


def _contact(partner: Partner) -> dict[str, Any]:
    contact = partner.card.get("contact")
    return {
        "name": partner.name,
        "base_url": partner.base_url,
        "state": partner.state.value,
        "contact": contact if isinstance(contact, str) else None,
    }


def _restoration(node: "Node", found: Restoration) -> dict[str, Any]:
    active = node.context.keys.active
    return {
        "number": active.number,
        "fingerprint": active.fingerprint,
        "restored": list(found.restored),
        "present": list(found.present),
        "ended": list(found.ended),
        "unknown": list(found.unknown),
        "missing": list(found.missing),
    }
