"""Entries under Chiffre: whose they are stays in the office (SPEC 8.1)."""
