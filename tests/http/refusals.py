"""Every way to be refused at a door; see test_door_refusals.py."""

from federation.trust import TrustState
from tests.http.refusal_scene import (
    CANARY,
    Refusal,
    changed_page,
    edited_input,
    foreign_entry,
    forged_entry,
    gap,
    many_requests,
    many_wrong_signatures,
    message_about_nothing,
    method,
    no_items_left,
    no_messages_left,
    own_fault,
    raw,
    signed_by_nord,
    slow_body,
    slow_handling,
    too_many_items,
    unknown_request,
    without_proof,
)

REFUSALS = [
    # Made by the framework, or before any step.
    Refusal("path below a door", 404, "not-found", method("GET", "/inbox/x")),
    Refusal(
        "path below the actor",
        404,
        "not-found",
        method("GET", f"/actor/{CANARY}"),
        door="/actor",
    ),
    *(
        Refusal(
            f"{verb} {door}",
            405,
            "method-not-allowed",
            method(verb, door),
            door=door.partition("/a")[0] if door.startswith("/e") else door,
        )
        for verb, door in (
            ("GET", "/inbox"),
            ("PUT", "/inbox"),
            ("OPTIONS", "/inbox"),
            ("POST", "/outbox"),
            ("POST", "/holdings"),
            ("DELETE", "/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("OPTIONS", "/entries/aaaaaaaaaaaaaaaaaaaaaaaaaa"),
            ("TRACE", "/actor"),
            ("PATCH", "/partner-requests"),
            ("POST", "/.well-known/webfinger"),
            ("PROPFIND", "/nodeinfo/2.1"),
        )
    ),
    Refusal(
        "another host",
        421,
        "misdirected-request",
        raw("GET /actor HTTP/1.1\nHost: evil.example\nConnection: close\n\n"),
        door="/actor",
    ),
    Refusal(
        "bytes that are no HTTP",
        400,
        "malformed-http",
        raw(f"{CANARY} \x01 nothing\n\n"),
        door="",
    ),
    Refusal(
        "two lengths",
        400,
        "malformed-http",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nContent-Length: 5\n"
            f"Content-Length: 6\n\n{CANARY}"
        ),
        door="",
    ),
    Refusal(
        "too many requests",
        429,
        "rate-limit-exceeded",
        lambda scene: scene.post(scene.page, signer=scene.ost.context.signer),
        many_requests,
    ),
    Refusal(
        "too many wrong signatures",
        429,
        "rate-limit-exceeded",
        lambda scene: scene.post(scene.page, signer=scene.ost.context.signer),
        many_wrong_signatures,
    ),
    # The form of the request.
    Refusal(
        "doubled field",
        400,
        "malformed",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nSignature: a\nSignature: b\n"
            "Content-Length: 0\nConnection: close\n\n"
        ),
    ),
    Refusal(
        "other media type",
        415,
        "unsupported-media-type",
        lambda scene: scene.post(scene.page, Content_Type="application/json"),
    ),
    Refusal(
        "content coding",
        415,
        "unsupported-media-type",
        lambda scene: scene.post(scene.page, Content_Encoding="gzip"),
    ),
    Refusal(
        "announced too long",
        413,
        "too-large",
        raw(
            "POST /inbox HTTP/1.1\nHost: HOST\nContent-Length: 5000000\n"
            "Connection: close\n\n"
        ),
    ),
    Refusal("slow body", 408, "too-slow", slow_body),
    # The signature.
    Refusal(
        "unsigned",
        401,
        "signature-missing",
        lambda scene: scene.post(scene.page, without="Signature"),
    ),
    Refusal(
        "garbage",
        400,
        "signature-malformed",
        lambda scene: scene.post(scene.page, Signature=CANARY),
    ),
    Refusal(
        "digest of another body",
        401,
        "digest-mismatch",
        lambda scene: scene.post(scene.page, Content_Digest=f"sha-256=:{'A' * 43}=:"),
    ),
    Refusal(
        "unknown key",
        401,
        "unknown-key",
        lambda scene: scene.post(scene.page, signer=scene.ost.context.signer),
    ),
    Refusal(
        "wrong signature",
        401,
        "signature-invalid",
        lambda scene: scene.post(scene.page, Signature=f"sig1=:{'A' * 86}==:"),
    ),
    Refusal(
        "replayed",
        401,
        "replayed",
        lambda scene: scene.post(scene.page, nonce="A" * 22),
        lambda scene: scene.post(scene.page, nonce="A" * 22),
    ),
    Refusal(
        "not signed pull",
        401,
        "signature-missing",
        lambda scene: scene.get("/outbox?after=0"),
        door="/outbox",
    ),
    Refusal(
        "too little covered",
        401,
        "signature-coverage",
        edited_input(' "content-digest"', ""),
    ),
    Refusal(
        "no nonce", 401, "signature-parameters", edited_input(';nonce="[^"]*"', "")
    ),
    Refusal(
        "other algorithm",
        401,
        "signature-algorithm",
        edited_input('"ed25519"', '"hmac-sha256"'),
    ),
    Refusal(
        "too old", 401, "signature-stale", edited_input("created=[0-9]+", "created=1")
    ),
    # The body.
    Refusal(
        "no JSON",
        400,
        "malformed",
        lambda scene: scene.post(b'{"' + CANARY.encode()),
        by_peer=True,
    ),
    Refusal(
        "nested too deeply",
        413,
        "too-large",
        lambda scene: scene.post(b"[" * 40 + b"]" * 40),
        by_peer=True,
    ),
    Refusal(
        "unknown activity",
        422,
        "unsupported-type",
        lambda scene: scene.post({"type": CANARY}),
        by_peer=True,
    ),
    Refusal(
        "another context",
        400,
        "context-not-allowed",
        changed_page(**{"@context": "https://e.example"}),
        by_peer=True,
    ),
    Refusal(
        "unknown member", 422, "schema-invalid", changed_page(bcc=CANARY), by_peer=True
    ),
    Refusal(
        "another node's page",
        403,
        "origin-mismatch",
        changed_page(actor="https://evil.example/actor"),
        by_peer=True,
    ),
    Refusal("forged entry", 401, "proof-invalid", forged_entry, by_peer=True),
    Refusal(
        "entry of a third node", 403, "origin-mismatch", foreign_entry, by_peer=True
    ),
    Refusal("pages in between are missing", 409, "position-gap", gap, by_peer=True),
    Refusal("entry without proof", 422, "schema-invalid", without_proof, by_peer=True),
    Refusal("too many items", 413, "too-large", too_many_items, by_peer=True),
    Refusal(
        "items used up",
        429,
        "rate-limit-exceeded",
        lambda scene: scene.post(scene.page),
        no_items_left,
        by_peer=True,
    ),
    Refusal(
        "messages used up",
        429,
        "quota-exceeded",
        signed_by_nord(message_about_nothing),
        no_messages_left,
        by_peer=True,
    ),
    Refusal(
        "notice about nothing",
        403,
        "unknown-request",
        signed_by_nord(unknown_request),
        by_peer=True,
    ),
    Refusal(
        "message about nothing",
        404,
        "not-found",
        signed_by_nord(message_about_nothing),
        by_peer=True,
    ),
    # The state.
    Refusal(
        "paused",
        403,
        "partnership-paused",
        lambda scene: scene.post(scene.page),
        lambda scene: scene.put_state(TrustState.PAUSED),
        by_peer=True,
    ),
    Refusal(
        "ended",
        403,
        "partnership-ended",
        lambda scene: scene.get("/outbox?after=0", signed=True),
        lambda scene: scene.put_state(TrustState.ENDED),
        by_peer=True,
        door="/outbox",
    ),
    Refusal(
        "pull from nowhere",
        400,
        "malformed",
        lambda scene: scene.get("/outbox", signed=True),
        by_peer=True,
        door="/outbox",
    ),
    Refusal(
        "holdings of no bucket",
        400,
        "malformed",
        lambda scene: scene.get("/holdings?bucket=256", signed=True),
        by_peer=True,
        door="/holdings",
    ),
    # Guests and readers.
    Refusal(
        "no invitation",
        422,
        "schema-invalid",
        lambda scene: scene.post({"type": CANARY}, path="/partner-requests"),
        door="/partner-requests",
    ),
    Refusal(
        "unknown invitation",
        403,
        "invitation-refused",
        lambda scene: scene.post({"invitation": "a" * 16}, path="/partner-requests"),
        door="/partner-requests",
    ),
    Refusal(
        "no such entry",
        404,
        "not-found",
        lambda scene: scene.get(f"/entries/{'a' * 26}"),
        door="/entries",
    ),
    Refusal(
        "no such entry for a partner",
        404,
        "not-found",
        lambda scene: scene.get(f"/entries/{'a' * 26}", signed=True),
        by_peer=True,
        door="/entries",
    ),
    Refusal(
        "no resource",
        400,
        "malformed",
        lambda scene: scene.get("/.well-known/webfinger"),
        door="/.well-known/webfinger",
    ),
    # Our own trouble.
    Refusal("too slow to handle", 503, "timeout", slow_handling, by_peer=True),
    Refusal("own fault", 500, "internal-error", own_fault, by_peer=True),
]
