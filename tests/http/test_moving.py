"""A node moves: announced by the old key, confirmed by an office, and all goes on.

Nord moves; Süd is its partner.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import pytest
from sqlalchemy import select

from federation.ids import NodeAddress
from federation.keys import Signer
from federation.limits import FORMER_ADDRESSES_MAX
from federation.trust import TrustState
from node.errors import ConflictError, NodeError, NotAuthorisedError
from node.feed import FeedQuery
from node.members.model import Person
from node.moving import MoveStanding
from node.storage.ledger import row_of
from node.storage.node_state import require_node_state
from node.storage.tables import audit_log, disclosures, receipts, received_entries
from tests.http.moving_world import (
    Named,
    Pair,
    compared,
    confirm,
    in_sync,
    move,
    old_name_kept,
    publish,
    standing,
)
from tests.http.nodes import OFFER, MovableClock
from tests.http.sender import Sender, as_bytes
from tests.http.whole_nodes import WholeNode, advance, connect, settle, whole_node

if TYPE_CHECKING:
    from tests.http.nodes import RunningNode


async def test_all_carries_on_once_the_office_has_confirmed(
    two: Pair, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    old_entry = await publish(nord, "Vorher", external_id="W-1")
    gone = await nord.publish("Wird zurückgezogen")
    await sued.publish("Von Süd")
    await settle(nord, sued)
    before = await nord.partner(sued)
    talk = await sued.node.conversations.answer(
        sued.office, old_entry.uri, "Noch frei?"
    )
    await settle(sued, nord)

    old = await move(nord)
    new = nord.base_url
    await settle(nord, sued)
    assert await standing(nord, sued) is MoveStanding.ANNOUNCED
    # Once more, if somebody over there has lost it: nobody gets a second mail.
    await nord.node.own_move.announce_again(nord.office, sued.base_url)
    await settle(nord)
    mails = await sued.node.mail.list_mails()
    assert [each.kind for each in mails].count("partner-moves") == 1
    # Not effective: Süd still knows the old address, and shows what it showed.
    announced = await sued.partner(Named(old))
    assert (announced.base_url, announced.moving_to) == (old, new)
    assert set(await held(sued, old)) == {"Vorher", "Wird zurückgezogen"}

    # New entries wait; a withdrawal does not.
    await nord.publish("Nachher")
    await nord.node.catalogue.withdraw(nord.office, gone.id)
    await settle(nord)
    assert set(await held(sued, old)) == {"Vorher"}

    await confirm(sued, nord, old)
    await settle(sued, nord, sued, nord)
    assert await standing(nord, sued) is MoveStanding.CONFIRMED
    partner = await sued.partner(nord)
    assert (partner.base_url, partner.former_urls) == (new, (old,))
    assert partner.state is TrustState.ACTIVE

    copies = await sued.held_from(nord)
    assert set(copies) == {"Vorher", "Nachher"}
    assert copies["Vorher"].entry_uri == old_entry.uri
    assert copies["Vorher"].entry_uri.startswith(f"{old}/entries/")
    assert copies["Nachher"].entry_uri.startswith(f"{new}/entries/")

    # A new version of an old entry keeps the old name and the ledger its row.
    changed = await publish(nord, "Vorher, geändert", external_id="W-1")
    assert (changed.uri, changed.version.counter) == (old_entry.uri, 2)
    await settle(nord, sued)
    assert set(await sued.held_from(nord)) == {"Vorher, geändert", "Nachher"}
    after = await nord.partner(sued)
    assert after.head_seq > before.head_seq
    assert await in_sync(nord, sued)
    assert await in_sync(sued, nord)

    # Both sides can say later who decided what.
    assert {"node_moved", "we_moved", "our_move_confirmed"} <= await decided(nord)
    assert {"move_announced", "move_confirmed"} <= await decided(sued)

    # The conversation goes on in both directions, about the old id.
    (thread,) = await nord.node.conversations.list_for(nord.office)
    await nord.node.conversations.reply(nord.office, thread.id, "Ja.")
    await settle(nord, sued)
    texts = [m.text for m in await messages(sued, talk)]
    assert texts == ["Noch frei?", "Ja."]


async def test_receipts_and_deletions_carry_on(two: Pair) -> None:
    nord, sued = await compared(two)
    kept = await publish(nord, "Bleibt", external_id="W-1")
    gone = await publish(nord, "Geht", external_id="W-2")
    await settle(nord)
    before = await stored(nord, sued)
    old = await move(nord)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord, sued)
    await nord.node.catalogue.delete(nord.office, gone.id)
    await settle(nord)

    after = await stored(nord, sued)
    assert before["receipts"] < after["receipts"]  # none is lost, one more is there
    assert after["acked"] > before["acked"]
    assert after["epoch"] == before["epoch"]
    row = after["rows"][gone.id]
    assert (row.op, row.acknowledged_at is not None) == ("delete", True)
    assert after["rows"][kept.id].held == kept.version
    assert set(await sued.held_from(nord)) == {"Bleibt"}
    tombstone = (await held_states(sued, nord))[gone.uri]
    assert tombstone == "deleted"
    # Deleted for ever: its old version does not come back under any name.
    assert await in_sync(nord, sued)


async def test_who_reads_an_old_id_asks_the_new_address(two: Pair) -> None:
    nord, sued = await compared(two)
    entry = await publish(nord, "Für Partner", external_id="W-1")
    public = await nord.node.catalogue.publish(
        nord.office,
        {**OFFER, "title": {"de": "Für alle"}, "audience": {"level": "public"}},
    )
    await settle(nord)
    old = await move(nord)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    async with aiohttp.ClientSession() as session:
        sender = Sender(session)
        there = cast("RunningNode", Named(nord.base_url))
        found = await sender.get(there, f"/entries/{public.id}")
        assert json.loads(found.body)["id"] == public.uri
        assert public.uri.startswith(f"{old}/entries/")
        by = sued.node.context.signer
        found = await sender.get(there, f"/entries/{entry.id}", signer=by)
        assert json.loads(found.body)["id"] == entry.uri
        await nord.node.catalogue.withdraw(nord.office, entry.id)
        await settle(nord)
        gone = await sender.get(there, f"/entries/{entry.id}", signer=by)
        assert (gone.status, json.loads(gone.body)["id"]) == (410, entry.uri)


async def test_nothing_sent_by_the_old_name_counts_any_more(two: Pair) -> None:
    nord, sued = await compared(two)
    await publish(nord, "Bleibt", external_id="W-1")
    await settle(nord)
    page = await nord.node.sending.next_page((await nord.partner(sued)).id, after=0)
    old = await move(nord)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    before = await sued.held_from(nord)
    async with aiohttp.ClientSession() as session:
        sender = Sender(session)
        there = cast("RunningNode", Named(sued.base_url))
        key = nord.node.context.keys.secrets[1]
        by_old = Signer(NodeAddress(old), key, 1)
        body = as_bytes(page.document)
        answer = await sender.post(there, body, signer=by_old)
        assert (answer.status, answer.code) == (401, "unknown-key")
        # Nor in an envelope of the new name.
        answer = await sender.post(there, body, signer=nord.node.context.signer)
        assert (answer.status, answer.code) == (403, "origin-mismatch")
    assert await sued.held_from(nord) == before


async def test_as_long_as_the_old_name_leads_here_partners_come_through(
    two: Pair,
) -> None:
    nord, sued = await compared(two)
    old = await move(nord)
    await settle(nord)
    entry = await publish(sued, "Von Süd", external_id="S-1")
    async with old_name_kept(old, nord.base_url):
        await settle(sued)
        assert set(await nord.held_from(sued)) == {"Von Süd"}
        receipt_partner = await sued.partner(Named(old))
        assert receipt_partner.digest_equal is True
        assert receipt_partner.base_url == old
        await sued.node.catalogue.withdraw(sued.office, entry.id)
        await settle(sued)
    assert await nord.held_from(sued) == {}


async def test_people_are_led_on_and_nodes_are_not(two: Pair) -> None:
    nord, _sued = await compared(two)
    old = await move(nord)
    host = old.partition("://")[2]
    async with aiohttp.ClientSession() as session:

        async def asked(method: str, path: str) -> tuple[int, str]:
            async with session.request(
                method,
                f"{nord.base_url}{path}",
                headers={"Host": host, "Origin": old},
                allow_redirects=False,
            ) as answer:
                return answer.status, answer.headers.get("Location", "")

        assert await asked("GET", "/") == (302, f"{nord.base_url}/")
        assert await asked("GET", "/feed?seite=2") == (
            302,
            f"{nord.base_url}/feed?seite=2",
        )
        assert (await asked("GET", "//evil.example"))[1].startswith(
            f"{nord.base_url}//"
        )
        assert await asked("POST", "/anmelden") == (421, "")
        for path in ("/actor", "/entries/x", "/.well-known/webfinger"):
            assert await asked("GET", path) == (421, "")
        # The doors for partners stay open, for signed requests.
        assert await asked("GET", "/outbox?after=0") == (401, "")
        assert await asked("POST", "/partner-requests") == (421, "")


async def test_refused_by_the_office_and_announced_again(
    two: Pair, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    old = await move(nord)
    await settle(nord)
    async with old_name_kept(old, nord.base_url):
        await sued.node.partners.refuse_move(
            sued.office, old, reason="Am Telefon wusste niemand davon."
        )
        await settle(sued)
    assert await standing(nord, sued) is MoveStanding.REFUSED
    status = await nord.node.own_move.status()
    assert status is not None
    assert status.partners[0].reason == "Am Telefon wusste niemand davon."
    assert (await sued.partner(Named(old))).moving_to is None

    clock.advance(minutes=5)
    await nord.node.own_move.announce_again(nord.office, sued.base_url)
    with pytest.raises(ConflictError):
        await nord.node.own_move.announce_again(nord.office, sued.base_url)
    await settle(nord)
    await confirm(sued, nord, old)
    await settle(sued, nord)
    assert await standing(nord, sued) is MoveStanding.CONFIRMED


async def test_a_partner_that_is_away_hears_of_it_later(
    two: Pair, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    await sued.stop()
    old = await move(nord)
    await settle(nord)
    assert await standing(nord, sued) is MoveStanding.UNREACHABLE
    clock.advance(days=40)
    await sued.start()
    await settle(nord)
    assert await standing(nord, sued) is MoveStanding.ANNOUNCED
    await confirm(sued, nord, old)
    await settle(sued, nord)
    assert await standing(nord, sued) is MoveStanding.CONFIRMED
    assert await in_sync(nord, sued)


async def test_copies_lapse_where_nobody_confirms(
    two: Pair, clock: MovableClock
) -> None:
    nord, sued = await compared(two)
    await publish(nord, "Läuft ab", external_id="W-1")
    await settle(nord)
    old = await move(nord)
    await settle(nord)
    viewer = sued.office
    shown = [each.title["de"] for each in await feed(sued, viewer)]
    assert shown == ["Läuft ab"]
    for _ in range(31):
        clock.advance(days=1)
        await settle(nord, sued)
    assert await feed(sued, viewer) == []
    # Late, but not too late.
    await confirm(sued, nord, old)
    await settle(sued, nord, sued)
    assert [each.title["de"] for each in await feed(sued, viewer)] == ["Läuft ab"]


async def test_keys_change_while_an_office_thinks(two: Pair) -> None:
    nord, sued = await compared(two)
    old = await move(nord)
    await settle(nord)
    await nord.node.own_keys.rotate(nord.office)
    await settle(nord)
    for _ in range(3):
        await advance(nord)
    assert nord.node.context.keys.active.number == 2
    await confirm(sued, nord, old)
    await settle(sued, nord, sued)
    await publish(nord, "Mit neuem Schlüssel", external_id="W-1")
    await settle(nord)
    assert set(await sued.held_from(nord)) == {"Mit neuem Schlüssel"}
    numbers = {key.key_id for key in (await sued.partner(nord)).keys}
    assert numbers == {f"{nord.base_url}/actor#key-{number}" for number in (1, 2)}


async def test_a_second_move_and_the_way_back(two: Pair) -> None:
    nord, sued = await compared(two)
    first = await publish(nord, "Erster Ort", external_id="W-1")
    await settle(nord)
    old = await move(nord)
    await settle(nord)
    await nord.stop()
    with pytest.raises(ConflictError, match="not confirmed the last move"):
        await move(nord)
    await nord.start()
    await confirm(sued, nord, old)
    await settle(sued, nord)
    second = await publish(nord, "Zweiter Ort", external_id="W-2")
    await settle(nord)

    middle = await move(nord)
    await settle(nord)
    await confirm(sued, nord, middle)
    await settle(sued, nord, sued)
    third = await publish(nord, "Dritter Ort", external_id="W-3")
    await settle(nord)
    copies = await sued.held_from(nord)
    uris = {title: row.entry_uri for title, row in copies.items()}
    assert uris == {
        "Erster Ort": first.uri,
        "Zweiter Ort": second.uri,
        "Dritter Ort": third.uri,
    }
    assert (await sued.partner(nord)).former_urls == (old, middle)
    assert await in_sync(nord, sued)


async def test_where_a_node_does_not_move_to(two: Pair) -> None:
    nord, sued = await compared(two)
    own_move, rows_before = nord.node.own_move, await nord.partner(sued)
    member, _link = await nord.node.members.add_person(
        None,
        email="erika@muster.example",
        name="Erika",
        organisation="Muster GmbH",
        send_invitation=False,
    )
    for url, code in (
        (nord.base_url, "not-moved"),
        (sued.base_url, "address-taken"),
        ("https://netz.example/pfad", "invalid-input"),
        ("http://netz.example", "invalid-input"),
    ):
        with pytest.raises(NodeError) as caught:
            await own_move.order(None, url)
        assert caught.value.code == code
    with pytest.raises(NotAuthorisedError):
        await own_move.order(member, "http://127.0.0.1:9")
    names = [f"http://127.0.0.1:{port}" for port in range(9, 9 + FORMER_ADDRESSES_MAX)]
    async with nord.node.context.database.read() as tx:
        assert (await require_node_state(tx)).base_url == nord.base_url
    assert await nord.partner(sued) == rows_before
    # Each order from here on would need a start in between; what counts is stored.
    for url in names:
        await own_move.order(None, url, leave_unconfirmed=True)
    with pytest.raises(ConflictError, match="at most 8"):
        await own_move.order(None, "http://127.0.0.1:99", leave_unconfirmed=True)
    await own_move.order(None, names[0], leave_unconfirmed=True)  # one that it had


async def test_who_becomes_a_partner_after_the_move_gets_the_old_entries(
    two: Pair, tmp_path: Path, clock: MovableClock
) -> None:
    nord, _sued = await compared(two)
    entry = await publish(nord, "Von früher", external_id="W-1")
    old = await move(nord)
    async with whole_node(tmp_path / "ost", "ost", clock=clock) as ost:
        await connect(nord, ost)
        await ost.node.partners.mark_compared(ost.office, nord.base_url)
        await settle(nord, ost)
        assert (await ost.partner(nord)).former_urls == (old,)
        (copy,) = (await ost.held_from(nord)).values()
        assert copy.entry_uri == entry.uri
        # Nobody else may be called by a name that a partner has, or had.
        async with whole_node(tmp_path / "west", "west", clock=clock) as west:
            claimed = NodeAddress(west.node.context.address.base_url, (old,))
            object.__setattr__(west.node.context, "address", claimed)
            code = (await ost.node.partners.invite(ost.office)).code
            with pytest.raises(NodeError) as caught:
                await west.node.partners.accept(west.office, code)
            assert caught.value.code == "address-taken"
            code = (await west.node.partners.invite(west.office)).code
            with pytest.raises(ConflictError, match="address of nord"):
                await ost.node.partners.accept(ost.office, code)


# -- steps --------------------------------------------------------------------------


async def decided(node: WholeNode) -> set[str]:
    async with node.node.context.database.read() as tx:
        return {row.event for row in await tx.all(select(audit_log.c.event))}


async def feed(node: WholeNode, viewer: Person) -> Any:
    return await node.node.feed.all_items(viewer, FeedQuery())


async def stored(origin: WholeNode, holder: WholeNode) -> dict[str, Any]:
    """What the origin's ledger knows of a partner."""
    partner = await origin.partner(holder)
    async with origin.node.context.database.read() as tx:
        rows = await tx.all(
            select(disclosures.c.entry_id).where(disclosures.c.partner_id == partner.id)
        )
        return {
            "receipts": {row.id for row in await tx.all(select(receipts.c.id))},
            "acked": partner.acked_seq,
            "epoch": (await require_node_state(tx)).epoch,
            "rows": {
                row.entry_id: await row_of(tx, partner.id, row.entry_id) for row in rows
            },
        }


async def held_states(holder: WholeNode, origin: WholeNode) -> dict[str, str]:
    partner = await holder.partner(origin)
    async with holder.node.context.database.read() as tx:
        rows = await tx.all(
            select(received_entries.c.entry_uri, received_entries.c.state).where(
                received_entries.c.partner_id == partner.id
            )
        )
    return {row.entry_uri: row.state for row in rows}


async def held(node: WholeNode, base_url: str) -> dict[str, Any]:
    return await node.held_from(Named(base_url))


async def messages(node: WholeNode, talk: Any) -> Any:
    return (await node.node.conversations.show(node.office, talk.id)).messages
