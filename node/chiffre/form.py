"""What an entry under Chiffre may say. Pure.

Source: SPEC.md CHI-001, CHI-004.
"""

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from node.chiffre.coarse import end_of_month
from node.errors import InputFault
from node.sentence import Sentence

MODE: Final = "chiffre"
_PERMITTED: Final = frozenset(
    {"capacity_offer", "capacity_request", "technology_offer", "technology_request"}
)


def is_chiffre(content: Mapping[str, Any]) -> bool:
    """Whether a content is for publication under Chiffre."""
    return bool(content.get("contact", {}).get("mode") == MODE)


def chiffre_faults(content: Mapping[str, Any]) -> list[InputFault]:
    """Say what must not be in an entry under Chiffre (SPEC CHI-001, CHI-004)."""
    if not is_chiffre(content):
        return []
    faults = []
    if content["kind"] not in _PERMITTED:
        message = Sentence("Only offers and requests can be under a box number.")
        faults.append(InputFault("/contact/mode", message))
    if "phone" in content["contact"]:
        message = Sentence(
            "Under a box number nobody telephones; the office passes on."
        )
        faults.append(InputFault("/contact/phone", message))
    faults.extend(
        InputFault(
            f"/equipment/{key}",
            Sentence(
                "Under a box number make, model and year stay out: they tell too much."
            ),
        )
        for key in ("manufacturer", "model", "year_built")
        if key in content.get("equipment", {})
    )
    return faults


def coarse_content(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a content whose last day is the last of its month (SPEC CHI-004)."""
    text = content.get("valid_until")
    if text is None:
        return content
    return {
        **content,
        "valid_until": end_of_month(date.fromisoformat(text)).isoformat(),
    }
