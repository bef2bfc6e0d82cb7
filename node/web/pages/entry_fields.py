"""The fields of an entry in the order and the words in which people read them.

One table says how each field of each kind is written; the kinds share names, so
the table needs no part for each kind. What it does not know is not shown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from babel import Locale
from babel.core import UnknownLocaleError

from node.web.formats import Formats
from node.web.i18n import current_language, lazy_gettext, localized
from node.web.i18n import gettext as _
from node.web.pages.wording import term
from schemas import vocabulary

_BARE_NUMBER = "C62"  # UN/CEFACT Rec 20: "one"
_NO_BREAK = "\u00a0"
_EN_DASH = "\u2013"
_TRL_HIGHEST = 9
_WEB = ("https://", "http://")


@dataclass(frozen=True, slots=True)
class Value:
    """A piece of text.

    Attributes:
        language: Tag, if the text is in another language than the page.
        href: Where it leads, if it is a link.
    """

    text: str
    language: str = ""
    href: str = ""


@dataclass(frozen=True, slots=True)
class FieldLine:
    """One field: its name and one or more values.

    Attributes:
        words: Whether the values are single words, shown side by side.
    """

    name: str
    values: tuple[Value, ...]
    words: bool = False


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A longer text under a heading of its own."""

    name: str
    text: Value


@dataclass(frozen=True, slots=True)
class EntryFields:
    """All fields of an entry, ready to be drawn.

    Attributes:
        body: The full text, or None.
        facts: What one wants to know first.
        specs: Technical properties: name and value.
        background: Topics, branches and the like.
    """

    body: Value | None
    facts: tuple[FieldLine, ...]
    specs: tuple[tuple[Value, Value], ...]
    paragraphs: tuple[Paragraph, ...]
    background: tuple[FieldLine, ...]


Writer: TypeAlias = Callable[[Any, Formats], Sequence[Value]]


def local_value(texts: Mapping[str, str]) -> Value:
    """Choose from a language map; the tag stays where it is another language."""
    chosen = localized(texts)
    return Value(chosen.text, chosen.language if chosen.foreign else "")


def _texts(value: Any, _formats: Formats) -> Sequence[Value]:
    return [local_value(value)]


def _plain(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(str(value))]


def _words(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(str(word)) for word in value]


def _number(value: Any, formats: Formats) -> Sequence[Value]:
    return [Value(formats.number(value))]


def _day(value: Any, formats: Formats) -> Sequence[Value]:
    return [Value(formats.write_date(value))]


def _terms(name: str) -> Writer:
    def write(value: Any, _formats: Formats) -> Sequence[Value]:
        codes = [value] if isinstance(value, str) else value
        return [Value(term(name, code)) for code in codes]

    return write


def _regions(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(region_words(code)) for code in value]


def region_words(code: str) -> str:
    """Name a country or one of its parts."""
    return term("regions" if "-" in code else "countries", code)


def _branches(value: Any, _formats: Formats) -> Sequence[Value]:
    branches = []
    for code in value:
        words = term("nace", code)
        branches.append(Value(code if words == code else f"{words} ({code})"))
    return branches


def _languages(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(language_words(tag)) for tag in value]


