"""What the office sets about audiences: groups of members, defaults and ceilings.

A setting holds for entries that exist, too. Before it counts, `Effect` says how many
entries become invisible or visible to whom.

Source: SPEC.md VIS-070, VIS-075.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement

from federation.ids import random_id
from federation.trust import ESTABLISHED
from node.audit.model import SubjectKind
from node.audit.noting import note_decision
from node.catalogue.catalogue import Catalogue
from node.catalogue.exclusions import Exclusions
from node.catalogue.model import AudienceLevel, Ceilings, Entry, EntryState
from node.catalogue.ports import EntryMail
from node.erasure.decisions import (
    setting_of_group,
    setting_of_kind,
    setting_of_organisation,
)
from node.errors import (
    ConflictError,
    InputFault,
    InvalidInputError,
    NotAuthorisedError,
    NotFoundError,
)
from node.limits import EFFECT_LINES_SHOWN
from node.members.fields import FieldError, read_line
from node.members.groups import Group
from node.members.model import Organisation, Person, Role
from node.members.rules import require_office
from node.ports import NodeContext
from node.sentence import Sentence
from node.storage import ceilings as rows
from node.storage import entries as entry_rows
from node.storage import groups as group_rows
from node.storage.ceilings import KindAudience
from node.storage.database import Transaction
from node.storage.exclusions import load_exclusions
from node.storage.members import load_organisation, update_organisation
from node.storage.partners import list_partners
from node.storage.tables import entries
from node.visibility import PartnerViewer, PublicViewer, Viewer, decide_entry
from schemas import KINDS

GROUP_NAME_CHARS = 120


@dataclass(frozen=True, slots=True)
class ViewerEffect:
    """What changes for one viewer.

    Attributes:
        name: Name of the partner cluster; None for everybody without signing in.
        hidden: Entries that become invisible.
        shown: Entries that become visible.
    """

    name: str | None
    hidden: int
    shown: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What a setting changes about entries that are published.

    Attributes:
        viewers: For whom something changes.
        entries: The entries, at most `EFFECT_LINES_SHOWN`.
        count: How many there are.
    """

    viewers: tuple[ViewerEffect, ...] = ()
    entries: tuple[Entry, ...] = ()
    count: int = 0


