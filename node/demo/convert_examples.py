"""Convert a JSON file of example objects into entries of the demonstration.

    python -m node.demo.convert_examples OBJECTS.json --as-of 2026-11-21 \
        > node/demo/data/examples.json

An example object has `id`, `kind`, `cluster`, `title_de`, `title_en`,
`summary_de`, `summary_en`, `tags`, `nace`, `visibility`, `chiffre`,
`valid_until` and `details`. Objects that suit optics, lasers, plasma or
measurement become entries of one of the demonstration's clusters: units become
UN/CEFACT codes, days become relative ones, audiences get our names. What is
left out is listed on standard error, with the reason.
"""

import argparse
import csv
import io
import json
import sys
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from node.demo.data import CLUSTERS, load_cluster
from schemas import KINDS

_PARTNER = {
    "optence": "swissmem-photonics",
    "swissmem-photonics": "optence",
    "beispiel-netz-laser": "optence",
}
_ASSIGNED = {
    "co-koordinatenmessmaschine": "optence",
    "op-beispiel-praezisionsoptik": "optence",
    "to-mikrospektrometer-smartpad": "optence",
    "to-nir-schichtdicke": "optence",
    "to-pflanzensensor-feld": "optence",
    "co-interferometer-linsen": "swissmem-photonics",
    "co-plasmaanlage": "beispiel-netz-laser",
    "ev-innovationsforum-optik-maschinenbau": "beispiel-netz-laser",
    "to-laser-chirurgie": "beispiel-netz-laser",
    "to-plasma-verpackungsfolie": "beispiel-netz-laser",
    "to-plasma-verschleissschutz": "beispiel-netz-laser",
    "tr-dichtflaechen-erosion": "beispiel-netz-laser",
    "co-linsenfertigung": "swissmem-photonics",
    "cr-freiform-einzelmessung": "swissmem-photonics",
    "cr-linsenserie-engpass": "optence",
    "cr-reinraum-montage": "beispiel-netz-laser",
    "tr-schichtdicke-inline": "beispiel-netz-laser",
}
# Whose the entries under Chiffre are; the objects do not say it, of course.
_BEHIND = {
    "co-linsenfertigung": "swp-103",
    "cr-freiform-einzelmessung": "swp-106",
    "cr-linsenserie-engpass": "opt-101",
    "cr-reinraum-montage": "bnl-106",
    "tr-schichtdicke-inline": "bnl-102",
}
_UNITS = {
    "mm": "MMT",
    "µm": "4H",
    "nm": "C45",
    "inch": "INH",
    "m²": "MTK",
    "kg": "KGM",
    "g": "GRM",
    "h": "HUR",
    "s": "SEC",
    "days": "DAY",
    "Hz": "HTZ",
    "W": "WTT",
    "°C": "CEL",
    "%": "P1",
    "m/min": "2X",
    "mN/m": "C22",
    "N·m": "NU",
    "pieces": "H87",
    "persons": "IE",
    "cycles": "B7",
    "channels": "C62",
    "materials": "C62",
    "1": "C62",
}
_EQUIPMENT = {
    "measuring_machine": "measuring",
    "production_machine": "production",
    "production_room": "assembly",
    "laboratory": "laboratory",
    "simulation_service": "simulation",
}
_AVAILABILITY = {
    "now": "now",
    "this_month": "this_month",
    "this_quarter": "this_quarter",
    "next_quarter": "on_request",
}
_RIGHTS = {
    "patent_granted": "patent_granted",
    "patent_pending": "patent_applied",
    "know_how": "secret_know_how",
}
_PARTNERSHIPS = {
    "joint_development": "technical_cooperation",
    "licence": "licence",
    "pilot_application": "pilot_application",
    "service": "service",
    "supply": "supply",
}
_GERMAN = {
    "agriculture": "Landwirtschaft",
    "biotechnology": "Biotechnologie",
    "coating": "Beschichtung",
    "dermatology": "Dermatologie",
    "environment": "Umwelt",
    "fibre composites": "Faserverbunde",
    "food packaging": "Lebensmittelverpackung",
    "lens production": "Linsenfertigung",
    "liquids": "Flüssigkeiten",
    "medical technology": "Medizintechnik",
    "optical measurement": "Optische Messtechnik",
    "packaging film": "Verpackungsfolie",
    "printing": "Druck",
    "surgery": "Chirurgie",
    "toolmaking": "Werkzeugbau",
    "valves": "Armaturen",
}
_ATTENDANCE = {"on_site": "onsite", "online": "online", "hybrid": "hybrid"}
_SIZES = ((10, "1-10"), (49, "11-49"), (249, "50-249"), (499, "250-499"))

