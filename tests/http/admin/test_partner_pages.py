"""Partner clusters: invite, enter a code, decide, pause, end, look."""

import html

import pytest

from federation.trust import TrustState
from tests.http.admin.conftest import Office, offer
from tests.http.nodes import MovableClock


async def code_of(office: Office, *, note: str = "Netz Süd") -> tuple[str, str]:
    """Make a code on the page; return its page and the code."""
    form = {"days": "7", "note": note, "preset": "partner"}
    sent = await office.post("/admin/partner/einladen", form)
    assert sent.status == 303
    page = await office.get(sent.location)
    code = page.html.partition('<code id="code">')[2].partition("</code>")[0]
    return sent.location, html.unescape(code)


async def test_empty_list_says_how_to_begin(nord: Office) -> None:
    answer = await nord.get("/admin/partner")
    assert "No partner clusters yet" in answer.text
    assert "How two clusters become partners" in answer.text
    assert 'href="/admin/partner/einladen"' in answer.html
    assert 'href="/admin/partner/code"' in answer.html


async def test_from_invitation_to_partnership_on_the_pages(
    nord: Office, sued: Office
) -> None:
    _page, code = await code_of(nord)
    preview = await sued.post("/admin/partner/code", {"code": code.lower()})
    assert preview.status == 200
    assert "Nord invites you" in preview.text
    assert "Photonik" in preview.text
    assert nord.node.context.signer.key.public_key.fingerprint in preview.text
    assert await sued.node.partners.list() == []

    accepted = await sued.post(
        "/admin/partner/code/annehmen", {"code": preview.value("code")}
    )
    guest = await sued.partner_path()
    assert (accepted.status, accepted.location) == (303, guest)
    assert "waits for the other office" in (await sued.get(guest)).text

    host = await nord.partner_path()
    number = (await nord.node.partners.list())[0].check_number
    for page in (await nord.get(host), await sued.get(guest), preview):
        assert number in page.text
    looked_at = await nord.get(host)
    sent = {name: looked_at.value(name) for name in ("anfrage", "pruefzahl")}
    assert sent["pruefzahl"] == number
    stale = {"verglichen": "ja", **sent, "anfrage": f"{sent['anfrage']}x"}
    await nord.post(f"{host}/bestaetigen", stale)
    assert (await nord.node.partners.list())[0].state is TrustState.REQUESTED
    await nord.post(f"{host}/bestaetigen", {"verglichen": "ja", **sent})
    await nord.settle()
    assert (await sued.node.partners.list())[0].state is TrustState.ACTIVE
    listed = (await sued.get("/admin/partner")).text
    assert "connected This cluster has invited you." in listed
    assert "Check number not compared" in listed


async def test_open_invitation_is_listed_and_taken_back(
    nord: Office, sued: Office
) -> None:
    page, code = await code_of(nord)
    shown = await nord.get("/admin/partner")
    assert "Netz Süd" in shown.text
    assert code.partition("/")[2][:5] in shown.text
    secret = code.partition("/")[2]
    assert secret not in shown.html
    taken = await nord.post(f"{page}/zurueckziehen")
    assert (taken.status, taken.location) == (303, "/admin/partner")
    assert (await nord.get(page)).status == 404
    refused = await sued.post("/admin/partner/code/annehmen", {"code": code})
    assert refused.status == 422
    assert "has taken the code back" in refused.text
    assert await sued.node.partners.list() == []


async def test_expired_invitation_is_gone_from_the_list(
    nord: Office, clock: MovableClock
) -> None:
    page, _code = await code_of(nord)
    clock.advance(days=7, seconds=1)
    assert "Netz Süd" not in (await nord.get("/admin/partner")).text
    assert (await nord.get(page)).status == 404


@pytest.mark.parametrize("days", ["0", "61", "viele", ""])
async def test_days_out_of_range_are_named_and_kept(nord: Office, days: str) -> None:
    answer = await nord.post("/admin/partner/einladen", {"days": days, "note": "Süd"})
    assert answer.status == 422
    assert 'value="Süd"' in answer.html
    assert await nord.node.partners.list_invitations() == []


async def test_mistyped_code_names_the_group(nord: Office, sued: Office) -> None:
    _page, code = await code_of(nord)
    host, _slash, groups = code.partition("/")
    parts = groups.split("-")
    parts[2] = ("7" if parts[2][0] != "7" else "8") + parts[2][1:]
    wrong = f"{host}/{'-'.join(parts)}"
    answer = await sued.post("/admin/partner/code", {"code": wrong})
    assert answer.status == 422
    assert "Group 3 of the code" in answer.text
    assert wrong in html.unescape(answer.html)


@pytest.mark.parametrize("code", ["", "Hallo", "nord.example/ABC"])
async def test_what_is_no_code(nord: Office, code: str) -> None:
    answer = await nord.post("/admin/partner/code", {"code": code})
    assert answer.status == 422
    assert "error-summary" in answer.html


async def test_own_code(nord: Office) -> None:
    _page, code = await code_of(nord)
    answer = await nord.post("/admin/partner/code", {"code": code})
    assert answer.status == 422
    assert "code of your own node" in answer.text


async def test_refusing_tells_the_other_office_why(nord: Office, sued: Office) -> None:
    _page, code = await code_of(nord)
    await sued.post("/admin/partner/code/annehmen", {"code": code})
    base = await nord.partner_path()
    assert "is told that you refuse" in (await nord.get(f"{base}/ablehnen")).text
    sent = await nord.post(f"{base}/ablehnen", {"reason": "Bitte erst im Frühjahr"})
    assert sent.status == 303
    await nord.settle()
    history = await sued.get(f"{await sued.partner_path()}/verlauf")
    assert "Nord has refused your request." in history.text
    assert "Reason: Bitte erst im Frühjahr" in history.text
    assert "No partner clusters yet" in (await nord.get("/admin/partner")).text
    assert "Sued" in (await nord.get("/admin/partner?frueher")).text


