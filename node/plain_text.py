"""Plain text as people paste it, brought into the form that may be sent.

Word processors and telephones put characters into a text that nobody sees: other
line breaks, marks of direction, byte order marks. The protocol refuses most of
them (schemas/wire/values, `line` and `text`), so they are taken out where a
person's text comes in; nobody is asked to find what cannot be seen.
"""

import re
import unicodedata
from typing import Final

_LINE_BREAKS: Final = re.compile("\r\n|[\n\r\x0b\x0c\x85\u2028\u2029]")
# Control characters except tab and line feed, halves of surrogate pairs, and what
# formats without being seen. The two joiners stay: scripts and emoji need them.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_BLANK_CATEGORIES: Final = frozenset({"Cc", "Cf", "Zl", "Zp", "Zs"})


def clean_text(text: str) -> str:
    """Return a text of several lines; empty if nothing in it can be seen."""
    lines = _LINE_BREAKS.sub("\n", text)
    return _or_empty(_UNSEEN.sub("", lines).strip())


def clean_line(text: str) -> str:
    """Return a text as one line; empty if nothing in it can be seen."""
    line = _UNSEEN.sub("", _LINE_BREAKS.sub(" ", text))
    return _or_empty(" ".join(line.split()))


def _or_empty(text: str) -> str:
    visible = any(unicodedata.category(each) not in _BLANK_CATEGORIES for each in text)
    return text if visible else ""