def language_words(tag: str) -> str:
    """Name a language in the page's language; an unknown tag stays a tag."""
    try:
        known = Locale.parse(tag.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return tag
    return known.get_display_name(current_language().locale) or tag


def web_link(address: str) -> Value:
    """Link to a web address under its readable part; anything else stays text."""
    if not address.startswith(_WEB):
        return Value(address)
    parts = urlsplit(address)
    return Value(f"{parts.netloc}{parts.path}".rstrip("/"), href=address)


def _link(value: Any, _formats: Formats) -> Sequence[Value]:
    return [web_link(value)]


def _orcid(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(value, href=f"https://orcid.org/{value}")]


def _trl(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(_("%(level)s of %(highest)s", level=value, highest=_TRL_HIGHEST))]


def _trl_min(value: Any, _formats: Formats) -> Sequence[Value]:
    return [Value(_("at least %(level)s", level=value))]


def _equipment(value: Any, _formats: Formats) -> Sequence[Value]:
    made = " ".join(value[key] for key in ("manufacturer", "model") if key in value)
    text = ", ".join(part for part in (value["name"], made) if part)
    if "year_built" in value:
        text = _("%(machine)s, built %(year)s", machine=text, year=value["year_built"])
    return [Value(text)]


def _amount(amount: str, unit: str, formats: Formats) -> str:
    symbol = _symbol(unit)
    number = formats.number(amount)
    return f"{number}{_NO_BREAK}{symbol}" if symbol else number


def _symbol(unit: str) -> str:
    if unit in {"", _BARE_NUMBER}:
        return ""
    for known in vocabulary("units"):
        if known.code == unit:
            return known.symbol or localized(known.label).text
    return unit


def _quantity(value: Any, formats: Formats) -> Sequence[Value]:
    if value["unit"] == _BARE_NUMBER:
        return [Value(_("%(number)s pieces", number=formats.number(value["value"])))]
    return [Value(_amount(value["value"], value["unit"], formats))]


def _lot_size(value: Any, formats: Formats) -> Sequence[Value]:
    first, last = value.get("min"), value.get("max")
    if first is not None and last is not None:
        text = _(
            "%(first)s to %(last)s pieces",
            first=formats.number(first),
            last=formats.number(last),
        )
    elif first is not None:
        text = _("from %(first)s pieces", first=formats.number(first))
    elif last is not None:
        text = _("up to %(last)s pieces", last=formats.number(last))
    else:
        return []
    return [Value(text)]


def _price(value: Any, formats: Formats) -> Sequence[Value]:
    return [Value(price_words(value, formats))]


def price_words(price: Mapping[str, str], formats: Formats) -> str:
    """Write a price as a sentence, e.g. ab 95,00 € je Stunde, netto."""
    if price["mode"] == "on_request" or "amount" not in price:
        return _("on request")
    amount = formats.money(price["amount"], price.get("currency", "EUR"))
    if "per" in price:
        unit = term("units", price["per"])
        amount = _("%(amount)s per %(unit)s", amount=amount, unit=unit)
    if price["mode"] == "from":
        amount = _("from %(amount)s", amount=amount)
    return _("%(amount)s, net", amount=amount)


def _fee(value: Any, formats: Formats) -> Sequence[Value]:
    free = not value["amount"].strip("0.-")
    amount = _("free") if free else formats.money(value["amount"], value["currency"])
    note = [local_value(value["note"])] if "note" in value else []
    return [Value(amount), *note]


def _certificates(value: Any, formats: Formats) -> Sequence[Value]:
    return [Value(_certificate(each, formats)) for each in value]


def _certificate(each: Mapping[str, str], formats: Formats) -> str:
    text = ": ".join(each[key] for key in ("standard", "scope") if key in each)
    if "valid_until" not in each:
        return text
    day = formats.write_date(each["valid_until"], "medium")
    return _("%(certificate)s, valid until %(day)s", certificate=text, day=day)


def _place(value: Any, _formats: Formats) -> Sequence[Value]:
    country = term("countries", value["country"])
    parts = (value.get("name"), value.get("street"), value["city"], country)
    return [Value(", ".join(part for part in parts if part))]


def _desks(value: Any, _formats: Formats) -> Sequence[Value]:
    lines = []
    for desk in value:
        role = local_value(desk["role"])
        reach = [desk[key] for key in ("email", "phone", "url") if key in desk]
        lines.append(Value(": ".join((role.text, ", ".join(reach))), role.language))
    return lines


def _contact(value: Any, _formats: Formats) -> Sequence[Value]:
    lines = [
        _("Answers reach the cluster's office first")
        if value["mode"] == "office"
        else _("Under a box number: the offices pass answers on")
        if value.get("mode") == "chiffre"
        else _("Answers reach the owner directly")
    ]
    if "reply_within_days" in value:
        days = value["reply_within_days"]
        lines.append(_("reply within %(days)s days", days=days))
    if "phone" in value:
        lines.append(_("by phone: %(number)s", number=value["phone"]))
    return [Value(line) for line in lines]


# Field, its name for people, how it is written, whether its values are words.
_Row: TypeAlias = tuple[str, str, Writer, bool]

_FACTS: tuple[_Row, ...] = (
    ("legal_name", lazy_gettext("Legal name"), _plain, False),
    ("vat_id", lazy_gettext("VAT id"), _plain, False),
    ("register_id", lazy_gettext("Register number"), _plain, False),
    ("short_name", lazy_gettext("Short name"), _plain, False),
    ("name", lazy_gettext("Name"), _plain, False),
    ("function", lazy_gettext("Function"), _texts, False),
    ("equipment", lazy_gettext("Equipment"), _equipment, False),
    ("equipment_class", lazy_gettext("Purpose"), _terms("equipment_classes"), False),
    ("org_type", lazy_gettext("Type"), _terms("org_types"), False),
    ("size_class", lazy_gettext("Size"), _terms("size_classes"), False),
    ("founded", lazy_gettext("Founded"), _plain, False),
    ("format", lazy_gettext("Format"), _terms("event_formats"), False),
    ("status", lazy_gettext("State"), _terms("event_statuses"), False),
    ("location", lazy_gettext("Place"), _place, False),
    ("registration_url", lazy_gettext("Registration"), _link, False),
    ("registration_until", lazy_gettext("Register until"), _day, False),
    ("fee", lazy_gettext("Fee"), _fee, False),
    ("capacity", lazy_gettext("Places"), _number, False),
    ("hosts", lazy_gettext("Hosts"), _words, False),
    ("price", lazy_gettext("Price"), _price, False),
    ("quantity", lazy_gettext("Quantity"), _quantity, False),
    ("lot_size", lazy_gettext("Lot size"), _lot_size, False),
    ("operation", lazy_gettext("Operation"), _terms("operations"), False),
    ("needed_from", lazy_gettext("Needed from"), _day, False),
    ("needed_until", lazy_gettext("Needed until"), _day, False),
    ("stage", lazy_gettext("Development"), _terms("development_stages"), False),
    ("trl", lazy_gettext("Technology readiness level"), _trl, False),
    ("trl_min", lazy_gettext("Technology readiness level"), _trl_min, False),
    ("ipr_status", lazy_gettext("Rights"), _terms("ipr_statuses"), False),
    (
        "partnership_types",
        lazy_gettext("Cooperation"),
        _terms("partnership_types"),
        True,
    ),
    (
        "confidentiality",
        lazy_gettext("Confidentiality"),
        _terms("confidentialities"),
        False,
    ),
    ("expertise", lazy_gettext("Expertise"), _words, True),
    ("methods", lazy_gettext("Methods"), _words, True),
    ("offers_as", lazy_gettext("Helps as"), _terms("expert_parts"), True),
    ("competences", lazy_gettext("Competences"), _words, True),
    ("products", lazy_gettext("Products"), _words, True),
    ("markets", lazy_gettext("Markets"), _words, True),
    ("value_chain", lazy_gettext("Value chain"), _terms("value_chain"), True),
    ("processes", lazy_gettext("Processes"), _words, True),
    ("materials", lazy_gettext("Materials"), _words, True),
    ("applications", lazy_gettext("Fields of use"), _words, True),
    ("certificates", lazy_gettext("Certificates"), _certificates, False),
    ("languages", lazy_gettext("Languages"), _languages, False),
    ("contacts", lazy_gettext("Contact"), _desks, False),
    ("website", lazy_gettext("Website"), _link, False),
    ("orcid", lazy_gettext("ORCID"), _orcid, False),
)

_PARAGRAPHS: tuple[tuple[str, str], ...] = (
    ("requirements", lazy_gettext("What a solution must do")),
    ("application", lazy_gettext("What it is wanted for")),
    ("advantages", lazy_gettext("What is new or better")),
    ("partner_sought", lazy_gettext("Who is looked for")),
    ("offers", lazy_gettext("What we offer")),
    ("seeks", lazy_gettext("What is looked for")),
    ("conditions", lazy_gettext("Conditions")),
)

_BACKGROUND: tuple[_Row, ...] = (
    ("contact", lazy_gettext("Contact"), _contact, False),
    ("regions", lazy_gettext("Regions"), _regions, False),
    ("topics", lazy_gettext("Topics"), _words, True),
    ("keywords", lazy_gettext("Keywords"), _words, True),
    ("nace", lazy_gettext("Branches"), _branches, False),
)


def fields_of(content: Mapping[str, Any], formats: Formats) -> EntryFields:
    """Draw up all fields of an entry of a known kind.

    Args:
        content: Checked against the schema of its kind.
        formats: Writes numbers and days.
    """
    body = content.get("body")
    facts = [*_time_facts(content), *_lines(_FACTS, content, formats)]
    return EntryFields(
        body=local_value(body) if body else None,
        facts=tuple(facts),
        specs=tuple(_spec(spec, formats) for spec in content.get("specs", ())),
        paragraphs=tuple(
            Paragraph(str(name), local_value(content[field]))
            for field, name in _PARAGRAPHS
            if content.get(field)
        ),
        background=tuple(_lines(_BACKGROUND, content, formats)),
    )


def _time_facts(content: Mapping[str, Any]) -> list[FieldLine]:
    """Write the two fields whose shape depends on the kind."""
    lines = []
    availability = content.get("availability")
    if isinstance(availability, Mapping):
        lines.append(FieldLine(_("Available"), (local_value(availability),)))
    elif availability:
        words = term("availabilities", availability)
        lines.append(FieldLine(_("Available"), (Value(words),)))
    attendance = content.get("attendance")
    if attendance:
        codes = [attendance] if isinstance(attendance, str) else attendance
        values = tuple(Value(term("attendances", code)) for code in codes)
        lines.append(FieldLine(_("Attendance"), values))
    return lines


def _lines(
    rows: Sequence[_Row], content: Mapping[str, Any], formats: Formats
) -> list[FieldLine]:
    lines = []
    for field, name, write, words in rows:
        if field not in content:
            continue
        values = tuple(write(content[field], formats))
        if values:
            lines.append(FieldLine(str(name), values, words=words))
    return lines


def _spec(spec: Mapping[str, Any], formats: Formats) -> tuple[Value, Value]:
    name, unit = local_value(spec["name"]), spec.get("unit", "")
    first, last = spec.get("min"), spec.get("max")
    if "value" in spec:
        return name, Value(_amount(spec["value"], unit, formats))
    if first is not None and last is not None:
        text = f"{formats.number(first)} {_EN_DASH} {_amount(last, unit, formats)}"
        return name, Value(text)
    if first is not None:
        amount = _amount(first, unit, formats)
        return name, Value(_("at least %(amount)s", amount=amount))
    if last is not None:
        amount = _amount(last, unit, formats)
        return name, Value(_("at most %(amount)s", amount=amount))
    return name, local_value(spec["text"]) if "text" in spec else Value(_EN_DASH)
