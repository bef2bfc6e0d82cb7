"""E: the handshake. An invitation opens one door, once, for one key."""

import asyncio
import json

import pytest

from federation.documents.signed import sign
from federation.handshake import request_mac
from federation.keys import Signer, SigningKey
from federation.trust import TrustState
from tests.hostile import wire
from tests.hostile.json_paths import changed_everywhere
from tests.hostile.partner_requests import request_and_secret, world_request
from tests.hostile.world import World, held
from tests.http.nodes import SeededRandom

# -- handshake ------------------------------------------------------------------


async def test_partner_requests_that_were_altered(world: World) -> None:
    """Every place of a right request: deleted, changed, added; then taken as it is."""
    request = await world_request(world)
    async with world.untouched() as untouched:
        for number, (label, altered) in enumerate(changed_everywhere(request)):
            if number % 3:
                continue
            reply = await world.post(altered, path="/partner-requests")
            untouched.expect(label, got=reply.status, wanted={400, 401, 403, 422})
        # Signed anew by the guest, but not what the invitation's secret covers.
        for change in (
            {"nonce": "A" * 22},
            {"target": world.ost.base_url},
            {"invitation": "a" * 16},
            {"mac": "A" * 43},
            {"hostKey": world.signer().key.public_key.multibase},
        ):
            forged = world.resigned({**request, **change})
            reply = await world.post(forged, path="/partner-requests")
            untouched.expect(change, got=reply.status, wanted={403})
        # By Ost, who listened in and has another key.
        stolen = world.resigned(request, world.ost)
        reply = await world.post(stolen, path="/partner-requests", by=world.ost)
        untouched.expect("stolen", got=reply.status, wanted={401, 403})


async def test_invitations_tell_nothing_to_who_guesses(world: World) -> None:
    """Unknown, used, revoked, expired: one answer until the secret is proven."""
    request = await world_request(world)
    known, unknown = request["invitation"], "b" * 16
    answers = set()
    async with world.untouched() as untouched:
        for invitation in (known, unknown):
            for mac in ("A" * 43, "B" * 43):
                forged = world.resigned(
                    {**request, "invitation": invitation, "mac": mac}
                )
                reply = await world.post(forged, path="/partner-requests")
                untouched.expect(
                    invitation, got=reply.refusal, wanted=(403, "invitation-refused")
                )
                answers.add((reply.body, wire.shown_headers(reply)))
    assert len(answers) == 1


async def test_an_invitation_is_used_once(fresh_world: World) -> None:
    world = fresh_world
    office = world.offices[world.nord.base_url]
    invitation = await world.nord.node.partners.invite(office)
    await world.ost.node.partners.accept(
        world.offices[world.ost.base_url], invitation.code
    )
    # Ost is waiting; somebody else finds the code.
    from node.errors import NodeError

    third = world.sued
    partner = await world.partner_of(third, world.nord)
    await third.node.partners.end(world.offices[third.base_url], partner.base_url)
    await third.settle()
    with pytest.raises(NodeError):
        await third.node.partners.accept(world.offices[third.base_url], invitation.code)
    states = [each.state for each in await world.nord.node.partners.list()]
    assert states.count(TrustState.REQUESTED) == 1


async def test_a_request_in_the_name_of_a_partner(fresh_world: World) -> None:
    """With an invitation's very secret, but another key: the pinned key stays."""
    world = fresh_world
    rows = world.witness.rows[world.sued.base_url]
    stolen = SigningKey.generate(SeededRandom("stolen"))
    signer = Signer(world.nord.node.context.address, stolen, 1)
    request, secret = await request_and_secret(world)
    request["actor"]["assertionMethod"][0]["publicKeyMultibase"] = (
        stolen.public_key.multibase
    )
    bare = {
        name: value for name, value in request.items() if name not in {"proof", "mac"}
    }
    async with world.untouched() as untouched:
        for mac in (request_mac(secret, bare), request["mac"], "A" * 43):
            forged = sign(
                {**bare, "mac": mac}, signer=signer, created=world.clock.now()
            )
            reply = await world.post(
                json.loads(forged.raw),
                path="/partner-requests",
                key=stolen,
                key_id=signer.key_id,
            )
            untouched.expect(mac, got=reply.status, wanted={401, 403})
    assert stolen.public_key.multibase not in rows.dump()


async def test_end_of_a_partnership_while_it_attacks(fresh_world: World) -> None:
    """Many requests at the very moment at which the office ends it: no row is left."""
    world = fresh_world
    entries = [await world.entry(title={"de": f"Nummer {n}"}) for n in range(6)]
    office = world.offices[world.sued.base_url]
    documents = [
        world.page_of([world.upsert(entry)], epoch=f"{number}" * 32)
        for number, entry in enumerate(entries)
    ]
    ending = world.sued.node.partners.end(office, world.nord.base_url)
    results = await asyncio.gather(
        *(world.post(document) for document in documents[:3]),
        ending,
        *(world.post(document) for document in documents[3:]),
    )
    statuses = {reply.status for reply in results if isinstance(reply, wire.Reply)}
    assert statuses <= {200, 403, 429}
    assert all(not content for _, _, content in held(world).values())
    late = await world.post(world.page_of([world.upsert(entries[0])], epoch="d" * 32))
    assert late.status == 403
