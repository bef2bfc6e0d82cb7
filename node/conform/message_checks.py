"""Messages between two members.

A message cannot be taken back and reaches a person, so a right one is sent only
about an entry that the operator has named for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from federation.documents import Message, MessageAuthor, build_message
from federation.documents.signed import SignedDocument
from federation.ids import random_id
from federation.limits import MESSAGE_CHARACTERS_MAX
from node.conform.checks import Check, Door, Finding, Severity, SkipError
from node.conform.guest import NAME
from node.conform.partner_requests import INBOX, activity_refused, post_activity
from node.conform.visit import refused_as
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from node.conform.guest import Guest
    from node.conform.visit import Visit

_TEXT: Final = (
    "Konformitätsprüfung, bitte nicht antworten.\n"
    "Conformance test, please do not answer."
)
_ELSEWHERE: Final = "https://elsewhere.example"
_ACCEPTED: Final = 202


def _message(visit: Visit, guest: Guest, *, about: str | None = None) -> SignedDocument:
    """Return a signed message, by default about an entry that does not exist."""
    message_id = guest.activity_id()
    entry = about or visit.address.entry(random_id(visit.random))
    return build_message(
        Message(
            id=message_id,
            sender=guest.address.actor,
            recipient=visit.address.actor,
            thread=message_id,
            in_reply_to=entry,
            about=entry,
            text=_TEXT,
            author=MessageAuthor(NAME, NAME),
            published=guest.now(),
        ),
        signer=guest.signer,
        created=guest.now(),
    )


def _with_note(guest: Guest, message: SignedDocument, **changes: Any) -> SignedDocument:
    note = message.document["object"]
    if not isinstance(note, dict):
        msg = "a message has a note"
        raise TypeError(msg)
    return guest.changed(message.document, object={**note, **changes})


def _refusal(
    name: str,
    clause: str,
    title: Sentence,
    write: Callable[[Visit, Guest], SignedDocument],
    *,
    sent: str,
    status: int,
    code: str,
) -> Check:
    async def run(visit: Visit) -> Finding:
        activity = write(visit, visit.partner())
        return await activity_refused(
            visit, activity, sent=sent, status=status, codes=(code,)
        )

    return Check(name, Door.MESSAGES, clause, Severity.MUST, title, run)


def _altered(visit: Visit, guest: Guest) -> SignedDocument:
    document = {**_message(visit, guest).document}
    document["published"] = "2026-01-01T00:00:00Z"
    return SignedDocument.of(document)


async def _delivered(visit: Visit) -> Finding:
    guest = visit.partner()
    if visit.message_about is None:
        raise SkipError(
            Sentence("No entry was named that may get a message (--message-about).")
        )
    guest.message = _message(visit, guest, about=visit.message_about)
    answer = await post_activity(visit, guest, guest.message, sent="a message")
    guest.wrote_message = answer.status == _ACCEPTED
    return refused_as(f"POST {INBOX}: a message", answer, status=_ACCEPTED, codes=())


async def _delivered_again(visit: Visit) -> Finding:
    guest = visit.partner()
    if guest.message is None or not guest.wrote_message:
        raise SkipError(Sentence("No message was sent before."))
    sent = "the same message, signed anew"
    answer = await post_activity(visit, guest, guest.message, sent=sent)
    return refused_as(f"POST {INBOX}: {sent}", answer, status=_ACCEPTED, codes=())


def _step(
    name: str,
    clause: str,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.MESSAGES, clause, Severity.MUST, title, run)


CHECKS: Final = (
    _refusal(
        "message-unknown-entry",
        "CON-003, PRT-010",
        Sentence("A message about an entry that does not exist is refused."),
        _message,
        sent="about an entry that does not exist",
        status=404,
        code="not-found",
    ),
    _refusal(
        "message-too-long",
        "FED-093, PRT-030",
        Sentence("A message of more than 8,000 characters is refused."),
        lambda visit, guest: _with_note(
            guest, _message(visit, guest), content="x" * (MESSAGE_CHARACTERS_MAX + 1)
        ),
        sent="8,001 characters",
        status=422,
        code="schema-invalid",
    ),
    _refusal(
        "message-direction",
        "FED-024",
        Sentence("A message with characters that turn the direction is refused."),
        lambda visit, guest: _with_note(
            guest, _message(visit, guest), content="a\N{RIGHT-TO-LEFT OVERRIDE}b"
        ),
        sent="U+202E",
        status=422,
        code="schema-invalid",
    ),
    _refusal(
        "message-altered",
        "FED-031, PRT-030",
        Sentence("A message that was altered is refused."),
        _altered,
        sent="altered after it was signed",
        status=401,
        code="proof-invalid",
    ),
    _refusal(
        "message-foreign-author",
        "FED-140, FED-141",
        Sentence("A message in another's name is refused."),
        lambda visit, guest: _with_note(
            guest, _message(visit, guest), attributedTo=f"{_ELSEWHERE}/actor"
        ),
        sent="attributedTo somebody else",
        status=403,
        code="origin-mismatch",
    ),
    _refusal(
        "message-foreign-receiver",
        "FED-140",
        Sentence("A message for another receiver is refused."),
        lambda visit, guest: guest.changed(
            _message(visit, guest).document, to=[f"{_ELSEWHERE}/actor"]
        ),
        sent="to somebody else",
        status=403,
        code="origin-mismatch",
    ),
    _refusal(
        "message-foreign-thread",
        "FED-140, PRT-031",
        Sentence("Nobody writes into a conversation of two others."),
        lambda visit, guest: _with_note(
            guest,
            _message(visit, guest),
            context=f"{_ELSEWHERE}/activities/{'a' * 26}",
        ),
        sent="a conversation of somebody else",
        status=403,
        code="origin-mismatch",
    ),
    _step(
        "message-taken",
        "PRT-030, CON-002",
        Sentence("A message about an entry that the sender may see is taken."),
        _delivered,
    ),
    _step(
        "message-again",
        "PRT-011",
        Sentence("The same message may come again."),
        _delivered_again,
    ),
)
