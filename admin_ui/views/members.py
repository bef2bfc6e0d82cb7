"""Members: persons, organisations, and what the office does for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from aiohttp import web

from admin_ui.desk import Desk, desk_of, page_number
from admin_ui.forms import ConsentForm, PersonForm, RoleForm
from admin_ui.wording import explain, role_label
from node.errors import InvalidInputError, NodeError
from node.members.model import Organisation, Person, Role
from node.web.flash import see_other
from node.web.forms import Form, read_form
from node.web.i18n import gettext as _
from node.web.pages.wording import in_words
from node.web.rendering import render
from node.web.views import Pagination, Tab

PATH = "/admin/mitglieder"
ROWS_ON_PAGE = 50

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as the table draws it.

    Attributes:
        seen_at: When the person last used a page, as far as is known.
    """

    person: Person
    role: str
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrganisationRow:
    """An organisation with the number of its persons."""

    organisation: Organisation
    persons: int


async def show(request: web.Request) -> web.Response:
    """Show the persons who belong, or organisations, or those who have left."""
    desk = desk_of(request)
    text = request.query.get("q", "").strip()
    part = request.query.get("liste", "personen")
    persons = await desk.node.members.list_persons()
    organisations = [
        each
        for each in await desk.node.members.list_organisations()
        if not each.is_office
    ]
    present = [each for each in persons if each.left_at is None]
    gone = [each for each in persons if each.left_at is not None]
    values: dict[str, object] = {"part": part, "text": text}
    if part == "organisationen":
        found = [each for each in organisations if _fits(text, _words_of(each))]
        rows, place = _paged(request, found, part, text)
        values["rows"] = [
            OrganisationRow(
                each, sum(one.organisation_id == each.id for one in present)
            )
            for each in rows
        ]
    else:
        part = values["part"] = "fort" if part == "fort" else "personen"
        wanted = gone if part == "fort" else present
        matching = [each for each in wanted if _fits(text, _names_of(each))]
        people, place = _paged(request, matching, part, text)
        visits = await desk.overview.last_visits()
        values["rows"] = [
            PersonRow(each, role_label(each.role), visits.get(each.id))
            for each in people
        ]
    tabs = [
        Tab(_("Persons"), PATH, part == "personen", len(present)),
        Tab(
            _("Organisations"),
            f"{PATH}?liste=organisationen",
            part == "organisationen",
            len(organisations),
        ),
    ]
    if gone:
        tabs.append(Tab(_("Left"), f"{PATH}?liste=fort", part == "fort", len(gone)))
    return render(
        request,
        "admin_ui/members.html",
        {**values, "place": place, "tabs_shown": tabs, "nobody": len(persons) <= 1},
    )


async def new(request: web.Request) -> web.Response:
    """Add a person; the answer shows the link with which to choose a password."""
    desk = desk_of(request)
    organisations = await desk.node.members.list_organisations()
    form = await read_form(
        request, PersonForm, organisation=request.query.get("organisation", "")
    )
    problem = ""
    if request.method == "POST" and form.validate():
        try:
            person, link = await desk.node.members.add_person(
                desk.person,
                email=form.email.data or "",
                name=form.name.data or "",
                organisation=form.organisation.data or "",
                role=form.role.data or Role.PERSON,
                send_invitation=bool(form.send.data),
            )
        except NodeError as error:
            problem = _placed(error, form)
        else:
            # Not by a redirect: the link must stand in no address and no cookie.
            return _with_link(request, desk, person, link, mailed=bool(form.send.data))
    failed = bool(problem or form.errors)
    return render(
        request,
        "admin_ui/person_new.html",
        {"form": form, "problem": problem, "organisations": organisations},
        status=422 if failed else 200,
    )


async def person_page(request: web.Request) -> web.Response:
    """Show one person with everything that the office can do for them."""
    desk = desk_of(request)
    person = await desk.node.members.person(request.match_info["person_id"])
    return await _person(request, desk, person)


async def download_data(request: web.Request) -> web.Response:
    """Give everything that is stored about a person, which the audit log notes."""
    desk = desk_of(request)
    person = await desk.node.members.person(request.match_info["person_id"])
    return web.Response(
        body=await desk.node.own_data.archive(desk.person, person),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="daten-{person.id}.zip"',
            "Cache-Control": "private, no-store",
        },
    )


async def change_role(request: web.Request) -> web.Response:
    """Give a person another role."""
    desk = desk_of(request)
    person_id = request.match_info["person_id"]
    form = await read_form(request, RoleForm)
    if not form.validate():
        person = await desk.node.members.person(person_id)
        return await _person(request, desk, person, role_form=form)
    try:
        role = Role(form.role.data)
        person = await desk.node.members.change_role(desk.person, person_id, role)
    except NodeError as error:
        return _back(request, person_id, explain(error), failed=True)
    return _back(
        request,
        person_id,
        _(
            "%(name)s now has the role %(role)s.",
            name=person.name,
            role=form_role(form),
        ),
    )


