"""Does another node keep the specification? Asked from outside, at its doors.

The checks know nothing of the other node's code or database: they send what SPEC.md
names and compare what comes. Without an invitation they ask as a stranger, with one
as a temporary partner that is built from `federation` alone, keeps nothing and takes
everything back at the end.

`table.CHECKS` holds all of them in the order in which they run.
"""
