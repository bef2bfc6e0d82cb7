"""A mail in the outbox, as a value."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class MailKind(StrEnum):
    """Why a mail is sent; each kind has a text in every language."""

    SIGN_IN_LINK = "sign-in-link"
    FIRST_PASSWORD = "first-password"  # noqa: S105 - a kind of mail
    NEW_ANSWER = "new-answer"
    NEW_MESSAGE = "new-message"
    ENTRY_EXPIRES = "entry-expires"
    ENTRY_EXPIRED = "entry-expired"
    PARTNER_REQUEST = "partner-request"
    PARTNER_ACTIVE = "partner-active"
    PARTNER_KEY_CHANGED = "partner-key-changed"
    PARTNER_KEY_ANNOUNCED = "partner-key-announced"
    PARTNER_MOVES = "partner-moves"
    POLICY_ENDS = "policy-ends"


class MailState(StrEnum):
    """Where a mail is."""

    PENDING = "pending"
    SENT = "sent"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that waits, has left, was cancelled or cannot leave.

    Attributes:
        recipient: The address it goes to.
        person_id: The member it goes to, if it is one.
        entry_id: The entry that it is about, so that it can be cancelled with it.
        entry_uri: The entry, ours or a partner's, whose title the text holds.
        entry_title: That title as it stands there; None once it was taken out.
        next_attempt_at: None once it is sent, cancelled or given up.
    """

    id: str
    recipient: str
    person_id: str | None
    kind: str
    language: str
    subject: str
    body: str = field(repr=False)
    entry_id: str | None
    created_at: datetime
    sent_at: datetime | None = None
    cancelled_at: datetime | None = None
    attempts: int = 0
    next_attempt_at: datetime | None = None
    last_error: str | None = None
    entry_uri: str | None = None
    entry_title: str | None = None

    @property
    def state(self) -> MailState:
        """Where the mail is."""
        if self.sent_at is not None:
            return MailState.SENT
        if self.cancelled_at is not None:
            return MailState.CANCELLED
        if self.next_attempt_at is None:
            return MailState.FAILED
        return MailState.PENDING
