"""After a restore: what was changed, who has compared, and what the office decides."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import explain
from federation.exchange import HeldState
from federation.trust import TrustState
from node.errors import InvalidInputError, NodeError
from node.exchange.unaccounted import Settlement, UnaccountedEntry
from node.office.restored import Compared, Restored, last_restore
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.i18n import localized, ngettext
from node.web.rendering import render
from node.web.views import Action, Status

PATH: Final = "/admin/wiederherstellung"
_NAMED_MAX: Final = 20


@dataclass(frozen=True, slots=True)
class Change:
    """Something that the restore has changed.

    Attributes:
        sentence: What and how many.
        entries: Address and title of the first ones, where they can be looked at.
        more: How many others there are.
    """

    sentence: str
    entries: Sequence[tuple[str, str]] = ()
    more: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """An entry that the office has to decide about.

    Attributes:
        title: In the reader's language where there is one.
        foreign: Language of the title if it is another.
        told: What the partner says.
    """

    entry: UnaccountedEntry
    title: str
    foreign: str
    told: str
    actions: tuple[Action, ...]


async def show(request: web.Request) -> web.Response:
    """Show the last restore and what waits for the office."""
    desk = desk_of(request)
    node = desk.node
    restored = await last_restore(node.context, node.folder)
    questions = [_question(each) for each in await node.unaccounted.listed()]
    return render(
        request,
        "admin_ui/restored.html",
        {
            "restored": restored,
            "changes": [] if restored is None else _changes(restored),
            "partners": []
            if restored is None
            else [
                (each.partner, *_compared(each), _telling(each))
                for each in restored.partners
            ],
            "questions": questions,
        },
    )


async def settle(request: web.Request) -> web.Response:
    """Do what the office has decided about one entry.

    Raises:
        InvalidInputError: The form is not one of this page.
    """
    desk = desk_of(request)
    sent = await request.post()
    try:
        decided = Settlement(str(sent.get("entscheidung", "")))
    except ValueError as error:
        raise InvalidInputError("This choice is not known.") from error
    try:
        await desk.node.unaccounted.settle(
            desk.person,
            str(sent.get("eintrag", "")),
            str(sent.get("partner", "")),
            decided,
        )
    except NodeError as error:
        return see_other(request, PATH, flash=explain(error), tone="danger")
    return see_other(request, PATH, flash=_done(decided))


async def tell(request: web.Request) -> web.Response:
    """Tell a partner entries although it does not say what it holds."""
    desk = desk_of(request)
    sent = await request.post()
    try:
        partner = await desk.node.comparing.tell_uncompared(
            desk.person, str(sent.get("partner", ""))
        )
    except NodeError as error:
        return see_other(request, PATH, flash=explain(error), tone="danger")
    done = _("%(name)s is told your entries now.", name=partner.name)
    return see_other(request, PATH, flash=done)


async def open_questions(desk: Desk) -> int:
    """Count what waits for a decision."""
    return len(await desk.node.unaccounted.listed())


def _changes(restored: Restored) -> list[Change]:
    """Say what was changed, what can be looked at with its entries."""
    changes = []
    for what, sentence in _of_things(restored).items():
        ids = restored.named(what)
        if not ids:
            continue
        shown = [
            (f"/eintraege/{id_}", _title(restored, id_))
            for id_ in ids[:_NAMED_MAX]
            if what != "deleted" and id_ in restored.titles
        ]
        more = max(0, len(ids) - _NAMED_MAX) if shown else 0
        changes.append(Change(sentence, shown, more))
    mails, codes = restored.number("mails"), restored.number("invitations")
    if mails:
        sentence = ngettext(
            "%(num)s mail that waited in the backup is not sent: it may have left "
            "already.",
            "%(num)s mails that waited in the backup are not sent: they may have left "
            "already.",
            mails,
        )
        changes.append(Change(sentence))
    if codes:
        sentence = ngettext(
            "%(num)s open invitation code was taken back.",
            "%(num)s open invitation codes were taken back.",
            codes,
        )
        changes.append(Change(sentence))
    if restored.number("closing"):
        changes.append(Change(_("The cluster closes down, as was ordered.")))
    return changes


def _of_things(restored: Restored) -> dict[str, str]:
    """Return a sentence for each list of the report."""

    def number(what: str) -> int:
        return len(restored.named(what))

    return {
        "deleted": ngettext(
            "%(num)s entry was deleted again, because it had been deleted after the "
            "backup.",
            "%(num)s entries were deleted again, because they had been deleted after "
            "the backup.",
            number("deleted"),
        ),
        "closed": ngettext(
            "%(num)s entry was withdrawn or closed again.",
            "%(num)s entries were withdrawn or closed again.",
            number("closed"),
        ),
        "narrowed": ngettext(
            "%(num)s entry is again for fewer readers.",
            "%(num)s entries are again for fewer readers.",
            number("narrowed"),
        ),
        "older": ngettext(
            "%(num)s entry was changed after the backup and shows its older text. "
            "Please look at it.",
            "%(num)s entries were changed after the backup and show their older text. "
            "Please look at them.",
            number("older"),
        ),
        "lost": ngettext(
            "%(num)s entry was published after the backup and is lost here.",
            "%(num)s entries were published after the backup and are lost here.",
            number("lost"),
        ),
        "persons": ngettext(
            "%(num)s person has left, or may less, again.",
            "%(num)s persons have left, or may less, again.",
            number("persons"),
        ),
        "partners": ngettext(
            "%(num)s partnership is ended, stopped or hidden again.",
            "%(num)s partnerships are ended, stopped or hidden again.",
            number("partners"),
        ),
        "lost_partners": ngettext(
            "%(num)s partnership began after the backup and is lost here. Invite the "
            "other office again.",
            "%(num)s partnerships began after the backup and are lost here. Invite the "
            "other offices again.",
            number("lost_partners"),
        ),
        "purged": ngettext(
            "The copies of %(num)s partner cluster were removed again.",
            "The copies of %(num)s partner clusters were removed again.",
            number("purged"),
        ),
    }


def _title(restored: Restored, entry_id: str) -> str:
    titles = restored.titles[entry_id]
    return localized(titles).text if titles else _("Entry without a title")


def _compared(each: Compared) -> tuple[Status, Status]:
    ours = (
        Status(_("is told everything again"), "ok")
        if each.ours
        else Status(_("not compared yet: gets no entries"), "warning")
    )
    theirs = (
        Status(_("compared, shown again"), "ok")
        if each.theirs
        else Status(_("not compared yet: not shown"), "warning")
    )
    return ours, theirs


def _telling(each: Compared) -> tuple[Action, ...]:
    """What the office may do about a partner that does not say what it holds."""
    if each.ours or each.partner.state is not TrustState.ACTIVE:
        return ()
    return (
        Action(
            label=_("Tell it entries without a comparison"),
            href=f"{PATH}/mitteilen",
            method="post",
            tone="quiet",
            fields={"partner": each.partner.id},
            describes=each.partner.name,
        ),
    )


def _question(entry: UnaccountedEntry) -> Question:
    title, foreign = _("Entry that is not known here"), ""
    if entry.title:
        local = localized(entry.title)
        title = local.text
        foreign = local.language if local.foreign else ""
    state = {
        HeldState.PRESENT: _("%(name)s holds version %(version)s."),
        HeldState.QUARANTINED: _("%(name)s keeps version %(version)s out."),
        HeldState.WITHDRAWN: _("For %(name)s version %(version)s was taken back."),
        HeldState.DELETED: _("For %(name)s version %(version)s was deleted."),
    }[entry.held.state]
    return Question(
        entry=entry,
        title=title,
        foreign=foreign,
        told=state % {"name": entry.partner_name, "version": entry.held.version.shown},
        actions=tuple(_action(entry, choice, title) for choice in entry.choices),
    )


def _action(entry: UnaccountedEntry, choice: Settlement, title: str) -> Action:
    label = {
        Settlement.OURS: _("Publish ours again"),
        Settlement.TAKEN_BACK: _("Have the copy removed for good")
        if entry.title is None
        else _("Have the copy removed"),
        Settlement.LEFT: _("Leave it as it is"),
    }[choice]
    return Action(
        label=label,
        href=f"{PATH}/entscheiden",
        method="post",
        tone="quiet" if choice is Settlement.LEFT else "secondary",
        fields={
            "partner": entry.partner_id,
            "eintrag": entry.entry_id,
            "entscheidung": choice.value,
        },
        describes=f"{title}, {entry.partner_name}",
    )


def _done(decided: Settlement) -> str:
    return {
        Settlement.OURS: _("The entry is published again, newer than all copies."),
        Settlement.TAKEN_BACK: _("The partner cluster is asked to remove its copy."),
        Settlement.LEFT: _("It stays as it is."),
    }[decided]
