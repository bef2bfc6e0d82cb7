"""What stands in a node's database, read past all of the node's code.

The checks rest on this alone: a fault in the product's own queries must not be able
to hide itself. So: plain SQL over the file, committed rows only.
"""

import re
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

MARK: Final = re.compile(r"M[0-9a-f]{12}")
"""Each version of an entry has a word in its title that stands nowhere else."""

Version = tuple[int, int]


@dataclass(frozen=True, slots=True)
class OwnEntry:
    """An entry of the node itself.

    Attributes:
        named: Base URLs of the partners that its audience names.
        mark: The word in its title; empty once it is deleted.
    """

    id: str
    state: str
    version: Version
    level: str
    named: frozenset[str]
    last_day: date | None
    mark: str
    content_hash: str | None


@dataclass(frozen=True, slots=True)
class Copy:
    """What the node remembers of a partner's entry."""

    uri: str
    state: str
    version: Version
    mark: str
    content_hash: str | None
    last_day: date | None


@dataclass(frozen=True, slots=True)
class Told:
    """A row of the ledger: what a partner is to be told, or was."""

    entry_id: str
    seq: int
    op: str
    version: Version
    is_told: bool
    is_acknowledged: bool
    refused: str | None
    held: Version | None
    held_hash: str | None
    receipt_id: str | None


@dataclass(frozen=True, slots=True)
class Unaccounted:
    """What a partner says it holds of an entry, and what the office said to it.

    Attributes:
        settled_as: None while the office has not decided.
    """

    entry_id: str
    state: str
    version: Version
    content_hash: str | None
    settled_as: str | None


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """How a node stands with another, with both halves of the exchange."""

    id: str
    base_url: str
    state: str
    head: int
    acked: int
    digest_equal: bool | None
    in_epoch: str | None
    in_position: int
    waiting: int
    copies: Mapping[str, Copy] = field(repr=False)
    told: Mapping[str, Told] = field(repr=False)
    digest_out: str
    digest_in: str
    receipt_digest: str | None
    checked_at: int | None
    receipt_held: int | None
    receipt_refused: int | None
    last_error: str | None
    compared_epoch: str | None
    verified_at: int | None
    to_verify_since: int | None
    unaccounted: Mapping[str, Unaccounted] = field(repr=False)
    """What it says it holds and our ledger cannot explain, by entry."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One node's database at one moment."""

    entries: Mapping[str, OwnEntry]
    partners: Mapping[str, PartnerRow]
    """By base URL."""
    messages: Mapping[str, tuple[str, bool]]
    """By activity: the text, and whether it is known to be delivered."""
    epoch: str
    incarnation: int


