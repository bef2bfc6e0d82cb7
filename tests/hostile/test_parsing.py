"""D: bytes that two readers understand differently, or that cost one too much."""

import asyncio
import copy
import gzip
import json
import re
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import schemas
from federation import limits
from node.storage.tables import metadata
from tests.hostile import wire
from tests.hostile.json_paths import paths_of
from tests.hostile.wire import ACTIVITY_JSON
from tests.hostile.world import World

MALFORMED = (400, "malformed")
TOO_LARGE = (413, "too-large")
_MARK = "__MARK__"


async def whole_documents(world: World) -> dict[str, Any]:
    """A page with an entry, and a message; both right, neither delivered."""
    theirs = await world.publish(world.sued)
    entry = await world.entry(body={"de": "Einzelheiten"})
    return {
        "page": world.page_of([world.upsert(entry)]),
        "message": world.message(about=theirs.uri),
    }


# -- equal keys -----------------------------------------------------------------


def escaped(text: str) -> str:
    """The same JSON text with every letter escaped."""
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


def doubled_keys(document: Any) -> Iterator[tuple[str, bytes]]:
    """Each key of each object a second time, plain and escaped, after or before."""
    for place in paths_of(document):
        if not isinstance(place.value, dict):
            continue
        for name in place.value:
            after = place.replaced({**place.value, _MARK: "evil"})
            before = place.replaced({_MARK: "evil", **place.value})
            for where, marked in (("after", after), ("before", before)):
                text = json.dumps(marked, ensure_ascii=False)
                for how, written in (("plain", name), ("escaped", escaped(name))):
                    body = text.replace(f'"{_MARK}"', f'"{written}"')
                    yield f"{place.pointer}/{name} {where} {how}", body.encode()


async def test_equal_keys_at_every_level(world: World) -> None:
    async with world.untouched() as untouched:
        for document in (
            world.page_of([]),
            {"type": "Create", "object": {"a": [{"b": 1}]}},
        ):
            for label, body in doubled_keys(document):
                reply = await world.post(body)
                untouched.expect(label, got=reply.refusal, wanted=MALFORMED)


async def test_equal_keys_in_documents_that_are_signed(world: World) -> None:
    whole = await whole_documents(world)
    async with world.untouched() as untouched:
        for document in whole.values():
            for number, (label, body) in enumerate(doubled_keys(document)):
                if number % 5:
                    continue
                reply = await world.post(body)
                untouched.expect(label, got=reply.refusal, wanted=MALFORMED)


# -- numbers --------------------------------------------------------------------

NUMBERS = {
    "0.5": MALFORMED,
    "1.0": MALFORMED,
    "1e2": MALFORMED,
    "1E2": MALFORMED,
    "1e-2": MALFORMED,
    "1e400": MALFORMED,
    "-1e400": MALFORMED,
    "1e99999999999": MALFORMED,
    "NaN": MALFORMED,
    "-NaN": MALFORMED,
    "Infinity": MALFORMED,
    "-Infinity": MALFORMED,
    "-0": MALFORMED,
    "-0.0": MALFORMED,
    "01": MALFORMED,
    "+1": MALFORMED,
    "1.": MALFORMED,
    ".5": MALFORMED,
    "0x10": MALFORMED,
    "1_000": MALFORMED,
    "9007199254740992": MALFORMED,
    "9007199254740993": MALFORMED,
    "-9007199254740992": MALFORMED,
    "18446744073709551616": MALFORMED,
    "1" * 5000: MALFORMED,
    "-" + "9" * 5000: MALFORMED,
    "١٢": MALFORMED,
    "１": MALFORMED,
    # In range: read, and refused for another reason.
    "9007199254740991": None,
    "-9007199254740991": None,
    "0": None,
}


@pytest.mark.parametrize("number", NUMBERS, ids=lambda text: text[:20])
async def test_numbers(world: World, number: str) -> None:
    """Integers that every reader holds exactly; amounts are texts."""
    bodies = [
        f'{{"type": "Unheard", "n": {number}}}',
        f'{{"type": "Unheard", "n": [{{"x": {number}}}]}}',
        json.dumps(world.page_of([], head=_MARK)).replace(f'"{_MARK}"', number),
    ]
    wanted = NUMBERS[number]
    if number in {"9007199254740991", "0"}:
        bodies.pop()  # such a head is possible
    async with world.untouched() as untouched:
        for body in bodies:
            reply = await world.post(body.encode())
            if wanted is not None:
                untouched.expect(body[:80], got=reply.refusal, wanted=wanted)
            else:
                untouched.expect(body[:80], got=reply.status, wanted={422})


