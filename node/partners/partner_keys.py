"""Keys of partners: announced, looked at, confirmed by the office.

What is believed is decided by `federation.key_changes`; here it is applied, in one
transaction with the state of the partnership, its history and the mail to the
office. Why nothing flows while a key is in question: SPEC FED-108.
"""

import asyncio
import hashlib
import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, assert_never

from federation.documents.actor import ActorDocument
from federation.documents.actor_update import ActorUpdate
from federation.documents.signed import require_proof_now
from federation.errors import ConflictError as PeerConflictError
from federation.errors import FetchError, PermanentFetchError
from federation.ids import BaseUrl
from federation.key_changes import (
    KeyChangeIgnored,
    KeyChangeRefused,
    KeysAccepted,
    KeysUnchanged,
    KeySuspended,
    SuspensionReason,
    confirmed_keys,
    decide_key_change,
)
from federation.limits import KEYS_DAILY_MAX, QUOTA_WAIT
from federation.peers import PinnedKey
from federation.rates import too_many
from federation.trust import ESTABLISHED, TrustEvent, TrustState
from node.errors import ConflictError, UnavailableError
from node.members.model import Person
from node.partners.directory import known_peer
from node.partners.finding import find_partner
from node.partners.history import add_step, change_state, require_next
from node.partners.key_question import (
    Suspension,
    ended_key,
    fingerprint_digits,
    suspension_of,
)
from node.partners.model import KeyOrigin, Partner, PartnerKey
from node.partners.own_actor import card_values
from node.partners.pinning import rows_of_keys
from node.partners.ports import MailQueue, PeerClient, Waker
from node.partners.taken_names import is_taken
from node.partners.update_answers import (
    UpdateOutcome,
    broken_rule,
    keys_suspended,
    require_heard,
)
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import partners as rows
from node.storage.database import Transaction
from node.storage.members import office_persons
from node.storage.partner_keys import list_keys, store_keys

logger = logging.getLogger(__name__)

REQUEST_KEY_ENDED = "request-key-ended"
_UNANSWERABLE = "The other node has revoked the key that would confirm the request."
LOOK_AFTER = timedelta(hours=20)
"""How long a look at a partner's address is good for; see `_look_due`."""
LOOK_SPREAD = timedelta(hours=8)
"""Over how much time the looks at all partners are spread."""
LOOK_AGAIN = timedelta(hours=1)
"""How often a partner is looked at out of turn at most."""
LOOKS_AT_ONCE = 4
LOOKS_IN_BATCH = 20


