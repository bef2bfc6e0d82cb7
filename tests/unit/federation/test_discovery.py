from __future__ import annotations

import pytest

from federation.discovery import nodeinfo, nodeinfo_links, webfinger
from federation.errors import MalformedError, NotFoundError
from tests.unit.federation.nodes import Node


def test_webfinger_finds_the_actor_from_its_addresses(optence: Node) -> None:
    address = optence.address
    for resource in (
        address.base_url,
        f"{address.base_url}/",
        address.actor,
        f"acct:cluster@{address.authority}",
    ):
        answer = webfinger(resource, address=address)
        assert answer["subject"] == resource
        assert resource not in answer["aliases"]
        assert {link["rel"] for link in answer["links"]} == {
            "self",
            "https://www.w3.org/ns/activitystreams#Service",
        }
        assert {link["href"] for link in answer["links"]} == {address.actor}


def test_webfinger_filters_by_rel(optence: Node) -> None:
    answer = webfinger(
        optence.base_url, address=optence.address, rels=["self", "unknown"]
    )
    assert [link["rel"] for link in answer["links"]] == ["self"]


@pytest.mark.parametrize("resource", [None, "", "cluster@host", "https:", "a b:c"])
def test_a_malformed_resource_is_400(optence: Node, resource: str | None) -> None:
    with pytest.raises(MalformedError):
        webfinger(resource, address=optence.address)


def test_another_resource_is_404(optence: Node) -> None:
    for resource in (
        "https://other.example/",
        f"acct:erika@{optence.address.authority}",
        optence.entry_id(),
    ):
        with pytest.raises(NotFoundError):
            webfinger(resource, address=optence.address)


def test_nodeinfo_tells_no_numbers(optence: Node) -> None:
    links = nodeinfo_links(optence.address)["links"]
    assert links[0]["href"] == f"{optence.base_url}/nodeinfo/2.1"
    assert links[1]["href"] == optence.address.actor
    document = nodeinfo(
        address=optence.address, version="0.1.0", name="Optence", description=""
    )
    assert document["version"] == "2.1"
    assert document["usage"] == {"users": {}}
    assert set(document) == {
        "version",
        "software",
        "protocols",
        "services",
        "openRegistrations",
        "usage",
        "metadata",
    }
