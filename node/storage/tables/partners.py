"""Partner clusters: who they are and what was agreed."""

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
    UniqueConstraint,
    text,
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, IDENTIFIER_CHARS, URI, metadata

invitations = Table(
    "invitations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("public_id", String(32), nullable=False, unique=True),
    Column("group_hint", String(8), nullable=False, unique=True),
    Column("note", String(200)),
    Column("preset", String(16), nullable=False),
    Column("created_by", ForeignKey("persons.id")),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("partner_id", ForeignKey("partners.id")),
)


partners = Table(
    "partners",
    metadata,
    Column("id", ID, primary_key=True),
    Column("base_url", URI, nullable=False, unique=True),
    Column("actor_id", URI, nullable=False),
    Column("name", String(200), nullable=False),
    Column("card", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("role", String(8), nullable=False),
    Column("request_id", URI, nullable=False),
    Column("check_number", String(12), nullable=False),
    Column("compared_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("active_since", UtcDateTime),
    Column("ended_at", UtcDateTime),
    # what both speak, and what it last said about itself
    Column("protocol", String(12), nullable=False),
    Column("capabilities", JSON, nullable=False),
    Column("actor_updated", UtcDateTime),
    # why nothing flows, and the key that was seen instead of the pinned one
    Column("suspended_from", String(16)),
    Column("suspended_because", String(24)),
    Column("offered_multibase", String(120)),
    Column("looked_at", UtcDateTime),
    # where it was before, and where it says to be now; our office has to confirm
    Column("former_urls", JSON, nullable=False),
    Column("moving_to", URI),
    Column("moving_id", URI),
    Column("moving_since", UtcDateTime),
    Column("move_published", UtcDateTime),
    # what we send
    # The former address of ours by which it knows us; NULL for the present one.
    Column("known_as", URI),
    Column("told_key_number", Integer, nullable=False),
    Column("head_seq", BigInteger, nullable=False),
    Column("acked_seq", BigInteger, nullable=False),
    Column("activity_seq", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("failing_since", UtcDateTime),
    Column("last_error", String(300)),
    Column("problem_code", String(60)),
    Column("last_failure_at", UtcDateTime),
    Column("last_sent_at", UtcDateTime),
    # The epoch in which the partner was asked what it holds: after a restore it is
    # told no entry before.
    Column("compared_epoch", String(32)),
    Column("next_check_at", UtcDateTime),
    # The newest page that may have renewed the partner's copies.
    Column("renewed_at", UtcDateTime),
    Column("receipt_digest", String(64)),
    Column("receipt_held", BigInteger),
    Column("receipt_refused", BigInteger),
    Column("digest_equal", Boolean),
    Column("checked_at", UtcDateTime),
    # what we receive
    Column("in_epoch", String(32)),
    Column("in_position", BigInteger, nullable=False),
    Column("last_received_at", UtcDateTime),
    # Everything has to be fetched again: a purge, or an end, was undone.
    Column("refetch_since", UtcDateTime),
    # When the origin made the newest page that was equal to what we hold; and since
    # when nothing is shown that no such page has confirmed (a restore).
    Column("verified_at", UtcDateTime),
    Column("to_verify_since", UtcDateTime),
    # The office keeps the partner's entries from our members' eyes.
    Column("hidden_at", UtcDateTime),
    Column("hidden_by", ForeignKey("persons.id")),
    # The office has seen what is for all partners, and gave it to this one.
    Column("released_at", UtcDateTime),
    Column("released_by", ForeignKey("persons.id")),
    # The policy sheets that count now; what stands beside them is read out of them,
    # for lists and for the work of the clock.
    Column("policy_out", JSON(none_as_null=True)),
    Column("policy_in", JSON(none_as_null=True)),
    Column("policy_out_until", Date),
    Column("policy_in_until", Date),
    # The latest end of which the office was reminded.
    Column("policy_reminded_until", Date),
    Column("in_lease_days", Integer),
    Column("in_retention_days", Integer),
    # Who may have to be told something now: asked for every few seconds.
    Index(
        "ix_partners_due",
        "id",
        "state",
        "next_attempt_at",
        "head_seq",
        "acked_seq",
        "next_check_at",
        "compared_epoch",
        "refetch_since",
    ),
)


# Every policy sheet that ever counted; only ever added to.
partner_policies = Table(
    "partner_policies",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("direction", String(3), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("sheet", JSON, nullable=False),
    Column("reason", String(300)),
    Column("author_id", ForeignKey("persons.id")),
    Column("at", UtcDateTime, nullable=False),
    Column("valid_until", Date),
)


# What is known of a partner's members: from the profiles that it publishes for us
# (`entry_uri`), or as our office entered it.
partner_members = Table(
    "partner_members",
    metadata,
    Column("id", ID, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("entry_uri", URI),
    Column("name", String(200), nullable=False),
    Column("vat_id", String(60)),
    Column("register_id", String(80)),
    Column("domains", JSON, nullable=False),
    Column("noted_at", UtcDateTime, nullable=False),
    Column("noted_by", ForeignKey("persons.id")),
    UniqueConstraint("partner_id", "entry_uri"),
)


partner_member_identifiers = Table(
    "partner_member_identifiers",
    metadata,
    Column("member_id", ForeignKey("partner_members.id"), primary_key=True),
    Column("identifier", String(IDENTIFIER_CHARS), primary_key=True),
    Index("ix_partner_member_identifiers_identifier", "identifier"),
)


# What happened with a partner on one day, for the office's strip of 14 days.
partner_days = Table(
    "partner_days",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("exchanges", Integer, nullable=False),
    Column("failures", Integer, nullable=False),
)


# Which process delivers to a partner, where several share one node.
partner_leases = Table(
    "partner_leases",
    metadata,
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)


# Keys of partners, also those that count no more: they explain old receipts.
partner_keys = Table(
    "partner_keys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("key_id", URI, nullable=False),
    Column("multibase", String(120), nullable=False),
    Column("position", Integer, nullable=False),  # 0 signs now
    Column("origin", String(12), nullable=False),
    Column("person_id", ForeignKey("persons.id")),
    Column("pinned_at", UtcDateTime, nullable=False),
    Column("expires", UtcDateTime),
    Column("revoked", UtcDateTime),
    Column("replaced_at", UtcDateTime),
    Index("ix_partner_keys_partner_id", "partner_id"),
    Index(
        "ix_partner_keys_key_id",
        "key_id",
        unique=True,
        sqlite_where=text("replaced_at IS NULL"),
        postgresql_where=text("replaced_at IS NULL"),
    ),
)


partner_events = Table(
    "partner_events",
    metadata,
    Column("id", ID, primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("event", String(40), nullable=False),
    Column("person_id", ForeignKey("persons.id")),
    Column("note", String(300)),
    Index("ix_partner_events_partner_id_at", "partner_id", "at"),
)
