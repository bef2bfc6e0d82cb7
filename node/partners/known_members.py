"""What is known of a partner's members: from its profiles, or from our office.

Source: SPEC.md VIS-072, VIS-073.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from node.members.identifiers import Known


@dataclass(frozen=True, slots=True)
class KnownMember:
    """An organisation that is known to be a member of a partner.

    Attributes:
        entry_uri: The profile that says so; None if our office noted it.
    """

    id: str
    partner_id: str
    known: Known
    entry_uri: str | None
    noted_at: datetime


def of_profile(content: Mapping[str, Any]) -> Known:
    """Return what an organisation profile says of who it is."""
    return Known(
        name=content["legal_name"],
        vat_id=content.get("vat_id"),
        register_id=content.get("register_id"),
        website=content.get("website"),
    )
