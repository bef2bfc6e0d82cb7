"""What a text gives away about its owner."""

import pytest

from node.chiffre.giveaways import (
    Giveaway,
    GiveawayKind,
    OwnerFacts,
    find_giveaways,
)

FACTS = OwnerFacts(
    names=frozenset({"Beispiel Präzisionsoptik GmbH", "BPO", "Dr. Erika Muster"}),
    products=frozenset({"LensMaster", "Zeiss Contura"}),
    domains=frozenset({"beispiel-optik.de"}),
    towns=frozenset({"Wetzlar", "Bad Homburg", "Zürich"}),
    usual_words=frozenset({"beispiel", "prazisionsoptik", "optik"}),
)


def found(text: str, facts: OwnerFacts = FACTS) -> list[tuple[str, str]]:
    content = {"kind": "capacity_offer", "title": {"de": text}}
    return [(each.kind.value, each.text) for each in find_giveaways(content, facts)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Messen bei Beispiel Präzisionsoptik", ("name", "Beispiel Präzisionsoptik")),
        ("BEISPIEL PRAEZISIONSOPTIK", ("name", "BEISPIEL PRAEZISIONSOPTIK")),
        ("die Beispiel-Präzisionsoptik", ("name", "Beispiel-Präzisionsoptik")),
        ("Frau Muster misst", ("name", "Muster")),
        ("Erika Muster, Leiterin", ("name", "Erika Muster")),
        ("Beispiel GmbH Präzisionsoptik", ("name", "Beispiel GmbH Präzisionsoptik")),
        ("ein Beispiel aus der Optik", None),  # words that others use, too
        ("mit unserem LensMaster", ("product", "LensMaster")),
        ("lensmaster", ("product", "lensmaster")),
        ("siehe beispiel-optik", ("name", "beispiel-optik")),
        ("siehe www.anders.de/messen.", ("address", "www.anders.de/messen")),
        ("siehe anders.com", ("address", "anders.com")),
        ("Post an info@anders.de", ("address", "info@anders.de")),
        ("geht schnell.Das ist gut", None),
        ("z.B. am Mo.", None),
        ("Telefon +49 6441 12345-67", ("telephone", "+49 6441 12345-67")),
        ("Telefon 06441/123456", ("telephone", "06441/123456")),
        ("Telefon (06441) 123 456", ("telephone", "(06441) 123 456")),
        ("bis 2027-06-30", None),
        ("Losgröße 1000-2000", None),
        ("0,5 bis 0,75 mm", None),
        ("auf der UMC-750", ("model", "UMC-750")),
        ("auf der DMU600P", ("model", "DMU600P")),
        ("eine Contura 700", ("product", "Contura")),
        ("eine Duramax 555", ("model", "Duramax 555")),
        ("nach ISO 9001 und DIN EN ISO 13485", None),
        ("Fühler Pt100, Farbe RAL 9005", None),
        ("über 400 mm", None),
        ("Werkstoff 1.4301 oder 42CrMo4, S355", None),
        ("in Wetzlar", ("town", "Wetzlar")),
        ("bei Bad Homburg", ("town", "Bad Homburg")),
        ("in ZURICH oder Zuerich", ("town", "Zuerich")),
        ("im Bad", None),
        ("Messen auf optischer Messmaschine, tageweise", None),
    ],
)
def test_text(text: str, expected: tuple[str, str] | None) -> None:
    got = found(text)
    if expected is None:
        assert got == []
    else:
        assert expected in got


def test_every_text_of_the_content_is_read_and_named_by_its_pointer() -> None:
    content = {
        "kind": "capacity_offer",
        "title": {"de": "Messen", "en": "Measuring in Wetzlar"},
        "topics": ["Optik", "LensMaster"],
        "specs": [{"name": {"de": "Raum"}, "text": {"de": "Halle in Wetzlar"}}],
        "contact": {"mode": "chiffre"},
    }
    assert find_giveaways(content, FACTS) == [
        Giveaway(GiveawayKind.TOWN, "/title/en", "Wetzlar"),
        Giveaway(GiveawayKind.PRODUCT, "/topics/1", "LensMaster"),
        Giveaway(GiveawayKind.TOWN, "/specs/0/text/de", "Wetzlar"),
    ]


def test_equipment_names_its_owner_whatever_its_form() -> None:
    content = {
        "kind": "capacity_offer",
        "equipment": {
            "name": {"de": "Messmaschine"},
            "manufacturer": "Beispielwerke",
            "model": "X",
            "year_built": 2019,
        },
    }
    assert find_giveaways(content, OwnerFacts()) == [
        Giveaway(GiveawayKind.MODEL, "/equipment/manufacturer", "Beispielwerke"),
        Giveaway(GiveawayKind.MODEL, "/equipment/model", "X"),
        Giveaway(GiveawayKind.MODEL, "/equipment/year_built", "2019"),
    ]


def test_a_word_is_reported_once_for_each_text() -> None:
    assert found("Wetzlar, Wetzlar und Wetzlar") == [("town", "Wetzlar")]