async def test_balance_says_what_went_and_what_is_held(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    for title in ("Eins", "Zwei"):
        await nord.node.catalogue.publish(nord.person, offer(title={"de": title}))
    assert "Waits for delivery: 2 entries." in (await nord.get("/admin/partner")).text
    await nord.settle()
    listed = await nord.get("/admin/partner")
    assert (
        "In sync: 2 sent = 2 held + 0 refused by their rules · checksums equal,"
        " checked 11:00" in listed.text
    )
    base = await nord.partner_path()
    contents = await nord.get(f"{base}/inhalte")
    assert "Eins" in contents.text
    assert contents.text.count("confirmed") >= 2
    assert (
        "Nothing in this state."
        in (await nord.get(f"{base}/inhalte?stand=refused")).text
    )


async def test_pause_and_resume_say_what_they_do(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await sued.node.catalogue.publish(sued.person, offer())
    await nord.settle()
    await sued.settle()
    base = await nord.partner_path()
    page = await nord.get(f"{base}/pausieren")
    assert "1 of your entries stays with Sued" in page.text
    assert "1 entry of Sued stays visible to your members." in page.text
    assert (await nord.post(f"{base}/pausieren")).status == 303
    assert (await nord.node.partners.list())[0].state is TrustState.PAUSED
    again = await nord.post(f"{base}/pausieren")
    assert (again.status, again.location) == (303, base)
    assert "may see 1 of your entries" in (await nord.get(f"{base}/fortsetzen")).text
    assert (await nord.post(f"{base}/fortsetzen")).status == 303
    assert (await nord.node.partners.list())[0].state is TrustState.ACTIVE


async def test_ending_takes_everything_back(partners: tuple[Office, Office]) -> None:
    nord, sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    base = await nord.partner_path()
    page = await nord.get(f"{base}/beenden")
    assert "1 of your entries is taken back from Sued." in page.text
    assert (await nord.post(f"{base}/beenden", {"reason": "Umbau"})).status == 303
    for _round in range(3):
        await nord.settle()
    (partner,) = await nord.node.partners.list()
    assert partner.state is TrustState.ENDED
    contents = await nord.get("/admin/zustellung?stand=withdrawn")
    assert "taken back, confirmed" in contents.text
    history = await nord.get(f"{base}/verlauf")
    assert "ended the partnership." in history.text
    assert "Reason: Umbau" in history.text
    assert (await sued.node.partners.list())[0].state is TrustState.ENDED


async def test_partner_that_cannot_be_reached_is_closed_without_confirmation(
    partners: tuple[Office, Office],
) -> None:
    nord, _sued = partners
    await nord.node.catalogue.publish(nord.person, offer())
    await nord.settle()
    base = await nord.partner_path()
    assert (await nord.get(f"{base}/abschliessen")).status == 303
    assert "abschliessen" not in (await nord.get(base)).html
    await nord.post(f"{base}/beenden")
    assert f'href="{base}/abschliessen"' in (await nord.get(base)).html
    page = await nord.get(f"{base}/abschliessen")
    assert "What Sued has not confirmed stays listed as not confirmed" in page.text
    assert (await nord.post(f"{base}/abschliessen")).status == 303
    assert (await nord.node.partners.list())[0].state is TrustState.ENDED
    history = await nord.get(f"{base}/verlauf")
    assert "closed the partnership without confirmation." in history.text


async def test_too_long_reason_is_refused(partners: tuple[Office, Office]) -> None:
    nord, _sued = partners
    base = await nord.partner_path()
    answer = await nord.post(f"{base}/beenden", {"reason": "x" * 301})
    assert answer.status == 422
    assert (await nord.node.partners.list())[0].state is TrustState.ACTIVE


async def test_words_of_a_partner_are_shown_as_text(nord: Office, sued: Office) -> None:
    """A card is the other's text: it must never become a part of our page."""
    _page, code = await code_of(nord, note="<b>Süd</b>")
    assert "&lt;b&gt;Süd&lt;/b&gt;" in (await nord.get("/admin/partner")).html
    await sued.post("/admin/partner/code/annehmen", {"code": code})
    base = await nord.partner_path()
    await nord.post(f"{base}/ablehnen", {"reason": "<script>alert(1)</script>"})
    history = await nord.get(f"{base}/verlauf")
    assert "<script>alert" not in history.html
    assert "<script>alert(1)</script>" in history.text


async def test_deliveries_are_filtered_and_paged(
    partners: tuple[Office, Office],
) -> None:
    nord, sued = partners
    for number in range(51):
        await nord.node.catalogue.publish(
            nord.person, offer(title={"de": f"Nummer {number:03}"})
        )
    first = await nord.get("/admin/zustellung")
    assert first.text.count("Nummer") == 50
    assert "not confirmed yet 51" in first.text
    second = await nord.get("/admin/zustellung?seite=2")
    assert second.text.count("Nummer") == 1
    assert (await nord.get("/admin/zustellung?seite=999")).text.count("Nummer") == 1
    assert (await nord.get("/admin/zustellung?seite=-1")).status == 200
    none = await nord.get("/admin/zustellung?stand=confirmed")
    assert "Nothing in this state." in none.text
    assert sued.node.config.name == "Sued"
