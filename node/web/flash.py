"""One message that survives a redirect: "Saved", "Withdrawn".

It travels in a cookie of this node, so that it needs no session and works on the
sign-in page as well. It is shown as text, once, and bounded.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from aiohttp import web

from node.web.keys import SITE

Tone: TypeAlias = Literal["success", "info", "warning", "danger"]

_SECONDS = 120  # a message older than this belongs to a page nobody opened
_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Flash:
    """A message with its tone; the page names the tone in words, too."""

    text: str
    tone: Tone


def see_other(
    request: web.Request, location: str, *, flash: str = "", tone: Tone = "success"
) -> web.Response:
    """Answer a form: go to `location` and show `flash` there.

    Args:
        request: The request that is answered.
        location: Path on this node; build it, never take it from the request.
        flash: Translated sentence about what happened; empty for none.
        tone: How it is shown.
    """
    response = web.Response(status=303, headers={"Location": location})
    if flash:
        _set(request, response, Flash(flash[:_CHARACTERS], tone))
    return response


def _set(request: web.Request, response: web.Response, flash: Flash) -> None:
    site = request.config_dict[SITE]
    packed = json.dumps([flash.tone, flash.text], ensure_ascii=False).encode()
    response.set_cookie(
        site.cookie_name("flash"),
        base64.urlsafe_b64encode(packed).decode(),
        max_age=_SECONDS,
        httponly=True,
        secure=site.https,
        samesite="Lax",
    )


def take_flash(request: web.Request, response: web.Response) -> Flash | None:
    """Return the waiting message and make the browser forget it."""
    site = request.config_dict[SITE]
    packed = request.cookies.get(site.cookie_name("flash"))
    if packed is None:
        return None
    response.del_cookie(
        site.cookie_name("flash"), httponly=True, secure=site.https, samesite="Lax"
    )
    return _unpack(packed)


def _unpack(packed: str) -> Flash | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(packed.encode()))
    except (binascii.Error, ValueError):
        return None
    match value:
        case [tone, str(text)] if tone in get_args(Tone):
            return Flash(text[:_CHARACTERS], tone)
        case _:
            return None
