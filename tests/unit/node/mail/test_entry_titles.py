"""The title of an entry is taken out of every mail that names one, and nothing else."""

from datetime import date

import pytest

from node.mail.model import MailKind
from node.mail.texts import MailText, shown_title, without_title, write_text

NAMING = (
    MailKind.NEW_ANSWER,
    MailKind.NEW_MESSAGE,
    MailKind.ENTRY_EXPIRES,
    MailKind.ENTRY_EXPIRED,
)
VALUES = {
    "recipient_name": "Erika",
    "cluster": "Optence",
    "node_url": "https://spalier.optence.example",
    "link": "https://spalier.optence.example/nachrichten/und",
    "who": "Adam, Laser AG",
    "last_day": date(2026, 12, 1),
    "confirm_link": "https://spalier.optence.example/bestaetigen/x",
}


@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("kind", NAMING)
@pytest.mark.parametrize("title", ["Zwetschgen\u2028kern", "Z" * 160])
def test_no_text_names_it_any_more(kind: MailKind, language: str, title: str) -> None:
    text = write_text(kind, language, {**VALUES, "title": title})
    shown = shown_title(title)
    assert shown in text.subject
    assert shown in text.body
    clean = without_title(text, shown, "gelöschter Eintrag")
    assert shown not in clean.subject + clean.body
    assert "gelöschter Eintrag" in clean.subject
    assert "gelöschter Eintrag" in clean.body


@pytest.mark.parametrize("kind", NAMING)
def test_a_title_of_common_words_leaves_the_rest_alone(kind: MailKind) -> None:
    text = write_text(kind, "de", {**VALUES, "title": "und"})
    clean = without_title(text, "und", "gelöschter Eintrag")
    assert clean.body.count("gelöschter Eintrag") == 1
    assert VALUES["link"] in clean.body
    assert clean.body.replace("gelöschter Eintrag", "und") == text.body


def test_kinds_that_name_no_entry_are_left_alone() -> None:
    text = MailText("Ihre Anmeldung", "Mit diesem Link\n")
    assert without_title(text, "Anmeldung", "x") == text
