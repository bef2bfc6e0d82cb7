"""What word processors and telephones leave in a text, and what must stay."""

import pytest

from node.plain_text import clean_line, clean_text


@pytest.mark.parametrize(
    ("pasted", "clean"),
    [
        ("Zeile eins\x0bZeile zwei", "Zeile eins\nZeile zwei"),
        ("eins\r\nzwei\rdrei\u2028vier", "eins\nzwei\ndrei\nvier"),
        ("\ufeffTel. \u202a+49 30 123\u202c", "Tel. +49 30 123"),
        ("Laser\xadschnei\u200bden", "Laserschneiden"),
        ("a\x00b\x1bc\x9fd", "abcd"),
        ("half \ud83d of a pair", "half  of a pair"),
        ("Spalte\tSpalte\n\n- Punkt", "Spalte\tSpalte\n\n- Punkt"),
        # A family and a flag, drawn as one sign each by their joiners.
        ("👨\u200d👩\u200d👧", "👨\u200d👩\u200d👧"),
        ("🏳\ufe0f\u200d🌈", "🏳\ufe0f\u200d🌈"),
        (" \n\u200b\u202e\u200d ", ""),
    ],
)
def test_text(pasted: str, clean: str) -> None:
    assert clean_text(pasted) == clean


def test_line() -> None:
    assert clean_line(" Danke.\r\nBis\u2028bald.\t ") == "Danke. Bis bald."
    assert clean_line("\u202e\r\n") == ""
