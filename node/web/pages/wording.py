"""Words that several pages share: kinds, states, reasons, refusals."""

from collections.abc import Mapping
from datetime import datetime

from node.errors import NodeError
from node.sentence import in_words as sentence_in_words
from node.web.formats import Formats
from node.web.i18n import gettext, lazy_gettext, localized
from node.web.i18n import gettext as _
from node.web.views import EntryTone, Status
from schemas import KINDS, vocabulary

_KIND_LABELS: Mapping[str, str] = {
    "capacity_offer": lazy_gettext("Offer · Capacity"),
    "capacity_request": lazy_gettext("Request · Capacity"),
    "technology_offer": lazy_gettext("Offer · Technology"),
    "technology_request": lazy_gettext("Request · Technology"),
    "event": lazy_gettext("Event"),
    "expert_profile": lazy_gettext("Profile · Expert"),
    "organisation_profile": lazy_gettext("Profile · Organisation"),
}


def kind_label(kind: str) -> str:
    """Name a kind for the head of a card; a kind from a newer node has none."""
    label = _KIND_LABELS.get(kind)
    return str(label) if label is not None else _("Another kind of entry")


def kind_tone(kind: str) -> EntryTone:
    """Colour and shape of a kind; the words say the same."""
    known = KINDS.get(kind)
    if known is not None and known.purpose is not None:
        return known.purpose
    return "event" if kind == "event" else "profile"


def term(name: str, code: str) -> str:
    """Return the words for a code of a vocabulary; an unknown one stays a code."""
    for known in vocabulary(name):
        if known.code == code:
            return localized(known.label).text
    return code


def state_words(state: str) -> Status | None:
    """Say the state of an own entry where it is another than published."""
    words = {
        "draft": Status(_("draft"), "neutral"),
        "fulfilled": Status(_("done: found what it looked for"), "ok"),
        "expired": Status(_("expired"), "warning"),
        "withdrawn": Status(_("withdrawn"), "warning"),
    }
    return words.get(state)


def unconfirmed_words(since: datetime, formats: Formats) -> str:
    """Say that a copy's origin has not confirmed it for long."""
    return _("not confirmed by its origin since %(day)s", day=formats.write_date(since))


def in_words(text: str) -> str:
    """Say what a service said in the reader's language."""
    return sentence_in_words(text, gettext)


def refusal(error: NodeError) -> str:
    """Say in one line why something was refused, and what to do."""
    parts = (in_words(error.message), in_words(error.hint))
    return " ".join(part for part in parts if part)
