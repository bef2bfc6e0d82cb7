"""Publishing entries."""

from aiohttp import web


def register(app: web.Application) -> None:
    """Add the pages."""
