"""Conversations between the members of two clusters, or of one."""
