"""Sentences that can still be translated after they were written.

Whoever finds out what is wrong does not know the reader's language. It writes an
English template and what stands in its places; a page or a command says it in the
language of its reader, while logs and scripts get the English text.

`node.web.translations` collects the templates: the first argument of `Sentence`,
the messages and hints of the errors of `node.errors`, and collections whose name
ends in `SENTENCES`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Self

from federation.errors import WordedError

if TYPE_CHECKING:
    from federation.validation import Fault


class Sentence(str):
    """English text that remembers its template and what stands in its places.

    It is a plain string for logs and scripts. A page or a command that knows its
    reader's language calls `translated`.

    Attributes:
        template: English msgid with named places, e.g. `{name} is missing.`
        values: What stands in the places; a sentence among them is translated
            with the whole.
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> Self:
        """Write the English text; without values a brace stands for itself."""
        english = template.format(**values) if values else template
        text = super().__new__(cls, english)
        text.template = template
        text.values = values
        return text

    def translated(self, gettext: Callable[[str], str]) -> str:
        """Return the sentence in the language of `gettext`."""
        template = gettext(self.template) if self.template else ""
        if not self.values:
            return template
        values = {
            name: value.translated(gettext) if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return template.format(**values)


def in_words(text: str, gettext: Callable[[str], str]) -> str:
    """Say a text in the language of `gettext`; a plain one is its own template."""
    if isinstance(text, Sentence):
        return text.translated(gettext)
    return gettext(text) if text else ""


def sentence_of(found: "Fault | WordedError") -> Sentence:
    """Return what the protocol library found wrong as a sentence of the node."""
    values = {
        name: sentence_of(value) if isinstance(value, WordedError) else value
        for name, value in dict(found.values).items()
    }
    return Sentence(found.template, **values)


# What an operating system says most often when a file or a port cannot be used.
SYSTEM_SENTENCES: Final = (
    "Address already in use",
    "Cannot assign requested address",
    "File name too long",
    "Input/output error",
    "Is a directory",
    "No space left on device",
    "No such file or directory",
    "Not a directory",
    "Operation not permitted",
    "Permission denied",
    "Read-only file system",
    "Too many open files",
)


def system_reason(error: OSError) -> Sentence:
    """Return what the operating system says about a failure."""
    return Sentence(error.strerror or type(error).__name__)
