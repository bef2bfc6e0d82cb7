"""What may go wrong in a node, with a text for people and a code for scripts.

Messages and hints are English. A text with something filled in is a
`node.sentence.Sentence`, one without is its own template; `in_words` says both in
the language of the reader.

NodeError                     never raised itself
├─ InvalidInputError          the input breaks a rule; carries every fault with its path
├─ NotFoundError              absent, or hidden from the one who asks (never tell which)
├─ NotAuthorisedError         known, but may not do this
├─ ConflictError              the state does not allow it (used code, second init …)
├─ ConfigInvalidError         settings that cannot work; all faults at once
└─ UnavailableError           somebody else (partner, disk, port) cannot be reached now
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from node.limits import RETRY_UNAVAILABLE
from node.sentence import in_words


@dataclass(frozen=True, slots=True)
class InputFault:
    """One thing that is wrong with an input.

    Attributes:
        path: JSON pointer, column name or settings key; empty for the whole.
        message: One sentence for a person: what is wrong and what to do; a
            `Sentence` if something is filled in.
        row: 1-based row of a file (header is row 1), if the input is a table.
    """

    path: str
    message: str
    row: int | None = None

    def in_words(self, translate: Callable[[str], str]) -> str:
        """Return the message in the language of `translate`."""
        return in_words(self.message, translate)


class NodeError(Exception):
    """Base of the tree; `code` is stable for scripts, `hint` says what to do.

    Attributes:
        code: Short stable identifier, kebab case.
        path: Where in the input, settings or file system; empty if nowhere.
        hint: Next step for a person; empty if the message says it all.
        status: HTTP status for pages and the JSON API.
    """

    code = "node-error"
    status = 500

    def __init__(
        self, message: str, *, code: str = "", path: str = "", hint: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.path = path
        self.hint = hint

    def in_words(self, translate: Callable[[str], str]) -> tuple[str, str]:
        """Return message and hint in the language of `translate`."""
        return in_words(self.message, translate), in_words(self.hint, translate)


class InvalidInputError(NodeError):
    """The input breaks a rule; nothing was stored."""

    code = "invalid-input"
    status = 422

    def __init__(
        self,
        message: str,
        *,
        faults: Sequence[InputFault] = (),
        code: str = "",
        path: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(
            message,
            code=code,
            path=path or (faults[0].path if faults else ""),
            hint=hint,
        )
        self.faults = tuple(faults)


class NotFoundError(NodeError):
    """Absent or hidden: the answer is the same (INV-1)."""

    code = "not-found"
    status = 404


class NotAuthorisedError(NodeError):
    """The person is known but may not do this."""

    code = "not-authorised"
    status = 403


class ConflictError(NodeError):
    """The present state does not allow the step."""

    code = "conflict"
    status = 409


class ConfigInvalidError(NodeError):
    """Settings that cannot work; `faults` holds every one of them."""

    code = "config-invalid"

    def __init__(self, message: str, *, faults: Sequence[InputFault]) -> None:
        super().__init__(message, path=faults[0].path if faults else "")
        self.faults = tuple(faults)


class UnavailableError(NodeError):
    """Something outside (a partner, the disk, a port) does not answer now.

    Attributes:
        retry_after: When a browser or program may try again.
    """

    code = "unavailable"
    status = 503
    retry_after = RETRY_UNAVAILABLE
