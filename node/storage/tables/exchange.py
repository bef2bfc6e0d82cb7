"""What was told to partners and received from them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, URI, metadata

disclosures = Table(
    "disclosures",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("op", String(10), nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("form", String(10), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime),
    Column("refused_reason", String(300)),
    # The partner may hold a public version: such a copy never lapses by itself.
    Column("told_public", Boolean, nullable=False),
    # The version that the partner's receipts prove it to hold, if any.
    Column("held_incarnation", BigInteger),
    Column("held_counter", BigInteger),
    Column("held_hash", String(64)),
    Column("receipt_id", ForeignKey("receipts.id")),
    UniqueConstraint("partner_id", "seq"),
    Index("ix_disclosures_entry_id", "entry_id"),
)


receipts = Table(
    "receipts",
    metadata,
    Column("id", URI, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("received_at", UtcDateTime, nullable=False),
    Column("document", LargeBinary, nullable=False),
    Index("ix_receipts_partner_id_received_at", "partner_id", "received_at"),
)


# What partners confirmed, position by position; only ever added to.
disclosure_history = Table(
    "disclosure_history",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("seq", BigInteger, primary_key=True),
    Column("entry_id", ForeignKey("entries.id"), nullable=False),
    Column("op", String(10), nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("form", String(10), nullable=False),
    Column("reason", String(80), nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("told_at", UtcDateTime),
    Column("acknowledged_at", UtcDateTime, nullable=False),
    Column("refused_reason", String(300)),
    Column("receipt_id", ForeignKey("receipts.id")),
    Index("ix_disclosure_history_entry_id", "entry_id"),
)


# What a partner holds of us and our own ledger cannot explain.
unaccounted_entries = Table(
    "unaccounted_entries",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("entry_id", ID, primary_key=True),
    Column("state", String(12), nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("content_hash", String(64)),
    Column("found_at", UtcDateTime, nullable=False),
    Column("settled_at", UtcDateTime),
    Column("settled_by", ForeignKey("persons.id")),
    Column("settled_as", String(16)),
)


received_entries = Table(
    "received_entries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("entry_uri", URI, nullable=False),
    Column("state", String(12), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("known_kind", Boolean, nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    # An absent one is NULL, not the JSON text "null".
    Column("content", JSON(none_as_null=True)),
    Column("owner", JSON(none_as_null=True)),
    Column("is_public", Boolean, nullable=False),
    Column("is_personal", Boolean, nullable=False),
    Column("search_text", Text, nullable=False),
    Column("valid_until", Date),
    Column("document", LargeBinary),
    Column("content_hash", String(64)),
    Column("reason", String(300)),
    Column("published_at", UtcDateTime),
    Column("updated_at", UtcDateTime),
    Column("first_received_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    # Of its origin's view (federation.exchange.bucket_of), to find what differs.
    Column("bucket", Integer, nullable=False),
    UniqueConstraint("partner_id", "entry_uri"),
    Index("ix_received_entries_partner_id_bucket", "partner_id", "bucket"),
    Index("ix_received_entries_entry_uri", "entry_uri"),
    # All that says who sees an entry, so that none has to be read for it. By partner,
    # to count them:
    Index(
        "ix_received_entries_counts",
        "state",
        "partner_id",
        "kind",
        "valid_until",
        "is_public",
        "is_personal",
        "changed_at",
    ),
    # by kind, for the newest ones:
    Index(
        "ix_received_entries_newest",
        "state",
        "kind",
        "changed_at",
        "id",
        "partner_id",
        "valid_until",
        "is_public",
        "is_personal",
    ),
    # and with the text to be searched. PostgreSQL keeps long columns beside the row and
    # takes no long ones into an index: there it stays empty.
    Index(
        "ix_received_entries_search",
        "state",
        "partner_id",
        "kind",
        "valid_until",
        "is_public",
        "is_personal",
        "changed_at",
        "id",
        "search_text",
        postgresql_where=text("FALSE"),
    ),
)


# Digest buckets (federation.exchange.ViewDigest) of what a partner holds of us
# ("out") and what we hold of it ("in"), kept up to date entry by entry.
partner_views = Table(
    "partner_views",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("direction", String(3), primary_key=True),
    Column("buckets", LargeBinary, nullable=False),
)


seen_nonces = Table(
    "seen_nonces",
    metadata,
    Column("key_id", URI, primary_key=True),
    Column("nonce", String(128), primary_key=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Index("ix_seen_nonces_expires_at", "expires_at"),
)


processed_activities = Table(
    "processed_activities",
    metadata,
    Column("activity_id", URI, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("kind", String(24), nullable=False),  # federation.trust.TrustAction
    Column("at", UtcDateTime, nullable=False),
    Index("ix_processed_activities_partner_id_at", "partner_id", "at"),
)


outgoing_activities = Table(
    "outgoing_activities",
    metadata,
    Column("activity_id", URI, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("subject", URI, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("refused_reason", String(300)),
    UniqueConstraint("partner_id", "seq"),
    # What waits is asked for every few seconds, and is little beside what went.
    Index(
        "ix_outgoing_activities_waiting",
        "partner_id",
        "seq",
        sqlite_where=text("delivered_at IS NULL AND refused_reason IS NULL"),
        postgresql_where=text("delivered_at IS NULL AND refused_reason IS NULL"),
    ),
)
