"""Templates: the environment, and the one way to answer with a page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web

from node.web import i18n
from node.web.emblem import emblem_for
from node.web.flash import take_flash
from node.web.formats import Formats
from node.web.keys import (
    ASSETS,
    CLOCK,
    COUNTERS,
    LANGUAGES,
    NAVIGATION,
    PERSON,
    REQUEST_ID,
    SITE,
)
from node.web.navigation import Area, NavigationLink

_TEMPLATES = Path(__file__).parent / "templates"
_OFFICE_PATH = "/admin"


def set_up_templates(app: web.Application) -> None:
    """Build the template environment of an application.

    Templates escape everything and refuse names that nobody gave them.
    """
    package_templates: dict[str, jinja2.BaseLoader] = {}
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.ChoiceLoader(
            [
                jinja2.FileSystemLoader(_TEMPLATES),
                jinja2.PrefixLoader(package_templates),
            ]
        ),
        extensions=["jinja2.ext.i18n", "jinja2.ext.do"],
        undefined=jinja2.StrictUndefined,
        auto_reload=False,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        default_helpers=False,
    )
    environment.install_gettext_callables(  # type: ignore[attr-defined]
        _translate, _translate_number, newstyle=True, pgettext=_translate_in_context
    )
    formats = Formats(app[CLOCK], app[SITE].timezone)
    environment.filters.update(
        {
            "ago": formats.ago,
            "date": formats.write_date,
            "datetime": formats.write_datetime,
            "initials": initials,
            "iso": formats.iso,
            "listing": formats.listing,
            "moment": formats.moment,
            "money": formats.money,
            "number": formats.number,
            "time": formats.write_time,
            "weekday": formats.weekday,
        }
    )
    environment.globals.update(
        {
            "asset": app[ASSETS].url,
            "emblem_for": emblem_for,
            "localized": i18n.localized,
            "site": app[SITE],
        }
    )


def add_templates(app: web.Application, folder: Path, *, prefix: str) -> None:
    """Let a page package bring its templates, named `<prefix>/<file>`."""
    loader = aiohttp_jinja2.get_env(app).loader
    assert isinstance(loader, jinja2.ChoiceLoader)  # noqa: S101 - set above
    packages = loader.loaders[-1]
    assert isinstance(packages, jinja2.PrefixLoader)  # noqa: S101 - set above
    packages.mapping = {**packages.mapping, prefix: jinja2.FileSystemLoader(folder)}


def render(
    request: web.Request,
    template: str,
    context: Mapping[str, Any] | None = None,
    *,
    status: int = 200,
) -> web.Response:
    """Answer with a page.

    Args:
        request: The request that is answered.
        template: Name of the template; it extends `layout.html`.
        context: What the template needs beyond `layout_context`.
        status: HTTP status; 422 for a form with faults.
    """
    response = web.Response(status=status, content_type="text/html", charset="utf-8")
    response.headers["Content-Language"] = i18n.current_language().code
    response.headers["Vary"] = "Cookie, Accept-Language"
    values = {
        **layout_context(request),
        "flash": take_flash(request, response),
        **(context or {}),
    }
    response.text = aiohttp_jinja2.render_string(template, request, values)
    return response


def layout_context(request: web.Request) -> dict[str, Any]:
    """Collect what every template gets."""
    person = request.get(PERSON)
    counts = request.get(COUNTERS, {})

    def links(area: Area) -> Sequence[NavigationLink]:
        return request.config_dict[NAVIGATION].links(
            area, path=request.path, person=person, counts=counts
        )

    in_office = request.path == _OFFICE_PATH or request.path.startswith(
        f"{_OFFICE_PATH}/"
    )
    return {
        "person": person,
        "language": i18n.current_language(),
        "languages": request.config_dict[LANGUAGES].all(),
        "path": request.path,
        "path_qs": request.path_qs if request.method in {"GET", "HEAD"} else "/",
        "main_links": links(Area.MAIN),
        "action_links": links(Area.ACTION),
        "personal_links": links(Area.PERSONAL),
        "office_links": links(Area.OFFICE) if in_office else [],
        "request_id": request.get(REQUEST_ID, ""),
    }


def initials(name: str) -> str:
    """Shorten a name to the first letters of its first and last word."""
    words = name.split()
    return "".join(word[0] for word in [*words[:1], *words[1:][-1:]]).upper()


def _translate(message: str) -> str:
    return i18n.current_language().translations.gettext(message)


def _translate_number(singular: str, plural: str, num: int) -> str:
    return i18n.current_language().translations.ngettext(singular, plural, num)


def _translate_in_context(context: str, message: str) -> str:
    return i18n.current_language().translations.pgettext(context, message)
