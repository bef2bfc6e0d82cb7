"""Public pages and the members' pages; each module registers its own routes."""

from aiohttp import web

from node.web.pages import (
    conversations,
    directory,
    entries,
    feed,
    public,
    publishing,
    settings,
    signing_in,
)
from node.web.pages.wording import translate_refusals

_MODULES = (
    signing_in,
    public,
    feed,
    entries,
    publishing,
    conversations,
    directory,
    settings,
)


def register_pages(app: web.Application) -> None:
    """Add the routes and menu entries of every page module."""
    # Innermost, so that what shows errors finds them in the reader's language.
    app.middlewares.append(translate_refusals)
    for module in _MODULES:
        module.register(app)
