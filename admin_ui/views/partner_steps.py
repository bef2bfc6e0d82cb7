"""Steps with a partner, each after a page that says what it will do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aiohttp import web

from admin_ui.desk import Desk, desk_of, partner_in
from admin_ui.forms import ReasonForm
from admin_ui.wording import explain, partner_status
from federation.trust import TrustState
from node.errors import NodeError
from node.office import Effects
from node.partners.model import Partner
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.rendering import render

StepName: TypeAlias = Literal[
    "ablehnen", "pausieren", "fortsetzen", "beenden", "abschliessen"
]


@dataclass(frozen=True, slots=True)
class StepPage:
    """A step with its page.

    Attributes:
        from_states: Where the partnership must stand.
        with_reason: Whether the other office may be told why.
    """

    heading: str
    button: str
    done: str
    from_states: frozenset[TrustState]
    consequences: Callable[[Partner, Effects], list[str]]
    take: Callable[[Desk, Partner, str | None], Awaitable[Partner]]
    danger: bool = False
    with_reason: bool = False


async def confirm(request: web.Request) -> web.Response:
    """Confirm a request; `verglichen=ja` says that the number was compared."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    sent = await request.post()
    back = f"/admin/partner/{partner.id}"
    try:
        await desk.node.partners.confirm(
            desk.person,
            partner.id,
            compared=sent.get("verglichen") == "ja",
            request_id=str(sent.get("anfrage", "")) or None,
            check_number=str(sent.get("pruefzahl", "")) or None,
        )
    except NodeError as error:
        return see_other(request, back, flash=explain(error), tone="danger")
    return see_other(
        request, back, flash=_("You are connected with %(name)s.", name=partner.name)
    )


async def compared(request: web.Request) -> web.Response:
    """Note that both offices read the same number."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    await desk.node.partners.mark_compared(desk.person, partner.id)
    return see_other(
        request,
        f"/admin/partner/{partner.id}",
        flash=_("Noted: the check number of %(name)s fits.", name=partner.name),
    )


async def step(request: web.Request) -> web.Response:
    """Show what a step will do, and do it when the button is pressed."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    page = PAGES[request.match_info["step"]]
    back = f"/admin/partner/{partner.id}"
    if partner.state not in page.from_states:
        return see_other(
            request,
            back,
            flash=_("This is not possible any more: the partnership has changed."),
            tone="warning",
        )
    form = await read_form(request, ReasonForm)
    if request.method == "POST" and form.validate():
        try:
            await page.take(desk, partner, form.reason.data or None)
        except NodeError as error:
            return see_other(request, back, flash=explain(error), tone="danger")
        return see_other(request, back, flash=str(page.done) % {"name": partner.name})
    effects = await desk.overview.effects(partner)
    return render(
        request,
        "admin_ui/step.html",
        {
            "page": page,
            "partner": partner,
            "status": partner_status(partner),
            "heading": str(page.heading) % {"name": partner.name},
            "consequences": page.consequences(partner, effects),
            "form": form,
            "base": back,
        },
        status=422 if form.errors else 200,
    )


def _refusing(partner: Partner, effects: Effects) -> list[str]:
    del effects
    return [
        _("%(name)s is told that you refuse.", name=partner.name),
        _("None of your entries go there, and none come from there."),
        _("A new code can start again at any time."),
    ]


def _pausing(partner: Partner, effects: Effects) -> list[str]:
    return [
        _(
            "New entries and messages wait on both sides until you resume. Nothing is"
            " lost."
        ),
        ngettext(
            "%(num)s of your entries stays with %(name)s; changes wait, withdrawals"
            " still go out.",
            "%(num)s of your entries stay with %(name)s; changes wait, withdrawals"
            " still go out.",
            effects.told,
            name=partner.name,
        ),
        ngettext(
            "%(num)s entry of %(name)s stays visible to your members.",
            "%(num)s entries of %(name)s stay visible to your members.",
            effects.held,
            name=partner.name,
        ),
        ngettext(
            "%(num)s conversation rests.",
            "%(num)s conversations rest.",
            effects.conversations,
        ),
    ]


