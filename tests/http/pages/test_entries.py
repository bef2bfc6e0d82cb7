"""An entry's page, the steps of its owner, the reminder's link, the calendar."""

from datetime import date

import icalendar

from node.members.model import Role
from tests.http.nodes import MovableClock
from tests.http.pages.sites import Site

ANNA = "anna@optik.example"
BEN = "ben@metall.example"
CLEO = "cleo@anders.example"
EVENT = {
    "kind": "event",
    "title": {"de": "Arbeitskreis Optik"},
    "summary": {"de": "Drei Vorträge, ein Rundgang."},
    "starts": "2027-03-27T10:00:00",
    "ends": "2027-03-28T12:30:00",
    "timezone": "Europe/Berlin",
    "format": "working_group",
    "attendance": "onsite",
    "location": {"name": "Haus der Optik", "city": "Wetzlar", "country": "DE"},
    "audience": {"level": "public"},
}


async def test_owner_reads_who_was_told_and_who_confirmed(
    two_sites: tuple[Site, Site],
) -> None:
    nord, _sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    await nord.member(CLEO, "Andere")
    entry = await nord.publish(anna)
    owner = await nord.signed_in(ANNA)
    before = await owner.get(f"/e/{entry.id}")
    assert "Members of your cluster and 1 partner cluster." in before.text
    assert "By name: Sued." in before.text
    assert "Sued show it (version 1) not yet waiting to be delivered" in before.text
    await nord.settle()
    after = await owner.get(f"/e/{entry.id}")
    assert "confirmed" in after.text

    colleague = await nord.signed_in(CLEO)
    seen = await colleague.get(f"/e/{entry.id}")
    assert "Members of your cluster and 1 partner cluster." in seen.text
    assert "What partner clusters were told" not in seen.text
    assert "Withdraw" not in seen.text


async def test_step_pages_name_who_is_asked_and_then_it_happens(
    two_sites: tuple[Site, Site],
) -> None:
    nord, sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    await sued.member(BEN, "Metall Süd")
    entry = await nord.publish(anna, title={"en": "Lens tests"})
    await nord.settle()
    reader = await sued.signed_in(BEN)
    copy = (await reader.get("/start")).html.partition('href="/e/')[2].partition('"')[0]
    shown = await reader.get(f"/e/{copy}")
    assert shown.status == 200
    assert "Nord shared it with your cluster; it is not passed on." in shown.text

    owner = await nord.signed_in(ANNA)
    question = await owner.get(f"/e/{entry.id}/zurueckziehen")
    assert "1 partner cluster is asked to remove it: Sued." in question.text
    assert (await reader.get(f"/e/{copy}")).status == 200
    done = await owner.post(f"/e/{entry.id}/zurueckziehen")
    assert (done.status, done.location) == (303, f"/e/{entry.id}")
    await nord.settle()
    assert (await reader.get(f"/e/{copy}")).status == 404
    assert "Lens tests" not in (await reader.get("/start")).html
    after = await owner.get(f"/e/{entry.id}")
    assert "withdrawn" in after.text
    assert "Sued remove it" in after.text
    again = await owner.get(f"/e/{entry.id}/gefunden")
    assert again.status == 409


async def test_deleted_entry_is_gone(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    entry = await lone_site.publish(anna)
    owner = await lone_site.signed_in(ANNA)
    question = await owner.get(f"/e/{entry.id}/loeschen")
    assert "No partner cluster was told of it" in question.text
    done = await owner.post(f"/e/{entry.id}/loeschen")
    assert (done.status, done.location) == (303, "/meine")
    assert (await owner.get(f"/e/{entry.id}")).status == 404


async def test_only_who_is_responsible_closes_an_entry(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.member(CLEO, "Andere")
    await lone_site.member("office2@nord.example", "Büro", role=Role.OFFICE)
    entry = await lone_site.publish(anna)
    other = await lone_site.signed_in(CLEO, language="de")
    refused = await other.get(f"/e/{entry.id}/zurueckziehen")
    assert refused.status == 403
    assert "jemand anders zuständig" in refused.text
    assert (await other.post(f"/e/{entry.id}/loeschen")).status == 403
    office = await lone_site.signed_in("office2@nord.example")
    assert (await office.post(f"/e/{entry.id}/gefunden")).status == 303
    assert "done" in (await office.get(f"/e/{entry.id}")).text


async def test_reminder_link_confirms_with_a_button_once(
    lone_site: Site, clock: MovableClock
) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    entry = await lone_site.publish(anna, valid_until="2026-11-25")
    await lone_site.node.catalogue.remind_due()
    path = lone_site.path_in(await lone_site.mail_to(ANNA), "/bestaetigen/")
    visitor = await lone_site.browser()
    for _time in range(2):
        question = await visitor.get(path)
        assert question.status == 200
        assert "another 90 days" in question.text
    unchanged, _verdict = await lone_site.node.catalogue.show(anna, entry.id)
    assert unchanged.valid_until == date(2026, 11, 25)
    thanks = await visitor.post(path)
    assert thanks.status == 200
    stored, _verdict = await lone_site.node.catalogue.show(anna, entry.id)
    assert stored.valid_until is not None
    assert (stored.valid_until - clock.now().date()).days == 90
    assert (await visitor.post(path)).status == 410
    assert (await visitor.get("/start")).status == 303


async def test_calendar_file_replaces_its_earlier_version(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    entry = await lone_site.node.catalogue.publish(anna, EVENT)
    visitor = await lone_site.browser(language="de")
    page = await visitor.get(f"/e/{entry.id}")
    assert "27. März 2027, 10:00" in page.text
    assert f'href="/e/{entry.id}.ics"' in page.html

    answer = await visitor.get(f"/e/{entry.id}.ics")
    assert answer.headers["Content-Type"] == "text/calendar; charset=utf-8"
    calendar = icalendar.Calendar.from_ical(answer.body)
    (event,) = calendar.events
    assert str(event["uid"]) == entry.uri
    assert event["sequence"] == 1
    assert event.start.utcoffset().total_seconds() == 3600
    # Summer time begins in the night between the two days.
    assert event.end.utcoffset().total_seconds() == 7200
    assert [str(zone["tzid"]) for zone in calendar.timezones] == ["Europe/Berlin"]
    assert str(event["location"]) == "Haus der Optik, Wetzlar, Deutschland"

    later = {**EVENT, "status": "cancelled"}
    await lone_site.node.catalogue.publish(anna, later, entry_ref=entry.id)
    changed = icalendar.Calendar.from_ical(
        (await visitor.get(f"/e/{entry.id}.ics")).body
    )
    (event,) = changed.events
    assert str(event["uid"]) == entry.uri
    assert event["sequence"] == 2
    assert event["status"] == "CANCELLED"


async def test_calendar_file_of_a_hidden_event_or_another_kind_is_absent(
    lone_site: Site,
) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    hidden = await lone_site.node.catalogue.publish(
        anna, {**EVENT, "audience": {"level": "cluster"}}
    )
    offer = await lone_site.publish(anna, audience={"level": "public"})
    visitor = await lone_site.browser()
    assert (await visitor.get(f"/e/{hidden.id}.ics")).status == 404
    assert (await visitor.get(f"/e/{offer.id}.ics")).status == 404
    member = await lone_site.signed_in(ANNA)
    assert (await member.get(f"/e/{hidden.id}.ics")).status == 200
