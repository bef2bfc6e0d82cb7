"""Text as it is compared in a search: case, accents and ß do not count."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

WORDS_MAX = 12  # words of a query that are looked at


def fold(text: str) -> str:
    """Fold case, ß to ss and accents away (ä to a), for comparison only."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(mark for mark in decomposed if not unicodedata.combining(mark))


def query_words(query: str) -> list[str]:
    """Split a query into its folded words, at most WORDS_MAX.

    What cannot be seen separates words: a database may end a pattern at U+0000.
    """
    shown = (mark if mark.isprintable() else " " for mark in fold(query))
    return "".join(shown).split()[:WORDS_MAX]


def searchable_text(content: Mapping[str, Any], names: Iterable[str]) -> str:
    """Fold everything that a member may look for in an entry into one text.

    Args:
        content: The entry's content (schemas/entries).
        names: Names of the owner as they are shown with the entry.
    """
    words: list[str] = []
    for key in ("title", "summary", "body"):
        words.extend(content.get(key, {}).values())
    for key in ("topics", "keywords", "processes", "materials", "expertise"):
        words.extend(value for value in content.get(key, ()) if isinstance(value, str))
    words.extend(names)
    return fold(" ".join(words))
