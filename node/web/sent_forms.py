"""Forms as they arrive: read once, before the page that asked for them.

aiohttp reads a form when a handler asks for it, and fails there in many ways if the
body is none. Here every body is read right before the handler, or refused; what
handlers then find under `request.post()` are texts without U+0000, and one file.
An address with U+0000 is refused too: no database takes it.

Source: SPEC.md WEB-007.
"""

import zlib
from typing import Final

from aiohttp import web
from aiohttp.web_request import FileField

from node.web.door_paths import door_of
from node.web.security import Handler

FILE_FIELD: Final = "file"
"""The only field of any form that may hold a file."""

_NUL: Final = "%00"
_WITHOUT_FORM: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# What aiohttp 3.14 raises, depending on where a body stops to be a form.
_NO_FORM: Final = (AssertionError, LookupError, RuntimeError, ValueError, zlib.error)


@web.middleware
async def read_sent_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Read the form of a request, whatever else is wrong with it.

    Raises:
        web.HTTPBadRequest: The body is no form, or holds a file in another field;
            or U+0000 stands in it or in the address.
        web.HTTPUnsupportedMediaType: It has a content coding or is not UTF-8.
        web.HTTPRequestEntityTooLarge: It is longer than a form may be.
    """
    is_page = request.match_info.http_exception is None and not door_of(request.path)
    if is_page and _NUL in request.raw_path:
        raise web.HTTPBadRequest
    if is_page and request.method not in _WITHOUT_FORM:
        await _read(request)
    return await handler(request)


async def _read(request: web.Request) -> None:
    charset = (request.charset or "utf-8").lower()
    if "Content-Encoding" in request.headers or charset not in {"utf-8", "utf8"}:
        raise web.HTTPUnsupportedMediaType
    try:
        sent = await request.post()
    except web.HTTPException:
        raise
    except _NO_FORM as error:
        raise web.HTTPBadRequest from error
    for name, value in sent.items():
        is_file = isinstance(value, FileField)
        if (
            (is_file and name != FILE_FIELD)
            or "\x00" in name
            or (isinstance(value, str) and "\x00" in value)
        ):
            raise web.HTTPBadRequest
