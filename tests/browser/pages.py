"""Every page that people see, and how a browser gets there.

A page without an entry here fails `test_routes`.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from playwright.async_api import Page

from tests.browser.prepare import ENDING, MOVING, SUSPENDED
from tests.browser.world import Site, World

# Goes to the page; the window belongs to somebody of the page's role.
Go: TypeAlias = Callable[[Page, World], Awaitable[None]]


class Viewer(StrEnum):
    """Who looks at a page; part of the screenshot's name."""

    PUBLIC = "oeffentlich"
    MEMBER = "mitglied"
    OFFICE = "buero"


@dataclass(frozen=True, slots=True)
class PageEntry:
    """One page.

    Attributes:
        name: Part of the screenshot's name.
        routes: Routes as the application registers them.
        go: How to get there.
        status: Of the page's own answer.
        at: Cluster whose page it is.
    """

    name: str
    viewer: Viewer
    routes: tuple[str, ...]
    go: Go
    status: int = 200
    at: str = "optence"

    def site(self, world: World) -> Site:
        site: Site = getattr(world, self.at)
        return site


def _open(path: str | Callable[[World], str]) -> Go:
    async def go(page: Page, world: World) -> None:
        await page.goto(path if isinstance(path, str) else path(world))

    return go


def _follow(start: str, selector: str, tail: str = "") -> Go:
    """Follow the first link that fits; links are named by address in any language."""

    async def go(page: Page, world: World) -> None:
        await page.goto(start)
        href = await page.locator(selector).first.get_attribute("href")
        assert href is not None
        await page.goto(href + tail)

    return go


def _press(start: str, selector: str) -> Go:
    """Press a button and land on what it answers."""

    async def go(page: Page, world: World) -> None:
        await page.goto(start)
        async with page.expect_navigation():
            await page.locator(selector).first.click()

    return go


def _entry(external_id: str, tail: str = "") -> Callable[[World], str]:
    return lambda world: world.optence.entry_path(external_id) + tail


def _partner(slug: str, tail: str = "") -> Callable[[World], str]:
    def path(world: World) -> str:
        wanted: Site = getattr(world, slug)
        return _partner_path(world.optence, wanted.base_url) + tail

    return path


def _partner_path(site: Site, base_url: str) -> str:
    for partner in site.ask("partner.list")["partners"]:
        if partner["base_url"] == base_url:
            return f"/admin/partner/{partner['partner']}"
    raise LookupError(base_url)


async def _wrong_password(page: Page, world: World) -> None:
    await page.goto("/anmelden")
    await page.locator("#email").fill("niemand@nirgends.example")
    await page.locator("#password").fill("falsch-und-lang")
    async with page.expect_navigation():
        await page.locator("button[value=passwort]").click()


async def _link_in_mail(page: Page, world: World) -> None:
    email = "leonie.faust@spektralmodule.example"
    await page.goto("/anmelden")
    await page.locator("#email").fill(email)
    async with page.expect_navigation():
        await page.locator("button[value=link]").click()
    await page.goto(world.optence.mailed_link(email))


async def _first_password(page: Page, world: World) -> None:
    added = world.optence.ask(
        "members.add",
        email=f"nora.neu.{secrets.token_hex(4)}@optence.example",
        name="Nora Neu",
        organisation="opt-001",
    )
    await page.goto(added["links"][0]["link"])


async def _confirm_by_mail(page: Page, world: World) -> None:
    await page.goto(world.optence.mailed_link(world.optence.node.member))


async def _faulty_entry(page: Page, world: World) -> None:
    await page.goto("/neu/capacity_offer")
    async with page.expect_navigation():
        await page.locator("button[value=publish]").click()


async def _previewed_entry(page: Page, world: World) -> None:
    await page.goto("/neu/capacity_offer")
    language = await page.locator("html").get_attribute("lang")
    await page.locator(f"[name='title.{language}']").fill("Messraum im Mai")
    await page.locator(f"[name='summary.{language}']").fill("Drei Tage im Mai.")
    await page.locator("[name=equipment_class]").select_option("measuring")
    await page.locator("[name=availability]").select_option("on_request")
    async with page.expect_navigation():
        await page.locator(".form-end button[value=preview]").click()


async def _limited_kind(page: Page, world: World) -> None:
    await page.goto("/admin/sichtbarkeit/art/capacity_offer")
    for name in ("default", "ceiling"):
        await page.locator(f"[name={name}][value=cluster]").check()
    async with page.expect_navigation():
        await page.locator("button[value=ansehen]").click()


