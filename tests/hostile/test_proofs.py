"""B: proofs in documents, and what JSON-LD could make of them."""

import json

# ruff: noqa: RUF001 - letters that look like others are what is tested here
import time
from typing import Any

import base58
import pytest

from tests.hostile.json_paths import changed_everywhere, paths_of
from tests.hostile.world import World

SEED = 20261121
DOORS = (("POST", "/inbox"), ("POST", "/partner-requests"), ("GET", "/outbox?after=0"))


# -- proofs in documents --------------------------------------------------------


async def entry_refusals(
    world: World, untouched: Any, label: object, entry: Any, wanted: set[Any]
) -> None:
    reply = await world.post(world.page_of([world.upsert(entry)]))
    untouched.expect(label, got=reply.refusal, wanted=wanted)


UNPROVEN: set[Any] = {
    (401, "proof-invalid"),
    (401, "proof-missing"),
    (400, "context-not-allowed"),
    (403, "origin-mismatch"),
    (422, "schema-invalid"),
}


async def test_each_key_deleted_changed_or_added(world: World) -> None:
    """Everything in a signed document is under its proof."""
    from federation.documents.notice import NoticeType

    entry = await world.entry(body={"de": "Einzelheiten"})
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    leave = world.notice(NoticeType.LEAVE, about=world.sued.node.context.address.actor)
    withdrawal = world.withdrawal(entry["id"])
    unproven = UNPROVEN | {(422, "unsupported-type"), (401, "unknown-key")}
    async with world.untouched() as untouched:
        for label, altered in changed_everywhere(entry):
            await entry_refusals(world, untouched, f"entry {label}", altered, unproven)
        for label, altered in changed_everywhere(withdrawal):
            reply = await world.post(world.page_of([altered]))
            untouched.expect(f"delete {label}", got=reply.refusal, wanted=unproven)
        for name, whole in (("message", message), ("leave", leave)):
            for label, altered in changed_everywhere(whole):
                reply = await world.post(altered)
                untouched.expect(f"{name} {label}", got=reply.refusal, wanted=unproven)


PROOF_VALUES: list[Any] = [
    None,
    True,
    0,
    7,
    -1,
    "",
    "x",
    "z",
    "z" + "1" * 88,
    "z0OIl",
    "u" + "A" * 86,
    "Z" + "1" * 80,
    "z" * 200,
    [],
    {},
    ["x"],
    {"@value": "x"},
    {"@id": "x"},
    {"@value": "2026-11-21T10:00:00Z", "@type": "xsd:dateTime"},
    [[]],
]


async def test_every_field_of_a_proof_with_every_sort_of_value(world: World) -> None:
    """400s and 401s for good: nothing that a peer would send again for ever."""
    entry = await world.entry()
    async with world.untouched() as untouched:
        for name in entry["proof"]:
            for value in PROOF_VALUES:
                altered = {**entry, "proof": {**entry["proof"], name: value}}
                await entry_refusals(
                    world,
                    untouched,
                    f"{name}={value!r}",
                    altered,
                    UNPROVEN | {(401, "unknown-key")},
                )
        for value in [*PROOF_VALUES, [entry["proof"]], [entry["proof"]] * 2]:
            await entry_refusals(
                world,
                untouched,
                f"proof={value!r}",
                {**entry, "proof": value},
                UNPROVEN,
            )


@pytest.mark.parametrize(
    "created",
    [
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00+00:00",
        "2026-11-21T10:00:00.000Z",
        "2026-11-21 10:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T10:00:60Z",
        "0000-01-01T00:00:00Z",
        "99999-01-01T00:00:00Z",
        "tomorrow",
        "２０２６-11-21T10:00:00Z",
    ],
)
async def test_times_of_proofs_in_other_forms(world: World, created: str) -> None:
    """Rightly signed with that time."""
    from federation.signatures.proof import hash_data

    entry = await world.entry()
    options = {**entry["proof"], "created": created}
    options.pop("proofValue")
    bare = {name: value for name, value in entry.items() if name != "proof"}
    signature = world.signer().key.sign(hash_data(bare, options))
    value = "z" + base58.b58encode(signature).decode()
    forged = {**bare, "proof": {**options, "proofValue": value}}
    async with world.untouched() as untouched:
        await entry_refusals(world, untouched, created, forged, UNPROVEN)


async def test_linked_data_signature_beside_the_proof(world: World) -> None:
    """A `signature` of the older sort is neither looked at nor carried along."""
    entry = await world.entry()
    legacy = {
        "type": "RsaSignature2017",
        "creator": world.signer().key_id,
        "created": "2026-11-21T10:00:00Z",
        "signatureValue": "AAAA",
    }
    async with world.untouched() as untouched:
        await entry_refusals(
            world, untouched, "beside", {**entry, "signature": legacy}, UNPROVEN
        )
        bare = {name: value for name, value in entry.items() if name != "proof"}
        await entry_refusals(
            world, untouched, "instead", {**bare, "signature": legacy}, UNPROVEN
        )


