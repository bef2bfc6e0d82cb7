"""A partner changes its key, announced by the one that is pinned."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from federation.documents import ActorUpdate, build_actor_update
from federation.keys import SigningKey
from federation.negotiation import Capability
from federation.peers import PinnedKey
from node.conform.checks import Check, Door, Finding, Severity, SkipError
from node.conform.partner_requests import (
    INBOX,
    delivered,
    post_activity,
    send_page,
    written_page,
)
from node.conform.visit import refused_as
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from federation.documents.signed import SignedDocument
    from federation.keys import Signer
    from node.conform.guest import Guest
    from node.conform.visit import Visit

_ACCEPTED: Final = 202
_OK: Final = 200


def _able(visit: Visit) -> Guest:
    guest = visit.partner()
    if Capability.ACTOR_UPDATES.value not in visit.host().capabilities:
        raise SkipError(Sentence("The other node takes no updates of actors."))
    return guest


def _update(
    visit: Visit,
    guest: Guest,
    keys: tuple[PinnedKey, ...],
    *,
    updated: datetime,
    signer: Signer,
) -> SignedDocument:
    return build_actor_update(
        ActorUpdate(
            id=guest.activity_id(),
            actor=replace(guest.actor, keys=keys, updated=updated),
            recipient=visit.address.actor,
            published=guest.now(),
        ),
        signer=signer,
        created=guest.now(),
    )


def _pinned(signer: Signer) -> PinnedKey:
    return PinnedKey(signer.key_id, signer.key.public_key)


async def _unannounced(visit: Visit) -> Finding:
    guest = visit.partner()
    page = written_page(guest, [])
    answer = await send_page(visit, guest, page, signer=guest.second_key())
    return refused_as(
        f"POST {INBOX}: signed by key-2, never announced",
        answer,
        status=401,
        codes=("unknown-key",),
    )


async def _announced_by_itself(visit: Visit) -> Finding:
    guest = _able(visit)
    new = guest.second_key()
    update = _update(
        visit,
        guest,
        (*guest.keys, _pinned(new)),
        updated=guest.now(),
        signer=new,
    )
    answer = await post_activity(visit, guest, update, sent="Update proven by key-2")
    return refused_as(
        f"POST {INBOX}: Update with key-2, proven by key-2",
        answer,
        status=401,
        codes=("unknown-key", "proof-invalid"),
    )


async def _another_key_under_the_same_id(visit: Visit) -> Finding:
    guest = _able(visit)
    other = replace(guest.signer, key=SigningKey.generate(visit.random))
    keys = (_pinned(other),)
    update = _update(visit, guest, keys, updated=guest.now(), signer=guest.signer)
    sent = "Update that gives key-1 another key"
    answer = await post_activity(visit, guest, update, sent=sent)
    return refused_as(
        f"POST {INBOX}: {sent}", answer, status=409, codes=("key-conflict",)
    )


async def _other_major_version(visit: Visit) -> Finding:
    guest = _able(visit)
    keys = tuple(guest.keys)
    update = _update(visit, guest, keys, updated=guest.now(), signer=guest.signer)
    actor = update.document["object"]
    if not isinstance(actor, dict):
        msg = "an update has an actor"
        raise TypeError(msg)
    changed = guest.changed(update.document, object={**actor, "spalierProtocol": "2.0"})
    sent = "Update with spalierProtocol 2.0"
    answer = await post_activity(visit, guest, changed, sent=sent)
    return refused_as(
        f"POST {INBOX}: {sent}", answer, status=422, codes=("protocol-unsupported",)
    )


async def _announced(visit: Visit) -> Finding:
    guest = _able(visit)
    new = guest.second_key()
    keys = (*guest.keys, _pinned(new))
    updated = guest.now()
    update = _update(visit, guest, keys, updated=updated, signer=guest.signer)
    # The address shows what the announcement says, before it is sent.
    guest.keys, guest.updated = keys, updated
    answer = await post_activity(visit, guest, update, sent="Update with key-2")
    if answer.status == _ACCEPTED:
        guest.next_signer = new
    return refused_as(
        f"POST {INBOX}: Update with key-2, proven by key-1",
        answer,
        status=_ACCEPTED,
        codes=(),
    )


def _next(guest: Guest) -> Signer:
    if guest.next_signer is None:
        raise SkipError(Sentence("The new key was not taken."))
    return guest.next_signer


async def _new_key_signs(visit: Visit) -> Finding:
    guest = visit.partner()
    new = _next(guest)
    old, guest.signer = guest.signer, new
    try:
        entry = guest.entry()
        return await delivered(
            visit, [entry], sent="signed and proven by key-2", holds=[entry]
        )
    finally:
        guest.signer = old


async def _old_key_retires(visit: Visit) -> Finding:
    guest = visit.partner()
    new = _next(guest)
    old = guest.signer
    updated = guest.now() + timedelta(seconds=1)
    retired = replace(_pinned(old), expires=guest.now())
    keys = (_pinned(new), retired)
    update = _update(visit, guest, keys, updated=updated, signer=new)
    guest.keys, guest.updated, guest.signer = keys, updated, new
    answer = await post_activity(visit, guest, update, sent="Update by key-2")
    if answer.status == _ACCEPTED:
        guest.retired_signer = old
    else:
        guest.signer = old
    return refused_as(
        f"POST {INBOX}: Update by key-2, key-1 has expired",
        answer,
        status=_ACCEPTED,
        codes=(),
    )


async def _retired_key_signs_nothing(visit: Visit) -> Finding:
    guest = visit.partner()
    if guest.retired_signer is None:
        raise SkipError(Sentence("The old key could not be retired."))
    page = written_page(guest, [])
    answer = await send_page(visit, guest, page, signer=guest.retired_signer)
    return refused_as(
        f"POST {INBOX}: signed by key-1, which has expired",
        answer,
        status=401,
        codes=("unknown-key",),
    )


async def _older_update_is_refused(visit: Visit) -> Finding:
    guest = visit.partner()
    retired = guest.retired_signer
    if retired is None:
        raise SkipError(Sentence("The old key could not be retired."))
    # By itself it would be refused: a retired key comes back in it.
    keys = (_pinned(guest.signer), _pinned(retired))
    earlier = guest.updated - timedelta(minutes=1)
    update = _update(visit, guest, keys, updated=earlier, signer=guest.signer)
    sent = "an older Update, in which key-1 counts"
    answer = await post_activity(visit, guest, update, sent=sent)
    return refused_as(
        f"POST {INBOX}: {sent}", answer, status=409, codes=("update-older",)
    )


async def _old_entries_stay(visit: Visit) -> Finding:
    guest = visit.partner()
    if guest.retired_signer is None:
        raise SkipError(Sentence("The old key could not be retired."))
    return await delivered(visit, [], sent="an empty page, signed by key-2")


async def _missing(visit: Visit) -> Finding:
    """Announce a key, and leave out the one that counts; the other node has to stop."""
    guest = _able(visit)
    next_number = guest.signer.key_number + 1
    keys = (_pinned(replace(guest.second_key(), key_number=next_number)),)
    updated = max(guest.now(), guest.updated)
    update = _update(visit, guest, keys, updated=updated, signer=guest.signer)
    sent = "Update in which the key that counts is missing"
    answer = await post_activity(visit, guest, update, sent=sent)
    return refused_as(
        f"POST {INBOX}: {sent}", answer, status=409, codes=("keys-suspended",)
    )


async def _nothing_while_suspended(visit: Visit) -> Finding:
    guest = _able(visit)
    page = written_page(guest, [guest.entry().document])
    answer = await send_page(visit, guest, page)
    return refused_as(
        f"POST {INBOX}: an entry, after such an Update",
        answer,
        status=403,
        codes=("partnership-suspended",),
    )


def _check(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.KEYS, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _check(
        "key-unannounced",
        "FED-034, FED-100",
        Sentence("A new key that nobody announced is refused."),
        _unannounced,
    ),
    _check(
        "key-by-itself",
        "FED-102, FED-103",
        Sentence("A new key cannot announce itself."),
        _announced_by_itself,
    ),
    _check(
        "key-conflict",
        "FED-104",
        Sentence("Another key under a known id is refused."),
        _another_key_under_the_same_id,
    ),
    _check(
        "update-version",
        "FED-122",
        Sentence("An Update of another major version is refused."),
        _other_major_version,
    ),
    _check(
        "key-announced",
        "FED-102, PRT-034",
        Sentence("The pinned key announces a new one."),
        _announced,
    ),
    _check(
        "key-new-signs",
        "FED-101, FED-102",
        Sentence("The announced key signs requests and entries."),
        _new_key_signs,
    ),
    _check(
        "key-retires",
        "FED-101, FED-102",
        Sentence("The new key retires the old one."),
        _old_key_retires,
    ),
    _check(
        "update-older",
        "FED-106",
        Sentence("An older Update is refused."),
        _older_update_is_refused,
    ),
    _check(
        "key-retired",
        "FED-101",
        Sentence("A retired key signs no request any more."),
        _retired_key_signs_nothing,
    ),
    _check(
        "key-old-proofs",
        "FED-101",
        Sentence("Entries that the old key has proven stay."),
        _old_entries_stay,
    ),
    # The last ones: after them only withdrawals and a Leave are taken.
    _check(
        "key-missing",
        "FED-104",
        Sentence("An Update without a key that counts is refused and stops the flow."),
        _missing,
    ),
    _check(
        "key-missing-again",
        "FED-104, FED-108",
        Sentence("If it comes again it is answered the same."),
        _missing,
    ),
    _check(
        "suspended-page",
        "FED-072, FED-108",
        Sentence("While the key is in question no entry is taken."),
        _nothing_while_suspended,
    ),
)
