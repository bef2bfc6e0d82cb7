from __future__ import annotations

from typing import Any

import pytest

from federation.errors import PeerError, SignatureInvalidError
from federation.signatures.digest import content_digest, verify_content_digest


def test_published_digests(vectors: Any) -> None:
    checked = 0
    for case in vectors("http-digest-headers")["cases"]:
        if "content_digest" not in case:
            continue  # the legacy Digest field is not read by this protocol
        checked += 1
        body = case["body"].encode()
        if case["valid"]:
            verify_content_digest(case["content_digest"], body)
        else:
            with pytest.raises(PeerError):
                verify_content_digest(case["content_digest"], body)
    assert checked == 7


def test_ours_is_the_published_form(vectors: Any) -> None:
    assert content_digest(b'{"hello": "world"}\n') == (
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    )


def test_a_changed_body_is_refused() -> None:
    field = content_digest(b"text")
    with pytest.raises(SignatureInvalidError) as caught:
        verify_content_digest(field, b"Text")
    assert caught.value.code == "digest-mismatch"
    assert caught.value.status == 401


@pytest.mark.parametrize(
    "field",
    [
        "",
        "sha-256",
        "sha-256=abc",
        "sha-256=:====:",
        "sha-256=:YQ==:,sha-512=:YQ==:",
        "sha-256=:YR==:",
        "sha-256=:Y Q==:",
        "SHA-256=:YQ==:",
        "sha-256=:YQ==:, sha-256=:YQ==:",
        "sha-256=:" + "A" * 4000 + ":",
    ],
)
def test_fields_in_another_form_are_malformed(field: str) -> None:
    with pytest.raises(PeerError) as caught:
        verify_content_digest(field, b"a")
    assert caught.value.status in {400, 401}
