"""“Check visibility”: who sees an entry, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import audience_words, entry_status, explain
from node.catalogue.model import Entry
from node.errors import NodeError, NotFoundError
from node.visibility import PartnerViewer, PublicViewer, Verdict, Viewer
from node.web.i18n import gettext as _
from node.web.i18n import localized
from node.web.pages.wording import in_words
from node.web.rendering import render
from node.web.views import Status

PATH: Final = "/admin/sichtbarkeit/pruefen"
CANDIDATES_MAX: Final = 20
_PUBLIC_WORDS: Final = frozenset({"public", "öffentlich", "oeffentlich"})


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether somebody sees the entry, by which rule and why."""

    who: str
    status: Status
    rule: str
    reason: str


async def show(request: web.Request) -> web.Response:
    """Answer for one viewer, or for every partner and the public."""
    desk = desk_of(request)
    who = request.query.get("wer", "").strip()
    what = request.query.get("eintrag", "").strip()
    findings: list[Finding] = []
    problem = ""
    candidates = await _candidates(desk, what) if what else []
    entry = candidates[0] if len(candidates) == 1 else None
    if what and not candidates:
        problem = _(
            "No entry fits “%(text)s”. Type a part of its title, or paste its address.",
            text=what,
        )
    if entry is not None:
        try:
            findings = await _findings(desk, entry, who)
        except NodeError as error:
            problem = _not_found(error, who)
    title = localized(entry.title).text if entry is not None else ""
    if title and len(await _candidates(desk, title)) == 1:
        what = title  # what a person recognises, where it says the same
    partners = await desk.node.partners.list()
    names = {partner.id: partner.name for partner in partners}
    return render(
        request,
        "admin_ui/visibility.html",
        {
            "who": who,
            "what": what,
            "findings": findings,
            "problem": problem,
            "entry": entry,
            "entry_title": title,
            "entry_status": entry_status(entry.state) if entry else None,
            "audience": audience_words(entry, names) if entry else "",
            "candidates": candidates[:CANDIDATES_MAX] if len(candidates) > 1 else [],
            "partners": sorted(names.values(), key=str.casefold),
        },
        status=422 if problem else 200,
    )


async def _candidates(desk: Desk, what: str) -> list[Entry]:
    """Find entries by id, address, or words of the title."""
    own = await desk.node.catalogue.mine(desk.person)
    local_id = desk.node.context.address.entry_local_id(what) or what.rpartition("/")[2]
    exact = [entry for entry in own if entry.id == local_id]
    if exact:
        return exact
    words = what.casefold().split()
    return [
        entry
        for entry in own
        if all(word in " ".join(entry.title.values()).casefold() for word in words)
    ]


async def _findings(desk: Desk, entry: Entry, who: str) -> list[Finding]:
    viewers = [await _viewer(desk, who)] if who else await _all_viewers(desk)
    return [
        _finding(name, await desk.node.catalogue.why(viewer, entry.id))
        for name, viewer in viewers
    ]


async def _viewer(desk: Desk, who: str) -> tuple[str, Viewer]:
    if who.casefold() in _PUBLIC_WORDS:
        return _("Public, without signing in"), PublicViewer()
    if "@" in who:
        person = await desk.node.members.person_by_email(who)
        return f"{person.name}, {person.organisation_name}", person
    partner = await desk.node.partners.find(who)
    return partner.name, PartnerViewer.of(partner)


async def _all_viewers(desk: Desk) -> Sequence[tuple[str, Viewer]]:
    partners = await desk.node.partners.list()
    viewers: list[tuple[str, Viewer]] = [
        (each.name, PartnerViewer.of(each)) for each in partners
    ]
    return [*viewers, (_("Public, without signing in"), PublicViewer())]


def _finding(name: str, verdict: Verdict) -> Finding:
    status = (
        Status(_("sees it"), "ok")
        if verdict.visible
        else Status(_("does not see it"), "neutral")
    )
    reason = in_words(verdict.reason)
    return Finding(name, status, verdict.rule, reason)


def _not_found(error: NodeError, who: str) -> str:
    if isinstance(error, NotFoundError):
        return _(
            "Nobody is known as “%(text)s”. Type a member's e-mail, a partner's name,"
            " or “public”.",
            text=who,
        )
    return explain(error)
