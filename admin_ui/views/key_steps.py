"""Change or revoke the key, each after a page that says what it will do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk
from admin_ui.forms import RevocationForm
from admin_ui.views.keys import PATH, PartnerLine, admin_desk_of, partner_lines
from admin_ui.wording import explain
from node.errors import NodeError
from node.keys.rules import WAITING_DAYS
from node.keys.status import Effects, KeyStatus, effects_of_revocation, key_status
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.rendering import render


@dataclass(frozen=True, slots=True)
class KeyStep:
    """A step with its page.

    Attributes:
        possible: Whether it makes sense as the keys stand.
        confirmed: Whether a reason and the node's address have to be typed.
    """

    heading: str
    button: str
    done: str
    possible: Callable[[KeyStatus], bool]
    consequences: Callable[[KeyStatus, Effects], list[str]]
    take: Callable[[Desk, str], Awaitable[object]]
    danger: bool = False
    confirmed: bool = False


async def step(request: web.Request) -> web.Response:
    """Show what a step will do, and do it when the button is pressed."""
    desk = admin_desk_of(request)
    page = STEPS[request.match_info["key_step"]]
    status = await key_status(desk.node.context)
    if not page.possible(status):
        return see_other(
            request,
            PATH,
            flash=_("This is not possible any more: the keys have changed."),
            tone="warning",
        )
    form = await read_form(request, RevocationForm)
    form.host = desk.node.context.address.authority
    if request.method == "POST" and (not page.confirmed or form.validate()):
        try:
            await page.take(desk, form.reason.data or "")
        except NodeError as error:
            return see_other(request, PATH, flash=explain(error), tone="danger")
        return see_other(request, PATH, flash=str(page.done))
    effects = await effects_of_revocation(desk.node.context)
    under_way = status.announced is not None or bool(status.replaced)
    lines: list[PartnerLine] = list(partner_lines(status)) if under_way else []
    return render(
        request,
        "admin_ui/key_step.html",
        {
            "page": page,
            "form": form,
            "consequences": page.consequences(status, effects),
            "lines": lines,
            "host": form.host,
            "base": PATH,
        },
        status=422 if form.errors else 200,
    )


def _rotating(status: KeyStatus, effects: Effects) -> list[str]:
    del status
    return [
        ngettext(
            "%(num)s partner cluster is told of the new key, signed by the present"
            " one.",
            "%(num)s partner clusters are told of the new key, signed by the present"
            " one.",
            effects.partners,
        ),
        ngettext(
            "As soon as all know it, at the latest after %(num)s day, it signs.",
            "As soon as all know it, at the latest after %(num)s days, it signs.",
            WAITING_DAYS,
        ),
        _("The old key goes by itself when nobody needs it any more."),
        _("Partners have nothing to do, and no entry is sent again."),
        _("The new key needs a backup of its own."),
    ]


def _activating(status: KeyStatus, effects: Effects) -> list[str]:
    del effects
    if status.progress.is_complete:
        return [_("Every partner cluster knows the new key. Nobody notices anything.")]
    return [
        _without_entries(status),
        _("They get withdrawals as before."),
        _("The announcement reaches them first of all when they come back."),
    ]


def _without_entries(status: KeyStatus) -> str:
    return ngettext(
        "%(num)s partner cluster does not know the new key yet. It gets no entries"
        " until it has taken the announcement.",
        "%(num)s partner clusters do not know the new key yet. They get no entries"
        " until they have taken the announcement.",
        len(status.progress.waiting),
    )


def _retiring(status: KeyStatus, effects: Effects) -> list[str]:
    del effects
    if status.progress.is_complete:
        return [_("Every partner cluster knows the new key. Nobody notices anything.")]
    return [
        ngettext(
            "%(num)s partner cluster knows only the old key. It will believe nothing"
            " from you any more, withdrawals included.",
            "%(num)s partner clusters know only the old key. They will believe nothing"
            " from you any more, withdrawals included.",
            len(status.progress.waiting),
        ),
        _("Its office then has to compare the new fingerprint with you by telephone."),
        _("The old secret key is removed from the server."),
    ]


def _revoking(status: KeyStatus, effects: Effects) -> list[str]:
    del status
    return [
        _("A new key signs at once. Nothing that the present one has signed counts."),
        ngettext(
            "%(num)s partner cluster believes nothing from you until its office has"
            " compared the new fingerprint with you.",
            "%(num)s partner clusters believe nothing from you until their offices have"
            " compared the new fingerprint with you.",
            effects.partners,
        ),
        ngettext(
            "%(num)s published entry is signed anew and goes out again then.",
            "%(num)s published entries are signed anew and go out again then.",
            effects.entries,
        ),
        _("You then see whom to call, and what to read to them."),
        _("This cannot be undone."),
    ]


async def _rotate(desk: Desk, _reason: str) -> object:
    return await desk.node.own_keys.rotate(desk.person)


async def _activate(desk: Desk, _reason: str) -> object:
    return await desk.node.own_keys.activate(desk.person)


async def _retire(desk: Desk, _reason: str) -> object:
    return await desk.node.own_keys.retire(desk.person)


async def _revoke(desk: Desk, reason: str) -> object:
    return await desk.node.own_keys.revoke(desk.person, reason=reason)


STEPS: Final[dict[str, KeyStep]] = {
    "wechseln": KeyStep(
        heading=lazy_gettext("Change the key"),
        button=lazy_gettext("Announce a new key"),
        done=lazy_gettext("The new key is announced. Make a backup of it."),
        possible=lambda status: not status.announced and not status.replaced,
        consequences=_rotating,
        take=_rotate,
    ),
    "verwenden": KeyStep(
        heading=lazy_gettext("Sign with the new key now"),
        button=lazy_gettext("Sign with the new key"),
        done=lazy_gettext("The new key signs from now on."),
        possible=lambda status: status.announced is not None,
        consequences=_activating,
        take=_activate,
    ),
    "ablegen": KeyStep(
        heading=lazy_gettext("Let the old key go now"),
        button=lazy_gettext("Let the old key go"),
        done=lazy_gettext("The old key has gone."),
        possible=lambda status: bool(status.replaced),
        consequences=_retiring,
        take=_retire,
        danger=True,
    ),
    "widerrufen": KeyStep(
        heading=lazy_gettext("Revoke the key"),
        button=lazy_gettext("Revoke the key, begin with a new one"),
        done=lazy_gettext(
            "The key is revoked. Now call the partner clusters named here."
        ),
        possible=lambda status: True,  # noqa: ARG005 - an emergency is always possible
        consequences=_revoking,
        take=_revoke,
        danger=True,
        confirmed=True,
    ),
}
