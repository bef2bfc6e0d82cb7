"""Signatures of requests and answers: RFC 9421 with Ed25519, as pure functions.

The functions work on method, target, fields and body; they read no clock and look
up no key. What a verified signature permits is not decided here.

Profile: exactly one signature; `created`, `nonce`, `keyid` and `alg="ed25519"`;
requests cover `@method`, `@target-uri`, `@authority` and, with a body,
`content-digest`. More may be covered, less may not.

Source: RFC 9421, SPEC.md FED-035 to FED-039.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from federation.errors import LocalError, MalformedError, SignatureInvalidError
from federation.limits import (
    NONCE_CHARACTERS_MAX,
    NONCE_CHARACTERS_MIN,
    SIGNATURE_AGE_MAX,
    SIGNATURE_AHEAD_MAX,
)
from federation.signatures.digest import content_digest, verify_content_digest
from federation.signatures.structured import (
    Component,
    InnerList,
    byte_sequence,
    parse_byte_sequences,
    parse_signature_input,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from federation.keys import PublicKey, Signer

ALGORITHM: Final = "ed25519"
LABEL: Final = "sig1"
SIGNATURE_FIELD: Final = "signature"
INPUT_FIELD: Final = "signature-input"
DIGEST_FIELD: Final = "content-digest"

_PARAMETERS: Final = frozenset({"created", "expires", "nonce", "keyid", "alg", "tag"})
_REQUEST_COMPONENTS: Final = (
    Component("@method"),
    Component("@target-uri"),
    Component("@authority"),
)
_DIGEST: Final = Component(DIGEST_FIELD)
# The answer covers the request's signature and with it the request's nonce, so an
# answer fits one request only (RFC 9421 §2.4).
_ANSWER_COMPONENTS: Final = (
    Component("@status"),
    Component(DIGEST_FIELD),
    Component("@method", of_request=True),
    Component("@target-uri", of_request=True),
    Component(SIGNATURE_FIELD, of_request=True),
)


@dataclass(frozen=True, slots=True)
class HttpMessage:
    """What of a message can be covered.

    Args:
        method: Upper case; empty for an answer.
        target_uri: Absolute, with query.
        fields: Names and values in order, as received.
        status: Of an answer, else None.
        request: The request that an answer belongs to, else None.
    """

    method: str
    target_uri: str
    fields: Sequence[tuple[str, str]]
    status: int | None = None
    request: HttpMessage | None = None

    def values(self, name: str) -> list[str]:
        """Return the values of a field, names compared without case."""
        return [value for key, value in self.fields if key.lower() == name]


@dataclass(frozen=True, slots=True)
class SignatureClaim:
    """A signature that fits the profile and is not verified yet."""

    key_id: str
    nonce: str
    created: datetime
    input: InnerList
    signature: bytes

    @property
    def nonce_until(self) -> datetime:
        """When the signature is too old by itself and the nonce may be forgotten."""
        return self.created + SIGNATURE_AGE_MAX + SIGNATURE_AHEAD_MAX


def sign_request(
    method: str,
    target_uri: str,
    *,
    body: bytes | None,
    signer: Signer,
    created: datetime,
    nonce: str,
) -> dict[str, str]:
    """Return the fields that sign a request.

    Args:
        method: For example "POST".
        target_uri: Absolute, with query, without fragment.
        body: The bytes of the body, None for a request without one.
        signer: Our key.
        created: Now, aware.
        nonce: Fresh, `NONCE_CHARACTERS_MIN` to `NONCE_CHARACTERS_MAX` letters.
    """
    fields: dict[str, str] = {}
    components: tuple[Component, ...] = _REQUEST_COMPONENTS
    if body is not None:
        fields["Content-Digest"] = content_digest(body)
        components = (*components, _DIGEST)
    message = HttpMessage(method, target_uri, list(fields.items()))
    return {
        **fields,
        **sign_message(
            message, components, signer=signer, created=created, nonce=nonce
        ),
    }


def sign_answer(
    status: int,
    body: bytes,
    *,
    request: HttpMessage,
    signer: Signer,
    created: datetime,
    nonce: str,
) -> dict[str, str]:
    """Return the fields that sign an answer to a signed request."""
    fields = {"Content-Digest": content_digest(body)}
    message = HttpMessage(
        "", request.target_uri, list(fields.items()), status=status, request=request
    )
    return {
        **fields,
        **sign_message(
            message, _ANSWER_COMPONENTS, signer=signer, created=created, nonce=nonce
        ),
    }


def sign_message(
    message: HttpMessage,
    components: Sequence[Component],
    *,
    signer: Signer,
    created: datetime,
    nonce: str,
) -> dict[str, str]:
    """Return Signature-Input and Signature over the given components."""
    covered = " ".join(component.text for component in components)
    parameters = (
        f"({covered});created={int(created.timestamp())}"
        f';nonce="{nonce}";keyid="{signer.key_id}";alg="{ALGORITHM}"'
    )
    try:
        base = signature_base(message, components, parameters)
    except MalformedError as error:
        raise LocalError(str(error)) from error
    return {
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}={byte_sequence(signer.key.sign(base))}",
    }


def signature_base(
    message: HttpMessage, components: Sequence[Component], parameters: str
) -> bytes:
    """Return the bytes that are signed (RFC 9421 §2.5).

    Args:
        message: The message.
        components: What is covered, in order.
        parameters: The value of `@signature-params` as it is written.

    Raises:
        MalformedError: A component does not exist in the message.
    """
    lines = [
        f"{component.text}: {_component_value(message, component)}"
        for component in components
    ]
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("ascii")


def accept_signature(*, has_body: bool) -> str:
    """Return the Accept-Signature field that a 401 carries (RFC 9421 §5.1)."""
    components = (*_REQUEST_COMPONENTS, _DIGEST) if has_body else _REQUEST_COMPONENTS
    covered = " ".join(component.text for component in components)
    return f'{LABEL}=({covered});created;alg="{ALGORITHM}"'


def claim_request(
    message: HttpMessage, *, body: bytes | None, received_at: datetime
) -> SignatureClaim:
    """Check everything of a request's signature that needs no key.

    Args:
        message: The request.
        body: The bytes of the body as they arrived, None without one.
        received_at: When it arrived, aware UTC.

    Raises:
        MalformedError: Several signatures, or fields that cannot be read.
        SignatureInvalidError: Absent, too little covered, outside the window, or
            the digest does not fit the body.
    """
    required = _REQUEST_COMPONENTS if body is None else (*_REQUEST_COMPONENTS, _DIGEST)
    return _claim(message, required, body=body, received_at=received_at)


def claim_before_body(message: HttpMessage, *, received_at: datetime) -> SignatureClaim:
    """Check what can be checked of a POST's signature before its body is read.

    Like `claim_request`, without comparing the digest.
    """
    required = (*_REQUEST_COMPONENTS, _DIGEST)
    return _claim(message, required, body=None, received_at=received_at)


def claim_answer(
    message: HttpMessage, *, body: bytes, received_at: datetime
) -> SignatureClaim:
    """Check everything of an answer's signature that needs no key."""
    return _claim(message, _ANSWER_COMPONENTS, body=body, received_at=received_at)


