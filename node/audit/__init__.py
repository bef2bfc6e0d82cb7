"""The audit log: every decision as a row that is chained to the one before.

Source: SPEC.md AUD.
"""
