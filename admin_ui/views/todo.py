"""“To be done”: everything that waits for a decision of the office."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.views.joining import PATH as JOIN_PATH
from admin_ui.views.own_move import PATH as OWN_MOVE_PATH
from admin_ui.views.partner_keys import question_of
from admin_ui.views.partner_move import PART as MOVE_PART
from admin_ui.views.restored import PATH as RESTORED_PATH
from admin_ui.views.restored import open_questions
from admin_ui.wording import plain_failure
from node.conversations.model import UnansweredThread
from node.keys.telling import waited_for
from node.members.model import Role
from node.office import Unreachable
from node.partners.model import Partner
from node.partners.moving import AnnouncedMove
from node.web.i18n import gettext as _
from node.web.i18n import localized, ngettext
from node.web.rendering import render
from node.web.views import Action, StatusTone


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One thing to decide or to look after.

    Attributes:
        kind: What it is about, in two words.
        number: A check number to compare, if that is the task.
        foreign: Language of the title if it is not the page's.
    """

    kind: str
    title: str
    text: str
    tone: StatusTone = "warning"
    since: datetime | None = None
    number: str = ""
    actions: tuple[Action, ...] = ()
    foreign: str = ""


async def show(request: web.Request) -> web.Response:
    """Show the list and how large the cluster is."""
    desk = desk_of(request)
    tasks = await tasks_of(desk)
    return render(
        request,
        "admin_ui/todo.html",
        {"tasks": tasks, "counters": await desk.overview.counters()},
    )


async def tasks_of(desk: Desk) -> Sequence[Task]:
    """Collect what waits, decisions about partners first."""
    node = desk.node
    tasks = [_request(each) for each in await node.partners.open_requests()]
    tasks += [_ask_again(each) for each in await node.partners.unanswerable()]
    tasks += [_suspended(desk, each) for each in await node.partners.suspended()]
    tasks += [_moved(each) for each in await node.partners.moves.announced()]
    tasks += await _own_move(desk)
    tasks += [_uncompared(each) for each in await node.partners.uncompared()]
    tasks += [_unreleased(each) for each in await node.partners.releasing.unreleased()]
    tasks += [_rules_end(each, desk) for each in await node.partners.policies.ending()]
    tasks += await _keys(desk)
    tasks += await _unaccounted(desk)
    tasks += [_unreachable(each) for each in await desk.overview.unreachable()]
    tasks += await _mails(desk)
    tasks += await _entries(desk)
    tasks += [_unanswered(desk, each) for each in await node.conversations.unanswered()]
    return tasks


async def count(desk: Desk) -> Mapping[str, int]:
    """Count what waits, for the menu."""
    number = len(await tasks_of(desk))
    return {"office": number, "office-todo": number}


def _request(partner: Partner) -> Task:
    base = f"/admin/partner/{partner.id}"
    facts = [partner.base_url.partition("://")[2]]
    members = partner.card.get("members")
    if isinstance(members, int):
        facts.append(ngettext("%(num)s member", "%(num)s members", members))
    field = partner.card.get("field")
    if isinstance(field, str):
        facts.append(field)
    return Task(
        kind=_("Partner request"),
        title=_("%(name)s wants to be connected", name=partner.name),
        text=" · ".join(facts),
        since=partner.created_at,
        number=partner.check_number,
        actions=(
            Action(
                label=_("Numbers are equal: connect"),
                href=f"{base}/bestaetigen",
                method="post",
                tone="primary",
                fields={
                    "verglichen": "ja",
                    # The list is shown on the next task.
                    "freigabe": "spaeter",
                    "anfrage": partner.request_id,
                    "pruefzahl": partner.check_number,
                },
                describes=partner.name,
            ),
            Action(label=_("Look at it closely"), href=base, describes=partner.name),
            Action(
                label=_("Refuse"),
                href=f"{base}/ablehnen",
                tone="quiet",
                describes=partner.name,
            ),
        ),
    )


def _ask_again(partner: Partner) -> Task:
    return Task(
        kind=_("Partner request"),
        title=_("%(name)s cannot answer your request", name=partner.name),
        text=plain_failure(partner),
        since=partner.created_at,
        actions=(
            Action(
                label=_("Enter the code again"),
                href=JOIN_PATH,
                tone="primary",
                describes=partner.name,
            ),
        ),
    )


