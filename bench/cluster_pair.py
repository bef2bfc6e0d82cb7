"""The two clusters of the benchmark: a node that is measured, and its partner.

Both go through the real handshake as processes. Then the partner's process ends,
and the load signs with its key.
"""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import schemas
from bench.node_process import BenchError, NodeFolder, serve
from federation.canonical import canonical_bytes
from federation.documents import (
    EntryDocument,
    EntryOwner,
    Message,
    MessageAuthor,
    OwnerOrganisation,
    SignedDocument,
    Upsert,
    build_entry,
    build_message,
    build_page,
)
from federation.ids import NodeAddress, parse_base_url, random_id
from federation.keys import Signer, SigningKey
from federation.version import Version
from node.clock import SystemClock, SystemRandom
from node.node_key import load_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from federation.json_types import JsonObject

_EPOCH: Final = "0123456789abcdef" * 2
_HANDSHAKE_SECONDS: Final = 30
_FIRST_COPY_PORT: Final = 20_000  # of addresses at which nobody ever listens
TEXT: Final = (
    "Guten Tag, wir haben Ihr Angebot gesehen und hätten im März Bedarf: etwa "
    "vierzig Linsen mit 50 mm Durchmesser, Passe 3/2(0,5), je eine Messung. "
    "Ist das bei Ihnen möglich, und was würde es ungefähr kosten?"
)


@dataclass(slots=True)
class Partner:
    """The sending side: its key, and what it writes.

    Attributes:
        signer: The partner's key.
        target: The measured node.
        entry_uri: The entry of the measured node that messages are about.
        threads: Conversations that were begun.
        position: Last position of the pages made so far.
    """

    signer: Signer
    target: NodeAddress
    entry_uri: str
    threads: list[str]
    position: int = 0

    def new_thread(self) -> bytes:
        """Return a message that begins a conversation."""
        message_id = self.signer.address.activity(random_id(SystemRandom()))
        self.threads.append(message_id)
        return self._message(message_id, thread=message_id).raw

    def messages(self, count: int) -> list[bytes]:
        """Return messages in the conversations that were begun, in turn."""
        return [
            self._message(
                self.signer.address.activity(random_id(SystemRandom())),
                thread=self.threads[number % len(self.threads)],
            ).raw
            for number in range(count)
        ]

    def _message(self, message_id: str, *, thread: str) -> SignedDocument:
        now = _now()
        return build_message(
            Message(
                id=message_id,
                sender=self.signer.address.actor,
                recipient=self.target.actor,
                thread=thread,
                in_reply_to=self.entry_uri,
                about=self.entry_uri,
                text=TEXT,
                author=MessageAuthor("Erika Beispiel", "Muster Optik GmbH"),
                published=now,
            ),
            signer=self.signer,
            created=now,
        )

    def entries(self, count: int) -> list[SignedDocument]:
        """Return new entries, the shipped examples of all kinds in turn."""
        contents = example_contents()
        now = _now()
        return [
            build_entry(
                EntryDocument.from_content(
                    contents[number % len(contents)],
                    id=self.signer.address.entry(random_id(SystemRandom())),
                    version=Version(1, 1),
                    published=now,
                    updated=now,
                    owner=EntryOwner(OwnerOrganisation("Muster Optik GmbH")),
                    public=True,
                ),
                signer=self.signer,
                created=now,
            )
            for number in range(count)
        ]

    def pages(self, count: int, *, size: int) -> list[bytes]:
        """Return pages that follow each other, each with `size` new entries."""
        made = []
        for _ in range(count):
            first, last = self.position + 1, self.position + size
            self.position = last
            page = build_page(
                [Upsert(entry.document, is_first=True) for entry in self.entries(size)],
                address=self.signer.address,
                epoch=_EPOCH,
                first=first,
                last=last,
                head=last,
            )
            made.append(canonical_bytes(page))
        return made


def example_contents() -> list[JsonObject]:
    """Return the content of every shipped example that any partner may be told."""
    return [
        cast("JsonObject", schemas.split_file(dict(example.document))[0])
        for kind, facts in schemas.KINDS.items()
        if not facts.personal
        for example in schemas.examples(kind, valid=True)
    ]


def example_publications(count: int) -> list[JsonObject]:
    """Return entries as they are published, the shipped examples in turn.

    Without events, whose dates may be over.
    """
    last_day = (_now() + timedelta(days=90)).date().isoformat()
    contents = [each for each in example_contents() if each["kind"] != "event"]
    made: list[JsonObject] = []
    for number in range(count):
        content = contents[number % len(contents)]
        title = cast("JsonObject", content["title"])
        made.append(
            {
                **content,
                **({"valid_until": last_day} if "valid_until" in content else {}),
                "title": {**title, "de": f"Beispiel {number}"},
                "audience": {"level": "public"},
            }
        )
    return made


