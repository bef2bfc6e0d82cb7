"""How our keys change: in stages that partners do not notice, or at once.

A rotation: a new key is announced to every partner, signed by the one that they
know; once all have taken it, or after a waiting time, it signs; once all have taken
it, the old one retires. An emergency: a new key signs at once and all before are
revoked; partners believe that only after their office has compared it.

Source: SPEC.md NOD-021 to NOD-028.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from federation.keys import SigningKey
from node.errors import ConflictError, InvalidInputError
from node.keys.following import follow_table
from node.keys.model import LIVE_STATES, KeyState, NodeKey
from node.keys.new_secrets import fresh_secret, secret_to_announce
from node.keys.noting import note_key
from node.keys.opening import read_secrets
from node.keys.rules import (
    OVERLAP,
    REVOCATION_DAYS,
    checked_reason,
    due_at,
    late_at,
    missing_secrets,
    require_admin,
    require_secret,
)
from node.keys.telling import (
    Progress,
    let_keys_revoke_themselves,
    progress_of,
    tell_everybody,
    tell_the_rest,
)
from node.members.model import Person
from node.node_key import remove_key, stored_numbers
from node.partners.own_actor import has_changed, note_changed
from node.partners.ports import Waker
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import node_keys as rows
from node.storage.database import Transaction
from node.storage.entries import count_published
from node.storage.node_state import hold_partnerships
from node.storage.outgoing import ActivityKind, mark_refused, undelivered_of_kind

logger = logging.getLogger(__name__)

SIGNED_AT_ONCE: Final = 200  # entries in one transaction
_SECOND: Final = timedelta(seconds=1)


class Entries(Protocol):
    """What the catalogue does for us."""

    async def sign_anew(self, limit: int) -> int:
        """Sign published entries again whose key was revoked; return how many."""
        ...


class OwnKeys:
    """The keys of this node, changed by one at a time.

    Args:
        context: The node; its ring follows every change.
        folder: Where the secrets are.
        entries: The catalogue.
        waker: Starts deliveries.
        tell_others: Tells the node's other processes of a change, if there are any.
    """

    def __init__(
        self,
        context: NodeContext,
        *,
        folder: Path,
        entries: Entries,
        waker: Waker,
        tell_others: Callable[[], None] | None = None,
    ) -> None:
        self._context = context
        self._tell_others = tell_others
        self._folder = folder
        self._entries = entries
        self._waker = waker
        self._changing = asyncio.Lock()

    # Other processes

    async def follow(self) -> None:
        """Take over what another process has changed, and drop what it has ended.

        On another machine the file of a new key has to be brought; until it is there
        this process signs with the older key where that is still possible.
        """
        async with self._alone():
            await self._drop_secrets()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Keep others of this process out, with the keys as they are now."""
        async with self._changing:
            if self._tell_others is not None:
                await follow_table(self._context, self._folder)
            yield

    # Rotation

    async def rotate(self, actor: Person | None) -> NodeKey:
        """Make a new key and announce it to every partner.

        Raises:
            ConflictError: A rotation is under way already.
            NotAuthorisedError: The person does not administer the node.
        """
        require_admin(actor)
        async with self._alone():
            ring = self._context.keys
            if ring.announced is not None or ring.replaced:
                raise ConflictError(
                    "The key is being changed already.",
                    code="rotation-under-way",
                    hint="See who has not taken the new key yet: spalier keys list",
                )
            require_secret(ring.secrets, ring.active)
            number, secret = await asyncio.to_thread(
                secret_to_announce, self._folder, self._context.random, ring.keys
            )

            async def work(tx: Transaction) -> None:
                await self._require_unchanged(tx)
                await rows.insert_key(
                    tx,
                    NodeKey(
                        number=number,
                        multibase=secret.public_key.multibase,
                        state=KeyState.ANNOUNCED,
                        created_at=self._now(),
                    ),
                    created_by=_id(actor),
                )
                note_key(tx, self._context, "made", number, actor)
                await self._follow(tx, {number: secret})
                await tell_everybody(tx, self._context, self._waker)

            await self._context.database.write(work)
            logger.info("key %d is announced", number)
            return self._key(number)

    async def activate(self, actor: Person | None) -> NodeKey:
        """Let the announced key sign now, whoever has not taken it yet.

        Raises:
            ConflictError: No key is announced.
        """
        require_admin(actor)
        async with self._alone():
            announced = self._context.keys.announced
            if announced is None:
                raise ConflictError(
                    "No new key is announced.",
                    code="nothing-announced",
                    hint="Announce one first: spalier keys rotate",
                )
            require_secret(self._context.keys.secrets, announced)
            return await self._activate(announced)

    async def retire(self, actor: Person | None) -> list[NodeKey]:
        """Let the old key go now, whoever does not know the new one yet.

        Returns:
            The keys that retired.

        Raises:
            ConflictError: There is no old key that is still in use, or the secret of
                the key that signs is not there.
        """
        require_admin(actor)
        async with self._alone():
            replaced = self._context.keys.replaced
            if not replaced:
                raise ConflictError(
                    "There is no old key to retire.",
                    code="nothing-replaced",
                    hint="The key that signs can only be replaced, or revoked.",
                )
            # Theirs may be the last secret that is there.
            require_secret(self._context.keys.secrets, self._context.keys.active)
            await self._retire(replaced, actor)
            await self._drop_secrets()
            return [self._key(key.number) for key in replaced]

    async def advance(self) -> int:
        """Move on whatever is due; return the number of steps."""
        async with self._alone():
            if self._context.keys.fault is not None:
                return 0
            steps = await self._tell_what_is_new()
            steps += await self._tell_the_rest()
            steps += await self._activate_if_due()
            steps += await self._retire_if_due()
            steps += await self._drop_secrets()
            return steps + await self._sign_anew_if_due()

    # Emergency

    async def revoke(
        self, actor: Person | None, *, reason: str, number: int | None = None
    ) -> NodeKey:
        """Revoke the keys that sign, with a new one at once; or one other key.

        Args:
            actor: Who orders it; None for somebody on the server itself.
            reason: Why; stays in our own history.
            number: A key that does not sign entries: announced, replaced or retired.
                No new key is needed for it. Partners that hold another one believe
                it by themselves; the office of the others has to compare.

        Returns:
            The key that signs now.

        Raises:
            ConflictError: The secret is not there (see `replace_lost`), or the key
                is revoked already.
            InvalidInputError: No reason, or no such key.
        """
        require_admin(actor)
        reason = checked_reason(reason)
        async with self._alone():
            ring = self._context.keys
            if number is None or number == ring.active.number:
                if ring.fault is not None:
                    raise ConflictError(
                        "A secret key is missing, so it cannot revoke itself.",
                        code="key-missing",
                        hint="Put it back (spalier keys restore FILE), or replace it: "
                        "spalier keys replace --lost",
                    )
                await self._begin_anew(actor, reason)
            else:
                await self._revoke_one(actor, number, reason)
        await self._sign_everything_anew()
        return self._context.keys.active

    async def replace_lost(self, actor: Person | None, *, reason: str) -> NodeKey:
        """Begin with a new key although the secret of the old one is lost.

        Nobody can be told by a signature: partners see at our address that the key
        has changed, and ask their office to compare it.

        Raises:
            ConflictError: The secret is there; then it can revoke itself.
        """
        require_admin(actor)
        reason = checked_reason(reason)
        async with self._alone():
            if self._context.keys.fault is None:
                raise ConflictError(
                    "No secret key is missing.",
                    code="key-present",
                    hint="Change it in order (spalier keys rotate), or revoke it: "
                    "spalier keys revoke",
                )
            await self._begin_anew(actor, reason)
        await self._sign_everything_anew()
        return self._context.keys.active

    async def restored(self) -> None:
        """Read the secrets again after files were put back."""
        async with self._alone():
            ring = self._context.keys
            secrets, _ = await asyncio.to_thread(read_secrets, self._folder, ring.keys)
            ring.replace(ring.keys, secrets, fault=missing_secrets(ring.keys, secrets))

    async def note_backup(self, actor: Person | None, numbers: Iterable[int]) -> None:
        """Note that somebody took a backup of these keys away."""
        numbers = list(numbers)

        async def work(tx: Transaction) -> None:
            await rows.note_backup(
                tx, numbers, at=self._context.clock.now(), person_id=_id(actor)
            )
            for number in numbers:
                note_key(tx, self._context, "saved", number, actor)
            await self._follow(tx)

        # Alone: what it reads must not be older than what a rotation writes.
        async with self._alone():
            await self._context.database.write(work)

    # Steps of a rotation

    async def _tell_what_is_new(self) -> int:
        """Tell partners of another name, card, version or capabilities."""
        async with self._context.database.read() as tx:
            if not await has_changed(tx, self._context):
                return 0

        async def work(tx: Transaction) -> int:
            if not await note_changed(tx, self._context):
                return 0
            await tell_everybody(tx, self._context, self._waker)
            return 1

        return await self._context.database.write(work)

    async def _tell_the_rest(self) -> int:
        if (await self._progress(self._context.keys.newest)).is_complete:
            return 0

        async def work(tx: Transaction) -> int:
            newest = self._context.keys.newest
            return await tell_the_rest(tx, self._context, newest, self._waker)

        return await self._context.database.write(work)

    async def _activate_if_due(self) -> int:
        announced = self._context.keys.announced
        if announced is None:
            return 0
        progress = await self._progress(announced)
        if not progress.is_complete and self._context.clock.now() < due_at(announced):
            return 0
        await self._activate(announced)
        return 1

    async def _retire_if_due(self) -> int:
        ring = self._context.keys
        active = ring.active
        if not ring.replaced or active.activated_at is None:
            return 0
        if self._context.clock.now() < active.activated_at + OVERLAP:
            return 0
        progress = await self._progress(active)
        if progress.holds_up(late=self._context.clock.now() >= late_at(active)):
            return 0
        await self._retire(ring.replaced, None)
        return 1

    async def _activate(self, announced: NodeKey) -> NodeKey:
        async def work(tx: Transaction) -> None:
            await _change(
                tx,
                announced.number,
                from_states={KeyState.ANNOUNCED},
                state=KeyState.ACTIVE,
                # Later than the announcement, however quickly it follows: a key
                # that signed at once had none.
                activated_at=max(self._now(), announced.created_at + _SECOND),
            )
            note_key(tx, self._context, "activated", announced.number, None)
            await self._follow(tx)

        await self._context.database.write(work)
        logger.info("key %d signs from now on", announced.number)
        return self._key(announced.number)

    async def _retire(self, keys: Iterable[NodeKey], actor: Person | None) -> None:
        numbers = [key.number for key in keys]

        async def work(tx: Transaction) -> None:
            for number in numbers:
                await _change(
                    tx,
                    number,
                    from_states={KeyState.ACTIVE},
                    state=KeyState.RETIRED,
                    retired_at=self._now(),
                    ended_by=_id(actor),
                )
                note_key(tx, self._context, "retired", number, actor)
            await self._follow(tx)
            await tell_everybody(tx, self._context, self._waker)

        await self._context.database.write(work)
        logger.info("keys retired: %s", numbers)

    async def _drop_secrets(self) -> int:
        """Remove the files of keys that have nothing to sign any more."""
        ring = self._context.keys
        async with self._context.database.read() as tx:
            queued = await undelivered_of_kind(tx, ActivityKind.REVOCATION)
        speaking = {ring.number_of(activity.subject) for activity in queued}
        dropped = 0
        present = await asyncio.to_thread(stored_numbers, self._folder)
        for key in ring.keys:
            if key.is_live or key.number not in present:
                continue
            if key.number in speaking and not self._has_spoken_long(key):
                continue
            await self._silence(key)
            dropped += await asyncio.to_thread(
                remove_key, self._folder, key.public_key, number=key.number
            )
            secrets = ring.secrets
            secrets.pop(key.number, None)
            ring.replace(ring.keys, secrets, fault=ring.fault)
        return dropped

    def _has_spoken_long(self, key: NodeKey) -> bool:
        if key.revoked_at is None:
            return True
        until = key.revoked_at + timedelta(days=REVOCATION_DAYS)
        return self._context.clock.now() >= until

    async def _silence(self, key: NodeKey) -> None:
        """Give up what a key would still have to say."""
        number_of = self._context.keys.number_of

        async def work(tx: Transaction) -> None:
            for activity in await undelivered_of_kind(tx, ActivityKind.REVOCATION):
                if number_of(activity.subject) == key.number:
                    await mark_refused(
                        tx, activity.activity_id, reason="The revoked key is gone."
                    )

        await self._context.database.write(work)

    # Steps of an emergency

    async def _begin_anew(self, actor: Person | None, reason: str) -> None:
        """Revoke every live key and sign with a new one."""
        number, secret = await asyncio.to_thread(
            fresh_secret, self._folder, self._context.random, self._context.keys.keys
        )
        ring = self._context.keys
        ended = [key for key in ring.keys if key.is_live]
        speaking = [key for key in ended if key.number in ring.secrets]

        async def work(tx: Transaction) -> None:
            await self._require_unchanged(tx)
            now = self._now()
            for key in ended:
                await _change(
                    tx,
                    key.number,
                    from_states=LIVE_STATES,
                    state=KeyState.REVOKED,
                    revoked_at=now,
                    reason=reason,
                    ended_by=_id(actor),
                )
                note_key(tx, self._context, "revoked", key.number, actor, reason=reason)
            note_key(tx, self._context, "made", number, actor)
            await rows.insert_key(
                tx,
                NodeKey(
                    number=number,
                    multibase=secret.public_key.multibase,
                    state=KeyState.ACTIVE,
                    created_at=now,
                    activated_at=now,
                ),
                created_by=_id(actor),
            )
            await self._follow(tx, {number: secret})
            await let_keys_revoke_themselves(tx, self._context, speaking, self._waker)
            await tell_everybody(tx, self._context, self._waker)

        await self._context.database.write(work)
        logger.warning("keys revoked; key %d signs from now on", number)

    async def _revoke_one(self, actor: Person | None, number: int, reason: str) -> None:
        """Revoke a key beside the one that signs, which tells partners of it."""
        key = self._context.keys.find(number)
        if key is None:
            raise InvalidInputError(
                Sentence("There is no key {number}.", number=number),
                code="key-unknown",
                path="number",
            )
        if key.state is KeyState.REVOKED:
            raise ConflictError(
                Sentence("Key {number} is revoked already.", number=number),
                code="key-revoked",
            )
        ring = self._context.keys
        require_secret(ring.secrets, ring.active)
        kept = [each for each in ring.keys if each.is_live and each is not key]
        speaking = [key] if number in ring.secrets else []

        async def work(tx: Transaction) -> None:
            await _change(
                tx,
                number,
                from_states={key.state},
                state=KeyState.REVOKED,
                revoked_at=self._now(),
                reason=reason,
                ended_by=_id(actor),
            )
            note_key(tx, self._context, "revoked", number, actor, reason=reason)
            await self._follow(tx)
            # Who knows no other key of ours would not believe the active one.
            await let_keys_revoke_themselves(
                tx, self._context, speaking, self._waker, kept=kept
            )
            await tell_everybody(tx, self._context, self._waker)

        await self._context.database.write(work)
        logger.warning("key %d is revoked", number)

    async def _sign_anew_if_due(self) -> int:
        ring = self._context.keys
        revoked = [key.number for key in ring.keys if ring.is_revoked(key.number)]
        async with self._context.database.read() as tx:
            if not revoked or not await count_published(tx, signed_by=revoked):
                return 0
        return await self._entries.sign_anew(SIGNED_AT_ONCE)

    async def _sign_everything_anew(self) -> None:
        """Sign again what revoked keys have signed; `advance` goes on after a stop."""
        while await self._entries.sign_anew(SIGNED_AT_ONCE):
            pass

    # Inside

    async def _require_unchanged(self, tx: Transaction) -> None:
        """Keep other processes from changing the keys until the commit.

        Raises:
            ConflictError: One of them was faster.
        """
        await hold_partnerships(tx, alone=True)
        stages = [(key.number, key.state) for key in await rows.list_keys(tx)]
        if stages != [(key.number, key.state) for key in self._context.keys.keys]:
            raise _changed_meanwhile()

    async def _follow(
        self,
        tx: Transaction,
        new: dict[int, SigningKey] | None = None,
    ) -> None:
        """Let the ring be, after the commit, what the table says now."""
        keys = await rows.list_keys(tx)

        def replace() -> None:
            ring = self._context.keys
            secrets = {**ring.secrets, **(new or {})}
            fault = ring.fault and missing_secrets(keys, secrets)
            ring.replace(keys, secrets, fault=fault)
            if self._tell_others is not None:
                self._tell_others()

        tx.after_commit(replace)

    async def _progress(self, key: NodeKey) -> Progress:
        async with self._context.database.read() as tx:
            return await progress_of(tx, key)

    def _key(self, number: int) -> NodeKey:
        key = self._context.keys.find(number)
        if key is None:
            msg = f"key {number} is gone"
            raise LookupError(msg)
        return key

    def _now(self) -> datetime:
        """Return the time of a change: whole seconds, never before the last one."""
        now = self._context.clock.now().replace(microsecond=0)
        return max(now, self._context.keys.changed_at)


async def _change(
    tx: Transaction,
    number: int,
    *,
    from_states: Collection[KeyState],
    state: KeyState,
    **values: datetime | str | None,
) -> None:
    if not await rows.change_key(
        tx, number, from_states=from_states, state=state, **values
    ):
        raise _changed_meanwhile()


def _changed_meanwhile() -> ConflictError:
    return ConflictError(
        "The keys have changed meanwhile; nothing was done.",
        code="keys-changed",
        hint="Look at them again: spalier keys list",
    )


def _id(actor: Person | None) -> str | None:
    return None if actor is None else actor.id
