"""Read what a member wants to publish: split, check, say every fault at once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from typing import Any

from federation.validation import faults_of_entry, faults_of_publication
from node.catalogue.exclusions import ExcludedOrganisation
from node.catalogue.model import AudienceLevel, EntryState
from node.chiffre.form import chiffre_faults, is_chiffre
from node.errors import InputFault, InvalidInputError
from node.members.identifiers import read_domain
from node.sentence import Sentence, sentence_of
from node.visibility.fields import optional_fields
from schemas import KINDS

PUBLICATION_KEYS = ("audience", "on_behalf_of", "external_id", "publish_anyway")


@dataclass(frozen=True, slots=True)
class Publication:
    """A checked file for `entry publish`: content and what stays at home.

    Attributes:
        content: Object of `schemas/entries/<kind>`, leaves the node as it is.
        partners: Partners as they were named: base_url, host or name.
        group: Name or id of the group, for the level `group`.
        excluded_partners: Partners that must not get it, as they were named; None
            if nothing is said about exclusions, so that they stay as they are.
        excluded_organisations: Organisations that must not read it.
        home: Fields that stay in the own cluster; None if nothing is said.
        organisation: On whose behalf: id, external id or name; None for the own.
        person: E-mail of the person it belongs to; None for the author.
        valid_until: Last day; for an event the day on which it ends.
        anyway: Under Chiffre, whether the author has seen what gives it away.
    """

    content: Mapping[str, Any]
    level: AudienceLevel
    partners: tuple[str, ...]
    organisation: str | None
    person: str | None
    external_id: str | None
    valid_until: date | None
    group: str | None = None
    excluded_partners: tuple[str, ...] | None = None
    excluded_organisations: tuple[ExcludedOrganisation, ...] = ()
    home: frozenset[str] | None = None
    anyway: bool = False

    @property
    def is_chiffre(self) -> bool:
        """Whether it is for publication under Chiffre."""
        return is_chiffre(self.content)

    @property
    def kind(self) -> str:
        """Kind of the entry."""
        kind: str = self.content["kind"]
        return kind


def read_publication(
    document: object,
    *,
    today: date,
    defaults: Mapping[str, AudienceLevel] = MappingProxyType({}),
) -> Publication:
    """Check `document` and take it apart.

    Args:
        document: Parsed JSON: content with audience, on_behalf_of, external_id.
        today: Today's date, UTC.
        defaults: The office's default audience by kind, where nothing is said; the
            own cluster where there is none.

    Raises:
        InvalidInputError: With every fault, each with its JSON pointer.
    """
    if not isinstance(document, dict):
        fault = InputFault("", "The file must contain one JSON object.")
        raise InvalidInputError("The entry cannot be read.", faults=[fault])
    content = {key: document[key] for key in document if key not in PUBLICATION_KEYS}
    around = {key: document[key] for key in PUBLICATION_KEYS if key in document}
    faults = [
        InputFault(fault.path, sentence_of(fault))
        for fault in (*faults_of_entry(content), *faults_of_publication(around))
    ]
    if not faults:
        faults.extend(_date_faults(content, today))
        faults.extend(_exclusion_faults(around.get("audience", {})))
        faults.extend(_home_faults(content["kind"], around.get("audience", {})))
        faults.extend(chiffre_faults(content))
    if faults:
        raise InvalidInputError(
            _summary(len(faults)),
            faults=faults,
            hint="Correct the places named and try again.",
        )
    default = defaults.get(content["kind"], AudienceLevel.CLUSTER)
    audience = around.get("audience", {"level": default})
    exclude = audience.get("exclude")
    behalf = around.get("on_behalf_of", {})
    return Publication(
        content=content,
        level=AudienceLevel(audience["level"]),
        partners=tuple(audience.get("partners", ())),
        organisation=behalf.get("organisation"),
        person=behalf.get("person"),
        external_id=around.get("external_id"),
        valid_until=last_day(content),
        group=audience.get("group"),
        excluded_partners=(
            None if exclude is None else tuple(exclude.get("partners", ()))
        ),
        home=None if "home" not in audience else frozenset(audience["home"]),
        excluded_organisations=tuple(
            _excluded(each) for each in (exclude or {}).get("organisations", ())
        ),
        anyway=around.get("publish_anyway", False),
    )


def _excluded(document: Mapping[str, Any]) -> ExcludedOrganisation:
    return ExcludedOrganisation(
        name=document["name"],
        vat_id=document.get("vat_id"),
        register_id=document.get("register_id"),
        domains=tuple(
            found
            for each in document.get("domains", ())
            if (found := read_domain(each))
        ),
        send_anyway=document.get("send_anyway", False),
    )


def _home_faults(kind: str, audience: Mapping[str, Any]) -> list[InputFault]:
    """Say which fields cannot stay at home (SPEC VIS-077)."""
    possible = optional_fields(kind)
    return [
        InputFault(
            f"/audience/home/{number}",
            Sentence("{name} cannot stay in the own cluster alone.", name=name),
        )
        for number, name in enumerate(audience.get("home", ()))
        if name not in possible
    ]


def _exclusion_faults(audience: Mapping[str, Any]) -> list[InputFault]:
    """Say what is wrong with exclusions beside their form (SPEC VIS-071, VIS-072)."""
    exclude = audience.get("exclude", {})
    if audience.get("level") == AudienceLevel.PUBLIC and any(exclude.values()):
        message = Sentence("What everybody can read excludes nobody.")
        return [InputFault("/audience/exclude", message)]
    return [
        InputFault(
            f"/audience/exclude/organisations/{number}/domains/{place}",
            Sentence("{text} is not a domain.", text=text),
        )
        for number, each in enumerate(exclude.get("organisations", ()))
        for place, text in enumerate(each.get("domains", ()))
        if read_domain(text) is None
    ]


def _summary(number: int) -> Sentence:
    if number == 1:
        return Sentence("The entry has a fault; nothing was stored.")
    return Sentence("The entry has {number} faults; nothing was stored.", number=number)


def last_day(content: Mapping[str, Any]) -> date | None:
    """Last day on which an entry holds: of an event the day on which it ends."""
    if content["kind"] == "event":
        return datetime.fromisoformat(content["ends"]).date()
    text = content.get("valid_until")
    return None if text is None else date.fromisoformat(text)


def _date_faults(content: Mapping[str, Any], today: date) -> list[InputFault]:
    try:
        last = last_day(content)
    except ValueError:
        return [InputFault("/valid_until", "This is not a date (YYYY-MM-DD).")]
    if last is not None and last < today:
        path = "/ends" if content["kind"] == "event" else "/valid_until"
        over = Sentence("{day} is already over.", day=last.isoformat())
        return [InputFault(path, over)]
    return []


def may_be_confirmed(kind: str, state: EntryState) -> bool:
    """Whether "yes, it still holds" makes sense for an entry."""
    return KINDS[kind].default_lifetime_days is not None and state in {
        EntryState.PUBLISHED,
        EntryState.EXPIRED,
    }
