"""Organisations, persons and roles, as values."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from node.members.identifiers import Known


class Role(StrEnum):
    """What a person may do in this node; each role includes the ones before."""

    PERSON = "person"
    ORGANISATION_ADMIN = "organisation-admin"
    OFFICE = "office"
    NODE_ADMIN = "node-admin"


OFFICE_ROLES = frozenset({Role.OFFICE, Role.NODE_ADMIN})


@dataclass(frozen=True, slots=True)
class Organisation:
    """A member company or institute, or the cluster's own office.

    Attributes:
        external_id: Key of the cluster's member database, unique; for imports.
        region: ISO 3166-2 code, e.g. `DE-HE`.
        description: Text by language.
        is_office: True for the one organisation that is the office itself.
        vat_id: VAT identification number, as it is written.
        register_id: Number in a register of companies, as it is written.
        domains: Its domains, beside the host of its website.
        ceiling: The widest audience of what its persons publish, a word of
            `AudienceLevel`; None permits any.
    """

    id: str
    name: str
    external_id: str | None = None
    short_name: str | None = None
    website: str | None = None
    region: str | None = None
    city: str | None = None
    size_class: str | None = None
    org_type: str | None = None
    description: Mapping[str, str] | None = None
    is_office: bool = False
    vat_id: str | None = None
    register_id: str | None = None
    domains: tuple[str, ...] = ()
    ceiling: str | None = None

    @property
    def known(self) -> Known:
        """What it is compared by with organisations elsewhere (SPEC VIS-072)."""
        return Known(
            name=self.name,
            vat_id=self.vat_id,
            register_id=self.register_id,
            domains=self.domains,
            website=self.website,
        )


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in an organisation.

    Attributes:
        consent_on: Day on which the person agreed that partners may see the own
            profile; without it a profile of the person stays home.
        consent_source: Where that agreement is written down.
        left_at: Set when the person no longer belongs; such a person sees nothing.
    """

    id: str
    organisation_id: str
    organisation_name: str
    email: str
    name: str
    role: Role
    language: str
    external_id: str | None = None
    function: str | None = None
    phone: str | None = None
    consent_on: date | None = None
    consent_source: str | None = None
    has_password: bool = False
    left_at: datetime | None = None

    @property
    def is_office(self) -> bool:
        """Whether the person acts for the office."""
        return self.role in OFFICE_ROLES

    @property
    def has_consented(self) -> bool:
        """Whether a profile of this person may leave the node (GDPR Art. 6, 7)."""
        return self.consent_on is not None and bool(self.consent_source)

    def may_act_for(self, organisation_id: str) -> bool:
        """Whether the person may publish and change entries of an organisation."""
        if self.left_at is not None:
            return False
        return self.is_office or self.organisation_id == organisation_id

    def may_change(
        self, *, organisation_id: str, person_ids: Collection[str | None]
    ) -> bool:
        """Whether the person may change or close one entry.

        Args:
            organisation_id: The organisation that owns the entry.
            person_ids: The person it belongs to and its author.
        """
        if not self.may_act_for(organisation_id):
            return False
        return (
            self.is_office
            or self.role is Role.ORGANISATION_ADMIN
            or self.id in person_ids
        )
