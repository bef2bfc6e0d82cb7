"""Single activities: built when they are sent, so that the queue holds no text."""

from dataclasses import replace

from federation.documents import (
    Message,
    MessageAuthor,
    Notice,
    NoticeType,
    SignedDocument,
    build_message,
    build_notice,
)
from federation.errors import LocalError, SchemaInvalidError
from node.partners.model import Partner
from node.partners.partners import Partners
from node.ports import NodeContext
from node.storage import conversations as conversation_rows
from node.storage.database import Transaction
from node.storage.outgoing import ActivityKind, OutgoingActivity

_NOTICE_TYPES = {
    ActivityKind.ACCEPT: NoticeType.ACCEPT,
    ActivityKind.REJECT: NoticeType.REJECT,
    ActivityKind.LEAVE: NoticeType.LEAVE,
}


class Activities:
    """Builds queued activities and hears what became of them."""

    def __init__(self, context: NodeContext, partners: Partners) -> None:
        self._context = context
        self._partners = partners

    async def build(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> SignedDocument:
        """Sign the document of a queued activity; its id is always the same."""
        if activity.kind is ActivityKind.MESSAGE:
            return await self._message(tx, partner, activity)
        notice = Notice(
            id=activity.activity_id,
            type=_NOTICE_TYPES[activity.kind],
            actor=self._context.address.actor,
            recipient=partner.actor_id,
            object=activity.subject,
            published=activity.created_at.replace(microsecond=0),
            reason=await self._partners.notice_reason(tx, activity),
        )
        try:
            return self._signed(notice)
        except (LocalError, SchemaInvalidError):
            # The notice matters more than the words that came with it.
            return self._signed(replace(notice, reason=None))

    def _signed(self, notice: Notice) -> SignedDocument:
        return build_notice(
            notice,
            signer=self._context.signer,
            created=self._context.clock.now(),
        )

    async def delivered(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> None:
        """Note that the partner has stored an activity."""
        if activity.kind is ActivityKind.MESSAGE:
            await conversation_rows.mark_delivered(
                tx, activity.activity_id, at=self._context.clock.now()
            )
        elif activity.kind is ActivityKind.LEAVE:
            await self._partners.leave_delivered(tx, partner)

    async def partner_has_left(self, tx: Transaction, partner: Partner) -> None:
        """Close a partnership that the partner does not know any more."""
        await self._partners.partner_has_left(tx, partner)

    async def _message(
        self, tx: Transaction, partner: Partner, activity: OutgoingActivity
    ) -> SignedDocument:
        stored = await conversation_rows.load_message_to_send(tx, activity.subject)
        if stored is None:
            msg = f"queued message {activity.subject} is gone"
            raise LookupError(msg)
        message = stored.message
        return build_message(
            Message(
                id=activity.activity_id,
                sender=self._context.address.actor,
                recipient=partner.actor_id,
                thread=stored.thread_uri,
                in_reply_to=message.in_reply_to or stored.entry_uri,
                about=stored.entry_uri,
                text=message.text,
                author=MessageAuthor(message.author_name, message.author_organisation),
                published=message.sent_at.replace(microsecond=0),
            ),
            signer=self._context.signer,
            created=self._context.clock.now(),
        )
