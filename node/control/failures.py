"""Every failure as one document: `{"error": {code, message, path, hint}}`."""

from collections.abc import Mapping
from typing import Any

from node.control.request import CommandFailedError
from node.errors import (
    ConfigInvalidError,
    InputFault,
    InvalidInputError,
    NodeError,
)
from node.sentence import Sentence, sentence_of

INTERNAL_CODE = "internal"
# How message and hint can be said in another language; between node and command
# only.
WORDS, HINT_WORDS = "words", "hint_words"


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
    unexpected = Sentence(
        "The command failed unexpectedly ({name}).", name=type(error).__name__
    )
    hint = Sentence("The node's log says more; --debug shows it here.")
    described = _error(INTERNAL_CODE, unexpected, hint=hint)
    _add_words(described, words_of(unexpected), words_of(hint))
    return {"error": described}


def _node_error(error: NodeError) -> dict[str, Any]:
    document = _error(error.code, error.message, path=error.path, hint=error.hint)
    if isinstance(error, CommandFailedError):
        _add_words(document, error.words, error.hint_words)
    else:
        _add_words(document, words_of(error.message), words_of(error.hint))
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
        described = _error("invitation-mistyped", str(error), path="code")
        _add_words(described, words_of(sentence_of(error)))
        return described
    if isinstance(error, FetchError):
        return _error(
            error.problem_code or "partner-unreachable",
            str(error),
            hint=Sentence("Check that the other node is running, then try again."),
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
    """Return a sentence's template and what stands in it, None for a plain text.

    A sentence that stands in another one is described likewise.
    """
    if not isinstance(message, Sentence):
        return None
    values = {
        name: words_of(value) if isinstance(value, Sentence) else str(value)
        for name, value in message.values.items()
    }
    return {"template": message.template, "values": values}


def sentence_from(words: Mapping[str, Any]) -> Sentence:
    """Return the sentence that `words_of` described."""
    values = {
        name: sentence_from(value) if isinstance(value, dict) else value
        for name, value in words["values"].items()
    }
    return Sentence(words["template"], **values)


def _add_words(
    document: dict[str, Any],
    words: dict[str, Any] | None,
    hint_words: dict[str, Any] | None = None,
) -> None:
    if words is not None:
        document[WORDS] = words
    if hint_words is not None:
        document[HINT_WORDS] = hint_words


def without_words(document: dict[str, Any]) -> dict[str, Any]:
    """Return an error document as scripts see it: in English only."""
    error = _plain(document["error"])
    if "faults" in error:
        error["faults"] = [_plain(fault) for fault in error["faults"]]
    return {"error": error}


def _plain(described: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in described.items()
        if name not in {WORDS, HINT_WORDS}
    }


def _error(
    code: str, message: str, *, path: str = "", hint: str = ""
) -> dict[str, Any]:
    return {"code": code, "message": message, "path": path, "hint": hint}
