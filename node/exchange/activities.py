"""Single activities: built when they are sent, so that the queue holds no text.

Being built late also means that each is signed by a key that its partner knows at
that moment, however long it has waited. An update of our own actor has its id from
what it says: a partner that has stored an earlier one takes a later one for what it
is, though both come from one row of the queue.
"""

import base64
import hashlib
import logging
from dataclasses import dataclass, replace
from typing import Final

from federation.canonical import canonical_bytes
from federation.documents import (
    Message,
    MessageAuthor,
    Notice,
    NoticeType,
    SignedDocument,
    build_message,
    build_notice,
)
from federation.documents.actor import ActorDocument, actor_body
from federation.documents.actor_update import ActorUpdate, build_actor_update
from federation.documents.move import Move, build_move
from federation.errors import LocalError, SchemaInvalidError
from federation.ids import NodeAddress
from federation.keys import Signer
from node.keys.telling import tell_anew
from node.partners.model import Partner
from node.partners.own_actor import own_actor
from node.partners.partners import Partners
from node.ports import NodeContext
from node.storage import conversations as conversation_rows
from node.storage.database import Transaction
from node.storage.node_keys import note_told
from node.storage.outgoing import ActivityKind, OutgoingActivity

logger = logging.getLogger(__name__)

_NOTICE_TYPES = {
    ActivityKind.ACCEPT: NoticeType.ACCEPT,
    ActivityKind.REJECT: NoticeType.REJECT,
    ActivityKind.LEAVE: NoticeType.LEAVE,
    ActivityKind.MOVE_CONFIRMED: NoticeType.ACCEPT,
    ActivityKind.MOVE_REFUSED: NoticeType.REJECT,
}
_ID_BYTES: Final = 16  # as `federation.ids.random_id`


@dataclass(frozen=True, slots=True)
class BuiltActivity:
    """An activity ready to be sent.

    Attributes:
        signer: Signs the request too; the partner knows this key.
        tells_key: Number of our newest key that the document tells of; None if the
            partner will not believe it, or if it is about something else.
    """

    document: SignedDocument
    signer: Signer
    tells_key: int | None = None


