"""Policy sheets as values: what two of them let pass together, caps, and storage."""

import json
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from node.visibility.policy import (
    ACQUAINTANCE,
    PolicySheet,
    Preset,
    Profiles,
    effective,
    from_document,
    lets_more_pass,
    narrower,
    refusal,
    to_document,
    topic_key,
    topic_keys,
    topics_text,
)
from schemas import KINDS

TODAY = date(2026, 11, 21)
KIND_NAMES = (*sorted(KINDS), "of_a_newer_node")
TOPICS = ("Laser", "LASER", "Optik", "La%er", "a|b", " a  b ")
numbers = st.none() | st.integers(1, 30)

sheets = st.builds(
    PolicySheet,
    preset=st.sampled_from(list(Preset)),
    closed_kinds=st.frozensets(st.sampled_from(KIND_NAMES), max_size=3),
    closed_topics=st.frozensets(st.sampled_from(TOPICS), max_size=2),
    chiffre=st.none() | st.booleans(),
    profiles=st.none() | st.sampled_from(list(Profiles)),
    approval=st.booleans(),
    lease_days=numbers,
    retention_days=numbers,
    valid_until=st.none()
    | st.integers(-2, 2).map(lambda shift: TODAY + timedelta(days=shift)),
)
entries = st.tuples(
    st.booleans(),
    st.sampled_from(KIND_NAMES),
    st.lists(st.sampled_from(TOPICS), max_size=2),
    st.booleans(),
)
Asked = tuple[bool, str, list[str], bool]


def passes(sheet: PolicySheet, asked: Asked) -> bool:
    for_partners, kind, topics, is_chiffre = asked
    return (
        refusal(
            sheet,
            for_partners=for_partners,
            kind=kind,
            topics=topic_keys({"topics": topics}),
            is_chiffre=is_chiffre,
        )
        is None
    )


@given(one=sheets, other=sheets, asked=entries)
def test_the_narrower_lets_pass_exactly_what_both_do(
    one: PolicySheet, other: PolicySheet, asked: Asked
) -> None:
    both = narrower(one, other)
    assert passes(both, asked) == (passes(one, asked) and passes(other, asked))
    assert both == narrower(other, one)
    if not lets_more_pass(one, other):
        assert passes(one, asked) <= passes(other, asked)


@given(sheet=sheets, asked=entries, compared=st.booleans())
def test_nothing_passes_by_a_cap_that_did_not_before(
    sheet: PolicySheet, asked: Asked, compared: bool
) -> None:
    counts = effective(sheet, compared=compared, today=TODAY)
    over = sheet.valid_until is not None and sheet.valid_until < TODAY
    if compared and not over:
        assert counts is sheet
        return
    assert passes(counts, asked) == (
        passes(sheet, asked) and passes(ACQUAINTANCE, asked)
    )
    assert counts.preset is Preset.ACQUAINTANCE


@given(sheet=sheets)
def test_a_sheet_is_stored_whole(sheet: PolicySheet) -> None:
    assert from_document(json.loads(json.dumps(to_document(sheet)))) == sheet


def test_where_nothing_is_stored_the_least_passes() -> None:
    assert from_document(None) == from_document({}) == ACQUAINTANCE


@given(topics=st.lists(st.text(max_size=60), max_size=4), wanted=st.text(max_size=60))
def test_a_topic_is_found_in_the_text_of_its_entry_and_nowhere_else(
    topics: list[str], wanted: str
) -> None:
    content = {"topics": topics}
    text = topics_text(content) or ""
    found = text.replace(f"|{topic_key(wanted)}|", "") != text
    assert found == (topic_key(wanted) in topic_keys(content))
