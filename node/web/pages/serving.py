"""What page handlers ask for again and again: the node, formats, the own card."""

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from node.app import Node
from node.storage.node_state import require_node_state
from node.web.formats import Formats
from node.web.i18n import localized
from node.web.keys import CLOCK, SITE
from node.web.running import NODE


def node_of(request: web.Request) -> Node:
    """Return the running node."""
    return request.config_dict[NODE]


def formats_of(request: web.Request) -> Formats:
    """Return what writes dates and numbers for this node's readers."""
    return Formats(request.config_dict[CLOCK], request.config_dict[SITE].timezone)


async def own_card(request: web.Request) -> Mapping[str, Any]:
    """Load the facts that the cluster tells about itself."""
    async with node_of(request).context.database.read() as tx:
        return (await require_node_state(tx)).card


def card_text(value: object) -> str:
    """Return a text of a card, which may be given in several languages."""
    if isinstance(value, Mapping) and value:
        return localized(value).text
    return str(value) if value else ""
