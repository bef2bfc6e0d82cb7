"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_audit_head()
    _create_audit_log()
    _create_decision_numbers()
    _create_former_addresses()
    _create_node_state()
    _create_organisations()
    _create_probes()
    _create_seen_nonces()
    _create_work_leases()
    _create_organisation_identifiers()
    _create_persons()
    _create_groups()
    _create_kind_audiences()
    _create_node_keys()
    _create_partners()
    _create_sessions()
    _create_sign_in_links()
    _create_entries()
    _create_group_organisations()
    _create_invitations()
    _create_outgoing_activities()
    _create_partner_days()
    _create_partner_events()
    _create_partner_keys()
    _create_partner_leases()
    _create_partner_members()
    _create_partner_policies()
    _create_partner_views()
    _create_processed_activities()
    _create_receipts()
    _create_received_entries()
    _create_unaccounted_entries()
    _create_chiffre_owners()
    _create_conversations()
    _create_disclosure_history()
    _create_disclosures()
    _create_entry_audience_partners()
    _create_entry_excluded_identifiers()
    _create_entry_excluded_organisations()
    _create_entry_excluded_partners()
    _create_entry_hosting_partners()
    _create_entry_kept_organisations()
    _create_mail_outbox()
    _create_partner_member_identifiers()
    _create_messages()


