"""The keys of a running node: who signs with which.

The ring changes while the node runs, always after the commit that changed the
table. Entries are signed by one key, the active one. What is made for one partner
(requests, answers, receipts, withdrawals, notices, messages) is signed by the
newest key that this partner is known to hold, so that a partner that was away
while the key changed can still verify what it gets.

Source: SPEC.md NOD-021 to NOD-023.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from federation.ids import BaseUrl, NodeAddress
from federation.keys import Signer, SigningKey
from federation.limits import KEYS_MAX
from federation.peers import PinnedKey
from node.errors import NodeError, UnavailableError
from node.keys.model import KeyState, NodeKey
from node.node_key import FIRST_KEY
from node.sentence import Sentence


class KnowsOurKeys(Protocol):
    """Somebody who was told of our keys up to a number."""

    @property
    def told_key_number(self) -> int:
        """Number of our newest key that it has confirmed to know."""
        ...

    @property
    def known_as(self) -> BaseUrl | None:
        """The former address of ours by which it knows us; None for the present."""
        ...


class KeyRing:
    """Our keys by number, with the secrets that are in the node's folder.

    Args:
        address: The node's own addresses.
        keys: Every key that the node ever had.
        secrets: The secrets that are there, by number.
        fault: Why the secret of a live key is not there, if it is so; raised as
            soon as something has to be signed.
    """

    def __init__(
        self,
        address: NodeAddress,
        keys: Iterable[NodeKey],
        secrets: Mapping[int, SigningKey],
        *,
        fault: NodeError | None = None,
    ) -> None:
        self._address = address
        self._keys: tuple[NodeKey, ...] = ()
        self._secrets: dict[int, SigningKey] = {}
        self._fault: NodeError | None = None
        self.replace(keys, secrets, fault=fault)

    @classmethod
    def of_one(
        cls, address: NodeAddress, secret: SigningKey, *, created_at: datetime
    ) -> "KeyRing":
        """Return the ring of a new node: its first key, which signs at once."""
        return cls(address, [first_key(secret, created_at)], {FIRST_KEY: secret})

    def replace(
        self,
        keys: Iterable[NodeKey],
        secrets: Mapping[int, SigningKey],
        *,
        fault: NodeError | None = None,
    ) -> None:
        """Take over what the table says after a change; at once and as a whole."""
        self._keys = tuple(sorted(keys, key=lambda key: key.number))
        self._secrets = dict(secrets)
        self._fault = fault

    # Which keys there are

    @property
    def keys(self) -> tuple[NodeKey, ...]:
        """Every key that the node ever had, the first one first."""
        return self._keys

    @property
    def secrets(self) -> dict[int, SigningKey]:
        """A copy of the secrets that are there, by number."""
        return dict(self._secrets)

    @property
    def fault(self) -> NodeError | None:
        """Why the secret of a live key is not there; None if all are."""
        return self._fault

    def find(self, number: int) -> NodeKey | None:
        """Return the key with a number, None if there is none."""
        return next((key for key in self._keys if key.number == number), None)

    def number_of(self, key_id: str) -> int | None:
        """Return the number of the key with an id, None if it is not ours."""
        for key in self._keys:
            names = (NodeAddress(name).key(key.number) for name in self._address.names)
            if key_id in names:
                return key.number
        return None

    @property
    def active(self) -> NodeKey:
        """The key that signs entries: the newest of the active ones."""
        return max(self._in_state(KeyState.ACTIVE), key=lambda key: key.number)

    @property
    def announced(self) -> NodeKey | None:
        """The key that partners are being told of, None if there is none."""
        found = self._in_state(KeyState.ANNOUNCED)
        return found[-1] if found else None

    @property
    def replaced(self) -> tuple[NodeKey, ...]:
        """Active keys that have a successor and are kept for some partners."""
        active = self.active
        return tuple(
            key for key in self._in_state(KeyState.ACTIVE) if key is not active
        )

    @property
    def newest(self) -> NodeKey:
        """The newest key that may sign: the one that every partner must get."""
        return max(
            (key for key in self._keys if key.is_live), key=lambda key: key.number
        )

    @property
    def changed_at(self) -> datetime:
        """When the keys last changed, whole seconds."""
        latest = max(key.changed_at for key in self._keys)
        return latest.astimezone(UTC).replace(microsecond=0)

    def is_revoked(self, number: int | None) -> bool:
        """Whether nothing that this key signed counts any more."""
        key = None if number is None else self.find(number)
        return key is not None and key.state is KeyState.REVOKED

    def published(self) -> tuple[PinnedKey, ...]:
        """Return the keys for the actor document, the one that signs now first.

        They have the present name; see `federation.peers.renamed_keys`.
        Of more than `KEYS_MAX` keys the oldest that sign no more are left out.
        """
        active = self.active
        others = sorted(
            (key for key in self._keys if key is not active),
            key=lambda key: (not key.is_live, -key.number),
        )
        return tuple(self._pinned(key) for key in (active, *others)[:KEYS_MAX])

    # Who signs

    @property
    def signer(self) -> Signer:
        """Signs entries, and whatever is for nobody in particular.

        Raises:
            NodeError: The secret is not there.
        """
        return self._required(self.active.number)

    def signer_for(self, partner: KnowsOurKeys) -> Signer:
        """Return who signs what is for one partner: the newest key that it holds.

        A partner that holds none of them (all were revoked, or retired before it
        came back) gets the active one, which its office has to compare first. Where
        several machines share the node, the file of a new key may not have reached
        this one yet: then it goes on with the older one.

        Raises:
            NodeError: The secret is not there.
        """
        held = [
            key.number
            for key in self._keys
            if key.is_live and key.number <= partner.told_key_number
        ]
        here = [number for number in held if number in self._secrets]
        signer = self._required(max(here or held, default=self.active.number))
        return replace(signer, address=self.address_for(partner))

    def address_for(self, partner: KnowsOurKeys) -> NodeAddress:
        """Return the address by which a partner knows us, former ones before it."""
        if partner.known_as is None:
            return self._address
        return self._address.as_known(partner.known_as)

    def signer_of(
        self, number: int, *, partner: KnowsOurKeys | None = None
    ) -> Signer | None:
        """Return a key with its secret; also of a revoked one that says so.

        Args:
            number: The key's.
            partner: For whom it signs: by the name that this one knows.
        """
        address = self._address if partner is None else self.address_for(partner)
        secret = self._secrets.get(number)
        return None if secret is None else Signer(address, secret, number)

    def can_verify_entries(self, partner: KnowsOurKeys) -> bool:
        """Whether a partner is known to hold the key that signs entries.

        And by the name that they have: whoever has not confirmed that we have moved
        gets none (SPEC FED-169).
        """
        return partner.known_as is None and (
            partner.told_key_number >= self.active.number
        )

    def is_known_to(self, partner: KnowsOurKeys) -> bool:
        """Whether a partner is known to hold a key that may sign now."""
        return any(
            key.is_live and key.number <= partner.told_key_number for key in self._keys
        )

    def before(self, number: int) -> NodeKey | None:
        """Return the newest key older than one, that may sign and can."""
        older = [
            key
            for key in self._keys
            if key.is_live and key.number < number and key.number in self._secrets
        ]
        return older[-1] if older else None

    # Inside

    def _in_state(self, state: KeyState) -> list[NodeKey]:
        return [key for key in self._keys if key.state is state]

    def _pinned(self, key: NodeKey) -> PinnedKey:
        return PinnedKey(
            self._address.key(key.number),
            key.public_key,
            expires=key.retired_at,
            revoked=key.revoked_at,
        )

    def _required(self, number: int) -> Signer:
        signer = self.signer_of(number)
        if signer is None:
            raise self._fault or UnavailableError(
                Sentence("The secret of key {number} is not there.", number=number),
                code="key-missing",
            )
        return signer


def first_key(secret: SigningKey, created_at: datetime) -> NodeKey:
    """Return the row of a new node's key."""
    return NodeKey(
        number=FIRST_KEY,
        multibase=secret.public_key.multibase,
        state=KeyState.ACTIVE,
        created_at=created_at,
        activated_at=created_at,
    )