# -- texts and encodings --------------------------------------------------------

SMALL = '{"type": "Unheard", "text": "Müller"}'
ENCODINGS = {
    "utf-16 with mark": SMALL.encode("utf-16"),
    "utf-16-le": SMALL.encode("utf-16-le"),
    "utf-16-be": SMALL.encode("utf-16-be"),
    "utf-32 with mark": SMALL.encode("utf-32"),
    "utf-32-le": SMALL.encode("utf-32-le"),
    "utf-32-be": SMALL.encode("utf-32-be"),
    "utf-8 with mark": SMALL.encode("utf-8-sig"),
    "mark escaped first": b"\\ufeff" + SMALL.encode(),
    "latin-1": SMALL.encode("latin-1"),
    "windows-1252": '{"type": "Unheard", "t": "–"}'.encode("cp1252"),
    "overlong NUL": b'{"type": "Unheard", "t": "\xc0\x80"}',
    "overlong slash": b'{"type": "Unheard", "t": "\xc0\xaf"}',
    "half of a pair": b'{"type": "Unheard", "t": "\xed\xa0\x80"}',
    "pair in CESU-8": b'{"type": "Unheard", "t": "\xed\xa0\xbd\xed\xb8\x80"}',
    "beyond Unicode": b'{"type": "Unheard", "t": "\xf4\x90\x80\x80"}',
    "cut letter": b'{"type": "Unheard", "t": "\xc3"}',
    "lone continuation": b'{"type": "Unheard", "t": "\x80"}',
    "half escaped high": b'{"type": "Unheard", "t": "\\ud800"}',
    "half escaped low": b'{"type": "Unheard", "t": "\\udc00"}',
    "halves swapped": b'{"type": "Unheard", "t": "\\udc00\\ud800"}',
    "half as key": b'{"type": "Unheard", "\\ud800": 1}',
    "half before text": b'{"type": "Unheard", "t": "\\ud800x\\udc00"}',
    "NUL escaped": b'{"type": "Unheard", "t": "a\\u0000b"}',
    "NUL escaped as key": b'{"type": "Unheard", "\\u0000": 1}',
    "NUL": b'{"type": "Unheard", "t": "a\x00b"}',
    "NUL after": SMALL.encode() + b"\x00",
    "line break in a text": b'{"type": "Unheard", "t": "a\nb"}',
    "tab in a text": b'{"type": "Unheard", "t": "a\tb"}',
    "escape in a text": b'{"type": "Unheard", "t": "\x1b[2J"}',
    "unknown escape": b'{"type": "Unheard", "t": "\\x41"}',
    "short escape": b'{"type": "Unheard", "t": "\\u12"}',
    "open text": b'{"type": "Unheard", "t": "',
    "open text with escape": b'{"type": "Unheard", "t": "\\',
    "single quotes": b"{'type': 'Unheard'}",
    "comment": b'{"type": "Unheard" /* x */}',
    "comma at the end": b'{"type": "Unheard",}',
    "bare word": b"{type: Unheard}",
    "nothing": b"",
    "white space": b" \n\t ",
    "two values": b"{}{}",
    "lines of JSON": b"{}\n{}\n",
    "text after": b'{"type": "Unheard"} x',
    "a list": b'[{"type": "Unheard"}]',
    "a text": b'"Unheard"',
    "a number": b"7",
    "null": b"null",
    "only commas": b"," * 5000,
    "only brackets": b"]}" * 20,
    "form": b"type=Unheard",
    "XML": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>',
    "pickle": b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00.",
    "mark in the middle": b'{\xef\xbb\xbf"type": "Unheard"}',
    "separator U+2028 outside": '{"type": "Unheard"\u2028}'.encode(),
    "no-break space outside": '{"type":\u00a0"Unheard"}'.encode(),
}


@pytest.mark.parametrize("label", ENCODINGS)
async def test_texts_that_are_no_json_of_ours(world: World, label: str) -> None:
    async with world.untouched() as untouched:
        for path in ("/inbox", "/partner-requests"):
            reply = await world.post(ENCODINGS[label], path=path)
            untouched.expect(path, got=reply.refusal, wanted=MALFORMED)


