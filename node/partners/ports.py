"""What partnerships need from elsewhere in the node and from outside."""

from typing import Any, Protocol

from federation.documents.actor import ActorDocument
from federation.documents.signed import SignedDocument
from federation.ids import BaseUrl
from federation.keys import Signer
from node.members.model import Person
from node.partners.model import Partner
from node.storage.database import Transaction
from node.storage.removals import Removals
from node.visibility import PartnerViewer


class PeerClient(Protocol):
    """Requests to a node that is not a partner yet (federation.transport)."""

    async def fetch_actor(self, base_url: BaseUrl) -> ActorDocument:
        """Fetch the actor of a node over its own address."""
        ...

    async def post_partner_request(
        self, base_url: BaseUrl, request: SignedDocument, *, signer: Signer
    ) -> None:
        """Deliver a partner request; return when the host has stored it."""
        ...


class Disclosures(Protocol):
    """What a partner is told as a whole (node.ledger)."""

    async def disclose_all(self, tx: Transaction, partner: Partner) -> int:
        """Write a row for everything that a newly active partner may see."""
        ...

    async def follow_rules(self, tx: Transaction, partner: Partner) -> int:
        """Write the difference after a rule about a partner has changed."""
        ...

    async def withdraw_all(self, tx: Transaction, partner: Partner) -> int:
        """Take back everything that the partner was told."""
        ...

    async def removals(self, tx: Transaction, partner_id: str) -> Removals:
        """Count what was taken back, and how much of it is confirmed."""
        ...


class OwnEntries(Protocol):
    """Our own entries (node.catalogue)."""

    async def renew_taken_back(
        self, partner_id: str, *, viewer: PartnerViewer | None = None
    ) -> int:
        """Make new versions of what was taken back and may be seen again."""
        ...


class MailQueue(Protocol):
    """Mail that is written with the change it tells of (node.mail)."""

    async def queue(
        self,
        tx: Transaction,
        *,
        recipient: Person | str,
        kind: str,
        language: str = "",
        entry_id: str | None = None,
        **params: Any,
    ) -> object:
        """Write a mail into the outbox."""
        ...


class Waker(Protocol):
    """The delivery worker's bell (node.exchange.wakeup)."""

    def poke(self, partner_id: str) -> None:
        """Ask for a delivery to this partner as soon as possible."""
        ...