def _create_audit_head() -> None:
    op.create_table(
        "audit_head",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_head_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("subject_kind", sa.String(length=16), nullable=False),
        sa.Column("subject_id", sa.String(length=64), nullable=True),
        sa.Column("details", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("details_hash", sa.String(length=64), nullable=False),
        sa.Column("previous", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_at", "audit_log", ["at"], unique=False)
    op.create_index(
        "ix_audit_log_subject_id_number",
        "audit_log",
        ["subject_id", "number"],
        unique=False,
    )


def _create_decision_numbers() -> None:
    op.create_table(
        "decision_numbers",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_numbers")),
    )


def _create_former_addresses() -> None:
    op.create_table(
        "former_addresses",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("base_url", sa.String(length=512), nullable=False),
        sa.Column("left_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_former_addresses")),
        sa.UniqueConstraint("base_url", name=op.f("uq_former_addresses_base_url")),
    )


def _create_node_state() -> None:
    op.create_table(
        "node_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("node_id", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.String(length=512), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("default_language", sa.String(length=12), nullable=False),
        sa.Column("epoch", sa.String(length=32), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("actor_digest", sa.String(length=64), nullable=True),
        sa.Column("actor_updated", sa.BigInteger(), nullable=True),
        sa.Column("restored_at", sa.BigInteger(), nullable=True),
        sa.Column("restored_from", sa.BigInteger(), nullable=True),
        sa.Column("closing_since", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("id = 1", name=op.f("ck_node_state_single")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_node_state")),
    )


def _create_organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("short_name", sa.String(length=80), nullable=True),
        sa.Column("website", sa.String(length=300), nullable=True),
        sa.Column("region", sa.String(length=12), nullable=True),
        sa.Column("city", sa.String(length=120), nullable=True),
        sa.Column("size_class", sa.String(length=20), nullable=True),
        sa.Column("org_type", sa.String(length=40), nullable=True),
        sa.Column("vat_id", sa.String(length=60), nullable=True),
        sa.Column("register_id", sa.String(length=80), nullable=True),
        sa.Column("domains", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("description", sa.JSON(), nullable=False),
        sa.Column("is_office", sa.Boolean(), nullable=False),
        sa.Column("ceiling", sa.String(length=16), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
        sa.UniqueConstraint("external_id", name=op.f("uq_organisations_external_id")),
    )


def _create_probes() -> None:
    op.create_table(
        "probes",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_probes")),
    )


def _create_seen_nonces() -> None:
    op.create_table(
        "seen_nonces",
        sa.Column("key_id", sa.String(length=512), nullable=False),
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name=op.f("pk_seen_nonces")),
    )
    op.create_index(
        "ix_seen_nonces_expires_at", "seen_nonces", ["expires_at"], unique=False
    )


def _create_work_leases() -> None:
    op.create_table(
        "work_leases",
        sa.Column("work", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("pk_work_leases")),
    )


def _create_organisation_identifiers() -> None:
    op.create_table(
        "organisation_identifiers",
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_organisation_identifiers_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "organisation_id", "identifier", name=op.f("pk_organisation_identifiers")
        ),
    )
    op.create_index(
        "ix_organisation_identifiers_identifier",
        "organisation_identifiers",
        ["identifier"],
        unique=False,
    )


def _create_persons() -> None:
    op.create_table(
        "persons",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("external_id", sa.String(length=120), nullable=True),
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("role", sa.String(length=24), nullable=False),
        sa.Column("function", sa.String(length=160), nullable=True),
        sa.Column("language", sa.String(length=12), nullable=False),
        sa.Column("phone", sa.String(length=60), nullable=True),
        sa.Column("consent_on", sa.Date(), nullable=True),
        sa.Column("consent_source", sa.String(length=200), nullable=True),
        sa.Column("password_hash", sa.String(length=200), nullable=True),
        sa.Column("left_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_persons_organisation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("email", name=op.f("uq_persons_email")),
        sa.UniqueConstraint("external_id", name=op.f("uq_persons_external_id")),
    )
    op.create_index(
        "ix_persons_organisation_id", "persons", ["organisation_id"], unique=False
    )


def _create_groups() -> None:
    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["persons.id"], name=op.f("fk_groups_created_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name", name=op.f("uq_groups_name")),
    )


def _create_kind_audiences() -> None:
    op.create_table(
        "kind_audiences",
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("default_level", sa.String(length=16), nullable=False),
        sa.Column("ceiling", sa.String(length=16), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["changed_by"], ["persons.id"], name=op.f("fk_kind_audiences_changed_by")
        ),
        sa.PrimaryKeyConstraint("kind", name=op.f("pk_kind_audiences")),
    )


def _create_node_keys() -> None:
    op.create_table(
        "node_keys",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("multibase", sa.String(length=120), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=True),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("backed_up_at", sa.BigInteger(), nullable=True),
        sa.Column("backed_up_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["backed_up_by"], ["persons.id"], name=op.f("fk_node_keys_backed_up_by")
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["persons.id"], name=op.f("fk_node_keys_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["ended_by"], ["persons.id"], name=op.f("fk_node_keys_ended_by")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_node_keys")),
        sa.UniqueConstraint("multibase", name=op.f("uq_node_keys_multibase")),
    )


def _create_partners() -> None:
    op.create_table(
        "partners",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("base_url", sa.String(length=512), nullable=False),
        sa.Column("actor_id", sa.String(length=512), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("card", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("request_id", sa.String(length=512), nullable=False),
        sa.Column("check_number", sa.String(length=12), nullable=False),
        sa.Column("compared_at", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("active_since", sa.BigInteger(), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("protocol", sa.String(length=12), nullable=False),
        sa.Column("capabilities", sa.JSON(), nullable=False),
        sa.Column("actor_updated", sa.BigInteger(), nullable=True),
        sa.Column("suspended_from", sa.String(length=16), nullable=True),
        sa.Column("suspended_because", sa.String(length=24), nullable=True),
        sa.Column("offered_multibase", sa.String(length=120), nullable=True),
        sa.Column("looked_at", sa.BigInteger(), nullable=True),
        sa.Column("former_urls", sa.JSON(), nullable=False),
        sa.Column("moving_to", sa.String(length=512), nullable=True),
        sa.Column("moving_id", sa.String(length=512), nullable=True),
        sa.Column("moving_since", sa.BigInteger(), nullable=True),
        sa.Column("move_published", sa.BigInteger(), nullable=True),
        sa.Column("known_as", sa.String(length=512), nullable=True),
        sa.Column("told_key_number", sa.Integer(), nullable=False),
        sa.Column("head_seq", sa.BigInteger(), nullable=False),
        sa.Column("acked_seq", sa.BigInteger(), nullable=False),
        sa.Column("activity_seq", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.Column("problem_code", sa.String(length=60), nullable=True),
        sa.Column("last_failure_at", sa.BigInteger(), nullable=True),
        sa.Column("last_sent_at", sa.BigInteger(), nullable=True),
        sa.Column("compared_epoch", sa.String(length=32), nullable=True),
        sa.Column("next_check_at", sa.BigInteger(), nullable=True),
        sa.Column("renewed_at", sa.BigInteger(), nullable=True),
        sa.Column("receipt_digest", sa.String(length=64), nullable=True),
        sa.Column("receipt_held", sa.BigInteger(), nullable=True),
        sa.Column("receipt_refused", sa.BigInteger(), nullable=True),
        sa.Column("digest_equal", sa.Boolean(), nullable=True),
        sa.Column("checked_at", sa.BigInteger(), nullable=True),
        sa.Column("in_epoch", sa.String(length=32), nullable=True),
        sa.Column("in_position", sa.BigInteger(), nullable=False),
        sa.Column("last_received_at", sa.BigInteger(), nullable=True),
        sa.Column("refetch_since", sa.BigInteger(), nullable=True),
        sa.Column("verified_at", sa.BigInteger(), nullable=True),
        sa.Column("to_verify_since", sa.BigInteger(), nullable=True),
        sa.Column("hidden_at", sa.BigInteger(), nullable=True),
        sa.Column("hidden_by", sa.String(length=64), nullable=True),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.Column("released_by", sa.String(length=64), nullable=True),
        sa.Column("policy_out", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("policy_in", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("policy_out_until", sa.Date(), nullable=True),
        sa.Column("policy_in_until", sa.Date(), nullable=True),
        sa.Column("policy_reminded_until", sa.Date(), nullable=True),
        sa.Column("in_lease_days", sa.Integer(), nullable=True),
        sa.Column("in_retention_days", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["hidden_by"], ["persons.id"], name=op.f("fk_partners_hidden_by")
        ),
        sa.ForeignKeyConstraint(
            ["released_by"], ["persons.id"], name=op.f("fk_partners_released_by")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partners")),
        sa.UniqueConstraint("base_url", name=op.f("uq_partners_base_url")),
    )
    op.create_index(
        "ix_partners_due",
        "partners",
        [
            "id",
            "state",
            "next_attempt_at",
            "head_seq",
            "acked_seq",
            "next_check_at",
            "compared_epoch",
            "refetch_since",
        ],
        unique=False,
    )


def _create_sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_sessions_person_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sessions")),
    )


def _create_sign_in_links() -> None:
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=24), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_sign_in_links_person_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_links")),
    )
    op.create_index(
        "ix_sign_in_links_subject", "sign_in_links", ["subject"], unique=False
    )


def _create_entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("author_id", sa.String(length=64), nullable=True),
        sa.Column("external_id", sa.String(length=120), nullable=True),
        sa.Column("audience_level", sa.String(length=16), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=True),
        sa.Column("exclusions_id", sa.String(length=64), nullable=True),
        sa.Column("home_fields", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("topics", sa.Text(), nullable=True),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("key_number", sa.Integer(), nullable=True),
        sa.Column("born_at", sa.String(length=512), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("reminded_at", sa.BigInteger(), nullable=True),
        sa.Column("closed_at", sa.BigInteger(), nullable=True),
        sa.Column("is_chiffre", sa.Boolean(), nullable=False),
        sa.Column("waits_until", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["persons.id"], name=op.f("fk_entries_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_entries_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_entries_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_entries_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entries")),
        sa.UniqueConstraint("external_id", name=op.f("uq_entries_external_id")),
    )
    op.create_index(
        "ix_entries_counts",
        "entries",
        [
            "state",
            "kind",
            "valid_until",
            "audience_level",
            "organisation_id",
            "group_id",
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_entries_organisation_id", "entries", ["organisation_id"], unique=False
    )
    op.create_index(
        "ix_entries_state_valid_until",
        "entries",
        ["state", "valid_until"],
        unique=False,
    )
    op.create_index(
        "ix_entries_updated_at_id", "entries", ["updated_at", "id"], unique=False
    )


def _create_group_organisations() -> None:
    op.create_table(
        "group_organisations",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["groups.id"], name=op.f("fk_group_organisations_group_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_group_organisations_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "group_id", "organisation_id", name=op.f("pk_group_organisations")
        ),
    )


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("public_id", sa.String(length=32), nullable=False),
        sa.Column("group_hint", sa.String(length=8), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=True),
        sa.Column("preset", sa.String(length=16), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.Column("partner_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["persons.id"], name=op.f("fk_invitations_created_by")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_invitations_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("group_hint", name=op.f("uq_invitations_group_hint")),
        sa.UniqueConstraint("public_id", name=op.f("uq_invitations_public_id")),
    )


def _create_outgoing_activities() -> None:
    op.create_table(
        "outgoing_activities",
        sa.Column("activity_id", sa.String(length=512), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=512), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_reason", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_outgoing_activities_partner_id"),
        ),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_outgoing_activities")),
        sa.UniqueConstraint(
            "partner_id", "seq", name=op.f("uq_outgoing_activities_partner_id_seq")
        ),
    )
    op.create_index(
        "ix_outgoing_activities_waiting",
        "outgoing_activities",
        ["partner_id", "seq"],
        unique=False,
        sqlite_where=sa.text("delivered_at IS NULL AND refused_reason IS NULL"),
        postgresql_where=sa.text("delivered_at IS NULL AND refused_reason IS NULL"),
    )


def _create_partner_days() -> None:
    op.create_table(
        "partner_days",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("exchanges", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_days_partner_id")
        ),
        sa.PrimaryKeyConstraint("partner_id", "day", name=op.f("pk_partner_days")),
    )


def _create_partner_events() -> None:
    op.create_table(
        "partner_events",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("note", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_events_partner_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_partner_events_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_events")),
    )
    op.create_index(
        "ix_partner_events_partner_id_at",
        "partner_events",
        ["partner_id", "at"],
        unique=False,
    )


def _create_partner_keys() -> None:
    op.create_table(
        "partner_keys",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=512), nullable=False),
        sa.Column("multibase", sa.String(length=120), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=12), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("pinned_at", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_keys_partner_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_partner_keys_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_keys")),
    )
    op.create_index(
        "ix_partner_keys_key_id",
        "partner_keys",
        ["key_id"],
        unique=True,
        sqlite_where=sa.text("replaced_at IS NULL"),
        postgresql_where=sa.text("replaced_at IS NULL"),
    )
    op.create_index(
        "ix_partner_keys_partner_id", "partner_keys", ["partner_id"], unique=False
    )


def _create_partner_leases() -> None:
    op.create_table(
        "partner_leases",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_leases_partner_id")
        ),
        sa.PrimaryKeyConstraint("partner_id", name=op.f("pk_partner_leases")),
    )


def _create_partner_members() -> None:
    op.create_table(
        "partner_members",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("entry_uri", sa.String(length=512), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("vat_id", sa.String(length=60), nullable=True),
        sa.Column("register_id", sa.String(length=80), nullable=True),
        sa.Column("domains", sa.JSON(), nullable=False),
        sa.Column("noted_at", sa.BigInteger(), nullable=False),
        sa.Column("noted_by", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["noted_by"], ["persons.id"], name=op.f("fk_partner_members_noted_by")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_members_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner_members")),
        sa.UniqueConstraint(
            "partner_id",
            "entry_uri",
            name=op.f("uq_partner_members_partner_id_entry_uri"),
        ),
    )


def _create_partner_policies() -> None:
    op.create_table(
        "partner_policies",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sheet", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("author_id", sa.String(length=64), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["persons.id"], name=op.f("fk_partner_policies_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_policies_partner_id")
        ),
        sa.PrimaryKeyConstraint(
            "partner_id", "direction", "version", name=op.f("pk_partner_policies")
        ),
    )


def _create_partner_views() -> None:
    op.create_table(
        "partner_views",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("buckets", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_partner_views_partner_id")
        ),
        sa.PrimaryKeyConstraint(
            "partner_id", "direction", name=op.f("pk_partner_views")
        ),
    )


def _create_processed_activities() -> None:
    op.create_table(
        "processed_activities",
        sa.Column("activity_id", sa.String(length=512), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_processed_activities_partner_id"),
        ),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_processed_activities")),
    )
    op.create_index(
        "ix_processed_activities_partner_id_at",
        "processed_activities",
        ["partner_id", "at"],
        unique=False,
    )


def _create_receipts() -> None:
    op.create_table(
        "receipts",
        sa.Column("id", sa.String(length=512), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_receipts_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipts")),
    )
    op.create_index(
        "ix_receipts_partner_id_received_at",
        "receipts",
        ["partner_id", "received_at"],
        unique=False,
    )


def _create_received_entries() -> None:
    op.create_table(
        "received_entries",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("entry_uri", sa.String(length=512), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("known_kind", sa.Boolean(), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("owner", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("is_personal", sa.Boolean(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("document", sa.LargeBinary(), nullable=True),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("reason", sa.String(length=300), nullable=True),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=True),
        sa.Column("first_received_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_received_entries_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_received_entries")),
        sa.UniqueConstraint(
            "partner_id",
            "entry_uri",
            name=op.f("uq_received_entries_partner_id_entry_uri"),
        ),
    )
    op.create_index(
        "ix_received_entries_counts",
        "received_entries",
        [
            "state",
            "partner_id",
            "kind",
            "valid_until",
            "is_public",
            "is_personal",
            "changed_at",
        ],
        unique=False,
    )
    op.create_index(
        "ix_received_entries_entry_uri", "received_entries", ["entry_uri"], unique=False
    )
    op.create_index(
        "ix_received_entries_newest",
        "received_entries",
        [
            "state",
            "kind",
            "changed_at",
            "id",
            "partner_id",
            "valid_until",
            "is_public",
            "is_personal",
        ],
        unique=False,
    )
    op.create_index(
        "ix_received_entries_partner_id_bucket",
        "received_entries",
        ["partner_id", "bucket"],
        unique=False,
    )
    op.create_index(
        "ix_received_entries_search",
        "received_entries",
        [
            "state",
            "partner_id",
            "kind",
            "valid_until",
            "is_public",
            "is_personal",
            "changed_at",
            "id",
            "search_text",
        ],
        unique=False,
        postgresql_where=sa.text("FALSE"),
    )


def _create_unaccounted_entries() -> None:
    op.create_table(
        "unaccounted_entries",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=True),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.String(length=64), nullable=True),
        sa.Column("settled_as", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_unaccounted_entries_partner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["settled_by"],
            ["persons.id"],
            name=op.f("fk_unaccounted_entries_settled_by"),
        ),
        sa.PrimaryKeyConstraint(
            "partner_id", "entry_id", name=op.f("pk_unaccounted_entries")
        ),
    )


def _create_chiffre_owners() -> None:
    op.create_table(
        "chiffre_owners",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("author_id", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["persons.id"], name=op.f("fk_chiffre_owners_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_chiffre_owners_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_chiffre_owners_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_chiffre_owners_person_id")
        ),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_chiffre_owners")),
    )
    op.create_index(
        "ix_chiffre_owners_organisation_id",
        "chiffre_owners",
        ["organisation_id"],
        unique=False,
    )


def _create_conversations() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("thread_uri", sa.String(length=512), nullable=False),
        sa.Column("entry_uri", sa.String(length=512), nullable=False),
        sa.Column("entry_title", sa.JSON(), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=True),
        sa.Column("owner_side", sa.Boolean(), nullable=False),
        sa.Column("asker_id", sa.String(length=64), nullable=True),
        sa.Column("owner_organisation_id", sa.String(length=64), nullable=True),
        sa.Column("owner_id", sa.String(length=64), nullable=True),
        sa.Column("other_name", sa.String(length=200), nullable=True),
        sa.Column("other_organisation", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_message_at", sa.BigInteger(), nullable=False),
        sa.Column("answered_at", sa.BigInteger(), nullable=True),
        sa.Column("chiffre_of", sa.String(length=64), nullable=True),
        sa.Column("asker_hidden", sa.Boolean(), nullable=False),
        sa.Column("revealed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["asker_id"], ["persons.id"], name=op.f("fk_conversations_asker_id")
        ),
        sa.ForeignKeyConstraint(
            ["chiffre_of"], ["entries.id"], name=op.f("fk_conversations_chiffre_of")
        ),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["persons.id"], name=op.f("fk_conversations_owner_id")
        ),
        sa.ForeignKeyConstraint(
            ["owner_organisation_id"],
            ["organisations.id"],
            name=op.f("fk_conversations_owner_organisation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_conversations_partner_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
        sa.UniqueConstraint("thread_uri", name=op.f("uq_conversations_thread_uri")),
    )
    op.create_index(
        "ix_conversations_asker_id", "conversations", ["asker_id"], unique=False
    )
    op.create_index(
        "ix_conversations_entry_uri", "conversations", ["entry_uri"], unique=False
    )
    op.create_index(
        "ix_conversations_last_message_at",
        "conversations",
        ["last_message_at"],
        unique=False,
    )
    op.create_index(
        "ix_conversations_owner_id", "conversations", ["owner_id"], unique=False
    )
    op.create_index(
        "ix_conversations_owner_organisation_id",
        "conversations",
        ["owner_organisation_id"],
        unique=False,
    )
    op.create_index(
        "ix_conversations_unanswered",
        "conversations",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )


def _create_disclosure_history() -> None:
    op.create_table(
        "disclosure_history",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("op", sa.String(length=10), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=False),
        sa.Column("refused_reason", sa.String(length=300), nullable=True),
        sa.Column("receipt_id", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_disclosure_history_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_disclosure_history_partner_id"),
        ),
        sa.ForeignKeyConstraint(
            ["receipt_id"],
            ["receipts.id"],
            name=op.f("fk_disclosure_history_receipt_id"),
        ),
        sa.PrimaryKeyConstraint(
            "partner_id", "seq", name=op.f("pk_disclosure_history")
        ),
    )
    op.create_index(
        "ix_disclosure_history_entry_id",
        "disclosure_history",
        ["entry_id"],
        unique=False,
    )


def _create_disclosures() -> None:
    op.create_table(
        "disclosures",
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("op", sa.String(length=10), nullable=False),
        sa.Column("incarnation", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=False),
        sa.Column("recorded_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger(), nullable=True),
        sa.Column("refused_reason", sa.String(length=300), nullable=True),
        sa.Column("told_public", sa.Boolean(), nullable=False),
        sa.Column("held_incarnation", sa.BigInteger(), nullable=True),
        sa.Column("held_counter", sa.BigInteger(), nullable=True),
        sa.Column("held_hash", sa.String(length=64), nullable=True),
        sa.Column("receipt_id", sa.String(length=512), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_disclosures_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"], ["partners.id"], name=op.f("fk_disclosures_partner_id")
        ),
        sa.ForeignKeyConstraint(
            ["receipt_id"], ["receipts.id"], name=op.f("fk_disclosures_receipt_id")
        ),
        sa.PrimaryKeyConstraint("partner_id", "entry_id", name=op.f("pk_disclosures")),
        sa.UniqueConstraint(
            "partner_id", "seq", name=op.f("uq_disclosures_partner_id_seq")
        ),
    )
    op.create_index(
        "ix_disclosures_entry_id", "disclosures", ["entry_id"], unique=False
    )


def _create_entry_audience_partners() -> None:
    op.create_table(
        "entry_audience_partners",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_audience_partners_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_entry_audience_partners_partner_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id", "partner_id", name=op.f("pk_entry_audience_partners")
        ),
    )


def _create_entry_excluded_identifiers() -> None:
    op.create_table(
        "entry_excluded_identifiers",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_excluded_identifiers_entry_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id",
            "number",
            "identifier",
            name=op.f("pk_entry_excluded_identifiers"),
        ),
    )
    op.create_index(
        "ix_entry_excluded_identifiers_identifier",
        "entry_excluded_identifiers",
        ["identifier"],
        unique=False,
    )


def _create_entry_excluded_organisations() -> None:
    op.create_table(
        "entry_excluded_organisations",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("vat_id", sa.String(length=60), nullable=True),
        sa.Column("register_id", sa.String(length=80), nullable=True),
        sa.Column("domains", sa.JSON(), nullable=False),
        sa.Column("send_anyway", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_excluded_organisations_entry_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id", "number", name=op.f("pk_entry_excluded_organisations")
        ),
    )


def _create_entry_excluded_partners() -> None:
    op.create_table(
        "entry_excluded_partners",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_excluded_partners_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_entry_excluded_partners_partner_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id", "partner_id", name=op.f("pk_entry_excluded_partners")
        ),
    )


def _create_entry_hosting_partners() -> None:
    op.create_table(
        "entry_hosting_partners",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("partner_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_hosting_partners_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["partner_id"],
            ["partners.id"],
            name=op.f("fk_entry_hosting_partners_partner_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id", "number", "partner_id", name=op.f("pk_entry_hosting_partners")
        ),
    )


def _create_entry_kept_organisations() -> None:
    op.create_table(
        "entry_kept_organisations",
        sa.Column("entry_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("organisation_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"],
            ["entries.id"],
            name=op.f("fk_entry_kept_organisations_entry_id"),
        ),
        sa.ForeignKeyConstraint(
            ["organisation_id"],
            ["organisations.id"],
            name=op.f("fk_entry_kept_organisations_organisation_id"),
        ),
        sa.PrimaryKeyConstraint(
            "entry_id",
            "number",
            "organisation_id",
            name=op.f("pk_entry_kept_organisations"),
        ),
    )


def _create_mail_outbox() -> None:
    op.create_table(
        "mail_outbox",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("recipient", sa.String(length=254), nullable=False),
        sa.Column("person_id", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("language", sa.String(length=12), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("entry_id", sa.String(length=64), nullable=True),
        sa.Column("entry_uri", sa.String(length=512), nullable=True),
        sa.Column("entry_title", sa.String(length=300), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=True),
        sa.Column("cancelled_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name=op.f("fk_mail_outbox_entry_id")
        ),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.id"], name=op.f("fk_mail_outbox_person_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_outbox")),
    )
    op.create_index(
        "ix_mail_outbox_entry_uri", "mail_outbox", ["entry_uri"], unique=False
    )
    op.create_index("ix_mail_outbox_sent_at", "mail_outbox", ["sent_at"], unique=False)


def _create_partner_member_identifiers() -> None:
    op.create_table(
        "partner_member_identifiers",
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"],
            ["partner_members.id"],
            name=op.f("fk_partner_member_identifiers_member_id"),
        ),
        sa.PrimaryKeyConstraint(
            "member_id", "identifier", name=op.f("pk_partner_member_identifiers")
        ),
    )
    op.create_index(
        "ix_partner_member_identifiers_identifier",
        "partner_member_identifiers",
        ["identifier"],
        unique=False,
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("conversation_id", sa.String(length=64), nullable=False),
        sa.Column("activity_id", sa.String(length=512), nullable=False),
        sa.Column("in_reply_to", sa.String(length=512), nullable=True),
        sa.Column("author_id", sa.String(length=64), nullable=True),
        sa.Column("author_name", sa.String(length=200), nullable=False),
        sa.Column("author_organisation", sa.String(length=200), nullable=False),
        sa.Column("from_owner", sa.Boolean(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["author_id"], ["persons.id"], name=op.f("fk_messages_author_id")
        ),
        sa.ForeignKeyConstraint(
            ["conversation_id"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sa.UniqueConstraint("activity_id", name=op.f("uq_messages_activity_id")),
    )
    op.create_index(
        "ix_messages_conversation_id_sent_at",
        "messages",
        ["conversation_id", "sent_at"],
        unique=False,
    )
    op.create_index(
        "ix_messages_unread",
        "messages",
        ["conversation_id", "from_owner"],
        unique=False,
        sqlite_where=sa.text("read_at IS NULL"),
        postgresql_where=sa.text("read_at IS NULL"),
    )