@pytest.mark.parametrize(
    "text",
    [
        "\u202eevil",
        "\u2066evil\u2069",
        "a\u2028b",
        "\x7f",
        "\x85",
        "\x9b31m",
        "line\nbreak",
        "carriage\rreturn",
        "bell\x07",
    ],
    ids=ascii,
)
async def test_control_and_direction_characters_in_lines(
    world: World, text: str
) -> None:
    """Names and reasons are lines of text that nothing hides in."""
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    note = message["object"]
    async with world.untouched() as untouched:
        for part in ("name", "organisation"):
            author = {**note["author"], part: f"Adam {text}"}
            forged = world.resigned({**message, "object": {**note, "author": author}})
            reply = await world.post(forged)
            untouched.expect(part, got=reply.refusal, wanted=(422, "schema-invalid"))


# -- depth, number, length ------------------------------------------------------


def nested(depth: int, *, kind: str) -> bytes:
    """An object whose innermost value lies `depth` levels deep."""
    inner = depth - 1
    opened = {"list": "[", "object": '{"a":', "mixed": '[{"a":'}[kind]
    closed = {"list": "]", "object": "}", "mixed": "}]"}[kind]
    times = inner // 2 if kind == "mixed" else inner
    return f'{{"type": "Unheard", "x": {opened * times}1{closed * times}}}'.encode()


@pytest.mark.parametrize("kind", ["list", "object", "mixed"])
async def test_depth(world: World, kind: str) -> None:
    most = limits.JSON_DEPTH_MAX
    async with world.untouched() as untouched:
        for depth in (2, 31, 32):
            reply = await world.post(nested(depth if kind != "mixed" else 31, kind=kind))
            untouched.expect(depth, got=reply.refusal, wanted=(422, "unsupported-type"))
        for depth in (most + 1, most + 3, 500, 1100, 20_001, 100_001):
            began = time.perf_counter()
            reply = await world.post(nested(depth, kind=kind))
            untouched.expect(depth, got=reply.refusal, wanted=TOO_LARGE)
            assert time.perf_counter() - began < 0.5
        for body in (b"[" * 100_000, b'{"a":' * 50_000, b"[{" * 50_000):
            reply = await world.post(body)
            untouched.expect(body[:4], got=reply.refusal, wanted=TOO_LARGE)


def values(count: int) -> bytes:
    """A document of exactly `count` JSON values, as our reader counts them."""
    # The object, its member "type" and "x", the list, and an item for each comma.
    start = '{"type": "Unheard", "x": ['
    counted = start.count("{") + start.count("[") + start.count(":") + start.count(",")
    return (start + "1" + ",1" * (count - counted) + "]}").encode()


async def test_number_of_values_at_the_boundary(world: World) -> None:
    most = limits.ACTIVITY_NODES_MAX
    async with world.untouched() as untouched:
        for count, wanted in (
            (most - 1, (422, "unsupported-type")),
            (most, (422, "unsupported-type")),
            (most + 1, TOO_LARGE),
            (most * 4, TOO_LARGE),
        ):
            reply = await world.post(values(count))
            untouched.expect(count, got=reply.refusal, wanted=wanted)
        # A page may hold more, and has an end too.
        page = json.dumps({**world.page_of([]), "x": _MARK})
        many = "[" + ",".join("1" * 1 for _ in range(limits.PAGE_NODES_MAX + 1)) + "]"
        reply = await world.post(page.replace(f'"{_MARK}"', many).encode())
        untouched.expect("page", got=reply.refusal, wanted=TOO_LARGE)


async def test_length_of_bodies_at_the_boundary(world: World) -> None:
    def sized(size: int) -> bytes:
        frame = b'{"type": "Unheard", "x": ""}'
        return frame[:-2] + b"x" * (size - len(frame)) + frame[-2:]

    most = limits.ACTIVITY_BYTES_MAX
    async with world.untouched() as untouched:
        for size, path, wanted in (
            (most, "/inbox", (422, "unsupported-type")),
            (most + 1, "/inbox", TOO_LARGE),
            (limits.PAGE_BYTES_MAX + 1, "/inbox", TOO_LARGE),
            (most + 1, "/partner-requests", TOO_LARGE),
            (10 * 1024 * 1024, "/inbox", TOO_LARGE),
            (10 * 1024 * 1024, "/partner-requests", TOO_LARGE),
        ):
            reply = await world.post(sized(size), path=path)
            untouched.expect(f"{path} {size}", got=reply.refusal, wanted=wanted)


