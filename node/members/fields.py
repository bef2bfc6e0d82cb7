"""Reads single values as people write them: addresses, days, words, codes.

The forms come from the packaged schemas, so that a member and an entry are held
to the same rule.
"""

import functools
import re
import unicodedata
from datetime import date
from typing import Final

import schemas
from node.sentence import Sentence

EMAIL_CHARACTERS_MAX: Final = 200
_ISO_DAY: Final = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z", re.ASCII)
_GERMAN_DAY: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})\Z", re.ASCII)
_BARE_HOST: Final = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(/.*)?\Z")
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]"
)


class FieldError(ValueError):
    """A value that cannot be read; its text is a `Sentence` for a person."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(str(sentence))
        self.sentence = sentence


@functools.cache
def _pattern(name: str) -> re.Pattern[str]:
    pattern = schemas.load_schema("values")["$defs"][name]["pattern"]
    return re.compile(pattern)


def read_email(text: str) -> str:
    """Return a mail address in lower case.

    Upper and lower case never tell two people apart in practice, so one address
    is one account.
    """
    email = text.strip().lower()
    if len(email) > EMAIL_CHARACTERS_MAX or not _pattern("email").match(email):
        raise FieldError(
            Sentence("{value} is not an e-mail address.", value=_shown(text))
        )
    return email


def read_line(text: str, *, limit: int) -> str:
    """Return one line of text, without control and direction characters."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    if _UNSEEN.search(line):
        raise FieldError(
            Sentence("The text holds characters that cannot be seen; type it anew.")
        )
    if len(line) > limit:
        raise FieldError(
            Sentence("The text is longer than {limit} characters.", limit=limit)
        )
    return line


def read_website(text: str) -> str:
    """Return a web address; one without `https://` gets it."""
    address = text.strip()
    if _BARE_HOST.match(address):
        address = f"https://{address}"
    if len(address) > 300 or not _pattern("url").match(address):  # noqa: PLR2004 - column
        raise FieldError(Sentence("{value} is not a web address.", value=_shown(text)))
    return address


def read_phone(text: str) -> str:
    """Return a telephone number."""
    phone = " ".join(text.split())
    if len(phone) > 32 or not _pattern("phone").match(phone):  # noqa: PLR2004 - schema
        raise FieldError(
            Sentence("{value} is not a telephone number.", value=_shown(text))
        )
    return phone


def read_day(text: str) -> date:
    """Return a day written `2026-11-21` or `21.11.2026`."""
    text = text.strip()
    iso, german = _ISO_DAY.match(text), _GERMAN_DAY.match(text)
    try:
        if iso:
            return date(*(int(part) for part in iso.groups()))
        if german:
            day, month, year = (int(part) for part in german.groups())
            return date(year, month, day)
    except ValueError:
        pass
    raise FieldError(
        Sentence(
            "{value} is not a day; write it as 2026-11-21 or 21.11.2026.",
            value=_shown(text),
        )
    )


def read_code(text: str, *, vocabulary: str) -> str:
    """Return the code of a word: the code itself, or its German or English name."""
    wanted = _folded(text)
    found = _codes(vocabulary).get(wanted)
    if found is None:
        words = sorted({term.code for term in schemas.vocabulary(vocabulary)})
        shown = ", ".join(words[:12]) + (" …" if len(words) > 12 else "")  # noqa: PLR2004
        raise FieldError(
            Sentence(
                "{value} is not known here; possible are: {words}.",
                value=_shown(text),
                words=shown,
            )
        )
    return found


def read_region(text: str) -> str:
    """Return an ISO 3166 code: `DE-HE`, `CH`, or the name of the region."""
    wanted = _folded(text)
    for vocabulary in ("regions", "countries"):
        found = _codes(vocabulary).get(wanted)
        if found is not None:
            return found
    code = text.strip().upper()
    country, _, rest = code.partition("-")
    if (
        rest
        and country not in {"DE", "AT", "CH"}
        and _folded(country) in _codes("countries")
    ):
        return code[:6]
    raise FieldError(
        Sentence(
            "{value} is not a region; write its code, for example DE-HE.",
            value=_shown(text),
        )
    )


@functools.cache
def _codes(vocabulary: str) -> dict[str, str]:
    """Codes by everything that somebody may write for them.

    A name that two terms share finds neither.
    """
    found: dict[str, str] = {}
    shared: set[str] = set()
    terms = schemas.vocabulary(vocabulary)
    for term in terms:
        names = {_folded(name) for name in (term.symbol, *term.label.values()) if name}
        for name in names:
            if found.setdefault(name, term.code) != term.code:
                shared.add(name)
    for name in shared:
        del found[name]
    # A code always means itself, whatever another term is called.
    found.update({_folded(term.code): term.code for term in terms})
    return found


def _folded(text: str) -> str:
    return " ".join(text.replace("_", " ").split()).casefold()


def _shown(text: str) -> str:
    line = " ".join(_UNSEEN.sub("?", text).split())
    return f"„{line[:60]}“" if line else "„“"
