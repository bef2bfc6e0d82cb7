"""A cluster's own statements, as lines of a card."""

from collections.abc import Mapping
from typing import Any

from babel import Locale, UnknownLocaleError

from node.web.i18n import current_language
from node.web.i18n import gettext as _
from node.web.views import Fact
from schemas import vocabulary


def card_facts(card: Mapping[str, Any], base_url: str) -> list[Fact]:
    """List what a cluster tells about itself; leaves out what it does not tell.

    Args:
        card: Values as they came, checked only for their shape.
        base_url: Where its node is.
    """
    facts = [Fact(_("Address"), base_url)]
    rows = (
        (_("Field"), _text(card.get("field"))),
        (_("Regions"), _words(card.get("regions"), _region)),
        (_("Members"), _members(card)),
        (_("Founded"), _text(card.get("founded"))),
        (_("Languages"), _words(card.get("languages"), _language)),
        (_("Contact"), _text(card.get("contact"))),
        (_("Website"), _text(card.get("website"))),
        (_("Note"), _text(card.get("note"))),
    )
    return facts + [Fact(term, value) for term, value in rows if value]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _members(card: Mapping[str, Any]) -> str:
    members, small = card.get("members"), card.get("sme")
    if not isinstance(members, int):
        return ""
    if not isinstance(small, int):
        return str(members)
    return _(
        "%(members)s, of them %(small)s small and medium-sized",
        members=members,
        small=small,
    )


def _words(values: object, name: Any) -> str:
    if not isinstance(values, list | tuple):
        return ""
    return ", ".join(name(str(value)) for value in values)


def _region(code: str) -> str:
    language = current_language().code
    for name in ("regions", "countries"):
        for term in vocabulary(name):
            if term.code == code:
                return term.label.get(language, term.label.get("en", code))
    return code


def _language(code: str) -> str:
    try:
        name = Locale.parse(code.replace("-", "_")).get_display_name(
            current_language().locale
        )
    except (ValueError, UnknownLocaleError):
        return code
    return name or code
