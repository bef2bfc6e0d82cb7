"""Signing in by link and password, what the cookie is, and signing out."""

from pathlib import Path

import pytest

from tests.http.nodes import MovableClock
from tests.http.pages.sites import PASSWORD, Site, site_of

ANNA = "anna@optik.example"


async def test_first_password_link_sets_a_password_once(lone_site: Site) -> None:
    person, link = await lone_site.node.members.add_person(
        None, email=ANNA, name="Anna", organisation="Optik", send_invitation=True
    )
    assert link is not None
    path = link.removeprefix(lone_site.base_url)
    browser = await lone_site.browser()

    # Mail scanners open links: looking uses nothing up.
    for _time in range(2):
        shown = await browser.get(path)
        assert shown.status == 200
        assert ANNA in shown.text
    short = await browser.post(path, password="zu kurz", again="zu kurz")
    assert short.status == 422
    assert "at least 12 characters" in short.text
    unequal = await browser.post(path, password=PASSWORD, again=f"{PASSWORD}!")
    assert unequal.status == 422
    assert "not the same" in unequal.text

    done = await browser.post(path, password=PASSWORD, again=PASSWORD)
    assert (done.status, done.location) == (303, "/start")
    assert (await browser.get("/start")).status == 200
    again = await browser.get(path)
    assert again.status == 410
    assert "schon benutzt" in again.text  # the browser is signed in as Anna
    assert (await browser.post(path, password=PASSWORD, again=PASSWORD)).status == 410
    assert await lone_site.node.sign_in.sign_in_with_password(ANNA, PASSWORD)
    assert person.email == ANNA


async def test_cookie_is_closed_to_scripts_and_other_sites(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser()
    first = (await browser.sign_in(ANNA)).cookies[
        f"spalier_{lone_site.node.context.node_id}"
    ]
    assert first["httponly"]
    assert first["samesite"] == "Lax"
    assert first["path"] == "/"
    assert not first["secure"]
    second = (await browser.sign_in(ANNA)).cookies[first.key]
    assert second.value != first.value


async def test_cookie_on_https_is_bound_to_the_host(
    tmp_path: Path, clock: MovableClock
) -> None:
    async with site_of(
        tmp_path, "Nord", clock=clock, base_url="https://nord.example"
    ) as site:
        await site.member_with_password(ANNA, "Optik")
        browser = await site.browser(host="nord.example")
        answer = await browser.sign_in(ANNA)
        (name,) = (each for each in answer.cookies if "flash" not in each)
        assert name == f"__Host-spalier_{site.node.context.node_id}"
        assert answer.cookies[name]["secure"]
        assert not answer.cookies[name]["domain"]


async def test_wrong_password_and_unknown_address_look_the_same(
    lone_site: Site,
) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser()
    wrong = await browser.sign_in(ANNA, "falsches passwort")
    unknown = await browser.sign_in("nobody@optik.example", "falsches passwort")
    assert wrong.status == unknown.status == 422
    assert "do not fit together" in wrong.text
    assert wrong.text == unknown.text
    assert ANNA in wrong.html  # what was typed stays


async def test_too_many_tries_are_answered_with_a_wait(lone_site: Site) -> None:
    browser = await lone_site.browser()
    answers = [
        await browser.sign_in("nobody@optik.example", "falsches passwort")
        for _time in range(11)
    ]
    assert [answer.status for answer in answers] == [422] * 10 + [429]
    assert "wait" in answers[-1].text


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/e/abc?x=1", "/e/abc?x=1"),
        ("//evil.example/", "/start"),
        ("https://evil.example/", "/start"),
        ("/\\evil.example", "/start"),
    ],
)
async def test_who_was_led_to_the_door_is_led_back(
    lone_site: Site, wanted: str, reached: str
) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser()
    answer = await browser.post(
        "/anmelden", email=ANNA, password=PASSWORD, weiter=wanted
    )
    assert (answer.status, answer.location) == (303, reached)


async def test_visitors_are_led_to_the_door(lone_site: Site) -> None:
    browser = await lone_site.browser()
    for path in ("/start", "/nachrichten", "/einstellungen"):
        answer = await browser.get(path)
        assert answer.status == 303
        assert answer.location == f"/anmelden?weiter={path}"


async def test_link_by_mail_signs_in_with_a_button(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser()
    known = await browser.post("/anmelden", email=ANNA, weg="link")
    unknown = await browser.post("/anmelden", email="x@optik.example", weg="link")
    assert (known.status, known.location) == (unknown.status, unknown.location)
    assert (known.status, known.location) == (303, "/anmelden/gesendet")
    mails = await lone_site.node.mail.list_mails()
    assert [mail.recipient for mail in mails] == [ANNA]

    path = lone_site.path_in(await lone_site.mail_to(ANNA), "/anmelden/")
    assert (await browser.get(path)).status == 200
    assert (await browser.get("/start")).status == 303
    done = await browser.post(path)
    assert (done.status, done.location) == (303, "/start")
    assert (await browser.get("/start")).status == 200
    assert (await browser.post(path)).status == 410


async def test_old_link_says_that_it_is_too_old(
    lone_site: Site, clock: MovableClock
) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser(language="de")
    await browser.post("/anmelden", email=ANNA, weg="link")
    path = lone_site.path_in(await lone_site.mail_to(ANNA), "/anmelden/")
    clock.advance(minutes=31)
    answer = await browser.post(path)
    assert answer.status == 410
    assert "zu alt" in answer.text
    assert (await browser.get("/start")).status == 303


async def test_signing_out_ends_the_session_itself(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik")
    browser = await lone_site.browser()
    name = f"spalier_{lone_site.node.context.node_id}"
    token = (await browser.sign_in(ANNA)).cookies[name].value
    answer = await browser.post("/abmelden")
    assert (answer.status, answer.location) == (303, "/")
    assert (await browser.get("/start")).status == 303
    assert await lone_site.node.sign_in.session(token) is None


async def test_link_of_a_reminder_does_not_sign_in(lone_site: Site) -> None:
    anna = await lone_site.member_with_password(ANNA, "Optik")
    await lone_site.publish(anna, valid_until="2026-11-25")
    await lone_site.node.catalogue.remind_due()
    path = lone_site.path_in(await lone_site.mail_to(ANNA), "/bestaetigen/")
    token = path.removeprefix("/bestaetigen/")
    browser = await lone_site.browser()
    assert (await browser.get(f"/anmelden/{token}")).status == 404
    assert (await browser.post(f"/anmelden/{token}")).status == 404
    assert (await browser.get("/start")).status == 303
