"""Decisions that outlive a restore: ids, versions and times, never content.

A line of the journal says how something stands after a change, or only what has
changed about it; whoever reads all lines knows the latest of each (`Decided`).

Source: SPEC.md NOD-066, NOD-067.
"""

import contextlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, Final, TypeAlias, get_type_hints

from federation.trust import TrustState
from federation.version import Version
from node.catalogue.model import AudienceLevel, Entry, EntryState, Kept
from node.keys.model import KeyState, NodeKey
from node.members.model import Role
from node.visibility.policy import PolicySheet, from_document, to_document


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryDecision:
    """How an entry of ours stands: version, state, for whom.

    Attributes:
        partners: Our ids of the named partners; empty unless `level` names them.
        kept: What else narrows it: ids of partners and organisations that it is kept
            from, `group:ID` of its group, `list:ID` of what it excludes, `home:FIELD`
            of what stays in the cluster, and `chiffre` if its owner is hidden.
        at: Of the change.
    """

    id: str
    version: Version
    state: EntryState
    level: AudienceLevel
    partners: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    at: datetime

    @property
    def rank(self) -> tuple[Version, bool]:
        """Order of the decisions about one entry, whichever was written first.

        Whoever closes an entry leaves its version; whoever opens it again raises it.
        """
        return self.version, self.state is not EntryState.PUBLISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingDecision:
    """How far entries may go, or who belongs to a group.

    Attributes:
        name: `kind:KIND`, `organisation:ID` or `group:ID`.
        level: The ceiling; None for none.
        members: Our ids of the organisations of a group.
    """

    name: str
    level: AudienceLevel | None = None
    members: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonDecision:
    """What was taken from a person; None for what this line does not speak of.

    Attributes:
        left: Whether the person has left.
        consented: Whether the person may be shown to partners.
        role: The role.
        password_at: When the password was replaced or taken away last.
    """

    id: str
    left: bool | None = None
    consented: bool | None = None
    role: Role | None = None
    password_at: datetime | None = None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerDecision:
    """Where a partnership stands; None for what this line does not speak of.

    Attributes:
        hidden: Whether its entries are kept from our members' eyes.
        purged: Whether its copies were removed, and that was not undone.
        purged_at: When they were.
        given: The policy sheet of what it gets, as `policy_line` writes it.
        taken: The policy sheet of what is taken from it.
    """

    id: str
    state: TrustState | None = None
    hidden: bool | None = None
    purged: bool | None = None
    purged_at: datetime | None = None
    given: str | None = None
    taken: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerKeyDecision:
    """That nothing counts any more which a key of a partner has signed.

    Attributes:
        id: The key (Multikey).
        revoked_at: From when on.
    """

    id: str
    revoked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDecision:
    """The stage of one of our keys; None for what this line does not speak of."""

    number: int
    multibase: str | None = None
    state: KeyState | None = None
    created_at: datetime | None = None
    activated_at: datetime | None = None
    retired_at: datetime | None = None
    revoked_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMark:
    """The epoch and the incarnation that the node has reached."""

    incarnation: int
    epoch: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosingDecision:
    """That the cluster closes down, which nobody can take back."""

    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """The number of the newest transaction whose decisions are in the journal."""

    number: int


Decision: TypeAlias = (
    EntryDecision
    | SettingDecision
    | PersonDecision
    | PartnerDecision
    | PartnerKeyDecision
    | KeyDecision
    | NodeMark
    | ClosingDecision
    | Reached
)
_KINDS: Final[Mapping[str, type[Any]]] = MappingProxyType(
    {
        "entry": EntryDecision,
        "setting": SettingDecision,
        "person": PersonDecision,
        "partner": PartnerDecision,
        "partner_key": PartnerKeyDecision,
        "key": KeyDecision,
        "node": NodeMark,
        "closing": ClosingDecision,
        "reached": Reached,
    }
)
_NAMES: Final = MappingProxyType({kind: name for name, kind in _KINDS.items()})
_TYPES: Final = MappingProxyType(
    {kind: get_type_hints(kind) for kind in _KINDS.values()}
)


