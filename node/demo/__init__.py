"""The demonstration: three clusters on one machine, with invented data."""
