"""What our temporary node sends: pages, and single activities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.documents import Upsert, build_page, parse_receipt
from federation.documents.page import Removal
from federation.documents.receipt import Receipt, SentRange
from federation.errors import PeerError
from federation.strict_json import loads_object
from federation.version import Version
from node.conform.checks import Finding, failed
from node.conform.signing import Signing
from node.conform.visit import refused_as, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.documents.signed import SignedDocument
    from federation.json_types import JsonObject
    from node.conform.guest import Guest
    from node.conform.http_exchange import Answer
    from node.conform.visit import Visit

INBOX: Final = "/inbox"
_OK: Final = 200
_DIGEST_SHOWN: Final = 12


def written_page(
    guest: Guest,
    items: Sequence[JsonObject],
    *,
    first: int | None = None,
    is_first: bool = True,
) -> JsonObject:
    """Return a page of ours, by default the one that comes next.

    Args:
        guest: Our node.
        items: Entries and withdrawals, signed.
        first: Its first position.
        is_first: Whether entries stand in `Create`, else in `Update`.
    """
    start = guest.position + 1 if first is None else first
    last = start - 1 + len(items)
    wrapped = [
        Removal(item)
        if item.get("type") == "Delete"
        else Upsert(item, is_first=is_first)
        for item in items
    ]
    return build_page(
        wrapped,
        address=guest.address,
        epoch=guest.epoch,
        first=start,
        last=last,
        head=max(last, guest.position),
    )


async def send_page(
    visit: Visit, guest: Guest, page: JsonObject, *, sent: str = "", **signing: Any
) -> Answer:
    """Post a page and return the answer; our position stays."""
    _note_told(guest, page)
    return await visit.ask(
        lambda: visit.post(
            INBOX,
            page,
            signing=Signing(**{"signer": guest.signer, **signing}),
            sent=sent,
        )
    )


async def push(
    visit: Visit,
    guest: Guest,
    items: Sequence[JsonObject],
    *,
    is_first: bool = True,
) -> Answer:
    """Post the next page; if it was taken, our position moves on."""
    page = written_page(guest, items, is_first=is_first)
    answer = await send_page(visit, guest, page)
    if answer.status == _OK:
        guest.position += len(items)
    return answer


def _note_told(guest: Guest, page: JsonObject) -> None:
    """Write down every entry of ours, also of a page that must be refused.

    What may have arrived is taken back at the end.
    """
    items = page.get("orderedItems")
    for item in items if isinstance(items, list) else []:
        entry = item.get("object") if isinstance(item, dict) else None
        if not isinstance(entry, dict):
            continue
        entry_id = str(entry.get("id"))
        if guest.address.entry_local_id(entry_id) is not None:
            version = Version(_number(entry, "incarnation"), _number(entry, "version"))
            guest.told[entry_id] = max(version, guest.told.get(entry_id, version))


def _number(item: JsonObject, name: str) -> int:
    value = item.get(name)
    return value if isinstance(value, int) else 1


def receipt_of(
    visit: Visit, guest: Guest, answer: Answer, *, first: int, last: int
) -> Receipt:
    """Read the receipt for a page, with every check (PRT-027).

    Raises:
        PeerError: The answer is none, or another one's.
    """
    return parse_receipt(
        loads_object(answer.body),
        peer=visit.host().as_peer(),
        address=guest.address,
        sent=SentRange(guest.epoch, first, last),
    )


async def delivered(
    visit: Visit,
    items: Sequence[SignedDocument],
    *,
    sent: str,
    holds: Sequence[SignedDocument] = (),
    loses: Sequence[str] = (),
    refused: Sequence[tuple[str, str]] = (),
    is_first: bool = True,
) -> Finding:
    """Push a page and compare the receipt with what must be held afterwards.

    Args:
        visit: The visit.
        items: What the page carries, in order.
        sent: The page, told in a few words.
        holds: Entries that must be held afterwards, in this version.
        loses: Entries that must not be held afterwards.
        refused: Entries that the receipt must name as kept out, each with the
            beginning of its reason.
        is_first: Whether entries stand in `Create`, else in `Update`.
    """
    guest = visit.partner()
    first = guest.position + 1
    documents = [item.document for item in items]
    answer = await push(visit, guest, documents, is_first=is_first)
    for item in holds:
        document = item.document
        version = Version(
            _number(document, "incarnation"), _number(document, "version")
        )
        guest.held_there[str(document["id"])] = (version, item.content_hash)
    for entry_id in loses:
        guest.held_there.pop(entry_id, None)
    told = f"POST {INBOX}: {sent}"
    wanted = [f"{name.rpartition('/')[2][:6]}… {reason}" for name, reason in refused]
    expected = _said(
        guest.position, len(guest.held_there), guest.digest_there(), wanted
    )
    if answer.status != _OK:
        return failed(told, expected=expected, found=shown(answer))
    try:
        receipt = receipt_of(visit, guest, answer, first=first, last=guest.position)
    except PeerError as error:
        return failed(told, expected=expected, found=str(error))
    return Finding(
        ok=_agrees(guest, receipt, refused),
        sent=told,
        expected=expected,
        found=_said(
            receipt.position,
            receipt.held,
            receipt.digest,
            [
                f"{each.entry_id.rpartition('/')[2][:6]}… {each.reason}"
                for each in receipt.refused
            ],
        ),
    )


def _agrees(guest: Guest, receipt: Receipt, refused: Sequence[tuple[str, str]]) -> bool:
    reasons = {each.entry_id: each.reason for each in receipt.refused}
    return (
        receipt.position == guest.position
        and receipt.held == len(guest.held_there)
        and receipt.digest == guest.digest_there()
        and reasons.keys() == {entry_id for entry_id, _ in refused}
        and all(reasons[entry_id].startswith(begin) for entry_id, begin in refused)
        and receipt.refused_count >= len(receipt.refused)
    )


def _said(position: int, held: int, digest: str, refused: Sequence[str]) -> str:
    told = f"position {position}, held {held}, digest {digest[:_DIGEST_SHOWN]}…"
    return f"{told}, refused {'; '.join(refused)}" if refused else told


async def activity_refused(
    visit: Visit,
    activity: SignedDocument,
    *,
    sent: str,
    status: int,
    codes: tuple[str, ...],
) -> Finding:
    """Post a single activity that must be refused."""
    guest = visit.partner()
    answer = await post_activity(visit, guest, activity, sent=sent)
    return refused_as(f"POST {INBOX}: {sent}", answer, status=status, codes=codes)


async def post_activity(
    visit: Visit, guest: Guest, activity: SignedDocument, *, sent: str
) -> Answer:
    """Post a single activity, signed by our node."""
    return await visit.ask(
        lambda: visit.post(
            INBOX, activity.raw, signing=Signing(signer=guest.signer), sent=sent
        )
    )


async def page_refused(
    visit: Visit,
    page: JsonObject,
    *,
    sent: str,
    status: int,
    codes: tuple[str, ...],
) -> Finding:
    """Post a page that must be refused as a whole."""
    guest = visit.partner()
    answer = await send_page(visit, guest, page)
    return refused_as(f"POST {INBOX}: {sent}", answer, status=status, codes=codes)
