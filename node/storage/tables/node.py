"""The node itself: its state, keys, shared work and audit log."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, URI, metadata

node_state = Table(
    "node_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("node_id", ID, nullable=False),
    Column("base_url", URI, nullable=False),
    Column("name", String(200), nullable=False),
    Column("default_language", String(12), nullable=False),
    Column("epoch", String(32), nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("card", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("actor_digest", String(64)),
    Column("actor_updated", UtcDateTime),
    # The last restore from a backup, and of when that backup was.
    Column("restored_at", UtcDateTime),
    Column("restored_from", UtcDateTime),
    # The cluster closes down: since when, and when nobody is waited for any more.
    Column("closing_since", UtcDateTime),
    Column("closed_at", UtcDateTime),
    CheckConstraint("id = 1", name="single"),
)


# Where the node was before it moved; what is named below stays named so.
former_addresses = Table(
    "former_addresses",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("base_url", URI, nullable=False, unique=True),
    Column("left_at", UtcDateTime, nullable=False),
)


# Public halves and stages of our own keys; the secrets are files in the folder.
node_keys = Table(
    "node_keys",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("multibase", String(120), nullable=False, unique=True),
    Column("state", String(12), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", ForeignKey("persons.id")),
    Column("activated_at", UtcDateTime),
    Column("retired_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("ended_by", ForeignKey("persons.id")),
    Column("reason", String(300)),
    Column("backed_up_at", UtcDateTime),
    Column("backed_up_by", ForeignKey("persons.id")),
)


# What `/readyz` writes to see whether anything can be written.
probes = Table(
    "probes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
)


# How many transactions have decided something that a restore must not undo. A row of
# its own: whoever decides locks it last of all, so that nobody waits for long.
decision_numbers = Table(
    "decision_numbers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
)


# Which process does what only one may do at a time, e.g. the work of the clock.
work_leases = Table(
    "work_leases",
    metadata,
    Column("work", String(40), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)


# Every decision, chained to the one before; only ever added to, except that details
# are erased when their time is over. It names nobody but by id, and refers to no
# table: it outlives what it is about.
audit_log = Table(
    "audit_log",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(40), nullable=False),
    Column("person_id", ID),
    Column("subject_kind", String(16), nullable=False),
    Column("subject_id", ID),
    Column("details", JSON(none_as_null=True)),
    Column("details_hash", String(64), nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index("ix_audit_log_subject_id_number", "subject_id", "number"),
    Index("ix_audit_log_at", "at"),
)


# The newest row of the audit log; locked while one is added.
audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    CheckConstraint("id = 1", name="single"),
)
