"""Apply what `federation.decisions` says of a proven activity, in one transaction.

The nonce of the request, the effect and the note that the partner reached us are
committed together; the answer is made from what was committed and leaves after. An
activity may be refused and have an effect all the same: what it shows stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeAlias, assert_never

from federation.decisions import (
    AnsweredBefore,
    ApplyPage,
    AskAboutMove,
    ChangeKeys,
    ChangeTrust,
    Decision,
    KeepMessage,
    MoveAnswered,
    Standing,
    decide,
)
from federation.documents.actor_update import ActorUpdate
from federation.documents.message import Message
from federation.documents.move import Move
from federation.documents.notice import Notice
from federation.documents.page import Page, PageFault
from federation.documents.signed import SignedDocument
from federation.errors import PeerError, SignatureInvalidError
from federation.inbox import Activity, ProvenActivity
from node.exchange.page_standing import page_standing
from node.partners.directory import known_peer
from node.partners.model import Partner
from node.partners.nonces import PendingNonce
from node.partners.update_answers import UpdateOutcome
from node.ports import NodeContext
from node.storage.database import Transaction
from node.storage.nonces import add_processed, processed_before
from node.storage.outgoing import ActivityKind, find_own_activity
from node.storage.partners import lock_partner

_DAY = timedelta(days=1)


class PageTaker(Protocol):
    """Applies pages (node.exchange.receiving)."""

    async def receive_page(
        self,
        tx: Transaction,
        partner_id: str,
        page: Page,
        *,
        not_remembered: Sequence[PageFault] = (),
    ) -> SignedDocument:
        """Apply a page; return the signed receipt."""
        ...

    async def note_contact(self, tx: Transaction, partner: Partner) -> None:
        """Note that the partner just reached us."""
        ...


class NoticeTaker(Protocol):
    """Changes partnerships (node.partners)."""

    async def receive_notice(
        self, tx: Transaction, partner: Partner, notice: Notice
    ) -> Partner:
        """Apply a notice."""
        ...

    async def receive_update(
        self, tx: Transaction, partner: Partner, update: ActorUpdate
    ) -> UpdateOutcome:
        """Apply what a partner says of its keys and card."""
        ...

    async def receive_move(
        self, tx: Transaction, partner: Partner, move: Move
    ) -> Partner:
        """Show the office where a partner says to be."""
        ...

    async def knows_present_address(self, tx: Transaction, partner: Partner) -> Partner:
        """Note that the partner asks for us at our present address."""
        ...

    async def receive_move_answer(
        self, tx: Transaction, partner: Partner, notice: Notice
    ) -> Partner:
        """Take what a partner's office says to our own move."""
        ...


class MessageTaker(Protocol):
    """Keeps messages (node.conversations)."""

    async def receive_message(
        self, tx: Transaction, partner: Partner, message: Message
    ) -> object:
        """Store a message."""
        ...


@dataclass(frozen=True, slots=True)
class PageTaken:
    """A page took effect; this is the answer."""

    receipt: SignedDocument


@dataclass(frozen=True, slots=True)
class ActivityTaken:
    """A single activity took effect, now or before."""


@dataclass(frozen=True, slots=True)
class ActivityRefused:
    """A single activity was not taken, but what it shows is to be committed.

    It is not remembered: if it comes again it is decided anew.

    Args:
        error: The answer after the commit.
    """

    error: PeerError


Outcome: TypeAlias = PageTaken | ActivityTaken | ActivityRefused


class InboxDesk:
    """Takes what passed every step of the door."""

    def __init__(
        self,
        context: NodeContext,
        *,
        pages: PageTaker,
        notices: NoticeTaker,
        messages: MessageTaker,
    ) -> None:
        self._context = context
        self._pages = pages
        self._notices = notices
        self._messages = messages

    async def take(
        self,
        tx: Transaction,
        nonce: PendingNonce,
        proven: ProvenActivity,
        *,
        present: bool = True,
    ) -> Outcome:
        """Decide and apply inside the caller's transaction.

        Args:
            tx: The transaction.
            nonce: Of the request.
            proven: What it says.
            present: Whether the request is signed for our present address, and not
                for a former one.

        Returns:
            What is answered after the commit.

        Raises:
            PeerError: As `decide`; 401 if the request came twice at once, 404 or
                409 if the effect is impossible.
        """
        await nonce.store(tx)
        partner = await lock_partner(tx, proven.peer.partner_id)
        if partner is None:
            raise SignatureInvalidError(
                "The key is not known here.", code="unknown-key"
            )
        standing = await self._standing(tx, partner, proven.content)
        decision = decide(proven, standing)
        if present and partner.known_as is not None:
            partner = await self._notices.knows_present_address(tx, partner)
        outcome = await self._apply(tx, partner, decision)
        if not isinstance(outcome, PageTaken):
            await self._pages.note_contact(tx, partner)
        if isinstance(outcome, ActivityTaken) and not isinstance(
            decision, ApplyPage | AnsweredBefore
        ):
            await add_processed(
                tx,
                _activity_id(decision),
                partner_id=partner.id,
                at=self._context.clock.now(),
                kind=proven.action.value,
            )
        return outcome

    async def _apply(
        self, tx: Transaction, partner: Partner, decision: Decision
    ) -> Outcome:
        match decision:
            case ApplyPage(page=page, not_remembered=not_remembered):
                receipt = await self._pages.receive_page(
                    tx, partner.id, page, not_remembered=not_remembered
                )
                return PageTaken(receipt)
            case KeepMessage(message=message):
                await self._messages.receive_message(tx, partner, message)
            case ChangeTrust(notice=notice):
                await self._notices.receive_notice(tx, partner, notice)
            case ChangeKeys(update=update):
                changed = await self._notices.receive_update(tx, partner, update)
                if changed.refusal is not None:
                    return ActivityRefused(changed.refusal)
            case AskAboutMove(move=move):
                await self._notices.receive_move(tx, partner, move)
            case MoveAnswered(notice=notice):
                await self._notices.receive_move_answer(tx, partner, notice)
            case AnsweredBefore():
                pass
            case _:
                assert_never(decision)
        return ActivityTaken()

    async def _standing(
        self, tx: Transaction, partner: Partner, content: Activity
    ) -> Standing:
        if isinstance(content, Page):
            return await page_standing(tx, partner, content)
        answered_before, activities_today = await processed_before(
            tx,
            content.id,
            partner_id=partner.id,
            since=self._context.clock.now() - _DAY,
        )
        return Standing(
            peer=known_peer(partner),
            request_id=partner.request_id,
            own_move=await _own_move(tx, partner, content),
            answered_before=answered_before,
            activities_today=activities_today,
        )


async def _own_move(tx: Transaction, partner: Partner, content: Activity) -> str:
    """Return the announcement of our own move that a notice is about, "" for none."""
    if not isinstance(content, Notice):
        return ""
    named = await find_own_activity(tx, partner.id, content.object)
    is_move = named is not None and named.kind is ActivityKind.MOVE
    return content.object if is_move else ""


def _activity_id(
    decision: KeepMessage | ChangeTrust | ChangeKeys | AskAboutMove | MoveAnswered,
) -> str:
    match decision:
        case KeepMessage(message=message):
            return message.id
        case ChangeTrust(notice=notice) | MoveAnswered(notice=notice):
            return notice.id
        case AskAboutMove(move=move):
            return move.id
        case ChangeKeys(update=update):
            return update.id
        case _:
            assert_never(decision)