async def change_consent(request: web.Request) -> web.Response:
    """Record a consent, or with the other button that it is withdrawn."""
    desk = desk_of(request)
    person_id = request.match_info["person_id"]
    withdrawn = "zurueck" in await request.post()
    form = await read_form(request, ConsentForm)
    if not withdrawn and not form.validate():
        person = await desk.node.members.person(person_id)
        return await _person(request, desk, person, consent_form=form)
    try:
        person = await desk.node.members.set_consent(
            desk.person,
            person_id,
            on=None if withdrawn else form.on.data,
            source=None if withdrawn else form.source.data,
        )
    except NodeError as error:
        return _back(request, person_id, explain(error), failed=True)
    text = (
        _("The consent of %(name)s has ended; the profile is taken back.")
        if withdrawn
        else _("The consent of %(name)s is recorded.")
    )
    return _back(request, person_id, text % {"name": person.name})


async def invite(request: web.Request) -> web.Response:
    """Mail a new link to choose a password, and show it."""
    desk = desk_of(request)
    person_id = request.match_info["person_id"]
    try:
        link = await desk.node.members.invite(desk.person, person_id)
        person = await desk.node.members.person(person_id)
    except NodeError as error:
        return _back(request, person_id, explain(error), failed=True)
    return _with_link(request, desk, person, link, mailed=True)


async def leave(request: web.Request) -> web.Response:
    """Say what happens when somebody leaves, and note it."""
    desk = desk_of(request)
    person = await desk.node.members.person(request.match_info["person_id"])
    if person.left_at is not None:
        return _back(request, person.id, _("This person has left already."))
    if request.method == "POST":
        try:
            await desk.node.members.mark_left(desk.person, person.id)
        except NodeError as error:
            return _back(request, person.id, explain(error), failed=True)
        return see_other(
            request, PATH, flash=_("%(name)s has left the cluster.", name=person.name)
        )
    return render(request, "admin_ui/person_leave.html", {"subject": person})


def form_role(form: RoleForm) -> str:
    """Name the chosen role."""
    return role_label(Role(form.role.data))


async def _person(
    request: web.Request,
    desk: Desk,
    person: Person,
    *,
    role_form: Form | None = None,
    consent_form: Form | None = None,
) -> web.Response:
    visits = await desk.overview.last_visits()
    wrong = role_form or consent_form
    context = {
        "subject": person,
        "role": role_label(person.role),
        "seen_at": visits.get(person.id),
        "role_form": role_form or RoleForm(None, role=person.role.value),
        "consent_form": consent_form
        or ConsentForm(None, on=person.consent_on, source=person.consent_source or ""),
        "wrong": wrong,
        "is_self": person.id == desk.person.id,
    }
    return render(
        request, "admin_ui/person.html", context, status=422 if wrong else 200
    )


def _with_link(
    request: web.Request, desk: Desk, person: Person, link: str, *, mailed: bool
) -> web.Response:
    return render(
        request,
        "admin_ui/person_link.html",
        {
            "subject": person,
            "link": link,
            "mailed": mailed,
            "sends": desk.node.mail.sends,
        },
    )


def _back(
    request: web.Request, person_id: str, text: str, *, failed: bool = False
) -> web.Response:
    return see_other(
        request,
        f"{PATH}/person/{person_id}",
        flash=text,
        tone="danger" if failed else "success",
    )


def _placed(error: NodeError, form: Form) -> str:
    """Put faults beside their fields; return what has no field."""
    if not isinstance(error, InvalidInputError) or not error.faults:
        if error.path in form:
            form[error.path].errors = [explain(error)]
            return ""
        return explain(error)
    rest = []
    for fault in error.faults:
        if fault.path in form:
            form[fault.path].errors = [in_words(fault.message)]
        else:
            rest.append(in_words(fault.message))
    return " ".join(rest)


def _paged(
    request: web.Request, rows: Sequence[T], part: str, text: str
) -> tuple[Sequence[T], Pagination]:
    pages = max(1, -(-len(rows) // ROWS_ON_PAGE))
    page = min(page_number(request), pages)
    query = {"liste": part} if part != "personen" else {}
    if text:
        query["q"] = text
    start = (page - 1) * ROWS_ON_PAGE
    return rows[start : start + ROWS_ON_PAGE], Pagination(page, pages, PATH, query)


def _fits(text: str, words: Sequence[str | None]) -> bool:
    wanted = text.casefold().split()
    found = " ".join(word for word in words if word).casefold()
    return all(each in found for each in wanted)


def _names_of(person: Person) -> tuple[str | None, ...]:
    return (
        person.name,
        person.email,
        person.organisation_name,
        person.function,
        person.external_id,
    )


def _words_of(organisation: Organisation) -> tuple[str | None, ...]:
    return (
        organisation.name,
        organisation.short_name,
        organisation.city,
        organisation.external_id,
    )
