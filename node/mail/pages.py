"""Addresses of our own pages that mails point to, in one place."""

from typing import Any, Final

from federation.ids import NodeAddress
from node.mail.model import MailKind

_PATHS: Final = {
    MailKind.NEW_ANSWER: "/nachrichten/{conversation_id}",
    MailKind.NEW_MESSAGE: "/nachrichten/{conversation_id}",
    MailKind.ENTRY_EXPIRES: "/e/{entry_id}",
    MailKind.ENTRY_EXPIRED: "/meine",
    MailKind.PARTNER_REQUEST: "/admin/partner",
    MailKind.PARTNER_ACTIVE: "/admin/partner",
    MailKind.PARTNER_KEY_CHANGED: "/admin/partner/{partner_id}",
    MailKind.PARTNER_KEY_ANNOUNCED: "/admin/partner/{partner_id}",
    MailKind.PARTNER_MOVES: "/admin/partner/{partner_id}/umzug",
    MailKind.POLICY_ENDS: "/admin/partner/{partner_id}/regeln",
}


def page_for(
    kind: MailKind, address: NodeAddress, values: dict[str, Any]
) -> str | None:
    """Return the page to open for a mail; None if its caller brings the link.

    The address starts with the configured base address, never with a request's
    Host field.
    """
    path = _PATHS.get(kind)
    return None if path is None else f"{address.base_url}{path.format(**values)}"
