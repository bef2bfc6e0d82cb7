"""How others find the node: WebFinger, NodeInfo.

The answers depend on nothing that is not public. Statistics are left out, because
FEP-0151 permits that and a wrong or telling number does not come back.

Source: RFC 7033, FEP-d556, FEP-2677, FEP-0151, SPEC.md PRT-040 to PRT-043.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from federation.documents.actor import USERNAME
from federation.errors import MalformedError, NotFoundError
from federation.timestamps import format_timestamp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from federation.ids import NodeAddress
    from federation.json_types import JsonObject, JsonValue

JRD_JSON: Final = "application/jrd+json"
NODEINFO_JSON: Final = (
    'application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"'
)
SERVICE_REL: Final = "https://www.w3.org/ns/activitystreams#Service"
APPLICATION_REL: Final = "https://www.w3.org/ns/activitystreams#Application"
NODEINFO_REL: Final = "http://nodeinfo.diaspora.software/ns/schema/2.1"
_ACTIVITY_JSON: Final = "application/activity+json"
_RESOURCE: Final = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]{1,400}\Z")


def webfinger(
    resource: str | None, *, address: NodeAddress, rels: Sequence[str] = ()
) -> JsonObject:
    """Answer a WebFinger query (RFC 7033 §4.2).

    Known resources are the node's address with or without a slash (FEP-d556), its
    actor, and `acct:cluster@HOST`.

    Args:
        resource: The query's `resource`, decoded; None if it is absent.
        address: Our own address.
        rels: The query's `rel` values; empty asks for all links.

    Returns:
        The JRD, to be sent as `application/jrd+json` with
        `Access-Control-Allow-Origin: *`.

    Raises:
        MalformedError: No resource, or none that is an address.
        NotFoundError: Another resource.
    """
    if resource is None or not _RESOURCE.match(resource):
        raise MalformedError("Name one resource, for example the node's address.")
    account = f"acct:{USERNAME}@{address.authority}"
    known = {address.base_url, f"{address.base_url}/", address.actor, account}
    if resource not in known:
        raise NotFoundError("There is no such resource here.")
    links: list[JsonValue] = [
        {"rel": rel, "type": _ACTIVITY_JSON, "href": address.actor}
        for rel in ("self", SERVICE_REL)
        if not rels or rel in rels
    ]
    aliases: list[JsonValue] = [*sorted(known - {resource})]
    return {"subject": resource, "aliases": aliases, "links": links}


def nodeinfo_links(address: NodeAddress) -> JsonObject:
    """Return `/.well-known/nodeinfo`, with the actor link of FEP-2677."""
    return {
        "links": [
            {"rel": NODEINFO_REL, "href": f"{address.base_url}/nodeinfo/2.1"},
            {"rel": APPLICATION_REL, "href": address.actor},
        ]
    }


def nodeinfo(
    *, address: NodeAddress, version: str, name: str, description: str
) -> JsonObject:
    """Return the NodeInfo 2.1 document.

    Args:
        address: Our own address.
        version: The software's version.
        name: The cluster's name.
        description: One sentence about the cluster, may be empty.
    """
    return {
        "version": "2.1",
        "software": {"name": "spalier", "version": version},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": False,
        "usage": {"users": {}},
        "metadata": {
            "nodeName": name,
            "nodeDescription": description,
            "staffAccounts": [address.actor],
            "federation": {"enabled": True},
        },
    }


def gone_actor(address: NodeAddress, *, deleted: datetime) -> JsonObject:
    """Return what stands where our actor was, once its cluster has closed down.

    Source: ActivityPub §6.4, Activity Vocabulary "Tombstone", SPEC.md PRT-056.
    """
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": address.actor,
        "type": "Tombstone",
        "formerType": "Application",
        "deleted": format_timestamp(deleted),
    }
