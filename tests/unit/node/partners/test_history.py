"""Every state says where it stands; what it does not permit is a conflict."""

import itertools
from datetime import UTC, datetime

import pytest

from federation.trust import TRANSITIONS, TrustEvent, TrustState
from node.errors import ConflictError
from node.partners.history import describe_state, require_next
from node.partners.model import HandshakeRole, Partner
from tests.partner_key import first_key


def partner(state: TrustState) -> Partner:
    return Partner(
        id="sued",
        base_url="https://sued.example",
        actor_id="https://sued.example/actor",
        name="Süd",
        card={},
        state=state,
        role=HandshakeRole.HOST,
        keys=(first_key("https://sued.example"),),
        request_id="https://sued.example/activities/1",
        check_number="4711 0815",
        created_at=datetime(2026, 11, 21, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("state", "event"), list(itertools.product(TrustState, TrustEvent))
)
def test_state_follows_the_table_or_names_itself(
    state: TrustState, event: TrustEvent
) -> None:
    known = partner(state)
    expected = TRANSITIONS.get((state, event))
    if expected is not None:
        assert require_next(known, event) is expected
        return
    with pytest.raises(ConflictError) as caught:
        require_next(known, event)
    assert caught.value.code == f"partner-{state.value}"
    assert caught.value.message == f"{describe_state(known)}."
    assert "Süd" in caught.value.message
