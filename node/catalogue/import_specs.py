"""Technical properties as people write them in one cell of a table.

`Messfeld: 4,5 mm | Temperatur: -20 bis 60 °C | Masse: max. 25 kg | Reinraum: ISO 7`
becomes a list of specifications: a value, a range or a limit with a UN/CEFACT
unit, or a text where there is no number in front.
"""

import functools
import re
from typing import Any, Final

import schemas
from node.members.fields import FieldError, read_code, read_day, read_line
from node.sentence import Sentence

LIST_SEPARATOR: Final = "|"
_NO_UNIT: Final = "C62"
_NUMBER: Final = r"[+\-−]?[0-9]+(?:[.,][0-9]+)*"  # noqa: RUF001 - the minus sign
_RANGE: Final = re.compile(
    rf"(?P<low>{_NUMBER})\s*(?:–|—|-|\.{{2,3}}|…|bis|to)\s*(?P<high>{_NUMBER})"  # noqa: RUF001
    r"\s*(?P<unit>.*)\Z"
)
_LIMIT: Final = re.compile(
    r"(?P<word>≤|<=|<|bis zu|bis|max\.?|up to|≥|>=|>|ab|min\.?|from)\s*"
    rf"(?P<number>{_NUMBER})\s*(?P<unit>.*)\Z",
    re.IGNORECASE,
)
_VALUE: Final = re.compile(rf"(?P<number>{_NUMBER})\s*(?P<unit>.*)\Z")
_LOWER: Final = frozenset({"≥", ">=", ">", "ab", "min", "min.", "from"})
_GROUPED: Final = re.compile(r"[+\-−]?[1-9][0-9]{0,2}(?:[.,][0-9]{3})+\Z")  # noqa: RUF001
_CERTIFICATE: Final = re.compile(
    r"(?P<standard>[^()]+?)\s*(?:\((?P<scope>[^()]*)\))?"
    r"\s*(?:(?:bis|gültig bis|until)\s+(?P<day>[\d.-]+))?\Z"
)
_UNIT_SPELLINGS: Final = {
    "µ": "μ", "Std": "h", "Std.": "h", "Stunden": "h", "Tage": "d", "Stk": "Stück",
    "Stk.": "Stück", "m2": "m²", "cm2": "cm²", "mm2": "mm²", "m3": "m³",
    "cm3": "cm³", "mm3": "mm³", "um": "µm", "1/min": "U/min", "Nm": "N·m",
}  # fmt: skip


def split_list(text: str) -> list[str]:
    """Split a cell that holds several values."""
    return [part.strip() for part in text.split(LIST_SEPARATOR) if part.strip()]


def read_decimal(text: str) -> str:
    """Return a number with a decimal point, as entries carry it.

    `1.000` is refused: it is a thousand in German and one in English.
    """
    number = text.strip().replace("−", "-").replace("\u00a0", "")  # noqa: RUF001
    if not re.fullmatch(_NUMBER, number):
        raise FieldError(Sentence("{value} is not a number.", value=text.strip()[:40]))
    if _GROUPED.match(number):
        raise FieldError(
            Sentence(
                "{value} can be read in two ways; write it without a thousands "
                "separator, and 1 as 1.",
                value=number[:40],
            )
        )
    number = number.lstrip("+").replace(",", ".")
    if number.count(".") > 1:
        raise FieldError(Sentence("{value} is not a number.", value=text.strip()[:40]))
    return number


def read_unit(text: str) -> str:
    """Return the UN/CEFACT code of a unit: symbol, name or code.

    Symbols tell upper from lower case (mW, MW); names and codes do not.
    """
    wanted = text.strip().replace("μ", "µ")
    wanted = _UNIT_SPELLINGS.get(wanted, wanted)
    return _symbols().get(wanted) or read_code(wanted, vocabulary="units")


@functools.cache
def _symbols() -> dict[str, str]:
    return {
        term.symbol: term.code for term in schemas.vocabulary("units") if term.symbol
    }


def read_specifications(text: str, *, language: str) -> list[dict[str, Any]]:
    """Read a cell of specifications, separated by `|`.

    Args:
        text: The cell.
        language: Language of names and texts.

    Raises:
        FieldError: A part has no name, or a number a unit that is not known.
    """
    return [_specification(part, language) for part in split_list(text)]


def _specification(part: str, language: str) -> dict[str, Any]:
    name, colon, said = (piece.strip() for piece in part.partition(":"))
    if not colon or not name or not said:
        raise FieldError(
            Sentence("{part} must be written as name: value unit.", part=part[:60])
        )
    label = {language: read_line(name, limit=80)}
    measured = _measured(said)
    if measured is None:
        return {"name": label, "text": {language: read_line(said, limit=200)}}
    return {"name": label, **measured}


def _measured(said: str) -> dict[str, str] | None:
    """Read number and unit; None if this is a text."""
    found = _RANGE.match(said)
    if found:
        unit = _unit_after_number(found["unit"])
        low, high = found["low"], found["high"]
        return unit and {"min": read_decimal(low), "max": read_decimal(high), **unit}
    found = _LIMIT.match(said)
    if found:
        unit = _unit_after_number(found["unit"])
        side = "min" if found["word"].casefold() in _LOWER else "max"
        return unit and {side: read_decimal(found["number"]), **unit}
    found = _VALUE.match(said)
    if found:
        unit = _unit_after_number(found["unit"])
        return unit and {"value": read_decimal(found["number"]), **unit}
    return None


def _unit_after_number(text: str) -> dict[str, str] | None:
    """Read what follows a number; None if it makes the whole a text.

    One single word that is no unit is a typing error, not a text.
    """
    if not text:
        return {"unit": _NO_UNIT}
    try:
        return {"unit": read_unit(text)}
    except FieldError:
        if len(text.split()) > 1 or text.startswith(("-", ",", ";", "x", "×")):  # noqa: RUF001
            return None
        raise FieldError(
            Sentence(
                "The unit {unit} is not known; write its symbol, for example mm, or "
                "its UN/CEFACT code.",
                unit=text[:30],
            )
        ) from None


def read_certificates(text: str) -> list[dict[str, str]]:
    """Read a cell of certificates: `ISO 9001 | ISO 13485 (Optik) bis 2029-03-31`."""
    return [_certificate(part) for part in split_list(text)]


def _certificate(part: str) -> dict[str, str]:
    found = _CERTIFICATE.match(part)
    if found is None:
        raise FieldError(
            Sentence(
                "{part} must be written as standard (scope) until day.", part=part[:60]
            )
        )
    certificate = {"standard": read_line(found["standard"], limit=80)}
    if found["scope"]:
        certificate["scope"] = read_line(found["scope"], limit=80)
    if found["day"]:
        certificate["valid_until"] = read_day(found["day"]).isoformat()
    return certificate
