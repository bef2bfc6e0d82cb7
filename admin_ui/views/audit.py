"""The page “Log”: what was decided by whom, and whether the log is whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import role_label
from node.audit.log import PAGE_SIZE, AuditFilter, AuditLine
from node.control.commands.audit import described
from node.members.model import Person, Role
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.pages.wording import in_words
from node.web.rendering import render
from node.web.views import Status

PATH = "/admin/protokoll"
_DAY: Final = timedelta(days=1)
_LABELS: Final[Mapping[str, str]] = {
    "added": lazy_gettext("added"),
    "changed": lazy_gettext("changed"),
    "decided": lazy_gettext("decided"),
    "on": lazy_gettext("on"),
    "role": lazy_gettext("role"),
    "source": lazy_gettext("recorded in"),
}


@dataclass(frozen=True, slots=True)
class LogRow:
    """One decision as the page shows it."""

    number: int
    at: datetime
    who: str
    what: str
    reason: str
    changes: tuple[str, ...]


async def show(request: web.Request) -> web.Response:
    """Show decisions, the latest first, with what the reader filters by."""
    desk = desk_of(request)
    people = sorted(
        (each for each in await desk.node.members.list_persons() if each.is_office),
        key=lambda each: each.name.casefold(),
    )
    wanted, shown = _filter(request, people)
    lines = await desk.node.audit.list(wanted, limit=PAGE_SIZE + 1)
    older = None
    if len(lines) > PAGE_SIZE:
        lines = lines[:PAGE_SIZE]
        query = {key: value for key, value in shown.items() if value}
        older = request.rel_url.with_path(PATH).with_query(
            {**query, "vor": str(lines[-1].record.number)}
        )
    return render(
        request,
        "admin_ui/audit.html",
        {
            "rows": [_row(line) for line in lines],
            "people": people,
            "shown": shown,
            "older": None if older is None else str(older),
            "state": await _state(desk),
            "is_filtered": any(shown.values()) or wanted.before is not None,
        },
    )


async def export(request: web.Request) -> web.StreamResponse:
    """Send the whole log, one JSON row a line."""
    desk = desk_of(request)
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson; charset=utf-8",
            "Content-Disposition": 'attachment; filename="protokoll.jsonl"',
            "Cache-Control": "private, no-store",
        }
    )
    await response.prepare(request)
    async for line in desk.node.audit.lines():
        row = described(line)
        del row["words"]
        await response.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
    await response.write_eof()
    return response


async def _state(desk: Desk) -> Status:
    check = await desk.node.audit.check()
    if check.damage is None:
        return Status(_("complete: every row fits the one before"), "ok")
    return Status(_("damaged at row %(number)s", number=check.damage.number), "danger")


def _filter(
    request: web.Request, people: list[Person]
) -> tuple[AuditFilter, dict[str, str]]:
    """Read the query; what cannot be read filters nothing."""
    wanted, shown = AuditFilter(), {"von": "", "bis": "", "wer": ""}
    since, until = (_day(request.query.get(key, "")) for key in ("von", "bis"))
    if since is not None:
        shown["von"] = since.date().isoformat()
        wanted = replace(wanted, since=since)
    if until is not None:
        shown["bis"] = until.date().isoformat()
        wanted = replace(wanted, until=until + _DAY)
    who = request.query.get("wer", "")
    if who in {each.id for each in people}:
        shown["wer"] = who
        wanted = replace(wanted, person_id=who)
    before = request.query.get("vor", "")
    if before.isdecimal() and len(before) < len(str(2**62)):
        wanted = replace(wanted, before=int(before))
    return wanted, shown


def _day(text: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        return None


def _row(line: AuditLine) -> LogRow:
    details = line.record.details or {}
    before: Mapping[str, Any] = details.get("before") or {}
    after: Mapping[str, Any] = details.get("after") or {}
    names = [*before, *(name for name in after if name not in before)]
    return LogRow(
        number=line.record.number,
        at=line.record.at,
        who=line.person or _("the node"),
        what=in_words(line.sentence),
        reason=line.record.reason or "",
        changes=tuple(_change(name, before, after) for name in names),
    )


def _change(name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Say what one value was and is, e.g. role: member → office."""
    label = str(_LABELS.get(name, name))
    if name not in before:
        return f"{label}: {_value(name, after[name])}"
    return f"{label}: {_value(name, before[name])} → {_value(name, after.get(name))}"


def _value(name: str, value: object) -> str:
    if name == "role" and isinstance(value, str) and value in set(Role):
        return role_label(Role(value))
    if value is None:
        return _("none")
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
