"""What is wrong with a node's settings, one sentence for each fault."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import ValidationError

from federation.errors import IdentifierError
from node.errors import InputFault
from node.sentence import Sentence, sentence_of


def unknown_setting(sentence: Sentence, name: str, known: list[str]) -> Sentence:
    """Say that a name is none, and which one was perhaps meant.

    Args:
        sentence: What is said in any case.
        name: What was found.
        known: All names that exist.
    """
    found = difflib.get_close_matches(name, known, n=1)
    if not found:
        return sentence
    return Sentence("{sentence} Did you mean {name}?", sentence=sentence, name=found[0])


def with_origin(message: str, origin: str) -> Sentence:
    """Add the file or the variable in which a setting stands."""
    said = message if isinstance(message, Sentence) else Sentence(message)
    return Sentence("{message} ({origin})", message=said, origin=origin)


def faults_of(error: ValidationError) -> Iterator[InputFault]:
    """Return each thing that pydantic finds wrong, with its dotted path."""
    for detail in error.errors(include_url=False, include_input=False):
        path = ".".join(str(part) for part in detail["loc"])
        if detail["type"] == "base_url":
            path = "base_url"
        elif detail["type"] == "smtp_incomplete":
            path = "mail.transport"
        yield InputFault(path=path, message=_said(detail))


# By pydantic's names for what is wrong; its own words for the rest.
_TYPE_SENTENCES: Final = {
    "bool_parsing": "This must be true or false.",
    "bool_type": "This must be true or false.",
    "greater_than_equal": "This must be {ge} or more.",
    "int_from_float": "This must be a whole number.",
    "int_parsing": "This must be a whole number.",
    "int_type": "This must be a whole number.",
    "less_than_equal": "This must be {le} or less.",
    "literal_error": "This must be one of: {expected}.",
    "missing": "This setting is missing.",
    "model_type": "This must be a group of settings.",
    "string_too_long": "This is longer than {max_length} characters.",
    "string_too_short": "This is shorter than {min_length} characters.",
    "string_type": "This must be a text.",
}


def _said(detail: Mapping[str, Any]) -> Sentence:
    context: Mapping[str, Any] = detail.get("ctx", {})
    template = _TYPE_SENTENCES.get(detail["type"])
    if template is not None:
        return Sentence(template, **context)
    return address_sentence(context) if "found" in context else _whole(detail["msg"])


def address_sentence(context: Mapping[str, Any]) -> Sentence:
    """Say what is wrong with an address; `context["found"]` is the error."""
    found: IdentifierError = context["found"]
    return Sentence("{reason}.", reason=sentence_of(found))


def _whole(text: str) -> Sentence:
    sentence = text[:1].upper() + text[1:].rstrip(".") + "."
    return Sentence(sentence)
