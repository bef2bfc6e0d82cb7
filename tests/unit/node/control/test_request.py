"""Requests and failures as they travel between a command and a node."""

import json

import pytest

from federation.errors import TemporaryFetchError
from federation.trust import TrustEvent, TrustState, TrustTransitionError
from node.control.failures import error_document, without_words
from node.control.request import (
    CommandFailedError,
    ControlRequest,
    decode_request,
    encode_request,
    packed_file,
)
from node.errors import ConflictError, InputFault, InvalidInputError
from node.sentence import Sentence


def test_request_returns_as_it_was_sent() -> None:
    request = ControlRequest("answer", {"text": "Grüße\nan 😀", "n": 3}, "a@b.example")
    line = encode_request(request)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_request(line) == request


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"nothing\n",
        b"[]\n",
        b'{"command": 1}\n',
        b'{"command": "feed", "arguments": []}\n',
        b'{"command": "feed", "as": 3}\n',
        b"\xff\xfe\n",
        b"[" * 100_000 + b"\n",
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidInputError) as caught:
        decode_request(line)
    assert caught.value.code == "control-malformed"


def test_arguments_are_checked() -> None:
    request = ControlRequest(
        "x", {"text": 1, "flag": "yes", "number": True, "file": "%%%"}
    )
    for read in (
        lambda: request.text("text"),
        lambda: request.text("absent"),
        lambda: request.flag("flag"),
        lambda: request.number("number", default=1),
        lambda: request.file("file"),
    ):
        with pytest.raises(InvalidInputError):
            read()
    assert request.optional_text("absent") is None
    assert request.flag("absent") is False
    assert request.number("absent", default=7) == 7
    assert ControlRequest("x", {"f": packed_file(b"\0\1")}).file("f") == b"\0\1"


def test_error_document_carries_every_fault() -> None:
    faults = [InputFault("/title", "Missing."), InputFault("city", "Bad.", row=4)]
    error = InvalidInputError("Two faults.", faults=faults, hint="Correct them.")
    assert error_document(error) == {
        "error": {
            "code": "invalid-input",
            "message": "Two faults.",
            "path": "/title",
            "hint": "Correct them.",
            "faults": [
                {"path": "/title", "message": "Missing."},
                {"path": "city", "message": "Bad.", "row": 4},
            ],
        }
    }


def test_error_passes_through_the_socket_unchanged() -> None:
    fault = InputFault("email", Sentence("{what} is wrong.", what="x"))
    error = InvalidInputError(Sentence("No {what}.", what="person"), faults=[fault])
    before = error_document(error)
    travelled = json.loads(json.dumps(before))
    after = error_document(CommandFailedError(travelled["error"]))
    assert after == before
    assert after["error"]["words"] == {
        "template": "No {what}.",
        "values": {"what": "person"},
    }
    shown = without_words(after)
    assert "words" not in json.dumps(shown)
    assert shown["error"]["faults"] == [{"path": "email", "message": "x is wrong."}]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConflictError("No.", code="invitation-used"), "invitation-used"),
        (TemporaryFetchError("down"), "partner-unreachable"),
        (
            TrustTransitionError(TrustState.ENDED, TrustEvent.WE_CONFIRMED),
            "not-possible",
        ),
        (ValueError("secret"), "internal"),
    ],
)
def test_codes_of_failures(error: Exception, code: str) -> None:
    described = error_document(error)["error"]
    assert described["code"] == code
    assert described["message"]
    assert "secret" not in json.dumps(described)
