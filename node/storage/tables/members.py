"""Members: organisations, groups, persons, sign-in."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    String,
    Table,
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, IDENTIFIER_CHARS, metadata

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
