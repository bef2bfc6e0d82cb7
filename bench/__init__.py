"""Measures a real node against the bare steps of what it does, in one run."""
