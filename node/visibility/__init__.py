"""The one place that says who may see which entry, and in which form.

`rules` decides for one viewer and one entry and names the rule; `sql` is the
same decision as a filter for lists. A property test holds them together
(tests/property/test_visibility.py). Nothing else in the node decides this.
"""

from node.visibility.rules import (
    RULE_PUBLIC,
    Form,
    Origin,
    PartnerViewer,
    PublicViewer,
    Verdict,
    Viewer,
    decide_entry,
    decide_received,
    form_of,
    lease_of,
)
from node.visibility.sql import stands_behind, visible_entries, visible_received

__all__ = [
    "RULE_PUBLIC",
    "Form",
    "Origin",
    "PartnerViewer",
    "PublicViewer",
    "Verdict",
    "Viewer",
    "decide_entry",
    "decide_received",
    "form_of",
    "lease_of",
    "stands_behind",
    "visible_entries",
    "visible_received",
]
