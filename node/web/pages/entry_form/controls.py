"""The controls of the entry form: how each type of value is typed and read back."""

from collections.abc import Iterable
from datetime import date
from functools import partial
from typing import Any, Final
from zoneinfo import available_timezones

import wtforms
from wtforms.validators import InputRequired, Length

from node.web.forms import ChecklistField, DateField, choices
from node.web.i18n import lazy_gettext, localized
from node.web.pages.entry_form.plan import Control
from node.web.pages.entry_form.typed import (
    LANGUAGE_SHAPE,
    REGION_SHAPE,
    ClockField,
    CodesField,
    NumberField,
    WholeNumberField,
    WordsField,
    language_names,
    region_names,
)
from schemas import vocabulary

_NEAR_ZONES: Final = ("Europe/Berlin", "Europe/Zurich", "Europe/Vienna")
_DASH: Final = "\u2013"
_SHORT: Final = {"class": "input-short"}


class InOneLanguage:
    """Marks a text that is needed, in whichever language; the form checks it."""

    field_flags: Final = {"required": True}

    def __call__(self, _form: wtforms.Form, _field: wtforms.Field) -> None:
        """Leave the check to the form, which sees all languages."""


def validators_for(
    *, required: bool, by_language: bool = False, most: int | None = None
) -> list[Any]:
    """Choose the validators of a field."""
    found: list[Any] = []
    if required:
        found.append(InOneLanguage() if by_language else InputRequired())
    if most is not None:
        found.append(Length(max=most))
    return found


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _lines(text: str | None) -> str:
    return (text or "").replace("\r\n", "\n").replace("\r", "\n").strip()


def _day(value: date | None) -> str:
    return value.isoformat() if value is not None else ""


def words_of(name: str) -> list[tuple[str, str]]:
    """List codes and words of a vocabulary in the reader's language."""
    return [(term.code, localized(term.label).text) for term in vocabulary(name)]


def _units() -> list[tuple[str, str]]:
    return [
        (
            unit.code,
            f"{unit.symbol} ({localized(unit.label).text})"
            if unit.symbol
            else localized(unit.label).text,
        )
        for unit in vocabulary("units")
    ]


def _currencies() -> list[tuple[str, str]]:
    return [
        (money.code, f"{money.code} ({localized(money.label).text})")
        for money in vocabulary("currencies")
    ]


def _zones() -> list[tuple[str, str]]:
    others = sorted(
        zone
        for zone in available_timezones()
        if zone.startswith("Europe/") and zone not in _NEAR_ZONES
    )
    return [(zone, zone.replace("_", " ")) for zone in (*_NEAR_ZONES, *others)]


def _levels() -> list[tuple[int, str]]:
    return [(level, str(level)) for level in range(1, 10)]


def _select(
    label: str,
    *,
    options: Any,
    empty: str,
    default: Any = None,
    **settings: Any,
) -> Any:
    """Build a select with an empty choice first; what is stored is always offered."""
    pairs: Iterable[tuple[Any, str]] = [("", str(empty)), *options()]
    return wtforms.SelectField(
        label,
        choices=choices(pairs),
        default=default or "",
        # The schema knows the codes, also of a newer vocabulary; it says so itself.
        validate_choice=False,
        **settings,
    )


def _checklist(label: str, *, name: str, **settings: Any) -> Any:
    return ChecklistField(label, choices=choices(words_of(name)), **settings)


def _text(label: str, **settings: Any) -> Any:
    return wtforms.StringField(label, **settings)


def _codes(label: str, **settings: Any) -> Any:
    # Fixed here, so that a missing value is an empty list.
    return CodesField(label, **settings)


NOT_STATED: Final = lazy_gettext("Not stated")
PLEASE_CHOOSE: Final = lazy_gettext("Please choose")

TEXT: Final = Control(_text, _one_line)
MAIL: Final = Control(wtforms.EmailField, _one_line)
WEB: Final = Control(wtforms.URLField, _one_line)
PHONE: Final = Control(wtforms.TelField, _one_line, attributes=_SHORT)
SUMMARY: Final = Control(
    wtforms.TextAreaField, _one_line, attributes={"rows": 3, "class": "lines-few"}
)
PARAGRAPH: Final = Control(wtforms.TextAreaField, _lines, attributes={"rows": 4})
BODY: Final = Control(wtforms.TextAreaField, _lines, attributes={"rows": 8})
NUMBER: Final = Control(NumberField, attributes={**_SHORT, "inputmode": "decimal"})
WHOLE: Final = Control(WholeNumberField, attributes={**_SHORT, "inputmode": "numeric"})
WORDS: Final = Control(WordsField)
DAY: Final = Control(DateField, _day, date.fromisoformat)
TIME: Final = Control(ClockField, attributes={"class": "input-time"})
REGIONS: Final = Control(
    partial(
        _codes,
        names=region_names,
        shape=REGION_SHAPE,
        wrong=lazy_gettext(
            "“%(name)s” is no country or federal state. Write for example Hessen,"
            " Switzerland."
        ),
    )
)
LANGUAGES: Final = Control(
    partial(
        _codes,
        names=language_names,
        shape=LANGUAGE_SHAPE,
        wrong=lazy_gettext(
            "“%(name)s” is no language that is known here. Write for example German,"
            " English."
        ),
    )
)
UNIT: Final = Control(partial(_select, options=_units, empty=_DASH))
CURRENCY: Final = Control(partial(_select, options=_currencies, empty=_DASH))
ZONE: Final = Control(partial(_select, options=_zones, empty=PLEASE_CHOOSE))
TRL: Final = Control(
    partial(_select, options=_levels, empty=NOT_STATED),
    lambda data: int(data) if str(data).isdigit() else data,
    str,
)


def term(name: str, *, needed: bool = False, empty: str = "") -> Control:
    """Choose one word of a vocabulary.

    Args:
        name: The vocabulary.
        needed: Whether one has to be chosen.
        empty: What the empty choice says, if not that nothing is stated.
    """
    words = empty or (PLEASE_CHOOSE if needed else NOT_STATED)
    return Control(partial(_select, options=partial(words_of, name), empty=words))


def terms(name: str) -> Control:
    """Choose several words of a vocabulary."""
    return Control(
        partial(_checklist, name=name), attributes={"columns": len(words_of(name))}
    )
