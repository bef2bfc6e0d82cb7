"""What a command is asked, how it travels, and how its arguments are read."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from node.errors import InvalidInputError, NodeError
from node.limits import (
    CONTROL_ANSWER_BYTES_MAX,
    CONTROL_FILE_BYTES_MAX,
    CONTROL_REQUEST_BYTES_MAX,
)
from node.sentence import Sentence

SOCKET_NAME = "control.sock"
PROGRESS = "progress"
"""Name of the only member of a line that comes before the answer."""
REQUEST_BYTES_MAX = CONTROL_REQUEST_BYTES_MAX
ANSWER_BYTES_MAX = CONTROL_ANSWER_BYTES_MAX
FILE_BYTES_MAX = CONTROL_FILE_BYTES_MAX


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """One command with its arguments.

    Attributes:
        command: A key of `node.control.registry.COMMANDS`, e.g. `entry.publish`.
        arguments: JSON values by name; files travel as base64.
        acting_as: E-mail of the person it is done for; None for the office.
        tell: Is told how far a long command is; does not travel.
    """

    command: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    acting_as: str | None = None
    tell: Callable[[Mapping[str, Any]], None] | None = field(
        default=None, compare=False, repr=False
    )

    def optional_text(self, name: str) -> str | None:
        """Return a text, None if it was left out.

        Raises:
            InvalidInputError: It is something else.
        """
        value = self.arguments.get(name)
        if value is None or isinstance(value, str):
            return value
        raise self._wrong(name, Sentence("a text"))

    def text(self, name: str) -> str:
        """Return a text that must be there."""
        value = self.optional_text(name)
        if value is None:
            raise self._wrong(name, Sentence("given"))
        return value

    def flag(self, name: str) -> bool:
        """Return a yes or no; no if it was left out."""
        value = self.arguments.get(name, False)
        if isinstance(value, bool):
            return value
        raise self._wrong(name, Sentence("true or false"))

    def number(self, name: str, *, default: int) -> int:
        """Return a whole number."""
        value = self.arguments.get(name, default)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        raise self._wrong(name, Sentence("a whole number"))

    def optional_number(self, name: str) -> int | None:
        """Return a whole number, None if it was left out."""
        if self.arguments.get(name) is None:
            return None
        return self.number(name, default=0)

    def texts(self, name: str) -> list[str]:
        """Return a list of texts, empty if it was left out."""
        value = self.arguments.get(name)
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(each, str) for each in value):
            return value
        raise self._wrong(name, Sentence("a list of texts"))

    def file(self, name: str) -> bytes:
        """Return the bytes of a file."""
        try:
            return base64.b64decode(self.text(name), validate=True)
        except binascii.Error as error:
            raise self._wrong(name, Sentence("base64")) from error

    def _wrong(self, name: str, expected: Sentence) -> InvalidInputError:
        return InvalidInputError(
            Sentence(
                "The argument “{name}” of {command} must be {expected}.",
                name=name,
                command=self.command,
                expected=expected,
            ),
            path=name,
        )


def packed_file(data: bytes) -> str:
    """Return the bytes of a file in the form that a request carries.

    Raises:
        InvalidInputError: The file is longer than `FILE_BYTES_MAX`.
    """
    if len(data) > FILE_BYTES_MAX:
        mebibytes = FILE_BYTES_MAX // (1024 * 1024)
        raise InvalidInputError(
            Sentence("The file is longer than {limit} MiB.", limit=mebibytes),
            code="file-too-large",
            hint="Split it into several files.",
        )
    return base64.b64encode(data).decode("ascii")


def encode_request(request: ControlRequest) -> bytes:
    """Return a request as one line of JSON."""
    document = {
        "command": request.command,
        "arguments": dict(request.arguments),
        "as": request.acting_as,
    }
    return json.dumps(document, ensure_ascii=False).encode("utf-8") + b"\n"


def decode_request(line: bytes) -> ControlRequest:
    """Read a request.

    Raises:
        InvalidInputError: It is not one.
    """
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _not_a_request() from error
    if not isinstance(document, dict):
        raise _not_a_request()
    command, arguments = document.get("command"), document.get("arguments", {})
    acting_as = document.get("as")
    if (
        not isinstance(command, str)
        or not isinstance(arguments, dict)
        or not (acting_as is None or isinstance(acting_as, str))
    ):
        raise _not_a_request()
    return ControlRequest(command, arguments, acting_as)


def encode_answer(answer: Mapping[str, Any]) -> bytes:
    """Return an answer as one line of JSON."""
    return json.dumps(answer, ensure_ascii=False).encode("utf-8") + b"\n"


class CommandFailedError(NodeError):
    """A command was refused or failed in the serving process.

    Attributes:
        faults: As in the error document: path, message and perhaps row.
        words: Template and values of the message, if it can be translated.
        hint_words: The same of the hint.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(
            str(error.get("message", "")),
            code=str(error.get("code", "")),
            path=str(error.get("path", "")),
            hint=str(error.get("hint", "")),
        )
        words, hint_words = error.get("words"), error.get("hint_words")
        self.words: dict[str, Any] | None = words if isinstance(words, dict) else None
        self.hint_words: dict[str, Any] | None = (
            hint_words if isinstance(hint_words, dict) else None
        )
        faults = error.get("faults")
        self.faults: list[dict[str, Any]] = faults if isinstance(faults, list) else []


def _not_a_request() -> InvalidInputError:
    return InvalidInputError(
        "This is not a request of the command line.",
        code="control-malformed",
        hint="Use the same version of spalier for the command and for the node.",
    )
