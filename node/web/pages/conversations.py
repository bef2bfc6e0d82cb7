"""Messages: the conversations of a member, and one of them to read and answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import wtforms
from aiohttp import web
from wtforms.validators import InputRequired, Length

from federation.limits import MESSAGE_CHARACTERS_MAX
from node.conversations.model import NUMBER_PREFIX, Conversation, Message
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.members.model import Person, Role
from node.partners.model import Partner
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.forms import Form, read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.keys import NAVIGATION
from node.web.navigation import NavigationEntry
from node.web.pages.cards import owner_words
from node.web.pages.serving import node_of
from node.web.pages.wording import refusal
from node.web.rendering import render
from node.web.views import Action, Bubble, Delivery, Pagination, Status

PATH = "/nachrichten"
_EXCERPT = 160  # characters
_PER_PAGE = 20


class MessageForm(Form):
    """A message in plain text."""

    text = wtforms.TextAreaField(
        lazy_gettext("Your message"),
        [InputRequired(), Length(max=MESSAGE_CHARACTERS_MAX)],
    )
    certain = wtforms.BooleanField(lazy_gettext("Yes, give my name"))


class AnswerForm(MessageForm):
    """The first message to an owner, with or without a name."""

    hidden = wtforms.BooleanField(
        lazy_gettext("Stay hidden for now: answer under a box number"),
        description=lazy_gettext(
            "Your name and your organisation stay with your office until you give them."
        ),
    )


@dataclass(frozen=True, slots=True)
class OtherSide:
    """Who one talks with.

    Attributes:
        cluster: The partner cluster; empty within the own one.
    """

    name: str
    organisation: str
    cluster: str

    @property
    def words(self) -> str:
        """Name and organisation, as far as they are known."""
        return ", ".join(part for part in (self.name, self.organisation) if part)


@dataclass(frozen=True, slots=True)
class ThreadLine:
    """A conversation in the list.

    Attributes:
        excerpt: Beginning of the last message.
        mine: Whether the reader's side wrote that message.
    """

    href: str
    title: Mapping[str, str]
    other: OtherSide
    unread: int
    last: datetime
    excerpt: str
    mine: bool
    status: Status | None


def conversation_path(conversation_id: str) -> str:
    """Address of a conversation."""
    return f"{PATH}/{conversation_id}"


async def show_list(request: web.Request) -> web.Response:
    """List the person's conversations, the latest first."""
    person = signed_in(request)
    node = node_of(request)
    asked = request.query.get("seite", "1")
    page = int(asked) if asked.isdecimal() and len(asked) < len("10000") else 1
    page = max(1, page)
    total, found = await node.conversations.page_for(
        person, limit=_PER_PAGE, offset=(page - 1) * _PER_PAGE
    )
    partners = await node.partners.named(
        {each.partner_id for each in found if each.partner_id is not None}
    )
    lines = [await _line(request, person, each, partners) for each in found]
    unread = await node.conversations.count_unread(person)
    see_news = Action(label=_("See news"), href="/start", tone="primary")
    return render(
        request,
        "pages/conversations.html",
        {
            "lines": lines,
            "unread": unread,
            "see_news": see_news,
            "place": Pagination(page, max(1, -(-total // _PER_PAGE)), PATH),
        },
    )


async def show_one(request: web.Request) -> web.Response:
    """Show a conversation with a form for the next message."""
    person = signed_in(request)
    return await _thread_page(request, person, MessageForm(None))


async def reply(request: web.Request) -> web.Response:
    """Write the next message."""
    person = signed_in(request)
    form = await read_form(request, MessageForm)
    conversation_id = request.match_info["id"]
    if not form.validate():
        return await _thread_page(request, person, form, status=422)
    try:
        written = await node_of(request).conversations.reply(
            person, conversation_id, form.text.data or ""
        )
    except (ConflictError, InvalidInputError) as error:
        form.text.errors = [refusal(error)]
        return await _thread_page(request, person, form, status=error.status)
    return see_other(request, f"{conversation_path(written.id)}#letzte")


async def reveal(request: web.Request) -> web.Response:
    """Write with the own name from now on; asks before, because it is for good."""
    person = signed_in(request)
    form = await read_form(request, MessageForm)
    conversation_id = request.match_info["id"]
    if not form.validate() or not form.certain.data:
        if not form.errors:
            form.certain.errors = [_("Confirm that your name is given.")]
        return await _thread_page(request, person, form, status=422)
    try:
        written = await node_of(request).conversations.reveal(
            person, conversation_id, form.text.data or ""
        )
    except (ConflictError, InvalidInputError) as error:
        form.text.errors = [refusal(error)]
        return await _thread_page(request, person, form, status=error.status)
    return see_other(request, f"{conversation_path(written.id)}#letzte")


async def _thread_page(
    request: web.Request, person: Person, form: MessageForm, *, status: int = 200
) -> web.Response:
    node = node_of(request)
    thread = await node.conversations.show(person, request.match_info["id"])
    partner = await _partner(request, thread)
    return render(
        request,
        "pages/conversation.html",
        {
            "thread": thread,
            "other": await other_side(request, person, thread),
            "entry_href": await _entry_href(request, person, thread),
            "bubbles_shown": [
                _bubble(person, thread, message, partner) for message in thread.messages
            ],
            "form": form,
            "signature": _signature(person, thread),
        },
        status=status,
    )


def _signature(person: Person, thread: Conversation) -> str:
    """Say as what the reader writes while the name is hidden; empty if it is not."""
    as_owner = thread.owner_side and thread.asker_id != person.id
    if not thread.hides(as_owner=as_owner):
        return ""
    return shown_name(thread.number(as_owner=as_owner))


def shown_name(name: str) -> str:
    """Return an author's name; a box number in the reader's language."""
    if not name.startswith(NUMBER_PREFIX):
        return name
    number = name.removeprefix(NUMBER_PREFIX)
    return _("box number %(number)s", number=number)


async def _partner(request: web.Request, thread: Conversation) -> Partner | None:
    if thread.partner_id is None:
        return None
    partners = await node_of(request).partners.named({thread.partner_id})
    return partners.get(thread.partner_id)


async def _line(
    request: web.Request,
    person: Person,
    thread: Conversation,
    partners: Mapping[str, Partner],
) -> ThreadLine:
    last = thread.messages[-1] if thread.messages else None
    text = " ".join(last.text.split()) if last is not None else ""
    mine = last is not None and is_mine(person, thread, last)
    status = None
    if last is not None and mine:
        delivery = delivery_words(last, partners.get(thread.partner_id or ""))
        tone = {"failed": "danger", "waiting": "warning"}.get(delivery.state)
        if tone is not None:
            status = Status(delivery.text, "danger" if tone == "danger" else "warning")
    return ThreadLine(
        href=conversation_path(thread.id),
        title=thread.entry_title,
        other=await other_side(request, person, thread),
        unread=thread.unread,
        last=thread.last_message_at,
        excerpt=text if len(text) <= _EXCERPT else f"{text[:_EXCERPT].rstrip()}…",
        mine=mine,
        status=status,
    )


def is_mine(person: Person, thread: Conversation, message: Message) -> bool:
    """Whether the reader's side of the conversation wrote a message."""
    as_owner = thread.owner_side and thread.asker_id != person.id
    return message.from_owner is as_owner


def delivery_words(message: Message, partner: Partner | None) -> Delivery:
    """Say how far a message of the reader's side got."""
    if message.refused_reason is not None:
        reason = message.refused_reason
        return Delivery("failed", _("refused: %(reason)s", reason=reason))
    if message.delivered_at is None:
        if partner is not None and partner.attempts:
            words = _("waiting: the partner cluster does not answer at the moment")
        else:
            words = _("waiting to be delivered")
        return Delivery("waiting", words)
    if message.read_at is not None:
        return Delivery("read", _("delivered and opened"))
    return Delivery("delivered", _("delivered"))


def _bubble(
    person: Person, thread: Conversation, message: Message, partner: Partner | None
) -> Bubble:
    mine = is_mine(person, thread, message)
    return Bubble(
        author=shown_name(message.author_name),
        organisation=message.author_organisation,
        text=message.text,
        sent=message.sent_at,
        mine=mine,
        delivery=delivery_words(message, partner) if mine else None,
    )


async def other_side(
    request: web.Request, person: Person, thread: Conversation
) -> OtherSide:
    """Name the other side: as it wrote itself, else as the entry names it."""
    cluster = thread.partner_name or ""
    for message in reversed(thread.messages):
        if not is_mine(person, thread, message):
            name = shown_name(message.author_name)
            return OtherSide(name, message.author_organisation, cluster)
    if thread.other_name or thread.other_organisation:
        return OtherSide(
            thread.other_name or "", thread.other_organisation or "", cluster
        )
    try:
        item, _verdict = await node_of(request).feed.item(person, thread.entry_uri)
    except NotFoundError:
        return OtherSide("", "", cluster)
    if item.box_number is not None:
        return OtherSide(owner_words(item), "", cluster)
    return OtherSide(item.owner_person or "", item.owner_organisation, cluster)


async def _entry_href(
    request: web.Request, person: Person, thread: Conversation
) -> str | None:
    """Return the page of the entry; None if the reader cannot open it any more."""
    try:
        item, _verdict = await node_of(request).feed.item(person, thread.entry_uri)
    except NotFoundError:
        return None
    return f"/e/{item.local_id}"


def register(app: web.Application) -> None:
    """Add the pages."""
    app.router.add_get(PATH, show_list)
    app.router.add_get(f"{PATH}/{{id}}", show_one)
    app.router.add_post(f"{PATH}/{{id}}", reply)
    app.router.add_post(f"{PATH}/{{id}}/zeigen", reveal)
    app[NAVIGATION].add(
        NavigationEntry(
            name="messages",
            label=lazy_gettext("Messages"),
            path=PATH,
            role=Role.PERSON,
            order=30,
        )
    )
