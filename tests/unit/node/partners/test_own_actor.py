"""A card survives storage, and nothing else leaves with it."""

from hypothesis import given
from hypothesis import strategies as st

from federation.documents.actor import Card
from node.partners.own_actor import card_from_values, card_values

cards = st.builds(
    Card,
    field=st.none() | st.text(min_size=1),
    regions=st.lists(st.text(min_size=1)).map(tuple),
    founded=st.none() | st.integers(1800, 2100),
    members=st.none() | st.integers(0, 100_000),
    sme=st.none() | st.integers(0, 100_000),
    contact=st.none() | st.text(min_size=1),
    languages=st.lists(st.sampled_from(["de", "en"])).map(tuple),
    website=st.none() | st.text(min_size=1),
    note=st.none() | st.text(min_size=1),
)


@given(cards)
def test_round_trip(card: Card) -> None:
    assert card_from_values(card_values(card)) == card


def test_unknown_parts_stay_home() -> None:
    assert card_from_values({"members": 3, "budget": 5}) == Card(members=3)
