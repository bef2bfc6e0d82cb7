"""Whether what a partner says about its keys is believed.

THE place that decides it. Pure: what is pinned, what is offered, and whose
signature brings it, lead to one decision with its reason.

A new key counts only if a key that is pinned and current brings it. An address
alone proves nothing: what is merely found there can make us stop and ask our
office, never make us trust.

Source: SPEC.md FED-100 to FED-111.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Final, TypeAlias

from federation.limits import (
    CURRENT_KEYS_MAX,
    KEYS_MAX,
    SIGNATURE_AHEAD_MAX,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from federation.keys import PublicKey
    from federation.peers import PinnedKey

Keys: TypeAlias = "tuple[PinnedKey, ...]"


class SuspensionReason(Enum):
    """Why a partner's key has to be compared again."""

    NOT_LISTED = "not_listed"
    """Its address no longer lists any key that is pinned and current."""
    REVOKED_ITSELF = "revoked_itself"
    """A pinned key revoked itself; whoever held it may have done more."""
    DISOWNED = "disowned"
    """A key that counts here is not listed any more, or listed as revoked: somebody
    else may have announced it."""


class RefusalReason(Enum):
    """Which rule an announcement breaks; the value is a sentence for the sender."""

    IN_FUTURE = "A time in the announcement lies in the future."
    ID_CHANGED = "A key id names another key than before."
    KEY_RENAMED = "A key has another id than before."
    CAME_BACK = "A key that was retired or revoked has come back."
    NUMBER_USED = "The number of a new key is not higher than those forgotten."
    MISSING = "A key that may sign now is not listed; retire or revoke it."
    TOO_MANY = "There are too many keys."


@dataclass(frozen=True, slots=True)
class KeysAccepted:
    """The keys change.

    Args:
        keys: All keys from now on, the one that signs now first.
        added: Those that were not pinned before.
        retired: Those that sign nothing any more.
        revoked: Those that count no more.
    """

    keys: Keys
    added: Keys = ()
    retired: Keys = ()
    revoked: Keys = ()


@dataclass(frozen=True, slots=True)
class KeysUnchanged:
    """Nothing about the keys is new.

    Args:
        keys: What is pinned, the one that signs now first.
    """

    keys: Keys


@dataclass(frozen=True, slots=True)
class KeySuspended:
    """Nothing may flow until our office has compared the key.

    Args:
        reason: What was seen.
        keys: What stays pinned; a key that revoked itself is revoked in it.
        offered: The key that signs now by the other side's word, None if it is
            one that is pinned and current and no other is disowned. It is not
            trusted.
    """

    reason: SuspensionReason
    keys: Keys
    offered: PinnedKey | None


@dataclass(frozen=True, slots=True)
class KeyChangeIgnored:
    """The announcement is older than one that was accepted; nothing of it counts."""


@dataclass(frozen=True, slots=True)
class KeyChangeRefused:
    """A signed announcement breaks a rule; nothing of it is taken."""

    reason: RefusalReason


KeyDecision: TypeAlias = (
    KeysAccepted | KeysUnchanged | KeySuspended | KeyChangeIgnored | KeyChangeRefused
)


def decide_key_change(
    pinned: Keys,
    offered: Keys,
    *,
    signed_by: str | None,
    updated: datetime | None,
    last_updated: datetime | None,
    now: datetime,
) -> KeyDecision:
    """Decide what a document of a partner changes about its keys.

    Args:
        pinned: The keys that count for the partner, ended ones included.
        offered: The keys that the document lists, the one that signs now first.
        signed_by: Id of the key whose proof over the document has verified; None
            for a document that was only fetched. Another than a pinned, current
            key counts as none.
        updated: When the document says that it last changed.
        last_updated: The same of the last announcement that was accepted.
        now: Aware UTC.
    """
    signer = next(
        (key for key in pinned if key.key_id == signed_by and key.is_current), None
    )
    if signer is None:
        # Also if it is older than the last announcement: whoever has stolen a key
        # could otherwise close our eyes by announcing something every day.
        return _seen(pinned, offered)
    stale = updated is not None and last_updated is not None and updated < last_updated
    revocation = _same(signer, offered)
    if revocation is not None and revocation.revoked is not None:
        # Believed also when it is late: nobody gains by an untrue one.
        return _revoked_itself(pinned, offered, signer, revocation.revoked)
    if stale:
        return KeyChangeIgnored()
    if updated is not None and updated > now + SIGNATURE_AHEAD_MAX:
        return KeyChangeRefused(RefusalReason.IN_FUTURE)
    return _announced(pinned, offered, now=now)


