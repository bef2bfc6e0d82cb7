"""Which texts are collected for translation although no function marks them."""

import ast
import inspect
from pathlib import Path

import pytest

import node.errors
from node.errors import NodeError
from node.web.translations.__main__ import text_packages
from node.web.translations.catalogue import TextPackage, extract, load
from node.web.translations.sentences import literals, sentences, templates, unreadable

SOURCES = sorted(
    {
        path
        for package in text_packages()
        for folder in package.folders
        for path in folder.rglob("*.py")
        if not package.without & set(path.relative_to(folder).parts)
    }
)


def texts(source: str) -> list[str]:
    return [text for _line, text in sentences(ast.parse(source))]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('Sentence("{name} is gone.", name=1)', ["{name} is gone."]),
        ('sentence.Sentence("Gone.")', ["Gone."]),
        ('InputFault("/a", "Wrong.")', ["Wrong."]),
        ('InputFault(path="/a", message="Wrong.", row=1)', ["Wrong."]),
        ('Fault(f"{x}/a", "Missing.")', ["Missing."]),
        ('RowError(1, "Wrong.")', ["Wrong."]),
        ('Sentence("One" if x else "Two" " more")', ["One", "Two more"]),
        (
            '_SENTENCES: Final = {1: "One", 2: ("Two", "Three")}',
            ["One", "Two", "Three"],
        ),
        ('HINT_SENTENCES = ("One", "")', ["One"]),
        ('Sentence("{state}.", state=1)', []),
        ('_NAMES = ("One",)', []),
        ('def f():\n    SENTENCES = ("Inner",)', []),
        ('ConflictError("A class of somebody else")', []),
    ],
)
def test_templates_are_found_in_their_places(source: str, expected: list[str]) -> None:
    assert texts(source) == expected


def test_messages_and_hints_of_the_nodes_errors_are_found() -> None:
    source = """
from node.errors import ConflictError, NodeError
from federation.errors import ProofInvalidError

class OwnError(NodeError): ...

def f():
    raise ConflictError("Taken.", code="not-this", hint="Wait." if x else "")
    raise OwnError(message="Own.")
    raise ProofInvalidError("For the other node only")
"""
    assert texts(source) == ["Taken.", "Wait.", "Own."]


@pytest.mark.parametrize(
    "template",
    [
        'f"{x}"',
        '"a" + b',
        '"a {}".format(b)',
        '", ".join(b)',
        "str(error)",
        'f"{x}" + y',
    ],
)
def test_a_text_put_together_is_noticed(template: str) -> None:
    assert list(unreadable(ast.parse(f"Sentence({template})")))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: "/".join(path.parts[-3:]))
def test_no_error_is_put_together_where_it_is_raised(path: Path) -> None:
    source = path.read_text()
    found = [
        f"{path}:{each.lineno}: {ast.get_source_segment(source, each)}"
        for each in unreadable(ast.parse(source))
    ]
    assert not found, "write it as Sentence(template, name=value)"


@pytest.mark.parametrize("package", text_packages(), ids=lambda package: package.name)
def test_every_template_in_the_code_has_a_german_sentence(
    package: TextPackage,
) -> None:
    catalogue = load(package.catalogues / "de.po")
    missing = [
        text
        for folder in package.folders
        for path in folder.rglob("*.py")
        if not package.without & set(path.relative_to(folder).parts)
        for text in texts(path.read_text())
        if not getattr(catalogue.get(text), "string", "")
    ]
    assert not missing, "run `python -m node.web.translations update` and translate"


def test_the_check_looks_at_the_sentences_of_every_layer() -> None:
    (found,) = [package for package in text_packages() if package.name == "node"]
    known = {message.id for message in extract(found)}
    assert {
        "There is no entry {reference}.",  # node
        "This field is missing.",  # federation
        "The event ends before it starts.",  # schemas
        "Permission denied",  # the operating system
    } <= known


def test_places_of_templates_are_those_of_the_errors() -> None:
    """The extraction knows parameters by name; this holds it to the classes."""
    for _name, kind in inspect.getmembers(node.errors, inspect.isclass):
        if issubclass(kind, NodeError):
            parameters = list(inspect.signature(kind).parameters)
            assert parameters[0] == "message"
    tree = ast.parse("from node.errors import NodeError\nNodeError('One', hint='Two')")
    assert [text for each in templates(tree) for text in literals(each)] == [
        "One",
        "Two",
    ]
