"""Menu, emblem, pages of lists, flash and addresses: the small parts."""

import pytest

from node.members.model import Person, Role
from node.web.access import local_path
from node.web.emblem import TONES, emblem_for
from node.web.navigation import Area, Navigation, NavigationEntry
from node.web.rendering import initials
from node.web.site import SiteSettings
from node.web.views import Pagination


def person(role: Role) -> Person:
    return Person("p", "o", "Firma", "a@firma.example", "Anna", role, "de")


def menu() -> Navigation:
    navigation = Navigation()
    navigation.add(
        NavigationEntry(name="admin", label="Office", path="/admin", role=Role.OFFICE),
        NavigationEntry(
            name="in", label="Sign in", path="/anmelden", visitors_only=True
        ),
        NavigationEntry(name="all", label="Public", path="/eintraege", order=1),
        NavigationEntry(name="feed", label="Feed", path="/start", role=Role.PERSON),
    )
    return navigation


@pytest.mark.parametrize(
    ("who", "names"),
    [
        (None, ["all", "in"]),
        (person(Role.PERSON), ["all", "feed"]),
        (person(Role.ORGANISATION_ADMIN), ["all", "feed"]),
        (person(Role.OFFICE), ["all", "admin", "feed"]),
        (person(Role.NODE_ADMIN), ["all", "admin", "feed"]),
    ],
)
def test_menu_shows_what_a_role_may_open(who: Person | None, names: list[str]):
    links = menu().links(Area.MAIN, path="/", person=who, counts={})
    assert [link.name for link in links] == names


def test_only_the_nearest_entry_is_current():
    navigation = Navigation()
    navigation.add(
        NavigationEntry(name="start", label="Start", path="/"),
        NavigationEntry(name="office", label="Office", path="/admin"),
        NavigationEntry(name="partners", label="Partners", path="/admin/partner"),
    )

    def current(path: str) -> list[str]:
        links = navigation.links(Area.MAIN, path=path, person=None, counts={})
        return [link.name for link in links if link.current]

    assert current("/admin/partner/7") == ["partners"]
    assert current("/admin/partnerschaft") == ["office"]
    assert current("/") == ["start"]
    assert current("/suche") == []


def test_counts_stand_at_their_entry():
    links = menu().links(
        Area.MAIN, path="/", person=person(Role.PERSON), counts={"feed": 3}
    )
    assert {link.name: link.count for link in links} == {"all": 0, "feed": 3}


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/meine?seite=2", "/meine?seite=2"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("meine", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_only_paths_on_this_node_are_followed(target: str, expected: str):
    assert local_path(target) == expected


@pytest.mark.parametrize(
    ("base_url", "authority", "cookie"),
    [
        ("http://127.0.0.1:8101", "127.0.0.1:8101", "spalier_n1_flash"),
        ("https://Netz.example", "netz.example", "__Host-spalier_n1_flash"),
        ("https://netz.example:443", "netz.example", "__Host-spalier_n1_flash"),
        ("https://netz.example:8443", "netz.example:8443", "__Host-spalier_n1_flash"),
    ],
)
def test_site_addresses_and_cookie_names(base_url: str, authority: str, cookie: str):
    site = SiteSettings(base_url=base_url, cluster_name="Netz", node_id="n1")
    assert site.authority == authority
    assert site.cookie_name("flash") == cookie


def test_emblems_are_stable_and_differ():
    assert emblem_for("Optence") == emblem_for(" optence ")
    names = [f"Cluster {number}" for number in range(40)]
    emblems = {emblem_for(name) for name in names}
    assert len(emblems) > 36
    for sign in emblems:
        assert sign.tone < TONES
        assert len({*sign.leaves, sign.fruit}) == 5


@pytest.mark.parametrize(
    ("page", "pages", "numbers"),
    [
        (1, 1, [1]),
        (1, 4, [1, 2, 3, 4]),
        (1, 9, [1, 2, 3, None, 9]),
        (5, 9, [1, None, 3, 4, 5, 6, 7, None, 9]),
        (9, 9, [1, None, 7, 8, 9]),
    ],
)
def test_page_numbers(page: int, pages: int, numbers: list[int | None]):
    assert Pagination(page, pages, "/liste").numbers == numbers


def test_pages_keep_the_filters():
    place = Pagination(2, 3, "/liste", {"art": "offer", "q": "Öl & Gas"})
    assert place.href(3) == "/liste?art=offer&q=%C3%96l+%26+Gas&seite=3"
    assert place.href(1) == "/liste?art=offer&q=%C3%96l+%26+Gas"
    assert Pagination(2, 3, "/liste").href(1) == "/liste"


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Anna Beispiel", "AB"), ("Dr. Erika M. Muster", "DM"), ("Cem", "C"), ("", "")],
)
def test_initials(name: str, letters: str):
    assert initials(name) == letters