async def test_page_with_too_many_items(world: World) -> None:
    withdrawal = world.withdrawal(world.nord.node.context.address.entry("c" * 26))
    async with world.untouched() as untouched:
        for number in (201, 1000):
            items = [{**withdrawal, "version": count + 1} for count in range(number)]
            reply = await world.post(world.page_of(items))
            untouched.expect(number, got=reply.refusal, wanted=TOO_LARGE)


async def test_texts_and_lists_without_end(world: World) -> None:
    """Rightly signed, and longer than its schema: 422, or 413 as a whole."""
    theirs = await world.publish(world.sued)
    message = world.message(about=theirs.uri)
    long = {
        "text": "x" * 8001,
        "megabyte": "x" * 200_000,
        "list": ["x"] * 401,
        "many": ["x"] * 5000,
        "object": {str(number): 1 for number in range(2000)},
    }
    async with world.untouched() as untouched:
        for place in paths_of(message):
            if not place.steps or place.steps[0] in {"proof", "@context"}:
                continue
            for label, value in long.items():
                forged = place.replaced(value)
                if place.steps == ("type",) or place.steps[0] == "actor":
                    continue  # another question: see the types and owners
                reply = await world.post(world.resigned(forged))
                untouched.expect(
                    f"{place.pointer} {label}",
                    got=reply.refusal,
                    wanted={(422, "schema-invalid"), (403, "origin-mismatch")},
                )


async def test_entries_without_end_are_kept_out(fresh_world: World) -> None:
    """The page is taken, the entry is not; its text stands nowhere afterwards."""
    world = fresh_world
    entry = await world.entry()
    refused = 0
    for label, change in {
        "title": {"nameMap": {"de": "T" * 1_000_000}},
        "summary": {"summaryMap": {"de": "S" * 40_000}},
        "tags": {"details": {**entry["details"], "topics": ["Q7"] * 6000}},
        "languages": {"nameMap": {f"x-{n:05d}": "Titel" for n in range(500)}},
        "details": {"details": {f"x{n}": 1 for n in range(100)}},
    }.items():
        forged = world.resigned({**entry, **change})
        reply = await world.post(world.page_of([world.upsert(forged)]))
        assert reply.status in {200, 413}, (label, reply)
        if reply.status == 200:
            receipt = json.loads(reply.text)
            assert (receipt["held"], receipt["refusedCount"]) == (0, 1), label
            refused += 1
    assert refused >= 4
    stored = world.witness.rows[world.sued.base_url].dump()
    assert "TTTTTTTTTT" not in stored
    assert "SSSSSSSSSS" not in stored


def test_every_text_and_list_of_the_wire_has_an_end() -> None:
    """A schema without a bound is a place to fill our disk."""
    without = []
    for name in schemas.schema_names():
        for pointer, schema in sub_schemas(schemas.load_schema(name)):
            kind = schema.get("type")
            closed = {"enum", "const", "format"} & schema.keys()
            if kind == "string" and "maxLength" not in schema and not closed:
                without.append(f"{name}{pointer}")
            if kind == "array" and "maxItems" not in schema:
                without.append(f"{name}{pointer}")
            is_open = schema.get("additionalProperties") is not False
            is_open = is_open and schema.get("unevaluatedProperties") is not False
            if kind == "object" and is_open and "maxProperties" not in schema:
                without.append(f"{name}{pointer} (open)")
    assert set(without) == COMPLETED_ELSEWHERE


# The kinds close the envelope; entries and proofs in a page have schemas of their own.
_ITEMS = "wire/page/properties/orderedItems/items"
COMPLETED_ELSEWHERE = {
    "envelope (open)",
    f"{_ITEMS} (open)",
    f"{_ITEMS}/else/properties/object (open)",
    f"{_ITEMS}/else/properties/object/properties/proof (open)",
}


def sub_schemas(schema: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        yield pointer, schema
        for key, value in schema.items():
            if key not in {"enum", "const", "examples", "required"}:
                yield from sub_schemas(value, f"{pointer}/{key}")
    elif isinstance(schema, list):
        for index, value in enumerate(schema):
            yield from sub_schemas(value, f"{pointer}/{index}")


# -- types ----------------------------------------------------------------------

SORTS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    7,
    "",
    "x",
    "\u202e",
    [],
    [[]],
    ["Create", "Delete"],
    [None],
    {},
    {"id": "x"},
    {"@value": "x"},
    {"@id": "http://127.0.0.1/actor", "type": "Application"},
    {"@list": []},
]
REFUSED = {400, 401, 403, 404, 413, 422}


