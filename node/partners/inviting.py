"""The host's part of a handshake: give out a code, receive the guest's request."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from federation.documents.partner_request import PartnerRequest, verify_invitation
from federation.errors import ConflictError as PeerConflictError
from federation.errors import NotPermittedError
from federation.handshake import (
    check_number,
    format_code,
    invitation_id,
    invitation_refused,
    link,
    new_secret,
)
from federation.ids import random_id
from federation.keys import Signer
from federation.trust import (
    Refuse,
    TrustAction,
    TrustEvent,
    TrustState,
    decide_trust,
    next_state,
)
from node.errors import ConflictError, InvalidInputError, NotFoundError
from node.limits import INVITATION_DAYS_MAX
from node.members.model import Person
from node.partners.directory import known_peer
from node.partners.history import add_step
from node.partners.model import HandshakeRole, Invitation, Partner
from node.partners.pinning import Handshake, comes_back, pin
from node.partners.ports import MailQueue
from node.partners.taken_addresses import who_is_called_so
from node.plain_text import clean_line
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import outgoing
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.node_state import require_not_closing
from node.storage.outgoing import ActivityKind
from node.visibility.policy import PolicySheet, Preset

DAYS_MAX = INVITATION_DAYS_MAX
NOTE_MAX = 200
_GROUP_LENGTH = 5
_DRAWS = 20  # 2^20 first groups: a free one is found at once
_CONFIRMED = frozenset({TrustState.ACTIVE, TrustState.PAUSED})
# Here our office waits for the one whose key is pinned. A request with another key
# would end that, and any invitation of ours would be enough to send it.
_AWAITED = frozenset({TrustState.WAITING, TrustState.ENDING})


@dataclass(frozen=True, slots=True)
class InvitationCreated:
    """What the office passes on, by telephone, letter or mail.

    Attributes:
        code: `HOST[:PORT]/K7QF9-2XBD4-MW4RC-8TJNH`.
        link: The same for a mail, the code behind `#`.
    """

    code: str
    link: str
    invitation: Invitation

    @property
    def expires_at(self) -> datetime:
        """End of validity, aware UTC."""
        return self.invitation.expires_at


class Inviting:
    """Invitations of this node."""

    def __init__(self, context: NodeContext, *, mail: MailQueue) -> None:
        self._context = context
        self._mail = mail

    async def invite(
        self, actor: Person | None, *, days: int, note: str | None, preset: Preset
    ) -> InvitationCreated:
        """Make a code that one other office can use once."""
        if not 1 <= days <= DAYS_MAX:
            raise InvalidInputError(
                Sentence(
                    "An invitation is valid for 1 to {limit} days, not {days}.",
                    limit=DAYS_MAX,
                    days=days,
                ),
                path="days",
            )
        note = clean_line(note or "")
        if len(note) > NOTE_MAX:
            raise InvalidInputError(
                Sentence("The note has at most {limit} characters.", limit=NOTE_MAX),
                path="note",
            )

        async def work(tx: Transaction) -> InvitationCreated:
            await require_not_closing(tx)
            now = self._context.clock.now()
            secret, code = await self._new_code(tx)
            invitation = Invitation(
                id=random_id(self._context.random),
                secret=secret,
                public_id=invitation_id(secret),
                group_hint=_first_group(code),
                created_at=now,
                expires_at=now + timedelta(days=days),
                note=note or None,
                preset=preset,
            )
            await rows.insert_invitation(
                tx, invitation, created_by=None if actor is None else actor.id
            )
            signer = self._context.signer
            return InvitationCreated(
                code=code,
                link=link(
                    self._context.address.base_url,
                    code,
                    signer.key.public_key.fingerprint,
                ),
                invitation=invitation,
            )

        return await self._context.database.write(work)

    async def revoke(self, ref: str) -> Invitation:
        """Take an invitation back that nobody has used."""

        async def work(tx: Transaction) -> Invitation:
            invitation = await rows.load_invitation(tx, ref)
            if invitation is None:
                hint = ref.strip().upper()[:_GROUP_LENGTH]
                invitation = await rows.find_invitation_by_hint(tx, hint)
            if invitation is None:
                raise NotFoundError(
                    Sentence("There is no invitation {ref}.", ref=ref),
                    code="invitation-unknown",
                )
            if invitation.used_at is not None:
                raise ConflictError(
                    Sentence(
                        "The invitation {group}… was used on {day}.",
                        group=invitation.group_hint,
                        day=f"{invitation.used_at:%Y-%m-%d}",
                    ),
                    code="invitation-used",
                    hint="Refuse the request, or end the partnership.",
                )
            now = self._context.clock.now()
            await rows.update_invitation(tx, invitation.id, revoked_at=now)
            return replace(invitation, revoked_at=now)

        return await self._context.database.write(work)

    async def receive(self, tx: Transaction, request: PartnerRequest) -> Partner:
        """Store a guest's request, proven to be the guest's own.

        Raises:
            NotPermittedError: Unknown invitation and wrong secret look the same;
                whoever proved the secret learns whether it is used, revoked or
                expired, or that the state does not permit a request.
        """
        invitation = await rows.lock_invitation(tx, request.invitation)
        if invitation is None:
            raise invitation_refused()
        signer = self._context.signer
        verify_invitation(
            request, secret=invitation.secret, own_key=signer.key.public_key
        )
        await self._require_own_names(tx, request)
        known = await rows.find_by_base_url(tx, request.guest.base_url)
        if known is not None:
            known = await rows.lock_partner(tx, known.id)
        if known is not None and _is_repeat(known, invitation, request):
            return await self._receive_again(
                tx, known, invitation, request, signer=signer
            )
        self._require_open(invitation)
        decision = decide_trust(
            None if known is None else known.state, TrustAction.PARTNER_REQUEST
        )
        if isinstance(decision, Refuse):
            raise NotPermittedError(decision.reason, code=decision.code)
        if comes_back(known, request.guest):
            raise NotPermittedError(
                "The guest signs with a key that it has retired or revoked before.",
                code="guest-key-ended",
            )
        if known is not None and known.state in _AWAITED:
            _require_pinned_key(known, request)
        partner = await self._store(tx, known, invitation, request, signer=signer)
        await rows.update_invitation(
            tx,
            invitation.id,
            used_at=self._context.clock.now(),
            partner_id=partner.id,
        )
        await self._tell_office(tx, partner)
        return partner

    async def _require_own_names(
        self, tx: Transaction, request: PartnerRequest
    ) -> None:
        """Require that nobody else is, or was, where the guest says that it is or was.

        Raises:
            PeerConflictError: Somebody is. It does not say who.
        """
        if await who_is_called_so(tx, self._context, request.guest) is not None:
            raise PeerConflictError(
                "An address of this node, or one where it says to have been, is "
                "another node's here.",
                code="address-taken",
            )

    async def _new_code(self, tx: Transaction) -> tuple[bytes, str]:
        """Draw a secret whose first group names no other invitation."""
        for _ in range(_DRAWS):
            secret = new_secret(self._context.random)
            code = format_code(self._context.address.base_url, secret)
            if await rows.find_invitation_by_hint(tx, _first_group(code)) is None:
                return secret, code
        raise ConflictError(
            "No new invitation code could be found.",
            hint="Try again.",
            code="invitation-codes-exhausted",
        )

    def _require_open(self, invitation: Invitation) -> None:
        if invitation.used_at is not None:
            raise NotPermittedError(
                f"The invitation was used on {invitation.used_at:%Y-%m-%d}.",
                code="invitation-used",
                members={"used": f"{invitation.used_at:%Y-%m-%d}"},
            )
        if invitation.revoked_at is not None:
            raise NotPermittedError(
                f"The invitation was taken back on {invitation.revoked_at:%Y-%m-%d}.",
                code="invitation-revoked",
                members={"revoked": f"{invitation.revoked_at:%Y-%m-%d}"},
            )
        if invitation.expires_at <= self._context.clock.now():
            raise NotPermittedError(
                f"The invitation expired on {invitation.expires_at:%Y-%m-%d}.",
                code="invitation-expired",
                members={"expired": f"{invitation.expires_at:%Y-%m-%d}"},
            )

    async def _store(
        self,
        tx: Transaction,
        known: Partner | None,
        invitation: Invitation,
        request: PartnerRequest,
        *,
        signer: Signer,
    ) -> Partner:
        handshake = Handshake(
            other=request.guest,
            role=HandshakeRole.HOST,
            request_id=request.id,
            check_number=check_number(
                invitation.secret,
                signer.key.public_key,
                request.guest.keys[0].public_key,
            ),
            told_key_number=signer.key_number,
            sheet=PolicySheet(invitation.preset),
        )
        state = next_state(
            None if known is None else known.state, TrustEvent.THEY_REQUESTED
        )
        partner = await pin(tx, self._context, handshake, state=state, known=known)
        await add_step(
            tx,
            self._context,
            partner.id,
            event=TrustEvent.THEY_REQUESTED.value,
            person=None,
            note=f"invitation {invitation.group_hint}…",
        )
        return partner

    async def _receive_again(
        self,
        tx: Transaction,
        known: Partner,
        invitation: Invitation,
        request: PartnerRequest,
        *,
        signer: Signer,
    ) -> Partner:
        """Answer a guest that did not get our first answer, or could not believe it.

        It has seen the key that signs for us now. If that is another one than it saw
        before, both offices compare anew.
        """
        values: dict[str, Any] = {"request_id": request.id, "next_attempt_at": None}
        number = check_number(
            invitation.secret,
            signer.key.public_key,
            request.guest.keys[0].public_key,
        )
        if number != known.check_number:
            values |= {
                "check_number": number,
                "compared_at": None,
                "told_key_number": signer.key_number,
            }
        await rows.update_partner(tx, known.id, **values)
        if known.state in _CONFIRMED and known.request_id != request.id:
            await outgoing.give_up(
                tx,
                known.id,
                kind=ActivityKind.ACCEPT,
                reason="The guest has asked again.",
            )
            await outgoing.queue_activity(
                tx,
                known.id,
                kind=ActivityKind.ACCEPT,
                subject=request.id,
                activity_id=self._context.address.activity(
                    random_id(self._context.random)
                ),
                at=self._context.clock.now(),
            )
        return replace(known, **values)

    async def _tell_office(self, tx: Transaction, partner: Partner) -> None:
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="partner-request",
                language=person.language,
                partner=partner.name,
                base_url=partner.base_url,
                check_number=partner.check_number,
            )


def _is_repeat(known: Partner, invitation: Invitation, request: PartnerRequest) -> bool:
    """Whether the same guest sends the request of the same invitation again."""
    return (
        invitation.partner_id == known.id
        and invitation.used_at is not None
        and known.state in _CONFIRMED | {TrustState.REQUESTED}
        and _is_pinned(known, request)
    )


def _is_pinned(known: Partner, request: PartnerRequest) -> bool:
    """Whether the guest signs with a key that counts for it already."""
    signing = request.guest.keys[0]
    found = known_peer(known).request_key(signing.key_id)
    return found == signing.public_key


def _require_pinned_key(known: Partner, request: PartnerRequest) -> None:
    if not _is_pinned(known, request):
        raise NotPermittedError(
            "This node knows another key for this address. Its office has to end "
            "what is still open first.",
            code="guest-key-mismatch",
        )


def _first_group(code: str) -> str:
    return code.rpartition("/")[2].partition("-")[0]