def keys_to_pin(offered: Keys, *, now: datetime) -> Keys:
    """Return the keys of an actor that an office's comparison covers.

    The office compares the key that signs now. Others that may sign now come
    later, by an announcement of that one; ended ones are needed for old proofs.

    Args:
        offered: The keys of an actor.
        now: Aware UTC.
    """
    signing, *others = offered
    ended = [
        key
        for key in others
        if not key.is_current
        and (key.expires is None or key.expires <= now + SIGNATURE_AHEAD_MAX)
    ]
    return (signing, *ended)


def confirmed_keys(
    pinned: Keys, offered: Keys, *, confirmed: PublicKey, now: datetime
) -> KeysAccepted | KeyChangeRefused:
    """Return the keys after an office has compared the one that signs now.

    Args:
        pinned: The keys that counted so far.
        offered: The keys that the node's address lists now.
        confirmed: The key whose fingerprint the office compared.
        now: Aware UTC.

    Returns:
        `KeyChangeRefused` if the address shows another key than the office
        compared, or one that was retired or revoked before.
    """
    if offered[0].public_key != confirmed:
        return KeyChangeRefused(RefusalReason.ID_CHANGED)
    if any(key.public_key == confirmed and not key.is_current for key in pinned):
        return KeyChangeRefused(RefusalReason.CAME_BACK)
    kept: list[PinnedKey] = []
    for key in keys_to_pin(offered, now=now):
        before = _same(key, pinned)
        kept.append(key if before is None else _earlier_end(before, key))
    keys = tuple(kept)
    return KeysAccepted(keys, added=_new(pinned, keys))


def _seen(pinned: Keys, offered: Keys) -> KeysUnchanged | KeySuspended:
    """Decide about a document that proves nothing."""
    listed = [_same(key, offered) for key in pinned if key.is_current]
    if not any(key is not None and key.is_current for key in listed):
        disowned = any(key is not None and key.revoked is not None for key in listed)
        return KeySuspended(
            SuspensionReason.DISOWNED if disowned else SuspensionReason.NOT_LISTED,
            pinned,
            _not_current(offered[0], pinned),
        )
    # One that is listed as retired: its announcement is still on the way.
    if any(key is None or key.revoked is not None for key in listed):
        return KeySuspended(SuspensionReason.DISOWNED, pinned, offered[0])
    return KeysUnchanged(pinned)


def _revoked_itself(
    pinned: Keys, offered: Keys, signer: PinnedKey, revoked: datetime
) -> KeySuspended:
    keys = tuple(
        replace(key, revoked=revoked) if key is signer else key for key in pinned
    )
    keys = tuple(sorted(keys, key=lambda key: not key.is_current))
    return KeySuspended(
        SuspensionReason.REVOKED_ITSELF, keys, _not_current(offered[0], keys)
    )


def _announced(
    pinned: Keys, offered: Keys, *, now: datetime
) -> KeysAccepted | KeysUnchanged | KeySuspended | KeyChangeRefused:
    """Decide about a document that a pinned, current key has signed."""
    broken = _broken_rule(pinned, offered, now=now)
    if broken is RefusalReason.MISSING:
        # Two hold keys of this node, and one does not know the other's.
        return KeySuspended(SuspensionReason.DISOWNED, pinned, offered[0])
    if broken is not None:
        return KeyChangeRefused(broken)
    listed = [
        key if (before := _same(key, pinned)) is None else _earlier_end(before, key)
        for key in offered
    ]
    # All of them have ended; the oldest are forgotten when there are too many.
    unlisted = sorted(
        (key for key in pinned if _same(key, offered) is None),
        key=lambda key: _earliest(key.expires, key.revoked) or now,
        reverse=True,
    )
    keys = (*listed, *unlisted[: KEYS_MAX - len(listed)])
    if keys == pinned:
        return KeysUnchanged(pinned)
    return KeysAccepted(
        keys,
        added=_new(pinned, keys),
        retired=tuple(
            key
            for key in keys
            if key.expires is not None
            and (before := _same(key, pinned)) is not None
            and before.is_current
            and key.revoked is None
        ),
        revoked=tuple(
            key
            for key in keys
            if key.revoked is not None
            and (before := _same(key, pinned)) is not None
            and before.revoked is None
        ),
    )


