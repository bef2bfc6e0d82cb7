"""Which fields of a profile leave the cluster (SPEC VIS-077)."""

from dataclasses import replace

import pytest

from node.visibility.fields import (
    PHONE,
    leaving_content,
    optional_fields,
    staying_by_default,
    without,
)
from schemas import KINDS, load_schema
from tests.unit.node.visibility.test_rules import ENTRY

CONTENT = {
    "kind": "expert_profile",
    "title": {"de": "T"},
    "contact": {"mode": "open", "phone": "+49 1"},
    "website": "https://a.example",
}


def test_what_an_entry_is_always_leaves() -> None:
    for kind in KINDS:
        needed = {"kind", "title", "summary", "valid_until", "contact"}
        needed |= set(load_schema(f"entries/{kind}").get("required", ()))
        assert needed.isdisjoint(optional_fields(kind))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_profiles_have_fields_that_stay(kind: str) -> None:
    is_profile = kind in {"expert_profile", "organisation_profile"}
    assert (PHONE in optional_fields(kind)) is is_profile


def test_a_persons_number_stays_unless_something_else_is_said() -> None:
    assert staying_by_default("expert_profile") == {PHONE}
    assert staying_by_default("organisation_profile") == frozenset()


@pytest.mark.parametrize(
    ("staying", "left"),
    [
        (frozenset(), CONTENT),
        ({PHONE}, {**CONTENT, "contact": {"mode": "open"}}),
        ({"website"}, {k: v for k, v in CONTENT.items() if k != "website"}),
        ({"orcid"}, CONTENT),
        ({"body.de"}, CONTENT),
    ],
)
def test_without(staying: set[str], left: dict[str, object]) -> None:
    assert without(CONTENT, frozenset(staying)) == left
    entry = replace(ENTRY, content=CONTENT, home_fields=frozenset(staying))
    assert leaving_content(entry) == left
    assert entry.content == CONTENT