async def test_every_value_replaced_by_every_sort(world: World) -> None:
    """Rightly signed, so that nothing but the schema can refuse it."""
    from federation.documents.notice import NoticeType

    theirs = await world.publish(world.sued)
    me = world.sued.node.context.address
    whole = {
        "message": world.message(about=theirs.uri),
        "leave": world.notice(NoticeType.LEAVE, about=me.actor),
        "delete": world.withdrawal(world.nord.node.context.address.entry("c" * 26)),
        "page": world.page_of([]),
    }
    async with world.untouched() as untouched:
        for name, document in whole.items():
            for place in paths_of(document):
                if not place.steps or place.steps[0] == "proof":
                    continue
                for value in SORTS:
                    forged = place.replaced(value)
                    if name in {"message", "leave"}:
                        forged = world.resigned(forged)
                    elif name == "delete":
                        forged = world.page_of([world.resigned(forged)])
                    if forged == document or is_right(name, place.pointer, value):
                        continue
                    reply = await world.post(forged)
                    untouched.expect(
                        f"{name}{place.pointer} = {value!r}",
                        got=reply.status,
                        wanted=REFUSED,
                    )
                    assert reply.status == 200 or reply.problem


def is_right(name: str, pointer: str, value: Any) -> bool:
    """Changes that happen to leave a right document."""
    if name == "delete":
        return pointer in {"/version", "/incarnation"} and value == 7
    if name == "message":
        return pointer in {"/object/content", "/object/author/name"} and value == "x" or (
            pointer == "/object/author/organisation" and value == "x"
        )
    return name == "page" and (pointer, value) in (("/head", 7), ("/orderedItems", []))


@pytest.mark.parametrize("value", SORTS, ids=repr)
async def test_bodies_of_every_sort(world: World, value: Any) -> None:
    async with world.untouched() as untouched:
        for path in ("/inbox", "/partner-requests"):
            reply = await world.post(value, path=path)
            untouched.expect(path, got=reply.status, wanted={400, 422})
            reply = await world.post({"type": value}, path=path)
            untouched.expect(f"type {path}", got=reply.status, wanted={400, 422})


async def test_entries_with_every_sort_of_value_never_break_the_page(
    fresh_world: World,
) -> None:
    """Kept out one by one; the page is answered, the node goes on."""
    world = fresh_world
    entry = await world.entry(body={"de": "Einzelheiten"})
    seen: set[int] = set()
    number = 0
    for place in paths_of(entry):
        if not place.steps or place.steps[0] in {"proof", "@context"}:
            continue
        number += 1
        for value in SORTS[number % 3 :: 3]:
            forged = world.resigned(place.replaced(value))
            reply = await world.post(world.page_of([world.upsert(forged)]))
            assert reply.status in {200, *REFUSED}, (place.pointer, value, reply)
            seen.add(reply.status)
    assert {200, 422} <= seen
    assert world.witness.log.faults() == []
    # Another version of the same entry, this time right, heals it.
    good = world.resigned({**entry, "version": 2})
    reply = await world.post(world.page_of([world.upsert(good)]))
    receipt = json.loads(reply.text)
    assert (receipt["held"], receipt["refusedCount"]) == (1, 0)


async def test_one_poisoned_entry_among_a_hundred(fresh_world: World) -> None:
    world = fresh_world
    entries = [
        await world.entry(title={"de": f"Angebot {number}"}) for number in range(100)
    ]
    poisoned = world.resigned({**entries[50], "details": {"equipment_class": ["?"]}})
    entries[50] = poisoned
    page = world.page_of([world.upsert(entry) for entry in entries])
    for _ in range(2):  # also when it comes again
        reply = await world.post(page)
        receipt = json.loads(reply.text)
        assert reply.status == 200
        assert (receipt["position"], receipt["held"]) == (100, 99)
        assert [each["id"] for each in receipt["refused"]] == [poisoned["id"]]
    after = await world.entry(title={"de": "Danach"})
    reply = await world.post(world.page_of([world.upsert(after)], first=101))
    assert json.loads(reply.text)["held"] == 100