class PartnerKeys:
    """What partners tell of their keys, and what our office says to it."""

    def __init__(
        self,
        context: NodeContext,
        *,
        client: PeerClient,
        mail: MailQueue,
        waker: Waker,
    ) -> None:
        self._context = context
        self._client = client
        self._mail = mail
        self._waker = waker

    # -- what the partner says ---------------------------------------------------

    async def receive_update(
        self, tx: Transaction, partner: Partner, update: ActorUpdate
    ) -> UpdateOutcome:
        """Apply what a partner says about itself, signed by a pinned key.

        Args:
            tx: The partner is locked in it, and permitted to say this.
            partner: The partner.
            update: Proven to be by `update.signed_by`.

        Raises:
            PeerError: 401 if its key counts no more, 403 if our office has to
                compare its key first, 409 `key-conflict` if it breaks a rule,
                `update-older` if it is older than the last one, `keys-suspended`
                if it suspends a partner that is suspended already, 429 if keys
                come too fast; nothing is taken.
        """
        if update.signed is None:
            msg = "an update without its document"
            raise ValueError(msg)
        # Proven at the door with the keys of that moment; they may have changed.
        require_proof_now(update.signed.document, peer=known_peer(partner))
        actor = update.actor
        decision = decide_key_change(
            _pinned(partner),
            actor.keys,
            signed_by=update.signed_by,
            updated=actor.updated,
            last_updated=partner.actor_updated,
            now=self._now(),
        )
        require_heard(partner, decision)
        match decision:
            case KeyChangeIgnored():
                raise PeerConflictError(
                    "A newer update has been accepted before.", code="update-older"
                )
            case KeyChangeRefused(reason=reason):
                raise broken_rule(reason)
            case KeySuspended(reason=because):
                suspended = await self._suspend(tx, partner, decision)
                if because is SuspensionReason.REVOKED_ITSELF:
                    return UpdateOutcome(suspended)  # that was believed
                return UpdateOutcome(suspended, refusal=keys_suspended())
            case KeysUnchanged():
                return UpdateOutcome(await self._told(tx, partner, actor))
            case KeysAccepted():
                await self._require_rare(tx, partner, decision)
                changed = await self._store(
                    tx, partner, decision.keys, origin=KeyOrigin.ANNOUNCED
                )
                await self._write_steps(tx, partner.id, decision)
                await self._tell_added(tx, changed, decision)
                return UpdateOutcome(await self._told(tx, changed, actor))
            case _:
                assert_never(decision)

    # -- what its address shows --------------------------------------------------

    async def look_at_due(self) -> int:
        """Look at the address of every partner whose last look is long ago.

        Returns:
            How many were looked at; to be called again while it is not 0.
        """
        async with self._context.database.read() as tx:
            watched = await rows.list_partners(tx, ESTABLISHED)
        now = self._now()
        due = [each for each in watched if _look_due(each) <= now][:LOOKS_IN_BATCH]
        slots = asyncio.Semaphore(LOOKS_AT_ONCE)

        async def look(partner: Partner) -> None:
            async with slots:
                await self.look(partner)

        async with asyncio.TaskGroup() as group:
            for partner in due:
                group.create_task(look(partner))
        return len(due)

    async def foreign_key_seen(self, partner: Partner) -> None:
        """Look at once: an answer of the partner was signed by an unknown key.

        Only for answers to requests of ours. A request to us by an unknown key
        causes nothing (FED-073).
        """
        last = partner.looked_at
        if partner.state not in ESTABLISHED or (
            last is not None and self._now() < last + LOOK_AGAIN
        ):
            return
        await self.look(partner)

    async def look(self, partner: Partner) -> None:
        """Compare the keys at a partner's address with those that are pinned."""
        document: ActorDocument | None = None
        try:
            document = await self._client.fetch_actor(BaseUrl(partner.base_url))
        except FetchError as error:
            logger.info("no look at %s: %s", partner.id, error)

        async def work(tx: Transaction) -> None:
            current = await rows.lock_partner(tx, partner.id)
            if current is None or current.state not in ESTABLISHED:
                return
            await rows.update_partner(tx, current.id, looked_at=self._now())
            # An announcement that arrived meanwhile may say more than what we saw.
            if document is not None and current.keys == partner.keys:
                await self._compare(tx, current, document)

        await self._context.database.write(work)

    async def _compare(
        self, tx: Transaction, partner: Partner, document: ActorDocument
    ) -> None:
        decision = decide_key_change(
            _pinned(partner),
            document.keys,
            signed_by=None,
            updated=document.updated,
            last_updated=partner.actor_updated,
            now=self._now(),
        )
        if isinstance(decision, KeySuspended):
            await self._suspend(tx, partner, decision)
        elif (
            isinstance(decision, KeysUnchanged)
            and partner.offered_multibase is not None
        ):
            # The known key is there again. That is for our office to judge too:
            # somebody else may have had the address for a while.
            await rows.update_partner(tx, partner.id, offered_multibase=None)

    # -- what our office says ----------------------------------------------------

    async def confirm(
        self, actor: Person | None, ref: str, *, fingerprint: str
    ) -> Partner:
        """Accept the key that the partner's address shows, as our office compared it.

        Args:
            actor: Who confirms; permitted to.
            ref: Address, host or name.
            fingerprint: What the other office read out; spaces and case do not
                matter.

        Raises:
            InvalidInputError: The text is no fingerprint.
            ConflictError: The partner is not suspended, its address shows another
                key, or one that was retired or revoked before.
            UnavailableError: The address cannot be reached now.
        """
        wanted = fingerprint_digits(fingerprint)
        async with self._context.database.read() as tx:
            partner = await find_partner(tx, ref)
        require_next(partner, TrustEvent.KEY_CONFIRMED)
        document = await self._shown(partner)
        signing = document.keys[0].public_key
        if fingerprint_digits(signing.fingerprint) != wanted:
            raise ConflictError(
                Sentence(
                    "The key at {base_url} has the fingerprint {shown}, not {typed}.",
                    base_url=partner.base_url,
                    shown=signing.fingerprint,
                    typed=fingerprint,
                ),
                code="fingerprint-differs",
                path="fingerprint",
                hint="Do not confirm. Telephone the other office again.",
            )

        async def work(tx: Transaction) -> Partner:
            current = await rows.lock_partner(tx, partner.id)
            if current is None:
                raise ConflictError("This partner no longer exists.")
            require_next(current, TrustEvent.KEY_CONFIRMED)
            decision = confirmed_keys(
                _pinned(current), document.keys, confirmed=signing, now=self._now()
            )
            if isinstance(decision, KeyChangeRefused):
                raise ended_key(current)
            changed = await self._store(
                tx,
                current,
                decision.keys,
                origin=KeyOrigin.CONFIRMED,
                person=actor,
                protocol=document.protocol,
                capabilities=document.capabilities,
                actor_updated=document.updated,
            )
            return await self._lift(tx, changed, person=actor, note=signing.fingerprint)

        return await self._context.database.write(work)

    async def require_shown(self, partner: Partner) -> None:
        """Require that a partner's address shows the key that signs for it now.

        A partner request proved who was invited, not whose address it names.

        Raises:
            ConflictError: Another key, or no node at all, is at the address.
            UnavailableError: The address cannot be reached now.
        """
        document = await self._shown(partner)
        keys = {each.public_key for each in document.keys if each.is_current}
        pinned = partner.key.pinned
        if not pinned.is_current or pinned.public_key not in keys:
            raise ConflictError(
                Sentence(
                    "The node at {base_url} shows another key than the request "
                    "of {name}.",
                    base_url=partner.base_url,
                    name=partner.name,
                ),
                code="partner-key-differs",
                hint="Do not confirm. Call the other office.",
            )

    async def history(self, partner: Partner) -> list[PartnerKey]:
        """Return every key that the partner ever had, those that count first."""
        async with self._context.database.read() as tx:
            return await list_keys(tx, partner.id)

    @staticmethod
    def suspension(partner: Partner) -> Suspension | None:
        """Say why nothing flows with a partner, None if its key is in order."""
        return suspension_of(partner)

    # -- steps -------------------------------------------------------------------

    async def _require_rare(
        self, tx: Transaction, partner: Partner, decision: KeysAccepted
    ) -> None:
        """Refuse more new keys in a day than anybody needs: each is kept for ever."""
        if not decision.added:
            return
        since = self._now() - timedelta(days=1)
        recent = sum(
            key.origin is KeyOrigin.ANNOUNCED and key.pinned_at > since
            for key in await list_keys(tx, partner.id)
        )
        if recent + len(decision.added) > KEYS_DAILY_MAX:
            raise too_many(
                QUOTA_WAIT, code="too-many-keys", text="Too many new keys in a day."
            )

    async def _told(
        self, tx: Transaction, partner: Partner, actor: ActorDocument
    ) -> Partner:
        """Take over what a signed update says beside the keys.

        Name and card only once both offices have accepted: until then ours decides
        about what it saw in the request.
        """
        name, card = partner.name, partner.card
        if partner.state in ESTABLISHED:
            card = card_values(actor.card)
            if not await self._is_somebody_elses(tx, partner, actor.name):
                name = actor.name
        values: dict[str, Any] = {
            "name": name,
            "card": card,
            "protocol": actor.protocol,
            "capabilities": actor.capabilities,
            "actor_updated": actor.updated,
        }
        await rows.update_partner(tx, partner.id, **values)
        if name != partner.name:
            await add_step(
                tx,
                self._context,
                partner.id,
                event="renamed",
                person=None,
                note=f"{partner.name} → {name}",
            )
        return replace(partner, **values)

    async def _is_somebody_elses(
        self, tx: Transaction, partner: Partner, name: str
    ) -> bool:
        """Whether a name is our own or another partner's: nobody may take it on."""
        if name == partner.name:
            return False
        others = [
            each.name for each in await rows.list_partners(tx) if each.id != partner.id
        ]
        return is_taken(name, (self._context.config.name, *others))

    async def _store(
        self,
        tx: Transaction,
        partner: Partner,
        keys: tuple[PinnedKey, ...],
        *,
        origin: KeyOrigin,
        person: Person | None = None,
        **values: Any,
    ) -> Partner:
        stored = rows_of_keys(
            self._context, keys, before=partner.keys, origin=origin, person=person
        )
        await store_keys(tx, partner.id, stored, at=self._now())
        if values:
            await rows.update_partner(tx, partner.id, **values)
        return replace(partner, keys=stored, **values)

    async def _suspend(
        self, tx: Transaction, partner: Partner, decision: KeySuspended
    ) -> Partner:
        """Stop the flow, and ask our office; once for each key that is seen."""
        changed = partner
        if decision.keys != _pinned(partner):
            changed = await self._store(
                tx, partner, decision.keys, origin=KeyOrigin.ANNOUNCED
            )
        offered = decision.offered
        multibase = None if offered is None else offered.public_key.multibase
        if partner.state not in ESTABLISHED:
            # Nothing flows yet, or no more; what is revoked is revoked.
            await self._write_revoked(tx, partner, changed)
            return await self._may_ask_again(tx, changed)
        is_known = (
            partner.state is TrustState.SUSPENDED
            and partner.offered_multibase == multibase
            and changed is partner
        )
        if is_known:
            return partner
        await self._write_revoked(tx, partner, changed)
        because = (
            SuspensionReason.REVOKED_ITSELF
            if partner.suspended_because is SuspensionReason.REVOKED_ITSELF
            else decision.reason
        )
        suspended = await change_state(
            tx,
            self._context,
            changed,
            event=TrustEvent.KEY_CHANGED,
            note=None if offered is None else offered.public_key.fingerprint,
            suspended_from=partner.suspended_from or partner.state,
            suspended_because=because,
            offered_multibase=multibase,
        )
        await self._tell_office(tx, suspended)
        logger.warning("suspended %s: %s", partner.id, because.value)
        return suspended

    async def _may_ask_again(self, tx: Transaction, partner: Partner) -> Partner:
        """Let our office know that its request cannot be answered any more.

        The host's answer would be signed by a key that we do not know: it has revoked
        the one that we saw. The same code may be accepted once more.
        """
        if partner.state is not TrustState.WAITING or partner.key.pinned.is_current:
            return partner
        values: dict[str, Any] = {
            "last_error": _UNANSWERABLE,
            "problem_code": REQUEST_KEY_ENDED,
        }
        await rows.update_partner(tx, partner.id, **values)
        return replace(partner, **values)

    async def _lift(
        self,
        tx: Transaction,
        partner: Partner,
        *,
        person: Person | None,
        note: str,
    ) -> Partner:
        """End a suspension: back to where the partnership stood before."""
        before = partner.suspended_from
        lifted = await change_state(
            tx,
            self._context,
            partner,
            event=TrustEvent.KEY_CONFIRMED,
            person=person,
            note=note,
            attempts=0,
            next_attempt_at=None,
            last_error=None,
            problem_code=None,
        )
        if before is TrustState.PAUSED:
            return await change_state(
                tx, self._context, lifted, event=TrustEvent.WE_PAUSED, person=person
            )
        tx.after_commit(lambda: self._waker.poke(lifted.id))
        return lifted

    async def _write_steps(
        self, tx: Transaction, partner_id: str, decision: KeysAccepted
    ) -> None:
        for event, keys in (
            ("key_announced", decision.added),
            ("key_retired", decision.retired),
            ("key_revoked", decision.revoked),
        ):
            for key in keys:
                await add_step(
                    tx,
                    self._context,
                    partner_id,
                    event=event,
                    person=None,
                    note=key.public_key.fingerprint,
                )

    async def _write_revoked(
        self, tx: Transaction, before: Partner, after: Partner
    ) -> None:
        ended = {key.id for key in before.keys if key.revoked is not None}
        revoked = tuple(
            key.pinned
            for key in after.keys
            if key.revoked is not None and key.id not in ended
        )
        await self._write_steps(tx, after.id, KeysAccepted((), revoked=revoked))

    async def _tell_office(self, tx: Transaction, partner: Partner) -> None:
        suspension = self.suspension(partner)
        if suspension is None:
            return
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="partner-key-changed",
                language=person.language,
                partner=partner.name,
                partner_id=partner.id,
                base_url=partner.base_url,
                pinned=suspension.pinned,
                offered=suspension.offered or "",
                because=suspension.because.value,
            )

    async def _tell_added(
        self, tx: Transaction, partner: Partner, decision: KeysAccepted
    ) -> None:
        """Let our office know of keys that came without it: it may have doubts."""
        if not decision.added or partner.state not in ESTABLISHED:
            return
        for person in await office_persons(tx):
            await self._mail.queue(
                tx,
                recipient=person,
                kind="partner-key-announced",
                language=person.language,
                partner=partner.name,
                partner_id=partner.id,
                base_url=partner.base_url,
                keys=", ".join(key.public_key.fingerprint for key in decision.added),
            )

    async def _shown(self, partner: Partner) -> ActorDocument:
        try:
            return await self._client.fetch_actor(BaseUrl(partner.base_url))
        except PermanentFetchError as error:
            raise ConflictError(
                Sentence(
                    "{base_url} does not answer as a node: {reason}.",
                    base_url=partner.base_url,
                    reason=str(error),
                ),
                code="partner-address-wrong",
                hint="Ask the other office whether the address is right.",
            ) from error
        except FetchError as error:
            raise UnavailableError(
                Sentence(
                    "{name} ({base_url}) cannot be reached now: {reason}.",
                    name=partner.name,
                    base_url=partner.base_url,
                    reason=str(error),
                ),
                code="partner-unreachable",
                hint=(
                    "Try again later: nobody is confirmed whose key cannot be compared."
                ),
            ) from error

    def _now(self) -> datetime:
        return self._context.clock.now()


def _pinned(partner: Partner) -> tuple[PinnedKey, ...]:
    return tuple(key.pinned for key in partner.keys)


def _look_due(partner: Partner) -> datetime:
    """Return when a partner is looked at next: once in 20 to 28 hours.

    The partner's own place in that time is always the same, so that many partners
    are not asked at one moment.
    """
    last = partner.looked_at or partner.created_at
    place = hashlib.sha256(partner.id.encode()).digest()[0] / 255
    return last + LOOK_AFTER + LOOK_SPREAD * place
