"""Fields for what an entry holds and WTForms has no field for."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import wtforms
from babel import Locale
from babel.core import UnknownLocaleError
from typing_extensions import override
from wtforms.widgets import TimeInput

from node.web.forms import DecimalTextField
from node.web.i18n import current_language, localized
from node.web.i18n import gettext as _
from schemas import vocabulary

_APOSTROPHES: Final = str.maketrans("", "", "'\u2019")
_GROUPED: Final = re.compile(r"[0-9]{1,3}([.,\s][0-9]{3})+")
_WHOLE: Final = re.compile(r"[0-9]{1,12}")
_TERM: Final = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=[,;\n]|$)|([^,;\n]+)')
_NEEDS_QUOTES: Final = re.compile(r'[,;\n]|^\s*"')
_CLOCK: Final = re.compile(
    r"([01]?[0-9]|2[0-3])(?:[:.h]([0-5][0-9]))?(?::([0-5][0-9]))?(?:\s*(?:uhr|h))?",
    re.IGNORECASE,
)
_TAG: Final = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?")
# Languages that are read by name; any other is written as its tag.
_LANGUAGES: Final = (
    *("de", "en", "fr", "it", "rm", "nl", "da", "sv", "nb", "fi", "pl", "cs", "sk"),
    *("sl", "hr", "hu", "ro", "bg", "el", "es", "pt", "tr", "uk", "ru", "et", "lv"),
    *("lt", "zh", "ja", "ko", "ar", "he", "hi"),
)


class NumberField(DecimalTextField):
    """A number as decimal text; takes the Swiss apostrophe for thousands, too."""

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Turn `1'234,5` into `1234.5`.

        Raises:
            ValueError: It is no number, or can be read in two ways.
        """
        super().process_formdata(
            [str(value).translate(_APOSTROPHES) for value in valuelist]
        )


class WholeNumberField(wtforms.StringField):
    """A number without fraction; `data` is an int or None."""

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read digits, with or without signs for thousands.

        Raises:
            ValueError: There is something else than digits.
        """
        text = str(valuelist[0]).strip().translate(_APOSTROPHES) if valuelist else ""
        self.data = None
        if not text:
            return
        if _GROUPED.fullmatch(text):
            text = re.sub(r"[^0-9]", "", text)
        if not _WHOLE.fullmatch(text):
            raise ValueError(_("Enter a whole number, for example 25."))
        self.data = int(text)  # type: ignore[assignment]

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else str(self.data)


def split_terms(text: str) -> list[str]:
    """Split at commas, semicolons and line ends; quotation marks hold a term together.

    Blanks and repetitions are dropped, the order stays.
    """
    terms = []
    for match in _TERM.finditer(text):
        quoted, plain = match.groups()
        term = plain if quoted is None else quoted.replace('""', '"')
        terms.append(" ".join(term.split()))
    return list(dict.fromkeys(term for term in terms if term))


def join_terms(terms: Iterable[str]) -> str:
    """Write terms so that `split_terms` reads the same ones again."""
    return ", ".join(_quoted(term) for term in terms)


def _quoted(term: str) -> str:
    if not _NEEDS_QUOTES.search(term):
        return term
    return '"{}"'.format(term.replace('"', '""'))


class WordsField(wtforms.StringField):
    """A list of words with commas between them; `data` is a list."""

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Split what was typed."""
        text = str(valuelist[0]) if valuelist else ""
        self.data = split_terms(text)  # type: ignore[assignment]

    def _value(self) -> str:
        return join_terms(self.data or ())


class CodesField(wtforms.StringField):
    """A list of codes that people write by their names, with commas between them.

    Args of the constructor:
        names: Returns the codes by the names in the reader's language.
        shape: Codes that are taken though they have no name here.
        wrong: Sentence for a name that is not known, with `%(name)s`.
    """

    def __init__(
        self,
        label: str | None = None,
        *,
        names: Any,
        shape: re.Pattern[str],
        wrong: str,
        **options: Any,
    ) -> None:
        super().__init__(label, **options)
        self._names = names
        self._shape = shape
        self._wrong = wrong

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Find the codes of what was typed.

        Raises:
            ValueError: A name is not known.
        """
        known = {name.casefold(): code for code, name in self._names().items()}
        codes: list[str] = []
        for term in split_terms(str(valuelist[0]) if valuelist else ""):
            if term.casefold() in known:
                codes.append(known[term.casefold()])
            elif self._shape.fullmatch(term):
                codes.append(term)
            else:
                raise ValueError(str(self._wrong) % {"name": term[:60]})
        self.data = list(dict.fromkeys(codes))  # type: ignore[assignment]

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        names = self._names()
        return join_terms(names.get(code, code) for code in self.data or ())


def region_names() -> Mapping[str, str]:
    """Names of countries and their parts by code, in the reader's language."""
    return {
        term.code: localized(term.label).text
        for name in ("regions", "countries")
        for term in vocabulary(name)
    }


def language_names() -> Mapping[str, str]:
    """Names of languages by tag, in the reader's language."""
    return {tag: language_name(tag) for tag in _LANGUAGES}


def language_name(tag: str) -> str:
    """Name a language in the reader's language; an unknown tag stays a tag."""
    try:
        locale = Locale.parse(tag.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return tag
    return locale.get_display_name(current_language().locale) or tag


def is_language_tag(text: str) -> bool:
    """Whether a text has the form of a language tag as entries use them."""
    return _TAG.fullmatch(text) is not None


REGION_SHAPE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
LANGUAGE_SHAPE: Final = _TAG


class ClockField(wtforms.StringField):
    """A time of day; `data` is `HH:MM:SS` or None. Takes `9`, `9.30` and `9:30 Uhr`."""

    widget = TimeInput()

    @override
    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the time.

        Raises:
            ValueError: It is no time of day.
        """
        text = str(valuelist[0]).strip() if valuelist else ""
        self.data = None
        if not text:
            return
        match = _CLOCK.fullmatch(text)
        if match is None:
            raise ValueError(_("Enter a time, for example 14:30."))
        hour, minute, second = (int(part or 0) for part in match.groups())
        self.data = f"{hour:02}:{minute:02}:{second:02}"

    def _value(self) -> str:
        if self.raw_data and self.data is None:
            return str(self.raw_data[0])
        hour_minute, second = (self.data or "")[:5], (self.data or "")[5:]
        return hour_minute if second == ":00" else f"{hour_minute}{second}"