# -- media types and codings ----------------------------------------------------


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "application/json",
        "application/ld+json",
        'application/ld+json; profile="https://angreifer.example/"',
        "application/octet-stream",
        "text/plain",
        "text/html",
        "text/plain; application/activity+json",
        "application/activity+json, text/html",
        "application/activity+json; charset=utf-16",
        "application/activity+json; charset=latin-1",
        "application/activity+json; charset=utf-7",
        "application/activity+json; boundary=x",
        "application/activity+jsonx",
        "xapplication/activity+json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/xml",
        "*/*",
        None,
    ],
)
async def test_media_types(world: World, media_type: str | None) -> None:
    body = wire.as_bytes(await world.page())
    headers = world.signed("POST", "/inbox", body)
    values = [] if media_type is None else [media_type]
    async with world.untouched() as untouched:
        reply = await world.send(
            "POST",
            "/inbox",
            headers=wire.changed(headers, "Content-Type", *values),
            body=body,
        )
        untouched.expect(
            media_type, got=reply.refusal, wanted=(415, "unsupported-media-type")
        )


@pytest.mark.parametrize("path", ["/inbox", "/partner-requests"])
async def test_content_codings(world: World, path: str) -> None:
    """A bomb of 300 KB that would be 300 MB: refused unread."""
    bomb = gzip.compress(b" " * 30_000_000, compresslevel=9)
    async with world.untouched() as untouched:
        for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip", "identity", "x"):
            for body in (gzip.compress(b"{}"), bomb):
                headers = world.signed("POST", path, body, to=world.sued)
                headers.append(("Content-Encoding", coding))
                reply = await world.send("POST", path, headers=headers, body=body)
                untouched.expect(coding, got=reply.status, wanted={400, 415})


async def test_a_bomb_in_a_form_needs_no_memory(world: World) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(b"email=")
    for _ in range(150):
        bomb += packer.compress(b"x" * 1_000_000)
    bomb += packer.flush()
    headers = [
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Encoding", "gzip"),
        ("Sec-Fetch-Site", "same-origin"),
    ]
    tracemalloc.start()
    try:
        async with world.untouched() as untouched:
            reply = await world.send("POST", "/anmelden", headers=headers, body=bomb)
            untouched.expect("form", got=reply.status, wanted={400, 413, 415})
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Some copies of the longest form, whatever the bomb would become.
    assert peak < 100 * 1024 * 1024, peak


async def test_forms_of_many_small_fields(world: World) -> None:
    parts = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="f%d"\r\n\r\nv\r\n' % number
        for number in range(100_000)
    )
    fields = b"&".join(b"f%d=v" % number for number in range(100_000))
    async with world.untouched() as untouched:
        for media_type, body in (
            ("multipart/form-data; boundary=x", parts + b"--x--\r\n"),
            ("application/x-www-form-urlencoded", fields),
        ):
            headers = [
                ("Content-Type", media_type),
                ("Sec-Fetch-Site", "same-origin"),
            ]
            began = time.perf_counter()
            reply = await world.send("POST", "/anmelden", headers=headers, body=body)
            untouched.expect(media_type, got=reply.status, wanted={400, 413, 422})
            assert time.perf_counter() - began < 10


# -- the connection -------------------------------------------------------------


async def longest_pause(work: Any) -> float:
    """How long the event loop could do nothing else while something ran."""
    longest = 0.0
    running = asyncio.ensure_future(work)
    while not running.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before)
    await running
    return longest


async def test_body_in_single_bytes(world: World) -> None:
    """A hundred thousand chunks of one byte; others are served meanwhile."""
    body = b'{"type": "Unheard", "x": "' + b"x" * 100_000 + b'"}'
    headers = [
        ("Host", world.sued.base_url.removeprefix("http://")),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        *world.signed("POST", "/inbox", body),
    ]
    head = wire.request_bytes("POST", "/inbox", headers)
    chunks = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in body)
    async with world.untouched() as untouched:

        async def attack() -> None:
            data = await wire.exchange_bytes(
                world.sued.base_url, head + chunks + b"0\r\n\r\n"
            )
            untouched.expect(
                "chunks",
                got=wire.parse_reply(data).status,
                wanted={400, 413, 422},
            )

        assert await longest_pause(attack()) < 1.0


async def test_trailers_without_end(world: World) -> None:
    headers = [
        ("Host", world.sued.base_url.removeprefix("http://")),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
        *world.signed("POST", "/inbox", b"{}"),
    ]
    head = wire.request_bytes("POST", "/inbox", headers)
    trailers = b"".join(b"X-%d: y\r\n" % number for number in range(200_000))
    async with world.untouched() as untouched:
        data = await wire.exchange_bytes(
            world.sued.base_url, head + b"2\r\n{}\r\n0\r\n" + trailers + b"\r\n"
        )
        untouched.expect(
            "trailers", got=wire.parse_reply(data).status, wanted={0, 400, 413, 422, 431}
        )


