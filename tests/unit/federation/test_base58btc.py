"""base58btc is read as the library reads it, and in one spelling only."""

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation import base58btc


@given(st.binary(max_size=80))
def test_what_the_library_writes_is_read(raw: bytes) -> None:
    text = base58.b58encode(raw).decode("ascii")
    assert base58btc.decode(text) == raw


@given(st.text(base58.BITCOIN_ALPHABET.decode("ascii"), max_size=100))
def test_every_text_has_bytes_of_its_own(text: str) -> None:
    raw = base58btc.decode(text)
    assert base58.b58encode(raw).decode("ascii") == text


@pytest.mark.parametrize(
    "text", [" 2", "2 ", "2\n", "\t2", "0", "O", "I", "l", "é", "\uff12", "2-", "\x00"]
)
def test_other_letters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not base58btc"):
        base58btc.decode(text)
