"""What everybody may read: actor, WebFinger, NodeInfo."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from federation import discovery
from federation.canonical import canonical_bytes
from federation.documents.actor import USERNAME, parse_actor
from federation.errors import PeerError, SchemaInvalidError
from federation.inbox import is_activity_media_type
from federation.jsonld import HOUSE_CONTEXT
from federation.strict_json import loads_object
from federation.validation import check_wire
from node.conform.checks import (
    Check,
    Door,
    Finding,
    Severity,
    SkipError,
    compared,
    failed,
    passed,
)
from node.conform.visit import Visit, json_of, refused_as
from node.sentence import Sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from federation.json_types import JsonObject
    from node.conform.http_exchange import Answer

_MUST, _SHOULD = Severity.MUST, Severity.SHOULD
_ACTOR: Final = "/actor"
_WEBFINGER: Final = "/.well-known/webfinger"
_NODEINFO: Final = "/.well-known/nodeinfo"
_RFC9421: Final = "https://datatracker.ietf.org/doc/html/rfc9421"
_SOFTWARE: Final = re.compile(r"[a-z0-9-]+")
_OK: Final = 200


async def _actor(visit: Visit) -> JsonObject:
    answer = await visit.fetch(_ACTOR)
    try:
        return loads_object(answer.body)
    except PeerError as error:
        raise SkipError(
            Sentence("The actor document cannot be read: {reason}", reason=str(error))
        ) from error


async def _actor_is_served(visit: Visit) -> Finding:
    answer = await visit.fetch(_ACTOR)
    media_type = answer.field("Content-Type")
    ok = answer.status == _OK and is_activity_media_type(media_type)
    return Finding(
        ok,
        "GET /actor",
        "200 application/activity+json",
        f"{answer.status} {media_type}",
    )


async def _actor_is_strict_json(visit: Visit) -> Finding:
    answer = await visit.fetch(_ACTOR)
    try:
        loads_object(answer.body)
    except PeerError as error:
        return failed("GET /actor", expected="I-JSON", found=error.safe_text)
    return passed("GET /actor", expected="I-JSON")


async def _context_is_the_house_context(visit: Visit) -> Finding:
    document = await _actor(visit)
    context = document.get("@context")
    same = canonical_bytes(context) == canonical_bytes(HOUSE_CONTEXT)
    found = "equal" if same else str(context)[:200]
    return Finding(same, "GET /actor", "@context equal", found)


async def _actor_fits_its_schema(visit: Visit) -> Finding:
    document = await _actor(visit)
    try:
        check_wire("actor", document)
    except SchemaInvalidError as error:
        return failed("GET /actor", expected="wire/actor", found=error.safe_text)
    return passed("GET /actor", expected="wire/actor")


async def _actor_names_only_itself(visit: Visit) -> Finding:
    document = await _actor(visit)
    expected = f"{visit.address.base_url}/…, Ed25519, JSON-LD"
    try:
        visit.actor = parse_actor(document, base_url=visit.address.base_url)
    except PeerError as error:
        return failed("GET /actor", expected=expected, found=str(error))
    return passed("GET /actor", expected=expected)


async def _actor_tells_rfc9421(visit: Visit) -> Finding:
    document = await _actor(visit)
    generator = document.get("generator")
    links: Any = generator.get("implements") if isinstance(generator, dict) else None
    told = [link.get("href") for link in links or () if isinstance(link, dict)]
    return Finding(
        _RFC9421 in told,
        "GET /actor",
        f"implements {_RFC9421}",
        " ".join(map(str, told)),
    )


async def _actor_may_be_cached(visit: Visit) -> Finding:
    answer = await visit.fetch(_ACTOR)
    found = answer.field("Cache-Control")
    ok = "max-age" in found or "no-cache" in found or bool(answer.field("ETag"))
    return Finding(ok, "GET /actor", "Cache-Control / ETag", found or "-")


async def _unchanged_actor_is_304(visit: Visit) -> Finding:
    first = await visit.fetch(_ACTOR)
    tag = first.field("ETag")
    if not tag:
        return failed("GET /actor", expected="ETag", found="-")
    fields = (("If-None-Match", tag),)
    sent = f"GET /actor If-None-Match: {tag[:60]}"
    again = await visit.ask(lambda: visit.get(_ACTOR, fields=fields))
    found = f"{again.status}, {len(again.body)} bytes"
    return compared(sent, expected="304, 0 bytes", found=found)


async def _head_is_get_without_body(visit: Visit) -> Finding:
    got = await visit.fetch(_ACTOR)
    head = await visit.ask(lambda: visit.get(_ACTOR, method="HEAD"))

    def told(answer: Answer) -> str:
        return f"{answer.status} {answer.field('Content-Type')}"

    return compared(
        "HEAD /actor",
        expected=f"{told(got)}, 0 bytes",
        found=f"{told(head)}, {len(head.body)} bytes",
    )


def _other_method(method: str, path: str) -> Callable[[Visit], Awaitable[Finding]]:
    async def run(visit: Visit) -> Finding:
        answer = await visit.ask(lambda: visit.get(path, method=method))
        allowed = answer.field("Allow")
        found = f"{answer.status} Allow: {allowed}"
        ok = answer.status == 405 and bool(allowed)  # noqa: PLR2004 - RFC 9110 §15.5.6
        return Finding(ok, f"{method} {path}", "405 Allow", found)

    return run


def _known(visit: Visit) -> dict[str, str]:
    return {
        "base": visit.address.base_url,
        "slash": f"{visit.address.base_url}/",
        "actor": visit.address.actor,
        "account": f"acct:{USERNAME}@{visit.address.authority}",
    }


def _query(resource: str, *rels: str) -> str:
    told = "".join(f"&rel={quote(rel, safe='')}" for rel in rels)
    return f"{_WEBFINGER}?resource={quote(resource, safe='')}{told}"


def _webfinger_knows(name: str) -> Callable[[Visit], Awaitable[Finding]]:
    async def run(visit: Visit) -> Finding:
        resource = _known(visit)[name]
        path = _query(resource)
        answer = await visit.fetch(path)
        document = json_of(answer)
        expected = f"200 {discovery.JRD_JSON}, self and Service {visit.address.actor}"
        links = document.get("links") if isinstance(document, dict) else None
        found = {
            link.get("rel"): link.get("href")
            for link in links or ()
            if isinstance(link, dict) and is_activity_media_type(link.get("type", ""))
        }
        media_type = answer.field("Content-Type").partition(";")[0]
        ok = (
            (answer.status, media_type) == (_OK, discovery.JRD_JSON)
            and isinstance(document, dict)
            and document.get("subject") == resource
            and found.get("self") == visit.address.actor
            and found.get(discovery.SERVICE_REL) == visit.address.actor
        )
        return Finding(ok, f"GET {path}", expected, f"{answer.status} {found}")

    return run


async def _webfinger_is_open_to_scripts(visit: Visit) -> Finding:
    path = _query(visit.address.base_url)
    answer = await visit.fetch(path)
    return compared(
        f"GET {path}",
        expected="Access-Control-Allow-Origin: *",
        found=f"Access-Control-Allow-Origin: "
        f"{answer.field('Access-Control-Allow-Origin')}",
    )


async def _webfinger_filters(visit: Visit) -> Finding:
    path = _query(visit.address.base_url, "self")
    document = json_of(await visit.fetch(path))
    links: Any = document.get("links") if isinstance(document, dict) else None
    found = [link.get("rel") for link in links or () if isinstance(link, dict)]
    return compared(f"GET {path}", expected=["self"], found=found)


def _webfinger_refuses(
    query: str, status: int
) -> Callable[[Visit], Awaitable[Finding]]:
    async def run(visit: Visit) -> Finding:
        path = f"{_WEBFINGER}{query}"
        answer = await visit.fetch(path)
        return refused_as(f"GET {path}", answer, status=status, codes=())

    return run


async def _nodeinfo_links(visit: Visit) -> dict[str, str]:
    document = json_of(await visit.fetch(_NODEINFO))
    links: Any = document.get("links") if isinstance(document, dict) else None
    return {
        str(link.get("rel")): str(link.get("href"))
        for link in links or ()
        if isinstance(link, dict)
    }


async def _nodeinfo_is_linked(visit: Visit) -> Finding:
    links = await _nodeinfo_links(visit)
    href = links.get(discovery.NODEINFO_REL, "")
    ok = href.startswith(f"{visit.address.base_url}/")
    return Finding(ok, f"GET {_NODEINFO}", discovery.NODEINFO_REL, href or str(links))


async def _application_is_linked(visit: Visit) -> Finding:
    links = await _nodeinfo_links(visit)
    return compared(
        f"GET {_NODEINFO}",
        expected=f"{discovery.APPLICATION_REL} {visit.address.actor}",
        found=f"{discovery.APPLICATION_REL} {links.get(discovery.APPLICATION_REL)}",
    )


async def _nodeinfo(visit: Visit) -> tuple[str, Answer]:
    href = (await _nodeinfo_links(visit)).get(discovery.NODEINFO_REL, "")
    path = href.removeprefix(visit.address.base_url)
    if path == href or not path.startswith("/"):
        raise SkipError(Sentence("No NodeInfo document is linked."))
    return path, await visit.fetch(path)


async def _nodeinfo_fits(visit: Visit) -> Finding:
    path, answer = await _nodeinfo(visit)
    document = json_of(answer)
    wrong = _faults_of_nodeinfo(document if isinstance(document, dict) else {})
    ok = answer.status == _OK and not wrong
    found = f"{answer.status} {', '.join(wrong)}".strip()
    return Finding(ok, f"GET {path}", "200 NodeInfo 2.1", found)


def _faults_of_nodeinfo(document: dict[str, Any]) -> list[str]:
    """Return the pointers of what NodeInfo 2.1 does not permit."""
    names = {
        *("version", "software", "protocols", "services"),
        *("openRegistrations", "usage", "metadata"),
    }
    wrong = [f"/{name}" for name in sorted(document.keys() ^ names)]
    software = document.get("software")
    named = software.get("name", "") if isinstance(software, dict) else ""
    services = document.get("services")
    rules = {
        "/version": document.get("version") == "2.1",
        "/software/name": bool(_SOFTWARE.fullmatch(str(named))),
        "/protocols": "activitypub" in (document.get("protocols") or ()),
        "/services": isinstance(services, dict)
        and services.keys() == {"inbound", "outbound"},
        "/openRegistrations": isinstance(document.get("openRegistrations"), bool),
        "/usage": isinstance(document.get("usage"), dict),
        "/metadata": isinstance(document.get("metadata"), dict),
    }
    return wrong + [pointer for pointer, holds in rules.items() if not holds]


async def _nodeinfo_counts_nothing(visit: Visit) -> Finding:
    path, answer = await _nodeinfo(visit)
    document = json_of(answer)
    usage = document.get("usage") if isinstance(document, dict) else None
    return compared(f"GET {path}", expected={"users": {}}, found=usage)


async def _nodeinfo_tells_the_name(visit: Visit) -> Finding:
    path, answer = await _nodeinfo(visit)
    document = json_of(answer)
    metadata: Any = document.get("metadata") if isinstance(document, dict) else None
    told = metadata.get("nodeName") if isinstance(metadata, dict) else None
    actor = await _actor(visit)
    return compared(f"GET {path}", expected=actor.get("name"), found=told)


async def _actor_tells_its_account(visit: Visit) -> Finding:
    actor = await _actor(visit)
    expected = f"{USERNAME}@{visit.address.authority}"
    return compared("GET /actor", expected=expected, found=actor.get("webfinger"))


def _check(
    name: str,
    clause: str,
    severity: Severity,
    title: Sentence,
    run: Callable[[Visit], Awaitable[Finding]],
) -> Check:
    return Check(name, Door.DISCOVERY, clause, severity, title, run)


CHECKS: Final = (
    _check(
        "actor-served",
        "FED-032, PRT-006",
        _MUST,
        Sentence("Everybody can read the actor, without a signature."),
        _actor_is_served,
    ),
    _check(
        "actor-strict-json",
        "FED-020",
        _MUST,
        Sentence("The actor is strict JSON."),
        _actor_is_strict_json,
    ),
    _check(
        "actor-context",
        "FED-021",
        _MUST,
        Sentence("The actor has the protocol's context, value for value."),
        _context_is_the_house_context,
    ),
    _check(
        "actor-schema",
        "FED-024, FED-032",
        _MUST,
        Sentence("The actor fits its closed schema."),
        _actor_fits_its_schema,
    ),
    _check(
        "actor-owner",
        "FED-022, FED-030, FED-033, FED-140",
        _MUST,
        Sentence("The actor names only its own addresses and usable keys."),
        _actor_names_only_itself,
    ),
    _check(
        "actor-webfinger",
        "PRT-040, FEP-2c59",
        _MUST,
        Sentence("The actor tells its WebFinger address."),
        _actor_tells_its_account,
    ),
    _check(
        "actor-implements",
        "FED-032, FEP-844e",
        _SHOULD,
        Sentence("The actor tells that it implements RFC 9421."),
        _actor_tells_rfc9421,
    ),
    _check(
        "actor-caching",
        "RFC 9111",
        _SHOULD,
        Sentence("The actor says how long it may be kept."),
        _actor_may_be_cached,
    ),
    _check(
        "actor-not-modified",
        "RFC 9110",
        _SHOULD,
        Sentence("An actor that has not changed is answered with 304."),
        _unchanged_actor_is_304,
    ),
    _check(
        "actor-head",
        "RFC 9110",
        _SHOULD,
        Sentence("HEAD is answered like GET, without a body."),
        _head_is_get_without_body,
    ),
    *(
        _check(
            f"method-{method.lower()}-{path.strip('/')}",
            "RFC 9110",
            _SHOULD,
            Sentence(
                "{method} {path} is answered with 405 and what is allowed.",
                method=method,
                path=path,
            ),
            _other_method(method, path),
        )
        for method, path in (
            ("DELETE", "/actor"),
            ("GET", "/inbox"),
            ("POST", "/outbox"),
            ("GET", "/partner-requests"),
        )
    ),
    *(
        _check(
            f"webfinger-{name}",
            "PRT-040",
            _MUST,
            Sentence("WebFinger knows the node ({resource}).", resource=name),
            _webfinger_knows(name),
        )
        for name in ("base", "slash", "actor", "account")
    ),
    _check(
        "webfinger-cors",
        "PRT-040",
        _MUST,
        Sentence("Scripts of other sites may read WebFinger."),
        _webfinger_is_open_to_scripts,
    ),
    _check(
        "webfinger-rel",
        "PRT-040",
        _SHOULD,
        Sentence("WebFinger gives only the relations that were asked for."),
        _webfinger_filters,
    ),
    _check(
        "webfinger-no-resource",
        "PRT-040",
        _MUST,
        Sentence("WebFinger without a resource is refused."),
        _webfinger_refuses("", 400),
    ),
    _check(
        "webfinger-bad-resource",
        "PRT-040",
        _MUST,
        Sentence("WebFinger with something that is no address is refused."),
        _webfinger_refuses("?resource=x", 400),
    ),
    _check(
        "webfinger-unknown",
        "PRT-040",
        _MUST,
        Sentence("WebFinger knows nobody else."),
        _webfinger_refuses("?resource=acct%3Anobody%40nowhere.example", 404),
    ),
    _check(
        "nodeinfo-link",
        "PRT-041",
        _SHOULD,
        Sentence("NodeInfo is linked."),
        _nodeinfo_is_linked,
    ),
    _check(
        "nodeinfo-application",
        "PRT-041, FEP-2677",
        _SHOULD,
        Sentence("NodeInfo links the actor."),
        _application_is_linked,
    ),
    _check(
        "nodeinfo-document",
        "PRT-041",
        _SHOULD,
        Sentence("The NodeInfo document has the form of version 2.1."),
        _nodeinfo_fits,
    ),
    _check(
        "nodeinfo-no-statistics",
        "PRT-042",
        _MUST,
        Sentence("NodeInfo tells no statistics."),
        _nodeinfo_counts_nothing,
    ),
    _check(
        "nodeinfo-name",
        "PRT-042, FEP-0151",
        _SHOULD,
        Sentence("NodeInfo tells the name that the actor has."),
        _nodeinfo_tells_the_name,
    ),
)
