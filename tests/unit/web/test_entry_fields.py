"""Every field of every kind is shown, in words and in the reader's language."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

import schemas
from node.web.formats import Formats
from node.web.i18n import Languages, speaking
from node.web.pages.entry_fields import EntryFields, Value, fields_of, price_words
from tests.http.nodes import MovableClock

# Shown elsewhere on the page: head, summary, sidebar, time of an event.
_ELSEWHERE = {"kind", "title", "summary", "valid_until", "starts", "ends", "timezone"}
_LANGUAGES = Languages("de")


@pytest.fixture
def formats() -> Formats:
    return Formats(MovableClock(datetime(2026, 11, 21, tzinfo=UTC)), "Europe/Berlin")


def _values(fields: EntryFields) -> Iterator[Value]:
    if fields.body is not None:
        yield fields.body
    for line in (*fields.facts, *fields.background):
        yield from line.values
    for name, amount in fields.specs:
        yield name
        yield amount
    for paragraph in fields.paragraphs:
        yield paragraph.text


def _properties(kind: str) -> set[str]:
    own = schemas.load_schema(f"entries/{kind}")["properties"]
    return {*own, *schemas.load_schema("envelope")["properties"]} - _ELSEWHERE


def _pieces(fields: EntryFields) -> int:
    lines = len(fields.facts) + len(fields.background) + len(fields.paragraphs)
    return lines + bool(fields.body) + bool(fields.specs)


@pytest.mark.parametrize("kind", list(schemas.KINDS))
def test_no_field_of_a_kind_is_forgotten(kind: str, formats: Formats) -> None:
    """Each property of the schema that an example fills adds one piece."""
    for example in schemas.examples(kind, valid=True):
        content, _keys = schemas.split_file(example.document)
        fields = fields_of(content, formats)
        filled = _properties(kind) & set(content)
        assert _pieces(fields) == len(filled), example.name


def test_examples_fill_every_field() -> None:
    """So that the test above says something about each."""
    seen = {
        name
        for kind in schemas.KINDS
        for example in schemas.examples(kind, valid=True)
        for name in example.document
    }
    for kind in schemas.KINDS:
        assert not _properties(kind) - seen


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("kind", list(schemas.KINDS))
def test_codes_are_said_in_words(kind: str, language: str, formats: Formats) -> None:
    codes = {
        term.code
        for name in schemas.vocabulary_names()
        for term in schemas.vocabulary(name)
        if "_" in term.code or name in {"units", "countries", "regions"}
    }
    chosen = _LANGUAGES.find(language)
    assert chosen is not None
    with speaking(chosen):
        for example in schemas.examples(kind, valid=True):
            content, _keys = schemas.split_file(example.document)
            shown = {value.text for value in _values(fields_of(content, formats))}
            assert not shown & codes


def _spec(formats: Formats, **values: Any) -> str:
    content = {"specs": [{"name": {"de": "Maß"}, **values}]}
    ((_name, amount),) = fields_of(content, formats).specs
    return amount.text.replace("\u00a0", " ")


def test_technical_values_read_like_in_a_data_sheet(formats: Formats) -> None:
    german = _LANGUAGES.find("de")
    assert german is not None
    with speaking(german):
        assert _spec(formats, value="1.8", unit="4H") == "1,8 µm"
        assert (
            _spec(formats, min="350", max="2200", unit="C45") == "350 \u2013 2.200 nm"
        )
        assert _spec(formats, max="25", unit="KGM") == "höchstens 25 kg"
        assert _spec(formats, min="5", unit="MMT") == "mindestens 5 mm"
        assert _spec(formats, value="4", unit="C62") == "4"
        assert _spec(formats, text={"de": "ISO-Klasse 7"}) == "ISO-Klasse 7"


@pytest.mark.parametrize(
    ("price", "words"),
    [
        ({"mode": "on_request"}, "auf Anfrage"),
        ({"mode": "fixed", "amount": "85", "currency": "EUR"}, "85,00 €, netto"),
        (
            {"mode": "from", "amount": "95.5", "currency": "CHF", "per": "HUR"},
            "ab 95,50 CHF je Stunde, netto",
        ),
    ],
)
def test_price_is_a_sentence(
    formats: Formats, price: dict[str, str], words: str
) -> None:
    german = _LANGUAGES.find("de")
    assert german is not None
    with speaking(german):
        assert price_words(price, formats).replace("\u00a0", " ") == words


def test_addresses_that_are_no_web_addresses_are_no_links(formats: Formats) -> None:
    content = {"website": "javascript:alert(1)"}
    ((website,),) = (line.values for line in fields_of(content, formats).facts)
    assert website == Value("javascript:alert(1)")
    content = {"website": "https://firma.example/messen"}
    ((website,),) = (line.values for line in fields_of(content, formats).facts)
    assert website == Value("firma.example/messen", href="https://firma.example/messen")
