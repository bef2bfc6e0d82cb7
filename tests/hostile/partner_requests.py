"""A right partner request of Nord to Süd, to be made wrong."""

import copy
import json
from typing import Any

from federation.documents.actor import parse_actor
from federation.documents.partner_request import build_partner_request
from federation.handshake import parse_code
from node.partners.own_actor import own_actor
from tests.hostile.world import World


async def world_request(world: World) -> Any:
    """The partner request of a guest with an open invitation of Süd."""
    request, _secret = await request_and_secret(world)
    return request


async def request_and_secret(world: World) -> tuple[Any, bytes]:
    """The same, and the secret of the invitation."""
    office = world.offices[world.sued.base_url]
    invitation = await world.sued.node.partners.invite(office)
    code = parse_code(invitation.code, allow_loopback_http=True)
    context = world.nord.node.context
    async with context.database.read() as tx:
        guest = await own_actor(tx, context)
    request = build_partner_request(
        guest,
        host=await host_actor(world),
        secret=code.secret,
        signer=world.signer(),
        random=context.random,
        created=world.clock.now(),
    )
    return copy.deepcopy(request.document), code.secret


async def host_actor(world: World) -> Any:
    """Süd's actor, as a guest fetches it."""
    reply = await world.get("/actor", unsigned=True)
    return parse_actor(
        json.loads(reply.text), base_url=world.sued.node.context.address.base_url
    )
