"""Every command of a node by name."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from node.control.commands import (
    audiences,
    audit,
    backup,
    closing,
    conversations,
    entries,
    keys,
    ledger,
    members,
    moving,
    node_itself,
    partners,
    policies,
    restored,
)
from node.control.request import ControlRequest
from node.errors import InvalidInputError
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.app import Node

Command: TypeAlias = Callable[["Node", ControlRequest], Awaitable[dict[str, Any]]]

COMMANDS: Mapping[str, Command] = MappingProxyType(
    {
        "answer": conversations.answer,
        "audience.foresee-kind": audiences.foresee_kind,
        "audience.foresee-organisation": audiences.foresee_organisation,
        "audience.set-kind": audiences.set_kind,
        "audience.set-organisation": audiences.set_organisation,
        "audience.show": audiences.kinds,
        "audit.export": audit.export,
        "audit.list": audit.list_lines,
        "audit.verify": audit.verify,
        "archive.make": closing.make,
        "close-down": closing.close_down,
        "backup.create": backup.create,
        "backup.list": backup.list_kept,
        "backup.verify": backup.verify,
        "entry.confirm": entries.confirm,
        "entry.delete": entries.delete,
        "entry.fulfil": entries.fulfil,
        "entry.import": entries.import_file,
        "entry.list": entries.list_entries,
        "entry.publish": entries.publish,
        "entry.show": entries.show,
        "entry.withdraw": entries.withdraw,
        "feed": entries.feed,
        "group.change": audiences.change_group,
        "group.entries": audiences.group_entries,
        "group.list": audiences.groups,
        "group.make": audiences.make_group,
        "group.remove": audiences.remove_group,
        "keys.activate": keys.activate,
        "keys.backed-up": keys.backed_up,
        "keys.backup": keys.backup,
        "keys.check": keys.check,
        "keys.effects": keys.effects,
        "keys.list": keys.list_keys,
        "keys.replace": keys.replace,
        "keys.restore": keys.restore,
        "keys.retire": keys.retire,
        "keys.revoke": keys.revoke,
        "keys.rotate": keys.rotate,
        "ledger": ledger.ledger,
        "ledger.history": ledger.history,
        "ledger.receipt": ledger.receipt,
        "reveal": conversations.reveal,
        "members.add": members.add,
        "members.export": members.export,
        "members.identify": audiences.identify,
        "members.import": members.import_file,
        "members.list": members.list_members,
        "messages": conversations.messages,
        "move.status": moving.status,
        "partner.accept": partners.accept,
        "partner.announce-move": moving.announce,
        "partner.close": partners.close,
        "partner.compared": policies.compared,
        "partner.confirm": partners.confirm,
        "partner.confirm-key": partners.confirm_key,
        "partner.confirm-move": moving.confirm,
        "partner.effects": partners.effects,
        "partner.end": partners.end,
        "partner.fetch-again": partners.fetch_again,
        "partner.foresee-release": audiences.foresee_release,
        "partner.foresee-rules": policies.foresee_rules,
        "partner.forget-member": audiences.forget_member,
        "partner.hide": partners.hide,
        "partner.invite": partners.invite,
        "partner.list": partners.list_partners,
        "partner.members": audiences.partner_members,
        "partner.note-member": audiences.note_member,
        "partner.pause": partners.pause,
        "partner.preview": partners.preview,
        "partner.purge": partners.purge,
        "partner.refuse": partners.refuse,
        "partner.refuse-move": moving.refuse,
        "partner.release": audiences.release,
        "partner.report": partners.report,
        "partner.resume": partners.resume,
        "partner.rules": policies.rules,
        "partner.set-rules": policies.set_rules,
        "partner.show": partners.show,
        "partner.show-again": partners.show_again,
        "partner.stay": partners.stay,
        "partner.tell": restored.tell,
        "partner.try": partners.try_now,
        "restore.report": restored.report,
        "unaccounted.list": restored.list_unaccounted,
        "unaccounted.settle": restored.settle,
        "ping": node_itself.ping,
        "why": node_itself.why,
    }
)


async def run_command(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Run one command; the document is returned after the commit.

    Raises:
        InvalidInputError: There is no such command.
        NodeError: The command was refused.
    """
    command = COMMANDS.get(request.command)
    if command is None:
        raise InvalidInputError(
            Sentence(
                "This node knows no command “{command}”.", command=request.command
            ),
            code="command-unknown",
            hint="Use the same version of spalier for the command and for the node.",
        )
    return await command(node, request)
