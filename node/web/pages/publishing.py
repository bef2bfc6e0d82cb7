"""Post an entry: choose the kind, fill in the form, look at it as readers will."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from aiohttp import web
from multidict import MultiMapping

from federation.trust import ESTABLISHED
from node.catalogue.audience_preview import AudiencePreview
from node.catalogue.exclusions import Exclusions
from node.catalogue.model import AudienceLevel, Entry, EntryState
from node.chiffre.form import is_chiffre
from node.chiffre.publishing import GIVES_AWAY
from node.errors import (
    ConflictError,
    InvalidInputError,
    NodeError,
    NotAuthorisedError,
    NotFoundError,
)
from node.members.model import Person, Role
from node.partners.model import Partner
from node.visibility.fields import staying_by_default
from node.web.access import signed_in
from node.web.flash import see_other
from node.web.i18n import current_language, lazy_gettext, localized
from node.web.i18n import gettext as _
from node.web.keys import CLOCK, NAVIGATION, SITE
from node.web.navigation import Area, NavigationEntry
from node.web.pages import own_entries
from node.web.pages.cards import entry_path, event_time
from node.web.pages.entries import may_change
from node.web.pages.entry_fields import fields_of
from node.web.pages.entry_form import (
    EntryForm,
    form_of_document,
    new_form,
    sent_form,
    sent_shape,
)
from node.web.pages.entry_form import beside as around
from node.web.pages.entry_form.kinds import PLANS
from node.web.pages.entry_form.typed import language_name
from node.web.pages.entry_form.views import sections_of
from node.web.pages.kind_cards import kind_groups
from node.web.pages.publishing_reach import (
    ACTION,
    EXCLUDE,
    EXCLUDED_ROWS,
    SEEN,
    excluded_rows,
    excludes_somebody,
    reach_of,
    stays_inside,
)
from node.web.pages.publishing_readers import reader_view
from node.web.pages.serving import formats_of, node_of
from node.web.pages.wording import kind_label, kind_tone, refusal
from node.web.rendering import render
from schemas import KINDS

_LIVE: Final = ESTABLISHED
_VERSION: Final = "shape.version"
_ANYWAY: Final = "publish_anyway"
_MORE_LANGUAGES: Final = ("fr", "it", "nl", "pl", "cs", "da", "es")
# Buttons that draw the form again without checking it.
_ROW, _LANGUAGE, _OWNER, _CHANGE = "row:", "language", "owner", "change"
_PREVIEW, _DRAFT, _PUBLISH = "preview", "draft", "publish"


@dataclass(frozen=True, slots=True)
class _Task:
    """What is being written, by whom.

    Attributes:
        entry: The entry that is changed; None for a new one.
        owners: What the office can choose from; None for members, and for an entry
            under a box number, whose owner the office does not see.
        anyway: Whether the author has seen what gives a box number away.
    """

    person: Person
    kind: str
    entry: Entry | None
    reach: around.Reach
    owners: around.Owners | None
    behalf: Mapping[str, str]
    excluded: Exclusions = field(default_factory=Exclusions)
    anyway: bool = False

    @property
    def partners(self) -> Sequence[Partner]:
        """The partner clusters that can be named."""
        return self.reach.partners

    @property
    def may_be_draft(self) -> bool:
        """Whether it can be put aside; what is published has to be withdrawn."""
        return self.entry is None or self.entry.state is not EntryState.PUBLISHED

    @property
    def version(self) -> str:
        """Marks the version that the form shows."""
        if self.entry is None:
            return ""
        return f"{self.entry.version.incarnation}.{self.entry.version.counter}"

    def fields_beside(self) -> dict[str, Any]:
        """Make the fields for owner and audience, in the order of the page."""
        owner = {} if self.owners is None else around.owner_fields(self.owners)
        return {**owner, **around.audience_fields(self.reach)}

    def document(self, form: EntryForm) -> dict[str, Any]:
        """Put the file form together."""
        document = form.content()
        document["audience"] = around.audience_of(form.fields, self.reach.rows)
        if self.anyway:
            document[_ANYWAY] = True
        behalf: Mapping[str, str] = self.behalf
        if self.owners is not None:
            behalf = around.behalf_of(form.fields, self.person)
        return {**document, "on_behalf_of": dict(behalf)} if behalf else document


async def choose_kind(request: web.Request) -> web.Response:
    """Show what can be posted."""
    signed_in(request)
    for_whom = request.query.get("fuer", "")
    context = {"groups": kind_groups(), "for_whom": for_whom}
    return render(request, "pages/publishing/kinds.html", context)


async def new_entry(request: web.Request) -> web.Response:
    """Show the form of a kind, or take it."""
    person = signed_in(request)
    kind = _kind_of(request)
    if request.method == "POST":
        sent = await request.post()
        chosen = str(sent.get(around.ORGANISATION, ""))
        task = await _task(request, person, kind, chosen, sent=sent)
        return await _take(request, task, sent)
    task = await _task(request, person, kind, request.query.get("fuer", ""))
    form = new_form(
        kind,
        _languages(),
        values=_beforehand(request, task),
        beside=task.fields_beside,
    )
    return _form_page(request, task, form)


async def edit_entry(request: web.Request) -> web.Response:
    """Show the form of an entry that exists, or take its next version."""
    person = signed_in(request)
    entry = await _entry_to_change(request, person)
    if request.method == "POST":
        sent = await request.post()
        chosen = str(sent.get(around.ORGANISATION, ""))
        task = await _task(request, person, entry.kind, chosen, entry=entry, sent=sent)
        return await _take(request, task, sent)
    task = await _task(request, person, entry.kind, "", entry=entry)
    form = form_of_document(
        entry.content,
        _languages(),
        values={
            **around.values_of(entry, task.partners, task.excluded),
            **_owner_values(task),
        },
        beside=task.fields_beside,
    )
    return _form_page(request, task, form)


def _kind_of(request: web.Request) -> str:
    kind = request.match_info["kind"]
    if kind not in PLANS:
        raise NotFoundError(
            "There is no such kind of entry.",
            hint="Choose one under “Post an entry”.",
        )
    return kind


async def _entry_to_change(request: web.Request, person: Person) -> Entry:
    entry, _verdict = await node_of(request).catalogue.show(
        person, request.match_info["id"]
    )
    if not may_change(person, entry):
        raise NotAuthorisedError(
            "Somebody else is responsible for this entry.",
            hint="Ask its author, the organisation's administrator or the office.",
        )
    return entry


async def _task(
    request: web.Request,
    person: Person,
    kind: str,
    chosen: str,
    *,
    entry: Entry | None = None,
    sent: MultiMapping[Any] | None = None,
) -> _Task:
    node = node_of(request)
    excluded = Exclusions()
    if entry is not None and entry.exclusions_id is not None:
        excluded = await node.audiences.exclusions(entry.id)
    if not person.is_office or (entry is not None and entry.is_chiffre):
        organisation_id = (
            person.organisation_id
            if entry is None
            else entry.answerable.organisation_id
        )
        reach = await reach_of(
            node, person, kind, organisation_id, entry, excluded_rows(sent, excluded)
        )
        behalf: Mapping[str, str] = {}
        if entry is not None:
            colleagues = await node.members.list_persons(
                organisation_id=organisation_id
            )
            behalf = around.same_owner(entry, _present(colleagues), person)
        return _Task(person, kind, entry, reach, None, behalf, excluded)
    owner = entry.organisation_id if entry is not None else person.organisation_id
    organisations = await node.members.list_organisations()
    if chosen not in {each.id for each in organisations}:
        chosen = owner
    persons = await node.members.list_persons(organisation_id=chosen)
    owners = around.Owners(organisations, chosen, _present(persons))
    reach = await reach_of(
        node, person, kind, chosen, entry, excluded_rows(sent, excluded)
    )
    return _Task(person, kind, entry, reach, owners, {}, excluded)


def _present(persons: Sequence[Person]) -> list[Person]:
    return [each for each in persons if each.left_at is None]


def _languages() -> tuple[str, ...]:
    first = current_language().code
    return (first, "en" if first == "de" else "de")


def _beforehand(request: web.Request, task: _Task) -> dict[str, Any]:
    """Fill in what is known already."""
    values: dict[str, Any] = {around.HOME: sorted(staying_by_default(task.kind))}
    lifetime = KINDS[task.kind].default_lifetime_days
    if lifetime is not None:
        today = request.config_dict[CLOCK].now().date()
        values["valid_until"] = today + timedelta(days=lifetime)
    if task.kind == "event":
        values["timezone"] = request.config_dict[SITE].timezone
    values.update(_owner_values(task))
    owner, name = task.person, task.person.organisation_name
    if task.owners is not None:
        by_email = {each.email: each for each in task.owners.persons}
        owner = by_email.get(values[around.PERSON], owner)
        names = {each.id: each.name for each in task.owners.organisations}
        name = names[task.owners.chosen]
    if task.kind == "expert_profile":
        values["name"] = owner.name
    if task.kind == "organisation_profile":
        values["legal_name"] = name
    return values


def _owner_values(task: _Task) -> dict[str, Any]:
    if task.owners is None:
        return {}
    persons = task.owners.persons
    if task.entry is not None:
        emails = [each.email for each in persons if each.id == task.entry.person_id]
    elif task.owners.chosen == task.person.organisation_id:
        emails = [task.person.email]
    else:
        emails = [each.email for each in persons[:1]] if _personal(task) else []
    return {
        around.ORGANISATION: task.owners.chosen,
        around.PERSON: emails[0] if emails else "",
    }


def _personal(task: _Task) -> bool:
    return KINDS[task.kind].personal


async def _take(
    request: web.Request, task: _Task, sent: MultiMapping[Any]
) -> web.Response:
    action = str(sent.get(ACTION, _PREVIEW))
    task = replace(task, anyway=sent.get(_ANYWAY) == "ja")
    shape = sent_shape(task.kind, sent, _languages())
    opened = ""
    if action.startswith(_ROW):
        opened = action.removeprefix(_ROW)
        most = {rows.path: rows.most for rows in PLANS[task.kind].rows}
        if opened in most:
            shape = shape.with_row(opened, most[opened])
    elif action == _LANGUAGE:
        opened = str(sent.get("more.language", ""))
        shape = shape.with_language(opened)
    form = sent_form(task.kind, sent, shape=shape, beside=task.fields_beside)
    if opened or action in {_LANGUAGE, _OWNER, _CHANGE, EXCLUDE}:
        _follow_owner(request, task, form)
        return _form_page(request, task, form, opened=opened)
    if not form.check():
        return _form_page(request, task, form, status=422)
    if task.entry is not None and sent.get(_VERSION) != task.version:
        changed = _(
            "Somebody else has changed this entry in the meantime. If you go on, your"
            " version replaces theirs."
        )
        return _form_page(request, task, form, status=409, further=[changed])
    try:
        return await _act(request, task, form, action, sent)
    except InvalidInputError as error:
        further = form.show_faults(error.faults)
        if not error.faults:
            further = [refusal(error)]
        gives_away = error.code == GIVES_AWAY
        return _form_page(
            request, task, form, status=422, further=further, gives_away=gives_away
        )
    except (ConflictError, NotAuthorisedError) as error:
        return _refused(request, task, form, error)


def _follow_owner(request: web.Request, task: _Task, form: EntryForm) -> None:
    """Let person and names follow when the office chose another organisation."""
    if task.owners is None:
        return
    fresh = _beforehand(request, task) if task.entry is None else {}
    persons = {each.email: each.name for each in task.owners.persons}
    chosen = form.fields[around.PERSON]
    if chosen.data not in persons:
        chosen.data = fresh.get(around.PERSON, "")
    names = {"", task.person.name, *persons.values()}
    if "name" in fresh and form.fields["name"].data in names:
        form.fields["name"].data = persons.get(chosen.data or "", "")
    names = {"", *(each.name for each in task.owners.organisations)}
    if "legal_name" in fresh and form.fields["legal_name"].data in names:
        form.fields["legal_name"].data = fresh["legal_name"]


def _refused(
    request: web.Request, task: _Task, form: EntryForm, error: NodeError
) -> web.Response:
    return _form_page(
        request, task, form, status=error.status, further=[refusal(error)]
    )


async def _act(
    request: web.Request,
    task: _Task,
    form: EntryForm,
    action: str,
    sent: MultiMapping[Any],
) -> web.Response:
    document = task.document(form)
    catalogue = node_of(request).catalogue
    reference = task.entry.id if task.entry is not None else None
    unseen = action == _PUBLISH and SEEN not in sent and excludes_somebody(document)
    if action not in {_DRAFT, _PUBLISH} or unseen:
        readers = await catalogue.preview(task.person, document, entry_ref=reference)
        return _preview_page(
            request,
            task,
            document,
            owner=_owner_of(task, form),
            readers=readers,
            sent=sent,
        )
    if action == _DRAFT and not task.may_be_draft:
        raise ConflictError(
            "A published entry cannot become a draft.",
            hint="Withdraw it, then edit it.",
        )
    entry = await catalogue.publish(
        task.person, document, entry_ref=reference, draft=action == _DRAFT
    )
    if action == _DRAFT:
        saved = _("The draft is saved. Only your organisation and the office see it.")
        return see_other(request, own_entries.PATH, flash=saved)
    done = (
        _("The new version is published.")
        if task.entry is not None and task.entry.state is EntryState.PUBLISHED
        else _("The entry is published.")
    )
    return see_other(request, entry_path(entry.id), flash=done)


@dataclass(frozen=True, slots=True)
class _AudienceOption:
    """A radio card: its radio button and what it means."""

    control: Any
    level: str
    sentence: str


def _form_page(
    request: web.Request,
    task: _Task,
    form: EntryForm,
    *,
    status: int = 200,
    further: Sequence[str] = (),
    opened: str = "",
    gives_away: bool = False,
) -> web.Response:
    sentences = _audience_sentences(task)
    levels: Any = form.fields[around.LEVEL]
    context = {
        "task": task,
        "kind_name": localized(KINDS[task.kind].label).text,
        "form": form.fields,
        "further": further,
        "sections": sections_of(form, opened=opened),
        "hidden": [
            *form.shape.hidden(),
            (_VERSION, task.version),
            (EXCLUDED_ROWS, str(task.reach.rows)),
        ],
        "excluded_rows": _excluded_rows(task, form),
        "excluded_open": _excludes(task, form),
        "limited": AudienceLevel.PUBLIC not in task.reach.levels,
        "audience": [
            _AudienceOption(option, option.data, sentences[option.data])
            for option in levels
        ],
        "more_languages": [
            (tag, language_name(tag))
            for tag in _MORE_LANGUAGES
            if tag not in form.shape.languages
        ],
        "consent_missing": _consent_missing(task, form),
        "gives_away": gives_away,
    }
    return render(request, "pages/publishing/form.html", context, status=status)


def _excluded_rows(task: _Task, form: EntryForm) -> list[dict[str, Any]]:
    return [
        {part: form.fields[name] for part, name in around.excluded_row(number).items()}
        for number in range(task.reach.rows)
    ]


def _excludes(task: _Task, form: EntryForm) -> bool:
    """Whether anything is excluded, or wrong about it, so that it is shown."""
    rows = _excluded_rows(task, form)
    fields = [form.fields[around.EXCLUDED_PARTNERS], *(row["name"] for row in rows)]
    return task.reach.rows > 1 or any(each.data or each.errors for each in fields)


def _audience_sentences(task: _Task) -> dict[str, str]:
    names = [each.name for each in task.partners]
    everyone = ", ".join(names) if names else _("none at the moment")
    return {
        AudienceLevel.GROUP.value: _(
            "Your organisation, the office and the members of one group. Nothing of it"
            " leaves the cluster."
        ),
        AudienceLevel.CLUSTER.value: _("Members of your cluster, nobody else."),
        AudienceLevel.PARTNERS.value: _(
            "Your organisation, the office and the partner clusters that you choose"
            " here; not the rest of your cluster."
        ),
        AudienceLevel.TRUSTED.value: _(
            "Members of your cluster and of all partner clusters (%(names)s). Those"
            " that are added later see it once the office has looked at the list.",
            names=everyone,
        ),
        AudienceLevel.PUBLIC.value: _(
            "Everybody, also without signing in; partner clusters, too."
        ),
    }


@dataclass(frozen=True, slots=True)
class _Owner:
    """Whose entry it is, in words.

    Attributes:
        person: Name; empty if it is the organisation's.
        consented: Whether the person's name may leave the cluster.
    """

    person: str
    organisation: str
    consented: bool

    @property
    def words(self) -> str:
        """Person and organisation."""
        return ", ".join(name for name in (self.person, self.organisation) if name)


def _owner_of(task: _Task, form: EntryForm) -> _Owner:
    if task.owners is not None:
        names = {each.id: each.name for each in task.owners.organisations}
        emails = {each.email: each for each in task.owners.persons}
        person = emails.get(form.fields[around.PERSON].data)
        organisation = names[task.owners.chosen]
    elif task.entry is not None and task.entry.person_id != task.person.id:
        return _Owner(
            task.entry.person_name or "",
            task.entry.organisation_name,
            task.entry.person_consented,
        )
    else:
        person, organisation = task.person, task.person.organisation_name
    if person is None:
        return _Owner("", organisation, consented=False)
    return _Owner(person.name, organisation, person.has_consented)


def _consent_missing(task: _Task, form: EntryForm) -> str:
    """Name the person whose consent a profile still needs before it leaves."""
    owner = _owner_of(task, form)
    if not _personal(task) or owner.consented:
        return ""
    return owner.person or _("the person")


def _preview_page(
    request: web.Request,
    task: _Task,
    document: Mapping[str, Any],
    *,
    owner: _Owner,
    readers: Sequence[AudiencePreview],
    sent: MultiMapping[Any],
) -> web.Response:
    formats = formats_of(request)
    carried = [
        (name, str(value))
        for name, value in sent.items()
        if name not in {ACTION, SEEN} and isinstance(value, str)
    ]
    carried.append((SEEN, "1"))
    title = document["title"]
    context = {
        "task": task,
        "kind_label": kind_label(task.kind),
        "tone": kind_tone(task.kind),
        "content": document,
        "title": localized(title),
        "owner": _("a box number") if is_chiffre(document) else owner.words,
        "unnamed": _unnamed(task, document, owner),
        "when": event_time(document, formats) if task.kind == "event" else "",
        "fields": fields_of(document, formats),
        "readers": [reader_view(each) for each in readers],
        "carried": carried,
        "in_languages": [language_name(tag) for tag in title],
    }
    return render(request, "pages/publishing/preview.html", context)


def _unnamed(task: _Task, document: Mapping[str, Any], owner: _Owner) -> str:
    """Name the person whom readers outside do not see, though the entry goes out."""
    if (
        stays_inside(document)
        or owner.consented
        or _personal(task)
        or is_chiffre(document)
    ):
        return ""
    return owner.person


def register(app: web.Application) -> None:
    """Add the pages."""
    app.router.add_get("/neu", choose_kind)
    for path, handler in (
        ("/neu/{kind}", new_entry),
        ("/e/{id}/bearbeiten", edit_entry),
    ):
        app.router.add_get(path, handler)
        app.router.add_post(path, handler)
    app[NAVIGATION].add(
        NavigationEntry(
            name="publish",
            label=lazy_gettext("Post an entry"),
            path="/neu",
            area=Area.ACTION,
            role=Role.PERSON,
            order=10,
        )
    )
    own_entries.register(app)
