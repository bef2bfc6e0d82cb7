"""The list of partner clusters with the open invitations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from admin_ui.desk import desk_of
from admin_ui.views.partner_standing import strip_of, strip_sentence, waiting_parts
from admin_ui.wording import direction, explain, partner_status, plain_failure
from federation.trust import TrustState
from node.errors import NodeError
from node.office.standing import PartnerStanding, read_standings
from node.partners.model import Invitation, Partner
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.rendering import render
from node.web.views import Action, Day, Status, Tab

LIST_PATH = "/admin/partner"
# With whom the office may start a delivery.
TRIED = frozenset(
    {
        TrustState.ACTIVE,
        TrustState.PAUSED,
        TrustState.ENDING,
        TrustState.REFUSED,
    }
)
_CURRENT = frozenset(
    {
        TrustState.REQUESTED,
        TrustState.WAITING,
        TrustState.ACTIVE,
        TrustState.PAUSED,
        TrustState.SUSPENDED,
        TrustState.ENDING,
    }
)


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A partner as the list draws it.

    Attributes:
        standing: How far both sides agree; None before the partnership began.
        strip: The last days, today last.
        strip_words: The same in one sentence.
    """

    partner: Partner
    href: str
    status: Status
    direction: str
    last_exchange: datetime | None
    standing: PartnerStanding | None
    strip: Sequence[Day]
    strip_words: str
    waits: str
    failure: str
    may_try: bool


async def show(request: web.Request) -> web.Response:
    """Show present partners, or with `?frueher` the former ones."""
    desk = desk_of(request)
    partners = await desk.node.partners.list()
    former = "frueher" in request.query
    shown = [each for each in partners if (each.state in _CURRENT) != former]
    invitations = await desk.node.partners.list_invitations()
    current = sum(each.state in _CURRENT for each in partners)
    tabs = (
        Tab(_("Present"), LIST_PATH, current=not former, count=current),
        Tab(
            _("Former"),
            f"{LIST_PATH}?frueher",
            current=former,
            count=len(partners) - current,
        ),
    )
    return render(
        request,
        "admin_ui/partners.html",
        {
            "rows": [
                _row(each) for each in await read_standings(desk.node.context, shown)
            ],
            "tabs_shown": tabs if current != len(partners) else (),
            "former": former,
            "invitations": _open(invitations, desk.now),
            "beginnings": beginnings(),
        },
    )


def beginnings() -> tuple[Action, ...]:
    """Give the two ways to become partners."""
    return (
        Action(
            label=_("Invite a partner"), href="/admin/partner/einladen", tone="primary"
        ),
        Action(label=_("Enter a code"), href="/admin/partner/code"),
    )


async def revoke(request: web.Request) -> web.Response:
    """Take an unused invitation back."""
    desk = desk_of(request)
    reference = request.match_info["invitation_id"]
    try:
        await desk.node.partners.revoke_invitation(desk.person, reference)
    except NodeError as error:
        return see_other(request, LIST_PATH, flash=explain(error), tone="danger")
    return see_other(
        request, LIST_PATH, flash=_("The invitation was taken back; its code is void.")
    )


def _open(invitations: Sequence[Invitation], now: datetime) -> list[Invitation]:
    return [
        each
        for each in invitations
        if each.used_at is None and each.revoked_at is None and each.expires_at > now
    ]


def _row(standing: PartnerStanding) -> PartnerRow:
    partner = standing.partner
    met = partner.active_since is not None
    return PartnerRow(
        partner=partner,
        href=f"{LIST_PATH}/{partner.id}",
        status=partner_status(partner),
        direction=direction(partner),
        last_exchange=standing.last_exchange,
        standing=standing if met else None,
        strip=strip_of(standing) if partner.state in _CURRENT else (),
        strip_words=strip_sentence(standing),
        waits=", ".join(waiting_parts(standing)),
        failure=plain_failure(partner),
        may_try=partner.state in TRIED,
    )
