"""Reading single documents: what may be kept, and what looks alike."""

import json
import re
from typing import Any

import http_sf
import pytest

from federation.inbox import ReceivedRequest
from federation.keys import Signer
from federation.signatures.http import (
    HttpMessage,
    claim_answer,
    sign_request,
    verify_claim,
)
from federation.validation import check_wire
from node.catalogue.model import EntryState
from tests.http.nodes import OFFER, START, RunningNode
from tests.http.raw import RawAnswer, ask

ABSENT = "a" * 26
VARY = "Accept, Signature, Signature-Input"


class Asker:
    """Asks Nord for entries, as somebody or as nobody."""

    def __init__(self, nord: RunningNode, signer: Signer | None) -> None:
        self.nord = nord
        self.signer = signer
        self.count = 0
        self.request: HttpMessage | None = None

    async def get(self, path: str, **headers: str) -> RawAnswer:
        self.count += 1
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.signer is not None:
            fields |= sign_request(
                "GET",
                f"{self.nord.base_url}{path}",
                body=None,
                signer=self.signer,
                created=START,
                nonce=f"{self.count:022d}",
            )
        target = f"{self.nord.base_url}{path}"
        self.request = HttpMessage("GET", target, tuple(fields.items()))
        return await ask(self.nord, "GET", path, headers=fields)


# -- entries --------------------------------------------------------------------