def verify_claim(
    claim: SignatureClaim, *, message: HttpMessage, key: PublicKey
) -> None:
    """Verify a claimed signature with the key that `key_id` names.

    Raises:
        SignatureInvalidError: It is not by this key over this message.
        MalformedError: It covers a component that the message does not have.
    """
    base = signature_base(message, claim.input.components, claim.input.text)
    key.verify(claim.signature, base)


def _claim(
    message: HttpMessage,
    required: Sequence[Component],
    *,
    body: bytes | None,
    received_at: datetime,
) -> SignatureClaim:
    inputs, signatures = message.values(INPUT_FIELD), message.values(SIGNATURE_FIELD)
    if not inputs or not signatures:
        raise SignatureInvalidError(
            "The request is not signed.", code="signature-missing"
        )
    if len(inputs) != 1 or len(signatures) != 1:
        raise MalformedError(
            "There is more than one signature.", code="signature-malformed"
        )
    parsed = parse_signature_input(inputs[0])
    values = parse_byte_sequences(signatures[0], name="Signature")
    if values.keys() != {parsed.label}:
        raise MalformedError(
            "Signature and Signature-Input do not belong together.",
            code="signature-malformed",
        )
    missing = [item.text for item in required if item not in parsed.components]
    if missing:
        raise SignatureInvalidError(
            f"The signature does not cover {missing[0]}.", code="signature-coverage"
        )
    claim = _claim_from(parsed, values[parsed.label])
    _check_window(claim, received_at=received_at)
    if body is not None:
        digests = message.values(DIGEST_FIELD)
        if len(digests) != 1:
            raise MalformedError("There must be exactly one Content-Digest.")
        verify_content_digest(digests[0], body)
    return claim