def smuggled(host: str) -> dict[str, bytes]:
    """Requests whose end two readers see at different places."""
    inner = f"GET /livez HTTP/1.1\r\nHost: {host}\r\n\r\n"
    start = f"POST /inbox HTTP/1.1\r\nHost: {host}\r\n"
    chunked = "Transfer-Encoding: chunked\r\n"
    end = f"\r\n0\r\n\r\n{inner}"
    return {
        name: text.encode("latin-1")
        for name, text in {
            "length and chunks": f"{start}Content-Length: 6\r\n{chunked}{end}",
            "chunks and length": f"{start}{chunked}Content-Length: 6\r\n{end}",
            "two lengths": f"{start}Content-Length: 0\r\nContent-Length: 30\r\n\r\n{inner}",
            "two equal lengths": f"{start}Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "list of lengths": f"{start}Content-Length: 0, 30\r\n\r\n{inner}",
            "signed length": f"{start}Content-Length: +6\r\n\r\n{inner}",
            "negative length": f"{start}Content-Length: -1\r\n\r\n{inner}",
            "length in hex": f"{start}Content-Length: 0x6\r\n\r\n{inner}",
            "length with a blank": f"{start}Content-Length: 3 0\r\n\r\n{inner}",
            "length of Arabic digits": f"{start}Content-Length: ٦\r\n\r\n".encode()
            .decode("latin-1"),
            "blank before the colon": f"{start}Content-Length : 6\r\n\r\n{inner}",
            "chunked twice": f"{start}{chunked}{chunked}{end}",
            "chunked is not last": f"{start}Transfer-Encoding: chunked, gzip\r\n{end}",
            "xchunked": f"{start}Transfer-Encoding: xchunked\r\n{end}",
            "chunked after tab": f"{start}Transfer-Encoding:\tchunked\r\nContent-Length: 6\r\n{end}",
            "chunk size signed": f"{start}{chunked}\r\n+2\r\n{{}}\r\n0\r\n\r\n",
            "chunk size in 0x": f"{start}{chunked}\r\n0x2\r\n{{}}\r\n0\r\n\r\n",
            "chunk size of 17 digits": f"{start}{chunked}\r\n{'f' * 17}\r\n{{}}",
            "bare line feed in a chunk": f"{start}{chunked}\r\n2\n{{}}\r\n0\r\n\r\n",
            "folded header": f"{start}X-A: b\r\n c: d\r\n\r\n",
            "carriage return in a value": f"{start}X-A: b\rc\r\nContent-Length: 0\r\n\r\n",
            "NUL in a value": f"{start}X-A: b\x00c\r\nContent-Length: 0\r\n\r\n",
            "no colon": f"{start}X-A\r\n\r\n",
            "blank in a name": f"{start}X A: b\r\n\r\n",
            "two hosts": f"{start}Host: angreifer.example\r\nContent-Length: 0\r\n\r\n",
            "no host": "POST /inbox HTTP/1.1\r\nContent-Length: 0\r\n\r\n",
            "empty host": "POST /inbox HTTP/1.1\r\nHost: \r\nContent-Length: 0\r\n\r\n",
            "absolute": f"POST http://{host}/inbox HTTP/1.1\r\nHost: {host}\r\n"
            "Content-Length: 0\r\n\r\n",
            "absolute elsewhere": "POST http://angreifer.example/inbox HTTP/1.1\r\n"
            f"Host: {host}\r\nContent-Length: 0\r\n\r\n",
            "two slashes": f"POST //angreifer.example/inbox HTTP/1.1\r\nHost: {host}\r\n"
            "Content-Length: 0\r\n\r\n",
            "asterisk": f"POST * HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n",
            "backslash": f"POST \\inbox HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n",
            "blank in the target": f"POST /in box HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "fragment": f"POST /inbox#x HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n",
            "HTTP/0.9": "GET /actor\r\n\r\n",
            "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "HTTP/9": f"GET /outbox HTTP/9.9\r\nHost: {host}\r\n\r\n",
            "CONNECT": f"CONNECT angreifer.example:443 HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "TRACE": f"TRACE /inbox HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "long method": f"{'X' * 5000} /inbox HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "long target": f"POST /{'x' * 100_000} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "long header": f"{start}X-A: {'x' * 100_000}\r\n\r\n",
            "many headers": start
            + "".join(f"X-{number}: y\r\n" for number in range(5000))
            + "\r\n",
            "TLS": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "x" * 200,
            "line feeds only": f"POST /inbox HTTP/1.1\nHost: {host}\nContent-Length: 0\n\n",
            "upgrade": f"GET /outbox HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\n\r\n",
        }.items()
    }


