"""The protocol between nodes, as a library.

Identifiers, documents, signatures, ownership rules, trust, the inbox, the
exchange of pages and receipts. It knows no database, no member and no screen,
and has no clock of its own: time and randomness are handed in. Only
`federation.transport` speaks HTTP.
"""