async def test_everything_that_is_not_there_for_the_asker_is_alike_to_the_byte(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    office = nord.office
    publish = nord.catalogue.publish
    cluster = await publish(office, {**OFFER, "audience": {"level": "cluster"}})
    trusted = await publish(office, OFFER)
    withdrawn = await publish(office, {**OFFER, "audience": {"level": "public"}})
    await nord.catalogue.withdraw(office, withdrawn.id)
    deleted = await publish(office, {**OFFER, "audience": {"level": "cluster"}})
    await nord.catalogue.delete(office, deleted.id)
    never_told = await publish(office, {**OFFER, "title": {"de": "Nie gesagt"}})
    await nord.catalogue.withdraw(office, never_told.id)
    for asker, paths in (
        (
            Asker(nord, None),
            [cluster.id, trusted.id, withdrawn.id, deleted.id, never_told.id],
        ),
        # The partner was told nothing yet: nothing was delivered.
        (
            Asker(nord, sued.context.signer),
            [cluster.id, trusted.id, deleted.id, never_told.id],
        ),
    ):
        absent = await asker.get(f"/entries/{ABSENT}")
        assert absent.status == 404
        malformed = [
            "",
            "x",
            ABSENT[:-1],
            f"{ABSENT}a",
            ABSENT.upper(),
            "..",
            "%00",
            f"{ABSENT}/",
            f"{ABSENT}/x",
            f"{ABSENT}%2F",
            f"{ABSENT}?q=1",
            "%C3%A4",
            "e" * 3000,
        ]
        for path in [*paths, *malformed]:
            hidden = await asker.get(f"/entries/{path}")
            assert hidden.without_date == absent.without_date, path


@pytest.mark.parametrize("signed", [False, True])
async def test_etag_is_of_the_bytes_and_asked_for_after_the_permission(
    partners: tuple[RunningNode, RunningNode], signed: bool
) -> None:
    nord, sued = partners
    level = "trusted" if signed else "public"
    entry = await nord.catalogue.publish(
        nord.office, {**OFFER, "audience": {"level": level}}
    )
    await nord.settle()
    asker = Asker(nord, sued.context.signer if signed else None)
    path = f"/entries/{entry.id}"
    first = await asker.get(path)
    assert (first.status, first.body) == (200, entry.document)
    tag = first.field("ETag")
    assert tag is not None
    assert re.fullmatch(r'"[0-9a-f]{64}"', tag)
    kept = "private, no-store" if signed else "public, max-age=60"
    assert (first.field("Cache-Control"), first.field("Vary")) == (kept, VARY)
    for named in (tag, f'W/{tag}, "x"', "*"):
        again = await asker.get(path, If_None_Match=named)
        assert (again.status, again.body) == (304, b"")
        fields = [again.field(name) for name in ("ETag", "Cache-Control", "Vary")]
        assert fields == [tag, kept, VARY]
        assert again.field("Date")
    assert (await asker.get(path, If_None_Match='"other"')).status == 200
    # Who may not have it is told nothing by a tag, not even by "*".
    await nord.catalogue.publish(
        nord.office, {**OFFER, "audience": {"level": "cluster"}}, entry_ref=entry.id
    )
    absent = await Asker(nord, None).get(f"/entries/{ABSENT}", If_None_Match="*")
    for named in (tag, "*"):
        hidden = await Asker(nord, None).get(path, If_None_Match=named)
        assert hidden.without_date == absent.without_date


async def test_two_readers_in_turn_get_each_their_own(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    partner, stranger = Asker(nord, sued.context.signer), Asker(nord, None)
    for _ in range(20):
        assert (await partner.get(f"/entries/{entry.id}")).status == 200
        assert (await stranger.get(f"/entries/{entry.id}")).status == 404


@pytest.mark.parametrize("how", ["withdraw", "delete", "narrow", "expire"])
async def test_tombstone_for_whoever_was_told_and_nobody_else(
    partners: tuple[RunningNode, RunningNode], ost: RunningNode, how: str
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    path = f"/entries/{entry.id}"
    partner = Asker(nord, sued.context.signer)
    assert (await partner.get(path)).status == 200
    match how:
        case "withdraw":
            await nord.catalogue.withdraw(nord.office, entry.id)
        case "delete":
            await nord.catalogue.delete(nord.office, entry.id)
        case "narrow":
            await nord.catalogue.publish(
                nord.office,
                {**OFFER, "audience": {"level": "cluster"}},
                entry_ref=entry.id,
            )
        case "expire":
            nord.context.clock.advance(days=300)  # type: ignore[attr-defined]
            await nord.catalogue.expire_due()
            nord.context.clock.advance(days=-300)  # type: ignore[attr-defined]
    gone = await partner.get(path)
    assert gone.status == 410
    document = json.loads(gone.body)
    assert document.keys() == {"@context", "id", "type"}
    assert (document["id"], document["type"]) == (entry.uri, "Tombstone")
    check_wire("tombstone", document)
    assert gone.field("Cache-Control") == "private, no-store"
    assert gone.field("Vary") == VARY
    assert_signed_for(gone, partner)
    absent = await Asker(nord, None).get(f"/entries/{ABSENT}")
    assert (await Asker(nord, None).get(path)).without_date == absent.without_date
    unknown = await Asker(nord, ost.context.signer).get(path)
    assert unknown.status == 401
    await nord.settle()
    partner.count += 100
    assert (await partner.get(path)).status == 410


def assert_signed_for(answer: RawAnswer, asker: Asker) -> None:
    """The answer is signed by Nord, with its status, and for this very request."""
    assert asker.request is not None
    message = HttpMessage(
        "",
        asker.request.target_uri,
        tuple(answer.fields),
        status=answer.status,
        request=asker.request,
    )
    claim = claim_answer(message, body=answer.body, received_at=START)
    verify_claim(claim, message=message, key=asker.nord.context.signer.key.public_key)


async def test_tombstone_only_as_long_as_withdrawals_may_be_told(
    partners: tuple[RunningNode, RunningNode],
) -> None:
    nord, sued = partners
    entry = await nord.catalogue.publish(nord.office, OFFER)
    await nord.settle()
    await nord.catalogue.withdraw(nord.office, entry.id)
    await nord.settle()
    await nord.partners.end(nord.office, "sued")
    await nord.settle()
    answer = await Asker(nord, sued.context.signer).get(f"/entries/{entry.id}")
    assert answer.status == 404


def test_states_of_an_entry_are_all_thought_of() -> None:
    assert {state.value for state in EntryState} == {
        "draft",
        "published",
        "fulfilled",
        "expired",
        "withdrawn",
        "deleted",
    }


# -- discovery ------------------------------------------------------------------

DOCUMENTS = {
    "/actor": "application/activity+json",
    "/.well-known/webfinger?resource=BASE/": "application/jrd+json",
    "/.well-known/nodeinfo": "application/json",
    "/nodeinfo/2.1": (
        'application/json; profile="http://nodeinfo.diaspora.software/ns/schema/2.1#"'
    ),
}


@pytest.mark.parametrize("path", DOCUMENTS)
async def test_public_documents_may_be_kept_and_read_from_anywhere(
    nord: RunningNode, path: str
) -> None:
    target = path.replace("BASE", nord.base_url)
    first = await ask(nord, "GET", target)
    assert (first.status, first.field("Content-Type")) == (200, DOCUMENTS[path])
    assert first.field("Cache-Control") == "public, max-age=300"
    assert first.field("Access-Control-Allow-Origin") == "*"
    tag = first.field("ETag")
    assert tag is not None
    again = await ask(nord, "GET", target, headers={"If-None-Match": tag})
    assert (again.status, again.body) == (304, b"")
    assert again.field("Access-Control-Allow-Origin") == "*"
    head = await ask(nord, "HEAD", target)
    assert (head.status, head.body) == (200, b"")
    for name in ("ETag", "Content-Type", "Cache-Control", "Content-Length"):
        assert head.field(name) == first.field(name), name


async def test_refusals_of_discovery_may_be_read_from_anywhere(
    nord: RunningNode,
) -> None:
    for verb, path, status in (
        ("GET", "/.well-known/webfinger", 400),
        ("GET", "/.well-known/webfinger?resource=acct:a@b", 404),
        ("POST", "/nodeinfo/2.1", 405),
    ):
        answer = await ask(nord, verb, path)
        assert answer.status == status
        assert answer.field("Access-Control-Allow-Origin") == "*"
        assert answer.field("Cache-Control") == "private, no-store"


@pytest.mark.parametrize(
    "verb", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PROPFIND"]
)
async def test_other_methods_are_refused_alike(nord: RunningNode, verb: str) -> None:
    answers = {}
    for path in ("/actor", "/nodeinfo/2.1", f"/entries/{ABSENT}", "/entries/x"):
        answer = await ask(nord, verb, path)
        assert answer.status == 405
        answers[path] = (answer.field("Allow"), answer.body)
    assert answers["/actor"][0] == "GET, HEAD"
    assert answers[f"/entries/{ABSENT}"] == answers["/entries/x"]
    assert answers["/entries/x"][0] == "GET"


async def test_nodeinfo_keeps_the_rules_of_its_schema(nord: RunningNode) -> None:
    """The rules of NodeInfo 2.1 (nodeinfo.diaspora.software), written out."""
    info: dict[str, Any] = json.loads((await ask(nord, "GET", "/nodeinfo/2.1")).body)
    assert info.keys() == {
        "version",
        "software",
        "protocols",
        "services",
        "openRegistrations",
        "usage",
        "metadata",
    }
    assert info["version"] == "2.1"
    assert info["software"].keys() <= {"name", "version", "repository", "homepage"}
    assert re.fullmatch(r"[a-z0-9-]+", info["software"]["name"])
    assert isinstance(info["software"]["version"], str)
    assert info["protocols"] == ["activitypub"]
    assert info["services"] == {"inbound": [], "outbound": []}
    assert info["openRegistrations"] is False
    assert info["usage"].keys() <= {"users", "localPosts", "localComments"}
    counts = {"total", "activeHalfyear", "activeMonth"}
    assert info["usage"]["users"].keys() <= counts
    # FEP-0151.
    metadata = info["metadata"]
    assert metadata["nodeName"] == "Nord"
    assert isinstance(metadata["nodeDescription"], str)
    assert metadata["staffAccounts"] == [f"{nord.base_url}/actor"]
    assert metadata["federation"] == {"enabled": True}


async def test_nodeinfo_links_also_the_actor(nord: RunningNode) -> None:
    """FEP-2677: the application actor stands beside NodeInfo."""
    links = json.loads((await ask(nord, "GET", "/.well-known/nodeinfo")).body)["links"]
    found = {link["rel"]: link["href"] for link in links}
    base = nord.base_url
    assert found == {
        "http://nodeinfo.diaspora.software/ns/schema/2.1": f"{base}/nodeinfo/2.1",
        "https://www.w3.org/ns/activitystreams#Application": f"{base}/actor",
    }


async def test_actor_says_what_it_implements(nord: RunningNode) -> None:
    """FEP-844e: RFC 9421, and that with Ed25519."""
    actor = json.loads((await ask(nord, "GET", "/actor")).body)
    implements = {each["href"] for each in actor["generator"]["implements"]}
    rfc = "https://datatracker.ietf.org/doc/html/rfc9421"
    assert implements >= {rfc, f"{rfc}#name-eddsa-using-curve-edwards25"}


async def test_server_actor_is_found_by_the_address_alone(nord: RunningNode) -> None:
    """FEP-d556: WebFinger about the address names the server's own actor."""
    for resource in (nord.base_url, f"{nord.base_url}/"):
        target = f"/.well-known/webfinger?resource={resource}"
        found = json.loads((await ask(nord, "GET", target)).body)
        (service,) = [
            link
            for link in found["links"]
            if link["rel"] == "https://www.w3.org/ns/activitystreams#Service"
        ]
        assert service["href"] == f"{nord.base_url}/actor"
        assert service["type"] == "application/activity+json"


# -- what we ask for ------------------------------------------------------------


@pytest.mark.parametrize(("verb", "path"), [("POST", "/inbox"), ("GET", "/outbox")])
async def test_accept_signature_is_what_the_standard_says(
    nord: RunningNode, verb: str, path: str
) -> None:
    """RFC 9421 §5.1: a dictionary of inner lists, read here by another library."""
    body = b"{}" if verb == "POST" else None
    headers = {"Content-Type": "application/activity+json"} if body else {}
    answer = await ask(nord, verb, path, headers=headers, body=body)
    assert answer.status == 401
    field = (answer.field("Accept-Signature") or "").encode()
    asked = http_sf.parse(field, tltype="dictionary")
    ((items, parameters),) = asked.values()
    components = [value for value, _none in items]
    assert components == [
        "@method",
        "@target-uri",
        "@authority",
        *(["content-digest"] if body else []),
    ]
    # `created` without a value asks the signer to set it; there is no nonce of ours.
    assert dict(parameters) == {"created": True, "alg": "ed25519"}


def test_received_request_hides_what_it_carries() -> None:
    request = ReceivedRequest("POST", "https://a.example/inbox", (), b"x", START)
    assert "b'x'" not in repr(request)