_STAGE_TIMES: Final = ("activated_at", "retired_at", "revoked_at")


class NotADecisionError(ValueError):
    """A line of the journal is not as it was written."""


class UnknownDecisionError(ValueError):
    """A line is whole, and says what only a newer program understands."""


@dataclass(slots=True)
class Decided:
    """The latest decision about each thing.

    Attributes:
        entries: By id.
        decided_in: The incarnation in which the node decided so, by entry. After a
            restore its entries have older versions again, and yet what is decided
            then counts.
        reached: Number of the newest transaction that it knows of.
        unreadable: Lines that are damaged.
        unknown: Lines that only a newer program understands.
    """

    entries: dict[str, EntryDecision] = field(default_factory=dict)
    settings: dict[str, SettingDecision] = field(default_factory=dict)
    persons: dict[str, PersonDecision] = field(default_factory=dict)
    partners: dict[str, PartnerDecision] = field(default_factory=dict)
    partner_keys: dict[str, PartnerKeyDecision] = field(default_factory=dict)
    keys: dict[int, KeyDecision] = field(default_factory=dict)
    decided_in: dict[str, int] = field(default_factory=dict)
    marks: dict[int, NodeMark] = field(default_factory=dict)
    mark: NodeMark | None = None
    closing: ClosingDecision | None = None
    reached: int = 0
    unreadable: int = 0
    unknown: int = 0

    def take(self, decision: Decision) -> None:
        """Take one line into account; lines come in the order of the file."""
        match decision:
            case EntryDecision():
                self._take_of_entry(decision)
            case SettingDecision():
                self.settings[decision.name] = decision
            case PersonDecision():
                _merge(self.persons, decision.id, decision)
            case PartnerDecision():
                _merge(self.partners, decision.id, decision)
            case PartnerKeyDecision():
                self.partner_keys.setdefault(decision.id, decision)
            case KeyDecision():
                _merge(self.keys, decision.number, decision)
            case _:
                self._take_of_node(decision)

    def _take_of_entry(self, decision: EntryDecision) -> None:
        before = self.entries.get(decision.id)
        incarnation = 0 if self.mark is None else self.mark.incarnation
        is_later = self.decided_in.get(decision.id, 0) < incarnation
        if before is None or is_later or decision.rank >= before.rank:
            self.entries[decision.id] = decision
            self.decided_in[decision.id] = incarnation

    def _take_of_node(self, decision: NodeMark | ClosingDecision | Reached) -> None:
        match decision:
            case NodeMark():
                if self.mark is None or decision.incarnation >= self.mark.incarnation:
                    self.mark = decision
                    self.marks[decision.incarnation] = decision
            case ClosingDecision():
                self.closing = self.closing or decision
            case Reached():
                self.reached = max(self.reached, decision.number)

    def lines(self) -> list[Decision]:
        """Return what is needed to know the same."""
        of_node: list[Decision | None] = [
            self.mark,
            self.closing,
            Reached(number=self.reached) if self.reached else None,
        ]
        return [
            *self._lines_of_entries(),
            *self.settings.values(),
            *self.persons.values(),
            *self.partners.values(),
            *self.partner_keys.values(),
            *self.keys.values(),
            *(each for each in of_node if each is not None),
        ]

    def _lines_of_entries(self) -> Iterator[Decision]:
        """Yield them behind the marks of the incarnations that they belong to."""
        by_incarnation: dict[int, list[EntryDecision]] = {}
        for each in self.entries.values():
            by_incarnation.setdefault(self.decided_in[each.id], []).append(each)
        for incarnation in sorted(by_incarnation):
            if incarnation in self.marks:
                yield self.marks[incarnation]
            yield from by_incarnation[incarnation]