# -- JSON-LD --------------------------------------------------------------------


REARRANGING = ("@graph", "@included", "@reverse", "@nest", "@import", "@propagate")


@pytest.mark.parametrize("keyword", REARRANGING)
async def test_rearranging_keywords(world: World, keyword: str) -> None:
    """A signed document wrapped, lifted or split by a keyword of JSON-LD."""
    entry = await world.entry()
    context = entry["@context"]
    bare = {name: value for name, value in entry.items() if name != "@context"}
    page = world.page_of([world.upsert(entry)])
    wrapped = [
        {"@context": context, keyword: [bare]},
        {"@context": context, keyword: bare},
        {**entry, keyword: []},
        {**entry, keyword: [bare]},
        {**entry, keyword: {"attributedTo": [bare]}},
        {**entry, "details": {**entry["details"], keyword: [bare]}},
    ]
    async with world.untouched() as untouched:
        for number, document in enumerate(wrapped):
            await entry_refusals(world, untouched, number, document, UNPROVEN)
            reply = await world.post(document)
            untouched.expect(
                f"alone {number}", got=reply.status, wanted={400, 401, 403, 422}
            )
        for document in (
            {"@context": context, keyword: [page]},
            {**page, keyword: [page]},
        ):
            reply = await world.post(document)
            untouched.expect("page", got=reply.status, wanted={400, 422})


def contexts(context: list[Any]) -> dict[str, Any]:
    """Contexts that say almost the same, or something else under the same names."""
    addresses, terms = context[:-1], context[-1]
    evil = "https://angreifer.example/context.jsonld"
    return {
        "absent": ...,
        "null": None,
        "empty list": [],
        "empty object": {},
        "a text": context[0],
        "only addresses": addresses,
        "only terms": [terms],
        "without the first": context[1:],
        "another order": [*reversed(addresses), terms],
        "terms first": [terms, *addresses],
        "doubled": [*context, *context],
        "one more address": [*context, evil],
        "one more before": [evil, *context],
        "only a foreign one": evil,
        "internal service": ["http://169.254.169.254/latest/meta-data", *context[1:]],
        "file": ["file:///etc/passwd", *context[1:]],
        "data": ["data:application/ld+json,{}", *context[1:]],
        "http instead of https": [
            context[0].replace("https", "http"),
            *context[1:],
        ],
        "slash at the end": [context[0] + "/", *context[1:]],
        "null inside": [*addresses, None, terms],
        "nested list": [context],
        "actor remapped": [*context, {"actor": "as:target"}],
        "id remapped": [*context, {"id": "as:url"}],
        "type remapped": [*context, {"type": "as:name"}],
        "alias of graph": [*context, {"g": "@graph"}],
        "alias of included": [*context, {"i": "@included"}],
        "alias of reverse": [*context, {"r": {"@reverse": "as:attributedTo"}}],
        "vocabulary": [*context, {"@vocab": "https://angreifer.example/#"}],
        "base": [*context, {"@base": "https://angreifer.example/"}],
        "term with a context": [
            *addresses,
            {**terms, "owner": {"@id": "as:actor", "@context": evil}},
        ],
        "one term more": [*addresses, {**terms, "extra": "as:content"}],
        "one term less": [*addresses, dict(list(terms.items())[1:])],
        "one term changed": [
            *addresses,
            {**terms, next(iter(terms)): "as:content"},
        ],
        "number": 7,
        "true": True,
    }


CONTEXT_NAMES = list(contexts(["a", "b", "c", {"x": "y"}]))


@pytest.mark.parametrize("label", CONTEXT_NAMES)
async def test_contexts(world: World, label: str) -> None:
    """Everywhere a context stands; where there is a proof, rightly signed with it."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    context = contexts(entry["@context"])[label]

    def swapped(document: Any) -> Any:
        rest = {name: value for name, value in document.items() if name != "@context"}
        return rest if context is ... else {**rest, "@context": context}

    page = world.page_of([world.upsert(entry)])
    cases = {
        "page": swapped(page),
        "entry": world.page_of([world.upsert(swapped(entry))]),
        "message": swapped(message),
        "delete": world.page_of([swapped(world.withdrawal(entry["id"]))]),
        "proof": world.page_of(
            [world.upsert({**entry, "proof": swapped(entry["proof"])})]
        ),
    }
    if context is not ... and label not in {"null", "number", "true"}:
        cases["entry signed so"] = world.page_of(
            [world.upsert(world.resigned(swapped(entry)))]
        )
        cases["message signed so"] = world.resigned(swapped(message))
    async with world.untouched() as untouched:
        for where, document in cases.items():
            reply = await world.post(document)
            wanted = {(400, "context-not-allowed")}
            if where == "proof":
                wanted = {(401, "proof-invalid")}
            elif label == "absent":
                wanted.add((422, "schema-invalid"))
            untouched.expect(where, got=reply.refusal, wanted=wanted)


async def test_contexts_deeper_inside(world: World) -> None:
    """A scoped context would change meanings below it: no schema has room for one."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    contexts_inside: tuple[Any, ...] = (
        {"content": "as:actor"},
        "https://angreifer.example/c",
        [],
    )
    async with world.untouched() as untouched:
        for whole in (message, entry):
            for place in paths_of(whole):
                if not isinstance(place.value, dict) or not place.steps:
                    continue
                for context in contexts_inside:
                    altered = place.replaced({**place.value, "@context": context})
                    is_proof = place.steps[0] == "proof"
                    signed = altered if is_proof else world.resigned(altered)
                    if whole is entry and not is_proof:
                        continue  # one entry is faulty, not the page: see below
                    document = (
                        signed
                        if whole is message
                        else world.page_of([world.upsert(signed)])
                    )
                    reply = await world.post(document)
                    untouched.expect(place.steps, got=reply.refusal, wanted=UNPROVEN)


