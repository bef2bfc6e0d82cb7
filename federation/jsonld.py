"""The only user of pyld: reads documents as JSON-LD, from bundled contexts.

Between partners the `@context` must equal the house context, so a term cannot be
given another meaning. What remains for JSON-LD is to show that a document, read
as a graph, says what our plain reading of it says: no key is without a meaning,
and identifier and type are the same. For documents that say who somebody is this is
done each time; for those whose closed schema fixes every term and type it is shown
once, by tests on the schemas. RDF canonicalisation is never called.

Source: SPEC.md FED-021 to FED-023.
"""

from __future__ import annotations

import functools
from typing import Any, Final, cast

import schemas
from federation.errors import ContextNotAllowedError, MalformedError, SchemaInvalidError
from federation.json_types import JsonObject, JsonValue

HOUSE_CONTEXT: Final = cast("list[JsonValue]", schemas.house_context())
"""The `@context` of every document of this protocol; never to be changed."""

FORBIDDEN_KEYWORDS: Final = frozenset({"@graph", "@included", "@reverse"})
"""Keywords by which a signed document could be rearranged."""

# The vocabulary of ActivityStreams gives unknown terms this prefix instead of
# dropping them.
_UNMAPPED: Final = "_:"
_ID: Final = "@id"
_TYPE: Final = "@type"


def context_copy() -> list[JsonValue]:
    """Return the house context for a new document."""
    return cast("list[JsonValue]", schemas.house_context())


def check_context(document: JsonObject) -> None:
    """Require the house context, value for value.

    Raises:
        ContextNotAllowedError: It is absent or another one.
    """
    if document.get("@context") != HOUSE_CONTEXT:
        raise ContextNotAllowedError(
            "The @context is not the one of this protocol version."
        )


def load_bundled(url: str, _options: dict[str, Any]) -> dict[str, Any]:
    """Return a bundled context; the loader that pyld gets.

    Raises:
        ContextNotAllowedError: The context is not bundled. Nothing is fetched.
    """
    try:
        document = schemas.contexts()[url]
    except KeyError:
        raise ContextNotAllowedError(
            f"The context {url[:200]!r} is not known."
        ) from None
    return {
        "contentType": "application/ld+json",
        "contextUrl": None,
        "documentUrl": url,
        "document": document,
    }


def expand(document: JsonObject) -> JsonObject:
    """Expand a document to its single node (JSON-LD 1.1 API §5.1).

    Raises:
        ContextNotAllowedError: It names a context that is not bundled.
        MalformedError: It is no JSON-LD, or not exactly one node.
    """
    # It takes 5 MiB, and what active partners exchange every day does without.
    from pyld import jsonld  # noqa: PLC0415

    try:
        # An empty base keeps relative references as they are: nothing of ours is
        # relative, and a guess would be wrong.
        nodes = jsonld.expand(document, {"documentLoader": load_bundled, "base": ""})
    except jsonld.JsonLdError as error:
        # pyld wraps what the loader raises, several times over.
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ContextNotAllowedError):
                raise cause from error
            cause = cause.__cause__ or cause.__context__
        raise MalformedError("The document is not JSON-LD.") from error
    except (LookupError, RecursionError, TypeError, ValueError) as error:
        # On odd contexts pyld stumbles over itself, e.g. over "@vocab": null.
        raise MalformedError("The document is not JSON-LD.") from error
    if len(nodes) != 1:
        raise MalformedError("The document is not one JSON-LD node.")
    return cast("JsonObject", nodes[0])


def unmapped_terms(expanded: JsonValue) -> list[str]:
    """Return the keys and types of an expanded document that have no meaning."""
    found: list[str] = []
    pending: list[JsonValue] = [expanded]
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, dict):
            if value.get(_TYPE) == "@json":
                continue
            for key, item in value.items():
                if key.startswith(_UNMAPPED):
                    found.append(key)
                if key == _TYPE:
                    found.extend(_unmapped_types(item))
                else:
                    pending.append(item)
    return sorted(found)


def check_meaning(document: JsonObject, *, type_iri: str) -> JsonObject:
    """Read one document as JSON-LD and require what our plain reading assumes.

    Args:
        document: A document with the house context.
        type_iri: The type that it must have after expansion.

    Returns:
        The expanded node.

    Raises:
        ContextNotAllowedError: Another context.
        SchemaInvalidError: A key or type without meaning, or another identifier
            or type than the plain reading sees.
    """
    check_context(document)
    if not FORBIDDEN_KEYWORDS.isdisjoint(document):
        raise MalformedError("The document uses a keyword that is not permitted.")
    node = expand(document)
    unmapped = unmapped_terms(node)
    if unmapped:
        raise SchemaInvalidError(
            f"The term {unmapped[0].removeprefix(_UNMAPPED)[:60]} has no meaning."
        )
    if node.get(_ID) != document.get("id") or node.get(_TYPE) != [type_iri]:
        raise SchemaInvalidError("The document is not what its type says.")
    return node


@functools.cache
def type_iri(name: str) -> str:
    """Return the full name of a type of ours, for example `Receipt`."""
    node = expand({"@context": context_copy(), "id": "urn:x", "type": name})
    types = node.get(_TYPE)
    if not isinstance(types, list) or not isinstance(types[0], str):
        raise KeyError(name)
    return types[0]


def _unmapped_types(value: JsonValue) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [
        item for item in values if isinstance(item, str) and item.startswith(_UNMAPPED)
    ]
