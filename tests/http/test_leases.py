"""How long copies are shown, and who renews them (SPEC.md FED-151 to FED-154)."""

from datetime import timedelta

from federation.trust import TrustState
from node.feed import Feed
from node.feed.feed import FeedQuery
from tests.http.comparing_scene import (
    DAY_OVER,
    Pair,
    change_copies,
    compare_now,
    held,
    published,
    set_partner,
    shown,
)
from tests.http.nodes import START, MovableClock

# -- leases -------------------------------------------------------------------------


async def test_copies_grey_vanish_and_come_back(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1, title={"de": "Für Partner"})
    await published(nord, 1, title={"de": "Öffentlich"}, audience={"level": "public"})
    await nord.settle()
    person = await sued.add_person("leser@sued.example", organisation="Leser")

    async def seen() -> dict[str, bool]:
        page = await Feed(sued.context).feed(person, FeedQuery(only_partners=True))
        return {
            item.title["de"]: item.unconfirmed_since is not None for item in page.items
        }

    confirmed = clock.now()
    clock.moment = confirmed + timedelta(days=14, seconds=-1)
    assert await seen() == {"Für Partner": False, "Öffentlich": False}
    clock.moment = confirmed + timedelta(days=14)
    assert await seen() == {"Für Partner": True, "Öffentlich": True}
    clock.moment = confirmed + timedelta(days=30)
    assert await seen() == {"Öffentlich": True}
    # Nothing was removed; the next comparison shows it again.
    assert set((await held(sued, nord)).values()) == {"present"}
    await nord.settle()
    assert await seen() == {"Für Partner": False, "Öffentlich": False}


async def test_what_names_a_person_is_hidden_after_fourteen_days(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    (entry,) = await published(nord, 1)
    await nord.settle()
    await change_copies(sued, nord, [entry], is_personal=True)
    clock.advance(days=13, hours=23)
    assert await shown(sued) == ["Eintrag 0"]
    clock.advance(hours=1)
    assert await shown(sued) == []


async def test_contact_alone_renews_nothing(
    partners: Pair, clock: MovableClock
) -> None:
    """An origin that is stuck may go on talking; only an equal page counts."""
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    for _ in range(31):
        clock.advance(days=1)
        await nord.delivery.pull((await nord.partner(sued)).id)
    assert (await sued.partner(nord)).last_received_at == clock.now()
    assert (await sued.partner(nord)).verified_at == START
    assert await shown(sued) == []


async def test_what_the_origin_hides_meanwhile_is_not_renewed(
    partners: Pair, clock: MovableClock
) -> None:
    """An origin whose clock's work stands still: the date alone ends an entry."""
    nord, sued = partners
    await published(nord, 1, valid_until="2026-11-30")
    await nord.settle()
    clock.moment = START + timedelta(days=10)  # nobody calls `expire_due`
    await published(nord, 1, title={"de": "Neu"})
    before = (await sued.partner(nord)).verified_at
    partner = await nord.partner(sued)
    page = await nord.sending.next_page(partner.id)
    assert page.verifying is None
    assert (await sued.partner(nord)).verified_at == before
    await nord.settle()  # now the rules are asked for every entry
    assert sorted((await held(sued, nord)).values()) == ["present", "withdrawn"]


async def test_nothing_is_renewed_while_a_key_has_to_be_compared(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await set_partner(sued, nord, state=TrustState.SUSPENDED)
    await compare_now(clock, nord)
    assert (await sued.partner(nord)).verified_at == START
    await set_partner(sued, nord, state=TrustState.PAUSED)
    await set_partner(nord, sued, next_check_at=None, next_attempt_at=None)
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock.now()


async def test_nothing_is_compared_while_paused_and_soon_after(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await nord.partners.pause(nord.office, sued.base_url)
    nord.client.sent.clear()
    await compare_now(clock, nord)
    assert nord.client.sent == []
    clock.advance(seconds=1)
    await nord.partners.resume(nord.office, sued.base_url)
    await nord.settle()
    assert (await sued.partner(nord)).verified_at == clock.now()


# -- behind a wall ------------------------------------------------------------------


async def test_whoever_cannot_be_reached_pulls(
    partners: Pair, clock: MovableClock
) -> None:
    """Sued answers nobody; it asks itself, and its copies stay."""
    nord, sued = partners
    await published(nord, 1)
    await nord.settle()
    await sued.stop()
    for _ in range(20):
        clock.advance(**DAY_OVER)
        await sued.settle()
    assert clock.now() - START > timedelta(days=20)
    verified = (await sued.partner(nord)).verified_at
    assert verified is not None
    assert clock.now() - verified < timedelta(days=3)
    assert await shown(sued) == ["Eintrag 0"]
    # To pull confirms nothing, but it may have renewed: an owner is told so.
    assert (await nord.partner(sued)).renewed_at == verified


async def test_a_pull_tells_what_must_be_held(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    ids = await published(nord, 3)
    partner = await sued.partner(nord)
    assert await sued.delivery.pull(partner.id) == 3
    assert (await sued.partner(nord)).verified_at == START
    clock.advance(hours=1)
    await nord.catalogue.withdraw(nord.office, ids[0])
    assert await sued.delivery.pull(partner.id) == 1
    assert (await sued.partner(nord)).verified_at == clock.now()
    clock.advance(hours=1)
    assert await sued.delivery.pull(partner.id) == 0
    assert (await sued.partner(nord)).verified_at == clock.now()
