"""Documents and entries against the packaged schemas.

Validators are built once and never fetch: a reference to something that is not
packaged is an error. All faults of an entry are reported together, each with the
JSON pointer of the value and one plain sentence.

Nearly every document is in order, and a compiled validator (jsonschema-rs) says so
a hundred times faster than jsonschema. It only ever says yes: whatever it does not
accept goes to jsonschema, which decides and finds the words. That both agree is
shown by a test. What it costs is linear in the length of a document, whatever a
partner puts into it: `uniqueItems` compares canonical bytes here instead of every
value with every other, a list that is too long is not looked into, and no more
faults are found than anybody reads.

Source: SPEC.md FED-024, FED-025.
"""

from __future__ import annotations

import functools
import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import jsonschema_rs
from jsonschema import Draft202012Validator, ValidationError, validators
from referencing import Registry
from referencing.jsonschema import DRAFT202012

import schemas
from federation.canonical import canonical_bytes
from federation.errors import LocalError, SchemaInvalidError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from jsonschema.protocols import Validator
    from referencing.jsonschema import SchemaRegistry

    from federation.json_types import JsonValue

_SHOWN_CHARACTERS: Final = 60
_VALUES_SHOWN: Final = 12
_FAULTS_MAX: Final = 200
"""Faults of one document that are found; a form has fewer fields."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong in an entry.

    Args:
        path: JSON pointer (RFC 6901) of the value, empty for the whole.
        template: English sentence with named places, for translation.
        values: What stands in the places.
    """

    path: str
    template: str
    values: tuple[tuple[str, str], ...] = ()

    @property
    def message(self) -> str:
        """The English sentence."""
        return self.template.format(**dict(self.values))


def _is_too_long(instance: object, schema: Mapping[str, object]) -> bool:
    limit = schema.get("maxItems")
    return (
        isinstance(limit, int) and isinstance(instance, list) and len(instance) > limit
    )


def _unique_items(
    _validator: Validator,
    wanted: object,
    instance: JsonValue,
    schema: Mapping[str, object],
) -> Iterable[ValidationError]:
    """Find equal items by their canonical bytes: one look at each of them."""
    if not wanted or not isinstance(instance, list) or _is_too_long(instance, schema):
        return
    seen: set[bytes] = set()
    for item in instance:
        written = _written(item)
        if written in seen:
            yield ValidationError("the same value stands here twice")
            return
        seen.add(written)


def _written(item: JsonValue) -> bytes:
    try:
        return canonical_bytes(item)
    except LocalError:
        # A number that no document may hold; another keyword names it.
        return json.dumps(item, sort_keys=True).encode("ascii")


def _items(
    validator: Validator,
    wanted: object,
    instance: JsonValue,
    schema: Mapping[str, object],
) -> Iterable[ValidationError]:
    """Look into a list, unless it is too long anyway."""
    if not _is_too_long(instance, schema):
        yield from Draft202012Validator.VALIDATORS["items"](
            validator, wanted, instance, schema
        )


def _linear_validator() -> type[Validator]:
    extend = cast(
        "Callable[[type[Validator], dict[str, object]], type[Validator]]",
        validators.extend,
    )
    return extend(Draft202012Validator, {"uniqueItems": _unique_items, "items": _items})


@functools.cache
def _worded_registry() -> SchemaRegistry:
    """Return the schemas without `$schema`.

    jsonschema looks there which class validates what a reference leads to, and
    would take its own instead of ours.
    """
    empty: SchemaRegistry = Registry()
    return empty.with_resources(
        (schemas.schema_id(name), DRAFT202012.create_resource(_unnamed(name)))
        for name in schemas.schema_names()
    )


def _unnamed(name: str) -> Mapping[str, object]:
    schema = schemas.load_schema(name)
    return {key: value for key, value in schema.items() if key != "$schema"}


@functools.cache
def _validator(name: str) -> Validator:
    return _linear_validator()(
        _unnamed(name),
        registry=_worded_registry(),
        format_checker=schemas.FORMATS,
    )


@functools.cache
def _compiled(name: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schemas.load_schema(name),
        registry=_compiled_registry(),
        validate_formats=True,
        formats={name: _format(name) for name in schemas.FORMATS.checkers},
        ignore_unknown_formats=False,
        offline=True,
    )


@functools.cache
def _compiled_registry() -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry(
        [
            (schemas.schema_id(name), schemas.load_schema(name))
            for name in schemas.schema_names()
        ]
    )


def _format(name: str) -> Callable[[str], bool]:
    return lambda value: schemas.FORMATS.conforms(value, name)


def _fits(name: str, document: Mapping[str, JsonValue]) -> bool:
    """Tell whether the compiled schema accepts a document; False decides nothing."""
    try:
        return _compiled(name).is_valid(dict(document))
    except (ValueError, RecursionError):
        # A text or a depth that it cannot read.
        return False


def faults_of_entry(content: Mapping[str, JsonValue]) -> list[Fault]:
    """Return everything that is wrong with an entry's content.

    The same check on both sides: before an entry is stored and after one was
    received. Contradictions between fields are looked for only when every field
    by itself is in order.

    Args:
        content: The content as `schemas/entries/<kind>` describes it.

    Returns:
        All faults, ordered by path; empty if it is in order.
    """
    kind = content.get("kind")
    if not isinstance(kind, str) or kind not in schemas.KINDS:
        names = ", ".join(schemas.KINDS)
        return [
            Fault("/kind", "The kind must be one of: {names}.", (("names", names),))
        ]
    faults = _faults_by(f"entries/{kind}", content)
    if faults:
        return faults
    return [Fault(rule.path, rule.message) for rule in schemas.broken_rules(content)]


