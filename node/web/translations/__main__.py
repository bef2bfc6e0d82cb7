"""Command line of the catalogues; see the package's docstring."""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import click

from node.web.application import PAGES_GROUP
from node.web.translations.catalogue import TextPackage, extract, gaps, to_bytes, update

_HERE = Path(__file__).parent
_LANGUAGES = ("de",)
# What is said in a terminal has its own catalogue, beside the one of the pages.
_COMMAND_LINE = frozenset({"cli", "demo"})


def text_packages() -> list[TextPackage]:
    """List `node`, its command line, and installed packages that add pages."""
    node = _HERE.parents[1]
    # The protocol library and the schemas know no language; a node says what
    # they find.
    found = (node, node.parent / "federation", node.parent / "schemas")
    packages = [
        TextPackage("node", found, _HERE, without=_COMMAND_LINE),
        TextPackage(
            "node.cli",
            tuple(node / name for name in sorted(_COMMAND_LINE)),
            node / "cli" / "translations",
        ),
    ]
    for point in entry_points(group=PAGES_GROUP):
        name = point.module.partition(".")[0]
        spec = find_spec(name)
        for folder in (spec.submodule_search_locations if spec else None) or ():
            source = Path(folder)
            packages.append(TextPackage(name, (source,), source / "translations"))
    return packages


@click.group()
def main() -> None:
    """Keep the catalogues of the pages complete."""


@main.command("update")
def update_all() -> None:
    """Add new texts, drop unused ones, list what is to be translated."""
    for package in text_packages():
        for language in _LANGUAGES:
            update(package, language)
    _list_gaps()


@main.command("check")
def check_all() -> None:
    """Exit with 1 if a text has no finished translation."""
    if _list_gaps():
        raise SystemExit(1)


@main.command("template")
def print_template() -> None:
    """Print messages.pot, package by package."""
    for package in text_packages():
        click.echo(to_bytes(extract(package)).decode())


def _list_gaps() -> int:
    missing = [
        gap
        for package in text_packages()
        for language in _LANGUAGES
        for gap in gaps(package, language)
    ]
    for gap in missing:
        click.echo(f"{gap.package} {gap.language}: {gap.text!r}  ({gap.places})")
    click.echo(f"{len(missing)} texts to translate")
    return len(missing)


if __name__ == "__main__":
    main()
