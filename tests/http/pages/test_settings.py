"""Settings: language, password, sessions, what is known of the person."""

import io
import json
import zipfile
from datetime import date

from tests.http.pages.sites import PASSWORD, Site

ANNA = "anna@optik.example"
NEW = "neue worte wachsen nach"


async def test_language_is_kept_for_the_person(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik Nord")
    browser = await lone_site.signed_in(ANNA, language="en")
    assert "Settings" in (await browser.get("/einstellungen")).text
    await browser.post("/sprache", language="de", back="/einstellungen")
    stored = await lone_site.node.members.person_by_email(ANNA)
    assert stored.language == "de"
    elsewhere = await lone_site.browser(language="en")
    await elsewhere.sign_in(ANNA)
    assert "Einstellungen" in (await elsewhere.get("/einstellungen")).text


async def test_new_password_needs_the_present_one_and_ends_other_sessions(
    lone_site: Site,
) -> None:
    await lone_site.member_with_password(ANNA, "Optik Nord")
    here = await lone_site.signed_in(ANNA)
    there = await lone_site.signed_in(ANNA)
    path = "/einstellungen/passwort"
    wrong = await here.post(path, current="falsch", password=NEW, again=NEW)
    assert wrong.status == 422
    assert "not your present password" in wrong.text
    missing = await here.post(path, password=NEW, again=NEW)
    assert missing.status == 422
    weak = await here.post(path, current=PASSWORD, password="kurz", again="kurz")
    assert weak.status == 422
    assert "at least 12 characters" in weak.text
    assert (await there.get("/start")).status == 200

    done = await here.post(path, current=PASSWORD, password=NEW, again=NEW)
    assert (done.status, done.location) == (303, "/einstellungen")
    assert (await here.get("/start")).status == 200
    assert (await there.get("/start")).status == 303
    assert (await there.sign_in(ANNA)).status == 422
    assert (await there.sign_in(ANNA, NEW)).status == 303


async def test_all_other_devices_are_signed_out(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik Nord")
    here = await lone_site.signed_in(ANNA)
    there = await lone_site.signed_in(ANNA)
    assert (await here.post("/einstellungen/sitzungen")).status == 303
    assert (await here.get("/start")).status == 200
    assert (await there.get("/start")).status == 303


async def test_consent_is_said_in_words(lone_site: Site) -> None:
    anna = await lone_site.member_with_password(ANNA, "Optik Nord")
    browser = await lone_site.signed_in(ANNA)
    before = await browser.get("/einstellungen")
    assert "No consent is recorded" in before.text
    office = await lone_site.node.members.office_person()
    await lone_site.node.members.set_consent(
        office, anna.id, on=date(2026, 9, 2), source="form"
    )
    after = await browser.get("/einstellungen")
    assert "On 2 September 2026 you agreed" in after.text


async def test_a_member_takes_the_own_data_away(lone_site: Site) -> None:
    await lone_site.member_with_password(ANNA, "Optik Nord")
    browser = await lone_site.signed_in(ANNA)
    got = await browser.post("/einstellungen/daten")
    assert got.status == 200
    assert got.headers["Content-Type"] == "application/zip"
    assert got.headers["Cache-Control"] == "private, no-store"
    with zipfile.ZipFile(io.BytesIO(got.body)) as archive:
        document = json.loads(archive.read("daten.json"))
    assert document["person"]["email"] == ANNA
    stranger = await lone_site.browser()
    assert (await stranger.post("/einstellungen/daten")).status in {302, 303}
