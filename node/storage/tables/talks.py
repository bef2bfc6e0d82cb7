"""Conversations and mails."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from node.storage.columns import UtcDateTime
from node.storage.tables.metadata import ID, URI, metadata

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