async def _unaccounted(desk: Desk) -> list[Task]:
    number = await open_questions(desk)
    if not number:
        return []
    return [
        Task(
            kind=_("Comparison"),
            title=ngettext(
                "Decide about %(num)s entry that a partner cluster holds",
                "Decide about %(num)s entries that partner clusters hold",
                number,
            ),
            text=_("This node cannot explain what it is told about them."),
            actions=(
                Action(label=_("Look and decide"), href=RESTORED_PATH, tone="primary"),
            ),
        )
    ]


def _suspended(desk: Desk, partner: Partner) -> Task:
    question = question_of(desk, partner)
    return Task(
        kind=_("Key of a partner"),
        title=_("Compare the key of %(name)s by telephone", name=partner.name),
        text="" if question is None else question.reason,
        tone="danger",
        actions=(
            Action(
                label=_("Compare the key"),
                href=f"/admin/partner/{partner.id}",
                tone="primary",
                describes=partner.name,
            ),
        ),
    )


def _moved(move: AnnouncedMove) -> Task:
    name = move.partner.name
    return Task(
        kind=_("Move of a partner"),
        title=_("%(name)s says that it has moved", name=name),
        text=_(
            "It announces the address %(address)s. Nothing has changed yet: please call"
            " its office first.",
            address=move.new,
        ),
        since=move.since,
        actions=(
            Action(
                label=_("Compare and decide"),
                href=f"/admin/partner/{move.partner.id}/{MOVE_PART}",
                tone="primary",
                describes=name,
            ),
        ),
    )


async def _own_move(desk: Desk) -> list[Task]:
    """Remind of the partners that have not confirmed our own move."""
    missing = await desk.node.own_move.missing()
    if missing is None:
        return []
    return [
        Task(
            kind=_("Our new address"),
            title=ngettext(
                "%(num)s partner cluster has not confirmed the new address",
                "%(num)s partner clusters have not confirmed the new address",
                missing.open,
            ),
            text=_("Call their offices and read out this number:"),
            since=missing.moved_at,
            number=missing.number,
            actions=(Action(label=_("Show who is missing"), href=OWN_MOVE_PATH),),
        )
    ]


def _uncompared(partner: Partner) -> Task:
    return Task(
        kind=_("Check number"),
        title=_("Compare the check number with %(name)s", name=partner.name),
        text=_(
            "Call the other office. Both must read the same number. Until then only"
            " public entries go back and forth."
        ),
        since=partner.active_since,
        number=partner.check_number,
        actions=(
            Action(
                label=_("The numbers are equal"),
                href=f"/admin/partner/{partner.id}/verglichen",
                method="post",
                tone="primary",
                describes=partner.name,
            ),
            Action(
                label=_("The numbers differ"),
                href=f"/admin/partner/{partner.id}/beenden",
                tone="quiet",
                describes=partner.name,
            ),
        ),
    )


def _unreleased(partner: Partner) -> Task:
    return Task(
        kind=_("Release"),
        title=_("Release to %(name)s what is for all", name=partner.name),
        text=_(
            "Until then it sees only what is public, and what names it. Look at the"
            " list first."
        ),
        tone="neutral",
        since=partner.active_since,
        actions=(
            Action(
                label=_("Look at the list"),
                href=f"/admin/partner/{partner.id}/freigabe",
                tone="primary",
                describes=partner.name,
            ),
        ),
    )


def _rules_end(partner: Partner, desk: Desk) -> Task:
    last = min(
        day
        for day in (partner.policy_out.valid_until, partner.policy_in.valid_until)
        if day is not None
    )
    days = (last - desk.now.date()).days
    return Task(
        kind=_("Rules"),
        title=_("The rules for %(name)s end", name=partner.name),
        text=ngettext(
            "In %(num)s day “Getting to know” counts at most.",
            "In %(num)s days “Getting to know” counts at most.",
            max(days, 0) + 1,
        ),
        actions=(
            Action(
                label=_("Look at the rules"),
                href=f"/admin/partner/{partner.id}/regeln",
                tone="primary",
                describes=partner.name,
            ),
        ),
    )


