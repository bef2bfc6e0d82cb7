"""`ledger`: what went to whom, its history, and the receipts that show it."""

from typing import TYPE_CHECKING, Any

from federation.strict_json import loads_object
from node.catalogue.model import Entry
from node.control.commands.acting import acting_person
from node.control.commands.described import timestamp, waiting_document
from node.control.request import ControlRequest
from node.errors import InvalidInputError, NotAuthorisedError, NotFoundError
from node.ledger import LedgerLine
from node.members.model import Person
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.app import Node


async def ledger(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what was told to whom, about one entry or about all, the latest first."""
    actor = await acting_person(node, request)
    reference = request.optional_text("entry")
    limit = request.number("limit", default=0)
    if limit < 0:
        raise InvalidInputError("Give a number of lines, 1 or more.", path="limit")
    if reference is not None:
        entry = await _entry(node, actor, reference)
        lines = await node.ledger.lines_of_entry(entry.id)
    else:
        _require(is_allowed=actor.is_office)
        if limit:
            lines = await node.ledger.page(limit=limit)
        else:
            lines = [line async for line in node.ledger.each_line()]
            lines.sort(key=lambda line: line.recorded_at, reverse=True)
    return {"rows": [_row(line) for line in lines[: limit or None]]}


async def history(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what partners ever confirmed of one entry, the latest first."""
    actor = await acting_person(node, request)
    entry = await _entry(node, actor, request.text("entry"))
    base_urls = {each.id: each.base_url for each in await node.partners.list()}
    return {
        "entry": entry.uri,
        "rows": [_row(line) for line in await node.ledger.lines_of_entry(entry.id)],
        "history": [
            {
                "partner": base_urls[each.partner_id],
                "position": each.seq,
                "version": [each.version.incarnation, each.version.counter],
                "op": each.op,
                "form": each.form,
                "rule": each.reason,
                "recorded_at": timestamp(each.recorded_at),
                "told_at": timestamp(each.told_at),
                "acknowledged_at": timestamp(each.acknowledged_at),
                "refused_reason": each.refused_reason,
                "receipt": each.receipt_id,
            }
            for each in await node.ledger.history(entry.id)
        ],
    }


async def receipt(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show a partner's signed receipt, for the office only."""
    actor = await acting_person(node, request)
    _require(is_allowed=actor.is_office)
    wanted = request.text("receipt")
    found = await node.ledger.receipt(wanted)
    if found is None:
        raise NotFoundError(
            Sentence("There is no receipt {receipt}.", receipt=wanted),
            code="receipt-not-found",
            hint="`spalier ledger --history ENTRY` names them.",
        )
    base_urls = {each.id: each.base_url for each in await node.partners.list()}
    return {
        "receipt": found.id,
        "partner": base_urls[found.partner_id],
        "position": found.position,
        "received_at": timestamp(found.received_at),
        "document": loads_object(found.document),
    }


def _row(line: LedgerLine) -> dict[str, Any]:
    return {
        "partner": line.partner_base_url,
        "entry": line.entry_uri,
        "version": list(line.version),
        "op": line.op,
        "form": line.form,
        "told_at": timestamp(line.told_at),
        "acknowledged_at": timestamp(line.acknowledged_at),
        "refused_reason": line.refused_reason,
        "held": None if line.held is None else list(line.held),
        "receipt": line.receipt_id,
        **waiting_document(line),
    }


async def _entry(node: "Node", actor: Person, reference: str) -> Entry:
    """Load the entry that is asked about; for the office also a deleted one."""
    found = await node.ledger.entry(reference) if actor.is_office else None
    if found is None:
        found, _ = await node.catalogue.show(actor, reference)
    _require(is_allowed=actor.may_act_for(found.organisation_id))
    return found


def _require(*, is_allowed: bool) -> None:
    if not is_allowed:
        raise NotAuthorisedError(
            "The ledger is for the office and for the owner of an entry.",
            hint="Name an entry of your organisation, or leave out --as.",
        )