class Eye:
    """Reads a node's database through a connection of its own."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._connection: sqlite3.Connection | None = None
        self._seen = -1
        self._sight: Sight | None = None

    def look(self, path: Path) -> tuple[Sight, bool]:
        """Return what is committed, and whether anything has changed since.

        Args:
            path: The database; another file than before after a restart.
        """
        connection = self._open(path)
        version = connection.execute("PRAGMA data_version").fetchone()[0]
        if self._sight is not None and version == self._seen:
            return self._sight, False
        self._seen = version
        connection.execute("BEGIN")
        try:
            self._sight = _read(connection)
        finally:
            connection.execute("ROLLBACK")
        return self._sight, True

    def rows(self, path: Path, sql: str, *values: Any) -> list[Any]:
        """Return the rows of one query."""
        return self._open(path).execute(sql, values).fetchall()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self, path: Path) -> sqlite3.Connection:
        if self._connection is None or path != self._path:
            self.close()
            self._connection = sqlite3.connect(path, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA wal_autocheckpoint=0")
            self._connection.execute("PRAGMA query_only=ON")
            self._path, self._sight = path, None
        return self._connection


def _read(db: sqlite3.Connection) -> Sight:
    urls = {row["id"]: row["base_url"] for row in db.execute("SELECT * FROM partners")}
    named: dict[str, set[str]] = {}
    for row in db.execute("SELECT * FROM entry_audience_partners"):
        named.setdefault(row["entry_id"], set()).add(urls[row["partner_id"]])
    entries = {
        row["id"]: OwnEntry(
            id=row["id"],
            state=row["state"],
            version=(row["incarnation"], row["counter"]),
            level=row["audience_level"],
            named=frozenset(named.get(row["id"], ())),
            last_day=_day(row["valid_until"]),
            mark=_mark(row["content"]),
            content_hash=row["content_hash"],
        )
        for row in db.execute("SELECT * FROM entries ORDER BY id")
    }
    partners = {
        row["base_url"]: _partner(db, row)
        for row in db.execute("SELECT * FROM partners ORDER BY base_url")
    }
    messages = {
        row["activity_id"]: (row["text"], row["delivered_at"] is not None)
        for row in db.execute("SELECT * FROM messages ORDER BY activity_id")
    }
    state = db.execute("SELECT * FROM node_state").fetchone()
    return Sight(entries, partners, messages, state["epoch"], state["incarnation"])


def _partner(db: sqlite3.Connection, row: sqlite3.Row) -> PartnerRow:
    of = (row["id"],)
    copies = {
        each["entry_uri"]: Copy(
            uri=each["entry_uri"],
            state=each["state"],
            version=(each["incarnation"], each["counter"]),
            mark=_mark(each["content"]),
            content_hash=each["content_hash"],
            last_day=_day(each["valid_until"]),
        )
        for each in db.execute(
            "SELECT * FROM received_entries WHERE partner_id = ? ORDER BY entry_uri", of
        )
    }
    told = {
        each["entry_id"]: _told(each)
        for each in db.execute(
            "SELECT * FROM disclosures WHERE partner_id = ? ORDER BY seq", of
        )
    }
    views = {
        each["direction"]: bytes(each["buckets"]).hex()
        for each in db.execute("SELECT * FROM partner_views WHERE partner_id = ?", of)
    }
    unaccounted = {
        each["entry_id"]: Unaccounted(
            entry_id=each["entry_id"],
            state=each["state"],
            version=(each["incarnation"], each["counter"]),
            content_hash=each["content_hash"],
            settled_as=each["settled_as"],
        )
        for each in db.execute(
            "SELECT * FROM unaccounted_entries WHERE partner_id = ? ORDER BY entry_id",
            of,
        )
    }
    waiting = db.execute(
        "SELECT count(*) FROM outgoing_activities WHERE partner_id = ?"
        " AND delivered_at IS NULL AND refused_reason IS NULL",
        of,
    ).fetchone()[0]
    return PartnerRow(
        id=row["id"],
        base_url=row["base_url"],
        state=row["state"],
        head=row["head_seq"],
        acked=row["acked_seq"],
        digest_equal=None if row["digest_equal"] is None else bool(row["digest_equal"]),
        in_epoch=row["in_epoch"],
        in_position=row["in_position"],
        waiting=waiting,
        copies=copies,
        told=told,
        digest_out=views.get("out", ""),
        digest_in=views.get("in", ""),
        receipt_digest=row["receipt_digest"],
        checked_at=row["checked_at"],
        receipt_held=row["receipt_held"],
        receipt_refused=row["receipt_refused"],
        last_error=row["last_error"],
        compared_epoch=row["compared_epoch"],
        verified_at=row["verified_at"],
        to_verify_since=row["to_verify_since"],
        unaccounted=unaccounted,
    )


def _told(row: sqlite3.Row) -> Told:
    held = row["held_counter"]
    return Told(
        entry_id=row["entry_id"],
        seq=row["seq"],
        op=row["op"],
        version=(row["incarnation"], row["counter"]),
        is_told=row["told_at"] is not None,
        is_acknowledged=row["acknowledged_at"] is not None,
        refused=row["refused_reason"],
        held=None if held is None else (row["held_incarnation"], held),
        held_hash=row["held_hash"],
        receipt_id=row["receipt_id"],
    )


def _mark(content: str | None) -> str:
    found = MARK.search(content or "")
    return "" if found is None else found[0]


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
