"""What the components draw: plain values that a page prepares.

A component decides how something looks, never what may be seen: pages fill these
values from entries that the visibility rules let through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypeAlias
from urllib.parse import urlencode

EntryTone: TypeAlias = Literal["offer", "request", "event", "profile", "chiffre"]
ButtonTone: TypeAlias = Literal["primary", "secondary", "danger", "quiet"]
StatusTone: TypeAlias = Literal["ok", "warning", "danger", "neutral"]

_NEIGHBOURS = 2  # page numbers on either side of the present one


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A link, or a button that sends a form.

    Attributes:
        label: Names the act ("Withdraw entry").
        method: `post` for everything that changes something.
        fields: Hidden fields of the form.
        describes: What it acts on, read aloud after the label where several
            buttons on a page say the same.
    """

    label: str
    href: str
    method: Literal["get", "post"] = "get"
    tone: ButtonTone = "secondary"
    fields: Mapping[str, str] = field(default_factory=dict)
    describes: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """A state in words; the tone only repeats them in colour and shape."""

    text: str
    tone: StatusTone = "neutral"


@dataclass(frozen=True, slots=True)
class Origin:
    """The cluster that something comes from."""

    name: str
    own: bool = False
    href: str = ""


@dataclass(frozen=True, slots=True)
class AudienceView:
    """Who sees an entry.

    Attributes:
        sentence: "Your cluster and 2 partner clusters see this."
        names: Clusters by name, where some are named.
        reason: Why that is so, if there is more to say than the choice itself.
    """

    sentence: str
    names: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryCard:
    """An entry in a list.

    Attributes:
        kind_label: "Request · Capacity", in the reader's language.
        title: Text by language.
        summary: Text by language; empty for none.
        since: When it was published or last changed.
        unseen: Whether it is new since the reader was last here.
        valid_until: Last day, if it has one.
        when: For events: day and place in words.
        owner: Organisation, and person where one is named.
        reason: Why the reader sees it (plain text).
        status: State, where it is another than "published".
        unconfirmed: Whether its origin has not confirmed it for long; drawn paler.
    """

    href: str
    tone: EntryTone
    kind_label: str
    title: Mapping[str, str]
    origin: Origin
    since: datetime
    summary: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    unseen: bool = False
    valid_until: date | None = None
    when: str = ""
    reason: str = ""
    status: Status | None = None
    unconfirmed: bool = False
    audience: AudienceView | None = None
    actions: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class Tab:
    """A filter or a part of a page, with the number behind it."""

    label: str
    href: str
    current: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Pagination:
    """Where in a long list the reader is.

    Attributes:
        page: 1-based number of the present page.
        pages: How many there are.
        path: Address of the list.
        query: The rest of the query, so that filters stay.
    """

    page: int
    pages: int
    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    def href(self, page: int) -> str:
        """Give the address of another page of the same list."""
        query = {**self.query, "seite": str(page)} if page > 1 else dict(self.query)
        return f"{self.path}?{urlencode(query)}" if query else self.path

    @property
    def numbers(self) -> list[int | None]:
        """Page numbers to show; None stands for a gap."""
        near = range(self.page - _NEIGHBOURS, self.page + _NEIGHBOURS + 1)
        wanted = sorted({1, self.pages, *near} & set(range(1, self.pages + 1)))
        numbers: list[int | None] = []
        for number in wanted:
            if numbers and number != (numbers[-1] or 0) + 1:
                numbers.append(None)
            numbers.append(number)
        return numbers


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of a definition list."""

    term: str
    value: str


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a strip: whether a partner answered."""

    day: date
    status: Literal["ok", "partly", "down", "none"]
    text: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far a message or an entry got, in words."""

    state: Literal["waiting", "delivered", "read", "failed"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """A message of a conversation.

    Attributes:
        mine: Written by the reader or for the reader's organisation.
        delivery: Only for what the reader's side sent.
    """

    author: str
    organisation: str
    text: str
    sent: datetime
    mine: bool
    delivery: Delivery | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of a timeline or one stage of a procedure."""

    title: str
    at: datetime | None = None
    text: str = ""
    status: StatusTone = "neutral"
    current: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """What a radio card says beside its label.

    Attributes:
        sentence: Who sees it then.
        preview: The entry as that audience sees it; None if nobody does.
    """

    sentence: str
    preview: EntryCard | None = None