def decided(lines: Iterable[bytes]) -> Decided:
    """Read lines of a journal; what cannot be read is counted."""
    found = Decided()
    for line in lines:
        try:
            found.take(from_line(line))
        except NotADecisionError:
            found.unreadable += 1
        except UnknownDecisionError:
            found.unknown += 1
    return found


def of_entry(entry: Entry) -> EntryDecision:
    """Return the decision that an entry, as it stands, is the result of."""
    return EntryDecision(
        id=entry.id,
        version=entry.version,
        state=entry.state,
        level=entry.audience.level,
        partners=tuple(sorted(entry.audience.partner_ids)),
        kept=narrowed_by(
            entry.kept,
            group_id=entry.audience.group_id,
            is_chiffre=entry.is_chiffre,
            exclusions_id=entry.exclusions_id,
            home_fields=entry.home_fields,
        ),
        at=max(entry.updated_at, entry.closed_at or entry.updated_at),
    )


def narrowed_by(
    kept: Kept,
    *,
    group_id: str | None,
    is_chiffre: bool,
    exclusions_id: str | None,
    home_fields: Iterable[str],
) -> tuple[str, ...]:
    """Return what narrows an entry beside its audience's level and partners."""
    marks = {*kept.partner_ids, *kept.hosting_ids, *kept.organisation_ids}
    marks |= {f"home:{name}" for name in home_fields}
    if group_id is not None:
        marks.add(f"group:{group_id}")
    if exclusions_id is not None:
        marks.add(f"list:{exclusions_id}")
    if is_chiffre:
        marks.add("chiffre")
    return tuple(sorted(marks))


def setting_of_kind(kind: str, level: AudienceLevel) -> SettingDecision:
    """Return how far entries of a kind may go."""
    return SettingDecision(name=f"kind:{kind}", level=level)


def setting_of_organisation(
    organisation_id: str, level: AudienceLevel | None
) -> SettingDecision:
    """Return how far entries of an organisation may go."""
    return SettingDecision(name=f"organisation:{organisation_id}", level=level)


def setting_of_group(group_id: str, members: Iterable[str]) -> SettingDecision:
    """Return who belongs to a group; nobody if it was dissolved."""
    return SettingDecision(name=f"group:{group_id}", members=tuple(sorted(members)))


def of_person(
    person_id: str, values: Mapping[str, Any], *, at: datetime
) -> PersonDecision | None:
    """Return what a change of a person's columns decides, None if nothing."""
    decision = PersonDecision(
        id=person_id,
        left=values["left_at"] is not None if "left_at" in values else None,
        consented=values["consent_on"] is not None if "consent_on" in values else None,
        role=Role(values["role"]) if "role" in values else None,
        password_at=at if "password_hash" in values else None,
        at=at,
    )
    bare = PersonDecision(id=person_id, at=at)
    return None if decision == bare else decision


def of_partner(partner_id: str, values: Mapping[str, Any]) -> PartnerDecision | None:
    """Return what a change of a partner's columns decides, None if nothing."""
    if not values.keys() & {"state", "hidden_at", "policy_out", "policy_in"}:
        return None
    given, taken = values.get("policy_out"), values.get("policy_in")
    return PartnerDecision(
        id=partner_id,
        state=TrustState(values["state"]) if "state" in values else None,
        hidden=values["hidden_at"] is not None if "hidden_at" in values else None,
        given=None if given is None else policy_line(given),
        taken=None if taken is None else policy_line(taken),
    )


def policy_line(sheet: PolicySheet) -> str:
    """Return a policy sheet as the journal has it: preset, kinds, topics, numbers."""
    return json.dumps(to_document(sheet), separators=(",", ":"), sort_keys=True)