class Audiences:
    """Groups, defaults and ceilings, as the office and the organisations set them."""

    def __init__(
        self, context: NodeContext, *, catalogue: Catalogue, mail: EntryMail
    ) -> None:
        self._context = context
        self._catalogue = catalogue
        self._mail = mail

    # -- groups -----------------------------------------------------------------

    async def groups(self, *, organisation_id: str | None = None) -> list[Group]:
        """List the groups by name, all or those that an organisation belongs to."""
        async with self._context.database.read() as tx:
            return await group_rows.list_groups(tx, organisation_id=organisation_id)

    async def group(self, reference: str) -> Group:
        """Find a group by its id or name.

        Raises:
            NotFoundError: There is none.
        """
        async with self._context.database.read() as tx:
            found = await group_rows.find_group(tx, reference)
        if found is None:
            raise _no_group(reference)
        return found

    async def make_group(
        self, actor: Person | None, name: str, organisation_ids: Collection[str]
    ) -> Group:
        """Make a group of own members.

        Raises:
            InvalidInputError: The name is empty, too long or taken.
        """
        require_office(actor)
        group = Group(
            random_id(self._context.random), _name(name), frozenset(organisation_ids)
        )

        async def work(tx: Transaction) -> Group:
            await self._check(tx, group)
            await group_rows.insert_group(
                tx,
                group,
                at=self._context.clock.now(),
                by=None if actor is None else actor.id,
            )
            tx.decide(setting_of_group(group.id, group.organisation_ids))
            self._note(tx, "group_made", actor, after=_members(group))
            return group

        return await self._context.database.write(work)

    async def change_group(
        self,
        actor: Person | None,
        reference: str,
        *,
        name: str | None = None,
        organisation_ids: Collection[str] | None = None,
    ) -> Group:
        """Rename a group, or let it have other organisations; None leaves it.

        Whoever is no member any more sees at once no more what is for the group.
        """
        require_office(actor)

        async def work(tx: Transaction) -> Group:
            before = await self._locked_group(tx, reference)
            group = Group(
                before.id,
                before.name if name is None else _name(name),
                before.organisation_ids
                if organisation_ids is None
                else frozenset(organisation_ids),
            )
            await self._check(tx, group)
            await group_rows.update_group(tx, group)
            tx.decide(setting_of_group(group.id, group.organisation_ids))
            self._note(
                tx,
                "group_changed",
                actor,
                before=_members(before),
                after=_members(group),
            )
            await self._tell_mails(tx, entries.c.group_id == group.id)
            return group

        return await self._context.database.write(work)

    async def remove_group(self, actor: Person | None, reference: str) -> int:
        """Dissolve a group; its entries stay for their owners and the office.

        Returns:
            Number of published entries that nobody else sees any more.
        """
        require_office(actor)

        async def work(tx: Transaction) -> int:
            group = await self._locked_group(tx, reference)
            concerned = await self._published(tx, entries.c.group_id == group.id)
            await group_rows.delete_group(tx, group.id)
            tx.decide(setting_of_group(group.id, ()))
            self._note(tx, "group_removed", actor, before=_members(group))
            ids = [entry.id for entry in concerned]
            await self._tell_mails(tx, entries.c.id.in_(ids))
            return len(concerned)

        return await self._context.database.write(work)

    async def entries_of_group(self, group_id: str) -> list[Entry]:
        """List what is published for a group."""
        async with self._context.database.read() as tx:
            return await self._published(tx, entries.c.group_id == group_id)

    async def exclusions(self, entry_id: str) -> Exclusions:
        """Load what an entry excludes, for whoever may change it.

        No rule is asked here.
        """
        async with self._context.database.read() as tx:
            return await load_exclusions(tx, entry_id)

    # -- by kind ----------------------------------------------------------------

    async def kinds(self) -> Sequence[KindAudience]:
        """Return what counts for each kind, in the order of the kinds."""
        async with self._context.database.read() as tx:
            found = await rows.kind_settings(tx)
        return [found.get(kind, KindAudience(kind)) for kind in KINDS]

    async def limits(
        self, kind: str, organisation_id: str
    ) -> tuple[KindAudience, Ceilings]:
        """Return what counts for an entry of a kind of an organisation."""
        async with self._context.database.read() as tx:
            settings = await rows.kind_settings(tx)
            ceilings = await rows.ceilings_for(tx, kind, organisation_id)
        return settings.get(kind, KindAudience(kind)), ceilings

    async def foresee_kind(self, setting: KindAudience) -> Effect:
        """Say what another setting of a kind changes; changes nothing."""
        _require_sensible(setting)

        def then(entry: Entry) -> Ceilings:
            return replace(entry.ceilings, kind=setting.ceiling)

        return await self._foresee(entries.c.kind == setting.kind, then)

    async def set_kind(self, actor: Person | None, setting: KindAudience) -> int:
        """Set default and ceiling of a kind.

        Returns:
            Number of entries of which a new version is told.

        Raises:
            InvalidInputError: The default is above the ceiling.
        """
        require_office(actor)
        _require_sensible(setting)

        async def work(tx: Transaction) -> int:
            where = entries.c.kind == setting.kind
            before = await self._published(tx, where)
            had = (await rows.kind_settings(tx)).get(
                setting.kind, KindAudience(setting.kind)
            )
            tx.decide(setting_of_kind(setting.kind, setting.ceiling))
            await rows.store_kind_setting(
                tx,
                setting,
                at=self._context.clock.now(),
                by=None if actor is None else actor.id,
            )
            self._note(
                tx,
                "kind_audience_set",
                actor,
                before=_words(had),
                after=_words(setting),
            )
            return await self._follow(tx, before)

        return await self._context.database.write(work)

    # -- by organisation --------------------------------------------------------

    async def foresee_organisation(
        self, organisation_id: str, ceiling: AudienceLevel | None
    ) -> Effect:
        """Say what another ceiling of an organisation changes; changes nothing."""

        def then(entry: Entry) -> Ceilings:
            return replace(entry.ceilings, organisation=ceiling)

        return await self._foresee(entries.c.organisation_id == organisation_id, then)

    async def set_organisation(
        self, actor: Person | None, organisation_id: str, ceiling: AudienceLevel | None
    ) -> int:
        """Limit what the persons of an organisation publish; None lifts the limit.

        Returns:
            Number of entries of which a new version is told.

        Raises:
            NotAuthorisedError: Only its administrators and the office may.
        """
        _require_administrator(actor, organisation_id)

        async def work(tx: Transaction) -> int:
            organisation = await load_organisation(tx, organisation_id)
            if organisation is None:
                raise NotFoundError(
                    Sentence("There is no organisation {name}.", name=organisation_id),
                    code="organisation-not-found",
                )
            before = await self._published(
                tx, entries.c.organisation_id == organisation_id
            )
            await update_organisation(
                tx,
                organisation_id,
                {"ceiling": None if ceiling is None else ceiling.value},
                now=self._context.clock.now(),
            )
            tx.decide(setting_of_organisation(organisation_id, ceiling))
            note_decision(
                tx,
                self._context,
                "organisation_ceiling_set",
                actor=actor,
                about=(SubjectKind.ORGANISATION, organisation_id),
                before={"ceiling": organisation.ceiling},
                after={"ceiling": None if ceiling is None else ceiling.value},
            )
            return await self._follow(tx, before)

        return await self._context.database.write(work)

    # -- inside -----------------------------------------------------------------

    async def _foresee(
        self, where: ColumnElement[bool], then: Callable[[Entry], Ceilings]
    ) -> Effect:
        async with self._context.database.read() as tx:
            found = await self._published(tx, where)
            partners = [
                each for each in await list_partners(tx) if each.state in ESTABLISHED
            ]
        viewers: list[tuple[str | None, Viewer]] = [
            *((each.name, PartnerViewer.of(each)) for each in partners),
            (None, PublicViewer()),
        ]
        today = self._context.clock.now().date()
        changed: dict[str, Entry] = {}
        effects = []
        for name, viewer in viewers:
            hidden = shown = 0
            for entry in found:
                limited = replace(entry, ceilings=then(entry))
                now = decide_entry(entry, viewer, today).visible
                later = decide_entry(limited, viewer, today).visible
                hidden, shown = hidden + (now > later), shown + (later > now)
                if now is not later:
                    changed[entry.id] = entry
            if hidden or shown:
                effects.append(ViewerEffect(name, hidden, shown))
        lines = tuple(changed.values())
        return Effect(tuple(effects), lines[:EFFECT_LINES_SHOWN], len(lines))

    async def _follow(self, tx: Transaction, before: Sequence[Entry]) -> int:
        """Tell a new version of every entry that is more or less open now.

        What was taken back comes only with a higher one (SPEC FED-063), and what is
        public no more is signed for partners alone.
        """
        written = 0
        for old in before:
            entry = await entry_rows.load_entry(
                tx, self._context.address, old.id, lock=True
            )
            if entry is None or entry.state is not EntryState.PUBLISHED:
                continue
            if entry.open_level is not old.open_level:
                await self._catalogue.renew_in(tx, entry, above=entry.version)
                written += 1
        return written

    async def _published(
        self, tx: Transaction, where: ColumnElement[bool]
    ) -> list[Entry]:
        return await entry_rows.list_entries(
            tx, self._context.address, where=where & entry_rows.published()
        )

    async def _tell_mails(self, tx: Transaction, where: ColumnElement[bool]) -> None:
        """Let no mail name an entry to whoever does not see it any more."""
        for entry in await self._published(tx, where):
            await self._mail.entry_changed(tx, entry)

    async def _locked_group(self, tx: Transaction, reference: str) -> Group:
        found = await group_rows.find_group(tx, reference)
        if found is None:
            raise _no_group(reference)
        return found

    async def _check(self, tx: Transaction, group: Group) -> None:
        taken = await group_rows.find_group(tx, group.name)
        if taken is not None and taken.id != group.id:
            message = Sentence("There is a group {name} already.", name=group.name)
            raise ConflictError(message, code="group-exists", path="name")
        known = await group_rows.known_organisations(tx, group.organisation_ids)
        if unknown := sorted(group.organisation_ids - known):
            message = Sentence("There is no organisation {name}.", name=unknown[0])
            raise InvalidInputError(
                message, faults=[InputFault("organisations", message)]
            )

    def _note(
        self,
        tx: Transaction,
        event: str,
        actor: Person | None,
        *,
        before: Mapping[str, object] | None = None,
        after: Mapping[str, object] | None = None,
    ) -> None:
        note_decision(tx, self._context, event, actor=actor, before=before, after=after)


