"""The recovery sheet as a file: whole, private in its references, in both languages."""

import re

import pytest

from node.web.recovery_sheet import (
    PARTNERS_MAX,
    RecoverySheet,
    SheetPartner,
    recovery_sheet,
    standalone_page,
)

CODE = "008J3-4CT4V-ANK7T-F24SY-008J3-4CT4V-ANK7T-F24SY"


def sheet(partners: int = 2, **changes: str) -> RecoverySheet:
    values = {
        "cluster": "Optence e. V.",
        "base_url": "https://spalier.optence.example",
        "fingerprint": "3BA2 8CBD DB7C 2559",
        "created": "2026-11-21T10:00:00Z",
        "code": CODE,
        "file_name": "optence.spalier-keys",
    } | changes
    return recovery_sheet(
        **values,  # type: ignore[arg-type]
        number=3,
        partners=[
            SheetPartner(f"Partner {number}", f"https://p{number}.example", "")
            for number in range(partners)
        ],
    )


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Recovery sheet", "What to do in an emergency", "21 November 2026"]),
        (
            "de",
            ["Wiederherstellungsblatt", "Was im Notfall zu tun ist", "21. November"],
        ),
    ],
)
def test_everything_stands_on_it(language: str, words: list[str]) -> None:
    page = standalone_page(sheet(), language=language)
    assert f'<html lang="{language}">' in page
    for text in (
        *words,
        "Optence e. V.",
        "https://spalier.optence.example",
        "3BA2 8CBD DB7C 2559",
        "optence.spalier-keys",
        "spalier keys restore",
        "spalier keys revoke",
        "spalier keys replace --lost",
        "Partner 1",
    ):
        assert text in page, text
    assert re.findall(r"</small>([0-9A-Z]{5})</li>", page) == CODE.split("-")
    assert page.count("<li>") - 8 == 5, "five steps"


def test_it_needs_nothing_else() -> None:
    page = standalone_page(sheet(), language="de")
    assert "<script" not in page
    assert "<link" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert "size: A4" in page
    assert re.findall(r'(?:src|href)="', page) == []


def test_what_others_named_stays_text() -> None:
    page = standalone_page(sheet(cluster="<script>alert(1)</script>"), language="de")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_as_many_partners_as_fit_on_one_page() -> None:
    many = sheet(partners=PARTNERS_MAX + 3)
    assert len(many.partners) == PARTNERS_MAX
    assert "3 more stand in the list" in standalone_page(many, language="en")
    assert "more stand" not in standalone_page(sheet(), language="en")


def test_code_is_not_in_logs() -> None:
    assert "008J3" not in repr(sheet())
