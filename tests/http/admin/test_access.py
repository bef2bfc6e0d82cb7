"""The office's pages are for the office."""

import pytest

from tests.http.admin.conftest import Office


def addresses(office: Office) -> list[tuple[str, str]]:
    """Every address below /admin with each method it answers to."""
    found = set()
    for route in office.app.router.routes():
        resource = route.resource
        assert resource is not None
        path = resource.canonical
        if path.startswith("/admin") and route.method != "HEAD":
            for name, value in (
                ("{partner_id}", "x"),
                ("{invitation_id}", "x"),
                ("{person_id}", "x"),
                ("{mail_id}", "x"),
                ("{entry_id}", "x"),
                ("{receipt_id}", "x"),
                ("{list}", "personen"),
                ("{step}", "pausieren"),
                ("{key_step}", "wechseln"),
                ("{kind}", "event"),
                ("{direction}", "geben"),
                ("{group_id}", "x"),
                ("{member_id}", "x"),
            ):
                path = path.replace(name, value)
            assert "{" not in path
            found.add((route.method, path))
    return sorted(found)


async def test_members_are_refused_at_every_address(nord: Office) -> None:
    member = await nord.member("anna@optik.example", "Optik GmbH")
    known = addresses(nord)
    assert len(known) >= 40
    for method, path in known:
        ask = nord.get if method == "GET" else nord.post
        answer = await ask(path, who=member.email)
        assert answer.status == 403, (method, path, answer.status)


async def test_visitors_are_led_to_the_sign_in_page_at_every_address(
    nord: Office,
) -> None:
    for method, path in addresses(nord):
        ask = nord.get if method == "GET" else nord.post
        answer = await ask(path, who="")
        assert answer.status == 303, (method, path, answer.status)
        assert answer.location.startswith("/anmelden?")


async def test_forms_of_other_sites_change_nothing(nord: Office) -> None:
    async with nord.session.post(
        f"{nord.base_url}/admin/partner/einladen",
        data={"days": "7"},
        headers={"X-Acting-Person": nord.person.email, "Sec-Fetch-Site": "cross-site"},
    ) as response:
        assert response.status == 403
    assert await nord.node.partners.list_invitations() == []


@pytest.mark.parametrize(
    "path", ["/admin/partner/x", "/admin/post/x", "/admin/mitglieder/person/x"]
)
async def test_what_is_not_there_is_not_found(nord: Office, path: str) -> None:
    assert (await nord.get(path)).status == 404


async def test_menu_shows_the_office_to_the_office_only(nord: Office) -> None:
    member = await nord.member("anna@optik.example", "Optik GmbH")
    assert 'href="/admin"' in (await nord.get("/clusterverzeichnis")).html
    shown = await nord.get("/clusterverzeichnis", who=member.email)
    assert shown.status == 200
    assert 'href="/admin"' not in shown.html