def faults_of_publication(fields: Mapping[str, JsonValue]) -> list[Fault]:
    """Return what is wrong with the part of a publication that stays at home.

    Args:
        fields: Audience, on_behalf_of and external_id (schemas/publication).
    """
    return _faults_by("publication", fields)


def faults_of_wire(name: str, document: Mapping[str, JsonValue]) -> list[Fault]:
    """Return what is wrong with a document of the protocol.

    Args:
        name: The schema below `schemas/wire`, for example "receipt".
        document: The parsed document.
    """
    return _faults_by(f"wire/{name}", document)


def check_wire(name: str, document: Mapping[str, JsonValue]) -> None:
    """Require that a document fits its closed schema.

    Raises:
        SchemaInvalidError: It does not; the text names the first path.
    """
    faults = faults_of_wire(name, document)
    if not faults:
        return
    path = faults[0].path or "/"
    raise SchemaInvalidError(
        f"{path}: {faults[0].message}", members={"pointer": path[:200]}
    )


def _faults_by(name: str, document: Mapping[str, JsonValue]) -> list[Fault]:
    if _fits(name, document):
        return []
    errors = _validator(name).iter_errors(document)
    found = itertools.islice(_faults(errors), _FAULTS_MAX)
    return sorted(set(found), key=lambda fault: (fault.path, fault.message))


def _faults(errors: Iterable[ValidationError]) -> Iterable[Fault]:
    for error in errors:
        if error.validator in {"anyOf", "oneOf", "allOf"} and error.context:
            yield from _faults(error.context)
        else:
            yield _fault(error)


def _fault(error: ValidationError) -> Fault:
    pointer = "".join(
        "/" + str(step).replace("~", "~0").replace("/", "~1")
        for step in error.absolute_path
    )
    keyword = str(error.validator)
    if keyword == "required":
        return Fault(f"{pointer}/{_first_missing(error)}", "This field is missing.")
    if keyword in {"additionalProperties", "unevaluatedProperties"}:
        return _unknown_field(pointer, error)
    template, places = _sentence(keyword, error)
    return Fault(pointer, template, places)


def _first_missing(error: ValidationError) -> str:
    # jsonschema reports each missing name by itself and quotes it in its message.
    return error.message.partition("'")[2].rpartition("'")[0]


def _unknown_field(pointer: str, error: ValidationError) -> Fault:
    names = _quoted_names(error.message)
    if not names:
        return Fault(pointer, "This field is not known here.")
    return Fault(f"{pointer}/{names[0]}", "This field is not known here.")


def _quoted_names(message: str) -> list[str]:
    inside = message[message.find("(") + 1 : message.rfind(")")]
    return [part for part in inside.split("'")[1::2] if part]


def _sentence(
    keyword: str, error: ValidationError
) -> tuple[str, tuple[tuple[str, str], ...]]:
    limit: object = error.validator_value
    if keyword == "enum" and isinstance(limit, list):
        shown = ", ".join(str(value) for value in limit[:_VALUES_SHOWN])
        more = " …" if len(limit) > _VALUES_SHOWN else ""
        return _SENTENCES[keyword], (("values", shown + more),)
    if keyword == "type":
        return _TYPE_SENTENCES.get(str(limit), _SENTENCES["pattern"]), ()
    if keyword == "format":
        return _FORMAT_SENTENCES.get(str(limit), _SENTENCES["pattern"]), ()
    template = _SENTENCES.get(keyword, _SENTENCES["pattern"])
    if "{limit}" not in template:
        return template, ()
    return template, (("limit", str(limit)[:_SHOWN_CHARACTERS]),)


# A node collects what ends in SENTENCES for its translations.
_SENTENCES: Final = {
    "const": "This must be {limit}.",
    "enum": "This must be one of: {values}.",
    "exclusiveMaximum": "This must be below {limit}.",
    "exclusiveMinimum": "This must be above {limit}.",
    "maxItems": "There are more than {limit} values.",
    "maxLength": "This is longer than {limit} characters.",
    "maxProperties": "There are more than {limit} values.",
    "maximum": "This is above {limit}.",
    "minItems": "There are fewer than {limit} values.",
    "minLength": "This is shorter than {limit} characters.",
    "minProperties": "There are fewer than {limit} values.",
    "minimum": "This is below {limit}.",
    "pattern": "This does not have the right form.",
    "uniqueItems": "The same value stands here twice.",
}
_TYPE_SENTENCES: Final = {
    "array": "This must be a list.",
    "boolean": "This must be true or false.",
    "integer": "This must be a whole number.",
    "object": "This must be a group of fields.",
    "string": "This must be a text.",
}
_FORMAT_SENTENCES: Final = {
    "date": "This is not a day of the calendar; write it as 2026-11-21.",
    "local-date-time": "This is not a time; write it as 2026-11-21T14:30.",
    "time-zone": "This is not a time zone; write it as Europe/Berlin.",
}
