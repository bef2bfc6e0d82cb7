"""What is believed about a partner's keys, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from federation.key_changes import (
    KeyChangeIgnored,
    KeyChangeRefused,
    KeysAccepted,
    KeysUnchanged,
    KeySuspended,
    RefusalReason,
    SuspensionReason,
    confirmed_keys,
    decide_key_change,
    keys_to_pin,
)
from federation.keys import SigningKey
from federation.limits import CURRENT_KEYS_MAX, KEYS_MAX
from federation.peers import PinnedKey
from tests.unit.federation.nodes import NOW, Bytes, Node

ACTOR = "https://spalier.optence.example/actor"
EARLIER = NOW - timedelta(days=30)
LATER = NOW + timedelta(days=30)
R, S = RefusalReason, SuspensionReason


def key(
    number: int,
    *,
    seed: str = "",
    expires: datetime | None = None,
    revoked: datetime | None = None,
) -> PinnedKey:
    """Key with this number; another seed is another key with the same id."""
    secret = SigningKey.generate(Bytes(f"{seed}{number}"))
    return PinnedKey(
        f"{ACTOR}#key-{number}", secret.public_key, expires=expires, revoked=revoked
    )


ONE, TWO, THREE = key(1), key(2), key(3)
RETIRED = key(1, expires=EARLIER)
REVOKED = key(1, revoked=EARLIER)
PINNED = {"one": (ONE,), "rotated": (TWO, RETIRED), "revoked": (TWO, REVOKED)}


def decide(pinned: Any, offered: Any, **given: Any) -> Any:
    values: dict[str, Any] = {
        "signed_by": pinned[0].key_id,
        "updated": NOW,
        "last_updated": EARLIER,
        "now": NOW,
        **given,
    }
    return decide_key_change(pinned, offered, **values)


class TestAnnounced:
    """A pinned, current key has signed the document."""

    def test_a_new_key_beside_the_old_one(self) -> None:
        decision = decide((ONE,), (ONE, TWO))
        assert decision == KeysAccepted((ONE, TWO), added=(TWO,))

    def test_the_new_key_takes_over(self) -> None:
        decision = decide((ONE, TWO), (TWO, ONE), signed_by=ONE.key_id)
        assert decision == KeysAccepted((TWO, ONE))
        ended = key(1, expires=NOW)
        for signer in (ONE, TWO):
            decision = decide((TWO, ONE), (TWO, ended), signed_by=signer.key_id)
            assert decision == KeysAccepted((TWO, ended), retired=(ended,))

    def test_another_key_revokes_the_old_one(self) -> None:
        ended = key(1, revoked=NOW)
        decision = decide((TWO, ONE), (TWO, ended), signed_by=TWO.key_id)
        assert decision == KeysAccepted((TWO, ended), revoked=(ended,))

    def test_everything_at_once_to_somebody_who_was_away(self) -> None:
        away = key(1, expires=NOW - timedelta(days=1))
        decision = decide((ONE,), (THREE, key(2, expires=NOW), away))
        assert isinstance(decision, KeysAccepted)
        assert decision.keys == (THREE, key(2, expires=NOW), away)
        assert decision.added == (THREE, key(2, expires=NOW))
        assert decision.retired == (away,)

    @pytest.mark.parametrize("name", sorted(PINNED))
    def test_the_same_again(self, name: str) -> None:
        assert decide(PINNED[name], PINNED[name]) == KeysUnchanged(PINNED[name])

    def test_a_retired_key_that_is_left_out_stays(self) -> None:
        assert decide((TWO, RETIRED), (TWO,)) == KeysUnchanged((TWO, RETIRED))
        accepted = decide((TWO, REVOKED), (TWO, THREE))
        assert accepted == KeysAccepted((TWO, THREE, REVOKED), added=(THREE,))

    @pytest.mark.parametrize(
        ("pinned", "offered"),
        [
            ((ONE, TWO), (ONE,)),
            ((TWO, ONE), (THREE, ONE)),
            # Somebody slipped in a key with a high number before.
            ((ONE, key(77, seed="evil")), (ONE, TWO)),
        ],
    )
    def test_a_key_that_is_not_listed_any_more_is_for_the_office(
        self, pinned: Any, offered: Any
    ) -> None:
        signed_by = next(key.key_id for key in offered if key in pinned)
        decision = decide(pinned, offered, signed_by=signed_by)
        assert decision == KeySuspended(S.DISOWNED, pinned, offered[0])

    def test_a_later_end_has_no_effect(self) -> None:
        """A node that was put back from a backup retires a key once more."""
        again = decide((TWO, RETIRED), (TWO, key(1, expires=NOW)))
        assert again == KeysUnchanged((TWO, RETIRED))
        accepted = decide((TWO, RETIRED), (TWO, THREE, key(1, expires=NOW)))
        assert accepted == KeysAccepted((TWO, THREE, RETIRED), added=(THREE,))

    def test_an_end_may_only_come_nearer(self) -> None:
        sooner = key(1, expires=EARLIER - timedelta(days=1))
        assert decide((TWO, RETIRED), (TWO, sooner)).keys == (TWO, sooner)
        ended = key(1, expires=EARLIER, revoked=NOW)
        decision = decide((TWO, RETIRED), (TWO, ended))
        assert decision == KeysAccepted((TWO, ended), revoked=(ended,))
        again = decide((TWO, REVOKED), (TWO, key(1, revoked=NOW)))
        assert again == KeysUnchanged((TWO, REVOKED))

    @pytest.mark.parametrize(
        ("pinned", "offered", "reason"),
        [
            ((ONE,), (key(1, seed="x"),), R.ID_CHANGED),
            ((ONE,), (key(1, seed="x"), ONE), R.ID_CHANGED),
            ((ONE,), (ONE, replace(ONE, key_id=TWO.key_id)), R.KEY_RENAMED),
            ((TWO, RETIRED), (TWO, ONE), R.CAME_BACK),
            ((TWO, REVOKED), (TWO, ONE), R.CAME_BACK),
            ((TWO, REVOKED), (TWO, RETIRED), R.CAME_BACK),
            ((TWO, ONE), (TWO, key(1, expires=LATER)), R.IN_FUTURE),
            ((TWO, ONE), (TWO, key(1, revoked=LATER)), R.IN_FUTURE),
            (
                (ONE,),
                (ONE, *map(key, range(2, CURRENT_KEYS_MAX + 2))),
                R.TOO_MANY,
            ),
        ],
    )
    def test_rules_for_which_nothing_is_taken(
        self, pinned: Any, offered: Any, reason: RefusalReason
    ) -> None:
        assert decide(pinned, offered) == KeyChangeRefused(reason)

    def test_a_second_key_of_the_time_of_the_handshake_is_taken(self) -> None:
        """At the handshake only the key is pinned that the check number covers."""
        assert decide((TWO,), (TWO, ONE)) == KeysAccepted((TWO, ONE), added=(ONE,))
        accepted = decide((TWO,), (THREE, TWO, RETIRED), signed_by=TWO.key_id)
        assert accepted == KeysAccepted((THREE, TWO, RETIRED), added=(THREE, RETIRED))

    def test_a_date_in_the_future_would_silence_all_later_ones(self) -> None:
        refused = KeyChangeRefused(R.IN_FUTURE)
        assert decide((ONE,), (ONE, TWO), updated=LATER) == refused
        near = NOW + timedelta(seconds=60)
        assert isinstance(decide((ONE,), (ONE, TWO), updated=near), KeysAccepted)

    def test_an_older_one_is_ignored(self) -> None:
        old = decide((ONE, TWO), (ONE,), updated=EARLIER, last_updated=NOW)
        assert old == KeyChangeIgnored()
        same = decide((ONE,), (ONE, TWO), updated=NOW, last_updated=NOW)
        assert isinstance(same, KeysAccepted)
        first = decide((ONE,), (ONE, TWO), updated=NOW, last_updated=None)
        assert isinstance(first, KeysAccepted)

    def test_the_oldest_ended_keys_are_forgotten_first(self) -> None:
        ended = [
            key(number, expires=NOW - timedelta(days=500 - number))
            for number in range(1, KEYS_MAX)
        ]
        signing = key(KEYS_MAX)
        new = key(KEYS_MAX + 1)
        decision = decide((signing, *ended), (new, signing))
        assert isinstance(decision, KeysAccepted)
        assert len(decision.keys) == KEYS_MAX
        assert ended[0] not in decision.keys
        assert set(ended[1:]) < set(decision.keys)
        # Its number stays used, so it cannot come back as another key.
        again = decide(decision.keys, (new, signing, key(1, seed="x")))
        assert again == KeyChangeRefused(R.NUMBER_USED)


class TestRevocationByTheKeyItself:
    def test_it_is_believed_and_nothing_else(self) -> None:
        ended = key(1, revoked=NOW)
        decision = decide((ONE,), (TWO, ended))
        assert decision == KeySuspended(S.REVOKED_ITSELF, (ended,), TWO)

    def test_also_when_another_key_is_pinned_already(self) -> None:
        """Who held the key may have announced the other one."""
        ended = key(1, revoked=NOW)
        decision = decide((ONE, TWO), (TWO, ended, THREE), signed_by=ONE.key_id)
        assert decision == KeySuspended(S.REVOKED_ITSELF, (TWO, ended), None)

    def test_also_when_it_is_late_or_breaks_other_rules(self) -> None:
        ended = key(1, revoked=NOW)
        offered = (key(2, seed="x"), ended)
        decision = decide((ONE, TWO), offered, updated=EARLIER, last_updated=NOW)
        assert isinstance(decision, KeySuspended)
        assert decision.keys == (TWO, ended)
        assert decision.offered == offered[0]

    def test_a_revoked_key_says_nothing_any_more(self) -> None:
        decision = decide((REVOKED,), (TWO, REVOKED), signed_by=REVOKED.key_id)
        assert decision == KeySuspended(S.NOT_LISTED, (REVOKED,), TWO)


class TestSeen:
    """Nobody who counts has signed the document."""

    @pytest.mark.parametrize(
        "signed_by", [None, TWO.key_id, f"{ACTOR}#key-9"], ids=["unsigned", "new", "no"]
    )
    @pytest.mark.parametrize(
        ("offered", "suspended"),
        [
            ((ONE,), False),
            ((ONE, TWO), False),
            ((TWO, ONE), False),
            ((TWO,), True),
            ((TWO, key(1, expires=NOW)), True),
            ((key(1, seed="x"),), True),
        ],
    )
    def test_it_may_stop_the_flow_and_never_adds(
        self, signed_by: str | None, offered: Any, suspended: bool
    ) -> None:
        decision = decide((ONE,), offered, signed_by=signed_by)
        if suspended:
            assert decision == KeySuspended(S.NOT_LISTED, (ONE,), offered[0])
        else:
            assert decision == KeysUnchanged((ONE,))

    def test_a_retired_key_as_signer_counts_as_none(self) -> None:
        decision = decide((TWO, RETIRED), (TWO, THREE), signed_by=RETIRED.key_id)
        assert decision == KeysUnchanged((TWO, RETIRED))

    def test_a_key_that_was_announced_is_known(self) -> None:
        assert decide((ONE, TWO), (TWO, RETIRED), signed_by=None) == KeysUnchanged(
            (ONE, TWO)
        )

    def test_a_retired_key_shown_as_current_is_in_question(self) -> None:
        decision = decide((TWO, RETIRED), (ONE,), signed_by=None)
        assert decision == KeySuspended(S.NOT_LISTED, (TWO, RETIRED), ONE)

    def test_its_age_does_not_matter(self) -> None:
        """A thief could otherwise hide the address by announcing every day."""
        given = {"signed_by": None, "updated": EARLIER, "last_updated": NOW}
        decision = decide((TWO, RETIRED), (ONE,), **given)
        assert decision == KeySuspended(S.NOT_LISTED, (TWO, RETIRED), ONE)

    @pytest.mark.parametrize(
        ("pinned", "offered", "seen"),
        [
            ((ONE,), (TWO, key(1, revoked=NOW)), TWO),
            ((ONE, TWO), (TWO, key(1, revoked=NOW)), TWO),
            ((ONE, key(77, seed="evil")), (ONE,), ONE),
            ((ONE, key(77, seed="evil")), (ONE, TWO), ONE),
        ],
    )
    def test_a_key_that_is_disowned_stops_the_flow(
        self, pinned: Any, offered: Any, seen: PinnedKey
    ) -> None:
        decision = decide(pinned, offered, signed_by=None)
        assert decision == KeySuspended(S.DISOWNED, pinned, seen)


class TestOffice:
    def test_what_its_comparison_covers(self) -> None:
        assert keys_to_pin((THREE, TWO, RETIRED, REVOKED), now=NOW) == (
            THREE,
            RETIRED,
            REVOKED,
        )
        assert keys_to_pin((TWO, key(1, expires=LATER)), now=NOW) == (TWO,)

    def test_the_key_it_compared(self) -> None:
        ended = key(1, revoked=NOW)
        decision = confirmed_keys(
            (ended,), (TWO, THREE, ended), confirmed=TWO.public_key, now=NOW
        )
        assert decision == KeysAccepted((TWO, ended), added=(TWO,))

    def test_a_server_that_was_set_up_anew(self) -> None:
        anew = key(1, seed="anew")
        decision = confirmed_keys((ONE,), (anew,), confirmed=anew.public_key, now=NOW)
        assert decision == KeysAccepted((anew,), added=(anew,))

    def test_the_known_key_again(self) -> None:
        decision = confirmed_keys((ONE,), (ONE,), confirmed=ONE.public_key, now=NOW)
        assert decision == KeysAccepted((ONE,))

    def test_an_earlier_end_stays(self) -> None:
        decision = confirmed_keys(
            (TWO, RETIRED),
            (THREE, key(2, expires=NOW), key(1, expires=NOW)),
            confirmed=THREE.public_key,
            now=NOW,
        )
        assert isinstance(decision, KeysAccepted)
        assert decision.keys == (THREE, key(2, expires=NOW), RETIRED)

    @pytest.mark.parametrize("pinned", [(RETIRED,), (REVOKED,), (TWO, REVOKED)])
    def test_a_key_that_has_ended_cannot_be_confirmed(self, pinned: Any) -> None:
        decision = confirmed_keys(pinned, (ONE,), confirmed=ONE.public_key, now=NOW)
        assert decision == KeyChangeRefused(R.CAME_BACK)

    def test_another_key_than_it_compared(self) -> None:
        decision = confirmed_keys((ONE,), (THREE,), confirmed=TWO.public_key, now=NOW)
        assert decision == KeyChangeRefused(R.ID_CHANGED)


class TestPeer:
    """Which key counts for what (`federation.peers`)."""

    def test_requests_need_a_key_that_may_sign_now(self) -> None:
        node = Node("spalier.optence.example")
        peer = replace(node.peer, keys=(TWO, RETIRED, replace(THREE, revoked=EARLIER)))
        assert peer.request_key(TWO.key_id) == TWO.public_key
        for ended in (RETIRED, THREE, key(4)):
            assert peer.request_key(ended.key_id) is None

    def test_proofs_by_a_retired_key_count_up_to_its_end(self) -> None:
        node = Node("spalier.optence.example")
        peer = replace(node.peer, keys=(TWO, RETIRED, replace(THREE, revoked=EARLIER)))
        second = timedelta(seconds=1)
        assert peer.proof_key(ONE.key_id, created=EARLIER) == ONE.public_key
        assert peer.proof_key(ONE.key_id, created=EARLIER + second) is None
        assert peer.proof_key(TWO.key_id, created=LATER) == TWO.public_key
        assert peer.proof_key(THREE.key_id, created=EARLIER - second) is None