class Activities:
    """Builds queued activities and hears what became of them."""

    def __init__(self, context: NodeContext, partners: Partners) -> None:
        self._context = context
        self._partners = partners

    async def build(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> BuiltActivity:
        """Sign the document of a queued activity.

        Its id is always the same, but for an update of our actor: that has a new one
        whenever it says something else.
        """
        if activity.kind in {ActivityKind.ACTOR, ActivityKind.REVOCATION}:
            return await self._actor_update(tx, partner, activity)
        signer = self._context.keys.signer_for(partner)
        if activity.kind is ActivityKind.MESSAGE:
            message = await self._message(tx, partner, activity, signer=signer)
            return BuiltActivity(message, signer)
        if activity.kind is ActivityKind.MOVE:
            return BuiltActivity(self._move(partner, activity, signer), signer)
        notice = Notice(
            id=_named(activity.activity_id, signer.address),
            type=_NOTICE_TYPES[activity.kind],
            actor=signer.address.actor,
            recipient=partner.actor_id,
            object=activity.subject,
            published=activity.created_at.replace(microsecond=0),
            reason=await self._partners.notice_reason(tx, activity),
        )
        try:
            document = self._signed(notice, signer)
        except (LocalError, SchemaInvalidError):
            # The notice matters more than the words that came with it.
            document = self._signed(replace(notice, reason=None), signer)
        return BuiltActivity(document, signer)

    def _move(
        self, partner: Partner, activity: OutgoingActivity, signer: Signer
    ) -> SignedDocument:
        return build_move(
            Move(
                id=activity.activity_id,
                target=self._context.address.base_url,
                recipient=partner.actor_id,
                published=activity.created_at.replace(microsecond=0),
            ),
            signer=signer,
            created=self._context.clock.now(),
        )

    def _signed(self, notice: Notice, signer: Signer) -> SignedDocument:
        return build_notice(notice, signer=signer, created=self._context.clock.now())

    async def delivered(
        self,
        tx: Transaction,
        partner: Partner,
        activity: OutgoingActivity,
        built: BuiltActivity,
    ) -> None:
        """Note that the partner has stored an activity."""
        if built.tells_key is not None:
            await note_told(tx, partner.id, number=built.tells_key)
        if activity.kind is ActivityKind.MESSAGE:
            await conversation_rows.mark_delivered(
                tx, activity.activity_id, at=self._context.clock.now()
            )
        elif activity.kind is ActivityKind.LEAVE:
            await self._partners.leave_delivered(tx, partner)

    async def partner_has_left(self, tx: Transaction, partner: Partner) -> None:
        """Close a partnership that the partner does not know any more."""
        await self._partners.partner_has_left(tx, partner)

    async def key_unknown(self, tx: Transaction, partner: Partner) -> bool:
        """Speak with an older key to a partner that does not know a newer one.

        It was said to hold that key; its database may have been put back. The older
        key is one that may sign and whose secret is there; if there is none, its
        office has to compare ours.

        Args:
            tx: The transaction that notes the failure, with the partner's row locked.
            partner: As it stands in that transaction.

        Returns:
            Whether there is such a key; the next attempt is signed by it.
        """
        keys = self._context.keys
        if not keys.is_known_to(partner):
            return False
        older = keys.before(keys.signer_for(partner).key_number)
        if older is None:
            return await self._begin_anew(tx, partner)
        logger.warning("%s does not know our newest key", partner.id)
        await tell_anew(tx, self._context, partner, held=older.number)
        return True

    async def _begin_anew(self, tx: Transaction, partner: Partner) -> bool:
        """Go back to the key that signs now: the partner knows none before it.

        It may have pinned that one in a new handshake and nothing else, while an
        answer of before made us believe that it knows only older ones.
        """
        active = self._context.keys.active.number
        if partner.told_key_number >= active:
            return False
        await note_told(tx, partner.id, number=active)
        return True

    async def keys_in_question(self, tx: Transaction, partner: Partner) -> None:
        """Tell a partner anew of an announced key once its office has compared.

        From then on it holds the key that signs, and no other that may sign
        (SPEC FED-109).

        Args:
            tx: The transaction that notes its answer, with the partner's row locked.
            partner: As it stands in that transaction.
        """
        active = self._context.keys.active.number
        if partner.told_key_number > active:
            await tell_anew(tx, self._context, partner, held=active)

    async def foreign_key_seen(self, partner: Partner) -> None:
        """Look at the keys of a partner whose answer had an unknown one."""
        await self._partners.keys.foreign_key_seen(partner)

    async def _actor_update(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> BuiltActivity:
        """Tell a partner what our actor says now.

        A revoked key says itself that it is revoked; the partner then believes
        nothing but that (SPEC FED-105).
        """
        address = self._context.keys.address_for(partner)
        actor = await own_actor(tx, self._context, address=address)
        # As of now: whoever has stolen a key may have said something since our
        # keys changed, and an older update than that counts nowhere (FED-106).
        now = self._context.clock.now().replace(microsecond=0)
        actor = replace(actor, updated=max(now, actor.updated or now))
        # From here on nothing waits: actor, signer and number are of one moment.
        keys = self._context.keys
        number = keys.number_of(activity.subject)
        signer = (
            keys.signer_for(partner)
            if number is None
            else keys.signer_of(number, partner=partner)
        )
        if signer is None:
            msg = "the secret of the revoked key is no longer there"
            raise LocalError(msg)
        document = build_actor_update(
            ActorUpdate(
                id=address.activity(_id_of(activity, actor)),
                actor=actor,
                recipient=partner.actor_id,
                published=activity.created_at.replace(microsecond=0),
            ),
            signer=signer,
            created=self._context.clock.now(),
        )
        told = keys.newest.number if number is None else None
        return BuiltActivity(document, signer, tells_key=told)

    async def _message(
        self,
        tx: Transaction,
        partner: Partner,
        activity: OutgoingActivity,
        *,
        signer: Signer,
    ) -> SignedDocument:
        stored = await conversation_rows.load_message_to_send(tx, activity.subject)
        if stored is None:
            msg = f"queued message {activity.subject} is gone"
            raise LocalError(msg)
        message = stored.message
        return build_message(
            Message(
                id=activity.activity_id,
                sender=signer.address.actor,
                recipient=partner.actor_id,
                thread=stored.thread_uri,
                in_reply_to=message.in_reply_to or stored.entry_uri,
                about=stored.entry_uri,
                text=message.text,
                author=MessageAuthor(message.author_name, message.author_organisation),
                published=message.sent_at.replace(microsecond=0),
            ),
            signer=signer,
            created=self._context.clock.now(),
        )


def _named(activity_id: str, address: NodeAddress) -> str:
    """Return the id of an activity by a name that its recipient knows us by."""
    if address.activity_local_id(activity_id) is not None:
        return activity_id
    return address.activity(activity_id.rpartition("/")[2])


def _id_of(activity: OutgoingActivity, actor: ActorDocument) -> str:
    """Return the local id of an update: the same as long as it says the same."""
    said = canonical_bytes({"row": activity.activity_id, "actor": actor_body(actor)})
    digest = hashlib.sha256(said).digest()[:_ID_BYTES]
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()
