"""Finds the texts that are translated later: templates of sentences and errors.

A call such as `_("…")` is found by Babel. These are not marked by a function of
gettext, because what raises them knows no language:

- `Sentence("…")`, `Fault(path, "…")` and their like: a literal in its place;
- message and `hint` of an error of `node.errors`, or of a subclass beside it;
- strings in collections at module level whose name ends in `SENTENCES`; of a
  mapping the values.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, TypeAlias

from babel.messages.extract import extract_python

# Where the template stands: position and keyword.
_PLACES: Final = {
    "BrokenRule": (1, "message"),
    "Fault": (1, "template"),
    "IdentifierError": (0, "template"),
    "InputFault": (1, "message"),
    "InvitationCodeError": (0, "template"),
    "PydanticCustomError": (1, "message_template"),
    "RowError": (1, "message"),
    "Sentence": (0, "template"),
}
_ERRORS_MODULE: Final = "node.errors"
_COLLECTION_SUFFIX: Final = "SENTENCES"
# The keyword under which `catalogue` takes what is found here.
KEYWORD: Final = "Sentence"

# A place, which says nothing by itself.
_PLACE: Final = re.compile(r"\{\w+\}")

# Line, function, text (or texts of several arguments), comments.
_Found: TypeAlias = tuple[int, str, Any, list[str] | str | None]


def extract_texts(
    file: IO[bytes],
    keywords: Sequence[str],
    comment_tags: Sequence[str],
    options: dict[str, Any],
) -> Iterator[_Found]:
    """Extract both kinds of texts from a Python file; a method of Babel's."""
    marked: Any = [name for name in keywords if name != KEYWORD]
    known: Any = options
    found: Any = extract_python(file, marked, comment_tags, known)
    yield from found
    file.seek(0)
    for line, text in sentences(ast.parse(file.read())):
        yield line, KEYWORD, text, []


def sentences(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and text of every template in a module."""
    for expression in templates(tree):
        for text in literals(expression):
            if any(letter.isalpha() for letter in _PLACE.sub("", text)):
                yield expression.lineno, text


def templates(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield every expression of a module in which a template is expected."""
    errors = _error_classes(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = _called(node)
            if name in _PLACES:
                position, keyword = _PLACES[name]
                yield from _argument(node, position, keyword)
            elif name in errors:
                yield from _argument(node, 0, "message")
                yield from _argument(node, None, "hint")
    for statement in tree.body:
        yield from _collected(statement)


def _error_classes(tree: ast.Module) -> set[str]:
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == _ERRORS_MODULE
        for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and any(
            isinstance(base, ast.Name) and (base.id in names or base.id == "NodeError")
            for base in node.bases
        ):
            names.add(node.name)
    return {name for name in names if name.endswith("Error")}


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _argument(call: ast.Call, position: int | None, keyword: str) -> Iterator[ast.expr]:
    if position is not None and len(call.args) > position:
        yield call.args[position]
    for each in call.keywords:
        if each.arg == keyword:
            yield each.value


def _collected(statement: ast.stmt) -> Iterator[ast.expr]:
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            pass
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            pass
        case _:
            return
    if name.endswith(_COLLECTION_SUFFIX):
        yield from _members(value)


def _members(value: ast.expr) -> Iterator[ast.expr]:
    match value:
        case ast.Dict(values=values):
            inner: Sequence[ast.expr] = values
        case ast.Tuple(elts=inner) | ast.List(elts=inner) | ast.Set(elts=inner):
            pass
        case _:
            yield value
            return
    for each in inner:
        yield from _members(each)


def literals(expression: ast.expr) -> Iterator[str]:
    """Yield the texts that an expression can be."""
    match expression:
        case ast.Constant(value=str() as text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from literals(body)
            yield from literals(orelse)
        case _:
            return


def unreadable(tree: ast.Module) -> Iterator[ast.expr]:
    """Yield templates that are put together when they are needed.

    Nobody can translate those: formatted strings and sums of strings.
    """
    for expression in templates(tree):
        if _is_put_together(expression):
            yield expression


def _is_put_together(expression: ast.expr) -> bool:
    match expression:
        case ast.JoinedStr():
            return True
        case ast.BinOp(left=left, right=right):
            return any(
                _is_put_together(part) or isinstance(part, ast.Constant)
                for part in (left, right)
            )
        case ast.Call():
            return _called(expression) in {"format", "join", "str"}
        case _:
            return False
