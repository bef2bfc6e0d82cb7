"""Steps in the life of an own entry, each with a page that says what happens."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from aiohttp import web

from node.catalogue.catalogue import Catalogue
from node.catalogue.model import Entry, EntryState
from node.catalogue.publication import may_be_confirmed
from node.errors import ConflictError, NotAuthorisedError, NotFoundError
from node.members.model import Person
from node.signin.links import CONFIRM_ENTRY_PATH, LinkPurpose
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.pages.cards import entry_path
from node.web.pages.entry_audience import held_by
from node.web.pages.feed import PATH as START_PATH
from node.web.pages.serving import formats_of, node_of
from node.web.pages.wording import in_words
from node.web.rendering import render
from schemas import KINDS

_MINE_PATH = "/meine"
_Take: TypeAlias = Callable[[Catalogue, Person, str], Awaitable[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that its owner can do with an entry.

    Attributes:
        name: Last part of the address.
        label: What the button says.
        question: Heading of the page.
        done: What is said afterwards.
        final: Whether it takes the entry away.
    """

    name: str
    label: str
    question: str
    done: str
    take: _Take
    states: frozenset[EntryState]
    final: bool = False

    def fits(self, entry: Entry) -> bool:
        """Whether the step makes sense for an entry as it is now."""
        if self.name == CONFIRM and not may_be_confirmed(entry.kind, entry.state):
            return False
        if self.name == FULFIL and KINDS[entry.kind].purpose is None:
            return False
        return entry.state in self.states


CONFIRM, FULFIL, WITHDRAW, DELETE = (
    "gilt-weiter",
    "gefunden",
    "zurueckziehen",
    "loeschen",
)

STEPS: Mapping[str, Step] = {
    step.name: step
    for step in (
        Step(
            name=CONFIRM,
            label=lazy_gettext("Still valid"),
            question=lazy_gettext("Is the entry still valid?"),
            done=lazy_gettext("The entry goes on."),
            take=lambda catalogue, person, ref: catalogue.confirm(person, ref),
            states=frozenset({EntryState.PUBLISHED, EntryState.EXPIRED}),
        ),
        Step(
            name=FULFIL,
            label=lazy_gettext("Found, done"),
            question=lazy_gettext("Has the entry done its job?"),
            done=lazy_gettext("The entry is marked as done."),
            take=lambda catalogue, person, ref: catalogue.fulfil(person, ref),
            states=frozenset({EntryState.PUBLISHED}),
        ),
        Step(
            name=WITHDRAW,
            label=lazy_gettext("Withdraw"),
            question=lazy_gettext("Withdraw the entry?"),
            done=lazy_gettext("The entry is withdrawn."),
            take=lambda catalogue, person, ref: catalogue.withdraw(person, ref),
            states=frozenset({EntryState.PUBLISHED, EntryState.EXPIRED}),
            final=True,
        ),
        Step(
            name=DELETE,
            label=lazy_gettext("Delete"),
            question=lazy_gettext("Delete the entry for good?"),
            done=lazy_gettext("The entry is deleted."),
            take=lambda catalogue, person, ref: catalogue.delete(person, ref),
            states=frozenset(EntryState) - {EntryState.DELETED},
            final=True,
        ),
    )
}


async def _show_step(request: web.Request, step: Step) -> web.Response:
    person = signed_in(request)
    node = node_of(request)
    entry, _verdict = await node.catalogue.show(person, request.match_info["id"])
    if not person.may_change(
        organisation_id=entry.organisation_id,
        person_ids={entry.person_id, entry.author_id},
    ):
        raise NotAuthorisedError(
            "Somebody else is responsible for this entry.",
            hint="Ask its author, the organisation's administrator or the office.",
        )
    if not step.fits(entry):
        raise ConflictError(
            "The entry has changed; this is no longer possible.", code="wrong-state"
        )
    holders = held_by(await node.ledger.lines_of_entry(entry.id))
    return render(
        request,
        "pages/entry_step.html",
        {
            "step": step,
            "entry": entry,
            "effects": _effects(step, entry, holders),
            "back": entry_path(entry.id),
        },
    )


