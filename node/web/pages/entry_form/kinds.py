"""The form of each kind: which fields, in which sections, under which words."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from node.web.i18n import lazy_gettext
from node.web.pages.entry_form import controls as control
from node.web.pages.entry_form import shared_fields as shared
from node.web.pages.entry_form.plan import FieldPlan, GroupPlan, KindPlan, SectionPlan
from node.web.pages.entry_form.shared_fields import (
    choice,
    local_text,
    paragraph,
    text,
    website,
    words,
)

_EQUIPMENT_CLASS: Final = choice(
    "equipment_class",
    lazy_gettext("Purpose of the equipment"),
    control.term("equipment_classes", needed=True),
    required=True,
)
_ORDINARY_END: Final = (shared.IN_DETAIL, shared.FINDING, shared.REACHING)


def _plan(kind: str, *sections: SectionPlan) -> KindPlan:
    return KindPlan(kind=kind, sections=sections)


CAPACITY_OFFER: Final = _plan(
    "capacity_offer",
    shared.first_section(shared.VALID_UNTIL),
    SectionPlan(
        name="capacity",
        label=lazy_gettext("The capacity"),
        hint=lazy_gettext(
            "Availability is stated coarsely on purpose: no utilisation, no planning"
            " data. That protects you under competition law."
        ),
        folded=False,
        items=(
            _EQUIPMENT_CLASS,
            choice(
                "availability",
                lazy_gettext("Availability"),
                control.term("availabilities", needed=True),
                required=True,
            ),
        ),
    ),
    SectionPlan(
        name="equipment",
        label=lazy_gettext("Machine and processes"),
        items=(
            GroupPlan(
                path="equipment",
                label=lazy_gettext("Machine or instrument"),
                fields=(
                    text("name", lazy_gettext("Name"), most=120),
                    text("manufacturer", lazy_gettext("Manufacturer"), most=80),
                    text("model", lazy_gettext("Model"), most=80),
                    choice("year_built", lazy_gettext("Built in"), control.WHOLE),
                ),
            ),
            shared.PROCESSES,
            shared.MATERIALS,
            shared.OPERATION,
            GroupPlan(
                path="lot_size",
                label=lazy_gettext("Pieces in a lot"),
                fields=(
                    choice("min", lazy_gettext("from"), control.WHOLE),
                    choice("max", lazy_gettext("to"), control.WHOLE),
                ),
            ),
        ),
    ),
    shared.PROPERTIES,
    SectionPlan(
        name="price",
        label=lazy_gettext("Price and conditions"),
        items=(shared.PRICE, shared.CONDITIONS),
    ),
    shared.PROOFS,
    *_ORDINARY_END,
)

CAPACITY_REQUEST: Final = _plan(
    "capacity_request",
    shared.first_section(shared.VALID_UNTIL),
    SectionPlan(
        name="capacity",
        label=lazy_gettext("The capacity you look for"),
        folded=False,
        items=(_EQUIPMENT_CLASS,),
    ),
    SectionPlan(
        name="need",
        label=lazy_gettext("Quantity, dates and processes"),
        items=(
            GroupPlan(
                path="quantity",
                label=lazy_gettext("How much is to be done?"),
                fields=(
                    choice("value", lazy_gettext("Quantity"), control.NUMBER),
                    choice("unit", lazy_gettext("Unit"), control.UNIT),
                ),
            ),
            choice("needed_from", lazy_gettext("Needed from"), control.DAY),
            choice("needed_until", lazy_gettext("Needed until"), control.DAY),
            shared.PROCESSES,
            shared.MATERIALS,
            shared.OPERATION,
            shared.CONDITIONS,
        ),
    ),
    shared.PROPERTIES,
    replace(
        shared.PROOFS,
        label=lazy_gettext("Required certificates"),
    ),
    *_ORDINARY_END,
)

_TECHNOLOGY: Final = (shared.PROCESSES, shared.MATERIALS, shared.APPLICATIONS)

TECHNOLOGY_OFFER: Final = _plan(
    "technology_offer",
    shared.first_section(shared.VALID_UNTIL),
    SectionPlan(
        name="technology",
        label=lazy_gettext("The cooperation you look for"),
        folded=False,
        items=(replace(shared.PARTNERSHIP_TYPES, required=True),),
    ),
    SectionPlan(
        name="maturity",
        label=lazy_gettext("Advantages and maturity"),
        items=(
            paragraph("advantages", lazy_gettext("What is new or better")),
            choice(
                "stage",
                lazy_gettext("Development"),
                control.term("development_stages"),
            ),
            choice(
                "trl",
                lazy_gettext("Technology readiness level"),
                control.TRL,
                hint=lazy_gettext("1 is the idea, 9 is in use."),
            ),
            choice(
                "ipr_status",
                lazy_gettext("Rights that protect it"),
                control.terms("ipr_statuses"),
            ),
            paragraph("partner_sought", lazy_gettext("Who is looked for")),
        ),
    ),
    SectionPlan(
        name="field",
        label=lazy_gettext("Processes, materials and fields of use"),
        items=_TECHNOLOGY,
    ),
    shared.PROPERTIES,
    *_ORDINARY_END,
)

TECHNOLOGY_REQUEST: Final = _plan(
    "technology_request",
    shared.first_section(shared.VALID_UNTIL),
    SectionPlan(
        name="need",
        label=lazy_gettext("What is needed"),
        items=(
            paragraph("requirements", lazy_gettext("What a solution must do")),
            paragraph("application", lazy_gettext("What it is wanted for")),
            choice(
                "trl_min",
                lazy_gettext("Lowest technology readiness level"),
                control.TRL,
                hint=lazy_gettext("1 is the idea, 9 is in use."),
            ),
            choice("needed_until", lazy_gettext("Needed until"), control.DAY),
            choice(
                "confidentiality",
                lazy_gettext("Confidentiality"),
                control.term("confidentialities"),
            ),
        ),
    ),
    SectionPlan(
        name="cooperation",
        label=lazy_gettext("Cooperation"),
        items=(
            shared.PARTNERSHIP_TYPES,
            paragraph("partner_sought", lazy_gettext("Who is looked for")),
        ),
    ),
    SectionPlan(
        name="field",
        label=lazy_gettext("Processes, materials and fields of use"),
        items=_TECHNOLOGY,
    ),
    shared.PROPERTIES,
    *_ORDINARY_END,
)


def _moment(path: str, day: str, time: str) -> tuple[FieldPlan, FieldPlan]:
    return (
        choice(path, day, control.DAY, required=True, part="day"),
        choice(path, time, control.TIME, required=True, part="time"),
    )


EVENT: Final = _plan(
    "event",
    shared.first_section(None),
    SectionPlan(
        name="when",
        label=lazy_gettext("When and how"),
        folded=False,
        items=(
            *_moment("starts", lazy_gettext("First day"), lazy_gettext("Begins at")),
            *_moment("ends", lazy_gettext("Last day"), lazy_gettext("Ends at")),
            choice("timezone", lazy_gettext("Time zone"), control.ZONE, required=True),
            choice(
                "format",
                lazy_gettext("Format"),
                control.term("event_formats", needed=True),
                required=True,
            ),
            choice(
                "attendance",
                lazy_gettext("Attendance"),
                control.term("attendances", needed=True),
                required=True,
            ),
            shared.place(
                lazy_gettext("Where it takes place"),
                hint=lazy_gettext("Needed unless it takes place online only."),
            ),
        ),
    ),
    SectionPlan(
        name="registration",
        label=lazy_gettext("Registration and fee"),
        items=(
            website("registration_url", lazy_gettext("Register at")),
            choice("registration_until", lazy_gettext("Register until"), control.DAY),
            choice("capacity", lazy_gettext("Places"), control.WHOLE),
            GroupPlan(
                path="fee",
                label=lazy_gettext("Fee"),
                hint=lazy_gettext("0 for free entry."),
                fields=(
                    choice("amount", lazy_gettext("Amount"), control.NUMBER),
                    choice(
                        "currency",
                        lazy_gettext("Currency"),
                        control.CURRENCY,
                        default="EUR",
                    ),
                    local_text("note", lazy_gettext("For whom it holds"), most=200),
                ),
                tidy=shared.tidy_fee,
            ),
        ),
    ),
    SectionPlan(
        name="hosts",
        label=lazy_gettext("Hosts, languages and state"),
        items=(
            words("hosts", lazy_gettext("Hosts")),
            shared.LANGUAGES,
            choice(
                "status",
                lazy_gettext("State"),
                control.term("event_statuses"),
                hint=lazy_gettext("Change it here if it is moved or cancelled."),
            ),
        ),
    ),
    *_ORDINARY_END,
)

EXPERT_PROFILE: Final = _plan(
    "expert_profile",
    shared.first_section(shared.PROFILE_VALID_UNTIL),
    SectionPlan(
        name="person",
        label=lazy_gettext("The person"),
        folded=False,
        items=(
            text("name", lazy_gettext("Name"), most=120, required=True),
            local_text("function", lazy_gettext("Function"), most=80),
            words("expertise", lazy_gettext("Expertise"), required=True),
        ),
    ),
    SectionPlan(
        name="help",
        label=lazy_gettext("Offer and availability"),
        items=(
            choice(
                "offers_as", lazy_gettext("Helps as"), control.terms("expert_parts")
            ),
            words("methods", lazy_gettext("Methods and equipment")),
            shared.LANGUAGES,
            choice(
                "attendance",
                lazy_gettext("Works with others"),
                control.terms("attendances"),
            ),
            local_text("availability", lazy_gettext("Time available"), most=200),
            paragraph("seeks", lazy_gettext("What is looked for")),
        ),
    ),
    SectionPlan(
        name="links",
        label=lazy_gettext("ORCID and website"),
        items=(
            text(
                "orcid",
                lazy_gettext("ORCID iD"),
                most=19,
                wrong=lazy_gettext("Enter the ORCID iD like 0000-0002-1825-0097."),
            ),
            website("website", lazy_gettext("Website")),
        ),
    ),
    *_ORDINARY_END,
)

ORGANISATION_PROFILE: Final = _plan(
    "organisation_profile",
    shared.first_section(shared.PROFILE_VALID_UNTIL),
    SectionPlan(
        name="organisation",
        label=lazy_gettext("The organisation"),
        folded=False,
        items=(
            text("legal_name", lazy_gettext("Legal name"), most=120, required=True),
            choice(
                "org_type",
                lazy_gettext("Type"),
                control.term("org_types", needed=True),
                required=True,
            ),
        ),
    ),
    SectionPlan(
        name="competences",
        label=lazy_gettext("Competences, products and markets"),
        items=(
            words("competences", lazy_gettext("Competences")),
            words("products", lazy_gettext("Products")),
            words("markets", lazy_gettext("Markets")),
            choice(
                "value_chain",
                lazy_gettext("Places in the value chain"),
                control.terms("value_chain"),
            ),
            paragraph("offers", lazy_gettext("What we offer")),
            paragraph("seeks", lazy_gettext("What we look for")),
        ),
    ),
    SectionPlan(
        name="facts",
        label=lazy_gettext("Facts and address"),
        items=(
            text("short_name", lazy_gettext("Short name"), most=60),
            choice("size_class", lazy_gettext("Size"), control.term("size_classes")),
            choice("founded", lazy_gettext("Founded in"), control.WHOLE),
            website("website", lazy_gettext("Website")),
            text("vat_id", lazy_gettext("VAT id"), most=60),
            text("register_id", lazy_gettext("Register number"), most=60),
            shared.place(lazy_gettext("Address")),
            shared.LANGUAGES,
        ),
    ),
    shared.PROOFS,
    SectionPlan(
        name="desks", label=lazy_gettext("Contact desks"), items=(shared.DESKS,)
    ),
    *_ORDINARY_END,
)

PLANS: Final[Mapping[str, KindPlan]] = MappingProxyType(
    {
        plan.kind: plan
        for plan in (
            CAPACITY_OFFER,
            CAPACITY_REQUEST,
            TECHNOLOGY_OFFER,
            TECHNOLOGY_REQUEST,
            EVENT,
            EXPERT_PROFILE,
            ORGANISATION_PROFILE,
        )
    }
)
