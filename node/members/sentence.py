"""A sentence that can still be translated after it was written."""

from collections.abc import Callable


class Sentence(str):
    """English text that remembers its template and what stands in its places.

    It is a plain string for logs and scripts. A page or a command that knows its
    reader's language calls `translated`.

    Attributes:
        template: English msgid with named places, e.g. `{name} is missing.`
        values: What stands in the places.
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, object]

    def __new__(cls, template: str, /, **values: object) -> "Sentence":
        """Write the English text."""
        text = super().__new__(cls, template.format(**values))
        text.template = template
        text.values = values
        return text

    def translated(self, gettext: Callable[[str], str]) -> str:
        """Return the sentence in the language of `gettext`."""
        return gettext(self.template).format(**self.values)
