"""The page “Keys”: which key signs, its backup, its history, and what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of
from admin_ui.wording import partner_status
from node.keys.model import KeyState, NodeKey
from node.keys.rules import require_admin
from node.keys.status import KeyStatus, key_status
from node.partners.model import Partner
from node.web.i18n import gettext as _
from node.web.rendering import render
from node.web.views import Status, StatusTone, Step

PATH: Final = "/admin/schluessel"


@dataclass(frozen=True, slots=True)
class PartnerLine:
    """A partner and whether it knows the newest key."""

    partner: Partner
    href: str
    status: Status
    contact: str


def admin_desk_of(request: web.Request) -> Desk:
    """Return the desk of a technical administrator.

    Raises:
        web.HTTPSeeOther: Nobody is signed in.
        NotAuthorisedError: The person does not administer the node.
    """
    desk = desk_of(request)
    require_admin(desk.person)
    return desk


async def show(request: web.Request) -> web.Response:
    """Show how the keys stand."""
    desk = admin_desk_of(request)
    status = await key_status(desk.node.context)
    ring = desk.node.context.keys
    strangers = [each for each in status.progress.waiting if not ring.is_known_to(each)]
    return render(
        request,
        "admin_ui/keys.html",
        {
            "status": status,
            "under_way": bool(status.announced or status.replaced),
            "newest": ring.newest,
            "lines": list(partner_lines(status)),
            "to_call": [_line(each, known=False) for each in strangers],
            "not_backed_up": [
                key.number
                for key in ring.keys
                if key.is_live and key.backed_up_at is None
            ],
            "history": history(status.keys),
            "revoking": ", ".join(status.revoking),
            "path": PATH,
        },
    )


def partner_lines(status: KeyStatus) -> Iterator[PartnerLine]:
    """Say of each partner whether it knows the newest key; who does not, first."""
    for partner in status.progress.waiting:
        yield _line(partner, known=False)
    for partner in status.progress.taken:
        yield _line(partner, known=True)


def _line(partner: Partner, *, known: bool) -> PartnerLine:
    status = Status(_("knows the new key"), "ok")
    if not known:
        status = Status(_("not told yet"), "warning")
        if partner.attempts:
            status = Status(
                _("not told yet: %(state)s", state=partner_status(partner).text),
                "warning",
            )
    contact = partner.card.get("contact")
    return PartnerLine(
        partner,
        href=f"/admin/partner/{partner.id}",
        status=status,
        contact=contact if isinstance(contact, str) else "",
    )


def history(keys: Sequence[NodeKey]) -> list[Step]:
    """Tell the stages of all keys as sentences, the latest first."""
    # In the order of the keys, so that stages of one second stay in order.
    ordered = sorted(keys, key=lambda key: key.number)
    stages = [stage for key in ordered for stage in _stages(key)]
    stages.sort(key=lambda stage: stage.at)
    stages.reverse()
    return [
        Step(title=stage.sentence, at=stage.at, text=stage.text, status=stage.tone)
        for stage in stages
    ]


@dataclass(frozen=True, slots=True)
class _Stage:
    at: datetime
    sentence: str
    text: str = ""
    tone: StatusTone = "neutral"


def _stages(key: NodeKey) -> Iterator[_Stage]:
    number = key.number
    yield _beginning(key)
    if key.activated_at is not None and key.activated_at != key.created_at:
        sentence = _("Key %(number)s signs from now on.", number=number)
        yield _Stage(key.activated_at, sentence, tone="ok")
    if key.backed_up_at is not None:
        sentence = _("A backup of key %(number)s was made.", number=number)
        if key.backed_up_by:
            sentence = _(
                "%(person)s made a backup of key %(number)s.",
                person=key.backed_up_by,
                number=number,
            )
        yield _Stage(key.backed_up_at, sentence)
    if key.retired_at is not None:
        sentence = _("Key %(number)s was no longer needed.", number=number)
        if key.ended_by and key.state is KeyState.RETIRED:
            sentence = _(
                "%(person)s let key %(number)s go.", person=key.ended_by, number=number
            )
        yield _Stage(key.retired_at, sentence)
    if key.revoked_at is not None:
        sentence = _("Key %(number)s was revoked.", number=number)
        if key.ended_by:
            sentence = _(
                "%(person)s revoked key %(number)s.",
                person=key.ended_by,
                number=number,
            )
        yield _Stage(key.revoked_at, sentence, key.reason or "", "danger")


def _beginning(key: NodeKey) -> _Stage:
    values = {"number": key.number, "person": key.created_by}
    if key.activated_at == key.created_at:
        sentence = _("Key %(number)s was made and signed at once.", **values)
        if key.created_by:
            sentence = _("%(person)s made key %(number)s; it signed at once.", **values)
    elif key.created_by:
        sentence = _("%(person)s announced key %(number)s.", **values)
    else:
        sentence = _("Key %(number)s was announced.", **values)
    return _Stage(key.created_at, sentence, key.fingerprint)
