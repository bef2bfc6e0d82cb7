"""`audit …`: what was decided by whom, and whether the log is whole."""

from dataclasses import replace
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

from federation.errors import FederationError
from federation.strict_json import loads_object
from node.audit.log import AuditCheck, AuditFilter, AuditLine
from node.control.commands.acting import acting_person, person_by_email
from node.control.commands.described import timestamp
from node.control.failures import words_of
from node.control.request import ControlRequest
from node.errors import InvalidInputError, NodeError, NotAuthorisedError
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.app import Node

_LINES = 100


async def list_lines(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List decisions, the latest first; for the office only."""
    await _require_office(node, request)
    limit = request.number("limit", default=_LINES)
    if limit < 1:
        raise InvalidInputError("Give a number of lines, 1 or more.", path="limit")
    wanted = AuditFilter(since=_day(request, "since"), until=_day(request, "until"))
    by = request.optional_text("by")
    if by is not None:
        person = await person_by_email(node, by)
        wanted = replace(wanted, person_id=person.id)
    about = request.optional_text("about")
    if about is not None:
        wanted = replace(wanted, subject_id=await _subject(node, about))
    lines = await node.audit.list(wanted, limit=limit)
    return {"rows": [described(line) for line in lines]}


async def verify(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Compute every hash again; with a receipt, say what was the newest row then."""
    await _require_office(node, request)
    check = await node.audit.check()
    document = _checked(check)
    if request.optional_text("receipt") is not None:
        try:
            parsed = loads_object(request.file("receipt"))
        except FederationError as error:
            raise InvalidInputError(
                Sentence("The receipt cannot be read: {reason}", reason=str(error)),
                path="receipt",
            ) from error
        found = await node.audit.newest_at(parsed)
        document["receipt"] = {
            "number": None if found is None else found.number,
            "at": None if found is None else timestamp(found.at),
        }
    return document


async def export(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Return the whole log, oldest first."""
    await _require_office(node, request)
    return {"rows": [described(line) async for line in node.audit.lines()]}


def described(line: AuditLine) -> dict[str, Any]:
    """Return a row as scripts and files get it."""
    record = line.record
    details = record.details or {}
    return {
        "number": record.number,
        "at": timestamp(record.at),
        "event": record.event,
        "sentence": line.sentence,
        "words": words_of(line.sentence),
        "by": line.person,
        "about": [record.subject_kind.value, record.subject_id],
        "reason": details.get("reason"),
        "before": details.get("before"),
        "after": details.get("after"),
        "hash": record.hash,
    }


def _checked(check: AuditCheck) -> dict[str, Any]:
    damage = check.damage
    return {
        "rows": check.head.number,
        "head": check.head.hash,
        "whole": damage is None,
        "first_damage": None
        if damage is None
        else {"number": damage.number, "missing": damage.missing},
    }


async def _subject(node: "Node", reference: str) -> str:
    """Return our id of a person (e-mail), a partner, or an entry."""
    if "@" in reference:
        return (await node.members.person_by_email(reference)).id
    try:
        return (await node.partners.find(reference)).id
    except NodeError:
        return node.context.address.entry_local_id(reference) or reference


def _day(request: ControlRequest, name: str) -> datetime | None:
    text = request.optional_text(name)
    if text is None:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError as error:
        raise InvalidInputError(
            "This is not a date (YYYY-MM-DD).", path=name
        ) from error


async def _require_office(node: "Node", request: ControlRequest) -> None:
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office may read the audit log.")
