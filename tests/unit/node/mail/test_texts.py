"""Every kind of mail has its text in every language, and nobody can inject."""

import datetime

import jinja2
import pytest

from node.mail.model import MailKind
from node.mail.texts import LANGUAGES, language_for, write_text
from node.signin.links import without_secrets

VALUES = {
    "recipient_name": "Anna Muster",
    "cluster": "Optence e. V.",
    "node_url": "https://optence.example",
    "link": "https://optence.example/seite",
    "confirm_link": "https://optence.example/bestaetigen/x",
    "title": "Messplatz & <b>mehr</b>",
    "who": "Jan Beispiel, Institut (Swissmem)",
    "last_day": datetime.date(2027, 1, 9),
    "minutes": 30,
    "days": 14,
    "partner": "Swissmem Photonics",
    "base_url": "https://swissmem.example",
    "new_url": "https://photonics.example",
    "check_number": "4711 0815",
    "pinned": "3BA2 8CBD DB7C 2559",
    "offered": "B6CB 0E5C 1B6B 376D",
    "because": "not_listed",
    "keys": "B6CB 0E5C 1B6B 376D",
    "gives": True,
    "takes": False,
}
SUBJECTS = {
    MailKind.SIGN_IN_LINK: "Ihre Anmeldung bei Optence e. V.",
    MailKind.FIRST_PASSWORD: "Ihr Zugang zu Optence e. V.",
    MailKind.NEW_ANSWER: "Neue Antwort auf „Messplatz & <b>mehr</b>“",
    MailKind.NEW_MESSAGE: "Neue Nachricht zu „Messplatz & <b>mehr</b>“",
    MailKind.ENTRY_EXPIRES: "Gilt noch bis 09.01.2027: „Messplatz & <b>mehr</b>“",
    MailKind.ENTRY_EXPIRED: "Abgelaufen: „Messplatz & <b>mehr</b>“",
    MailKind.PARTNER_REQUEST: "Swissmem Photonics möchte Partner werden",
    MailKind.PARTNER_ACTIVE: "Verbunden mit Swissmem Photonics",
    MailKind.PARTNER_KEY_CHANGED: (
        "Swissmem Photonics: Schlüssel bitte am Telefon vergleichen"
    ),
    MailKind.PARTNER_KEY_ANNOUNCED: "Swissmem Photonics hat einen neuen Schlüssel",
    MailKind.PARTNER_MOVES: (
        "Swissmem Photonics meldet einen Umzug – bitte telefonisch prüfen"  # noqa: RUF001
    ),
    MailKind.POLICY_ENDS: (
        "Regeln für Swissmem Photonics gelten nur noch bis 09.01.2027"
    ),
}


@pytest.mark.parametrize("kind", MailKind)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_kind_in_every_language(kind: MailKind, language: str) -> None:
    text = write_text(kind, language, VALUES)
    assert text.subject
    assert "Subject:" not in text.subject
    assert "{" not in text.body
    assert "\n\n\n" not in text.body
    assert VALUES["link"] in text.body
    assert "Anna Muster," in text.body
    footer = "wurde automatisch" if language == "de" else "sent automatically"
    assert footer in text.body
    assert "\n-- \n" in text.body or "\n--\n" in text.body


@pytest.mark.parametrize("kind", MailKind)
def test_the_subject_says_what_happened(kind: MailKind) -> None:
    assert write_text(kind, "de", VALUES).subject == SUBJECTS[kind]


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(jinja2.UndefinedError):
        write_text(
            MailKind.NEW_ANSWER, "de", {**VALUES, "who": jinja2.StrictUndefined()}
        )


def test_what_others_wrote_stays_on_its_line() -> None:
    title = "Harmlos\r\nBcc: a@b.example\n\n{{ link }}\u202e\x00"
    text = write_text(MailKind.NEW_ANSWER, "de", {**VALUES, "title": title})
    assert "\n" not in text.subject
    assert "\nBcc" not in text.body
    assert "{{ link }}" in text.body  # never evaluated
    assert "\u202e" not in text.body + text.subject


def test_a_long_subject_is_shortened() -> None:
    text = write_text(MailKind.NEW_ANSWER, "en", {**VALUES, "title": "x" * 500})
    assert len(text.subject) == 200
    assert text.subject.endswith("…")


def test_without_confirmation_no_link_is_offered() -> None:
    text = write_text(MailKind.ENTRY_EXPIRED, "de", {**VALUES, "confirm_link": None})
    assert "mit einem Klick" not in text.body


@pytest.mark.parametrize(
    ("wanted", "default", "chosen"),
    [("de-CH", "en", "de"), ("fr", "en", "en"), ("", "fr", "de"), ("EN", "de", "en")],
)
def test_language(wanted: str, default: str, chosen: str) -> None:
    assert language_for(wanted, default) == chosen


def test_tokens_are_struck_out() -> None:
    token = "Ab_-" * 10 + "xyz"
    text = (
        f"a https://x.example/anmelden/{token} b https://x.example/bestaetigen/{token}"
    )
    assert token not in without_secrets(text)
    assert without_secrets("/anmelden/kurz") == "/anmelden/kurz"