Object = Mapping[str, Any]


def main() -> int:
    """Read the file named on the command line, write entries to standard output."""
    parser = argparse.ArgumentParser(prog="convert_examples", description=__doc__)
    parser.add_argument("objects", type=Path, help="a JSON file of example objects")
    parser.add_argument(
        "--as-of",
        type=date.fromisoformat,
        required=True,
        help="the day that the objects' days are counted from",
    )
    arguments = parser.parse_args()
    objects = json.loads(arguments.objects.read_text(encoding="utf-8"))
    entries, left_out = convert(objects, as_of=arguments.as_of)
    json.dump(entries, sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")
    for identifier, reason in left_out:
        sys.stderr.write(f"left out: {identifier}: {reason}\n")
    return 0


def convert(
    objects: Iterable[Object], *, as_of: date
) -> tuple[dict[str, list[dict[str, Any]]], list[tuple[str, str]]]:
    """Convert example objects.

    Args:
        objects: The example objects.
        as_of: The day that their days are counted from.

    Returns:
        The entries by cluster of the demonstration, and for each object that is
        left out its id and the reason.
    """
    entries: dict[str, list[dict[str, Any]]] = {slug: [] for slug in CLUSTERS}
    left_out = []
    for item in objects:
        reason = _reason_to_leave_out(item)
        if reason:
            left_out.append((item["id"], reason))
        else:
            slug = _ASSIGNED[item["id"]]
            entries[slug].append(_entry(item, slug=slug, as_of=as_of))
    return entries, left_out


def _reason_to_leave_out(item: Object) -> str | None:
    if item["kind"] not in KINDS:
        return f"the kind {item['kind']} does not exist yet"
    if item["kind"] == "expert_profile":
        return "it names no person, which an expert profile needs"
    if item["chiffre"] and item["id"] not in _BEHIND:
        return "nobody in the demonstration could stand behind its box number"
    if item["id"] not in _ASSIGNED:
        return "its field is none of the demonstration's clusters"
    return None


def _entry(item: Object, *, slug: str, as_of: date) -> dict[str, Any]:
    details = item["details"]
    entry: dict[str, Any] = {
        "kind": item["kind"],
        "title": _languages(item, "title"),
        "summary": _languages(item, "summary"),
        "keywords": list(item["tags"]),
        "nace": [item["nace"]],
    }
    if "location_region" in details:
        entry["regions"] = [details["location_region"]]
    if item["kind"] != "event" and item["valid_until"]:
        entry["valid_until"] = _relative(item["valid_until"], as_of)
    if "specs" in details:
        entry["specs"] = [_specification(spec) for spec in details["specs"]]
    entry |= _FIELDS[item["kind"]](item, as_of)
    entry["audience"] = _audience(item["visibility"], slug)
    if "organisation" in details:
        owner = _external_id(details["organisation"], slug)
        entry["on_behalf_of"] = {"organisation": owner}
    if item["chiffre"]:
        entry["contact"] = {"mode": "chiffre"}
        entry["on_behalf_of"] = {"organisation": _BEHIND[item["id"]]}
        # The data are invented: there is nobody who could be recognised.
        entry["publish_anyway"] = True
    return entry | {"external_id": f"example-{item['id']}"}


def _languages(item: Object, field: str) -> dict[str, str]:
    return {"de": item[f"{field}_de"], "en": item[f"{field}_en"]}


def _relative(day: str, as_of: date) -> dict[str, Any]:
    return {"in_days": (date.fromisoformat(day[:10]) - as_of).days}


def _relative_time(time: str, as_of: date) -> dict[str, Any]:
    return _relative(time, as_of) | {"at": time[11:]}


def _decimal(number: float) -> str:
    return f"{Decimal(str(number)):f}"


def _specification(spec: Object) -> dict[str, Any]:
    bounds = {key: spec[key] for key in ("value", "min", "max") if key in spec}
    name = _languages(spec, "name")
    unit = _UNITS.get(spec["unit"])
    if unit is None:
        # Vickers hardness and the like have no code: the value is given in words.
        return {"name": name, "text": _in_words(bounds, spec["unit"])}
    numbers = {key: _decimal(number) for key, number in bounds.items()}
    return {"name": name, **numbers, "unit": unit}


def _in_words(bounds: Mapping[str, float], unit: str) -> dict[str, str]:
    low, high = bounds.get("min"), bounds.get("max")
    if "value" in bounds:
        return {"de": f"{bounds['value']} {unit}", "en": f"{bounds['value']} {unit}"}
    if low is not None and high is not None:
        return {"de": f"{low} bis {high} {unit}", "en": f"{low} to {high} {unit}"}
    if low is not None:
        return {"de": f"ab {low} {unit}", "en": f"from {low} {unit}"}
    return {"de": f"bis {high} {unit}", "en": f"up to {high} {unit}"}


def _audience(visibility: str, slug: str) -> dict[str, Any]:
    if visibility == "partners":
        return {"level": "partners", "partners": [f"{{{_PARTNER[slug]}}}"]}
    # Groups do not exist yet; the own cluster is the next wider audience that
    # stays at home.
    return {"level": "cluster" if visibility == "group" else visibility}


def _external_id(name: str, slug: str) -> str:
    text = load_cluster(slug).organisations_csv.decode()
    for row in csv.DictReader(io.StringIO(text), delimiter=";"):
        if row["name"] == name:
            return row["external_id"]
    message = f"{slug}/organisations.csv has no organisation {name}"
    raise LookupError(message)


def _capacity_offer(item: Object, _as_of: date) -> dict[str, Any]:
    details = item["details"]
    price = details["price"]
    converted = {"mode": price["mode"]}
    if "value" in price:
        currency, _, per = price["unit"].partition("/")
        converted["amount"] = _decimal(price["value"])
        converted |= {"currency": currency, "per": _UNITS[per]}
    fields: dict[str, Any] = {
        "equipment_class": _EQUIPMENT[details["resource_type"]],
        "availability": _AVAILABILITY[details["availability"]],
        "price": converted,
    }
    if details["operator_included"]:
        fields["operation"] = "with_operator"
    return fields


def _capacity_request(item: Object, as_of: date) -> dict[str, Any]:
    details = item["details"]
    quantity = details["quantity"]
    return {
        "equipment_class": _EQUIPMENT[details["resource_type"]],
        "quantity": {
            "value": _decimal(quantity["value"]),
            "unit": _UNITS[quantity["unit"]],
        },
        "needed_from": _relative(details["needed"]["from"], as_of),
        "needed_until": _relative(details["needed"]["to"], as_of),
    }


def _technology_offer(item: Object, _as_of: date) -> dict[str, Any]:
    details = item["details"]
    return {
        "trl": details["trl"]["value"],
        "ipr_status": [_RIGHTS[details["ip_status"]]],
        "partnership_types": [
            _PARTNERSHIPS[form] for form in details["cooperation_forms"]
        ],
        "applications": [_GERMAN[word] for word in details["application_fields"]],
    }


def _technology_request(item: Object, _as_of: date) -> dict[str, Any]:
    details = item["details"]
    return {
        "trl_min": details["trl_min"]["value"],
        "application": _languages(details, "application"),
        "confidentiality": details["confidentiality"],
    }


def _event(item: Object, as_of: date) -> dict[str, Any]:
    details = item["details"]
    fee = details["fee"]
    forum = any(word in item["title_de"] for word in ("forum", "kongress"))
    return {
        "starts": _relative_time(details["starts"], as_of),
        "ends": _relative_time(details["ends"], as_of),
        "timezone": details["timezone"],
        "format": "conference" if forum else "workshop",
        "attendance": _ATTENDANCE[details["format"]],
        "location": dict(details["location"]),
        "registration_until": _relative(details["registration_deadline"], as_of),
        "capacity": details["capacity"]["value"],
        "fee": {"amount": _decimal(fee["value"]), "currency": fee["unit"]},
    }


def _organisation_profile(item: Object, _as_of: date) -> dict[str, Any]:
    details = item["details"]
    employees = details["employees"]["value"]
    sizes = (size for limit, size in _SIZES if employees <= limit)
    return {
        "legal_name": details["organisation"],
        "org_type": details["org_type"],
        "size_class": next(sizes, "500+"),
        "competences": [_GERMAN[word] for word in details["competences"]],
    }


_FIELDS = {
    "capacity_offer": _capacity_offer,
    "capacity_request": _capacity_request,
    "technology_offer": _technology_offer,
    "technology_request": _technology_request,
    "event": _event,
    "organisation_profile": _organisation_profile,
}


if __name__ == "__main__":
    sys.exit(main())
