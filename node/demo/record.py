"""What the demonstration's folder remembers from one start to the next."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from federation.ports import RandomSource
from node.demo.clusters import DemoNode

RECORD_FILE = "demo.json"
LOGINS_FILE = "logins.json"
_OWNER_ONLY = 0o600
# Without letters and digits that look alike.
_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUPS, _GROUP_LETTERS = 2, 4


@dataclass(slots=True)
class DemoRecord:
    """How far the demonstration was set up.

    Attributes:
        loaded: Clusters whose sample data are in their nodes.
        paired: Whether the partnerships were made.
        talked: Whether the sample conversations took place.
        entries: URI of each published sample entry by its external id.
    """

    first_port: int
    loaded: list[str] = field(default_factory=list)
    paired: bool = False
    talked: bool = False
    entries: dict[str, str] = field(default_factory=dict)

    def store(self, folder: Path) -> None:
        """Write it."""
        _write(
            folder / RECORD_FILE,
            {
                "first_port": self.first_port,
                "loaded": self.loaded,
                "paired": self.paired,
                "talked": self.talked,
                "entries": self.entries,
            },
        )


def load_record(folder: Path) -> DemoRecord | None:
    """Read it, None if no demonstration was started here."""
    try:
        document = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return DemoRecord(**document)


@dataclass(frozen=True, slots=True)
class Logins:
    """Who can sign in, and with which password.

    Attributes:
        password: The same for all, random for each demonstration.
    """

    password: str

    def store(self, folder: Path, nodes: tuple[DemoNode, ...]) -> None:
        """Write them, readable by the owner only."""
        logins = [
            {
                "cluster": node.cluster.name,
                "url": node.base_url,
                "office": node.office,
                "member": node.member,
                "password": self.password,
            }
            for node in nodes
        ]
        _write(folder / LOGINS_FILE, {"password": self.password, "logins": logins})


def logins_of(folder: Path, random: RandomSource) -> Logins:
    """Read the logins of the folder, or make new ones."""
    try:
        document = json.loads((folder / LOGINS_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Logins(_new_password(random))
    return Logins(document["password"])


def _new_password(random: RandomSource) -> str:
    letters: list[str] = []
    while len(letters) < _GROUPS * _GROUP_LETTERS:
        # Values beyond the last full round are thrown away: all letters are
        # equally likely.
        value = random.bytes(1)[0]
        if value < 256 - 256 % len(_LETTERS):
            letters.append(_LETTERS[value % len(_LETTERS)])
    text = "".join(letters)
    groups = [
        text[start : start + _GROUP_LETTERS]
        for start in range(0, len(text), _GROUP_LETTERS)
    ]
    return "-".join(("demo", *groups))


def _write(path: Path, document: Mapping[str, Any]) -> None:
    """Replace a file in one step, readable by its owner only."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, indent=2)
        file.write("\n")
    new.replace(path)
