"""Failures as pages for people and as problem documents for programs.

What a person reads never holds internals: unexpected errors go to the log, and
the page shows the number under which they stand there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import structlog
from aiohttp import web

from federation.errors import PeerError
from node.errors import InputFault, InvalidInputError, NodeError
from node.sentence import in_words
from node.web.client_address import PROXIES
from node.web.door_guard import log_refusal
from node.web.door_paths import door_of
from node.web.i18n import SOURCE, speaking
from node.web.i18n import gettext as _
from node.web.keys import REQUEST_ID
from node.web.language_choice import language_of
from node.web.rendering import render
from node.web.security import Handler

PROBLEM_NAMESPACE = "https://w3id.org/spalier/problems#"
_PROBLEM_TYPE = "application/problem+json"
_KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate")
_SERVER_FAULT = 500

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failed request, ready to be shown.

    Attributes:
        code: Last part of the problem type (RFC 9457).
        message: English text or `Sentence` that may be shown; empty for the
            status' own.
        hint: What to do, likewise.
        members: Extension members of the problem document.
    """

    status: int
    code: str
    message: str = ""
    hint: str = ""
    faults: tuple[InputFault, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, str | int] = field(default_factory=dict)


@web.middleware
async def show_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error below into an answer."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < web.HTTPBadRequest.status_code:
            raise
        failure = _from_http(error)
    except NodeError as error:
        failure = _from_node(error)
    except PeerError as error:
        failure = _from_peer(error)
    except Exception:  # noqa: BLE001 - the last door: nobody sees a traceback
        _log.exception("request failed", method=request.method, path=request.path)
        failure = Failure(status=_SERVER_FAULT, code="internal-error")
    _tell_of_door(request, failure)
    return failure_response(request, failure)


def _tell_of_door(request: web.Request, failure: Failure) -> None:
    """Write the line of a refusal that no door has written: 404, 413, 421 and so on."""
    door = door_of(request.path)
    if door is None or failure.status == _SERVER_FAULT:
        return
    proxies = request.config_dict.get(PROXIES)
    client = None if proxies is None else proxies.client_of(request)
    log_refusal(
        failure.status,
        failure.code,
        door=door,
        address=(request.remote or "") if client is None else client.text,
    )


def _from_http(error: web.HTTPException) -> Failure:
    kept = {
        name: error.headers[name] for name in _KEPT_HEADERS if name in error.headers
    }
    code = error.reason.lower().replace(" ", "-")
    return Failure(status=error.status, code=code, headers=kept)


def _from_node(error: NodeError) -> Failure:
    if error.status == _SERVER_FAULT:
        _log.error("request failed", error=str(error), code=error.code)
        return Failure(status=_SERVER_FAULT, code="internal-error")
    faults = error.faults if isinstance(error, InvalidInputError) else ()
    retry_after = getattr(error, "retry_after", None)
    headers = {}
    if isinstance(retry_after, timedelta):
        seconds = max(1, -(-retry_after // timedelta(seconds=1)))
        headers["Retry-After"] = str(seconds)
    return Failure(
        status=error.status,
        code=error.code,
        message=error.message,
        hint=error.hint,
        faults=faults,
        headers=headers,
    )


def _from_peer(error: PeerError) -> Failure:
    headers = {}
    if error.challenge:
        headers["Accept-Signature"] = error.challenge
    if "retry_after" in error.members:
        headers["Retry-After"] = str(error.members["retry_after"])
    return Failure(
        status=error.status,
        code=error.code,
        message=error.safe_text,
        headers=headers,
        members=error.members,
    )


def failure_response(request: web.Request, failure: Failure) -> web.Response:
    """Answer with a page where the client prefers one, else with a problem.

    A page speaks the reader's language, a problem document English.
    """
    as_page = wants_page(request)
    # The inner handlers' language ended with them.
    with speaking(language_of(request) if as_page else SOURCE):
        response = _page(request, failure) if as_page else _problem(failure)
    response.headers.update(failure.headers)
    response.headers["Cache-Control"] = "private, no-store"
    return response


def wants_page(request: web.Request) -> bool:
    """Whether the client asked for HTML by name and at least as much as for JSON."""
    if door_of(request.path) is not None:
        return False
    page = program = 0.0
    for part in request.headers.get("Accept", "").split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = _quality(parameters)
        if media in {"text/html", "application/xhtml+xml"}:
            page = max(page, weight)
        elif media.endswith(("/json", "+json")):
            program = max(program, weight)
    return page > 0 and page >= program


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _sign, value = parameter.partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def _problem(failure: Failure) -> web.Response:
    title, guidance = _words(failure.status)
    problem: dict[str, object] = {
        **failure.members,
        "type": PROBLEM_NAMESPACE + failure.code,
        "title": title,
        "status": failure.status,
        "detail": " ".join(
            part for part in (failure.message or guidance, failure.hint) if part
        ),
    }
    if failure.faults:
        problem["errors"] = [
            {"path": fault.path, "message": fault.message, "row": fault.row}
            for fault in failure.faults
        ]
    return web.Response(
        body=json.dumps(problem, ensure_ascii=False).encode(),
        status=failure.status,
        headers={"Content-Type": _PROBLEM_TYPE},
    )


def _page(request: web.Request, failure: Failure) -> web.Response:
    title, guidance = _words(failure.status)
    return render(
        request,
        "error.html",
        {
            "title": title,
            "message": in_words(failure.message, _) or guidance,
            "hint": in_words(failure.hint, _),
            "faults": [
                replace(fault, message=fault.in_words(_)) for fault in failure.faults
            ],
            "reference": (
                request.get(REQUEST_ID, "") if failure.status >= _SERVER_FAULT else ""
            ),
        },
        status=failure.status,
    )


def _words(status: int) -> tuple[str, str]:
    """Name a status for a person and say what to do."""
    words = {
        401: (
            _("Please sign in"),
            _("This page is for members. Sign in and open it again."),
        ),
        403: (
            _("You cannot open this"),
            _("Your account does not include it. Your office can change that."),
        ),
        404: (
            _("This page does not exist"),
            _(
                "The address may be mistyped, or what was here is no longer"
                " available to you."
            ),
        ),
        405: (
            _("That does not work here"),
            _("Go back to the page you came from and use its buttons."),
        ),
        409: (
            _("Something has changed in the meantime"),
            _("Load the page again and repeat the step."),
        ),
        410: (
            _("No longer available"),
            _("It was withdrawn or has expired."),
        ),
        413: (
            _("That is too large"),
            _("Send a smaller file or a shorter text."),
        ),
        415: (
            _("This format is not accepted"),
            _("Send the file in one of the formats that the page names."),
        ),
        421: (
            _("Wrong address"),
            _("This server does not answer under the address that was used."),
        ),
        422: (
            _("Something is missing or not right"),
            _("Correct what is named and send it again. Nothing was stored."),
        ),
        429: (
            _("Too many requests"),
            _("Wait a minute and try again."),
        ),
        503: (
            _("Not available right now"),
            _("Try again in a few minutes. Nothing was lost."),
        ),
    }
    if status in words:
        return words[status]
    if status >= _SERVER_FAULT:
        return (
            _("This did not work, and it is our fault"),
            _(
                "The step was not completed. Try again; if it happens again, tell"
                " your office the number below."
            ),
        )
    return (
        _("The request was not understood"),
        _("Go back to the page you came from and try again."),
    )