def _broken_rule(pinned: Keys, offered: Keys, *, now: datetime) -> RefusalReason | None:
    highest = max(_number(key) for key in pinned)
    is_used = False
    for key in offered:
        before = next((old for old in pinned if old.key_id == key.key_id), None)
        if _ends_later(key, than=now + SIGNATURE_AHEAD_MAX):
            return RefusalReason.IN_FUTURE
        reason = (
            _broken_by_new(key, pinned, highest=highest)
            if before is None
            else _broken_by_change(before, key)
        )
        if reason is RefusalReason.NUMBER_USED:
            is_used = True
        elif reason is not None:
            return reason
    if any(key.is_current and _same(key, offered) is None for key in pinned):
        # Before the numbers: a key that somebody slipped in may have a high one.
        return RefusalReason.MISSING
    if is_used:
        return RefusalReason.NUMBER_USED
    current = sum(key.is_current for key in offered)
    if current > CURRENT_KEYS_MAX or len(offered) > KEYS_MAX:
        return RefusalReason.TOO_MANY
    return None


def _ends_later(key: PinnedKey, *, than: datetime) -> bool:
    return any(end is not None and end > than for end in (key.expires, key.revoked))


def _broken_by_new(
    key: PinnedKey, pinned: Keys, *, highest: int
) -> RefusalReason | None:
    if any(old.public_key == key.public_key for old in pinned):
        return RefusalReason.KEY_RENAMED
    # Where keys have been forgotten numbers must grow, so that none of those comes
    # back. Else a lower one is a second key that signed when we met: at a handshake
    # only the one is pinned that the check number covers.
    has_forgotten = len(pinned) >= KEYS_MAX
    return (
        RefusalReason.NUMBER_USED if has_forgotten and _number(key) <= highest else None
    )


def _broken_by_change(before: PinnedKey, key: PinnedKey) -> RefusalReason | None:
    if before.public_key != key.public_key:
        return RefusalReason.ID_CHANGED
    if key.revoked is not None:
        return None
    if before.revoked is not None:
        return RefusalReason.CAME_BACK
    if before.expires is not None and key.expires is None:
        return RefusalReason.CAME_BACK
    # A later end is no fault, and has no effect: a node that was put back from a
    # backup retires a key once more.
    return None


def _earlier_end(before: PinnedKey, key: PinnedKey) -> PinnedKey:
    """Return a key with whichever end counts more: the earlier one."""
    return replace(
        key,
        expires=_earliest(before.expires, key.expires),
        revoked=_earliest(before.revoked, key.revoked),
    )


def _earliest(*moments: datetime | None) -> datetime | None:
    return min((each for each in moments if each is not None), default=None)


def _same(key: PinnedKey, among: Sequence[PinnedKey]) -> PinnedKey | None:
    """Find the key with the same id and the same public key."""
    for each in among:
        if each.key_id == key.key_id and each.public_key == key.public_key:
            return each
    return None


def _not_current(key: PinnedKey, pinned: Keys) -> PinnedKey | None:
    known = _same(key, pinned)
    return None if known is not None and known.is_current else key


def _new(pinned: Keys, keys: Keys) -> Keys:
    return tuple(key for key in keys if _same(key, pinned) is None)


def _number(key: PinnedKey) -> int:
    """Return the number in a key id (`/actor#key-N`, checked by the schema)."""
    return int(key.key_id.rpartition("-")[2])


__all__: Final = [
    "KeyChangeIgnored",
    "KeyChangeRefused",
    "KeyDecision",
    "KeySuspended",
    "KeysAccepted",
    "KeysUnchanged",
    "RefusalReason",
    "SuspensionReason",
    "confirmed_keys",
    "decide_key_change",
    "keys_to_pin",
]
