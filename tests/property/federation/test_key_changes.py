"""Whatever arrives in whatever order, only a pinned key brings another one in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from federation.documents import ActorUpdate, build_actor, parse_actor
from federation.documents.actor_update import build_actor_update, parse_actor_update
from federation.errors import PeerError
from federation.key_changes import (
    KeysAccepted,
    KeySuspended,
    SuspensionReason,
    decide_key_change,
)
from federation.keys import Signer, SigningKey
from federation.peers import PinnedKey
from tests.unit.federation.nodes import NOW, Bytes, Node

A = Node("spalier.optence.example")
B = Node("spalier.swissmem.example")
NUMBERS = range(1, 5)
SECRETS = {
    (whose, number): SigningKey.generate(Bytes(f"{whose}{number}"))
    for whose in ("own", "evil")
    for number in NUMBERS
}
moments = st.integers(-3, 1).map(lambda days: NOW + timedelta(days=days))


@dataclass(frozen=True)
class Listed:
    """One key as a document lists it."""

    whose: str
    number: int
    expires: object
    revoked: object

    @property
    def pinned(self) -> PinnedKey:
        secret = SECRETS[self.whose, self.number]
        return PinnedKey(
            A.address.key(self.number),
            secret.public_key,
            expires=self.expires,  # type: ignore[arg-type]
            revoked=self.revoked,  # type: ignore[arg-type]
        )


@dataclass(frozen=True)
class Step:
    """One document that arrives.

    Args:
        keys: What it lists.
        signer: Whose secret signs it, and the number that it claims to have; None
            for a document that is only fetched.
        updated: When it says that it was made.
    """

    keys: tuple[Listed, ...]
    signer: tuple[str, int, int] | None
    updated: object


listed = st.builds(
    Listed,
    whose=st.sampled_from(["own", "own", "evil"]),
    number=st.sampled_from(list(NUMBERS)),
    expires=st.none() | moments,
    revoked=st.none() | st.none() | moments,
)
first = st.builds(
    Listed,
    whose=st.sampled_from(["own", "evil"]),
    number=st.sampled_from(list(NUMBERS)),
    expires=st.none(),
    revoked=st.none(),
)
lists = st.builds(
    lambda head, tail: (head, *tail), first, st.lists(listed, max_size=3)
).filter(lambda keys: len({key.number for key in keys}) == len(keys))
steps = st.builds(
    Step,
    keys=lists,
    signer=st.none()
    | st.tuples(
        st.sampled_from(["own", "evil"]),
        st.sampled_from(list(NUMBERS)),
        st.sampled_from(list(NUMBERS)),
    ),
    updated=moments,
)


@dataclass
class Holder:
    """Somebody who has pinned A's first key and believes what is to be believed."""

    keys: tuple[PinnedKey, ...] = field(
        default_factory=lambda: (Listed("own", 1, None, None).pinned,)
    )
    last: object = None

    def receive(self, step: Step) -> None:
        actor = replace(
            A.actor,
            keys=tuple(each.pinned for each in step.keys),
            updated=step.updated,  # type: ignore[arg-type]
        )
        signed_by = None
        try:
            if step.signer is None:
                offered = parse_actor(build_actor(actor), base_url=A.base_url).keys
            else:
                whose, number, claimed = step.signer
                signer = Signer(A.address, SECRETS[whose, number], claimed)
                update = ActorUpdate(
                    id=A.activity_id(),
                    actor=actor,
                    recipient=B.address.actor,
                    published=NOW,
                )
                document = build_actor_update(update, signer=signer, created=NOW)
                parsed = parse_actor_update(
                    document.document,
                    peer=replace(A.peer, keys=self.keys),
                    address=B.address,
                )
                offered, signed_by = parsed.actor.keys, parsed.signed_by
        except PeerError:
            return
        decision = decide_key_change(
            self.keys,
            offered,
            signed_by=signed_by,
            updated=actor.updated,
            last_updated=self.last,  # type: ignore[arg-type]
            now=NOW,
        )
        if isinstance(decision, KeysAccepted):
            self.keys, self.last = decision.keys, actor.updated
        elif (
            isinstance(decision, KeySuspended)
            and decision.reason is SuspensionReason.REVOKED_ITSELF
        ):
            self.keys = decision.keys


