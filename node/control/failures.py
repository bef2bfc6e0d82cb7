"""Every failure as one document: `{"error": {code, message, path, hint}}`."""

from typing import Any

from node.control.request import CommandFailedError
from node.errors import (
    ConfigInvalidError,
    InputFault,
    InvalidInputError,
    NodeError,
)
from node.members.sentence import Sentence

INTERNAL_CODE = "internal"
# How a message can be said in another language; between node and command only.
WORDS = "words"


def error_document(error: Exception) -> dict[str, Any]:
    """Describe a failure for scripts; `faults` is there if there are several.

    Args:
        error: Any exception. What is not one of ours is called internal and
            keeps its details for the log.
    """
    if isinstance(error, NodeError):
        return {"error": _node_error(error)}
    known = _federation_error(error)
    if known is not None:
        return {"error": known}
    return {
        "error": _error(
            INTERNAL_CODE,
            f"The command failed unexpectedly ({type(error).__name__}).",
            hint="The node's log says more; --debug shows it here.",
        )
    }


def _node_error(error: NodeError) -> dict[str, Any]:
    document = _error(error.code, error.message, path=error.path, hint=error.hint)
    if isinstance(error, CommandFailedError):
        _add_words(document, error.words)
    else:
        _add_words(document, words_of(error.message))
    if isinstance(error, InvalidInputError | ConfigInvalidError):
        faults = [_fault(fault) for fault in error.faults]
    elif isinstance(error, CommandFailedError):
        faults = error.faults
    else:
        faults = []
    if faults:
        document["faults"] = faults
    return document


def _federation_error(error: Exception) -> dict[str, Any] | None:
    # Imported here: a client that only passes a request on never needs them.
    from federation.errors import FederationError, FetchError, PeerError  # noqa: PLC0415
    from federation.handshake import InvitationCodeError  # noqa: PLC0415

    if isinstance(error, InvitationCodeError):
        return _error("invitation-mistyped", str(error), path="code")
    if isinstance(error, FetchError):
        return _error(
            error.problem_code or "partner-unreachable",
            str(error),
            hint="Check that the other node is running, then try again.",
        )
    if isinstance(error, PeerError):
        return _error(error.code, error.safe_text)
    if isinstance(error, FederationError):
        return _error("not-possible", str(error))
    return None


def _fault(fault: InputFault) -> dict[str, Any]:
    document: dict[str, Any] = {"path": fault.path, "message": fault.message}
    _add_words(document, words_of(fault.message))
    if fault.row is not None:
        document["row"] = fault.row
    return document


def words_of(message: str) -> dict[str, Any] | None:
    """Return a sentence's template and what stands in it, None for a plain text."""
    if not isinstance(message, Sentence):
        return None
    values = {name: str(value) for name, value in message.values.items()}
    return {"template": message.template, "values": values}


def _add_words(document: dict[str, Any], words: dict[str, Any] | None) -> None:
    if words is not None:
        document[WORDS] = words


def without_words(document: dict[str, Any]) -> dict[str, Any]:
    """Return an error document as scripts see it: in English only."""
    error = {name: value for name, value in document["error"].items() if name != WORDS}
    if "faults" in error:
        error["faults"] = [
            {name: value for name, value in fault.items() if name != WORDS}
            for fault in error["faults"]
        ]
    return {"error": error}


def _error(
    code: str, message: str, *, path: str = "", hint: str = ""
) -> dict[str, Any]:
    return {"code": code, "message": message, "path": path, "hint": hint}
