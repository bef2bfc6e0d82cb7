"""What data protection asks of a node: export, records, retention (SPEC DAT)."""