def make_partners(
    folder: Path, *, count: int, database: str = ""
) -> tuple[NodeFolder, list[Partner]]:
    """Set up two nodes, make them partners, and multiply the second one.

    A node takes the requests of one partner in turn, and a limited number of
    messages a day; so the load comes from many. One goes through the handshake,
    the others are copies of its rows, each with its own address and key.

    Args:
        folder: For both nodes.
        count: Of partners; only one on PostgreSQL.
        database: As of `NodeFolder.initialise`, of the measured node.

    Raises:
        BenchError: A step of the handshake failed.
    """
    measured = NodeFolder.initialise(
        folder / "nord", name="Cluster Nord", database=database
    )
    other = NodeFolder.initialise(folder / "sued", name="Cluster Süd")
    here, there = serve(measured), serve(other)
    try:
        code = measured.command("partner", "invite")["code"]
        other.command("partner", "accept", str(code), "--yes")
        measured.command("partner", "confirm", other.base_url, "--yes")
        _wait_for_active(other, measured)
        entry_uri = _publish(measured, folder)
        _wait_for_delivery(measured, other)
    finally:
        there.stop()
        here.stop()
    target = NodeAddress(parse_base_url(measured.base_url, allow_loopback_http=True))
    first = Signer(_address(other.base_url), load_key(other.path), 1)
    signers = [first]
    if count == 1:
        return measured, [Partner(first, target, entry_uri, [])]
    with closing(sqlite3.connect(measured.path / "node.sqlite")) as connection:
        for number in range(1, count):
            signer = Signer(
                _address(f"http://127.0.0.1:{_FIRST_COPY_PORT + number}"),
                SigningKey.generate(SystemRandom()),
                1,
            )
            copy_partner(connection, first, signer)
            signers.append(signer)
        connection.commit()
    return measured, [Partner(each, target, entry_uri, []) for each in signers]


def _address(base_url: str) -> NodeAddress:
    return NodeAddress(parse_base_url(base_url, allow_loopback_http=True))


def copy_partner(connection: sqlite3.Connection, first: Signer, signer: Signer) -> None:
    """Add a partner that differs from the first by address, key and id."""
    connection.row_factory = sqlite3.Row
    (original,) = connection.execute(
        "SELECT * FROM partners WHERE base_url = ?", (first.address.base_url,)
    )
    changes = {
        first.address.base_url: signer.address.base_url,
        first.key.public_key.multibase: signer.key.public_key.multibase,
        original["id"]: random_id(SystemRandom()),
    }
    _insert_changed(connection, "partners", original, changes)
    for table in ("partner_keys", "partner_views"):
        query = f"SELECT * FROM {table} WHERE partner_id = ?"
        for row in connection.execute(query, (original["id"],)).fetchall():
            own = (
                {row["id"]: random_id(SystemRandom())}
                if "id" in tuple(row.keys())
                else {}
            )
            _insert_changed(connection, table, row, {**changes, **own})


def _insert_changed(
    connection: sqlite3.Connection,
    table: str,
    row: sqlite3.Row,
    changes: Mapping[str, str],
) -> None:
    values = []
    for value in tuple(row):
        changed = value
        if isinstance(value, str):
            for old, new in changes.items():
                changed = changed.replace(old, new)
        values.append(changed)
    places = ", ".join("?" for _ in values)
    connection.execute(f"INSERT INTO {table} VALUES ({places})", values)


def example_offer() -> JsonObject:
    """Return an entry as it is published; every partner is told of it.

    Public, so that it goes to a partner whose office has set nothing yet.
    """
    last_day = (_now() + timedelta(days=90)).date().isoformat()
    return {
        "kind": "capacity_offer",
        "title": {"de": "Prüfung von Linsen"},
        "summary": {"de": "Freie Zeiten am Interferometer."},
        "valid_until": last_day,
        "equipment_class": "measuring",
        "availability": "now",
        "audience": {"level": "public"},
    }


def _publish(node: NodeFolder, folder: Path) -> str:
    offer = example_offer()
    file = folder / "offer.json"
    file.write_text(json.dumps(offer, ensure_ascii=False), encoding="utf-8")
    published = node.command("entry", "publish", str(file))
    return f"{node.base_url}/entries/{published['id'].rpartition('/')[2]}"


def _wait_for_active(node: NodeFolder, partner: NodeFolder) -> None:
    _wait(
        lambda: node.command("partner", "show", partner.base_url)["state"] == "active"
    )


def _wait_for_delivery(node: NodeFolder, partner: NodeFolder) -> None:
    # An undelivered entry would keep the node knocking at a partner that is gone.
    def delivered() -> bool:
        shown = node.command("partner", "show", partner.base_url)["in_sync"]
        return bool(shown["held"] == 1 and shown["digest_equal"])

    _wait(delivered)


def _wait(reached: Callable[[], bool]) -> None:
    until = time.perf_counter() + _HANDSHAKE_SECONDS
    while not reached():
        if time.perf_counter() > until:
            raise BenchError("the two nodes did not become partners in time")
        time.sleep(0.2)


def _now() -> datetime:
    return SystemClock().now().astimezone(UTC).replace(microsecond=0)
