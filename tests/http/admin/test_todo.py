"""“To be done”: what waits for the office, each with its next step."""

from datetime import date

from federation.trust import TrustState
from node.office import Overview
from node.partners.partner_keys import REQUEST_KEY_ENDED
from node.storage.database import Transaction
from node.storage.mail import mark_failed
from node.storage.partners import update_partner
from tests.http.admin.conftest import Office, offer
from tests.http.nodes import MovableClock

PROFILE = {
    "kind": "expert_profile",
    "title": {"de": "Messtechnik"},
    "summary": {"de": "Interferometrie"},
    "name": "Olga Optik",
    "expertise": ["Messtechnik"],
    "languages": ["de"],
    "offers_as": ["adviser"],
    "valid_until": "2027-06-30",
    "audience": {"level": "trusted"},
}


async def test_nothing_to_do(nord: Office) -> None:
    answer = await nord.get("/admin")
    assert answer.status == 200
    assert "Everything is done." in answer.text


async def test_request_of_a_partner_is_confirmed_in_place(
    nord: Office, sued: Office
) -> None:
    created = await nord.node.partners.invite(nord.person)
    waiting = await sued.node.partners.accept(sued.person, created.code)
    answer = await nord.get("/admin")
    assert "Sued wants to be connected" in answer.text
    assert waiting.check_number in answer.text
    base = await nord.partner_path()
    confirmed = await nord.post(f"{base}/bestaetigen", {"verglichen": "ja"})
    assert (confirmed.status, confirmed.location) == (303, base)
    (partner,) = await nord.node.partners.list()
    assert partner.state is TrustState.ACTIVE
    assert partner.compared_at is not None
    assert "Everything is done." in (await nord.get("/admin")).text


async def test_request_that_cannot_be_answered_any_more_is_made_again(
    nord: Office, sued: Office
) -> None:
    """The host has revoked the key that would confirm it."""
    created = await nord.node.partners.invite(nord.person)
    waiting = await sued.node.partners.accept(sued.person, created.code)
    assert "cannot answer your request" not in (await sued.get("/admin")).text

    async def revoked(tx: Transaction) -> None:
        await update_partner(
            tx,
            waiting.id,
            last_error="The other node has revoked the key.",
            problem_code=REQUEST_KEY_ENDED,
        )

    await sued.node.context.database.write(revoked)
    page = await sued.get("/admin")
    assert "Nord cannot answer your request" in page.text
    assert "Accept the same code again" in page.text
    again = await sued.node.partners.accept(sued.person, created.code)
    assert again.problem_code is None
    assert "cannot answer your request" not in (await sued.get("/admin")).text


async def test_number_that_was_not_compared_stays_until_it_is(
    nord: Office, sued: Office
) -> None:
    created = await nord.node.partners.invite(nord.person)
    await sued.node.partners.accept(sued.person, created.code)
    base = await nord.partner_path()
    await nord.post(f"{base}/bestaetigen")
    answer = await nord.get("/admin")
    assert "Compare the check number with Sued" in answer.text
    assert (await nord.post(f"{base}/verglichen")).status == 303
    assert "Everything is done." in (await nord.get("/admin")).text