def _one_group(path: str = "", *, tail: str = "") -> Go:
    """Open a group, or another page when there is one."""

    async def go(page: Page, world: World) -> None:
        found = world.optence.ask("group.list")["groups"]
        group = (
            found[0]
            if found
            else world.optence.ask(
                "group.make", name="Arbeitskreis Messtechnik", organisations=["opt-001"]
            )
        )
        await page.goto(path or f"/admin/gruppen/{group['group']}{tail}")

    return go


async def _seen_invitation(page: Page, world: World) -> None:
    code = world.laser.ask("partner.invite")["code"]
    await page.goto("/admin/partner/code")
    await page.locator("#code").fill(code)
    async with page.expect_navigation():
        await page.locator("main form button").first.click()


async def _new_link(page: Page, world: World) -> None:
    await _follow("/admin/mitglieder", _TO_PERSON)(page, world)
    async with page.expect_navigation():
        await page.locator("form[action$='/einladen'] button").click()


async def _import_report(page: Page, world: World) -> None:
    persons = world.optence.node.cluster.persons_csv.replace(
        b"Messtechnik", "Messtechnik und Prüfung".encode()
    )
    await page.goto("/admin/mitglieder/import")
    await page.locator("input[type=file]").set_input_files(
        {"name": "personen.csv", "mimeType": "text/csv", "buffer": persons}
    )
    async with page.expect_navigation():
        await page.locator("main form button").first.click()


def _public(
    name: str, *routes: str, go: Go | None = None, status: int = 200
) -> PageEntry:
    return PageEntry(name, Viewer.PUBLIC, routes, go or _open(routes[0]), status)


def _member(
    name: str, *routes: str, go: Go | None = None, status: int = 200
) -> PageEntry:
    return PageEntry(name, Viewer.MEMBER, routes, go or _open(routes[0]), status)


def _office(
    name: str,
    *routes: str,
    go: Go | None = None,
    status: int = 200,
    at: str = "optence",
) -> PageEntry:
    return PageEntry(name, Viewer.OFFICE, routes, go or _open(routes[0]), status, at)


_ONE_PARTNER = "/admin/partner/{partner_id}"
_CHECK = "/admin/sichtbarkeit/pruefen"
_KIND = "/admin/sichtbarkeit/art/{kind}"
_STEP = f"{_ONE_PARTNER}/{{step}}"
_ONE_PERSON = "/admin/mitglieder/person/{person_id}"
_TO_PERSON = "main a[href^='/admin/mitglieder/person/']"
_TO_MAIL = "main a[href^='/admin/post/']"

