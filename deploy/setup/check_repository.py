"""Rules of this repository that no linter knows; `make check` runs them.

Each rule is a function from the files to its findings, so that the tests can
show for each one that it finds what it is there to find.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from babel.messages.pofile import read_po

PACKAGES = ("admin_ui", "federation", "node", "schemas")
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 80
# The front end works without scripts; what there is stays readable in one go.
MAX_SCRIPT_LINES = 150
# Larger tracked files are generated or somebody else's.
MAX_FILE_BYTES = 400_000

_NAMELESS = re.compile(r"^(utils?|helpers?|common|misc|manager|base)\.(py|js)$")
# Written by a program from the tables, read by nobody.
_GENERATED = re.compile(r"node/storage/migrations/versions/")
_FOREIGN = re.compile(r"\.min\.(js|css)$|(^|/)(vendor|node_modules)/")
_MACHINE_PATH = re.compile(
    r"(?<![\w.~/-])/(?:home/\w+|Users/\w+|root|workspaces?|work|builds)/"
)
_PARENT_PATH = re.compile(r"(?<![\w./])((?:\.\./)+[\w.-]+(?:/[\w.-]+)*)")
_INDEX_HOST = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|(extra-)?index[-_]url"
)
_ADDRESS = re.compile(
    r"https?://|file://|^\s*-(-index|-extra|-find|i\b|f\b)", re.MULTILINE
)
_WAIT_FOR = re.compile(r"asyncio\.wait_for\(|from asyncio import .*\bwait_for\b")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the repository: its path from the root and its bytes."""

    path: str
    content: bytes

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self.path).name

    @property
    def suffix(self) -> str:
        """The ending with its dot."""
        return PurePosixPath(self.path).suffix

    @property
    def is_text(self) -> bool:
        """Whether the content can be searched line by line."""
        return b"\0" not in self.content[:8192]

    @property
    def in_product(self) -> bool:
        """Whether the file is part of what is installed."""
        return self.path.split("/", 1)[0] in PACKAGES

    def text(self) -> str:
        """The content; sample files in other encodings are read as they come."""
        return self.content.decode("utf-8", errors="replace")

    def lines(self) -> Iterator[tuple[int, str]]:
        """Each line with its number, from 1."""
        return enumerate(self.text().splitlines(), start=1)


Rule = Callable[[SourceFile], Iterator[str]]


def names_say_something(file: SourceFile) -> Iterator[str]:
    """No file is called after what does not fit anywhere else."""
    if _NAMELESS.search(file.name):
        yield f"{file.path}: the name says nothing; name what is in it"


def nothing_foreign(file: SourceFile) -> Iterator[str]:
    """Third-party code is a dependency, never a copy."""
    if _FOREIGN.search(file.path):
        yield f"{file.path}: third-party or generated code; make it a dependency"
    if len(file.content) > MAX_FILE_BYTES:
        yield f"{file.path}: {len(file.content)} bytes, more than {MAX_FILE_BYTES}"


def files_are_short(file: SourceFile) -> Iterator[str]:
    """A file fits into one sitting."""
    if _GENERATED.match(file.path):
        return
    if file.suffix in {".py", ".html", ".js", ".sh"}:
        count = file.content.count(b"\n")
        if count > MAX_FILE_LINES:
            yield f"{file.path}: {count} lines, more than {MAX_FILE_LINES}"


