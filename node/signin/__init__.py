"""Signing in: links, passwords, sessions."""
