"""Read-only checks of a node: each names what is wrong and what to do."""

from node.doctor.examination import examine
from node.doctor.finding import Finding, Severity

__all__ = ["Finding", "Severity", "examine"]
