"""Public pages and the members' pages; each module registers its own routes."""

from aiohttp import web

from node.web.pages import (
    conversations,
    directory,
    entries,
    feed,
    organisation,
    public,
    publishing,
    settings,
    signing_in,
)

_MODULES = (
    signing_in,
    public,
    feed,
    entries,
    publishing,
    conversations,
    directory,
    organisation,
    settings,
)


def register_pages(app: web.Application) -> None:
    """Add the routes and menu entries of every page module."""
    for module in _MODULES:
        module.register(app)