def _name(text: str) -> str:
    try:
        return read_line(text, limit=GROUP_NAME_CHARS)
    except FieldError as error:
        raise InvalidInputError(
            error.sentence, faults=[InputFault("name", error.sentence)]
        ) from error


def _require_sensible(setting: KindAudience) -> None:
    if setting.kind not in KINDS:
        message = Sentence("There is no kind {name}.", name=setting.kind)
        raise InvalidInputError(message, faults=[InputFault("kind", message)])
    if AudienceLevel.GROUP in {setting.default, setting.ceiling}:
        message = Sentence("A group can be neither default nor maximum.")
        raise InvalidInputError(message, faults=[InputFault("default", message)])
    ceilings = Ceilings(kind=setting.ceiling)
    if ceilings.under(setting.default) is not setting.default:
        message = Sentence("What is proposed goes beyond what is permitted at most.")
        raise InvalidInputError(message, faults=[InputFault("default", message)])


def _require_administrator(actor: Person | None, organisation_id: str) -> None:
    if actor is None or actor.is_office:
        return
    if actor.role is Role.ORGANISATION_ADMIN and actor.may_act_for(organisation_id):
        return
    raise NotAuthorisedError(
        "Only the organisation's administrators and the office may do this.",
        hint="Ask your organisation's administrator.",
    )


def may_limit(person: Person, organisation: Organisation) -> bool:
    """Whether a person may set the ceiling of an organisation."""
    try:
        _require_administrator(person, organisation.id)
    except NotAuthorisedError:
        return False
    return person.left_at is None


def _no_group(reference: str) -> NotFoundError:
    return NotFoundError(
        Sentence("There is no group {name}.", name=reference),
        code="group-not-found",
        hint="See the list of groups.",
    )


def _members(group: Group) -> dict[str, object]:
    return {"group": group.id, "organisations": sorted(group.organisation_ids)}


def _words(setting: KindAudience) -> dict[str, object]:
    return {
        "kind": setting.kind,
        "default": setting.default.value,
        "ceiling": setting.ceiling.value,
    }
