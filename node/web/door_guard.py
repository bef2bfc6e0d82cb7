"""What stands before every door: rates, deadline, the answer and line of a refusal.

Source: SPEC.md PRT-012, PRT-046, NOD-009.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import structlog
from aiohttp import web

from federation.errors import (
    BusyError,
    FaultError,
    MethodNotAllowedError,
    PeerError,
    RateLimitError,
)
from federation.ids import BaseUrl, authority_of
from federation.inbox import AdmittedHead, RequestHead, admit
from federation.ports import Clock
from federation.rates import DoorRates
from federation.transport.server import problem_response, request_head
from node.errors import NodeError
from node.limits import DOOR_TIMEOUT
from node.web.client_address import ClientAddress, TrustedProxies
from node.web.door_paths import DOORS_OF_PARTNERS

_UNAUTHORISED: Final = 401
_SERVER_FAULT: Final = 500
_UNAVAILABLE: Final = 503
_RETRY_SECONDS: Final = 60

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Visit:
    """Who stands at a door, as far as it is known.

    Attributes:
        door: The door's path.
        address: The client's network address, for the log.
        key: What shares a rate with it.
        is_direct: Whether the client itself is connected.
        peer: Our id of the partner, once it has proven who it is.
    """

    door: str
    address: str
    key: str
    is_direct: bool
    peer: str | None = None


VISIT = web.RequestKey("VISIT", Visit)
ASKED = web.RequestKey("ASKED", BaseUrl)
"""The address of ours by which a request asks for us: the present one, or at a door
for partners a former one, by which whoever has not confirmed our move knows us."""

DoorHandler: TypeAlias = Callable[
    [web.Request, AdmittedHead], Awaitable[web.StreamResponse]
]
Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DoorGuard:
    """Leads requests to the handlers of the doors, and refusals back.

    Args:
        base_url: Our own address.
        former: Where we were before.
        clock: The time.
        rates: How much may come.
        proxies: Our reverse proxies.
        admit_signed: Lets requests in that a partner has signed, although their
            address has sent too many; none are without it.
    """

    def __init__(
        self,
        base_url: BaseUrl,
        clock: Clock,
        *,
        former: Sequence[BaseUrl] = (),
        rates: DoorRates,
        proxies: TrustedProxies,
        admit_signed: Callable[[RequestHead], Awaitable[AdmittedHead | None]]
        | None = None,
    ) -> None:
        self._base_url = base_url
        self._former = {authority_of(each): each for each in former}
        self._clock = clock
        self._rates = rates
        self._proxies = proxies
        self._admit_signed = admit_signed
        self._is_told = False

    def add(
        self,
        app: web.Application,
        path: str,
        *,
        refused_with: Mapping[str, str] | None = None,
        **handlers: DoorHandler,
    ) -> None:
        """Open a door.

        Args:
            app: The application.
            path: The door's path, with the placeholders of aiohttp.
            refused_with: Further fields of refusals.
            handlers: The handler of each method that the door knows; every other
                method gets one and the same 405.
        """
        door = path.partition("/{")[0]
        resource = app.router.add_resource(path)
        for method, handler in handlers.items():
            resource.add_route(
                method, self.watched(handler, door=door, refused_with=refused_with)
            )
        allowed = tuple(sorted(handlers))

        async def refuse(
            _request: web.Request, _admitted: AdmittedHead
        ) -> web.StreamResponse:
            raise MethodNotAllowedError(allowed)

        resource.add_route(
            "*", self.watched(refuse, door=door, refused_with=refused_with)
        )

    def watched(
        self,
        handler: DoorHandler,
        *,
        door: str,
        refused_with: Mapping[str, str] | None = None,
    ) -> Handler:
        """Return a handler for aiohttp that never raises."""
        further = refused_with or {}

        async def answer(request: web.Request) -> web.StreamResponse:
            client = self._proxies.client_of(request)
            self._tell_unnamed(client)
            visit = Visit(door, client.text, client.key, client.is_direct)
            request[VISIT] = visit
            asked = self._former.get(request.headers.get("Host", "").lower())
            is_partners = door in DOORS_OF_PARTNERS
            request[ASKED] = asked if asked and is_partners else self._base_url
            head = request_head(
                request,
                base_url=request[ASKED],
                sender=visit.key,
                clock=self._clock,
            )
            try:
                async with asyncio.timeout(DOOR_TIMEOUT.total_seconds()):
                    admitted = await self._admitted(head)
                    if admitted is None:
                        return _closed()
                    return await handler(request, admitted)
            except PeerError as error:
                if error.status == _UNAUTHORISED and visit.peer is None:
                    self._rates.note_failure(visit.key, now=self._clock.now())
                return self._refused(error, visit, further)
            except (NodeError, TimeoutError) as error:
                return self._refused(_as_refusal(error), visit, further)
            except Exception:  # noqa: BLE001 - nobody sees a traceback
                _log.exception(
                    "request failed",
                    status=_SERVER_FAULT,
                    code=FaultError.default_code,
                    door=door,
                    address=visit.address,
                    peer=visit.peer,
                )
                return problem_response(_fault())

        return answer

    async def _admitted(self, head: RequestHead) -> AdmittedHead | None:
        """Let a request in; None if its address gets no answer any more.

        Raises:
            RateLimitError: Its address has sent too many.
        """
        is_silenced = self._rates.is_silenced(head.sender, now=head.received_at)
        try:
            if not is_silenced:
                return admit(head, rates=self._rates)
        except RateLimitError:
            admitted = await self._signed(head)
            if admitted is None:
                raise
            return admitted
        return await self._signed(head)

    async def _signed(self, head: RequestHead) -> AdmittedHead | None:
        return None if self._admit_signed is None else await self._admit_signed(head)

    def _tell_unnamed(self, client: ClientAddress) -> None:
        """Say once that all visitors share one rate: nobody tells them apart.

        A node with an https address has its TLS from a proxy, so a proxy's own
        address is never a visitor's.
        """
        if self._is_told or not client.is_proxy or self._base_url.startswith("http:"):
            return
        self._is_told = True
        _log.warning(
            "the reverse proxy names no client",
            address=client.text,
            fix="let it write X-Forwarded-For; until then all visitors share one rate",
        )

    def _refused(
        self, error: PeerError, visit: Visit, further: Mapping[str, str]
    ) -> web.Response:
        is_too_much = isinstance(error, RateLimitError) or error.code == "busy"
        if is_too_much:
            self._rates.note_refusal(visit.key, now=self._clock.now())
        log_refusal(
            error.status,
            error.code,
            door=visit.door,
            peer=visit.peer,
            address=visit.address,
        )
        response = problem_response(error)
        response.headers.update(further)
        return response


def _closed() -> web.Response:
    """Answer as short as possible and write no line; see `ADDRESS_REFUSAL_RATE`."""
    response = web.Response(status=429, headers={"Retry-After": str(_RETRY_SECONDS)})
    response.force_close()
    return response


def log_refusal(
    status: int, code: str, *, door: str, address: str, peer: str | None = None
) -> None:
    """Write the one line of a refusal; never body, title or signature."""
    who = {"address": address} if peer is None else {"peer": peer}
    write = _log.error if status == _SERVER_FAULT else _log.info
    write("refused", status=status, code=code, door=door, **who)


def _as_refusal(error: NodeError | TimeoutError) -> PeerError:
    """Turn what went wrong on our side into an answer that says no more."""
    if isinstance(error, TimeoutError):
        return BusyError(
            "The answer took too long.",
            code="timeout",
            members={"retry_after": _RETRY_SECONDS},
        )
    if error.status == _UNAVAILABLE:
        return BusyError(
            "This node cannot answer now.",
            code=error.code,
            members={"retry_after": _RETRY_SECONDS},
        )
    return _fault()


def _fault() -> FaultError:
    return FaultError("Something went wrong here; it is not your fault.")
