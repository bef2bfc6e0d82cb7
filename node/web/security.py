"""What every answer carries and every request must satisfy.

Headers after OWASP ASVS 5.0 V3.4; the check of the sender of forms after the
`Sec-Fetch-Site` rule of Go's `http.CrossOriginProtection`.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from node.errors import NodeError, NotAuthorisedError
from node.sentence import Sentence
from node.web.door_paths import DOORS_OF_PARTNERS, door_of
from node.web.keys import PERSON, RANDOM, REQUEST_ID, SITE
from node.web.site import SiteSettings

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# A supervisor asks at the loopback address, and learns nothing but a word; whoever
# asks for figures has a token.
_PROBES = frozenset({"/livez", "/readyz", "/metrics"})
_REQUEST_ID_BYTES = 8
_NOT_FOUND = 404
_HSTS = "max-age=31536000"  # one year

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; "
        "style-src 'self'; "
        "script-src 'self'; "
        "img-src 'self' data:; "
        "form-action 'self'; "
        "frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # `no-referrer` would turn the Origin of our own forms into `null`.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class MisdirectedRequestError(NodeError):
    """The request names another host than this node (RFC 9110 §15.5.20)."""

    code = "misdirected-request"
    status = 421


class ForeignFormError(NotAuthorisedError):
    """A form was not sent from one of our own pages."""

    code = "foreign-form"


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Complete the headers of an answer; a signal handler, so that none escapes."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "spalier"  # versions help only attackers
    if request.config_dict[SITE].https:
        response.headers.setdefault("Strict-Transport-Security", _HSTS)
    # Answers of a door that there is nothing are alike to the byte.
    is_nothing = response.status == _NOT_FOUND and door_of(request.path) is not None
    if REQUEST_ID in request and not is_nothing:
        response.headers["X-Request-Id"] = request[REQUEST_ID]
    if "Cache-Control" not in response.headers:
        public = response.content_type == "text/html" and not request.get(PERSON)
        # The language depends on the cookie, so not even a visitor's page may be
        # kept by anything that stands between.
        response.headers["Cache-Control"] = (
            "private, no-cache" if public else "private, no-store"
        )


@web.middleware
async def name_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, for the log and for people who report a fault."""
    request[REQUEST_ID] = request.config_dict[RANDOM].bytes(_REQUEST_ID_BYTES).hex()
    with structlog.contextvars.bound_contextvars(request_id=request[REQUEST_ID]):
        return await handler(request)


@web.middleware
async def check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests for another host: links in mails come from settings alone."""
    if not request.raw_path.startswith("/"):
        # Absolute form is for proxies; its authority would outrank the Host field.
        raise web.HTTPBadRequest
    hosts = request.headers.getall("Host", [])
    site = request.config_dict[SITE]
    asked = _without_default_port(hosts[0], site) if len(hosts) == 1 else ""
    expected = asked == site.authority
    if not expected and site.is_former(asked):
        # Partners that have not confirmed our move go on as before. People are led
        # to where the node is; other nodes follow no redirect, and get none.
        expected = request.path in DOORS_OF_PARTNERS
        is_page = door_of(request.path) is None and request.path not in _PROBES
        if is_page and not expected and request.method in _SAFE_METHODS:
            raise web.HTTPFound(f"{site.base_url}{request.raw_path}")
    if not expected and request.path not in _PROBES:
        raise MisdirectedRequestError(
            "This server does not answer under the address that was used.",
            hint=Sentence(
                "The address of this cluster is {url}.", url=_base_url(request)
            ),
        )
    return await handler(request)


def _base_url(request: web.Request) -> str:
    return request.config_dict[SITE].base_url


def _without_default_port(host: str, site: SiteSettings) -> str:
    default = ":443" if site.https else ":80"
    return host.strip().lower().removesuffix(default)


@web.middleware
async def check_form_origin(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Refuse what another site's page makes a browser send (CSRF)."""
    # Partners send no cookies, and sign what they send.
    exempt = request.method in _SAFE_METHODS or door_of(request.path) is not None
    if not exempt and not sent_by_own_page(request):
        raise ForeignFormError(
            "This form was not sent from a page of this cluster.",
            hint="Nothing was changed. Open the page again and repeat the step.",
        )
    return await handler(request)


def sent_by_own_page(request: web.Request) -> bool:
    """Whether a changing request comes from our own page or from no browser.

    `Sec-Fetch-Site` decides where the browser sends it (not over plain http
    except to the loopback address); else `Origin`; a request with neither is no
    browser's, and is refused only if it carries a cookie.
    """
    fetch_site = request.headers.getall("Sec-Fetch-Site", [])
    if fetch_site:
        return fetch_site in (["same-origin"], ["none"])
    origins = request.headers.getall("Origin", [])
    if origins:
        return origins == [_origin(_base_url(request))]
    return "Cookie" not in request.headers


def _origin(base_url: str) -> str:
    parts = urlsplit(base_url)
    return f"{parts.scheme}://{parts.netloc}".lower()
