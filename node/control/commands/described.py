"""How entries, partners and conversations look in documents for scripts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from node.catalogue.model import Entry
from node.conversations.model import Conversation, Message
from node.ledger import LedgerLine
from node.office.standing import PartnerStanding
from node.partners.directory import fingerprint
from node.partners.moving import announced_move
from node.partners.partner_keys import PartnerKeys
from node.storage.ledger import UPSERT


def timestamp(moment: datetime | None) -> str | None:
    """Return RFC 3339 in UTC, whole seconds, None for None."""
    if moment is None:
        return None
    return moment.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def day(value: date | None) -> str | None:
    """Return an ISO date, None for None."""
    return None if value is None else value.isoformat()


def entry_document(entry: Entry, base_urls: Mapping[str, str]) -> dict[str, Any]:
    """Describe one of our entries.

    Args:
        entry: The entry.
        base_urls: Address of each partner by our id of it.
    """
    audience: dict[str, Any] = {
        "level": entry.audience.level.value,
        "partners": sorted(
            base_urls[partner_id]
            for partner_id in entry.audience.partner_ids
            if partner_id in base_urls
        ),
    }
    if entry.audience.group_id is not None:
        audience["group"] = entry.audience.group_id
    return {
        "id": entry.uri,
        "version": [entry.version.incarnation, entry.version.counter],
        "kind": entry.kind,
        "state": entry.state.value,
        "audience": audience,
    }


def standing_document(lines: Sequence[LedgerLine]) -> dict[str, Any]:
    """Describe who has confirmed an entry, or its removal, and who has not."""
    told = [line for line in lines if line.op == UPSERT]
    removed = [line for line in lines if line.op != UPSERT]
    return {
        "told": len(told),
        "confirmed": _confirmed(told),
        "taken_back": len(removed),
        "removed": _confirmed(removed),
        "open": [
            {"partner": line.partner_base_url, **waiting_document(line)}
            for line in lines
            if line.acknowledged_at is None
        ],
    }


def waiting_document(line: LedgerLine) -> dict[str, Any]:
    """Describe why a line is not confirmed, and what becomes of the copy.

    `lapses` is null where no removal is open, else tells whether the copy does so by
    itself; `lapses_at` says by when.
    """
    lapse = line.lapse
    return {
        "partner_state": line.partner_state.value,
        "unreachable_since": timestamp(line.failing_since),
        "lapses": None if lapse is None else lapse.at is not None,
        "lapses_at": None if lapse is None else timestamp(lapse.at),
    }


def _confirmed(lines: Sequence[LedgerLine]) -> int:
    return sum(line.acknowledged_at is not None for line in lines)


def partner_document(standing: PartnerStanding) -> dict[str, Any]:
    """Describe a partner and how far both sides agree.

    `key_in_question` stands in it only while its key has to be compared; `restored`
    is null unless our database was put back during the partnership.
    """
    partner, counts = standing.partner, standing.ledger
    document: dict[str, Any] = {
        "partner": partner.id,
        "base_url": partner.base_url,
        "name": partner.name,
        "state": partner.state.value,
        "fingerprint": fingerprint(partner),
        "check_number": partner.check_number,
        "hidden_since": timestamp(partner.hidden_at),
        "released_at": timestamp(partner.released_at),
        "unreachable_since": timestamp(partner.failing_since),
        "problem": partner.problem_code,
        "next_attempt_at": timestamp(partner.next_attempt_at),
        "last_exchange_at": timestamp(standing.last_exchange),
        "in_sync": {
            "agreement": standing.agreement.value,
            "sent": counts.sent,
            "held": partner.receipt_held,
            "refused": partner.receipt_refused,
            "waiting": counts.waiting,
            "digest_equal": partner.digest_equal,
            "checked_at": timestamp(partner.checked_at),
        },
        "waiting": {
            "entries": counts.waiting_entries,
            "withdrawals": counts.waiting_removals,
            "messages": standing.messages_waiting,
        },
        "received": {
            "held": standing.held_of_it,
            "kept_out": standing.kept_out_of_it,
            "verified_at": timestamp(partner.verified_at),
        },
        "unaccounted": standing.unaccounted,
        "restored": None
        if standing.restored_at is None
        else {
            "at": timestamp(standing.restored_at),
            "compared": standing.compared_since,
            "verified": standing.shown_since,
        },
        "days": [
            {
                "day": each.day.isoformat(),
                "exchanges": each.exchanges,
                "failures": each.failures,
            }
            for each in standing.days
        ],
    }
    move = announced_move(partner)
    if move is not None:
        document["move_announced"] = {
            "to": move.new,
            "since": None if move.since is None else timestamp(move.since),
        }
    suspension = PartnerKeys.suspension(partner)
    if suspension is not None:
        document["key_in_question"] = {
            "because": suspension.because.value,
            "known": suspension.pinned,
            "shown": suspension.offered,
            "doubted": list(suspension.doubted),
        }
    return document


def conversation_document(
    conversation: Conversation, *, for_owner: bool
) -> dict[str, Any]:
    """Describe a conversation with its messages.

    Args:
        conversation: The conversation.
        for_owner: Whether the reader is on the side of the entry's owner.
    """
    messages = [
        _message_document(message, mine=message.from_owner is for_owner)
        for message in conversation.messages
    ]
    return {
        "thread": conversation.thread_uri,
        "state": _thread_state(messages),
        "entry": conversation.entry_uri,
        "title": dict(conversation.entry_title),
        "unread": conversation.unread,
        "messages": messages,
    }


def _message_document(message: Message, *, mine: bool) -> dict[str, Any]:
    if message.refused_reason is not None:
        state = "refused"
    else:
        state = "waiting" if message.delivered_at is None else "delivered"
    return {
        "id": message.activity_id,
        "author": message.author_name,
        "organisation": message.author_organisation,
        "mine": mine,
        "text": message.text,
        "state": state,
        "sent_at": timestamp(message.sent_at),
        "delivered_at": timestamp(message.delivered_at),
        "refused_reason": message.refused_reason,
    }


def _thread_state(messages: list[dict[str, Any]]) -> str:
    """Return the worst of what happened to the messages."""
    states = {message["state"] for message in messages}
    return next(
        (state for state in ("refused", "waiting") if state in states), "delivered"
    )
