"""Rules that every template keeps: translated, without inline style or script."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEMPLATES = sorted(
    path
    for package in ("node", "admin_ui")
    for path in (ROOT / package).rglob("templates/**/*.html")
)
_JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
# A word that follows a hyphen is the end of an id (`{{ field.id }}-hint`).
_WORD = re.compile(r"(?<![-\w])[A-Za-zÄÖÜäöüß]{2,}")
_SPOKEN_ATTRIBUTES = {"alt", "aria-label", "placeholder", "title", "content"}
# A name that is the same in every language.
_ALLOWED_CONTENT = {"width=device-width, initial-scale=1"}


class Lint(HTMLParser):
    """Collects what a reader would see untranslated, and what CSP would block."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "style"}:
            self.open.append(tag)
        for name, value in attrs:
            if name == "style" or name.startswith("on"):
                self.faults.append(f"<{tag} {name}=…>")
            if name in {"href", "action", "src"} and (value or "").startswith(
                ("javascript:", "http:", "//")
            ):
                self.faults.append(f"<{tag} {name}={value!r}>")
            if (
                name in _SPOKEN_ATTRIBUTES
                and _WORD.search(value or "")
                and value not in _ALLOWED_CONTENT
            ):
                self.faults.append(f"<{tag} {name}={value!r}>")
        if tag == "style":
            self.faults.append("<style>")

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open:
            if data.strip():
                self.faults.append(f"inline {self.open[-1]}: {data.strip()[:40]}")
        elif _WORD.search(data):
            self.faults.append(f"text outside gettext: {data.strip()[:60]!r}")


def faults_of(template: str) -> list[str]:
    lint = Lint()
    lint.feed(_JINJA.sub("", template))
    lint.close()
    return lint.faults


def test_there_are_templates():
    assert len(TEMPLATES) > 5


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_template_keeps_the_rules(path: Path):
    text = path.read_text()
    assert not faults_of(text)
    assert "{% trans" not in text, "write _()"
    assert "| safe" not in text, "escape it, or build markup in Python"
    assert "|safe" not in text, "escape it, or build markup in Python"


@pytest.mark.parametrize(
    "template",
    [
        "<p>Hello</p>",
        '<img alt="Logo">',
        '<p style="color:red"></p>',
        '<a onclick="x()"></a>',
        "<script>alert(1)</script>",
        '<a href="javascript:x"></a>',
        "<style>p {}</style>",
        "{{ x }} Wort",
    ],
)
def test_the_rules_find_breaches(template: str):
    assert faults_of(template)


def test_the_rules_let_translated_templates_pass():
    assert not faults_of(
        '<p title="{{ _("A title") }}">{{ _("Text") }} · {# note #}</p>'
        '<script src="/x.js" defer></script>'
    )
