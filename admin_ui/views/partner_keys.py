"""The keys of a partner: their history, and the step of comparing a new one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from aiohttp import web

from admin_ui.desk import Desk, desk_of, partner_in
from admin_ui.wording import explain
from federation.key_changes import SuspensionReason
from node.errors import NodeError
from node.partners.model import KeyOrigin, Partner, PartnerKey
from node.web.flash import see_other
from node.web.i18n import gettext as _
from node.web.i18n import lazy_gettext
from node.web.views import Status

_ORIGINS: Final[Mapping[KeyOrigin, str]] = {
    KeyOrigin.HANDSHAKE: lazy_gettext("at the connection, by the check number"),
    KeyOrigin.ANNOUNCED: lazy_gettext("announced by the key before it"),
    KeyOrigin.CONFIRMED: lazy_gettext("compared by telephone"),
}


@dataclass(frozen=True, slots=True)
class Question:
    """What the office has to compare before anything flows again.

    Attributes:
        reason: What was seen, in a sentence.
        meaning: What that may mean.
        pinned: Fingerprint of the key that the office knows.
        confirmable: Fingerprint of the key that is shown now and that the office can
            confirm; empty if there is none.
        doubted: Fingerprints of further keys, which a confirmation ends.
    """

    reason: str
    meaning: str
    pinned: str
    confirmable: str
    doubted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key as the history lists it."""

    fingerprint: str
    origin: str
    since: datetime
    status: Status


def question_of(desk: Desk, partner: Partner) -> Question | None:
    """Say what has to be compared, None if the key is in order."""
    suspension = desk.node.partners.keys.suspension(partner)
    if suspension is None:
        return None
    if suspension.because is SuspensionReason.REVOKED_ITSELF:
        reason = _(
            "%(name)s has itself declared the key that you know to be invalid.",
            name=partner.name,
        )
        meaning = _("Perhaps it was lost or stolen there, and there is a new one.")
        confirmable = suspension.offered or ""
    elif suspension.offered is not None and (
        suspension.because is SuspensionReason.DISOWNED
    ):
        reason = _(
            "%(name)s does not list a key any more that counts here, or lists it as"
            " revoked. Somebody else may have announced that key.",
            name=partner.name,
        )
        meaning = _(
            "Then somebody has a copy of its key. It may also be that the server there"
            " was put back from a backup."
        )
        confirmable = suspension.offered
    elif suspension.offered is None:
        reason = _(
            "The address of %(name)s has shown another key for a while. Now it shows"
            " the one that you know again.",
            name=partner.name,
        )
        meaning = _("Somebody else may have had the address meanwhile.")
        confirmable = suspension.pinned
    else:
        reason = _(
            "The address of %(name)s shows another key than the one that you know.",
            name=partner.name,
        )
        meaning = _(
            "This may mean that the server there was set up anew. It may also mean"
            " that somebody else sits at this address, or has stolen the key."
        )
        confirmable = suspension.offered
    return Question(reason, meaning, suspension.pinned, confirmable, suspension.doubted)


async def rows_of(desk: Desk, partner: Partner) -> Sequence[KeyRow]:
    """List every key that the partner ever had, those that count first."""
    return [
        KeyRow(key.fingerprint, _origin(key), key.pinned_at, _status(key))
        for key in await desk.node.partners.keys.history(partner)
    ]


async def confirm(request: web.Request) -> web.Response:
    """Accept the key that the office has compared by telephone."""
    desk = desk_of(request)
    partner = await partner_in(request, desk)
    sent = await request.post()
    back = f"/admin/partner/{partner.id}"
    if sent.get("verglichen") != "ja":
        return see_other(
            request,
            back,
            flash=_("Please compare the fingerprint by telephone first."),
            tone="danger",
        )
    try:
        await desk.node.partners.confirm_key(
            desk.person, partner.id, fingerprint=str(sent.get("fingerabdruck", ""))
        )
    except NodeError as error:
        return see_other(request, back, flash=explain(error), tone="danger")
    return see_other(
        request, back, flash=_("The key of %(name)s is confirmed.", name=partner.name)
    )


def _origin(key: PartnerKey) -> str:
    origin = str(_ORIGINS[key.origin])
    return f"{origin} ({key.person_name})" if key.person_name else origin


def _status(key: PartnerKey) -> Status:
    if key.revoked is not None:
        return Status(_("revoked: counts no more"), "danger")
    if key.replaced_at is not None:
        return Status(_("replaced: counts no more"), "neutral")
    if key.expires is not None:
        return Status(_("retired: counts for older entries"), "neutral")
    return Status(_("counts"), "ok")