def _resuming(partner: Partner, effects: Effects) -> list[str]:
    return [
        ngettext(
            "%(name)s may see %(num)s of your entries; what has changed goes out now.",
            "%(name)s may see %(num)s of your entries; what has changed goes out now.",
            effects.would_see,
            name=partner.name,
        ),
        ngettext(
            "%(num)s message that waits is delivered.",
            "%(num)s messages that wait are delivered.",
            effects.waiting_messages,
        ),
    ]


def _ending(partner: Partner, effects: Effects) -> list[str]:
    if partner.state is TrustState.WAITING:
        return [
            _("%(name)s is told that you no longer want this.", name=partner.name),
            _("A new code can start again at any time."),
        ]
    return [
        ngettext(
            "%(num)s of your entries is taken back from %(name)s.",
            "%(num)s of your entries are taken back from %(name)s.",
            effects.told,
            name=partner.name,
        ),
        ngettext(
            "%(num)s entry of %(name)s disappears from your members' pages at once.",
            "%(num)s entries of %(name)s disappear from your members' pages at once.",
            effects.held,
            name=partner.name,
        ),
        ngettext(
            "%(num)s conversation cannot be continued; it stays readable.",
            "%(num)s conversations cannot be continued; they stay readable.",
            effects.conversations,
        ),
        _("To be connected again, both offices need a new code."),
    ]


def _closing(partner: Partner, effects: Effects) -> list[str]:
    del effects
    return [
        _("%(name)s is not waited for any more.", name=partner.name),
        _(
            "What %(name)s has not confirmed stays listed as not confirmed: it may"
            " still hold these entries.",
            name=partner.name,
        ),
        _("If %(name)s comes back, it learns that it has ended.", name=partner.name),
        _("A new code can start again at any time."),
    ]


async def _refuse(desk: Desk, partner: Partner, reason: str | None) -> Partner:
    return await desk.node.partners.refuse(desk.person, partner.id, reason=reason)


async def _pause(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.pause(desk.person, partner.id)


async def _resume(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.resume(desk.person, partner.id)


async def _end(desk: Desk, partner: Partner, reason: str | None) -> Partner:
    return await desk.node.partners.end(desk.person, partner.id, reason=reason)


async def _close(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.close_unconfirmed(desk.person, partner.id)


PAGES: Final[dict[str, StepPage]] = {
    "ablehnen": StepPage(
        heading=lazy_gettext("Refuse the request of %(name)s"),
        button=lazy_gettext("Refuse request"),
        done=lazy_gettext("The request of %(name)s was refused."),
        from_states=frozenset({TrustState.REQUESTED}),
        consequences=_refusing,
        take=_refuse,
        danger=True,
        with_reason=True,
    ),
    "pausieren": StepPage(
        heading=lazy_gettext("Pause the partnership with %(name)s"),
        button=lazy_gettext("Pause partnership"),
        done=lazy_gettext("The partnership with %(name)s is paused."),
        from_states=frozenset({TrustState.ACTIVE}),
        consequences=_pausing,
        take=_pause,
    ),
    "fortsetzen": StepPage(
        heading=lazy_gettext("Resume the partnership with %(name)s"),
        button=lazy_gettext("Resume partnership"),
        done=lazy_gettext("The partnership with %(name)s is resumed."),
        from_states=frozenset({TrustState.PAUSED}),
        consequences=_resuming,
        take=_resume,
    ),
    "beenden": StepPage(
        heading=lazy_gettext("End the partnership with %(name)s"),
        button=lazy_gettext("End partnership"),
        done=lazy_gettext("The partnership with %(name)s is ended."),
        from_states=frozenset(
            {
                TrustState.ACTIVE,
                TrustState.PAUSED,
                TrustState.SUSPENDED,
                TrustState.WAITING,
            }
        ),
        consequences=_ending,
        take=_end,
        danger=True,
        with_reason=True,
    ),
    "abschliessen": StepPage(
        heading=lazy_gettext("Close the partnership with %(name)s"),
        button=lazy_gettext("Close without confirmation"),
        done=lazy_gettext("The partnership with %(name)s is closed."),
        from_states=frozenset({TrustState.ENDING}),
        consequences=_closing,
        take=_close,
        danger=True,
    ),
}
