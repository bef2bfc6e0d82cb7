"""By what an organisation is the same in two clusters (SPEC VIS-072)."""

import pytest

from node.members.identifiers import Known, read_domain, same_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"vat_id": "DE 123.456-789"}, {"vat_id": "de123456789"}),
        ({"vat_id": "CHE-123.456.788 MWST"}, {"vat_id": "che 123 456 788 mwst"}),
        ({"register_id": "HRB 4711, Köln"}, {"register_id": "hrb4711 KÖLN"}),
        ({"domains": ("www.Optik.example",)}, {"domains": ("optik.example.",)}),
        (
            {"domains": ("müller.example",)},
            {"website": "https://xn--mller-kva.example"},
        ),
        ({"domains": ("optik.example",)}, {"website": "http://www.optik.example/de/"}),
    ],
)
def test_same(one: dict[str, object], other: dict[str, object]) -> None:
    first, second = Known(name="A", **one), Known(name="B", **other)
    assert first.identifiers & second.identifiers


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {}),
        ({"vat_id": " - "}, {"vat_id": "."}),
        ({"vat_id": "4711"}, {"register_id": "4711"}),
        ({"domains": ("optik.example",)}, {"domains": ("laser.optik.example",)}),
        ({"website": "https://linkedin.com/a"}, {"website": "https://linkedin.com/b"}),
        ({"domains": ("optik",)}, {"domains": ("optik",)}),
    ],
)
def test_not_the_same(one: dict[str, object], other: dict[str, object]) -> None:
    """Two of one name are two, and what proves nothing is no identifier."""
    first, second = Known(name="Optik", **one), Known(name="Optik", **other)
    assert not first.identifiers & second.identifiers


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("https://www.optik.example:8443/x?y", "optik.example"),
        ("optik.example/de", "optik.example"),
        (" OPTIK.example. ", "optik.example"),
        ("optik", None),
        ("", None),
        ("optik example", None),
        ("http://[::1]", None),
        ("a" * 300 + ".example", None),
        ("optik..example", None),
    ],
)
def test_a_domain_has_one_form(text: str, domain: str | None) -> None:
    assert read_domain(text) == domain


def test_a_name_may_mean_the_same() -> None:
    others = ["Optik Müller GmbH & Co. KG", "Optik Maier GmbH", "GmbH"]
    assert same_names("OPTIK-Müller AG", others) == ["Optik Müller GmbH & Co. KG"]
    assert same_names("GmbH", others) == []
