"""What the office has to know at a glance; it reads and changes nothing."""

from node.office.overview import Counters, Effects, Overview, Unreachable

__all__ = ["Counters", "Effects", "Overview", "Unreachable"]
