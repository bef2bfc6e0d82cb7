"""The bundled contexts expand offline and map what we use."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest
from pyld import jsonld

from schemas import contexts


def loader(url: str, _options: object) -> dict[str, Any]:
    if url not in contexts():
        pytest.fail(f"not bundled: {url}")
    return {
        "contextUrl": None,
        "documentUrl": url,
        "contentType": "application/ld+json",
        "document": contexts()[url],
    }


def expand(document: dict[str, Any]) -> dict[str, Any]:
    expanded: list[dict[str, Any]] = jsonld.expand(document, {"documentLoader": loader})
    return expanded[0]


@pytest.mark.parametrize("url", contexts())
def test_context_is_a_context_and_needs_no_other(url: str) -> None:
    assert "@context" in contexts()[url]
    assert expand({"@context": url, "@type": "https://vocabulary.example/T"})


def test_keys_and_proofs_map_in_the_order_that_we_send() -> None:
    expanded = expand(
        {
            "@context": [
                "https://www.w3.org/ns/activitystreams",
                "https://www.w3.org/ns/cid/v1",
                "https://w3id.org/security/data-integrity/v2",
            ],
            "id": "https://node.example/actor",
            "type": "Application",
            "inbox": "https://node.example/inbox",
            "assertionMethod": [
                {
                    "id": "https://node.example/actor#key-1",
                    "type": "Multikey",
                    "controller": "https://node.example/actor",
                    "publicKeyMultibase": "z6Mk",
                }
            ],
            "proof": {"type": "DataIntegrityProof", "proofValue": "z1"},
        }
    )
    assert not [key for key in expanded if key.startswith("_:")]
    assert "https://w3id.org/security#assertionMethod" in expanded
    assert "https://w3id.org/security#proof" in expanded
    assert "http://www.w3.org/ns/ldp#inbox" in expanded


def test_a_context_that_is_not_bundled_is_never_asked_for() -> None:
    def refuse(url: str, _options: object) -> NoReturn:
        raise LookupError(url)

    with pytest.raises(jsonld.JsonLdError):
        jsonld.expand(
            {"@context": "https://elsewhere.example/context"},
            {"documentLoader": refuse},
        )
