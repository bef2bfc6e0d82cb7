"""Answers: from the entry's page to the owner on another node and back."""

from node.conversations.model import Conversation
from tests.http.pages.sites import Site

ANNA = "anna@optik.example"
BEN = "ben@metall.example"
CLEO = "cleo@anders.example"


async def _only_thread(site: Site, email: str) -> Conversation:
    person = await site.node.members.person_by_email(email)
    (thread,) = await site.node.conversations.list_for(person)
    return thread


async def test_answer_reaches_the_owner_and_the_reply_comes_back(
    two_sites: tuple[Site, Site],
) -> None:
    nord, sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    await sued.member(BEN, "Metall Süd")
    await nord.publish(anna, title={"en": "Lens tests"})
    await nord.settle()
    asker = await sued.signed_in(BEN)
    copy = (await asker.get("/start")).html.partition('href="/e/')[2].partition('"')[0]

    empty = await asker.post(f"/e/{copy}/antworten", text="  ")
    assert empty.status == 422
    sent = await asker.post(f"/e/{copy}/antworten", text="Is Thursday free?")
    assert sent.status == 303
    waiting = await asker.get(sent.location)
    assert "Is Thursday free?" in waiting.text
    assert "waiting to be delivered" in waiting.text
    await sued.settle()
    assert "waiting" not in (await asker.get(sent.location)).text
    assert "delivered" in (await asker.get(sent.location)).text

    owner = await nord.signed_in(ANNA)
    assert "Messages 1" in (await owner.get("/start")).header
    inbox = await owner.get("/nachrichten")
    assert "Ben, Metall Süd" in inbox.text
    assert "Sued · Lens tests" in inbox.text
    assert "1 unread" in inbox.text
    path = f"/nachrichten/{(await _only_thread(nord, ANNA)).id}"
    read = await owner.get(path)
    assert "Is Thursday free?" in read.text
    assert "Messages 1" not in (await owner.get("/start")).header
    replied = await owner.post(path, text="Yes, at nine.")
    assert replied.status == 303
    await nord.settle()
    thread = await asker.get(sent.location)
    assert "Yes, at nine." in thread.text
    continued = await asker.get(f"/e/{copy}")
    assert "Continue the conversation" in continued.text


async def test_waiting_message_says_that_the_partner_does_not_answer(
    two_sites: tuple[Site, Site],
) -> None:
    nord, sued = two_sites
    anna = await nord.member(ANNA, "Optik Nord")
    await sued.member(BEN, "Metall Süd")
    await nord.publish(anna)
    await nord.settle()
    asker = await sued.signed_in(BEN, language="de")
    copy = (await asker.get("/start")).html.partition('href="/e/')[2].partition('"')[0]
    sent = await asker.post(f"/e/{copy}/antworten", text="Ist Donnerstag frei?")
    await nord.stack.aclose()
    await sued.settle()
    words = "Der Partner-Cluster antwortet zurzeit nicht"
    assert words in (await asker.get(sent.location)).text
    assert words in (await asker.get("/nachrichten")).text
    assert "zurzeit nicht erreichbar" in (await asker.get("/start")).text


async def test_answer_within_one_node(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.member(CLEO, "Andere")
    entry = await lone_site.publish(anna)
    asker = await lone_site.signed_in(CLEO)
    assert "goes to" in (await asker.get(f"/e/{entry.id}")).text
    sent = await asker.post(f"/e/{entry.id}/antworten", text="Hello")
    page = await asker.get(sent.location)
    assert "Anna, Optik Nord" in page.text
    owner = await lone_site.signed_in(ANNA)
    assert "Cleo, Andere" in (await owner.get(f"/e/{entry.id}")).text
    assert "Write an answer" not in (await owner.get(f"/e/{entry.id}")).text
    own = await owner.post(f"/e/{entry.id}/antworten", text="Hello me")
    assert own.status == 409
    assert "your own entry" in own.text


async def test_conversations_of_others_do_not_exist(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.member(BEN, "Metall Süd")
    await lone_site.member(CLEO, "Andere")
    entry = await lone_site.publish(anna)
    asker = await lone_site.signed_in(BEN)
    sent = await asker.post(f"/e/{entry.id}/antworten", text="Hello")
    other = await lone_site.signed_in(CLEO)
    assert (await other.get(sent.location)).status == 404
    assert (await other.post(sent.location, text="Hi")).status == 404
    page = await other.get("/nachrichten")
    assert "No messages yet" in page.text
    assert "Messages 1" not in page.header


async def test_long_message_is_refused_and_kept(lone_site: Site) -> None:
    anna = await lone_site.member(ANNA, "Optik Nord")
    await lone_site.member(CLEO, "Andere")
    entry = await lone_site.publish(anna)
    asker = await lone_site.signed_in(CLEO)
    answer = await asker.post(f"/e/{entry.id}/antworten", text="x" * 8001)
    assert answer.status == 422
    assert "x" * 8001 in answer.html
    assert await lone_site.node.conversations.list_for(anna) == []