PUBLIC_PAGES = (
    _public("start", "/"),
    _public("eintraege", "/eintraege"),
    _public("eintrag", "/e/{id}", go=_open(_entry("opt-e06"))),
    _public("termin", "/e/{id}", go=_open(_entry("opt-e11"))),
    _public("clusterverzeichnis", "/clusterverzeichnis"),
    _public("einladung", "/kopplung"),
    _public("impressum", "/impressum"),
    _public("datenschutz", "/datenschutz"),
    _public("barrierefreiheit", "/barrierefreiheit"),
    _public("anmelden", "/anmelden"),
    _public("anmelden-fehler", "/anmelden", go=_wrong_password, status=422),
    _public("anmelden-gesendet", "/anmelden/gesendet"),
    _public("anmelden-link", "/anmelden/{token}", go=_link_in_mail),
    _public("erstes-passwort", "/anmelden/{token}", go=_first_password),
    _public(
        "link-vorbei",
        "/anmelden/{token}",
        go=_open(f"/anmelden/{'x' * 43}"),
        status=404,
    ),
    _public("bestaetigen", "/bestaetigen/{token}", go=_confirm_by_mail),
    _public(
        "bestaetigen-vorbei",
        "/bestaetigen/{token}",
        go=_open(f"/bestaetigen/{'x' * 43}"),
        status=404,
    ),
    _public("gestaltung", "/gestaltung"),
    _public("gestaltung-eingang", "/gestaltung/eingang"),
    _public("nicht-gefunden", "/e/{id}", go=_open(_entry("opt-e01")), status=404),
)
MEMBER_PAGES = (
    _member("neues", "/start"),
    _member("neues-suche", "/start", go=_open("/start?q=Laser&art=offer")),
    _member("neues-leer", "/start", go=_open("/start?q=Xylophonbau")),
    _member("eintrag-eigen", "/e/{id}", go=_open(_entry("opt-e01"))),
    _member(
        "eintrag-empfangen",
        "/e/{id}",
        go=_follow("/start?q=Polierlinie&art=partner", "main article h2 a"),
    ),
    _member("termin", "/e/{id}", go=_open(_entry("opt-e10"))),
    _member(
        "eintrag-gilt-weiter",
        "/e/{id}/gilt-weiter",
        go=_open(_entry(ENDING, "/gilt-weiter")),
    ),
    _member(
        "eintrag-gefunden", "/e/{id}/gefunden", go=_open(_entry(ENDING, "/gefunden"))
    ),
    _member(
        "eintrag-zurueckziehen",
        "/e/{id}/zurueckziehen",
        go=_open(_entry("opt-e01", "/zurueckziehen")),
    ),
    _member(
        "eintrag-loeschen", "/e/{id}/loeschen", go=_open(_entry(ENDING, "/loeschen"))
    ),
    _member(
        "eintrag-bearbeiten",
        "/e/{id}/bearbeiten",
        go=_open(_entry("opt-e01", "/bearbeiten")),
    ),
    _member("neu", "/neu"),
    *(
        _member(f"neu-{kind}", "/neu/{kind}", go=_open(f"/neu/{kind}"))
        for kind in (
            "capacity_offer",
            "capacity_request",
            "technology_offer",
            "technology_request",
            "event",
            "expert_profile",
            "organisation_profile",
        )
    ),
    _member("neu-fehler", "/neu/{kind}", go=_faulty_entry, status=422),
    _member("neu-vorschau", "/neu/{kind}", go=_previewed_entry),
    _member("meine", "/meine"),
    _member("nachrichten", "/nachrichten"),
    _member(
        "nachricht", "/nachrichten/{id}", go=_follow("/nachrichten", ".threads h2 a")
    ),
    _member("einstellungen", "/einstellungen"),
    _member("kein-zutritt", "/admin", status=403),
    _member("nicht-gefunden", "/e/{id}", go=_open(f"/e/{'a' * 26}"), status=404),
)
OFFICE_PAGES = (
    _office("zu-erledigen", "/admin"),
    _office("partner", "/admin/partner"),
    _office("partner-verbunden", _ONE_PARTNER, go=_open(_partner("swissmem"))),
    _office("partner-anfrage", _ONE_PARTNER, go=_open(_partner("laser"))),
    _office(
        "partner-schluessel-fraglich",
        _ONE_PARTNER,
        go=_open(lambda world: _partner_path(world.swissmem, SUSPENDED)),
        at="swissmem",
    ),
    _office(
        "partner-regeln",
        f"{_ONE_PARTNER}/regeln",
        go=_open(_partner("swissmem", "/regeln")),
    ),
    _office(
        "partner-regeln-aendern",
        f"{_ONE_PARTNER}/regeln/{{direction}}",
        go=_open(_partner("swissmem", "/regeln/nehmen")),
    ),
    _office(
        "partner-freigabe",
        f"{_ONE_PARTNER}/freigabe",
        go=_open(_partner("laser", "/freigabe")),
    ),
    _office(
        "partner-mitglieder",
        f"{_ONE_PARTNER}/mitglieder",
        go=_open(_partner("swissmem", "/mitglieder")),
    ),
    _office(
        "partner-zustellung",
        f"{_ONE_PARTNER}/zustellung",
        go=_open(_partner("swissmem", "/zustellung")),
    ),
    _office(
        "partner-inhalte",
        f"{_ONE_PARTNER}/inhalte",
        go=_open(_partner("swissmem", "/inhalte")),
    ),
    _office(
        "partner-verlauf",
        f"{_ONE_PARTNER}/verlauf",
        go=_open(_partner("swissmem", "/verlauf")),
    ),
    _office(
        "partner-bericht",
        f"{_ONE_PARTNER}/bericht",
        go=_open(_partner("swissmem", "/bericht")),
    ),
    _office("partner-verbergen", _STEP, go=_open(_partner("swissmem", "/verbergen"))),
    _office("partner-pausieren", _STEP, go=_open(_partner("swissmem", "/pausieren"))),
    _office("partner-beenden", _STEP, go=_open(_partner("swissmem", "/beenden"))),
    _office("partner-ablehnen", _STEP, go=_open(_partner("laser", "/ablehnen"))),
    _office("partner-einladen", "/admin/partner/einladen"),
    _office(
        "partner-einladung",
        "/admin/partner/einladungen/{invitation_id}",
        go=_press("/admin/partner/einladen", "main form button"),
    ),
    _office("partner-code", "/admin/partner/code"),
    _office(
        "partner-code-karte", "/admin/partner/code", go=_seen_invitation, at="swissmem"
    ),
    _office("partner-keine", "/admin/partner", go=_open("/admin/partner?frueher")),
    _office("mitglieder", "/admin/mitglieder"),
    _office("mitglied", _ONE_PERSON, go=_follow("/admin/mitglieder", _TO_PERSON)),
    _office(
        "mitglied-ausscheiden",
        f"{_ONE_PERSON}/ausscheiden",
        go=_follow("/admin/mitglieder", _TO_PERSON, "/ausscheiden"),
    ),
    _office("mitglied-link", go=_new_link),
    _office("mitglied-neu", "/admin/mitglieder/neu"),
    _office("mitglieder-import", "/admin/mitglieder/import"),
    _office("mitglieder-import-bericht", "/admin/mitglieder/import", go=_import_report),
    _office("eintraege", "/admin/eintraege"),
    _office("eintraege-import", "/admin/eintraege/import"),
    _office("neu-fuer-mitglied", "/neu/{kind}", go=_open("/neu/capacity_offer")),
    _office("zustellung", "/admin/zustellung"),
    _office(
        "zustellung-eintrag",
        "/admin/zustellung/eintrag/{entry_id}",
        go=_follow("/admin/zustellung", "a[href*='/zustellung/eintrag/']"),
    ),
    _office("post", "/admin/post"),
    _office("mail", "/admin/post/{mail_id}", go=_follow("/admin/post", _TO_MAIL)),
    _office("sichtbarkeit", "/admin/sichtbarkeit"),
    _office("sichtbarkeit-pruefen", _CHECK),
    _office("sichtbarkeit-geprueft", _CHECK, go=_open(f"{_CHECK}?eintrag=Polieren")),
    _office("sichtbarkeit-art", _KIND, go=_open("/admin/sichtbarkeit/art/event")),
    _office("sichtbarkeit-wirkung", _KIND, go=_limited_kind),
    _office("gruppen", "/admin/gruppen", go=_one_group("/admin/gruppen")),
    _office("gruppe-neu", "/admin/gruppen/neu"),
    _office("gruppe", "/admin/gruppen/{group_id}", go=_one_group()),
    _office(
        "gruppe-aufloesen",
        "/admin/gruppen/{group_id}/aufloesen",
        go=_one_group(tail="/aufloesen"),
    ),
    _office("firma", "/firma"),
    _office(
        "firma-mitglied",
        "/firma/{organisation_id}",
        go=_follow("/admin/mitglieder?liste=organisationen", "a[href^='/firma/']"),
    ),
    _office("protokoll", "/admin/protokoll"),
    _office("chiffre", "/admin/chiffre"),
    _office(
        "chiffre-dahinter",
        "/admin/chiffre/{entry_id}",
        go=_follow("/admin/chiffre", "main a[href*='/admin/chiffre/']"),
    ),
    _office("system", "/admin/system"),
    _office("umzug", "/admin/umzug"),
    _office(
        "partner-umzug",
        f"{_ONE_PARTNER}/umzug",
        go=_open(f"/admin/partner/{MOVING}/umzug"),
        at="swissmem",
    ),
    _office("schliessen", "/admin/system/schliessen"),
    _office("wiederherstellung", "/admin/wiederherstellung"),
    _office("schluessel", "/admin/schluessel"),
    _office(
        "schluessel-wechseln",
        "/admin/schluessel/{key_step}",
        go=_open("/admin/schluessel/wechseln"),
    ),
    _office(
        "schluessel-widerrufen",
        "/admin/schluessel/{key_step}",
        go=_open("/admin/schluessel/widerrufen"),
    ),
    _office(
        "schluessel-blatt",
        "/admin/schluessel",
        go=_press("/admin/schluessel", "form[action$='/sicherung'] button"),
    ),
)
PAGES = (*PUBLIC_PAGES, *MEMBER_PAGES, *OFFICE_PAGES)

# GET routes that answer with something else than a page for people.
NO_PAGES = frozenset(
    {
        "/.well-known/nodeinfo",
        "/.well-known/webfinger",
        "/actor",
        "/admin/eintraege/vorlage/{kind}",  # CSV
        "/admin/mitglieder/vorlage/{list}",  # CSV
        "/admin/protokoll/datei",  # JSON Lines
        "/admin/zustellung/quittung",  # a signed receipt
        "/e/{id}.ics",
        "/entries/{id}",
        "/holdings",
        "/livez",
        "/nodeinfo/2.1",
        "/outbox",
        "/readyz",
        "/static/{name}",
    }
)
