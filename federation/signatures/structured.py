"""The part of Structured Fields (RFC 9651) that signatures need, in one spelling.

Only the canonical serialisation is read. The signature base repeats the field's
text, so a second spelling of the same value would only be a second way to be
understood.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from federation.errors import MalformedError
from federation.limits import SIGNATURE_FIELD_CHARACTERS_MAX

_KEY: Final = r"[a-z*][a-z0-9_*.-]{0,63}"
_STRING: Final = r'"[\x20\x21\x23-\x5b\x5d-\x7e]*"'
_BYTES: Final = re.compile(rf"(?P<key>{_KEY})=:(?P<value>[A-Za-z0-9+/=]*):")
_COMPONENT: Final = re.compile(rf"(?P<name>{_STRING})(?P<req>;req)?")
_PARAMETER: Final = re.compile(
    rf";(?P<key>{_KEY})=(?:(?P<text>{_STRING})|(?P<number>0|[1-9][0-9]{{0,14}}))"
)
_LABEL: Final = re.compile(rf"(?P<label>{_KEY})=\(")
_COMPONENTS_MAX: Final = 20
_PARAMETERS_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class Component:
    """A covered component: a field or a derived one, of message or request.

    Args:
        name: Lower case; derived ones start with `@`.
        of_request: True for `;req` (RFC 9421 §2.4).
    """

    name: str
    of_request: bool = False

    @property
    def text(self) -> str:
        """The component identifier as it stands in the signature base."""
        return f'"{self.name}"' + (";req" if self.of_request else "")


@dataclass(frozen=True, slots=True)
class InnerList:
    """One member of a Signature-Input field.

    Args:
        label: Its key.
        components: What is covered, in order.
        parameters: By name; numbers are integers.
        text: The member's value exactly as it was written.
    """

    label: str
    components: tuple[Component, ...]
    parameters: dict[str, str | int]
    text: str


def parse_signature_input(field: str) -> InnerList:
    """Read a Signature-Input field with exactly one member.

    Raises:
        MalformedError: Several members, another spelling, a component or
            parameter twice.
    """
    match = (
        _LABEL.match(field) if len(field) <= SIGNATURE_FIELD_CHARACTERS_MAX else None
    )
    if match is None:
        raise _malformed("Signature-Input")
    position = match.end()
    components: list[Component] = []
    while not field.startswith(")", position):
        if components:
            if not field.startswith(" ", position):
                raise _malformed("Signature-Input")
            position += 1
        found = _COMPONENT.match(field, position)
        if found is None or len(components) == _COMPONENTS_MAX:
            raise _malformed("Signature-Input")
        component = Component(found["name"][1:-1], found["req"] is not None)
        # RFC 9421 §2: an identifier must not occur twice.
        if component in components or component.name != component.name.lower():
            raise _malformed("Signature-Input")
        components.append(component)
        position = found.end()
    parameters = _parse_parameters(field, position + 1)
    return InnerList(
        match["label"], tuple(components), parameters, field[match.end() - 1 :]
    )


def parse_byte_sequences(field: str, *, name: str) -> dict[str, bytes]:
    """Read a dictionary of byte sequences: Signature, Content-Digest.

    Args:
        field: The field's value.
        name: The field's name, for the error.

    Raises:
        MalformedError: Another form, a key twice, or base64 in a second spelling.
    """
    if len(field) > SIGNATURE_FIELD_CHARACTERS_MAX:
        raise _malformed(name)
    result: dict[str, bytes] = {}
    for part in field.split(", "):
        match = _BYTES.fullmatch(part)
        if match is None or match["key"] in result:
            raise _malformed(name)
        result[match["key"]] = _decode(match["value"], name=name)
    return result


def byte_sequence(value: bytes) -> str:
    """Write a byte sequence with its colons."""
    return f":{base64.b64encode(value).decode('ascii')}:"


def _parse_parameters(field: str, position: int) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {}
    while position < len(field):
        match = _PARAMETER.match(field, position)
        if (
            match is None
            or match["key"] in parameters
            or len(parameters) == _PARAMETERS_MAX
        ):
            raise _malformed("Signature-Input")
        parameters[match["key"]] = (
            match["text"][1:-1] if match["text"] is not None else int(match["number"])
        )
        position = match.end()
    return parameters


def _decode(text: str, *, name: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise _malformed(name) from error
    # Unused bits of the last letter would give one value several spellings.
    if base64.b64encode(value).decode("ascii") != text:
        raise _malformed(name)
    return value


def _malformed(name: str) -> MalformedError:
    return MalformedError(
        f"The field {name} cannot be read.", code="signature-malformed"
    )
