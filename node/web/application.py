"""Builds the web application: foundation first, then the page modules."""

import functools
from collections.abc import Callable, Iterable
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

from aiohttp import web

from federation.ports import Clock, RandomSource
from node.limits import FORM_BYTES_MAX
from node.web import language_choice, security
from node.web.assets import Assets
from node.web.errors import show_errors
from node.web.i18n import Languages
from node.web.keys import (
    ASSETS,
    CLOCK,
    LANGUAGES,
    NAVIGATION,
    RANDOM,
    SITE,
)
from node.web.language_choice import choose_language
from node.web.navigation import Navigation
from node.web.page_limits import limit_pages
from node.web.rendering import add_templates, set_up_templates
from node.web.sent_forms import read_sent_form
from node.web.showcase import register as register_showcase
from node.web.site import SiteSettings
from node.web.visitors import find_person

Registrar: TypeAlias = Callable[[web.Application], None]

PAGES_GROUP = "spalier.pages"


def build_application(
    *,
    site: SiteSettings,
    clock: Clock,
    random: RandomSource,
    registrars: Iterable[Registrar] = (),
) -> web.Application:
    """Build an application that shows pages.

    Args:
        site: Facts about the node.
        clock: Tells what "3 minutes ago" refers to.
        random: Source of request ids.
        registrars: `register` functions of the page modules, in order; see
            `installed_pages` for those of other packages.

    Returns:
        An application that can be served, or completed with further routes.
    """
    app = web.Application(
        client_max_size=FORM_BYTES_MAX,
        # From outside to inside. Errors are shown in a language, so it is chosen
        # before; the person is looked up late, because that may fail. A form is
        # read last: what is refused before is not read at all.
        middlewares=[
            security.name_request,
            choose_language,
            show_errors,
            limit_pages,
            security.check_host,
            security.check_form_origin,
            find_person,
            read_sent_form,
        ],
    )
    app.on_response_prepare.append(security.add_headers)
    app[SITE] = site
    app[CLOCK] = clock
    app[RANDOM] = random
    app[LANGUAGES] = Languages(site.default_language)
    app[ASSETS] = Assets()
    app[NAVIGATION] = Navigation()
    set_up_templates(app)
    app.router.add_get("/static/{name}", app[ASSETS].serve)
    language_choice.register(app)
    register_showcase(app)
    for register in registrars:
        register(app)
    return app


def add_package(app: web.Application, folder: Path) -> None:
    """Take over `templates/` and `translations/` of a page package.

    Args:
        app: The application being built.
        folder: The package's folder; its name is the prefix of its templates.
    """
    if (folder / "templates").is_dir():
        add_templates(app, folder / "templates", prefix=folder.name)
    app[LANGUAGES].add_folder(folder / "translations")


@functools.cache
def installed_pages() -> tuple[Registrar, ...]:
    """Load the `register` functions that installed packages offer as pages.

    They are looked up once: that reads the metadata of every installed package.
    """
    found = sorted(entry_points(group=PAGES_GROUP), key=lambda point: point.name)
    return tuple(point.load() for point in found)
