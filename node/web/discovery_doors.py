"""The doors that are open to everybody: actor, WebFinger, NodeInfo.

No answer depends on anything that is not public, so all of them may be kept, and
read by programs of any web page.

Source: SPEC.md PRT-040 to PRT-043, PRT-047.
"""

from importlib.metadata import version
from typing import Final

from aiohttp import web

from federation import discovery
from federation.canonical import canonical_bytes
from federation.documents.actor import build_actor
from federation.errors import MalformedError
from federation.inbox import ACTIVITY_JSON, AdmittedHead
from federation.json_types import JsonObject
from node.limits import DISCOVERY_CACHE
from node.partners.own_actor import own_actor
from node.ports import NodeContext
from node.storage.node_state import load_node_state
from node.web.conditional import conditional_response
from node.web.door_guard import DoorGuard

# Also refusals are for programs of any web page (RFC 7033 §5).
_ANY_ORIGIN: Final = {"Access-Control-Allow-Origin": "*"}
_FOR_EVERYBODY: Final = {
    **_ANY_ORIGIN,
    "Cache-Control": f"public, max-age={int(DISCOVERY_CACHE.total_seconds())}",
}
_JSON: Final = "application/json"


class DiscoveryDoors:
    """Answers about the node itself."""

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._address = context.address

    def register(self, app: web.Application, guard: DoorGuard) -> None:
        """Open the doors; HEAD is answered like GET, without the body."""
        for path, handler in (
            ("/actor", self.actor),
            ("/.well-known/webfinger", self.webfinger),
            ("/.well-known/nodeinfo", self.nodeinfo_links),
            ("/nodeinfo/2.1", self.nodeinfo),
        ):
            guard.add(app, path, refused_with=_ANY_ORIGIN, GET=handler, HEAD=handler)

    async def actor(self, request: web.Request, _head: AdmittedHead) -> web.Response:
        """Answer with our actor document, or that it is gone; needs no signature."""
        async with self._context.database.read() as tx:
            state = await load_node_state(tx)
            actor = await own_actor(tx, self._context)
        if state is not None and state.closed_at is not None:
            return web.json_response(
                discovery.gone_actor(self._address, deleted=state.closed_at),
                status=410,
                content_type=ACTIVITY_JSON,
                headers=_FOR_EVERYBODY,
            )
        return _answer(request, build_actor(actor), content_type=ACTIVITY_JSON)

    async def webfinger(
        self, request: web.Request, _head: AdmittedHead
    ) -> web.Response:
        """Answer a WebFinger query about the node."""
        resources = request.query.getall("resource", [])
        if len(resources) > 1:
            raise MalformedError("Name one resource only.")
        document = discovery.webfinger(
            resources[0] if resources else None,
            address=self._address,
            rels=request.query.getall("rel", []),
        )
        return _answer(request, document, content_type=discovery.JRD_JSON)

    async def nodeinfo_links(
        self, request: web.Request, _head: AdmittedHead
    ) -> web.Response:
        """Answer where our NodeInfo document is."""
        links = discovery.nodeinfo_links(self._address)
        return _answer(request, links, content_type=_JSON)

    async def nodeinfo(self, request: web.Request, _head: AdmittedHead) -> web.Response:
        """Answer with our NodeInfo document; it holds no statistics."""
        async with self._context.database.read() as tx:
            actor = await own_actor(tx, self._context)
        document = discovery.nodeinfo(
            address=self._address,
            version=version("spalier"),
            name=actor.name,
            description=actor.card.field or "",
        )
        return _answer(request, document, content_type=discovery.NODEINFO_JSON)


def _answer(
    request: web.Request, document: JsonObject, *, content_type: str
) -> web.Response:
    return conditional_response(
        request,
        canonical_bytes(document),
        content_type=content_type,
        headers=_FOR_EVERYBODY,
    )
