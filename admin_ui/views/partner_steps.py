"""Steps with a partner, each after a page that says what it will do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from aiohttp import web

from admin_ui.desk import Desk, desk_of, partner_in
from admin_ui.forms import ReasonForm
from admin_ui.wording import explain, partner_status
from federation.trust import ESTABLISHED, TrustState
from node.errors import NodeError
from node.limits import END_UNDONE_WITHIN
from node.office import Effects
from node.partners.copies import PURGEABLE
from node.partners.model import Partner
from node.web.flash import see_other
from node.web.forms import read_form
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext, ngettext
from node.web.rendering import render

StepName: TypeAlias = Literal[
    "ablehnen",
    "pausieren",
    "fortsetzen",
    "verbergen",
    "zeigen",
    "kopien-entfernen",
    "neu-holen",
    "beenden",
    "ende-zuruecknehmen",
    "abschliessen",
]


@dataclass(frozen=True, slots=True)
class StepPage:
    """A step with its page.

    Attributes:
        from_states: Where the partnership must stand.
        fits: What else must be so.
        with_reason: Whether the other office may be told why.
    """

    heading: str
    button: str
    done: str
    from_states: frozenset[TrustState]
    consequences: Callable[[Partner, Effects], list[str]]
    take: Callable[[Desk, Partner, str | None], Awaitable[object]]
    fits: Callable[[Partner, Effects], bool] = lambda _partner, _effects: True
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
            release=sent.get("freigabe") != "spaeter",
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
    effects = await desk.overview.effects(partner)
    if partner.state not in page.from_states or not page.fits(partner, effects):
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
        _(
            "As long as %(name)s has not confirmed all of it, you can take the end back"
            " within %(days)s days. After that both offices need a new code; the"
            " history stays.",
            name=partner.name,
            days=END_UNDONE_WITHIN.days,
        ),
    ]


def _hiding(partner: Partner, effects: Effects) -> list[str]:
    return [
        _disappearing(partner, effects),
        _conversations_stay(effects),
        _(
            "The copies stay here, and changes still arrive. Nothing changes for"
            " %(name)s.",
            name=partner.name,
        ),
        _("You can show them again at any time."),
    ]


def _showing(partner: Partner, effects: Effects) -> list[str]:
    return [
        ngettext(
            "%(num)s entry of %(name)s is shown again to your %(members)s members.",
            "%(num)s entries of %(name)s are shown again to your %(members)s members.",
            effects.held,
            name=partner.name,
            members=effects.members,
        ),
    ]


def _purging(partner: Partner, effects: Effects) -> list[str]:
    return [
        _disappearing(partner, effects),
        _(
            "Their texts are erased from this node; only their addresses and versions"
            " stay, so that both nodes agree on what is here."
        ),
        _conversations_stay(effects),
        _(
            "%(name)s reads in our confirmations that we hold them no more.",
            name=partner.name,
        ),
        _(
            "As long as the partnership lasts you can undo this: resume it, and fetch"
            " everything anew from %(name)s.",
            name=partner.name,
        ),
    ]


def _fetching(partner: Partner, effects: Effects) -> list[str]:
    return [
        ngettext(
            "%(num)s entry that was removed here is asked for again.",
            "%(num)s entries that were removed here are asked for again.",
            effects.purged,
        ),
        _(
            "What %(name)s shows you today comes back; what it has taken back"
            " meanwhile does not.",
            name=partner.name,
        ),
    ]


def _staying(partner: Partner, effects: Effects) -> list[str]:
    return [
        _("%(name)s has not been told of the end, and will not be.", name=partner.name),
        _("The partnership is paused then. Once you resume it, both sides catch up."),
        ngettext(
            "%(num)s of your entries may be told there again, in a new version.",
            "%(num)s of your entries may be told there again, in a new version.",
            effects.would_see,
        ),
        _(
            "The entries of %(name)s were removed here when you ended it; they are"
            " fetched anew.",
            name=partner.name,
        ),
        _("Messages that waited when you ended it stay undelivered."),
    ]


def _disappearing(partner: Partner, effects: Effects) -> str:
    return ngettext(
        "%(num)s entry of %(name)s disappears for your %(members)s members.",
        "%(num)s entries of %(name)s disappear for your %(members)s members.",
        effects.held,
        name=partner.name,
        members=effects.members,
    )


def _conversations_stay(effects: Effects) -> str:
    return ngettext(
        "%(num)s conversation stays.",
        "%(num)s conversations stay.",
        effects.conversations,
    )


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


async def _hide(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.hide(desk.person, partner.id)


async def _show_again(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.show_again(desk.person, partner.id)


async def _purge(desk: Desk, partner: Partner, _reason: str | None) -> int:
    return await desk.node.partners.purge(desk.person, partner.id)


async def _fetch_again(desk: Desk, partner: Partner, _reason: str | None) -> int:
    return await desk.node.partners.fetch_again(desk.person, partner.id)


async def _stay(desk: Desk, partner: Partner, _reason: str | None) -> Partner:
    return await desk.node.partners.stay(desk.person, partner.id)


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
    "verbergen": StepPage(
        heading=lazy_gettext("Hide the entries of %(name)s"),
        button=lazy_gettext("Hide entries"),
        done=lazy_gettext("The entries of %(name)s are hidden from your members."),
        from_states=ESTABLISHED,
        fits=lambda partner, _effects: partner.hidden_at is None,
        consequences=_hiding,
        take=_hide,
    ),
    "zeigen": StepPage(
        heading=lazy_gettext("Show the entries of %(name)s again"),
        button=lazy_gettext("Show entries again"),
        done=lazy_gettext("Your members see the entries of %(name)s again."),
        from_states=ESTABLISHED,
        fits=lambda partner, _effects: partner.hidden_at is not None,
        consequences=_showing,
        take=_show_again,
    ),
    "kopien-entfernen": StepPage(
        heading=lazy_gettext("Remove the copies of %(name)s"),
        button=lazy_gettext("Remove copies"),
        done=lazy_gettext("The copies of the entries of %(name)s are removed."),
        from_states=PURGEABLE,
        fits=lambda _partner, effects: effects.held > 0,
        consequences=_purging,
        take=_purge,
        danger=True,
    ),
    "neu-holen": StepPage(
        heading=lazy_gettext("Fetch the entries of %(name)s anew"),
        button=lazy_gettext("Fetch entries anew"),
        done=lazy_gettext("The entries of %(name)s are being fetched anew."),
        from_states=frozenset({TrustState.ACTIVE}),
        fits=lambda _partner, effects: effects.purged > 0,
        consequences=_fetching,
        take=_fetch_again,
    ),
    "ende-zuruecknehmen": StepPage(
        heading=lazy_gettext("Take back the end of the partnership with %(name)s"),
        button=lazy_gettext("Take the end back"),
        done=lazy_gettext("The partnership with %(name)s goes on; it is paused."),
        from_states=frozenset({TrustState.ENDING}),
        fits=lambda partner, _effects: partner.acked_seq < partner.head_seq,
        consequences=_staying,
        take=_stay,
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
