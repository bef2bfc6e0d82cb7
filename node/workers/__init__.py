"""Loops that run beside the pages: the clockwork and the delivery."""
