"""The steps that nobody can leave out, each by itself, in processor time.

Each is measured with the plain library, on the documents that the node gets in
the same run: what a node costs beyond their sum is its own.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import rfc8785
from jsonschema import Draft202012Validator

import schemas
from federation import strict_json
from federation.limits import PAGE_BYTES_MAX, PAGE_NODES_MAX
from federation.signatures.proof import hash_data
from federation.validation import check_wire, faults_of_entry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from federation.json_types import JsonObject
    from federation.keys import Signer

_GROUP: Final = 64


@dataclass(frozen=True, slots=True)
class Sample:
    """Documents of one sort, parsed and as bytes.

    Attributes:
        wire: Name of their schema.
        documents: As parsed.
        bodies: As sent.
    """

    wire: str
    documents: list[JsonObject]
    bodies: list[bytes]


def measure(
    sample: Sample, *, signer: Signer, folder: Path, signatures: int, seconds: float
) -> dict[str, float]:
    """Measure each step once, in µs of processor time for one document.

    Args:
        sample: The documents; the steps go through them in turn.
        signer: For a signature over 64 bytes.
        folder: Where a database may be made, on the node's file system.
        signatures: Signatures to verify for one document.
        seconds: How long each step is measured.
    """
    verify = _verification(signer)
    steps: dict[str, Callable[[int], object]] = {
        "strict parse": lambda n: strict_json.loads(
            sample.bodies[n], bytes_max=PAGE_BYTES_MAX, nodes_max=PAGE_NODES_MAX
        ),
        "JCS, rfc8785": _each(sample, _canonical_parts),
        "digest": lambda n: hashlib.sha256(sample.bodies[n]).digest(),
        "schema, jsonschema": _reference(sample),
    }
    found = {
        "Ed25519 verify": signatures * _time(lambda _: verify(), 1, seconds=seconds)
    }
    for name, step in steps.items():
        found[name] = _time(step, len(sample.documents), seconds=seconds)
    found["row in a group commit"] = _row(sample, folder, seconds=seconds)
    return found


def measure_own(sample: Sample, *, seconds: float) -> dict[str, float]:
    """Measure the two steps for which the node has a faster form, in µs."""
    return {
        "JCS, own": _time(
            _each(sample, _own_hash), len(sample.documents), seconds=seconds
        ),
        "schema, compiled": _time(
            _compiled(sample), len(sample.documents), seconds=seconds
        ),
    }


def signing(signer: Signer, *, seconds: float) -> float:
    """Return the µs of one signature over 64 bytes."""
    message = bytes(64)
    return _time(lambda _: signer.key.sign(message), 1, seconds=seconds)


def ledger_row(folder: Path, *, seconds: float) -> float:
    """Return the µs of a row without a document in a commit of 64."""
    return _row(Sample("", [], [b""]), folder, seconds=seconds)


def look_up(file: Path, *, seconds: float) -> float:
    """Return the µs of a query for one row of a node's database, by its key."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        query = "SELECT epoch FROM node_state WHERE id = 1"
        return _time(lambda _: connection.execute(query).fetchone(), 1, seconds=seconds)


def one_commit(folder: Path, *, seconds: float) -> float:
    """Return the µs by the clock of one row in a commit that is on disk."""
    file = folder / "bare-commit.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
        commits, begun = 0, time.perf_counter()
        while (spent := time.perf_counter() - begun) < seconds:
            connection.execute("INSERT INTO rows (body) VALUES (?)", (bytes(300),))
            commits += 1
    for left in folder.glob("bare-commit.sqlite*"):
        left.unlink()
    return 1e6 * spent / commits


def _verification(signer: Signer) -> Callable[[], None]:
    message = bytes(64)
    signature = signer.key.sign(message)
    key = signer.key.public_key
    return lambda: key.verify(signature, message)


def _each(
    sample: Sample, function: Callable[[JsonObject], object]
) -> Callable[[int], object]:
    return lambda number: function(sample.documents[number])


def _canonical_parts(document: JsonObject) -> bytes:
    """Write what a proof hashes: the document, and the proof's options."""
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    return rfc8785.dumps(unsigned) + rfc8785.dumps(document["proof"])


def _own_hash(document: JsonObject) -> bytes:
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    proof = document["proof"]
    return hash_data(unsigned, proof) if isinstance(proof, dict) else b""


def _content(document: JsonObject) -> JsonObject | None:
    """Return what the schema of the kind looks at, None if it is not an entry."""
    details, kind = document.get("details"), document.get("kind")
    if not isinstance(details, dict):
        return None
    content: JsonObject = {
        **details,
        "kind": kind,
        "title": document["nameMap"],
        "summary": document["summaryMap"],
    }
    if "contentMap" in document:
        content["body"] = document["contentMap"]
    if kind != "event" and "endTime" in document:
        content["valid_until"] = str(document["endTime"])[:10]
    return content


def _reference(sample: Sample) -> Callable[[int], object]:
    def validator(name: str) -> Draft202012Validator:
        return Draft202012Validator(
            schemas.load_schema(name),
            registry=schemas.registry(),
            format_checker=schemas.FORMATS,
        )

    wire = validator(f"wire/{sample.wire}")
    kinds = {kind: validator(f"entries/{kind}") for kind in schemas.KINDS}
    contents = [_content(document) for document in sample.documents]

    def step(number: int) -> bool:
        content = contents[number]
        return wire.is_valid(sample.documents[number]) and (
            content is None or kinds[str(content["kind"])].is_valid(content)
        )

    _require_valid(step, sample)
    return step


def _compiled(sample: Sample) -> Callable[[int], object]:
    contents = [_content(document) for document in sample.documents]

    def step(number: int) -> bool:
        content = contents[number]
        check_wire(sample.wire, sample.documents[number])
        return content is None or not faults_of_entry(content)

    _require_valid(step, sample)
    return step


def _require_valid(step: Callable[[int], bool], sample: Sample) -> None:
    # A refusal costs less than an acceptance: it would flatter the sum.
    if not all(step(number) for number in range(len(sample.documents))):
        raise ValueError(f"a document of the sample {sample.wire} is not valid")


def _row(sample: Sample, folder: Path, *, seconds: float) -> float:
    """Measure a row with the document in it, in groups, as the node's settings are."""
    file = folder / "bare.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(
            "CREATE TABLE rows (id TEXT PRIMARY KEY, uri TEXT UNIQUE, at INTEGER, "
            "document BLOB)"
        )
        number = 0

        def group(_: int) -> None:
            nonlocal number
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(_GROUP):
                number += 1
                body = sample.bodies[number % len(sample.bodies)]
                connection.execute(
                    "INSERT INTO rows VALUES (?, ?, ?, ?)",
                    (f"{number:026d}", f"https://a.example/{number}", number, body),
                )
            connection.execute("COMMIT")

        spent = _time(group, 1, seconds=seconds) / _GROUP
    for left in folder.glob("bare.sqlite*"):
        left.unlink()
    return spent


def _time(step: Callable[[int], object], documents: int, *, seconds: float) -> float:
    """Return µs of processor time for one call."""
    for number in range(documents):
        step(number)
    calls = 0
    until = time.perf_counter() + seconds
    begun = time.process_time_ns()
    while time.perf_counter() < until:
        for number in range(documents):
            step(number)
        calls += documents
    return (time.process_time_ns() - begun) / calls / 1000
