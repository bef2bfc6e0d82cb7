"""Read-only checks of a node: each names what is wrong and what to do."""

from node.doctor.examination import CHECKS, examine
from node.doctor.finding import Finding, Severity

__all__ = ["CHECKS", "Finding", "Severity", "examine"]
