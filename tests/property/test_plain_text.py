"""Whatever a person's text becomes on its way in, it can be sent."""

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from federation.documents import (
    NoticeType,
    build_message,
    build_notice,
    parse_message,
    parse_notice,
)
from federation.limits import MESSAGE_CHARACTERS_MAX
from federation.strict_json import loads_object
from node.conversations.refusing import checked_text
from node.errors import InvalidInputError
from node.partners.history import checked_reason
from tests.unit.federation.nodes import NOW, Node

A = Node("spalier.optence.example")
B = Node("spalier.swissmem.example")

# Every character, and often those that word processors and telephones leave behind.
TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=()),
        st.sampled_from("ab \t\r\n\x00\x0b\x0c\x1e\x7f\x85\xad\u061c\u200b\u200d"),
        st.sampled_from("\u200e\u200f\u2028\u2029\u202a\u202c\u202e\u2060\u2066\ufeff"),
    ),
    max_size=600,
)


@given(TEXTS)
@example("Zeile eins\x0bZeile zwei")
@example("Tel. \u202a+49 30 123\u202c")
@example("eins\rzwei")
@example("\u200b")
@example("x" * MESSAGE_CHARACTERS_MAX)
def test_every_text_that_is_accepted_makes_a_message(text: str) -> None:
    try:
        checked = checked_text(text)
    except InvalidInputError:
        return
    message = A.message(B, text=checked)
    signed = build_message(message, signer=A.signer, created=NOW)
    arrived = parse_message(loads_object(signed.raw), peer=A.peer, address=B.address)
    assert arrived.text == checked
    assert checked_text(checked) == checked


@given(TEXTS)
@example("Danke.\r\nBis bald.")
def test_every_reason_that_is_accepted_makes_a_notice(text: str) -> None:
    try:
        checked = checked_reason(text)
    except InvalidInputError:
        return
    notice = replace(A.notice(B, NoticeType.LEAVE), reason=checked)
    signed = build_notice(notice, signer=A.signer, created=NOW)
    arrived = parse_notice(loads_object(signed.raw), peer=A.peer, address=B.address)
    assert arrived.reason == checked
    assert "\n" not in (checked or "")
