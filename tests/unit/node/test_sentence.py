"""Sentences that are translated after they were written, and errors that hold them."""

import errno
import json

import pytest

from federation.errors import IdentifierError
from federation.ids import parse_base_url
from federation.validation import faults_of_entry
from node.control.failures import error_document, sentence_from, without_words
from node.control.request import CommandFailedError
from node.errors import ConflictError, InputFault, InvalidInputError
from node.sentence import Sentence, in_words, sentence_of, system_reason

GERMAN = {
    "{name} is {state}.": "{name} ist {state}.",
    "asleep": "am Schlafen",
    "Wake {name}.": "Wecken Sie {name}.",
    "Wait.": "Warten Sie.",
    "Permission denied": "Keine Berechtigung",
}


def german(message: str) -> str:
    return GERMAN.get(message, message)


def test_a_sentence_is_its_english_text() -> None:
    sentence = Sentence("{name} is {state}.", name="Süd", state=Sentence("asleep"))
    assert sentence == "Süd is asleep."
    assert json.dumps(sentence) == '"S\\u00fcd is asleep."'


def test_sentences_in_sentences_are_translated_with_them() -> None:
    sentence = Sentence("{name} is {state}.", name="Süd", state=Sentence("asleep"))
    assert sentence.translated(german) == "Süd ist am Schlafen."


def test_values_are_never_taken_for_templates() -> None:
    name = "{state} {0} {name.__class__}"
    sentence = Sentence("{name} is {state}.", name=name, state="up")
    assert sentence.translated(german) == f"{name} ist up."
    assert Sentence("{as it was typed}").translated(german) == "{as it was typed}"


def test_a_plain_text_is_its_own_template_and_nothing_stays_nothing() -> None:
    assert in_words("Wait.", german) == "Warten Sie."
    # gettext answers the empty message id with the catalogue's header.
    assert in_words("", lambda _message: "header") == ""
    assert Sentence("").translated(lambda _message: "header") == ""


def test_errors_say_message_hint_and_faults_in_words() -> None:
    error = InvalidInputError(
        Sentence("{name} is {state}.", name="Süd", state=Sentence("asleep")),
        hint=Sentence("Wake {name}.", name="Süd"),
        faults=[InputFault("/name", "Wait.")],
    )
    assert str(error) == "Süd is asleep."
    assert error.in_words(german) == ("Süd ist am Schlafen.", "Wecken Sie Süd.")
    assert error.faults[0].in_words(german) == "Warten Sie."
    assert ConflictError("Wait.").in_words(german) == ("Warten Sie.", "")


def test_what_the_protocol_library_finds_becomes_a_sentence() -> None:
    (fault,) = faults_of_entry({"kind": "meteor"})
    assert sentence_of(fault) == fault.message
    assert sentence_of(fault).template == "The kind must be one of: {names}."
    with pytest.raises(IdentifierError) as caught:
        parse_base_url("https://[x", allow_loopback_http=False)
    assert sentence_of(caught.value) == str(caught.value)
    assert sentence_of(caught.value).values == {"address": "'https://[x'"}


def test_what_the_system_says_is_a_sentence() -> None:
    reason = system_reason(PermissionError(errno.EACCES, "Permission denied"))
    assert reason.translated(german) == "Keine Berechtigung"
    assert system_reason(OSError()) == "OSError"


def test_errors_cross_the_control_socket_and_stay_translatable() -> None:
    error = InvalidInputError(
        Sentence("{name} is {state}.", name="Süd", state=Sentence("asleep")),
        hint=Sentence("Wake {name}.", name="Süd"),
        faults=[InputFault("/name", Sentence("{name} is {state}.", name=1, state=2))],
    )
    sent = json.loads(json.dumps(error_document(error)))
    received = error_document(CommandFailedError(sent["error"]))["error"]
    assert received == sent["error"]
    assert sentence_from(received["words"]).translated(german) == "Süd ist am Schlafen."
    assert sentence_from(received["hint_words"]).translated(german) == "Wecken Sie Süd."
    fault = received["faults"][0]
    assert sentence_from(fault["words"]).translated(german) == "1 ist 2."


def test_scripts_get_english_and_nothing_else() -> None:
    error = InvalidInputError(
        Sentence("{name} is {state}.", name="Süd", state=Sentence("asleep")),
        hint=Sentence("Wake {name}.", name="Süd"),
        faults=[InputFault("/name", Sentence("{name} is {state}.", name=1, state=2))],
    )
    assert without_words(error_document(error)) == {
        "error": {
            "code": "invalid-input",
            "message": "Süd is asleep.",
            "path": "/name",
            "hint": "Wake Süd.",
            "faults": [{"path": "/name", "message": "1 is 2."}],
        }
    }
