"""The node itself: checks, version, database, key, address."""

import asyncio
from datetime import datetime
from importlib.metadata import version
from typing import Final

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from admin_ui.desk import Desk, desk_of
from node.doctor import Finding, Severity
from node.doctor.examination import CHECKS
from node.doctor.facts import read_facts
from node.doctor.finding import Subject
from node.members.model import Role
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.pages.serving import formats_of
from node.web.rendering import render
from node.web.views import Fact, Status, StatusTone

_TONES: Final[dict[Severity, StatusTone]] = {
    Severity.OK: "ok",
    Severity.NOTE: "neutral",
    Severity.WARNING: "warning",
    Severity.ERROR: "danger",
}


async def show(request: web.Request) -> web.Response:
    """Examine the node and show the findings, the worst first."""
    desk = desk_of(request)
    subject = await _subject(desk)
    # The checks look at files and call the node from outside.
    findings = await asyncio.to_thread(_examined, subject)
    order = list(_TONES)
    findings.sort(key=lambda each: -order.index(each.severity))
    context = desk.node.context
    backup = await asyncio.to_thread(lambda: desk.node.backups.status)
    engines = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    engine = context.database.engine_name
    facts = [
        Fact(_("Program version"), version("spalier")),
        Fact(_("Address"), context.address.base_url),
        Fact(_("Database"), engines.get(engine, engine)),
        Fact(_("Key"), context.signer.key.public_key.fingerprint),
        Fact(_("Node"), context.node_id),
        Fact(_("Last backup"), _when(request, backup.made_at)),
        Fact(_("Last successful trial restore"), _when(request, backup.verified_at)),
    ]
    return render(
        request,
        "admin_ui/system.html",
        {
            "findings": [(each, _status(each)) for each in findings],
            "has_moved": bool(context.address.former),
            "may_close": desk.person.role is Role.NODE_ADMIN,
            "verdict": _verdict(findings),
            "facts": facts,
        },
    )


async def _subject(desk: Desk) -> Subject:
    config = desk.node.config
    try:
        facts = await read_facts(desk.node.folder, config.database.url)
    except (OSError, SQLAlchemyError):
        facts = None
    return Subject(
        folder=desk.node.folder,
        config=config,
        facts=facts,
        serving=True,
        now=desk.now,
    )


def _when(request: web.Request, at: datetime | None) -> str:
    return _("never") if at is None else formats_of(request).write_datetime(at)


def _examined(subject: Subject) -> list[Finding]:
    return [found for check in CHECKS for found in check.findings(subject)]


def _status(finding: Finding) -> Status:
    words = {
        Severity.OK: _("in order"),
        Severity.NOTE: _("note"),
        Severity.WARNING: _("warning"),
        Severity.ERROR: _("error"),
    }
    return Status(words[finding.severity], _TONES[finding.severity])


def _verdict(findings: list[Finding]) -> str:
    worrying = sum(
        each.severity in {Severity.WARNING, Severity.ERROR} for each in findings
    )
    if not worrying:
        return _("Everything is in order.")
    return ngettext(
        "%(num)s thing needs attention.", "%(num)s things need attention.", worrying
    )