def _effects(step: Step, entry: Entry, holders: list[str]) -> list[str]:
    """Say what the step does, here and at partner clusters."""
    if step.name == CONFIRM:
        days = KINDS[entry.kind].default_lifetime_days or 0
        effects = [_("It is shown for another %(days)s days from today.", days=days)]
        if entry.state is EntryState.EXPIRED:
            effects.append(_("Everybody who could see it before sees it again."))
        elif holders:
            effects.append(_told_new_day(holders))
        return effects
    texts = {
        FULFIL: _("It is no longer shown to anybody but your organisation."),
        WITHDRAW: _(
            "It is no longer shown to anybody but your organisation. You can edit"
            " and publish it again later."
        ),
        DELETE: _("Its content is erased here and cannot be brought back."),
    }
    kept = _("Conversations about it stay with those who take part.")
    return [texts[step.name], _removal(holders), kept]


def _removal(holders: list[str]) -> str:
    if not holders:
        return _("No partner cluster was told of it, so nothing has to be removed.")
    return ngettext(
        "%(num)s partner cluster is asked to remove it: %(names)s.",
        "%(num)s partner clusters are asked to remove it: %(names)s.",
        len(holders),
        names=", ".join(holders),
    )


def _told_new_day(holders: list[str]) -> str:
    return ngettext(
        "%(num)s partner cluster is told the new last day: %(names)s.",
        "%(num)s partner clusters are told the new last day: %(names)s.",
        len(holders),
        names=", ".join(holders),
    )


async def _take_step(request: web.Request, step: Step) -> web.Response:
    person = signed_in(request)
    catalogue = node_of(request).catalogue
    entry = await step.take(catalogue, person, request.match_info["id"])
    back = (await request.post()).get("zurueck")
    if step.name == DELETE:
        target = _MINE_PATH
    else:
        target = START_PATH if back == "start" else entry_path(entry.id)
    return see_other(request, target, flash=_done(request, step, entry))


def _done(request: web.Request, step: Step, entry: Entry) -> str:
    if step.name == CONFIRM and entry.valid_until is not None:
        day = formats_of(request).write_date(entry.valid_until)
        return _("The entry is valid until %(day)s.", day=day)
    return str(step.done)


async def show_confirmation(request: web.Request) -> web.Response:
    """Show the button behind the link of a reminder; opening it changes nothing."""
    node = node_of(request)
    try:
        link = await node.sign_in.inspect_link(request.match_info["token"])
        if link.purpose is not LinkPurpose.CONFIRM_ENTRY or link.subject is None:
            raise NotFoundError("This link does not exist.", code="link-unknown")
        entry, _verdict = await node.catalogue.show(link.person, link.subject)
    except (NotFoundError, ConflictError) as error:
        return _confirmation_over(request, error)
    lifetime = KINDS[entry.kind].default_lifetime_days or 0
    context = {"entry": entry, "days": lifetime}
    return render(request, "pages/confirm_entry.html", context)


async def confirm_by_link(request: web.Request) -> web.Response:
    """Confirm an entry with the link of a reminder, without signing in."""
    node = node_of(request)
    try:
        entry = await node.sign_in.redeem_confirm_link(
            request.match_info["token"], node.catalogue.confirm
        )
    except (NotFoundError, ConflictError) as error:
        return _confirmation_over(request, error)
    return render(request, "pages/entry_confirmed.html", {"entry": entry})


def _confirmation_over(
    request: web.Request, error: NotFoundError | ConflictError
) -> web.Response:
    status = 410 if isinstance(error, ConflictError) else error.status
    context = {"reason": in_words(error.message)}
    return render(request, "pages/confirm_over.html", context, status=status)


def register(app: web.Application) -> None:
    """Add a page and a form for each step, and the links of reminders."""
    for step in STEPS.values():
        show, take = _handlers(step)
        app.router.add_get(f"/e/{{id}}/{step.name}", show)
        app.router.add_post(f"/e/{{id}}/{step.name}", take)
    app.router.add_get(f"{CONFIRM_ENTRY_PATH}{{token}}", show_confirmation)
    app.router.add_post(f"{CONFIRM_ENTRY_PATH}{{token}}", confirm_by_link)


_Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]


def _handlers(step: Step) -> tuple[_Handler, _Handler]:
    async def show(request: web.Request) -> web.Response:
        return await _show_step(request, step)

    async def take(request: web.Request) -> web.Response:
        return await _take_step(request, step)

    return show, take
