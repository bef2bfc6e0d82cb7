"""Who sees an entry, and what each partner cluster was told of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from federation.trust import ESTABLISHED, TrustState
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.feed.feed import FeedItem
from node.ledger.ledger import LedgerLine
from node.partners.model import Partner
from node.storage.ledger import DELETE, UPSERT
from node.visibility import PartnerViewer, PublicViewer
from node.web.formats import Formats
from node.web.i18n import gettext as _
from node.web.i18n import ngettext
from node.web.pages.serving import formats_of, node_of
from node.web.views import AudienceView, Status

_ENTITLED = ESTABLISHED


@dataclass(frozen=True, slots=True)
class PartnerDelivery:
    """What one partner cluster was told of an entry, in words.

    Attributes:
        asked: What it was asked to do.
        told: When it was told; empty if not yet.
        status: What it answered, or what is in the way.
    """

    name: str
    asked: str
    told: str
    status: Status


def received_audience(item: FeedItem) -> AudienceView:
    """Say who sees a partner's entry: our own members, and nobody else through us."""
    return AudienceView(
        _(
            "Members of your cluster. %(cluster)s shared it with your cluster; it is"
            " not passed on.",
            cluster=item.origin_name,
        )
    )


async def own_audience(request: web.Request, entry: Entry) -> AudienceView:
    """Say who sees one of our entries now; the visibility rules answer."""
    if entry.state is not EntryState.PUBLISHED:
        return AudienceView(
            _("Only the owner's organisation and the office: it is not published.")
        )
    catalogue = node_of(request).catalogue
    partners = await node_of(request).partners.list(states=_ENTITLED)
    names = []
    for partner in partners:
        viewer = PartnerViewer.of(partner)
        if (await catalogue.why(viewer, entry.id)).visible:
            names.append(partner.name)
    everybody = (await catalogue.why(PublicViewer(), entry.id)).visible
    return AudienceView(
        _sentence(entry, len(names), everybody=everybody),
        names=() if everybody else tuple(names),
        reason=_reason(entry),
    )


def _sentence(entry: Entry, partners: int, *, everybody: bool) -> str:
    if everybody:
        return _("Everybody, also without signing in.")
    if entry.audience.level is AudienceLevel.GROUP:
        return _("The owner's organisation, the office and one group of members.")
    if entry.audience.level is AudienceLevel.PARTNERS:
        return ngettext(
            "The owner's organisation, the office and %(num)s chosen partner cluster.",
            "The owner's organisation, the office and %(num)s chosen partner clusters.",
            partners,
        )
    if partners:
        return ngettext(
            "Members of your cluster and %(num)s partner cluster.",
            "Members of your cluster and %(num)s partner clusters.",
            partners,
        )
    return _("Members of your cluster, nobody else.")


def _reason(entry: Entry) -> str:
    leaves = entry.audience.level not in {AudienceLevel.GROUP, AudienceLevel.CLUSTER}
    if leaves and entry.personal and not entry.person_consented:
        return _(
            "The person has not yet agreed that the profile leaves the cluster; until"
            " then it stays here."
        )
    if entry.audience.level is AudienceLevel.TRUSTED:
        return _(
            "Partner clusters that are added later see it, too, once the office has"
            " released to them what is for all."
        )
    return ""


async def deliveries(request: web.Request, entry_id: str) -> list[PartnerDelivery]:
    """List what each partner cluster was told of an entry and what it confirmed."""
    node = node_of(request)
    lines = await node.ledger.lines_of_entry(entry_id)
    partners = {each.id: each for each in await node.partners.list()}
    formats = formats_of(request)
    return [_delivery(line, partners.get(line.partner_id), formats) for line in lines]


def held_by(lines: Sequence[LedgerLine]) -> list[str]:
    """Name the partner clusters that were told of an entry and may hold a copy."""
    told = [line for line in lines if line.op == UPSERT and line.told_at is not None]
    return sorted(line.partner_name for line in told)


def _delivery(
    line: LedgerLine, partner: Partner | None, formats: Formats
) -> PartnerDelivery:
    if line.op == UPSERT:
        asked = _("show it (version %(version)s)", version=line.version[1])
    elif line.op == DELETE:
        asked = _("delete it")
    else:
        asked = _("remove it")
    told = formats.moment(line.told_at) if line.told_at is not None else ""
    return PartnerDelivery(
        line.partner_name, asked, told, _answer(line, partner, formats)
    )


def _answer(line: LedgerLine, partner: Partner | None, formats: Formats) -> Status:
    if line.refused_reason is not None:
        words = _("refused: %(reason)s", reason=line.refused_reason)
        return Status(words, "danger")
    if line.acknowledged_at is not None:
        when = formats.moment(line.acknowledged_at)
        return Status(_("confirmed %(when)s", when=when), "ok")
    if partner is not None and partner.state is TrustState.PAUSED:
        return Status(_("waiting: the partnership is paused"), "warning")
    if partner is not None and partner.state is TrustState.SUSPENDED:
        return Status(_("waiting: the partner cluster's key is in question"), "warning")
    if partner is not None and partner.attempts:
        words = _("waiting: the partner cluster does not answer at the moment")
        return Status(words, "warning")
    if line.told_at is not None:
        return Status(_("sent, not yet confirmed"), "warning")
    return Status(_("waiting to be delivered"), "warning")
