"""One-time links: who made them for what, how long they hold, where they lead."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from federation.ids import NodeAddress
from node.limits import (
    CONFIRM_ENTRY_LINK_LIFETIME,
    FIRST_PASSWORD_LINK_LIFETIME,
    SIGN_IN_LINK_LIFETIME,
)
from node.ports import NodeContext
from node.signin.tokens import new_token, token_hash
from node.storage.database import Transaction
from node.storage.sign_in import StoredLink, insert_link


class LinkPurpose(StrEnum):
    """What a link is good for; it opens nothing else."""

    SIGN_IN = "sign-in"
    FIRST_PASSWORD = "first-password"  # noqa: S105 - a purpose
    CONFIRM_ENTRY = "confirm-entry"


SIGN_IN_PATH: Final = "/anmelden/"
CONFIRM_ENTRY_PATH: Final = "/bestaetigen/"

LIFETIMES: Final = {
    LinkPurpose.SIGN_IN: SIGN_IN_LINK_LIFETIME,
    LinkPurpose.FIRST_PASSWORD: FIRST_PASSWORD_LINK_LIFETIME,
    # The reminder comes a week before the last day; the link also helps after it.
    LinkPurpose.CONFIRM_ENTRY: CONFIRM_ENTRY_LINK_LIFETIME,
}
_PATHS: Final = {
    LinkPurpose.SIGN_IN: SIGN_IN_PATH,
    LinkPurpose.FIRST_PASSWORD: SIGN_IN_PATH,
    LinkPurpose.CONFIRM_ENTRY: CONFIRM_ENTRY_PATH,
}
_SECRET_IN_LINK: Final = re.compile(
    rf"((?:{re.escape(SIGN_IN_PATH)}|{re.escape(CONFIRM_ENTRY_PATH)}))[A-Za-z0-9_-]{{43}}"
)


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link as it is handed to its owner, once.

    Attributes:
        email: Whom it is for.
        link: The address with the token in it.
    """

    email: str
    link: str


async def issue_link(
    tx: Transaction,
    context: NodeContext,
    *,
    person_id: str,
    purpose: LinkPurpose,
    subject: str | None = None,
) -> str:
    """Store a new link in the caller's transaction and return its address.

    The address starts with the configured base address, never with what a
    request called this node.
    """
    now = context.clock.now()
    token = new_token(context.random)
    await insert_link(
        tx,
        StoredLink(
            token_hash=token_hash(token),
            person_id=person_id,
            purpose=purpose.value,
            subject=subject,
            created_at=now,
            expires_at=now + LIFETIMES[purpose],
        ),
    )
    return link_address(context.address, purpose, token)


def link_address(address: NodeAddress, purpose: LinkPurpose, token: str) -> str:
    """Return the page that takes a token."""
    return f"{address.base_url}{_PATHS[purpose]}{token}"


def without_secrets(text: str) -> str:
    """Return a text with the tokens in its links struck out."""
    return _SECRET_IN_LINK.sub(r"\1…", text)
