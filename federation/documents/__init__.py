"""The documents that nodes exchange: typed, built and parsed in one place each.

`build_…` writes and signs, and raises `LocalError`. `parse_…` checks everything
that can be checked without a database, and raises `PeerError`.
"""

from federation.documents.actor import (
    ActorDocument,
    Card,
    build_actor,
    parse_actor,
)
from federation.documents.actor_update import (
    ActorUpdate,
    build_actor_update,
    parse_actor_update,
)
from federation.documents.entry import (
    EntryDocument,
    EntryOwner,
    OwnerOrganisation,
    OwnerPerson,
    ReceivedEntry,
    build_entry,
    parse_entry,
)
from federation.documents.message import (
    Message,
    MessageAuthor,
    build_message,
    parse_message,
)
from federation.documents.notice import (
    Notice,
    NoticeType,
    build_notice,
    parse_notice,
)
from federation.documents.page import (
    Page,
    PageFault,
    PageItem,
    Removal,
    Upsert,
    Verifying,
    build_page,
    parse_page,
)
from federation.documents.partner_request import (
    PartnerRequest,
    build_partner_request,
    parse_partner_request,
    verify_invitation,
)
from federation.documents.receipt import (
    Receipt,
    Refusal,
    SentRange,
    build_receipt,
    parse_receipt,
)
from federation.documents.signed import SignedDocument
from federation.documents.withdrawal import (
    Withdrawal,
    WithdrawalMode,
    build_withdrawal,
    parse_withdrawal,
)
from federation.keys import Signer
from federation.negotiation import PROTOCOL_VERSION
from federation.ownership import PUBLIC

__all__ = [
    "PROTOCOL_VERSION",
    "PUBLIC",
    "ActorDocument",
    "ActorUpdate",
    "Card",
    "EntryDocument",
    "EntryOwner",
    "Message",
    "MessageAuthor",
    "Notice",
    "NoticeType",
    "OwnerOrganisation",
    "OwnerPerson",
    "Page",
    "PageFault",
    "PageItem",
    "PartnerRequest",
    "Receipt",
    "ReceivedEntry",
    "Refusal",
    "Removal",
    "SentRange",
    "SignedDocument",
    "Signer",
    "Upsert",
    "Verifying",
    "Withdrawal",
    "WithdrawalMode",
    "build_actor",
    "build_actor_update",
    "build_entry",
    "build_message",
    "build_notice",
    "build_page",
    "build_partner_request",
    "build_receipt",
    "build_withdrawal",
    "parse_actor",
    "parse_actor_update",
    "parse_entry",
    "parse_message",
    "parse_notice",
    "parse_page",
    "parse_partner_request",
    "parse_receipt",
    "parse_withdrawal",
    "verify_invitation",
]
