"""What two nodes have in common."""

from __future__ import annotations

from typing import Any

import pytest

from federation.errors import SchemaInvalidError
from federation.negotiation import (
    CAPABILITIES,
    OURS,
    PROTOCOL_VERSION,
    Agreed,
    Capability,
    Incompatible,
    Offer,
    negotiate,
    require_same_major,
    version_shown,
)


@pytest.mark.parametrize(
    ("ours", "theirs", "version"),
    [
        ("1.0", "1.0", "1.0"),
        ("1.0", "1.7", "1.0"),
        ("1.7", "1.3", "1.3"),
        ("1.9", "1.10", "1.9"),
        ("3.12", "3.2", "3.2"),
    ],
)
def test_the_lower_minor_counts(ours: str, theirs: str, version: str) -> None:
    for first, second in ((ours, theirs), (theirs, ours)):
        agreed = negotiate(Offer(first, ()), Offer(second, ()))
        assert agreed == Agreed(version, ())


@pytest.mark.parametrize("theirs", ["2.0", "10.0", "0.9", "1", "1.", "01.0", "", "x"])
def test_another_major_is_not_understood(theirs: str) -> None:
    found = negotiate(Offer("1.4", CAPABILITIES), Offer(theirs, CAPABILITIES))
    assert isinstance(found, Incompatible)
    assert (found.ours, found.theirs) == ("1.4", theirs)
    assert "1.4" in found.reason


def test_only_what_both_can_do_and_unknown_names_are_ignored() -> None:
    theirs = Offer("1.2", ("something-new", "messages", "pages"))
    agreed = negotiate(OURS, theirs)
    assert isinstance(agreed, Agreed)
    assert agreed.capabilities == ("pages", "messages")
    assert agreed.has(Capability.MESSAGES)
    assert not agreed.has(Capability.ACTOR_UPDATES)


def test_the_first_release() -> None:
    assert (PROTOCOL_VERSION, CAPABILITIES) == (
        "1.0",
        ("pages", "messages", "actor-updates", "moves"),
    )
    assert negotiate(OURS, OURS) == Agreed(PROTOCOL_VERSION, CAPABILITIES)


@pytest.mark.parametrize(
    "value", ["1.0", "1.99999", None, 2, ["2.0"], "2", "x", "2.0.0"]
)
def test_what_is_no_other_major_is_left_to_the_schema(value: Any) -> None:
    require_same_major(value)


def test_another_major_is_refused_with_our_version() -> None:
    with pytest.raises(SchemaInvalidError) as caught:
        require_same_major("2.3")
    assert (caught.value.status, caught.value.code) == (422, "protocol-unsupported")
    assert caught.value.members == {"protocol": "1.0", "offered": "2.3"}


def test_only_versions_are_shown() -> None:
    assert version_shown("2.3") == "2.3"
    for value in (None, 2, "<b>", "2.3 or so", "1" * 40):
        assert version_shown(value) is None
