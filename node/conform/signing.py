"""Signed requests, right ones and ones that are wrong in exactly one way.

Source: RFC 9421 §2.5, SPEC.md FED-035 to FED-038.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from federation.documents.partner_request import new_nonce
from federation.signatures.digest import content_digest
from federation.signatures.http import (
    ALGORITHM,
    LABEL,
    HttpMessage,
    signature_base,
)
from federation.signatures.structured import Component, byte_sequence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from federation.keys import Signer
    from federation.ports import RandomSource

_DIGEST: Final = "content-digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """How a request is signed; without changes as FED-035 asks.

    Args:
        signer: By whom; None for no signature.
        offset: Added to the time of the other node's clock.
        without: Components that are not covered.
        more: Components that are covered besides.
        parameters: Serialised values that replace ours; None leaves one out.
        nonce: The nonce; None for a fresh one.
        digest: Value of Content-Digest for a body; None for the right one.
        respelled: Changes Signature-Input after it was signed.
    """

    signer: Signer | None
    offset: timedelta = timedelta()
    without: frozenset[str] = frozenset()
    more: tuple[str, ...] = ()
    parameters: Mapping[str, str | None] = field(default_factory=dict)
    nonce: str | None = None
    digest: str | None = None
    respelled: Callable[[str], str] | None = None


def signature_fields(
    method: str,
    target_uri: str,
    *,
    body: bytes | None,
    fields: tuple[tuple[str, str], ...],
    signing: Signing,
    now: datetime,
    random: RandomSource,
) -> tuple[tuple[str, str], ...]:
    """Return Content-Digest, Signature-Input and Signature of a request.

    Args:
        method: Upper case.
        target_uri: Absolute, with query.
        body: None for a request without one.
        fields: Other fields of the request, which `more` may cover.
        signing: How.
        now: The other node's time.
        random: For the nonce.
    """
    made: tuple[tuple[str, str], ...] = ()
    covered = ["@method", "@target-uri", "@authority"]
    if body is not None:
        made = (("Content-Digest", signing.digest or content_digest(body)),)
        covered.append(_DIGEST)
    if signing.signer is None:
        return made
    names = [name for name in covered if name not in signing.without]
    components = [Component(name) for name in (*names, *signing.more)]
    values: dict[str, str | None] = {
        "created": str(int((now + signing.offset).timestamp())),
        "nonce": f'"{signing.nonce or new_nonce(random)}"',
        "keyid": f'"{signing.signer.key_id}"',
        "alg": f'"{ALGORITHM}"',
        **signing.parameters,
    }
    told = "".join(
        f";{name}={value}" for name, value in values.items() if value is not None
    )
    text = f"({' '.join(each.text for each in components)}){told}"
    message = HttpMessage(method, target_uri, (*fields, *made))
    signature = signing.signer.key.sign(signature_base(message, components, text))
    spelled = text if signing.respelled is None else signing.respelled(text)
    return (
        *made,
        ("Signature-Input", f"{LABEL}={spelled}"),
        ("Signature", f"{LABEL}={byte_sequence(signature)}"),
    )
