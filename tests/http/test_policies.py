"""Policy sheets between two real nodes: what goes, what comes, and what changes it."""

from datetime import date, timedelta
from typing import Any

import pytest

from federation.transport.wire import GuardedSession
from federation.trust import TrustState
from node.catalogue.model import EntryState, ReceivedState
from node.errors import ConflictError, InvalidInputError, NotAuthorisedError
from node.feed import Feed, FeedQuery
from node.limits import POLICY_LEASE_DAYS_MAX, POLICY_TOPICS_MAX
from node.partners.policies import PolicyChange
from node.partners.policy_effect import foresee
from node.storage.ledger import UPSERT, WITHDRAW
from node.storage.received import (
    NOT_TAKEN_REASON,
    count_not_taken,
    count_received,
    list_received,
)
from node.storage.tables import received_entries
from node.visibility import Origin, decide_received
from node.visibility.policy import (
    ACQUAINTANCE,
    Direction,
    PolicySheet,
    Preset,
    Profiles,
)
from tests.http.nodes import OFFER, MovableClock, RunningNode, become_partners
from tests.http.test_partnership import received_titles

Pair = tuple[RunningNode, RunningNode]
USUAL = PolicySheet(Preset.PARTNER)
CLOSE = PolicySheet(Preset.CLOSE)
PROFILE = {
    "kind": "organisation_profile",
    "title": {"de": "Firma"},
    "summary": {"de": "Wer wir sind."},
    "legal_name": "Firma",
    "org_type": "company",
    "audience": {"level": "trusted"},
}


def offer(title: str, *, level: str = "trusted", **values: Any) -> dict[str, Any]:
    audience = {"level": level}
    return {**OFFER, "title": {"de": title}, "audience": audience, **values}


async def give(node: RunningNode, other: str, sheet: PolicySheet) -> PolicyChange:
    """Let a sheet count for what goes there."""
    return await node.partners.policies.set(
        node.office, other, Direction.OUT, sheet, reason="a test"
    )


async def take(node: RunningNode, other: str, sheet: PolicySheet) -> PolicyChange:
    """Let a sheet count for what comes from there."""
    return await node.partners.policies.set(
        node.office, other, Direction.IN, sheet, reason="a test"
    )


async def lines(node: RunningNode, other: RunningNode) -> dict[str, str]:
    """What the ledger of a partner says: operation by title."""
    partner = await node.partner(other)
    return {
        line.entry_title["de"]: line.op
        async for line in node.ledger.each_line(partner_id=partner.id)
    }


async def equal(node: RunningNode, other: RunningNode) -> bool:
    """Whether the partner's last receipt agreed with our ledger."""
    return (await node.partner(other)).digest_equal is True


async def compare(node: RunningNode, other: RunningNode, clock: MovableClock) -> None:
    """Let days pass until both sides have compared, and mended what differed."""
    for _round in range(3):
        clock.advance(hours=29)
        await node.settle()
        await other.settle()
    assert await equal(node, other)


@pytest.fixture
async def told(partners: Pair) -> Pair:
    """Süd holds a public entry, one for partners, and one that names it, of Nord."""
    nord, sued = partners
    named = {"level": "partners", "partners": [sued.base_url]}
    for entry in (
        offer("Offen", level="public"),
        offer("Für alle"),
        offer("Für Süd", audience=named),
    ):
        await nord.catalogue.publish(nord.office, entry)
    await nord.settle()
    assert await received_titles(sued) == ["Für Süd", "Für alle", "Offen"]
    return nord, sued


# -- what we give ---------------------------------------------------------------


async def test_a_partnership_begins_with_what_the_invitation_offers(
    nord: RunningNode, sued: RunningNode
) -> None:
    created = await nord.partners.invite(nord.office, preset=Preset.CLOSE)
    await sued.partners.accept(sued.office, created.code)
    partner = await nord.partner(sued)
    assert (partner.policy_out, partner.policy_in) == (CLOSE, CLOSE)
    guest = await sued.partner(nord)
    assert (guest.policy_out, guest.policy_in) == (USUAL, USUAL)
    versions = await nord.partners.policies.history(partner.id)
    assert {(each.direction, each.version, each.sheet) for each in versions} == {
        (Direction.OUT, 1, CLOSE),
        (Direction.IN, 1, CLOSE),
    }


