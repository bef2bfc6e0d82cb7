"""Every table of a node. Rows never leave `node.storage` as rows.

No table holds payload in a queue: `disclosures` is ledger, queue and audit at
once and names entries only (SPEC EXC-001).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from node.storage.columns import UtcDateTime

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(64)
URI = String(512)
IDENTIFIER_CHARS = 300

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

organisations = Table(
    "organisations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("external_id", String(120), unique=True),
    Column("name", String(200), nullable=False),
    Column("short_name", String(80)),
    Column("website", String(300)),
    Column("region", String(12)),
    Column("city", String(120)),
    Column("size_class", String(20)),
    Column("org_type", String(40)),
    # Under which it is known elsewhere, too (VIS-072).
    Column("vat_id", String(60)),
    Column("register_id", String(80)),
    Column("domains", JSON(none_as_null=True)),
    Column("description", JSON, nullable=False),
    Column("is_office", Boolean, nullable=False),
    # The widest audience of what its persons publish; none permits any.
    Column("ceiling", String(16)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# VAT id, register number and domains as they are compared.
organisation_identifiers = Table(
    "organisation_identifiers",
    metadata,
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
    Column("identifier", String(IDENTIFIER_CHARS), primary_key=True),
    Index("ix_organisation_identifiers_identifier", "identifier"),
)

persons = Table(
    "persons",
    metadata,
    Column("id", ID, primary_key=True),
    Column("external_id", String(120), unique=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    Column("role", String(24), nullable=False),
    Column("function", String(160)),
    Column("language", String(12), nullable=False),
    Column("phone", String(60)),
    Column("consent_on", Date),
    Column("consent_source", String(200)),
    Column("password_hash", String(200)),
    Column("left_at", UtcDateTime),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_persons_organisation_id", "organisation_id"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False),
    Column("purpose", String(24), nullable=False),
    Column("subject", ID),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Index("ix_sign_in_links_subject", "subject"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("person_id", ForeignKey("persons.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

# Groups of own members; nothing of them ever leaves the node.
groups = Table(
    "groups",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", String(120), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    Column("created_by", ForeignKey("persons.id")),
)

group_organisations = Table(
    "group_organisations",
    metadata,
    Column("group_id", ForeignKey("groups.id"), primary_key=True),
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
)

# What the office sets by kind: proposed in the form, and permitted at most.
kind_audiences = Table(
    "kind_audiences",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("default_level", String(16), nullable=False),
    Column("ceiling", String(16), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", ForeignKey("persons.id")),
)

entries = Table(
    "entries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("kind", String(40), nullable=False),
    Column("state", String(16), nullable=False),
    Column("incarnation", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("person_id", ForeignKey("persons.id")),
    Column("author_id", ForeignKey("persons.id")),
    Column("external_id", String(120), unique=True),
    Column("audience_level", String(16), nullable=False),
    Column("group_id", ForeignKey("groups.id")),
    # Anew whenever the list of exclusions, or what it finds, changes; none excludes
    # nothing.
    Column("exclusions_id", ID),
    # Fields of the content that stay in the own cluster.
    Column("home_fields", JSON(none_as_null=True)),
    Column("content", JSON, nullable=False),
    Column("search_text", Text, nullable=False),
    # As policy sheets compare them (node.visibility.policy.topics_text).
    Column("topics", Text),
    Column("valid_until", Date),
    Column("document", LargeBinary),
    Column("content_hash", String(64)),
    Column("key_number", Integer),  # of the key that signed the document
    # The former address that its id is below; NULL for the present one.
    Column("born_at", URI),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Column("published_at", UtcDateTime),
    Column("confirmed_at", UtcDateTime),
    Column("reminded_at", UtcDateTime),
    Column("closed_at", UtcDateTime),
    Column("is_chiffre", Boolean, nullable=False, default=False),
    # Under Chiffre: the full hour for which it waits; NULL once that has come.
    Column("waits_until", UtcDateTime),
    Index("ix_entries_state_valid_until", "state", "valid_until"),
    Index("ix_entries_organisation_id", "organisation_id"),
    Index("ix_entries_updated_at_id", "updated_at", "id"),
    # What says who sees an entry, to count without reading one.
    Index(
        "ix_entries_counts",
        "state",
        "kind",
        "valid_until",
        "audience_level",
        "organisation_id",
        "group_id",
        "id",
    ),
)

# Whose an entry under Chiffre is; its row in `entries` names the office. Only what
# SPEC CHI-003 names reads this.
chiffre_owners = Table(
    "chiffre_owners",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("person_id", ForeignKey("persons.id")),
    Column("author_id", ForeignKey("persons.id")),
    Index("ix_chiffre_owners_organisation_id", "organisation_id"),
)

entry_audience_partners = Table(
    "entry_audience_partners",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
)

# What an entry excludes never leaves the node (VIS-071).
entry_excluded_partners = Table(
    "entry_excluded_partners",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
)

entry_excluded_organisations = Table(
    "entry_excluded_organisations",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(200), nullable=False),
    Column("vat_id", String(60)),
    Column("register_id", String(80)),
    Column("domains", JSON, nullable=False),
    # To a cluster that has it as member, too.
    Column("send_anyway", Boolean, nullable=False),
)

entry_excluded_identifiers = Table(
    "entry_excluded_identifiers",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("identifier", String(IDENTIFIER_CHARS), primary_key=True),
    Index("ix_entry_excluded_identifiers_identifier", "identifier"),
)

# Where an excluded organisation was found: kept until the author changes the list.
entry_hosting_partners = Table(
    "entry_hosting_partners",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("partner_id", ForeignKey("partners.id"), primary_key=True),
)

entry_kept_organisations = Table(
    "entry_kept_organisations",
    metadata,
    Column("entry_id", ForeignKey("entries.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("organisation_id", ForeignKey("organisations.id"), primary_key=True),
)

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

conversations = Table(
    "conversations",
    metadata,
    Column("id", ID, primary_key=True),
    Column("thread_uri", URI, nullable=False),
    Column("entry_uri", URI, nullable=False),
    Column("entry_title", JSON, nullable=False),
    Column("partner_id", ForeignKey("partners.id")),
    Column("owner_side", Boolean, nullable=False),
    Column("asker_id", ForeignKey("persons.id")),
    Column("owner_organisation_id", ForeignKey("organisations.id")),
    Column("owner_id", ForeignKey("persons.id")),
    Column("other_name", String(200)),
    Column("other_organisation", String(200)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("last_message_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    # Our entry under Chiffre: who answers is found in `chiffre_owners` only.
    Column("chiffre_of", ForeignKey("entries.id")),
    # Our member asks without a name.
    Column("asker_hidden", Boolean, nullable=False, default=False),
    # Since when our side has told who it is.
    Column("revealed_at", UtcDateTime),
    UniqueConstraint("thread_uri"),
    Index("ix_conversations_asker_id", "asker_id"),
    Index("ix_conversations_owner_organisation_id", "owner_organisation_id"),
    Index("ix_conversations_owner_id", "owner_id"),
    Index("ix_conversations_entry_uri", "entry_uri"),
    Index("ix_conversations_last_message_at", "last_message_at"),
    # In which nobody of the owner's side has answered.
    Index(
        "ix_conversations_unanswered",
        "created_at",
        sqlite_where=text("answered_at IS NULL"),
        postgresql_where=text("answered_at IS NULL"),
    ),
)

messages = Table(
    "messages",
    metadata,
    Column("id", ID, primary_key=True),
    Column("conversation_id", ForeignKey("conversations.id"), nullable=False),
    Column("activity_id", URI, nullable=False, unique=True),
    Column("in_reply_to", URI),
    Column("author_id", ForeignKey("persons.id")),
    Column("author_name", String(200), nullable=False),
    Column("author_organisation", String(200), nullable=False),
    Column("from_owner", Boolean, nullable=False),
    Column("text", Text, nullable=False),
    Column("sent_at", UtcDateTime, nullable=False),
    Column("delivered_at", UtcDateTime),
    Column("read_at", UtcDateTime),
    Index("ix_messages_conversation_id_sent_at", "conversation_id", "sent_at"),
    # What nobody has opened: counted for every page.
    Index(
        "ix_messages_unread",
        "conversation_id",
        "from_owner",
        sqlite_where=text("read_at IS NULL"),
        postgresql_where=text("read_at IS NULL"),
    ),
)

mail_outbox = Table(
    "mail_outbox",
    metadata,
    Column("id", ID, primary_key=True),
    Column("recipient", String(254), nullable=False),
    Column("person_id", ForeignKey("persons.id")),
    Column("kind", String(40), nullable=False),
    Column("language", String(12), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("body", Text, nullable=False),
    Column("entry_id", ForeignKey("entries.id")),
    # The entry of ours or of a partner that the text names, and how it names it, so
    # that the name can be taken out again.
    Column("entry_uri", URI),
    Column("entry_title", String(300)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("sent_at", UtcDateTime),
    Column("cancelled_at", UtcDateTime),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", UtcDateTime),
    Column("last_error", String(300)),
    Index("ix_mail_outbox_sent_at", "sent_at"),
    Index("ix_mail_outbox_entry_uri", "entry_uri"),
)
