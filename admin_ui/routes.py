"""The office's pages: addresses and menu."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from aiohttp import web

from admin_ui.desk import desk_of
from admin_ui.views import (
    audiences,
    audit,
    chiffre,
    closing,
    deliveries,
    entries,
    entry_ledger,
    groups,
    import_templates,
    imports,
    invitations,
    joining,
    key_backup,
    key_steps,
    keys,
    known_members,
    mails,
    members,
    own_move,
    partner_keys,
    partner_move,
    partner_page,
    partner_rules,
    partner_steps,
    partners,
    releases,
    restored,
    system,
    todo,
    visibility,
)
from node.members.model import Person, Role
from node.web.application import add_package
from node.web.i18n import lazy_gettext
from node.web.keys import COUNTER_LOADER, NAVIGATION
from node.web.navigation import Area, NavigationEntry, has_role
from schemas import KINDS

_DESK: Final = "/admin"
_COUNT_KEPT: Final = timedelta(seconds=10)
_MENU = (
    ("office-todo", lazy_gettext("To be done"), "/admin"),
    ("office-partners", lazy_gettext("Partner clusters"), partners.LIST_PATH),
    ("office-delivery", lazy_gettext("Delivery"), deliveries.PATH),
    ("office-members", lazy_gettext("Members"), members.PATH),
    ("office-entries", lazy_gettext("Entries"), entries.PATH),
    ("office-chiffre", lazy_gettext("Box numbers"), chiffre.PATH),
    ("office-mails", lazy_gettext("Mails"), mails.PATH),
    ("office-visibility", lazy_gettext("Visibility"), audiences.PATH),
    ("office-audit", lazy_gettext("Log"), audit.PATH),
    ("office-system", lazy_gettext("System"), "/admin/system"),
)


def register(app: web.Application) -> None:
    """Add templates, translations, addresses, menu and the number of tasks."""
    add_package(app, Path(__file__).parent)
    app[NAVIGATION].add(
        NavigationEntry(
            name="office",
            label=lazy_gettext("Office"),
            path="/admin",
            role=Role.OFFICE,
            order=900,
        ),
        *(
            NavigationEntry(
                name=name,
                label=label,
                path=path,
                area=Area.OFFICE,
                role=Role.OFFICE,
                order=order,
            )
            for order, (name, label, path) in enumerate(_MENU)
        ),
    )
    app[NAVIGATION].add(
        NavigationEntry(
            name="office-keys",
            label=lazy_gettext("Keys"),
            path=keys.PATH,
            area=Area.OFFICE,
            role=Role.NODE_ADMIN,
            order=len(_MENU),
        )
    )
    _count_tasks(app)
    _add_partner_pages(app.router)
    _add_member_pages(app.router)
    _add_audience_pages(app.router)
    router = app.router
    router.add_get("/admin", todo.show)
    router.add_get(deliveries.PATH, deliveries.show)
    router.add_get(f"{entry_ledger.ENTRY_PATH}/{{entry_id}}", entry_ledger.show)
    router.add_get(entry_ledger.RECEIPT_PATH, entry_ledger.receipt)
    router.add_get(entries.PATH, entries.show)
    router.add_get("/admin/eintraege/import", imports.entries)
    router.add_post("/admin/eintraege/import", imports.entries)
    router.add_get(
        f"/admin/eintraege/vorlage/{{kind:{'|'.join(KINDS)}}}", import_templates.entries
    )
    router.add_get(mails.PATH, mails.show)
    router.add_get("/admin/post/{mail_id}", mails.show_one)
    router.add_post("/admin/post/{mail_id}/erneut", mails.retry)
    chiffre.register(router)
    router.add_get(audit.PATH, audit.show)
    router.add_get(f"{audit.PATH}/datei", audit.export)
    router.add_get("/admin/system", system.show)
    router.add_get(restored.PATH, restored.show)
    router.add_post(f"{restored.PATH}/entscheiden", restored.settle)
    router.add_post(f"{restored.PATH}/mitteilen", restored.tell)
    router.add_get(closing.PATH, closing.show)
    router.add_post(closing.PATH, closing.show)
    router.add_post(f"{closing.PATH}/archiv", closing.download)
    router.add_get(keys.PATH, keys.show)
    router.add_post(f"{keys.PATH}/sicherung", key_backup.make)
    router.add_post(f"{keys.PATH}/sicherung/datei", key_backup.download)
    key_step = f"{keys.PATH}/{{key_step:{'|'.join(key_steps.STEPS)}}}"
    router.add_get(key_step, key_steps.step)
    router.add_post(key_step, key_steps.step)


def _add_partner_pages(router: web.UrlDispatcher) -> None:
    base = partners.LIST_PATH
    router.add_get(base, partners.show)
    router.add_get(f"{base}/einladen", invitations.new)
    router.add_post(f"{base}/einladen", invitations.new)
    router.add_get(f"{base}/einladungen/{{invitation_id}}", invitations.show)
    router.add_post(
        f"{base}/einladungen/{{invitation_id}}/zurueckziehen", partners.revoke
    )
    router.add_get(joining.PATH, joining.enter)
    router.add_post(joining.PATH, joining.enter)
    router.add_post(f"{joining.PATH}/annehmen", joining.accept)
    one = f"{base}/{{partner_id}}"
    router.add_get(one, partner_page.overview)
    router.add_get(f"{one}/zustellung", partner_page.delivery)
    router.add_get(f"{one}/inhalte", partner_page.contents)
    router.add_get(f"{one}/bericht", partner_page.report)
    router.add_get(f"{one}/verlauf", partner_page.history)
    router.add_get(f"{one}/{releases.PART}", releases.show)
    router.add_post(f"{one}/{releases.PART}", releases.show)
    router.add_get(f"{one}/{known_members.PART}", known_members.show)
    router.add_post(f"{one}/{known_members.PART}", known_members.show)
    router.add_post(
        f"{one}/{known_members.PART}/{{member_id}}/vergessen", known_members.forget
    )
    router.add_get(f"{one}/regeln", partner_rules.show)
    sheet = f"{one}/regeln/{{direction:{'|'.join(partner_rules.DIRECTIONS)}}}"
    router.add_get(sheet, partner_rules.change)
    router.add_post(sheet, partner_rules.change)
    router.add_post(f"{one}/zustellen", partner_page.try_now)
    router.add_post(f"{one}/bestaetigen", partner_steps.confirm)
    router.add_post(f"{one}/verglichen", partner_steps.compared)
    router.add_post(f"{one}/schluessel", partner_keys.confirm)
    router.add_get(f"{one}/{partner_move.PART}", partner_move.show)
    router.add_post(f"{one}/{partner_move.PART}", partner_move.show)
    router.add_post(f"{one}/{partner_move.PART}/ablehnen", partner_move.refuse)
    router.add_get(own_move.PATH, own_move.show)
    router.add_post(f"{own_move.PATH}/{{partner_id}}/erneut", own_move.announce)
    step = f"{one}/{{step:{'|'.join(partner_steps.PAGES)}}}"
    router.add_get(step, partner_steps.step)
    router.add_post(step, partner_steps.step)


def _add_audience_pages(router: web.UrlDispatcher) -> None:
    router.add_get(audiences.PATH, audiences.show)
    router.add_get(visibility.PATH, visibility.show)
    kind = f"{audiences.PATH}/art/{{kind:{'|'.join(KINDS)}}}"
    router.add_get(kind, audiences.change)
    router.add_post(kind, audiences.change)
    router.add_get(groups.PATH, groups.show)
    router.add_get(f"{groups.PATH}/neu", groups.new)
    router.add_post(f"{groups.PATH}/neu", groups.new)
    router.add_get(f"{groups.PATH}/{{group_id}}", groups.change)
    router.add_post(f"{groups.PATH}/{{group_id}}", groups.change)
    router.add_get(f"{groups.PATH}/{{group_id}}/aufloesen", groups.remove)
    router.add_post(f"{groups.PATH}/{{group_id}}/aufloesen", groups.remove)


def _add_member_pages(router: web.UrlDispatcher) -> None:
    base = members.PATH
    router.add_get(base, members.show)
    router.add_get(f"{base}/neu", members.new)
    router.add_post(f"{base}/neu", members.new)
    router.add_get(f"{base}/import", imports.members)
    router.add_post(f"{base}/import", imports.members)
    router.add_get(
        f"{base}/vorlage/{{list:organisationen|personen}}", import_templates.members
    )
    one = f"{base}/person/{{person_id}}"
    router.add_get(one, members.person_page)
    router.add_post(f"{one}/rolle", members.change_role)
    router.add_post(f"{one}/einwilligung", members.change_consent)
    router.add_post(f"{one}/einladen", members.invite)
    router.add_post(f"{one}/daten", members.download_data)
    router.add_get(f"{one}/ausscheiden", members.leave)
    router.add_post(f"{one}/ausscheiden", members.leave)


def _count_tasks(app: web.Application) -> None:
    """Count the office's tasks beside what other pages count.

    On the office's own pages anew each time; elsewhere the number may be a few
    seconds old, because collecting the tasks costs more than such a page.
    """
    others = app.get(COUNTER_LOADER)
    last: tuple[datetime, Mapping[str, int]] | None = None

    async def count(request: web.Request, person: Person) -> Mapping[str, int]:
        nonlocal last
        counts = {} if others is None else dict(await others(request, person))
        if not has_role(person, Role.OFFICE):
            return counts
        desk = desk_of(request)
        at_desk = request.path == _DESK or request.path.startswith(f"{_DESK}/")
        is_old = last is None or not timedelta(0) <= desk.now - last[0] < _COUNT_KEPT
        if last is None or at_desk or is_old:
            last = (desk.now, await todo.count(desk))
        counts.update(last[1])
        return counts

    app[COUNTER_LOADER] = count
