"""The fields that WTForms lacks, and the language of messages."""

from datetime import date

import pytest
import wtforms
from multidict import MultiDict
from wtforms.validators import InputRequired, Length

from node.web.forms import DateField, DecimalTextField, Form, TermsField
from node.web.i18n import Languages, speaking


class Sample(Form):
    title = wtforms.StringField("Title", [InputRequired(), Length(max=5)])
    amount = DecimalTextField("Amount")
    day = DateField("Day")
    words = TermsField("Words")


def filled(**values: str) -> Sample:
    form = Sample(MultiDict({"title": "Text", **values}))
    form.validate()
    return form


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("12", "12"),
        ("12,5", "12.5"),
        ("12.5", "12.5"),
        ("1.234,5", "1234.5"),
        ("1,234.5", "1234.5"),
        ("1.234.567", "1234567"),
        ("0.125", "0.125"),
        ("007", "7"),
        ("1 234,5", "1234.5"),
        ("-0,000001", "-0.000001"),
        ("", None),
        ("   ", None),
    ],
)
def test_decimal_text(typed: str, stored: str | None):
    form = filled(amount=typed)
    assert not form.amount.errors
    assert form.amount.data == stored


@pytest.mark.parametrize(
    "typed", ["zwölf", "1e5", "NaN", "1,2345678", "1234567890123", "1,2,3", "٣"]
)
def test_what_is_no_decimal_text_is_refused_and_stays_on_the_page(typed: str):
    form = filled(amount=typed)
    assert len(form.amount.errors) == 1
    assert form.amount.data is None
    assert f'value="{typed}"' in form.amount()


@pytest.mark.parametrize(
    ("language", "typed", "stored"),
    [
        ("de", "1.234", None),
        ("de", "1,234", "1.234"),
        ("en", "1,234", None),
        ("en", "1.234", "1.234"),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_asked_back(
    language: str, typed: str, stored: str | None
):
    with speaking(Languages("de").find(language)):
        form = filled(amount=typed)
        assert form.amount.data == stored
        assert bool(form.amount.errors) is (stored is None)


def test_days_from_browsers_and_from_people():
    assert filled(day="2026-12-31").day.data == date(2026, 12, 31)
    assert filled(day="31.12.2026").day.data == date(2026, 12, 31)
    assert filled(day="").day.data is None
    assert filled(day="31.02.2026").day.errors == [
        "Enter a day, for example 31.12.2026."
    ]


def test_terms_are_split_without_blanks_and_repetitions():
    form = filled(words="Optik, Laser,, Optik\n Prüftechnik ")
    assert form.words.data == ["Optik", "Laser", "Prüftechnik"]
    assert 'value="Optik, Laser, Prüftechnik"' in form.words()


def test_messages_come_in_the_language_of_the_page():
    with speaking(Languages("de").find("de")):
        form = Sample(MultiDict({"title": ""}))
        form.validate()
        assert form.title.errors == ["Bitte füllen Sie dieses Feld aus."]
        assert "länger als 5" in filled(title="zu lang").title.errors[0]
    form = Sample(MultiDict({"title": ""}))
    form.validate()
    assert form.title.errors == ["This field is required."]