def is_by_pinned_key(step: Step, holder: Holder) -> bool:
    if step.signer is None:
        return False
    whose, number, claimed = step.signer
    secret = SECRETS[whose, number].public_key
    return any(
        key.key_id == A.address.key(claimed)
        and key.public_key == secret
        and key.is_current
        for key in holder.keys
    )


@given(st.lists(steps, max_size=8))
def test_no_document_without_a_pinned_signature_changes_a_key(
    arriving: list[Step],
) -> None:
    holder = Holder()
    for step in arriving:
        if is_by_pinned_key(step, holder):
            continue
        before = holder.keys
        holder.receive(step)
        assert holder.keys == before


def plausible(holder: Holder) -> st.SearchStrategy[Step]:
    """Steps that a pinned key signs, near to what is pinned."""
    known = {int(key.key_id.rpartition("-")[2]): key for key in holder.keys}
    secrets = {secret.public_key: name[0] for name, secret in SECRETS.items()}

    def of(number: int) -> st.SearchStrategy[Listed]:
        key = known.get(number)
        whose = "own" if key is None else secrets[key.public_key]
        return st.builds(
            Listed,
            whose=st.sampled_from([whose, whose, whose, "evil"]),
            number=st.just(number),
            expires=st.sampled_from([None, key and key.expires, NOW]) | moments,
            revoked=st.sampled_from([None, None, key and key.revoked, NOW]),
        )

    numbers = st.lists(
        st.sampled_from([*known, *known, max(known) + 1, *NUMBERS]),
        min_size=1,
        max_size=4,
        unique=True,
    ).map(lambda found: [number for number in found if number in NUMBERS] or [1])
    keys = numbers.flatmap(lambda found: st.tuples(*map(of, found))).map(
        lambda found: (replace(found[0], expires=None, revoked=None), *found[1:])
    )
    signers = [
        (secrets[key.public_key], number, number)
        for number, key in known.items()
        if key.is_current
    ]
    return st.builds(
        Step,
        keys=keys,
        signer=st.sampled_from(signers) if signers else st.none(),
        updated=st.sampled_from([NOW, NOW, NOW - timedelta(days=1)]),
    )


@given(st.data())
def test_what_has_ended_stays_ended_and_ids_stay_with_their_keys(
    data: st.DataObject,
) -> None:
    holder = Holder()
    for _ in range(data.draw(st.integers(1, 6), label="steps")):
        step = data.draw(plausible(holder) | steps, label="step")
        before = {key.key_id: key for key in holder.keys}
        proven = is_by_pinned_key(step, holder)
        holder.receive(step)
        brought = {key.pinned.public_key for key in step.keys} if proven else set()
        for key in holder.keys:
            old = before.pop(key.key_id, None)
            if old is None:
                assert key.public_key in brought
                continue
            assert key.public_key == old.public_key
            assert old.revoked is None or key.revoked is not None
            assert old.expires is None or (
                key.expires is not None and key.expires <= old.expires
            )
        assert not before


def test_the_steps_reach_what_they_are_about() -> None:
    """The law above says something only if keys are added and ended in it."""
    key = Listed("own", 1, None, None)
    holder = Holder()
    for listed in (
        (key, Listed("own", 2, None, None)),
        (Listed("own", 2, None, None), replace(key, expires=NOW)),
        (Listed("own", 3, None, None), Listed("own", 2, None, NOW)),
    ):
        number = 1 if listed[0] is key else 2
        signer = ("own", 1 if len(holder.keys) == 1 else number, number)
        holder.receive(Step(listed, signer, NOW))
    assert [key.is_current for key in holder.keys] == [False, False]
    assert {each.key_id for each in holder.keys} == {
        A.address.key(1),
        A.address.key(2),
    }