# Right requests but for what the door itself asks for.
AS_ANY_OTHER = {"upgrade", "two equal lengths", "chunked after tab"}
SMUGGLED = list(smuggled("x"))


@pytest.mark.parametrize("name", SMUGGLED)
async def test_requests_that_end_at_two_places(world: World, name: str) -> None:
    """Refused, and what hides behind it is never answered as a request."""
    data = smuggled(world.sued.base_url.removeprefix("http://"))[name]
    async with world.untouched() as untouched:
        loop = asyncio.get_running_loop()
        sock = await wire.connect(world.sued.base_url)
        received = b""
        try:
            await loop.sock_sendall(sock, data)
            try:
                async with asyncio.timeout(0.3):
                    while chunk := await loop.sock_recv(sock, 65_536):
                        received += chunk
            except (TimeoutError, OSError):
                pass
        finally:
            sock.close()
        status = wire.parse_reply(received).status
        # Nothing at all is an answer too: the request had no end.
        untouched.expect(
            name, got=status, wanted={0, 400, 401, 404, 405, 411, 413, 415, 421, 431}
        )
        answers = re.findall(rb"HTTP/1\.[01] [0-9]{3} ", received)
        assert len(answers) <= 1 + (name in AS_ANY_OTHER), received
        assert b"ok\n" not in received


# -- expensive patterns ---------------------------------------------------------


def all_patterns() -> list[str]:
    found = set()
    for name in schemas.schema_names():
        for _, schema in sub_schemas(schemas.load_schema(name)):
            if isinstance(schema.get("pattern"), str):
                found.add(schema["pattern"])
    return sorted(found)


def test_no_pattern_of_a_schema_takes_long() -> None:
    """Texts up to the longest that a body can carry, made to nearly fit."""
    pieces = ["a", "0", "-", ".", "a-", "a.", "a@", "/", "1/", "z", " ", "\u202e", "é"]
    slow = []
    for pattern in all_patterns():
        compiled = re.compile(pattern)
        for piece in pieces:
            for tail in ("", "!", "\n", "\x00"):
                for head in ("", "https://", "z6Mk", "cluster@", "+", "_"):
                    text = head + piece * (20_000 // len(piece)) + tail
                    began = time.perf_counter()
                    compiled.search(text)
                    took = time.perf_counter() - began
                    if took > 0.05:
                        slow.append((pattern, piece, round(took, 3)))
    assert slow == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 50_000 + "!",
        "((a+)+)+$" * 5000,
        "%" * 50_000,
        "_" * 50_000,
        "a " * 25_000,
        "\u0130" * 50_000,
        "ﷺ" * 20_000,
        "\u0300" * 50_000,
    ],
    ids=lambda text: ascii(text[:4]),
)
def test_long_searches_take_no_time(text: str) -> None:
    from node.feed.folding import query_words

    began = time.perf_counter()
    # What the page passes on.
    words = query_words(text.strip()[:200])
    assert len(words) <= 12
    assert time.perf_counter() - began < 0.05


# -- storage --------------------------------------------------------------------


async def test_a_slow_reader_keeps_nobody_from_writing(fresh_world: World) -> None:
    world = fresh_world
    theirs = await world.publish(world.sued)
    async with world.sued.node.context.database.read() as tx:
        from sqlalchemy import select

        await tx.all(select(metadata.tables["entries"]))
        # The view stays open while a partner delivers.
        began = time.perf_counter()
        reply = await world.post(world.message(about=theirs.uri))
        assert reply.status == 202
        assert time.perf_counter() - began < 2


async def test_what_is_kept_is_bounded_by_partners_not_by_requests(
    world: World,
) -> None:
    """Strangers by the hundred, each with other names: no row for any of them."""
    from federation.keys import SigningKey
    from tests.http.nodes import SeededRandom

    key = SigningKey.generate(SeededRandom("many"))
    body = copy.deepcopy(world.page_of([]))
    async with world.untouched() as untouched:
        for number in range(200):
            key_id = f"https://fremd-{number}.example:{1024 + number}/actor#key-1"
            reply = await world.post(body, key=key, key_id=key_id)
            untouched.expect(number, got=reply.status, wanted={401})
    assert ACTIVITY_JSON
