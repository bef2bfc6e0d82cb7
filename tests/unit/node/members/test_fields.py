"""Single values as people write them."""

import datetime

import pytest

from node.members.fields import (
    FieldError,
    read_code,
    read_day,
    read_email,
    read_line,
    read_phone,
    read_region,
    read_website,
)
from node.sentence import Sentence


def test_good_values() -> None:
    assert read_email(" Anna.Muster@Optik.Example ") == "anna.muster@optik.example"
    assert read_day("2026-02-28") == datetime.date(2026, 2, 28)
    assert read_day(" 1.3.2026 ") == datetime.date(2026, 3, 1)
    assert read_region("Hessen") == read_region("de-he") == "DE-HE"
    assert read_region("Schweiz") == "CH"
    assert read_region("fr-ges") == "FR-GES"
    assert read_code("Forschungsinstitut", vocabulary="org_types") == (
        "research_institute"
    )
    assert read_code("RESEARCH INSTITUTE", vocabulary="org_types") == (
        "research_institute"
    )
    assert read_website("www.optik.example") == "https://www.optik.example"
    assert read_phone("+49  6441 555 10") == "+49 6441 555 10"
    assert read_line("  Zwei   Wörter ", limit=12) == "Zwei Wörter"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "a",
        "a@b",
        "a b@c.example",
        "a@b.example\nBcc: c@d.example",
        "ä@b.example",
        "a@b..example",
        "<a@b.example>",
        "a@b.example,c@d.example",
        f"{'a' * 64}@{'b' * 63}.{'c' * 63}.{'d' * 63}.example",
    ],
)
def test_no_mail_address(email: str) -> None:
    with pytest.raises(FieldError, match="not an e-mail address"):
        read_email(email)


@pytest.mark.parametrize(
    "day", ["30.2.2026", "2026-2-1", "1.1.26", "", "heute", "٢٠٢٦-01-01"]
)
def test_no_day(day: str) -> None:
    with pytest.raises(FieldError):
        read_day(day)


@pytest.mark.parametrize("region", ["DE-XX", "XX-12", "Hesse?", ""])
def test_no_region(region: str) -> None:
    with pytest.raises(FieldError):
        read_region(region)


@pytest.mark.parametrize(
    "website", ["javascript:alert(1)", "https://u:p@x.example", "https:// x", "ftp://x"]
)
def test_no_website(website: str) -> None:
    with pytest.raises(FieldError):
        read_website(website)


def test_a_line_holds_nothing_unseen() -> None:
    with pytest.raises(FieldError):
        read_line("abc\u202edef", limit=20)
    with pytest.raises(FieldError):
        read_line("a" * 21, limit=20)


def test_a_sentence_can_be_translated_later() -> None:
    sentence = Sentence("{value} is not a day.", value="x{y}")
    assert sentence == "x{y} is not a day."
    german = {"{value} is not a day.": "{value} ist kein Tag."}
    assert sentence.translated(lambda text: german[text]) == "x{y} ist kein Tag."
