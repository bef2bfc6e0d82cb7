"""Mails: their texts, the outbox and the way to the mail server."""
