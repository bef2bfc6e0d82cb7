"""What can be posted, in groups: offers beside requests, events, profiles."""

from dataclasses import dataclass

from node.web.i18n import gettext as _
from node.web.i18n import localized
from node.web.pages.wording import kind_tone
from node.web.views import EntryTone
from schemas import KINDS


@dataclass(frozen=True, slots=True)
class KindCard:
    """A kind with the sentence that says when to take it."""

    kind: str
    tone: EntryTone
    label: str
    sentence: str


@dataclass(frozen=True, slots=True)
class KindGroup:
    """Kinds under one heading."""

    label: str
    cards: tuple[KindCard, ...]


def kind_groups() -> list[KindGroup]:
    """List all kinds with their explanations."""
    return [
        KindGroup(
            _("Capacity"),
            (
                _card(
                    "capacity_offer",
                    _("You have room on a machine, an instrument or in a laboratory."),
                ),
                _card(
                    "capacity_request",
                    _("You have work and look for somebody with the right machine."),
                ),
            ),
        ),
        KindGroup(
            _("Technology"),
            (
                _card(
                    "technology_offer",
                    _("You have a process or know-how and look for partners."),
                ),
                _card(
                    "technology_request",
                    _("You have a problem and look for a technology that solves it."),
                ),
            ),
        ),
        KindGroup(
            _("Events and profiles"),
            (
                _card(
                    "event",
                    _("You announce a meeting, a workshop or a fair."),
                ),
                _card(
                    "organisation_profile",
                    _("You say what your organisation can do and what it looks for."),
                ),
                _card(
                    "expert_profile",
                    _("You say what you can be asked about, as a person."),
                ),
            ),
        ),
    ]


def _card(kind: str, sentence: str) -> KindCard:
    return KindCard(kind, kind_tone(kind), localized(KINDS[kind].label).text, sentence)
