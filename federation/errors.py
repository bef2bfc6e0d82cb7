"""What can go wrong between two nodes, and whose fault it is.

`PeerError` is theirs: it carries the status, a code and a text that may be shown
to them. `FetchError` is the network's or the partner's answer to us. `LocalError`
is ours: we were about to send something that the protocol forbids. `str(error)`
is for the log, `safe_text` for the wire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta


class FederationError(Exception):
    """Base of every error of this package; never raised itself."""


class LocalError(FederationError):
    """We were about to send or to pin something illegal."""


class WordedError(FederationError):
    """A text for people, which whoever knows their language can translate.

    Args:
        template: English sentence with named places.
        values: What stands in the places; another such error among them is
            said in the same language.
    """

    def __init__(self, template: str, /, **values: object) -> None:
        self.template = template
        self.values = values
        super().__init__(template.format(**values) if values else template)


class IdentifierError(WordedError, ValueError):
    """A text is not an address or identifier in its only permitted form."""


class PeerError(FederationError):
    """A peer's request is refused and has no effect: how the peer is told.

    Args:
        safe_text: One sentence that may be sent to the peer.
        code: Last part of the problem type; the class' own if left out.
        challenge: Value of the `Accept-Signature` field for a 401.
        members: Extension members of the problem document (RFC 9457 §3.2).

    Source: SPEC.md FED-060.
    """

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "malformed"

    def __init__(
        self,
        safe_text: str,
        *,
        code: str | None = None,
        challenge: str | None = None,
        members: Mapping[str, str | int] | None = None,
    ) -> None:
        self.safe_text = safe_text
        self.code = code or self.default_code
        self.challenge = challenge
        self.members = dict(members or {})
        super().__init__(f"{self.status} {self.code}: {safe_text}")


class MalformedError(PeerError):
    """The bytes or the request are not what the protocol speaks (400)."""


class ContextNotAllowedError(PeerError):
    """The `@context` is not the one that both sides use (400)."""

    default_code = "context-not-allowed"


class SignatureInvalidError(PeerError):
    """The request's signature is absent, wrong, stale or by an unknown key (401)."""

    status = 401
    default_code = "signature-invalid"


class ProofInvalidError(PeerError):
    """A document's proof is absent, wrong or by a key that is not pinned (401)."""

    status = 401
    default_code = "proof-invalid"


class NotPermittedError(PeerError):
    """The sender is proven, and not entitled (403)."""

    status = 403
    default_code = "not-permitted"


class OriginMismatchError(NotPermittedError):
    """An identifier belongs to another origin or owner than the signer (403)."""

    default_code = "origin-mismatch"


class NotFoundError(PeerError):
    """Hidden or absent; both look the same (404)."""

    status = 404
    default_code = "not-found"


class MethodNotAllowedError(PeerError):
    """The door knows the method not (405).

    Args:
        allowed: The methods that it knows, for the `Allow` field.
    """

    status = 405
    default_code = "method-not-allowed"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed = allowed
        super().__init__(f"Possible here: {', '.join(allowed)}.")


class SlowRequestError(PeerError):
    """The body did not arrive in time (408)."""

    status = 408
    default_code = "too-slow"


class ConflictError(PeerError):
    """Positions or versions contradict what we hold (409)."""

    status = 409
    default_code = "conflict"


class LimitExceededError(PeerError):
    """Too many bytes, values, levels or entries (413)."""

    status = 413
    default_code = "too-large"


class UnsupportedMediaError(PeerError):
    """Another media type or a content coding (415)."""

    status = 415
    default_code = "unsupported-media-type"


class SchemaInvalidError(PeerError):
    """Well-formed, but not a document of this protocol (422)."""

    status = 422
    default_code = "schema-invalid"


class RateLimitError(PeerError):
    """Too many requests; `members["retry_after"]` holds seconds (429)."""

    status = 429
    default_code = "rate-limit-exceeded"


class BusyError(PeerError):
    """This node cannot answer now (503); `members["retry_after"]` holds seconds."""

    status = 503
    default_code = "busy"


class FaultError(PeerError):
    """A fault of this node (500); the log says which."""

    status = 500
    default_code = "internal-error"


class FetchError(FederationError):
    """A request of ours to a peer failed.

    Args:
        message: For the log and the office's page.
        status: HTTP status of the answer, None if there was none.
        problem_code: Last part of the answer's problem type, if it had one.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem_code: str | None = None,
    ) -> None:
        self.status = status
        self.problem_code = problem_code
        super().__init__(message)


class TemporaryFetchError(FetchError):
    """The same request may work later: no connection, timeout, 429, 5xx.

    Args:
        message: For the log and the office's page.
        retry_after: Time that the peer asked us to wait, if it did.
        status: HTTP status of the answer, None if there was none.
        problem_code: Last part of the answer's problem type, if it had one.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta | None = None,
        status: int | None = None,
        problem_code: str | None = None,
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, status=status, problem_code=problem_code)


class PermanentFetchError(FetchError):
    """The same bytes would be refused again.

    It says nothing about the partner: for a partner no status is permanent, the
    next attempt only comes later.

    Args:
        message: For the log and the office's page.
        status: HTTP status of the answer, None if there was none.
        problem_code: Last part of the answer's problem type, or our own code
            where the answer itself broke the protocol.
        position: Position that a 409 `position-gap` reported.
        epoch: Epoch that a 409 `position-gap` reported.
        members: Short extension members of the answer's problem (RFC 9457 §3.2);
            the partner's words, not to be shown without a check.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        problem_code: str | None = None,
        position: int | None = None,
        epoch: str | None = None,
        members: Mapping[str, str | int] | None = None,
    ) -> None:
        self.members = dict(members or {})
        self.position = position
        self.epoch = epoch
        super().__init__(message, status=status, problem_code=problem_code)


class ForeignKeyError(PermanentFetchError):
    """A partner's answer is not signed by a key that is pinned for it."""