async def test_a_lower_level_takes_back_exactly_what_it_does_not_let_pass(
    told: Pair,
) -> None:
    nord, sued = told
    await nord.catalogue.publish(nord.office, offer("Daheim", level="cluster"))
    before = await lines(nord, sued)
    change = await give(nord, "sued", ACQUAINTANCE)
    assert change.told == 2
    assert await lines(nord, sued) == {
        **before,
        "Für alle": WITHDRAW,
        "Für Süd": WITHDRAW,
    }
    await nord.settle()
    assert await received_titles(sued) == ["Offen"]
    assert await equal(nord, sued)
    # Nothing new of that sort goes there either.
    await nord.catalogue.publish(nord.office, offer("Neu"))
    await nord.catalogue.publish(nord.office, offer("Neu und offen", level="public"))
    await nord.settle()
    assert await received_titles(sued) == ["Neu und offen", "Offen"]


async def test_a_higher_level_sends_exactly_the_difference(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await nord.catalogue.publish(nord.office, PROFILE)
    await nord.settle()
    await give(nord, "sued", PolicySheet(Preset.PARTNER, profiles=Profiles.NONE))
    await nord.settle()
    assert "Firma" not in await received_titles(sued)
    before = {
        entry.id: entry.version for entry in await nord.catalogue.mine(nord.office)
    }
    sent = await give(nord, "sued", USUAL)
    changed = {
        entry.title["de"]
        for entry in await nord.catalogue.mine(nord.office)
        if entry.version != before[entry.id]
    }
    # What was taken back comes again with a higher version only (FED-063).
    assert (sent.told, changed) == (1, {"Firma"})
    await nord.settle()
    assert await received_titles(sued) == ["Firma", "Für Süd", "Für alle", "Offen"]
    assert await equal(nord, sued)
    await compare(nord, sued, clock)


async def test_what_was_never_told_needs_no_new_version(partners: Pair) -> None:
    nord, sued = partners
    await give(nord, "sued", ACQUAINTANCE)
    entry = await nord.catalogue.publish(nord.office, offer("Für alle"))
    await nord.settle()
    assert await lines(nord, sued) == {}
    assert (await give(nord, "sued", USUAL)).told == 1
    assert (await nord.catalogue.mine(nord.office))[0].version == entry.version
    await nord.settle()
    assert await received_titles(sued) == ["Für alle"]


async def test_kinds_and_topics_that_are_kept_back(told: Pair) -> None:
    nord, sued = told
    about = offer("Laser", level="public", topics=["Laser", "Optik"])
    await nord.catalogue.publish(nord.office, about)
    await nord.settle()
    assert "Laser" in await received_titles(sued)
    await give(
        nord, "sued", PolicySheet(Preset.CLOSE, closed_topics=frozenset({"LASER"}))
    )
    await nord.settle()
    assert await received_titles(sued) == ["Für Süd", "Für alle", "Offen"]
    closed = PolicySheet(Preset.CLOSE, closed_kinds=frozenset({"capacity_offer"}))
    await give(nord, "sued", closed)
    await nord.settle()
    assert await received_titles(sued) == []
    assert await equal(nord, sued)


async def test_a_partner_that_is_away_gets_the_difference_once_it_is_back(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    partner = await nord.partner(sued)
    await sued.partners.pause(sued.office, "nord")
    await give(nord, "sued", ACQUAINTANCE)
    await give(nord, "sued", USUAL)
    await give(nord, "sued", ACQUAINTANCE)
    await nord.settle()
    # Withdrawals pass while it is paused.
    assert await received_titles(sued) == ["Offen"]
    await sued.partners.resume(sued.office, "nord")
    await give(nord, "sued", USUAL)
    clock.advance(hours=2)
    await nord.settle()
    assert await received_titles(sued) == ["Für Süd", "Für alle", "Offen"]
    assert (await nord.partner(sued)).acked_seq > partner.acked_seq
    await compare(nord, sued, clock)


async def test_a_page_on_its_way_is_followed_by_what_changed(told: Pair) -> None:
    nord, sued = told
    await nord.catalogue.publish(nord.office, offer("Unterwegs"))
    partner = await nord.partner(sued)
    page = await nord.sending.next_page(partner.id)
    await give(nord, "sued", ACQUAINTANCE)
    assert (await lines(nord, sued))["Unterwegs"] == WITHDRAW
    assert len(page.document["orderedItems"]) == 1
    await nord.settle()
    assert await received_titles(sued) == ["Offen"]
    assert await equal(nord, sued)


async def test_the_preview_says_what_then_happens(told: Pair) -> None:
    nord, sued = told
    partner = await nord.partner(sued)
    tables = await nord.tables()
    effect = await foresee(nord.context, partner, Direction.OUT, ACQUAINTANCE)
    assert (effect.affected, effect.hidden, effect.shown) == (3, 2, 0)
    assert {
        (line.title["de"], line.rule, line.after.value) for line in effect.lines
    } == {
        ("Für alle", "VIS-064", "hidden"),
        ("Für Süd", "VIS-064", "hidden"),
    }
    assert await nord.tables() == tables
    change = await give(nord, "sued", ACQUAINTANCE)
    assert change.told == effect.hidden


# -- until the check number was compared ----------------------------------------


async def test_only_public_entries_pass_until_both_have_compared(
    nord: RunningNode, sued: RunningNode, clock: MovableClock
) -> None:
    await nord.catalogue.publish(nord.office, offer("Für alle"))
    await nord.catalogue.publish(nord.office, offer("Offen", level="public"))
    created = await nord.partners.invite(nord.office, preset=Preset.CLOSE)
    await sued.partners.accept(sued.office, created.code)
    await nord.partners.confirm(nord.office, sued.base_url)
    await nord.settle()
    assert await received_titles(sued) == ["Offen"]
    assert [each.name for each in await nord.partners.uncompared()] == ["Sued"]
    # Nord has compared, Süd has not: it keeps out what is more than public.
    await nord.partners.mark_compared(nord.office, "sued")
    assert (await lines(nord, sued)) == {"Offen": UPSERT, "Für alle": UPSERT}
    await nord.settle()
    assert await received_titles(sued) == ["Offen"]
    assert await equal(nord, sued)
    await sued.partners.mark_compared(sued.office, "nord")
    await sued.settle()
    assert await received_titles(sued) == ["Für alle", "Offen"]
    await compare(nord, sued, clock)


# -- what we take ---------------------------------------------------------------


async def kept_out(node: RunningNode, other: RunningNode) -> int:
    """How many entries of a partner our rules keep out."""
    partner = await node.partner(other)
    async with node.database.read() as tx:
        return await count_not_taken(tx, partner.id)


async def test_what_is_not_taken_is_kept_out_and_named_in_the_receipt(
    partners: Pair, clock: MovableClock
) -> None:
    nord, sued = partners
    await take(sued, "nord", ACQUAINTANCE)
    await nord.catalogue.publish(nord.office, offer("Für alle"))
    await nord.catalogue.publish(nord.office, offer("Offen", level="public"))
    await nord.settle()
    assert await received_titles(sued) == ["Offen"]
    assert await kept_out(sued, nord) == 1
    partner = await nord.partner(sued)
    refused = {
        line.entry_title["de"]: line.refused_reason
        async for line in nord.ledger.each_line(partner_id=partner.id)
    }
    assert refused == {"Offen": None, "Für alle": NOT_TAKEN_REASON}
    assert (partner.receipt_held, partner.receipt_refused) == (1, 1)
    assert await equal(nord, sued)
    assert "Für alle" not in repr(await sued.tables())
    await compare(nord, sued, clock)


async def test_what_is_held_and_no_longer_taken_goes_at_once_and_comes_anew(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    effect = await foresee(
        sued.context, await sued.partner(nord), Direction.IN, ACQUAINTANCE
    )
    assert (effect.affected, effect.hidden) == (3, 2)
    change = await take(sued, "nord", ACQUAINTANCE)
    assert (change.removed, change.is_fetching) == (2, False)
    assert await received_titles(sued) == ["Offen"]
    assert "Für Süd" not in repr(await sued.tables())
    await rule_of_kept_out(sued)
    await compare(nord, sued, clock)
    partner = await nord.partner(sued)
    async with nord.database.read() as tx:
        counts = await nord.ledger.counts(tx, partner.id)
    assert (counts.sent, counts.held, counts.refused) == (3, 1, 2)

    change = await take(sued, "nord", USUAL)
    assert (change.removed, change.is_fetching) == (0, True)
    await sued.settle()
    assert await received_titles(sued) == ["Für Süd", "Für alle", "Offen"]
    await compare(nord, sued, clock)
    async with nord.database.read() as tx:
        counts = await nord.ledger.counts(tx, partner.id)
    assert (counts.sent, counts.held, counts.refused) == (3, 3, 0)


async def rule_of_kept_out(node: RunningNode) -> None:
    """Every entry that is kept out is so by VIS-059, for the office, too."""
    (partner,) = await node.partners.list(states={TrustState.ACTIVE})
    async with node.database.read() as tx:
        found = await list_received(
            tx, where=received_entries.c.state == ReceivedState.QUARANTINED.value
        )
    assert found
    for each in found:
        verdict = decide_received(
            each, Origin.of(partner), node.office, node.context.clock.now()
        )
        assert verdict.rule == "VIS-059"


async def test_withdrawals_are_taken_whatever_the_sheet_says(told: Pair) -> None:
    nord, sued = told
    await take(sued, "nord", ACQUAINTANCE)
    for entry in await nord.catalogue.mine(nord.office):
        if entry.state is EntryState.PUBLISHED:
            await nord.catalogue.withdraw(nord.office, entry.id)
    await nord.settle()
    partner = await sued.partner(nord)
    async with sued.database.read() as tx:
        assert await count_received(tx, partner.id, ReceivedState.WITHDRAWN) == 3
    assert await equal(nord, sued)


async def test_a_shorter_lease_hides_earlier_and_retention_removes(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await take(
        sued, "nord", PolicySheet(Preset.PARTNER, lease_days=5, retention_days=3)
    )
    reader = await sued.add_person("sina@sued.example", organisation="Süd AG")

    async def titles() -> list[str]:
        return sorted(
            item.title["de"]
            for item in await Feed(sued.context).all_items(reader, FeedQuery())
        )

    assert await titles() == ["Für Süd", "Für alle", "Offen"]
    clock.advance(days=5)
    assert await titles() == ["Offen"]
    assert await sued.partners.policies.forget_due() == 0
    clock.advance(days=3)
    assert await sued.partners.policies.forget_due() == 2
    assert "Für Süd" not in repr(await sued.tables())
    assert await received_titles(sued) == ["Offen"]
    # The origin is back: what had only lapsed comes anew.
    await sued.settle()
    assert await titles() == ["Für Süd", "Für alle", "Offen"]
    await compare(nord, sued, clock)


# -- versions, ends, refusals ---------------------------------------------------


async def test_after_its_last_day_a_sheet_counts_as_getting_to_know(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    last = clock.now().date() + timedelta(days=30)
    until = PolicySheet(Preset.PARTNER, valid_until=last)
    await give(nord, "sued", until)
    await take(sued, "nord", until)
    assert await nord.partners.policies.remind_due() == 0
    clock.advance(days=16)
    assert await nord.partners.policies.remind_due() == 1
    assert await nord.partners.policies.remind_due() == 0
    assert await nord.mails("policy-ends") == [nord.office.email]
    assert [each.name for each in await nord.partners.policies.ending()] == ["Sued"]
    await compare(nord, sued, clock)
    clock.moment = clock.moment.replace(hour=9) + timedelta(
        days=(last - clock.moment.date()).days
    )
    assert await nord.partners.policies.end_due() == 0
    clock.advance(days=1)
    assert await nord.partners.policies.end_due() == 1
    assert await nord.partners.policies.end_due() == 0
    assert (await nord.partner(sued)).policy_out == ACQUAINTANCE
    assert await lines(nord, sued) == {
        "Offen": UPSERT,
        "Für alle": WITHDRAW,
        "Für Süd": WITHDRAW,
    }
    assert await sued.partners.policies.end_due() == 1
    assert await received_titles(sued) == ["Offen"]
    await nord.settle()
    assert await equal(nord, sued)
    versions = await nord.partners.policies.history((await nord.partner(sued)).id)
    given = [each for each in versions if each.direction is Direction.OUT]
    assert [each.sheet for each in given] == [ACQUAINTANCE, until, USUAL]
    assert [each.author_name for each in given] == [None, nord.office.name, None]
    steps = [
        each.event for each in await nord.partners.events(await nord.partner(sued))
    ]
    assert steps[-2:] == ["policy_out", "policy_out_ended"]


async def test_a_sheet_that_is_over_counts_as_less_before_the_clock_has_looked(
    told: Pair, clock: MovableClock
) -> None:
    nord, sued = told
    await give(
        nord, "sued", PolicySheet(Preset.PARTNER, valid_until=clock.now().date())
    )
    await nord.catalogue.publish(nord.office, offer("Heute noch"))
    clock.advance(days=1)
    await nord.catalogue.publish(nord.office, offer("Zu spät"))
    assert "Zu spät" not in await lines(nord, sued)
    await nord.settle()
    assert await received_titles(sued) == ["Für Süd", "Für alle", "Offen"]


@pytest.mark.parametrize(
    ("direction", "sheet", "path"),
    [
        (Direction.OUT, PolicySheet(Preset.CLOSE, lease_days=3), "lease_days"),
        (Direction.OUT, PolicySheet(Preset.CLOSE, retention_days=3), "retention_days"),
        (Direction.IN, PolicySheet(Preset.CLOSE, lease_days=0), "lease_days"),
        (
            Direction.IN,
            PolicySheet(Preset.CLOSE, lease_days=POLICY_LEASE_DAYS_MAX + 1),
            "lease_days",
        ),
        (
            Direction.OUT,
            PolicySheet(Preset.CLOSE, valid_until=date(2026, 11, 20)),
            "valid_until",
        ),
        (
            Direction.OUT,
            PolicySheet(
                Preset.CLOSE,
                closed_topics=frozenset(str(n) for n in range(POLICY_TOPICS_MAX + 1)),
            ),
            "closed_topics",
        ),
    ],
)
async def test_a_sheet_that_cannot_be_changes_nothing(
    partners: Pair, direction: Direction, sheet: PolicySheet, path: str
) -> None:
    nord, _sued = partners
    before = await nord.tables()
    with pytest.raises(InvalidInputError) as caught:
        await nord.partners.policies.set(
            nord.office, "sued", direction, sheet, reason="a test"
        )
    assert caught.value.path == path
    assert await nord.tables() == before


async def test_nobody_else_sets_rules_and_nobody_without_a_reason(
    partners: Pair,
) -> None:
    nord, sued = partners
    member = await nord.add_person("max@firma.example", organisation="Firma")
    policies = nord.partners.policies
    with pytest.raises(NotAuthorisedError):
        await policies.set(member, "sued", Direction.OUT, CLOSE, reason="me")
    with pytest.raises(InvalidInputError, match="why"):
        await policies.set(nord.office, "sued", Direction.OUT, CLOSE, reason=" ")
    with pytest.raises(ConflictError) as caught:
        await policies.set(nord.office, "sued", Direction.OUT, USUAL, reason="again")
    assert caught.value.code == "policy-unchanged"
    await nord.partners.end(nord.office, "sued")
    with pytest.raises(ConflictError, match="not a partner any more"):
        await policies.set(nord.office, "sued", Direction.OUT, CLOSE, reason="late")
    assert (await sued.partner(nord)).policy_in == USUAL


async def test_a_new_partnership_opens_nothing_that_was_kept_back(
    told: Pair,
) -> None:
    nord, sued = told
    closed = PolicySheet(Preset.PARTNER, closed_kinds=frozenset({"capacity_offer"}))
    await give(nord, "sued", closed)
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    await become_partners(nord, sued)
    assert (await nord.partner(sued)).policy_out == closed
    await nord.settle()
    assert await received_titles(sued) == []


async def test_nothing_of_a_sheet_leaves_the_node(
    told: Pair, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    nord, sued = told
    canary = "Zitronenfalter"
    seen: list[bytes] = []
    exchange = GuardedSession.exchange

    async def listened(self: GuardedSession, request: Any) -> Any:
        answer = await exchange(self, request)
        seen.extend([request.target.encode(), request.body or b"", answer.body])
        return answer

    monkeypatch.setattr(GuardedSession, "exchange", listened)
    sheet = PolicySheet(
        Preset.PARTNER,
        closed_topics=frozenset({canary}),
        closed_kinds=frozenset({"event"}),
    )
    secret = f"weil {canary}"
    for direction in Direction:
        await nord.partners.policies.set(
            nord.office, "sued", direction, sheet, reason=secret
        )
    about = offer("Darüber", topics=[canary.lower()])
    await sued.catalogue.publish(sued.office, about)
    await sued.settle()
    await nord.settle()
    await compare(nord, sued, clock)
    await compare(sued, nord, clock)
    assert canary in repr(await nord.tables())
    assert canary.lower().encode() in b"".join(seen)  # the entry about it
    assert canary.encode() not in b"".join(seen)
    # Its receipts, its answers to questions, and what it sends are all in there.
    theirs = repr(await sued.tables())
    assert secret not in theirs
    assert canary not in theirs
    partner = await sued.partner(nord)
    reasons = {
        line.refused_reason
        async for line in sued.ledger.each_line(partner_id=partner.id)
    }
    assert reasons == {NOT_TAKEN_REASON}
