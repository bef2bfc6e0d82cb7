"""Taking everything back: what we told, and the partnership itself.

Called at the end of every visit, also of one that failed or was interrupted.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from federation.documents import Notice, NoticeType, build_notice
from federation.errors import FederationError
from federation.trust import TrustState
from node.conform.guest import NAME
from node.conform.partner_requests import push
from node.conform.signing import Signing
from node.errors import NodeError
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.conform.guest import Guest
    from node.conform.http_exchange import Answer
    from node.conform.visit import Visit

_ACCEPTED: Final = 202
_OK: Final = 200
_UNAUTHORISED: Final = 401


async def withdraw_everything(visit: Visit, guest: Guest) -> Answer | None:
    """Take back every entry that the other node may hold.

    Returns:
        The answer; None if there was nothing to take back.
    """
    if not guest.told:
        return None
    items = [
        guest.withdrawal(entry_id, counter=version.counter).document
        for entry_id, version in guest.told.items()
    ]
    answer = await push(visit, guest, items)
    if answer.status == _OK:
        guest.told.clear()
        guest.held_there.clear()
    return answer


async def leave(visit: Visit, guest: Guest) -> Answer:
    """End the partnership, or take the request back."""
    notice = Notice(
        id=guest.activity_id(),
        type=NoticeType.LEAVE,
        actor=guest.address.actor,
        recipient=visit.address.actor,
        object=visit.address.actor,
        published=guest.now(),
        reason="The conformance test has ended.",
    )
    signed = build_notice(notice, signer=guest.signer, created=guest.now())
    answer = await visit.ask(
        lambda: visit.post(
            "/inbox", signed.raw, signing=Signing(signer=guest.signer), sent="Leave"
        )
    )
    guest.left = guest.left or answer.status == _ACCEPTED
    return answer


async def say_farewell(visit: Visit) -> list[Sentence]:
    """Take back what is still there, and say what stays at the other side."""
    guest = visit.guest
    # Asked is enough: the answer may have been lost, or we were interrupted.
    if guest is None or not guest.has_asked:
        return []
    try:
        if not guest.left and guest.state is TrustState.ACTIVE:
            await withdraw_everything(visit, guest)
        if not guest.left and guest.state is not TrustState.REFUSED:
            answer = await leave(visit, guest)
            if not guest.was_taken and answer.status == _UNAUTHORISED:
                return []  # nobody there knows us
    except (FederationError, NodeError) as error:
        visit.tell(
            Sentence("Taking everything back failed: {reason}", reason=str(error))
        )
    return _remains(visit, guest)


def _remains(visit: Visit, guest: Guest) -> list[Sentence]:
    remains = [
        Sentence(
            "The other node keeps “{name}” ({address}) in its list of former partners, "
            "with the history of this visit.",
            name=NAME,
            address=guest.address.base_url,
        )
    ]
    if guest.told:
        remains.append(
            Sentence(
                "{count} test entries could not be taken back: {entries}",
                count=len(guest.told),
                entries=json.dumps(list(guest.told)),
            )
        )
    if not guest.left and guest.state is not TrustState.REFUSED:
        remains.append(
            Sentence("The partnership could not be ended; ask the office to end it.")
        )
    if guest.wrote_message:
        remains.append(
            Sentence(
                "The test message about {entry} stays with its owner.",
                entry=str(visit.message_about),
            )
        )
    return remains
