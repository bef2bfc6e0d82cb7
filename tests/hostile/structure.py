"""What a page is made of: its elements, attributes and where it leads."""

from html.parser import HTMLParser

from typing_extensions import override

_ADDRESSES = {"href", "src", "action", "formaction", "data", "poster", "srcset", "cite"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.schemes: set[str] = set()
        self.events: list[str] = []
        self.others: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(sorted(name for name, _ in attrs))))
        for name, value in attrs:
            if name.startswith("on") or name in {"style", "srcdoc"}:
                self.events.append(f"{tag} {name}")
            if name in _ADDRESSES:
                self.schemes.add(scheme_of(value or ""))

    @override
    def handle_comment(self, data: str) -> None:
        self.others.append(f"comment {data[:40]}")

    @override
    def handle_pi(self, data: str) -> None:
        self.others.append(f"instruction {data[:40]}")

    @override
    def unknown_decl(self, data: str) -> None:
        self.others.append(f"declaration {data[:40]}")


def scheme_of(address: str) -> str:
    """The scheme as a browser reads it: without tabs and line breaks, any case."""
    bare = "".join(letter for letter in address if letter.isprintable()).strip().lower()
    if bare.startswith(("//", "/\\")):
        return "//"
    head, colon, _ = bare.partition(":")
    is_scheme = colon and head.isascii() and head.replace("+", "").isalnum()
    return f"{head}:" if is_scheme else "path"


def structure_of(html: str) -> _Reader:
    """Read a page."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader
