"""Fields and sections that several kinds of entry have."""

from typing import Any, Final

from node.web.i18n import lazy_gettext
from node.web.pages.entry_form import controls as control
from node.web.pages.entry_form.plan import (
    Control,
    FieldPlan,
    GroupPlan,
    RowsPlan,
    SectionPlan,
)

_WEB_WRONG: Final = lazy_gettext(
    "Enter a web address, for example https://example.org."
)
_MAIL_WRONG: Final = lazy_gettext("Enter an e-mail address like name@example.org.")
_PHONE_WRONG: Final = lazy_gettext(
    "Enter a telephone number: digits, spaces, + and hyphens."
)
_WITH_COMMAS: Final = lazy_gettext("Separate them with commas.")
_ONE_OF: Final = lazy_gettext(
    "Enter a value, or a range, or words: only one of them. Words have no unit."
)

TITLE: Final = FieldPlan(
    path="title",
    label=lazy_gettext("Title"),
    control=control.TEXT,
    hint=lazy_gettext("What it is about, in one line."),
    required=True,
    by_language=True,
    most=160,
)
SUMMARY: Final = FieldPlan(
    path="summary",
    label=lazy_gettext("Short description"),
    control=control.SUMMARY,
    hint=lazy_gettext("Two or three sentences; lists show exactly this."),
    required=True,
    by_language=True,
    most=500,
)
VALID_UNTIL: Final = FieldPlan(
    path="valid_until",
    label=lazy_gettext("Valid until"),
    control=control.DAY,
    hint=lazy_gettext(
        "The last day on which it is shown. You are reminded a week before and can"
        " extend it with one click."
    ),
    required=True,
)
PROFILE_VALID_UNTIL: Final = FieldPlan(
    path="valid_until",
    label=lazy_gettext("Valid until"),
    control=control.DAY,
    hint=lazy_gettext(
        "You are reminded a week before and can extend it with one click. Empty: until"
        " you take it back."
    ),
)


def text(path: str, label: str, *, most: int, **settings: Any) -> FieldPlan:
    """Plan a line of text."""
    return FieldPlan(
        path=path, label=label, control=control.TEXT, most=most, **settings
    )


def local_text(path: str, label: str, *, most: int, **settings: Any) -> FieldPlan:
    """Plan a line of text for each language."""
    return text(path, label, most=most, by_language=True, **settings)


def paragraph(path: str, label: str, **settings: Any) -> FieldPlan:
    """Plan a paragraph for each language."""
    return FieldPlan(
        path=path,
        label=label,
        control=control.PARAGRAPH,
        by_language=True,
        most=1000,
        **settings,
    )


def words(path: str, label: str, hint: str = "", **settings: Any) -> FieldPlan:
    """Plan a list of words, typed with commas."""
    return FieldPlan(
        path=path,
        label=label,
        control=control.WORDS,
        hint=hint or _WITH_COMMAS,
        **settings,
    )


def choice(path: str, label: str, how: Control, **settings: Any) -> FieldPlan:
    """Plan a select, checklist, number or day."""
    return FieldPlan(path=path, label=label, control=how, **settings)


def website(path: str, label: str, **settings: Any) -> FieldPlan:
    """Plan a web address."""
    return FieldPlan(
        path=path,
        label=label,
        control=control.WEB,
        most=300,
        wrong=_WEB_WRONG,
        **settings,
    )


PROCESSES: Final = words(
    "processes",
    lazy_gettext("Processes"),
    lazy_gettext("For example grinding, interferometry. Separate them with commas."),
)
MATERIALS: Final = words(
    "materials",
    lazy_gettext("Materials"),
    lazy_gettext("For example glass, stainless steel. Separate them with commas."),
)
OPERATION: Final = choice(
    "operation", lazy_gettext("Who works on it"), control.term("operations")
)
CONDITIONS: Final = paragraph("conditions", lazy_gettext("Conditions"))
PARTNERSHIP_TYPES: Final = choice(
    "partnership_types",
    lazy_gettext("Cooperation"),
    control.terms("partnership_types"),
)
APPLICATIONS: Final = words("applications", lazy_gettext("Fields of use"))
LANGUAGES: Final = choice(
    "languages",
    lazy_gettext("Languages"),
    control.LANGUAGES,
    hint=lazy_gettext("For example German, English. Separate them with commas."),
)

SPECS: Final = RowsPlan(
    path="specs",
    label=lazy_gettext("Technical properties"),
    one=lazy_gettext("Property"),
    more=lazy_gettext("Further property"),
    hint=lazy_gettext(
        "One value, a range (from and to, or only one of them), or words. The comma is"
        " fine: 1,8."
    ),
    start=4,
    most=20,
    fields=(
        local_text("name", lazy_gettext("Name"), most=80),
        choice("value", lazy_gettext("Value"), control.NUMBER),
        choice("min", lazy_gettext("or from"), control.NUMBER, wrong=_ONE_OF),
        choice("max", lazy_gettext("to"), control.NUMBER, wrong=_ONE_OF),
        choice("unit", lazy_gettext("Unit"), control.UNIT, wrong=_ONE_OF),
        local_text("text", lazy_gettext("or in words"), most=200, wrong=_ONE_OF),
    ),
)
CERTIFICATES: Final = RowsPlan(
    path="certificates",
    label=lazy_gettext("Certificates"),
    one=lazy_gettext("Certificate"),
    more=lazy_gettext("Further certificate"),
    start=2,
    most=10,
    fields=(
        text("standard", lazy_gettext("Standard"), most=80),
        text("scope", lazy_gettext("What it covers"), most=80),
        choice("valid_until", lazy_gettext("Valid until"), control.DAY),
    ),
)
DESKS: Final = RowsPlan(
    path="contacts",
    label=lazy_gettext("Contact desks"),
    one=lazy_gettext("Contact desk"),
    more=lazy_gettext("Further contact desk"),
    hint=lazy_gettext(
        "For example sales or order desk. Name no persons here: they have a profile of"
        " their own, with their consent."
    ),
    start=1,
    most=5,
    fields=(
        local_text("role", lazy_gettext("Desk"), most=80),
        FieldPlan(
            path="email",
            label=lazy_gettext("E-mail"),
            control=control.MAIL,
            most=200,
            wrong=_MAIL_WRONG,
        ),
        FieldPlan(
            path="phone",
            label=lazy_gettext("Telephone"),
            control=control.PHONE,
            most=32,
            wrong=_PHONE_WRONG,
        ),
        website("url", lazy_gettext("Web address")),
    ),
)


def place(label: str, **settings: Any) -> GroupPlan:
    """Plan an address."""
    return GroupPlan(
        path="location",
        label=label,
        fields=(
            # The town comes first: it is needed, so a missing place leads to it.
            text("city", lazy_gettext("Town"), most=120),
            choice("country", lazy_gettext("Country"), control.term("countries")),
            text("name", lazy_gettext("Building or room"), most=120),
            text("street", lazy_gettext("Street"), most=120),
        ),
        **settings,
    )


def _tidy_price(price: dict[str, Any]) -> dict[str, Any]:
    # Currency and unit are preselected; without an amount they mean nothing. An
    # amount beside "on request" stays: the check names the contradiction.
    if "amount" not in price or price.get("mode") == "on_request":
        return {key: price[key] for key in ("mode", "amount") if key in price}
    return price


def tidy_fee(fee: dict[str, Any]) -> dict[str, Any]:
    """Drop a preselected currency that stands alone."""
    return fee if {"amount", "note"} & fee.keys() else {}


def _tidy_contact(contact: dict[str, Any]) -> dict[str, Any]:
    # "Directly" is what holds when nothing is stated.
    return contact if contact != {"mode": "open"} else {}


PRICE: Final = GroupPlan(
    path="price",
    label=lazy_gettext("Price"),
    hint=lazy_gettext(
        "Net, without value added tax. You set it alone; with “on request” you name"
        " it only to those who ask."
    ),
    fields=(
        choice(
            "mode",
            lazy_gettext("How is it stated?"),
            control.term("price_modes"),
            suggested="on_request",
        ),
        choice(
            "amount",
            lazy_gettext("Amount"),
            control.NUMBER,
            wrong=lazy_gettext(
                "Leave the amount empty, or choose “Fixed price” or “From”."
            ),
        ),
        choice("currency", lazy_gettext("Currency"), control.CURRENCY, default="EUR"),
        choice("per", lazy_gettext("per"), control.UNIT),
    ),
    tidy=_tidy_price,
)
CONTACT: Final = GroupPlan(
    path="contact",
    label=lazy_gettext("How are you reached?"),
    fields=(
        choice(
            "mode",
            lazy_gettext("Answers go"),
            control.term("contact_modes"),
            default="open",
        ),
        choice(
            "reply_within_days",
            lazy_gettext("You reply within (days)"),
            control.WHOLE,
        ),
        FieldPlan(
            path="phone",
            label=lazy_gettext("Telephone for questions"),
            control=control.PHONE,
            most=32,
            wrong=_PHONE_WRONG,
        ),
    ),
    tidy=_tidy_contact,
)

IN_DETAIL: Final = SectionPlan(
    name="detail",
    label=lazy_gettext("Detailed description"),
    items=(
        FieldPlan(
            path="body",
            label=lazy_gettext("Full text"),
            control=control.BODY,
            hint=lazy_gettext("Plain text; line breaks are kept."),
            by_language=True,
            most=6000,
        ),
    ),
)
FINDING: Final = SectionPlan(
    name="finding",
    label=lazy_gettext("Topics, branches and regions"),
    items=(
        words(
            "topics",
            lazy_gettext("Topics"),
            lazy_gettext("What it belongs to. Separate them with commas."),
        ),
        words(
            "keywords",
            lazy_gettext("Keywords"),
            lazy_gettext("Further words to find it by. Separate them with commas."),
        ),
        FieldPlan(
            path="nace",
            label=lazy_gettext("Branches (NACE codes)"),
            control=control.WORDS,
            hint=lazy_gettext(
                "For example 26.70 for optical instruments, 28.99 for special machines."
            ),
            wrong=lazy_gettext("Enter NACE codes like 26 or 26.70."),
        ),
        choice(
            "regions",
            lazy_gettext("Regions"),
            control.REGIONS,
            hint=lazy_gettext(
                "Where it applies: federal states, cantons or countries, with commas."
            ),
        ),
    ),
)
REACHING: Final = SectionPlan(
    name="contact", label=lazy_gettext("Contact"), items=(CONTACT,)
)
PROOFS: Final = SectionPlan(
    name="proofs", label=lazy_gettext("Certificates"), items=(CERTIFICATES,)
)
PROPERTIES: Final = SectionPlan(
    name="properties", label=lazy_gettext("Technical properties"), items=(SPECS,)
)


def first_section(valid_until: FieldPlan | None) -> SectionPlan:
    """Plan the three fields that every entry starts with."""
    last = () if valid_until is None else (valid_until,)
    return SectionPlan(
        name="first",
        label=lazy_gettext("The essentials"),
        items=(TITLE, SUMMARY, *last),
        folded=False,
    )