def _claim_from(parsed: InnerList, signature: bytes) -> SignatureClaim:
    parameters = parsed.parameters
    created, nonce = parameters.get("created"), parameters.get("nonce")
    key_id, algorithm = parameters.get("keyid"), parameters.get("alg")
    if (
        not isinstance(created, int)
        or not isinstance(nonce, str)
        or not isinstance(key_id, str)
        or not parameters.keys() <= _PARAMETERS
    ):
        raise SignatureInvalidError(
            "The signature needs created, nonce and keyid, and no unknown parameter.",
            code="signature-parameters",
        )
    # The algorithm follows from the pinned key; the parameter may only confirm it.
    if algorithm != ALGORITHM:
        raise SignatureInvalidError(
            f"The signature's algorithm must be {ALGORITHM}.",
            code="signature-algorithm",
        )
    if not NONCE_CHARACTERS_MIN <= len(nonce) <= NONCE_CHARACTERS_MAX:
        raise SignatureInvalidError(
            "The signature's nonce must have 128 bits.", code="signature-parameters"
        )
    try:
        moment = datetime.fromtimestamp(created, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureInvalidError(
            "The signature's time does not exist.", code="signature-stale"
        ) from error
    return SignatureClaim(key_id, nonce, moment, parsed, signature)


def _check_window(claim: SignatureClaim, *, received_at: datetime) -> None:
    expires = claim.input.parameters.get("expires")
    if (
        claim.created < received_at - SIGNATURE_AGE_MAX
        or claim.created > received_at + SIGNATURE_AHEAD_MAX
        or (expires is not None and not isinstance(expires, int))
        or (isinstance(expires, int) and expires < received_at.timestamp())
    ):
        raise SignatureInvalidError(
            "The signature's time is outside the permitted window; "
            "please compare the clocks.",
            code="signature-stale",
        )


def _component_value(message: HttpMessage, component: Component) -> str:
    source: HttpMessage | None = message
    if component.of_request:
        source = message.request
    value = None if source is None else _value_in(source, component.name)
    # A line break inside a value could pass for another line of the base
    # (RFC 9421 §7.5.4), so only printable ASCII is signed.
    if value is None or not (value.isascii() and value.isprintable()):
        raise MalformedError(
            f"The signature covers {component.text}, which has no usable value.",
            code="signature-malformed",
        )
    return value


def _value_in(message: HttpMessage, name: str) -> str | None:
    """Return a component's value, None if it does not exist (RFC 9421 §2.1, §2.2)."""
    if not name.startswith("@"):
        values = message.values(name)
        # Leading and trailing space is stripped, several lines are joined.
        joined = ", ".join(value.strip(" \t") for value in values)
        return joined if values else None
    if name == "@status":
        return None if message.status is None else str(message.status)
    if not message.method:
        return None
    parts = urlsplit(message.target_uri)
    derived = {
        "@method": message.method,
        "@target-uri": message.target_uri,
        "@authority": _authority(parts.scheme, parts.netloc),
        "@path": parts.path or "/",
        "@query": f"?{parts.query}",
    }
    return derived.get(name)


def _authority(scheme: str, netloc: str) -> str:
    """Return host and port in lower case without the default port (§2.2.3)."""
    default = {"https": ":443", "http": ":80"}.get(scheme, "")
    return netloc.lower().removesuffix(default) if default else netloc.lower()
