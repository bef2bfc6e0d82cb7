"""Whom a partner may speak for: itself, and nobody else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.documents import (
    ActorUpdate,
    Notice,
    NoticeType,
    build_actor_update,
    build_notice,
)
from federation.documents.actor import actor_body
from federation.ids import random_id
from federation.negotiation import Capability
from node.conform.checks import Check, Door, Finding, Severity, SkipError
from node.conform.partner_requests import activity_refused, page_refused, written_page
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.documents.signed import SignedDocument
    from node.conform.guest import Guest
    from node.conform.visit import Visit

_ELSEWHERE: Final = "https://elsewhere.example"
_MISMATCH: Final = ("origin-mismatch",)


def notice(
    visit: Visit, guest: Guest, kind: NoticeType, *, about: str
) -> SignedDocument:
    """Return a signed notice of ours."""
    return build_notice(
        Notice(
            id=guest.activity_id(),
            type=kind,
            actor=guest.address.actor,
            recipient=visit.address.actor,
            object=about,
            published=guest.now(),
        ),
        signer=guest.signer,
        created=guest.now(),
    )


def _spoilt_withdrawal(**changes: Any) -> Callable[[Visit], Awaitable[Finding]]:
    async def run(visit: Visit) -> Finding:
        guest = visit.partner()
        document = guest.withdrawal(guest.entry_id()).document
        page = written_page(guest, [guest.changed(document, **changes).document])
        told = ", ".join(f"{name} of somebody else" for name in changes)
        return await page_refused(
            visit, page, sent=f"a withdrawal with {told}", status=403, codes=_MISMATCH
        )

    return run


async def _accept_of_nothing(visit: Visit) -> Finding:
    guest = visit.partner()
    about = visit.address.activity(random_id(visit.random))
    accept = notice(visit, guest, NoticeType.ACCEPT, about=about)
    return await activity_refused(
        visit,
        accept,
        sent="Accept of a request that was never made",
        status=403,
        codes=("unknown-request",),
    )


async def _accept_of_own_request(visit: Visit) -> Finding:
    guest = visit.partner()
    about = guest.activity_id()
    accept = notice(visit, guest, NoticeType.ACCEPT, about=about)
    return await activity_refused(
        visit,
        accept,
        sent="Accept of an activity of the sender",
        status=403,
        codes=_MISMATCH,
    )


async def _leave_of_somebody_else(visit: Visit) -> Finding:
    guest = visit.partner()
    leave = notice(visit, guest, NoticeType.LEAVE, about=f"{_ELSEWHERE}/actor")
    return await activity_refused(
        visit,
        leave,
        sent="Leave of another partnership",
        status=403,
        codes=_MISMATCH,
    )


async def _notice_for_somebody_else(visit: Visit) -> Finding:
    guest = visit.partner()
    leave = notice(visit, guest, NoticeType.LEAVE, about=visit.address.actor)
    changed = guest.changed(leave.document, to=[f"{_ELSEWHERE}/actor"])
    return await activity_refused(
        visit,
        changed,
        sent="Leave for another receiver",
        status=403,
        codes=_MISMATCH,
    )


async def _update_of_somebody_else(visit: Visit) -> Finding:
    guest = visit.partner()
    if Capability.ACTOR_UPDATES.value not in visit.host().capabilities:
        raise SkipError(Sentence("The other node takes no updates of actors."))
    update = build_actor_update(
        ActorUpdate(
            id=guest.activity_id(),
            actor=guest.actor,
            recipient=visit.address.actor,
            published=guest.now(),
        ),
        signer=guest.signer,
        created=guest.now(),
    )
    foreign = {**actor_body(guest.actor), "outbox": f"{_ELSEWHERE}/outbox"}
    return await activity_refused(
        visit,
        guest.changed(update.document, object=foreign),
        sent="Update with an outbox of somebody else",
        status=403,
        codes=_MISMATCH,
    )


def _check(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.OWNERSHIP, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _check(
        "withdrawal-foreign-entry",
        "FED-140, FED-141",
        Sentence("Nobody withdraws an entry of somebody else."),
        _spoilt_withdrawal(object=f"{_ELSEWHERE}/entries/{'a' * 26}"),
    ),
    _check(
        "withdrawal-foreign-actor",
        "FED-140, FED-141",
        Sentence("Nobody withdraws in another's name."),
        _spoilt_withdrawal(actor=f"{_ELSEWHERE}/actor"),
    ),
    _check(
        "accept-unknown-request",
        "FED-071, PRT-033",
        Sentence("An Accept of a request that was never made is refused."),
        _accept_of_nothing,
    ),
    _check(
        "accept-own-request",
        "FED-140",
        Sentence("Nobody accepts an own request."),
        _accept_of_own_request,
    ),
    _check(
        "leave-foreign-object",
        "FED-140",
        Sentence("A Leave of another partnership is refused."),
        _leave_of_somebody_else,
    ),
    _check(
        "leave-foreign-receiver",
        "FED-140",
        Sentence("A Leave for another receiver is refused."),
        _notice_for_somebody_else,
    ),
    _check(
        "update-foreign-address",
        "FED-140, PRT-034",
        Sentence("An Update with somebody else's address is refused."),
        _update_of_somebody_else,
    ),
)