async def _keys(desk: Desk) -> list[Task]:
    """Ask for a backup of the keys, and for calls after a revocation."""
    context = desk.node.context
    ring = context.keys
    steps: tuple[Action, ...] = ()
    whose = _("Your technical administrator does this on the page “Keys”.")
    if desk.person.role is Role.NODE_ADMIN:
        whose = ""
        steps = (Action(label=_("Open the page “Keys”"), href="/admin/schluessel"),)
    tasks = []
    # Every page of the office counts the tasks, so this is one query.
    async with context.database.read() as tx:
        waiting = await waited_for(tx, ring.newest)
    strangers = [each for each in waiting if not ring.is_known_to(each)]
    if strangers:
        tasks.append(
            Task(
                kind=_("Key"),
                title=ngettext(
                    "%(num)s partner office has to compare your new key",
                    "%(num)s partner offices have to compare your new key",
                    len(strangers),
                ),
                text=_(
                    "Call and read out: %(fingerprint)s. Offices: %(names)s",
                    fingerprint=ring.active.fingerprint,
                    names=", ".join(each.name for each in strangers),
                ),
                tone="danger",
                since=ring.active.created_at,
                actions=steps,
            )
        )
    lacking = [each for each in ring.keys if each.is_live and not each.backed_up_at]
    if lacking and not desk.node.config.demo:
        text = _("If the server breaks, partner clusters no longer recognise yours.")
        tasks.append(
            Task(
                kind=_("Key"),
                title=_("There is no backup of the present key"),
                text=f"{text} {whose}".strip(),
                since=lacking[0].created_at,
                actions=steps,
            )
        )
    return tasks


def _unreachable(found: Unreachable) -> Task:
    partner = found.partner
    waiting = ngettext("%(num)s change waits.", "%(num)s changes wait.", found.waiting)
    return Task(
        kind=_("Delivery"),
        title=_("%(name)s does not answer", name=partner.name),
        text=f"{plain_failure(partner)} {waiting}",
        tone="danger",
        since=found.since,
        actions=(
            Action(
                label=_("Try now"),
                href=f"/admin/partner/{partner.id}/zustellen",
                method="post",
                describes=partner.name,
            ),
            Action(
                label=_("Show delivery"),
                href=f"/admin/partner/{partner.id}/zustellung",
                tone="quiet",
                describes=partner.name,
            ),
        ),
    )


async def _mails(desk: Desk) -> list[Task]:
    failed = await desk.node.mail.count_failed()
    if not failed:
        return []
    return [
        Task(
            kind=_("Mail"),
            title=ngettext(
                "%(num)s mail could not be sent",
                "%(num)s mails could not be sent",
                failed,
            ),
            text=_("The reason stands with each mail."),
            tone="danger",
            actions=(Action(label=_("Show mails"), href="/admin/post?zustand=failed"),),
        )
    ]


async def _entries(desk: Desk) -> list[Task]:
    tasks = []
    home = len(await desk.overview.staying_home())
    if home:
        tasks.append(
            Task(
                kind=_("Consent"),
                title=ngettext(
                    "%(num)s profile stays home",
                    "%(num)s profiles stay home",
                    home,
                ),
                text=_(
                    "They are meant for partner clusters, but the persons' consent is"
                    " not recorded."
                ),
                actions=(
                    Action(
                        label=_("Show profiles"), href="/admin/eintraege?zustand=home"
                    ),
                ),
            )
        )
    ending = len(await desk.overview.ending_soon())
    if ending:
        tasks.append(
            Task(
                kind=_("Entries"),
                title=ngettext(
                    "%(num)s entry ends within a week",
                    "%(num)s entries end within a week",
                    ending,
                ),
                text=_("Their owners are reminded by mail and can extend them there."),
                tone="neutral",
                actions=(
                    Action(
                        label=_("Show entries"), href="/admin/eintraege?zustand=ending"
                    ),
                ),
            )
        )
    return tasks


def _unanswered(desk: Desk, thread: UnansweredThread) -> Task:
    owner = thread.owner_organisation
    if thread.owner_name:
        owner = f"{thread.owner_name}, {owner}"
    asker = (
        _("A member of %(name)s", name=thread.partner_name)
        if thread.partner_name
        else _("A member of your cluster")
    )
    title = localized(thread.entry_title)
    entry_id = desk.node.context.address.entry_local_id(thread.entry_uri)
    return Task(
        kind=_("Unanswered"),
        title=title.text,
        foreign=title.language if title.foreign else "",
        text=_("%(asker)s waits for an answer of %(owner)s.", asker=asker, owner=owner),
        since=thread.since,
        actions=(
            Action(label=_("Show entry"), href=f"/e/{entry_id}", describes=title.text),
        )
        if entry_id
        else (),
    )