async def test_unanswered_conversation_shows_who_waits_and_never_the_text(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    owner = await nord.member("olga@optik.example", "Optik GmbH")
    entry = await nord.node.catalogue.publish(owner, offer())
    await nord.settle()
    asker = await sued.member("adam@laser.example", "Laser AG")
    await sued.node.conversations.answer(asker, entry.uri, "Streng geheime Frage")
    await sued.settle()
    answer = await nord.get("/admin")
    assert "Prüfung von Linsen" in answer.text
    assert "A member of Sued waits for an answer of" in answer.text
    assert "Optik GmbH" in answer.text
    assert "geheime" not in answer.html
    assert "Adam" not in answer.html


async def test_partner_that_is_silent_for_a_day(
    partners: tuple[Office, Office], clock: MovableClock
) -> None:
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    (partner,) = await nord.node.partners.list()

    async def fail(tx: Transaction) -> None:
        await update_partner(
            tx,
            partner.id,
            attempts=9,
            next_attempt_at=clock.now().replace(year=2030),
            last_error=f"{sued.base_url}/inbox: ClientConnectorError: refused",
            problem_code="connection",
            last_failure_at=clock.now(),
        )

    await nord.node.context.database.write(fail)
    clock.advance(hours=23)
    assert "Everything is done." in (await nord.get("/admin")).text
    clock.advance(hours=2)
    answer = await nord.get("/admin")
    assert "Sued does not answer" in answer.text
    assert "cannot be reached" in answer.text
    assert "1 change waits." in answer.text
    assert "ClientConnectorError" not in answer.text
    base = await nord.partner_path()
    assert "ClientConnectorError" in (await nord.get(f"{base}/zustellung")).text

    assert (await nord.post(f"{base}/zustellen")).status == 303
    assert await nord.node.wakeup.wait(0.1) == [partner.id]
    await nord.settle()
    assert "Everything is done." in (await nord.get("/admin")).text


async def test_mails_profiles_and_entries_are_counted(
    nord: Office, clock: MovableClock
) -> None:
    person = await nord.member("olga@optik.example", "Optik GmbH")
    behalf = {"on_behalf_of": {"person": person.email}}
    await nord.node.catalogue.publish(nord.person, {**PROFILE, **behalf})
    ends = date(2026, 11, 27)
    await nord.node.catalogue.publish(nord.person, offer(valid_until=str(ends)))

    async def fail(tx: Transaction) -> None:
        mail = await nord.node.mail.queue(
            tx,
            recipient=person,
            kind="first-password",
            language="de",
            link="https://nord.example/anmelden/x",
            days=14,
        )
        await mark_failed(tx, mail.id, attempts=1, next_attempt_at=None, error="550 no")

    await nord.node.context.database.write(fail)
    answer = await nord.get("/admin")
    assert "1 profile stays home" in answer.text
    assert "1 entry ends within a week" in answer.text
    assert "1 mail could not be sent" in answer.text
    listed = await nord.get("/admin/eintraege?zustand=home")
    assert "Messtechnik" in listed.text
    assert "Prüfung von Linsen" not in listed.text
    assert "stays home: no consent" in listed.text
    ending = await nord.get("/admin/eintraege?zustand=ending")
    assert "Prüfung von Linsen" in ending.text
    assert "Messtechnik" not in ending.text

    on = clock.now().date()
    await nord.node.members.set_consent(nord.person, person.id, on=on, source="Brief")
    assert "stays home" not in (await nord.get("/admin")).text


async def test_counters(partners: tuple[Office, Office]) -> None:
    nord, sued = partners
    await nord.member("olga@optik.example", "Optik GmbH")
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.node.catalogue.publish(nord.person, offer(), draft=True)
    await nord.settle()
    counters = await Overview(nord.node.context).counters()
    assert (counters.members, counters.organisations) == (2, 1)
    assert (counters.entries, counters.partners, counters.delivered) == (1, 1, 1)
    assert sued.node.config.name == "Sued"


async def test_effects_of_a_step(partners: tuple[Office, Office]) -> None:
    nord, sued = partners
    for level in ("cluster", "trusted", "public"):
        await nord.node.catalogue.publish(nord.person, offer(audience={"level": level}))
    await sued.node.catalogue.publish(sued.person, offer())
    await nord.settle()
    await sued.settle()
    (partner,) = await nord.node.partners.list()
    effects = await Overview(nord.node.context).effects(partner)
    assert (effects.told, effects.would_see, effects.held) == (2, 2, 1)
    assert (effects.conversations, effects.waiting_messages) == (0, 0)


async def test_menu_counts_what_waits(nord: Office, sued: Office) -> None:
    assert "waiting</span>" not in (await nord.get("/admin/system")).html
    created = await nord.node.partners.invite(nord.person)
    await sued.node.partners.accept(sued.person, created.code)
    assert "waiting</span>" in (await nord.get("/admin/system")).html
