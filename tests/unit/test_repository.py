"""The built wheel carries everything, and each repository rule finds its breach."""

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from deploy.setup import check_repository
from deploy.setup.check_repository import PACKAGES, SourceFile

ROOT = Path(__file__).parents[2]
# Names with a dot in front only keep empty folders in git.
IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*~", "*.tmp", ".*")


@pytest.fixture(scope="module")
def source_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the wheel is made from; builds leave nothing in the clone."""
    tree = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package, ignore=IGNORED)
    return tree


@pytest.fixture(scope="module")
def wheel(source_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built with the locked setuptools and without a network."""
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
            *("--outdir", target, source_tree),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = target.glob("spalier-*.whl")
    return built


def test_wheel_contains_every_file_of_the_packages(
    source_tree: Path, wheel: Path
) -> None:
    sources = {
        str(path.relative_to(source_tree))
        for package in PACKAGES
        for path in (source_tree / package).rglob("*")
        if path.is_file()
    }
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    assert sources - packed == set()
    # Nothing else gets in: no tests, no settings of somebody's machine.
    foreign = {name for name in packed - sources if ".dist-info/" not in name}
    assert foreign == set()


def test_wheel_declares_licence_command_and_pages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith("/METADATA"))
        (entries,) = (n for n in archive.namelist() if n.endswith("entry_points.txt"))
        assert "License-Expression: EUPL-1.2" in archive.read(metadata).decode()
        entry_points = archive.read(entries).decode()
        assert any(name.endswith("licenses/LICENSE") for name in archive.namelist())
    assert "spalier = node.cli:main" in entry_points
    assert "[spalier.pages]\noffice = admin_ui.routes:register" in entry_points


def test_packages_are_imported_from_an_installed_wheel(
    wheel: Path, tmp_path: Path
) -> None:
    # A wheel is a zip of what lands in site-packages.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    script = (
        f"import {', '.join(PACKAGES)}\n"
        "from importlib.resources import files\n"
        f"for package in ({', '.join(PACKAGES)},):\n"
        "    print(files(package).joinpath('py.typed'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path / "installed")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        str(tmp_path / "installed" / package / "py.typed") for package in PACKAGES
    ]


def test_names_of_our_packages_are_never_dependencies() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pins = (ROOT / "requirements-dev.lock").read_text().splitlines()
    wanted = [
        *project["dependencies"],
        *(
            name
            for extra in project["optional-dependencies"].values()
            for name in extra
        ),
        *(line for line in pins if "==" in line),
    ]
    names = {line.split("[")[0].split("=")[0].strip(" >") for line in wanted}
    assert "aiohttp" in names
    assert names.isdisjoint({"node", "federation", "schemas", "admin-ui", "admin_ui"})


def test_each_lock_pins_what_the_smaller_one_pins() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.rstrip(" \\") for line in lines if "==" in line}

    assert pins("requirements.lock") <= pins("requirements-postgres.lock")
    assert pins("requirements-postgres.lock") <= pins("requirements-dev.lock")


def test_this_repository_keeps_its_rules() -> None:
    files = check_repository.read_files(ROOT)
    assert "pyproject.toml" in {file.path for file in files}
    assert check_repository.findings(files) == []


PO_HEADER = (
    'msgid ""\nmsgstr ""\n"Language: de\\n"\n'
    '"Content-Type: text/plain; charset=utf-8\\n"\n'
    '"Plural-Forms: nplurals=2; plural=(n != 1);\\n"\n\n'
)
LONG_FUNCTION = "def long():\n" + "    pass\n" * check_repository.MAX_FUNCTION_LINES


@pytest.mark.parametrize(
    ("path", "content", "reason"),
    [
        ("node/web/helpers.py", "", "the name says nothing"),
        ("node/web/static/app.min.js", "", "third-party"),
        ("docs/data.json", "x" * 400_001, "bytes, more than"),
        ("node/a.py", "\n" * 601, "601 lines"),
        ("node/a.py", LONG_FUNCTION, "long has 81 lines"),
        ("docs/a.md", "see /home/anna/spalier/README", "path of one machine"),
        ("deploy/a.md", "see ../../elsewhere/a.md", "leaves the repository"),
        ("docs/a.md", "from https://pypi.org/simple", "names a package index"),
        ("some.lock", "a==1 --hash=sha256:0\n--index x", "an address or option"),
        (
            "some.lock",
            "a==1 @ https://host/a.whl --hash=sha256:0",
            "an address or option",
        ),
        ("some.lock", "a==1\n", "without a hash"),
        ("node/de.po", PO_HEADER + 'msgid "Yes"\nmsgstr ""\n', "not translated"),
        (
            "node/de.po",
            PO_HEADER + 'msgid "Day"\nmsgid_plural "Days"\n'
            'msgstr[0] "Tag"\nmsgstr[1] ""\n',
            "not translated",
        ),
        ("node/de.po", PO_HEADER + '#, fuzzy\nmsgid "A"\nmsgstr "B"\n', "fuzzy"),
        (
            "node/de.po",
            PO_HEADER + '#, python-format\nmsgid "%(n)s"\nmsgstr "%(m)s"\n',
            "placeholder",
        ),
        ("node/cli.py", "asyncio.wait_for(x, 1)", "asyncio.timeout"),
        ("node/web/static/a.js", "\n" * 151, "lines of script"),
    ],
)
def test_rule_finds_its_breach(path: str, content: str, reason: str) -> None:
    (finding,) = check_repository.findings([SourceFile(path, content.encode())])
    assert reason in finding


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("node/web/templates/base.html", "<p>/var/lib/spalier/node.toml</p>"),
        ("docs/adr/0001.md", "[specification](../../SPEC.md)"),
        ("some.lock", "a==1 \\\n    --hash=sha256:0\n"),
        ("node/de.po", PO_HEADER + 'msgid "Yes"\nmsgstr "Ja"\n'),
        ("node/a.py", "import asyncio\n"),
    ],
)
def test_rules_let_good_files_pass(path: str, content: str) -> None:
    assert check_repository.findings([SourceFile(path, content.encode())]) == []
