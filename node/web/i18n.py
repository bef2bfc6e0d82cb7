"""Languages: catalogues, choice of the language, texts in several languages.

Message ids are English. Catalogues are `translations/<language>.po`, read when
the application is built; no compiled file exists. The language of a page lives in
a context variable, so that templates, forms and services translate alike.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import cast

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from typing_extensions import override

SOURCE_CODE = "en"
TRANSLATIONS_FOLDER = Path(__file__).parent / "translations"

# English is written for European readers: day before month, 24 hours.
_LOCALES = {"en": "en_GB"}


@dataclass(frozen=True, slots=True)
class Language:
    """A language in which the pages can be shown.

    Attributes:
        code: BCP 47 tag, e.g. `de` or `de-CH`.
        name: Its own name for itself.
    """

    code: str
    name: str
    locale: Locale
    translations: NullTranslations


def _language(code: str, translations: NullTranslations) -> Language:
    locale = Locale.parse(_LOCALES.get(code, code.replace("-", "_")))
    name = Locale.parse(code.replace("-", "_")).get_display_name() or code
    return Language(code, name[0].upper() + name[1:], locale, translations)


SOURCE = _language(SOURCE_CODE, NullTranslations())
_current: ContextVar[Language] = ContextVar("language", default=SOURCE)


class Languages:
    """The languages of a node: English and one for each catalogue.

    Args:
        default: Code of the language for visitors who express no wish.
        folders: Folders of catalogues; several packages may add to a language.
    """

    def __init__(
        self, default: str, *, folders: Iterable[Path] = (TRANSLATIONS_FOLDER,)
    ) -> None:
        self._languages = {SOURCE_CODE: SOURCE}
        for folder in folders:
            self.add_folder(folder)
        self._default = self._languages.get(default, SOURCE)

    def add_folder(self, folder: Path) -> None:
        """Read the catalogues of another package; texts already there stay."""
        for path in sorted(folder.glob("*.po")):
            code = path.stem.replace("_", "-")
            translations = _read_catalogue(path)
            known = self._languages.get(code)
            if known is None:
                self._languages[code] = _language(code, translations)
            else:
                known.translations.add_fallback(translations)

    def all(self) -> list[Language]:
        """All languages, sorted by code."""
        return [self._languages[code] for code in sorted(self._languages)]

    def find(self, code: str | None) -> Language | None:
        """Return the language for a tag, or its parent (`de` for `de-AT`)."""
        while code:
            for known, language in self._languages.items():
                if known.lower() == code.lower():
                    return language
            code = code.rpartition("-")[0]
        return None

    def choose(
        self, *, person: str | None, cookie: str | None, accept_language: str
    ) -> Language:
        """Choose the language of a page.

        Args:
            person: What the signed-in person set, strongest.
            cookie: What this browser remembers.
            accept_language: The request's field, RFC 9110 §12.5.4; may be empty.
        """
        for wish in (person, cookie, *wanted_languages(accept_language)):
            language = self.find(wish)
            if language is not None:
                return language
        return self._default


def _read_catalogue(path: Path) -> GNUTranslations:
    # Each reader gets an object of its own: fallbacks are added to it.
    return GNUTranslations(BytesIO(_compiled(path, path.stat().st_mtime_ns)))


@functools.cache
def _compiled(path: Path, _changed_ns: int) -> bytes:
    """Compile a catalogue once, however many applications a process builds."""
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.stem)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    return compiled.getvalue()


def wanted_languages(accept_language: str) -> list[str]:
    """Order the tags of an `Accept-Language` field, most wanted first."""
    weighted = []
    for part in accept_language.split(","):
        tag, _, parameter = part.partition(";")
        weight = _weight(parameter)
        if tag.strip() not in {"", "*"} and weight > 0:
            weighted.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def current_language() -> Language:
    """Return the language of the page, mail or command being made now."""
    return _current.get()


@contextmanager
def speaking(language: Language) -> Iterator[None]:
    """Make texts in `language` within the block."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


def gettext(message: str, /, **variables: object) -> str:
    """Translate; `%(name)s` is filled in if variables are given."""
    text = _current.get().translations.gettext(message)
    return text % variables if variables else text


def ngettext(singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Translate a text with a number, which `%(num)s` shows."""
    text = _current.get().translations.ngettext(singular, plural, num)
    return text % {"num": num, **variables}


def pgettext(context: str, message: str, /, **variables: object) -> str:
    """Translate a word that means something else elsewhere."""
    text = _current.get().translations.pgettext(context, message)
    return text % variables if variables else text


class _LazyText:
    """A text that is translated when it is shown."""

    __slots__ = ("_message", "_variables")

    def __init__(self, message: str, variables: Mapping[str, object]) -> None:
        self._message = message
        self._variables = variables

    @override
    def __str__(self) -> str:
        return gettext(self._message, **self._variables)

    @override
    def __repr__(self) -> str:
        return f"lazy_gettext({self._message!r})"

    def __mod__(self, variables: Mapping[str, object]) -> str:
        return str(self) % variables


def lazy_gettext(message: str, /, **variables: object) -> str:
    """Translate later: for labels that are written down at import.

    The result is no `str` at run time; form libraries and templates only ever
    format it, and the declared type lets them take it.
    """
    return cast("str", _LazyText(message, variables))


@dataclass(frozen=True, slots=True)
class LocalText:
    """One text chosen from a language map.

    Attributes:
        language: Tag of the language that the text is in.
        foreign: Whether it is another language than the page's; the element that
            holds it needs a `lang` attribute then (WCAG 3.1.2).
    """

    text: str
    language: str
    foreign: bool

    @override
    def __str__(self) -> str:
        return self.text


def localized(texts: Mapping[str, str], language: str | None = None) -> LocalText:
    """Choose from a language map: the wanted language, English, else the first.

    Args:
        texts: Text by BCP 47 tag, not empty.
        language: Wanted tag; the page's language if left out.

    Raises:
        ValueError: The map is empty.
    """
    if not texts:
        msg = "a language map needs at least one language"
        raise ValueError(msg)
    wanted = language or _current.get().code
    primary = wanted.partition("-")[0].lower()

    def distance(tag: str) -> tuple[int, str]:
        if tag.lower() == wanted.lower():
            return 0, tag
        if tag.partition("-")[0].lower() == primary:
            return 1, tag
        if tag.partition("-")[0].lower() == SOURCE_CODE:
            return 2, tag
        return 3, tag

    best = min(texts, key=distance)
    foreign = best.partition("-")[0].lower() != primary
    return LocalText(texts[best], best, foreign)
