"""Policy sheets on the office's pages: look, try out, set, without JavaScript."""

from node.visibility.policy import ACQUAINTANCE, PolicySheet, Preset, Profiles
from tests.http.admin.conftest import Office, connect, offer
from tests.http.nodes import MovableClock

REASON = {"reason": "Wir lernen uns erst kennen."}
LOWER = {"preset": "acquaintance", "profiles": "", "chiffre": "", **REASON}


async def rules(office: Office) -> str:
    """Address of the rules of the only partner."""
    return f"{await office.partner_path()}/regeln"


async def test_both_directions_stand_side_by_side(nord: Office, sued: Office) -> None:
    await connect(nord, sued)
    page = await nord.get(await rules(nord))
    assert page.status == 200
    assert "What we give Sued Partner" in page.text
    assert "We give what is public and what is for partner clusters." in page.text
    assert "What Sued gives us Partner" in page.text
    assert "To begin with, we give Sued: Partner" in page.text
    overview = await nord.get(await nord.partner_path())
    assert f'href="{await rules(nord)}"' in overview.html


async def test_the_effect_is_shown_before_anything_changes(
    nord: Office, sued: Office
) -> None:
    await connect(nord, sued)
    for title in ("Messplatz", "Presse"):
        await nord.node.catalogue.publish(nord.person, offer(title={"de": title}))
    await nord.settle()
    sheet = f"{await rules(nord)}/geben"
    form = await nord.get(sheet)
    assert (form.status, "Let these rules count" in form.text) == (200, False)
    shown = await nord.post(sheet, {**LOWER, "schritt": "ansehen"})
    assert shown.status == 200
    assert "Affects 2 entries." in shown.text
    assert "2 become invisible there: they are taken back." in shown.text
    assert "Messplatz visible invisible" in shown.text
    assert "VIS-064" in shown.text
    (partner,) = await nord.node.partners.list()
    assert partner.policy_out == PolicySheet(Preset.PARTNER)

    sent = {name: shown.value(name) for name in ("preset", "reason")}
    saved = await nord.post(sheet, {**sent, "schritt": "speichern"})
    assert (saved.status, saved.location) == (303, await rules(nord))
    (partner,) = await nord.node.partners.list()
    assert partner.policy_out == ACQUAINTANCE
    page = await nord.get(await rules(nord))
    assert "decided that we give Sued: Getting to know" in page.text
    assert REASON["reason"] in page.text
    history = await nord.get(f"{await nord.partner_path()}/verlauf")
    assert "set the rules for what Sued gets" in history.text


async def test_what_was_filled_in_can_be_changed_again(
    nord: Office, sued: Office
) -> None:
    await connect(nord, sued)
    sheet = f"{await rules(nord)}/nehmen"
    sent = {
        **LOWER,
        "preset": "close",
        "profiles": "organisations",
        "closed_kinds": "event",
        "closed_topics": "Laser, Optik",
        "lease_days": "7",
        "retention_days": "30",
        "valid_until": "2027-03-31",
    }
    shown = await nord.post(sheet, {**sent, "schritt": "ansehen"})
    assert "Not taken: Event." in shown.text
    assert "Nothing about these topics is taken: Laser, Optik." in shown.text
    back = await nord.post(sheet, {**sent, "schritt": "aendern"})
    assert 'value="Laser, Optik"' in back.html
    assert "open" in back.html.partition('<details class="more"')[2][:6]
    await nord.post(sheet, {**sent, "schritt": "speichern"})
    (partner,) = await nord.node.partners.list()
    taken = partner.policy_in
    assert (taken.preset, taken.profiles) == (Preset.CLOSE, Profiles.ORGANISATIONS)
    assert taken.closed_topics == {"Laser", "Optik"}
    assert (taken.lease_days, taken.retention_days) == (7, 30)
    assert str(taken.valid_until) == "2027-03-31"


async def test_without_a_reason_or_a_level_nothing_is_saved(
    nord: Office, sued: Office
) -> None:
    await connect(nord, sued)
    sheet = f"{await rules(nord)}/geben"
    for missing in ("reason", "preset"):
        sent = {**LOWER, missing: "", "schritt": "speichern"}
        answer = await nord.post(sheet, sent)
        assert answer.status == 422
    wrong = {**LOWER, "preset": "friends", "schritt": "speichern"}
    assert (await nord.post(sheet, wrong)).status == 422
    past = {**LOWER, "valid_until": "2020-01-01", "schritt": "speichern"}
    answer = await nord.post(sheet, past)
    assert answer.status == 422
    assert "The last day of the rules is over already." in answer.text
    (partner,) = await nord.node.partners.list()
    assert partner.policy_out == PolicySheet(Preset.PARTNER)


async def test_rules_that_end_soon_are_something_to_be_done(
    nord: Office, sued: Office, clock: MovableClock
) -> None:
    await connect(nord, sued)
    last = clock.now().date().replace(month=12, day=20)
    sent = {**LOWER, "preset": "close", "valid_until": last.isoformat()}
    await nord.post(f"{await rules(nord)}/geben", {**sent, "schritt": "speichern"})
    assert "The rules for Sued end" not in (await nord.get("/admin")).text
    clock.advance(days=20)
    assert "The rules for Sued end" in (await nord.get("/admin")).text


async def test_the_check_number_is_asked_for_until_it_was_compared(
    nord: Office, sued: Office
) -> None:
    created = await nord.node.partners.invite(nord.person)
    await sued.node.partners.accept(sued.person, created.code)
    await nord.node.partners.confirm(nord.person, sued.base_url)
    page = await nord.get(await rules(nord))
    assert "You have not compared the check number with Sued yet." in page.text
    assert "We give public entries only." in page.text
    assert "only public entries go back and forth" in (await nord.get("/admin")).text
    compared = await nord.post(f"{await nord.partner_path()}/verglichen")
    assert compared.status == 303
    assert "We give what is public" in (await nord.get(await rules(nord))).text


async def test_an_invitation_names_the_level(nord: Office, sued: Office) -> None:
    sent = await nord.post(
        "/admin/partner/einladen", {"days": "7", "note": "", "preset": "close"}
    )
    assert sent.status == 303
    (invitation,) = await nord.node.partners.list_invitations()
    assert invitation.preset is Preset.CLOSE
