"""The language of a page: chosen for each request, changed by a form."""

from aiohttp import web

from node.web.access import local_path
from node.web.i18n import Language, current_language, speaking
from node.web.keys import LANGUAGE_KEEPER, LANGUAGES, PERSON, SITE
from node.web.security import Handler

COOKIE = "lang"
_ONE_YEAR = 31_536_000  # seconds


@web.middleware
async def choose_language(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Choose by cookie, then by `Accept-Language`; a person's wish comes later."""
    language = request.config_dict[LANGUAGES].choose(
        person=None,
        cookie=request.cookies.get(COOKIE),
        accept_language=request.headers.get("Accept-Language", ""),
    )
    with speaking(language):
        return await handler(request)


def language_of(request: web.Request) -> Language:
    """Return the wish of the signed-in person, else the language chosen so far."""
    person = request.get(PERSON)
    wish = request.config_dict[LANGUAGES].find(person.language) if person else None
    return wish or current_language()


async def change_language(request: web.Request) -> web.Response:
    """Remember a language in this browser and, if signed in, for the person.

    Raises:
        web.HTTPBadRequest: There is no such language.
    """
    sent = await request.post()
    language = request.config_dict[LANGUAGES].find(str(sent.get("language", "")))
    if language is None:
        raise web.HTTPBadRequest
    person = request.get(PERSON)
    keep = request.config_dict.get(LANGUAGE_KEEPER)
    if person is not None and keep is not None:
        await keep(request, person, language.code)
    response = web.Response(
        status=303, headers={"Location": local_path(str(sent.get("back", "/")))}
    )
    response.set_cookie(
        COOKIE,
        language.code,
        max_age=_ONE_YEAR,
        httponly=True,
        secure=request.config_dict[SITE].https,
        samesite="Lax",
    )
    return response


def register(app: web.Application) -> None:
    """Add the form's address."""
    app.router.add_post("/sprache", change_language)
