"""The menu: page modules add their entries, roles decide who sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from node.members.model import Person, Role

_RANKS = {role: rank for rank, role in enumerate(Role)}


class Area(StrEnum):
    """Where an entry of the menu stands."""

    MAIN = "main"
    ACTION = "action"  # the one button in the header
    OFFICE = "office"  # second row, on the office's pages
    PERSONAL = "personal"  # under the person's name


@dataclass(frozen=True, slots=True, kw_only=True)
class NavigationEntry:
    """One entry of the menu.

    Attributes:
        name: Identifier; counters refer to it.
        label: Lazily translated text (`lazy_gettext`).
        path: Address; the entry is current there and below.
        role: The role needed; None for everybody, visitors included.
        visitors_only: Shown only to people who have not signed in.
        order: Position within the area, small first.
    """

    name: str
    label: str
    path: str
    area: Area = Area.MAIN
    role: Role | None = None
    visitors_only: bool = False
    order: int = 100

    def shown_to(self, person: Person | None) -> bool:
        """Whether this person (None: a visitor) sees the entry."""
        if person is None:
            return self.role is None
        if self.visitors_only:
            return False
        return self.role is None or has_role(person, self.role)


@dataclass(frozen=True, slots=True)
class NavigationLink:
    """An entry as the layout draws it."""

    name: str
    label: str
    path: str
    current: bool
    count: int


class Navigation:
    """The entries of all page modules."""

    def __init__(self) -> None:
        self._entries: list[NavigationEntry] = []

    def add(self, *entries: NavigationEntry) -> None:
        """Add entries; an application does so while it is built."""
        self._entries.extend(entries)
        self._entries.sort(key=lambda entry: (entry.order, entry.path))

    def links(
        self, area: Area, *, path: str, person: Person | None, counts: Mapping[str, int]
    ) -> list[NavigationLink]:
        """List what one person sees of an area on the page `path`.

        Of several entries above `path` only the nearest is current.
        """
        shown = [
            entry
            for entry in self._entries
            if entry.area is area and entry.shown_to(person)
        ]
        above = [entry.path for entry in shown if is_at_or_below(path, entry.path)]
        nearest = max(above, key=len, default=None)
        return [
            NavigationLink(
                name=entry.name,
                label=str(entry.label),
                path=entry.path,
                current=entry.path == nearest,
                count=counts.get(entry.name, 0),
            )
            for entry in shown
        ]


def is_at_or_below(path: str, parent: str) -> bool:
    """Whether a page is `parent` or a page below it; `/` has nothing below."""
    return path == parent or (parent != "/" and path.startswith(f"{parent}/"))


def has_role(person: Person, role: Role) -> bool:
    """Whether a person has a role; each role includes the ones before it."""
    return _RANKS[person.role] >= _RANKS[role]
