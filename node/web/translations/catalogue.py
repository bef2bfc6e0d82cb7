"""Extracts texts from Python and templates and merges them into catalogues."""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeAlias

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from node.web.translations.sentences import KEYWORD, extract_texts

_METHODS = [
    ("**/templates/**.html", "jinja2"),
    ("**.py", f"{extract_texts.__module__}:{extract_texts.__name__}"),
]
_OPTIONS = {
    "**/templates/**.html": {
        "extensions": "jinja2.ext.i18n,jinja2.ext.do",
        "newstyle_gettext": "true",
        "trim_blocks": "true",
        "silent": "false",
    }
}
# Which arguments of which functions are texts; None means the first.
_KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    KEYWORD: None,
}

# Header fields that change with each run or say nothing.
_UNUSED = tuple(
    f'"{name}'
    for name in (
        "POT-Creation-Date",
        "PO-Revision-Date",
        "Generated-By",
        "Report-Msgid-Bugs-To",
        "Last-Translator",
        "Language-Team",
    )
)


# File, line, text (or singular and plural), comments of the developer, context.
_Text: TypeAlias = tuple[str, int, str | tuple[str, ...], list[str], str | None]


@dataclass(frozen=True, slots=True)
class TextPackage:
    """A package with texts.

    Attributes:
        name: For reports.
        folders: Folders that are searched for texts.
        catalogues: Folder of its `<language>.po`.
        without: Names of folders that are packages of texts of their own.
    """

    name: str
    folders: tuple[Path, ...]
    catalogues: Path
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Gap:
    """A text without a finished translation, and where it is used."""

    package: str
    language: str
    text: str
    places: str


def extract(package: TextPackage) -> Catalog:
    """Collect the texts of a package, with the places where they stand."""
    template = Catalog(project="Spalier", version="1", charset="utf-8")
    for folder in package.folders:
        for filename, _line, message, comments, context in _texts_of(
            folder, without=package.without
        ):
            # Without line numbers: a catalogue changes when texts do, not when
            # code moves.
            place = (f"{folder.name}/{filename}", None)
            template.add(
                message,
                None,
                [place],  # type: ignore[list-item] # Babel writes None as "no line"
                auto_comments=comments,
                context=context,
            )
    return template


def _texts_of(folder: Path, *, without: frozenset[str]) -> list[_Text]:
    found = extract_from_dir(
        str(folder),
        _METHODS,
        _OPTIONS,
        keywords=_KEYWORDS,
        comment_tags=("Translators:",),
        strip_comment_tags=True,
        directory_filter=lambda path: (
            not Path(path).name.startswith((".", "_"))
            and Path(path).name not in without
        ),
    )
    return sorted(found, key=lambda text: (text[0], text[1]))


def load(path: Path) -> Catalog:
    """Read a catalogue; one that does not exist yet is empty."""
    if not path.exists():
        return Catalog(
            locale=path.stem, project="Spalier", version="1", charset="utf-8"
        )
    with path.open("rb") as file:
        return read_po(file, locale=path.stem, charset="utf-8")


def update(package: TextPackage, language: str) -> None:
    """Bring a catalogue up to date; translations of texts that stay are kept."""
    path = package.catalogues / f"{language}.po"
    catalogue = load(path)
    catalogue.update(
        extract(package), no_fuzzy_matching=True, update_header_comment=False
    )
    catalogue.obsolete.clear()
    path.parent.mkdir(exist_ok=True)
    written = to_bytes(catalogue)
    if not path.exists() or path.read_bytes() != written:
        path.write_bytes(written)


def to_bytes(catalogue: Catalog) -> bytes:
    """Write a catalogue so that the same texts give the same bytes."""
    catalogue.header_comment = "# Texts of Spalier. English is the source."
    catalogue.fuzzy = False
    buffer = BytesIO()
    write_po(
        buffer,
        catalogue,
        width=88,
        sort_output=True,
        include_lineno=False,
        omit_header=False,
    )
    lines = buffer.getvalue().decode().splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(_UNUSED)).encode()


def gaps(package: TextPackage, language: str) -> Iterator[Gap]:
    """List texts of the package whose translation is missing, empty or fuzzy."""
    catalogue = load(package.catalogues / f"{language}.po")
    for message in extract(package):
        if message.id and not _is_translated(
            catalogue.get(message.id, context=message.context)
        ):
            text = message.id if isinstance(message.id, str) else message.id[0]
            places = ", ".join(sorted({place for place, _line in message.locations}))
            yield Gap(package.name, language, text, places)


def _is_translated(message: Message | None) -> bool:
    if message is None or message.fuzzy:
        return False
    string = message.string or ""
    return all((string,) if isinstance(string, str) else string)
