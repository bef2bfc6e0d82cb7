"""Reads the packaged schemas, contexts, vocabularies and examples.

Everything comes from the installed package. Nothing is fetched: a reference to
something that is not packaged is an error, never a request.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from referencing import Registry
from referencing.jsonschema import DRAFT202012

from schemas.kinds import KINDS

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from referencing.jsonschema import SchemaRegistry

__all__ = [
    "CONTEXT_FILES",
    "SCHEMA_BASE",
    "Example",
    "Term",
    "contexts",
    "examples",
    "house_context",
    "load_schema",
    "registry",
    "schema_id",
    "schema_names",
    "split_file",
    "vocabulary",
    "vocabulary_names",
]

SCHEMA_BASE = "https://w3id.org/spalier/schemas/"

CONTEXT_FILES: Mapping[str, str] = MappingProxyType(
    {
        "https://www.w3.org/ns/activitystreams": "activitystreams.jsonld",
        "https://www.w3.org/ns/cid/v1": "cid-v1.jsonld",
        "https://www.w3.org/ns/did/v1": "did-v1.jsonld",
        "https://w3id.org/security/data-integrity/v2": "data-integrity-v2.jsonld",
        "https://w3id.org/security/multikey/v1": "multikey-v1.jsonld",
        "https://w3id.org/security/v1": "security-v1.jsonld",
    }
)

_HOUSE_CONTEXT = (
    "https://www.w3.org/ns/activitystreams",
    "https://www.w3.org/ns/cid/v1",
    "https://w3id.org/security/data-integrity/v2",
)
_SUFFIX = ".schema.json"
_VOCABULARIES = "vocabularies"


@dataclass(frozen=True, slots=True)
class Term:
    """A word of a vocabulary.

    Attributes:
        code: What stands in an entry.
        label: What people read, by language (``de``, ``en``).
        symbol: What stands behind a number; empty except for units.
        broader: The code of the term above; empty if there is none.
    """

    code: str
    label: Mapping[str, str]
    symbol: str = ""
    broader: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A shipped example in file form, content and publication keys together.

    Attributes:
        name: The reason it is there, also its file name without ``.json``.
        kind: The kind whose example it is.
        document: The parsed file; shared, so copy it before changing it.
        path: For an invalid one, the JSON pointer of the value that is wrong,
            missing or not known.
        keyword: For an invalid one, the schema keyword that says so, or
            ``rule`` where only ``schemas.rules`` can.
    """

    name: str
    kind: str
    document: Mapping[str, Any]
    path: str | None = None
    keyword: str | None = None


def _root() -> Traversable:
    return files("schemas")


def _read_json(path: Traversable) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def schema_id(name: str) -> str:
    """Returns the ``$id`` of the schema ``name``, for example ``envelope``."""
    return SCHEMA_BASE + name


@functools.cache
def load_schema(name: str) -> dict[str, Any]:
    """Returns a packaged schema; the same object each time, not to be changed.

    Args:
        name: Path below the package without suffix: ``entries/capacity_offer``,
            ``envelope``, ``publication``, ``vocabularies/units``, ``wire/page``.

    Raises:
        KeyError: No such schema is packaged.
    """
    if name not in schema_names():
        raise KeyError(name)
    folder, _, rest = name.partition("/")
    if folder == _VOCABULARIES:
        return _vocabulary_schema(rest)
    schema: dict[str, Any] = _read_json(_root().joinpath(name + _SUFFIX))
    return schema


def _vocabulary_schema(name: str) -> dict[str, Any]:
    # Made from the vocabulary itself, so that the codes are written down once.
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": schema_id(f"{_VOCABULARIES}/{name}"),
        "enum": [term.code for term in vocabulary(name)],
    }


@functools.cache
def schema_names() -> tuple[str, ...]:
    """Returns the names of all packaged schemas, sorted."""
    written = list(_written_schemas(_root(), ""))
    made = [f"{_VOCABULARIES}/{name}" for name in vocabulary_names()]
    return tuple(sorted(written + made))


