"""The words of our mails: one text template for each kind and language.

The first line of a template is the subject; it says what happened, so that the
list of mails in somebody's mailbox is worth reading.
"""

import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from node.mail.model import MailKind

LANGUAGES: Final = ("de", "en")
SUBJECT_CHARACTERS_MAX: Final = 200  # column: 300
_CONTROL: Final = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+"
)
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MailText:
    """Subject (one line) and body (plain text) of a mail."""

    subject: str
    body: str


def _one_line(text: object) -> str:
    """Make one line of a text that somebody else wrote, without control signs."""
    return " ".join(_CONTROL.sub(" ", str(text)).split())


def _day_de(day: date) -> str:
    return f"{day.day:02}.{day.month:02}.{day.year}"


def _day_en(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("node.mail", "templates"),
        undefined=StrictUndefined,
        auto_reload=False,
        # Plain text: nothing to escape. No template here ends in .html.
        autoescape=select_autoescape(default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["one_line"] = _one_line
    environment.filters["day_de"] = _day_de
    environment.filters["day_en"] = _day_en
    return environment


_TEMPLATES: Final = _environment()


def language_for(wanted: str, default: str) -> str:
    """Return the language of the texts for somebody who wants `wanted`."""
    for language in (wanted, default):
        primary = language.partition("-")[0].lower()
        if primary in LANGUAGES:
            return primary
    return LANGUAGES[0]


def write_text(kind: MailKind, language: str, values: dict[str, Any]) -> MailText:
    """Fill the template of a kind.

    Args:
        kind: What the mail is about.
        language: One of `LANGUAGES`.
        values: What the template names; a missing one is an error.

    Raises:
        jinja2.UndefinedError: A value that the template names is missing.
    """
    template = _TEMPLATES.get_template(f"{kind.value}.{language}.txt")
    lines = template.render(values).strip().splitlines()
    subject = _shortened(_one_line(lines[0].removeprefix("Subject:")))
    body = "\n".join(line.rstrip() for line in lines[1:]).strip() + "\n"
    return MailText(subject, body)


def without_title(text: MailText, title: str, words: str) -> MailText:
    """Say `words` where a text names an entry by its title.

    A title stands in the subject between quotation marks, and in the body in a line
    of its own; nothing else is touched, however common its words are.

    Args:
        text: What `write_text` made.
        title: The title as `shown_title` gives it.
        words: What stands there instead.
    """
    subject = text.subject
    for before, after in (("„", "“"), ('"', '"')):
        quoted = f"{before}{title}{after}"
        subject = subject.replace(quoted, f"{before}{words}{after}")
    lines = [words if line == title else line for line in text.body.split("\n")]
    return MailText(subject, "\n".join(lines))


def shown_title(title: object) -> str:
    """Return a title as the texts write it."""
    return _one_line(title)


def _shortened(subject: str) -> str:
    if len(subject) <= SUBJECT_CHARACTERS_MAX:
        return subject
    return subject[: SUBJECT_CHARACTERS_MAX - 1].rstrip() + "…"
