"""Texts of the command line in the language of the terminal.

English needs no catalogue and imports nothing. With `--json` texts are always
English: whoever reads them is a program, or searches for them.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

SOURCE_LANGUAGE = "en"
TRANSLATIONS_FOLDER = Path(__file__).parent / "translations"

_translating = ExitStack()


def language_of(environ: Mapping[str, str]) -> str:
    """Return the language of the terminal: `de`, or `en` for everything else.

    Source: POSIX.1-2024 §8.2, precedence of LC_ALL, LC_MESSAGES, LANG.
    """
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environ.get(name, "")
        if value:
            return "de" if value.lower().startswith("de") else SOURCE_LANGUAGE
    return SOURCE_LANGUAGE


def speak(language: str) -> None:
    """Say everything from now on in `language`."""
    _translating.close()
    if language == SOURCE_LANGUAGE:
        return
    from node.web import i18n

    languages = i18n.Languages(
        SOURCE_LANGUAGE, folders=(TRANSLATIONS_FOLDER, i18n.TRANSLATIONS_FOLDER)
    )
    wanted = languages.find(language)
    if wanted is not None:
        _translating.enter_context(i18n.speaking(wanted))
        _spoken.append(wanted.code)
        _translating.callback(_spoken.clear)


_spoken: list[str] = []


def spoken_language() -> str:
    """Return the code of the language that is spoken now."""
    return _spoken[-1] if _spoken else SOURCE_LANGUAGE


def gettext(message: str, /, **variables: object) -> str:
    """Translate; `%(name)s` is filled in if variables are given."""
    if not _spoken:
        return message % variables if variables else message
    from node.web import i18n

    return i18n.gettext(message, **variables)


def lazy_gettext(message: str, /) -> str:
    """Mark a text that is translated when it is shown, e.g. a command's help."""
    return message


def ngettext(singular: str, plural: str, num: int, /, **variables: object) -> str:
    """Translate a text with a number, which `%(num)s` shows."""
    if not _spoken:
        return (singular if num == 1 else plural) % {"num": num, **variables}
    from node.web import i18n

    return i18n.ngettext(singular, plural, num, **variables)


def in_own_language(texts: Mapping[str, str]) -> str:
    """Choose from a language map; empty for an empty map."""
    wanted = spoken_language()
    for language in (wanted, SOURCE_LANGUAGE):
        if language in texts:
            return texts[language]
    return next(iter(texts.values()), "")