def policy_in(line: str) -> PolicySheet:
    """Read what `policy_line` wrote.

    Raises:
        NotADecisionError: It is something else; then nothing is known of it.
    """
    try:
        return from_document(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotADecisionError(str(error)) from error


def of_partner_keys(
    keys: Iterable[tuple[str, datetime | None]],
) -> list[PartnerKeyDecision]:
    """Return what is decided about keys of a partner, given when each was revoked."""
    return [
        PartnerKeyDecision(id=multibase, revoked_at=revoked)
        for multibase, revoked in keys
        if revoked is not None
    ]


def of_key(key: NodeKey) -> KeyDecision:
    """Return how one of our keys stands."""
    return KeyDecision(
        number=key.number,
        multibase=key.multibase,
        state=key.state,
        created_at=key.created_at,
        activated_at=key.activated_at,
        retired_at=key.retired_at,
        revoked_at=key.revoked_at,
    )


def of_stage(number: int, state: KeyState, values: Mapping[str, Any]) -> KeyDecision:
    """Return what a change of a key's stage decides."""
    times = {name: values.get(name) for name in _STAGE_TIMES}
    return KeyDecision(number=number, state=state, **times)


def to_line(decision: Decision) -> bytes:
    """Return a decision as one line of ASCII JSON, with a checksum (CRC-32)."""
    document: dict[str, Any] = {"is": _NAMES[type(decision)]}
    for each in fields(decision):
        value = getattr(decision, each.name)
        if value is None or value == ():
            continue
        document[each.name] = _plain(value)
    document["crc"] = _checksum(document)
    return _text(document) + b"\n"


def from_line(line: bytes) -> Decision:
    """Read what `to_line` wrote.

    Raises:
        NotADecisionError: It is something else.
        UnknownDecisionError: It is whole, but not of a kind that is known here.
    """
    try:
        document = json.loads(line)
        is_whole = document.pop("crc") == _checksum(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NotADecisionError(str(error)) from error
    if not is_whole:
        msg = "the checksum differs"
        raise NotADecisionError(msg)
    try:
        kind = _KINDS[document.pop("is")]
        types = _TYPES[kind]
        decision: Decision = kind(
            **{name: _typed(types[name], value) for name, value in document.items()}
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnknownDecisionError(str(error)) from error
    return decision


def is_undamaged(line: bytes) -> bool:
    """Whether a line is as it was written, understood or not."""
    with contextlib.suppress(UnknownDecisionError):
        try:
            from_line(line)
        except NotADecisionError:
            return False
    return True


def _text(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode("ascii")


def _checksum(document: Mapping[str, Any]) -> str:
    return f"{zlib.crc32(_text(document)):08x}"


def _plain(value: object) -> object:
    match value:
        case Enum():
            return value.value
        case datetime():
            # To the microsecond: what is compared with the database must be equal.
            return value.isoformat()
        case Version():
            return [value.incarnation, value.counter]
        case _:
            return value


def _typed(wanted: Any, value: Any) -> Any:
    for one in getattr(wanted, "__args__", None) or (wanted,):
        if one is Version:
            incarnation, counter = value
            return Version(int(incarnation), int(counter))
        if one is datetime:
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                msg = "a time without its zone"
                raise ValueError(msg)
            return moment
        if isinstance(one, type) and issubclass(one, Enum):
            return one(value)
        if one in {bool, int, str} and type(value) is one and not _is_tuple(wanted):
            return value
    if _is_tuple(wanted) and isinstance(value, list):
        return tuple(str(each) for each in value)
    msg = f"{value!r} is not what was expected"
    raise ValueError(msg)


def _is_tuple(wanted: Any) -> bool:
    return getattr(wanted, "__origin__", None) is tuple


def _merge(into: dict[Any, Any], key: object, decision: Any) -> None:
    """Put what a line says over what earlier ones said."""
    before = into.get(key)
    if before is None:
        into[key] = decision
        return
    said = {
        each.name: value
        for each in fields(decision)
        if (value := getattr(decision, each.name)) is not None
    }
    into[key] = replace(before, **said)
