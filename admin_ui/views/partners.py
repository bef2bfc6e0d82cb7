"""The list of partner clusters with the open invitations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import direction, explain, partner_status, plain_failure
from federation.trust import TrustState
from node.errors import NodeError
from node.partners.model import Invitation, Partner
from node.storage.ledger import LedgerCounts
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.rendering import render
from node.web.views import Action, Status, Tab

LIST_PATH = "/admin/partner"
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
class Balance:
    """What went to a partner, and what it says that it holds.

    Attributes:
        checked_at: Time of the partner's last receipt; None before the first.
    """

    sent: int
    held: int
    refused: int
    waiting: int
    equal: bool
    checked_at: datetime | None


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """A partner as the list draws it."""

    partner: Partner
    href: str
    status: Status
    direction: str
    last_exchange: datetime | None
    balance: Balance | None
    failure: str


def balance_of(partner: Partner, counts: LedgerCounts) -> Balance:
    """Set our ledger beside what the partner's last receipt states."""
    return Balance(
        sent=counts.sent,
        held=partner.receipt_held or 0,
        refused=partner.receipt_refused or 0,
        waiting=counts.waiting,
        equal=partner.digest_equal is True,
        checked_at=partner.checked_at,
    )


def last_exchange(partner: Partner) -> datetime | None:
    """Return when anything last passed in either direction."""
    moments = (partner.last_sent_at, partner.checked_at, partner.last_received_at)
    return max((each for each in moments if each is not None), default=None)


async def counts_of(desk: Desk, partner: Partner) -> LedgerCounts:
    """Count a partner's part of the ledger."""
    async with desk.node.context.database.read() as tx:
        return await desk.node.ledger.counts(tx, partner.id)


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
            "rows": [await _row(desk, each) for each in shown],
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


async def _row(desk: Desk, partner: Partner) -> PartnerRow:
    met = partner.active_since is not None
    return PartnerRow(
        partner=partner,
        href=f"{LIST_PATH}/{partner.id}",
        status=partner_status(partner),
        direction=direction(partner),
        last_exchange=last_exchange(partner),
        balance=balance_of(partner, await counts_of(desk, partner)) if met else None,
        failure=plain_failure(partner),
    )
