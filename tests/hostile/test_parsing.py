"""D: bytes that two readers understand differently, or that have no end."""

# ruff: noqa: RUF001 - letters that look like others are what is tested here

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from federation import limits
from tests.hostile.json_paths import paths_of
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
            reply = await world.post(
                nested(depth if kind != "mixed" else 31, kind=kind)
            )
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
