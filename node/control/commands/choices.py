"""Arguments of commands that are one of some words."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from node.errors import InvalidInputError
from node.sentence import Sentence

_Choice = TypeVar("_Choice", bound=StrEnum)


def chosen(path: str, text: str, choices: type[_Choice]) -> _Choice:
    """Return the choice that an argument names.

    Raises:
        InvalidInputError: It names none; says which there are.
    """
    try:
        return choices(text)
    except ValueError as error:
        raise not_one_of(path, text, [each.value for each in choices]) from error


def not_one_of(path: str, text: str, choices: Iterable[str]) -> InvalidInputError:
    """Say that an argument is none of its choices."""
    return InvalidInputError(
        Sentence(
            "“{text}” is none of: {choices}.", text=text, choices=", ".join(choices)
        ),
        path=path,
    )
