"""Our own entries, and whom each is for."""

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
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, IDENTIFIER_CHARS, URI, metadata

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
