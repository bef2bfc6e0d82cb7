"""D: values of other types, schemas without holes, patterns without end."""

import contextlib
import copy
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas
from federation.errors import LocalError
from node.storage.tables import metadata
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
        return (
            pointer in {"/object/content", "/object/author/name"} and value == "x"
        ) or (pointer == "/object/author/organisation" and value == "x")
    return name == "page" and (pointer, value) in (("/head", 7), ("/orderedItems", []))


ANY_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner
        )
    ),
    max_leaves=6,
)


@settings(max_examples=80)
@given(value=ANY_JSON, at=st.integers(0, 10**6))
async def test_any_value_anywhere(world: World, value: Any, at: int) -> None:
    """Any JSON at any place of a message, rightly signed: refused, or nothing new."""
    message = world.message(about=world.sued.node.context.address.entry("a" * 26))
    places = [place for place in paths_of(message) if place.steps]
    place = places[at % len(places)]
    forged = place.replaced(value)
    if place.steps[0] != "proof":
        # Without a context there is nothing that could be signed.
        with contextlib.suppress(KeyError, LocalError):
            forged = world.resigned(forged)
    async with world.untouched() as untouched:
        reply = await world.post(forged)
        untouched.expect(
            places[at % len(places)].pointer, got=reply.status, wanted=REFUSED
        )
        assert reply.problem


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


# -- bounds of schemas ----------------------------------------------------------


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