async def test_contexts_inside_an_entry_keep_it_out(fresh_world: World) -> None:
    world = fresh_world
    entry = await world.entry()
    for place in paths_of(entry):
        if (
            not isinstance(place.value, dict)
            or not place.steps
            or place.steps[0] == "proof"
        ):
            continue
        evil = {**place.value, "@context": {"title": "as:actor"}}
        forged = world.resigned(place.replaced(evil))
        reply = await world.post(world.page_of([world.upsert(forged)]))
        assert reply.status == 200, reply
        receipt = json.loads(reply.text)
        assert (receipt["held"], receipt["refusedCount"]) == (0, 1), place.steps
    assert "as:actor" not in world.witness.rows[world.sued.base_url].dump()


def clique(size: int) -> list[Any]:
    """Blank nodes that all know each other: hard for RDF canonicalisation."""
    return [
        {
            "id": f"_:b{number}",
            "type": "Object",
            "tag": [f"_:b{other}" for other in range(size) if other != number],
        }
        for number in range(size)
    ]


@pytest.mark.parametrize("size", [4, 8, 16, 60])
async def test_blank_node_cliques_cost_nothing(world: World, size: int) -> None:
    """Eight such nodes keep URDNA2015 busy for a minute; it is never called."""
    entry = await world.entry()
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    nodes = clique(size)
    cases = [
        world.page_of([world.upsert({**entry, "tag": nodes})]),
        world.page_of([world.upsert({**entry, "details": {"tag": nodes}})]),
        world.page_of(nodes),
        world.resigned({**message, "tag": nodes}),
        world.resigned({**message, "object": {**message["object"], "tag": nodes}}),
        {"@context": entry["@context"], "type": "Create", "object": nodes},
        {"@context": entry["@context"], "@graph": nodes},
    ]
    async with world.untouched() as untouched:
        for number, document in enumerate(cases):
            began = time.perf_counter()
            reply = await world.post(document)
            took = time.perf_counter() - began
            untouched.expect(number, got=reply.status, wanted={400, 401, 403, 422})
            assert took < 0.5, took


@pytest.mark.parametrize(
    "name",
    [
        "bcc",
        "bto",
        "internal_note",
        "attributionDomains",
        "_:x",
        "as:actor",
        "@type",
        "@id",
        "@value",
        "https://w3id.org/spalier#owner",
        "__proto__",
        "constructor",
        "schema:x",
        "",
        "\u202eactor",
        "аctor",
    ],
)
async def test_fields_that_nobody_knows(world: World, name: str) -> None:
    """Closed schemas; rightly signed, so nothing else is wrong."""
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    withdrawal = world.withdrawal(world.nord.node.context.address.entry("c" * 26))
    page = world.page_of([])
    async with world.untouched() as untouched:
        for document in (
            {**page, name: "x"},
            world.resigned({**message, name: "x"}),
            world.resigned({**message, "object": {**message["object"], name: "x"}}),
            world.page_of([world.resigned({**withdrawal, name: "x"})]),
            world.page_of([{**world.upsert(await_free_entry(world)), name: "x"}]),
        ):
            reply = await world.post(document)
            untouched.expect(name, got=reply.refusal, wanted={(422, "schema-invalid")})


def await_free_entry(world: World) -> Any:
    """A small entry that is never published, rightly signed."""
    address = world.nord.node.context.address
    return world.resigned(
        {
            "@context": world.context(),
            "id": address.entry("d" * 26),
            "type": "Document",
            "kind": "newer_kind",
            "attributedTo": address.actor,
            "incarnation": 1,
            "version": 1,
            "name": "Neuer",
            "nameMap": {"de": "Neuer"},
            "summaryMap": {"de": "Etwas Neues"},
            "mediaType": "text/plain",
            "published": "2026-11-21T10:00:00Z",
            "updated": "2026-11-21T10:00:00Z",
            "details": {},
            "to": [address.partners_audience],
        }
    )
