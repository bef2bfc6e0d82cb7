"""Finds the person behind a request and what waits for them."""

from aiohttp import web

from node.web.door_paths import door_of
from node.web.i18n import speaking
from node.web.keys import (
    COUNTER_LOADER,
    COUNTERS,
    PERSON,
    PERSON_LOADER,
)
from node.web.language_choice import language_of
from node.web.security import Handler


@web.middleware
async def find_person(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Load the signed-in person and go on in the language that they set."""
    person = None
    load_person = request.config_dict.get(PERSON_LOADER)
    if load_person is not None and not _impersonal(request.path):
        person = await load_person(request)
    request[PERSON] = person
    if person is None:
        return await handler(request)
    load_counters = request.config_dict.get(COUNTER_LOADER)
    if load_counters is not None:
        request[COUNTERS] = await load_counters(request, person)
    with speaking(language_of(request)):
        return await handler(request)


def _impersonal(path: str) -> bool:
    return path.startswith("/static/") or door_of(path) is not None