def _written_schemas(folder: Traversable, prefix: str) -> Iterator[str]:
    for entry in folder.iterdir():
        if entry.name.endswith(_SUFFIX):
            yield prefix + entry.name.removesuffix(_SUFFIX)
        elif not prefix and entry.name in ("entries", "wire") and entry.is_dir():
            yield from _written_schemas(entry, entry.name + "/")


@functools.cache
def registry() -> SchemaRegistry:
    """Returns all packaged schemas by ``$id``, without any retrieval."""
    resources = [
        (schema_id(name), DRAFT202012.create_resource(load_schema(name)))
        for name in schema_names()
    ]
    empty: SchemaRegistry = Registry()
    return empty.with_resources(resources).crawl()


@functools.cache
def contexts() -> Mapping[str, dict[str, Any]]:
    """Returns the bundled standard JSON-LD contexts by their address."""
    folder = _root().joinpath("contexts")
    return MappingProxyType(
        {url: _read_json(folder.joinpath(name)) for url, name in CONTEXT_FILES.items()}
    )


@functools.cache
def _house_terms() -> dict[str, Any]:
    terms: dict[str, Any] = _read_json(
        _root().joinpath("contexts", "spalier-terms.json")
    )
    return terms


def house_context() -> list[Any]:
    """Returns the ``@context`` of every document that a node sends, as a fresh copy.

    Three standard contexts by address, then the inline terms of
    ``contexts/spalier-terms.json``.
    """
    terms = _house_terms().items()
    # Each term is a text or an object of texts.
    return [
        *_HOUSE_CONTEXT,
        {name: dict(term) if isinstance(term, dict) else term for name, term in terms},
    ]


@functools.cache
def vocabulary_names() -> tuple[str, ...]:
    """Returns the names of the packaged vocabularies, sorted."""
    folder = _root().joinpath(_VOCABULARIES)
    names = (entry.name for entry in folder.iterdir())
    return tuple(sorted(n.removesuffix(".json") for n in names if n.endswith(".json")))


@functools.cache
def vocabulary(name: str) -> tuple[Term, ...]:
    """Returns the terms of a vocabulary in their printed order.

    Args:
        name: For example ``units``, ``currencies``, ``countries``, ``regions``,
            ``nace``, ``org_types``, ``equipment_classes``.

    Raises:
        KeyError: No such vocabulary is packaged.
    """
    if name not in vocabulary_names():
        raise KeyError(name)
    data = _read_json(_root().joinpath(_VOCABULARIES, name + ".json"))
    return tuple(
        Term(
            code=term["code"],
            label=MappingProxyType(term["label"]),
            symbol=term.get("symbol", ""),
            broader=term.get("broader", ""),
        )
        for term in data["terms"]
    )


@functools.cache
def examples(kind: str, *, valid: bool) -> tuple[Example, ...]:
    """Returns the shipped examples of a kind, sorted by name.

    Raises:
        KeyError: There is no such kind.
    """
    if kind not in KINDS:
        raise KeyError(kind)
    folder = _root().joinpath("examples", "valid" if valid else "invalid")
    faults = {} if valid else _read_json(folder.joinpath("index.json"))[kind]
    found = []
    for entry in sorted(folder.joinpath(kind).iterdir(), key=lambda item: item.name):
        name = entry.name.removesuffix(".json")
        fault = faults.get(name, {})
        found.append(
            Example(
                name=name,
                kind=kind,
                document=_read_json(entry),
                path=fault.get("path"),
                keyword=fault.get("keyword"),
            )
        )
    return tuple(found)


def split_file(document: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Splits a file to publish into its content and its publication keys.

    The content answers to ``entries/<kind>``, the rest to ``publication``.

    Returns:
        The content, and audience, on_behalf_of and external_id as far as given.
    """
    keys = load_schema("publication")["properties"].keys()
    content = {key: value for key, value in document.items() if key not in keys}
    beside = {key: value for key, value in document.items() if key in keys}
    return content, beside