def functions_are_short(file: SourceFile) -> Iterator[str]:
    """A function fits on one screen."""
    if file.suffix != ".py" or _GENERATED.match(file.path):
        return
    for node in ast.walk(ast.parse(file.content, file.path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            count = (node.end_lineno or node.lineno) - node.lineno + 1
            if count > MAX_FUNCTION_LINES:
                yield (
                    f"{file.path}:{node.lineno}: {node.name} has {count} lines, "
                    f"more than {MAX_FUNCTION_LINES}"
                )


def no_machine_paths(file: SourceFile) -> Iterator[str]:
    """Nothing depends on where somebody has the clone."""
    if not file.is_text:
        return
    for number, line in file.lines():
        if found := _MACHINE_PATH.search(line):
            yield f"{file.path}:{number}: path of one machine: {found.group()}"


def no_path_leaves_the_repository(file: SourceFile) -> Iterator[str]:
    """Documents and scripts point at files that a clone contains."""
    if file.suffix not in {".md", ".sh", ".toml", ".yml", ".yaml"}:
        return
    depth = len(PurePosixPath(file.path).parts) - 1
    for number, line in file.lines():
        for found in _PARENT_PATH.finditer(line):
            if found.group().count("../") > depth:
                yield f"{file.path}:{number}: leaves the repository: {found.group()}"


def no_package_index(file: SourceFile) -> Iterator[str]:
    """Whoever installs chooses the package source."""
    if not file.is_text:
        return
    for number, line in file.lines():
        if found := _INDEX_HOST.search(line):
            yield f"{file.path}:{number}: names a package index: {found.group()}"


def locks_have_no_addresses(file: SourceFile) -> Iterator[str]:
    """A lock holds versions and hashes and works with every package source."""
    if not file.name.endswith((".lock", "lock.json")):
        return
    if found := _ADDRESS.search(file.text()):
        yield f"{file.path}: contains an address or option: {found.group().strip()}"
    if file.suffix == ".lock":
        pins = file.text().count("==")
        if pins == 0 or file.text().count("--hash=sha256:") < pins:
            yield f"{file.path}: a pin without a hash"


def translations_are_complete(file: SourceFile) -> Iterator[str]:
    """Every sentence is translated, none is a guess, placeholders agree."""
    if file.suffix != ".po":
        return
    with_lines = file.content.splitlines(keepends=True)
    catalog = read_po(iter(with_lines), abort_invalid=True)
    for message in catalog:
        if not message.id:
            continue
        texts = message.string
        complete = all(texts) if isinstance(texts, tuple | list) else bool(texts)
        where = f"{file.path}:{message.lineno}"
        if message.fuzzy:
            yield f"{where}: fuzzy: {message.id!r}"
        if not complete:
            yield f"{where}: not translated: {message.id!r}"
        for error in message.check(catalog):
            yield f"{where}: {error}"


def no_wait_for(file: SourceFile) -> Iterator[str]:
    """Python 3.11 loses cancellations in asyncio.wait_for.

    Ruff bans it too, but its per-file exceptions for the composition root cover
    all banned calls at once.
    """
    if not file.in_product or file.suffix != ".py":
        return
    for number, line in file.lines():
        if _WAIT_FOR.search(line):
            yield f"{file.path}:{number}: use asyncio.timeout"


RULES: tuple[Rule, ...] = (
    names_say_something,
    nothing_foreign,
    files_are_short,
    functions_are_short,
    no_machine_paths,
    no_path_leaves_the_repository,
    no_package_index,
    locks_have_no_addresses,
    translations_are_complete,
    no_wait_for,
)


def little_script(files: list[SourceFile]) -> Iterator[str]:
    """All pages work without scripts; own ones stay small in total."""
    scripts = [file for file in files if file.in_product and file.suffix == ".js"]
    count = sum(file.content.count(b"\n") for file in scripts)
    if count > MAX_SCRIPT_LINES:
        yield f"{count} lines of script in the pages, more than {MAX_SCRIPT_LINES}"


def read_files(root: Path) -> list[SourceFile]:
    """All files that are, or could be, committed; no generated ones."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        check=True,
        capture_output=True,
    )
    paths = sorted(set(listing.stdout.decode().split("\0")) - {""})
    return [
        SourceFile(path, (root / path).read_bytes())
        for path in paths
        if (root / path).is_file()  # deleted, but not yet committed as such
    ]


def findings(files: list[SourceFile]) -> list[str]:
    """What the rules find, in the order of the files."""
    # This file and its tests spell out what they look for.
    own = {"deploy/setup/check_repository.py", "tests/unit/test_repository.py"}
    found = [
        finding
        for file in files
        for rule in RULES
        if not (rule in {no_machine_paths, no_package_index} and file.path in own)
        for finding in rule(file)
    ]
    found.extend(little_script(files))
    return found


def main() -> int:
    """Print the findings; 1 if there are any."""
    files = read_files(Path(__file__).parents[2])
    found = findings(files)
    for finding in found:
        print(finding)
    print(f"Repository rules: {len(files)} files, {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
