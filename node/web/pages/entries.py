"""One entry: everything in it, who sees it, and the answer to it."""

from collections.abc import Sequence

from aiohttp import web

from node.catalogue.model import Entry, EntryState
from node.chiffre.looking import looks_at
from node.conversations.model import Conversation
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.feed.feed import FeedItem
from node.members.model import Person
from node.visibility import PublicViewer
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.formats import Formats
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import localized
from node.web.keys import PERSON, SITE
from node.web.pages import entry_steps
from node.web.pages.cards import (
    entry_path,
    event_time,
    is_open,
    owner_words,
    public_item,
)
from node.web.pages.conversations import (
    AnswerForm,
    conversation_path,
    shown_name,
)
from node.web.pages.entry_audience import (
    deliveries,
    own_audience,
    received_audience,
)
from node.web.pages.entry_fields import fields_of
from node.web.pages.entry_standing import standing_words
from node.web.pages.event_calendar import write_calendar
from node.web.pages.serving import formats_of, node_of
from node.web.pages.wording import kind_label, kind_tone, refusal, state_words
from node.web.rendering import render
from node.web.views import Action, Origin


async def show_entry(request: web.Request) -> web.Response:
    """Show an entry to a member, or a public one to anybody."""
    return await _entry_page(request, AnswerForm(None))


async def answer(request: web.Request) -> web.Response:
    """Send an answer to the owner; it opens a conversation or continues it."""
    person = signed_in(request)
    form = await read_form(request, AnswerForm)
    if not form.validate():
        return await _entry_page(request, form, status=422)
    item = await _find(request)
    try:
        thread = await node_of(request).conversations.answer(
            person,
            item.uri,
            form.text.data or "",
            hidden=bool(form.hidden.data),
        )
    except (ConflictError, InvalidInputError) as error:
        form.text.errors = [refusal(error)]
        return await _entry_page(request, form, status=error.status)
    sent = (
        _("Your answer to %(cluster)s is on its way.", cluster=item.origin_name)
        if thread.partner_id is not None
        else _("Your answer was delivered.")
    )
    return see_other(request, conversation_path(thread.id), flash=sent)


async def show_calendar(request: web.Request) -> web.Response:
    """Give an event as a file for calendars.

    Raises:
        NotFoundError: There is no such event for this reader.
    """
    item = await _find(request)
    if item.kind != "event" or not item.known_kind:
        raise NotFoundError("This entry is no event.")
    page = request.config_dict[SITE].base_url + entry_path(item.local_id)
    return web.Response(
        body=write_calendar(item, page=page),
        content_type="text/calendar",
        charset="utf-8",
        headers={"Content-Disposition": f'attachment; filename="{item.local_id}.ics"'},
    )


async def _find(request: web.Request) -> FeedItem:
    """Load the entry of the address as its reader may see it.

    Raises:
        NotFoundError: Absent or hidden; the answer is the same.
    """
    node, entry_id = node_of(request), request.match_info["id"]
    person: Person | None = request.get(PERSON)
    if person is None:
        entry, _verdict = await node.catalogue.show(PublicViewer(), entry_id)
        return public_item(entry, request.config_dict[SITE])
    item, _verdict = await node.feed.item(person, entry_id)
    return item


async def _entry_page(
    request: web.Request, form: AnswerForm, *, status: int = 200
) -> web.Response:
    person: Person | None = request.get(PERSON)
    item = await _find(request)
    formats = formats_of(request)
    shown = {
        "item": item,
        "kind_label": kind_label(item.kind if item.known_kind else ""),
        "tone": kind_tone(item.kind if item.known_kind else ""),
        "origin": Origin(item.origin_name, own=item.own and person is not None),
        "owner": owner_words(item),
        "status": state_words(item.state),
        "unconfirmed": item.unconfirmed_since,
        "fields": fields_of(item.content, formats) if item.known_kind else None,
        "when": _when(item, formats),
        "calendar_href": f"{entry_path(item.local_id)}.ics",
        "form": form,
        "answers": [],
        "shown_name": shown_name,
        "own_thread": None,
        "may_answer": False,
        "audience": None,
        "told": None,
        "standing": (),
        "acts": (),
        "looks": (),
    }
    if person is not None:
        shown.update(await _for_member(request, person, item))
        if form.errors:
            shown["may_answer"] = True  # what was typed is not lost
    return render(request, "pages/entry.html", shown, status=status)


def _when(item: FeedItem, formats: Formats) -> str:
    if item.kind != "event" or not item.known_kind:
        return ""
    return event_time(item.content, formats)


async def _for_member(
    request: web.Request, person: Person, item: FeedItem
) -> dict[str, object]:
    node = node_of(request)
    threads = await _threads(request, person, item)
    own_thread = next((each for each in threads if each.asker_id == person.id), None)
    of_others = item.organisation_id != person.organisation_id
    shown: dict[str, object] = {
        "answers": threads,
        "own_thread": own_thread,
        "may_answer": own_thread is None and is_open(item) and of_others,
    }
    if not item.own:
        shown["audience"] = received_audience(item)
        return shown
    entry, _verdict = await node.catalogue.show(person, item.local_id)
    shown["audience"] = await own_audience(request, entry)
    if may_change(person, entry):
        shown["told"] = await deliveries(request, entry.id)
        lines = await node.ledger.lines_of_entry(entry.id)
        shown["standing"] = standing_words(request, lines)
        shown["acts"] = _actions(entry)
        if entry.is_chiffre:
            shown["looks"] = await looks_at(node.context, entry.id)
    return shown


def may_change(person: Person, entry: Entry) -> bool:
    """Whether a person may edit and close an entry; the catalogue checks it again."""
    behind = entry.answerable
    return person.may_change(
        organisation_id=behind.organisation_id,
        person_ids={behind.person_id, behind.author_id},
    )


async def _threads(
    request: web.Request, person: Person, item: FeedItem
) -> Sequence[Conversation]:
    threads = await node_of(request).conversations.list_for(person)
    return [thread for thread in threads if thread.entry_uri == item.uri]


def _actions(entry: Entry) -> tuple[Action, ...]:
    title = localized(entry.title).text
    edit = Action(
        label=_("Edit"),
        href=entry_path(entry.id, "bearbeiten"),
        tone="primary" if entry.state is EntryState.DRAFT else "secondary",
        describes=title,
    )
    steps = tuple(
        Action(
            label=str(step.label),
            href=entry_path(entry.id, step.name),
            tone="danger" if step.final else "secondary",
            describes=title,
        )
        for step in entry_steps.STEPS.values()
        if step.fits(entry)
    )
    return edit, *steps


def register(app: web.Application) -> None:
    """Add the pages."""
    app.router.add_get("/e/{id}.ics", show_calendar)
    app.router.add_get("/e/{id}", show_entry)
    app.router.add_post("/e/{id}/antworten", answer)
    entry_steps.register(app)
