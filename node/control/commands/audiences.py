"""`audience …`, and of `partner …` and `members …` what says who is who.

Groups of members, defaults and ceilings, the release to a partner, what partners'
members and our own are known by.
"""

from typing import TYPE_CHECKING, Any

from node.catalogue.model import AudienceLevel, Entry
from node.control.commands.acting import acting_person
from node.control.commands.choices import chosen
from node.control.commands.described import timestamp
from node.control.commands.partners import described_partner, require_office_person
from node.control.request import ControlRequest
from node.members.groups import Group
from node.members.identifiers import Known
from node.members.model import Organisation
from node.office.audiences import Effect
from node.partners.known_members import KnownMember
from node.partners.releasing import ReleaseList
from node.storage.ceilings import KindAudience

if TYPE_CHECKING:
    from node.app import Node


# -- groups ---------------------------------------------------------------------


async def groups(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List the groups of own members."""
    await require_office_person(node, request)
    names = await _names(node)
    found = await node.audiences.groups()
    return {"groups": [_group(each, names) for each in found]}


async def make_group(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Make a group."""
    actor = await acting_person(node, request)
    members = await _organisations(node, request.texts("organisations"))
    group = await node.audiences.make_group(actor, request.text("name"), members)
    return _group(group, await _names(node))


async def change_group(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Rename a group, add or remove organisations."""
    actor = await acting_person(node, request)
    group = await node.audiences.group(request.text("group"))
    members = set(group.organisation_ids)
    members |= set(await _organisations(node, request.texts("add")))
    members -= set(await _organisations(node, request.texts("remove")))
    changed = await node.audiences.change_group(
        actor,
        group.id,
        name=request.optional_text("name"),
        organisation_ids=members,
    )
    return _group(changed, await _names(node))


async def group_entries(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what is published for a group; nobody else sees it without the group."""
    await require_office_person(node, request)
    group = await node.audiences.group(request.text("group"))
    found = await node.audiences.entries_of_group(group.id)
    return {
        **_group(group, await _names(node)),
        "entries": [_entry(each) for each in found],
    }


async def remove_group(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Dissolve a group."""
    actor = await acting_person(node, request)
    group = await node.audiences.group(request.text("group"))
    hidden = await node.audiences.remove_group(actor, group.id)
    return {"group": group.id, "name": group.name, "hidden": hidden}


# -- defaults and ceilings --------------------------------------------------------


async def kinds(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show default and ceiling of every kind, and the ceilings of organisations."""
    await require_office_person(node, request)
    return {
        "kinds": [_kind(each) for each in await node.audiences.kinds()],
        "organisations": [
            {"id": each.id, "name": each.name, "ceiling": each.ceiling}
            for each in await node.members.list_organisations()
            if each.ceiling is not None
        ],
    }


async def foresee_kind(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what another setting of a kind would change."""
    await require_office_person(node, request)
    setting = await _asked(node, request)
    effect = await node.audiences.foresee_kind(setting)
    return {**_kind(setting), "effect": _effect(effect)}


async def set_kind(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Set default and ceiling of a kind."""
    actor = await acting_person(node, request)
    setting = await _asked(node, request)
    return {**_kind(setting), "told": await node.audiences.set_kind(actor, setting)}


async def foresee_organisation(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what another ceiling of an organisation would change."""
    await acting_person(node, request)
    organisation = await node.members.organisation(request.text("organisation"))
    ceiling = _level_or_none(request)
    effect = await node.audiences.foresee_organisation(organisation.id, ceiling)
    return {**_limit(organisation, ceiling), "effect": _effect(effect)}


async def set_organisation(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Set the ceiling of an organisation."""
    actor = await acting_person(node, request)
    organisation = await node.members.organisation(request.text("organisation"))
    ceiling = _level_or_none(request)
    told = await node.audiences.set_organisation(actor, organisation.id, ceiling)
    return {**_limit(organisation, ceiling), "told": told}


# -- release ----------------------------------------------------------------------


async def foresee_release(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show what a release would give a partner."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    found = await node.partners.releasing.waiting(partner)
    return {
        "partner": partner.base_url,
        "name": partner.name,
        "released_at": timestamp(partner.released_at),
        **_list(found),
    }


async def release(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Give a partner what is for all partners."""
    actor = await acting_person(node, request)
    partner, told = await node.partners.releasing.release(
        actor, request.text("partner")
    )
    return {**await described_partner(node, partner), "released": told}


# -- who is who -------------------------------------------------------------------


async def partner_members(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what is known of a partner's members."""
    await require_office_person(node, request)
    partner = await node.partners.find(request.text("partner"))
    found = await node.partners.knowing.members(partner.id)
    stated = partner.card.get("members")
    return {
        "partner": partner.base_url,
        "name": partner.name,
        "stated": stated if isinstance(stated, int) else None,
        "members": [_member(each) for each in found],
    }


async def note_member(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Note that an organisation is a member of a partner."""
    actor = await acting_person(node, request)
    known = Known(
        name=request.text("name"),
        vat_id=request.optional_text("vat_id"),
        register_id=request.optional_text("register_id"),
        domains=tuple(request.texts("domains")),
    )
    member = await node.partners.knowing.note(actor, request.text("partner"), known)
    return _member(member)


async def forget_member(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Take such a note back."""
    actor = await acting_person(node, request)
    member_id = request.text("member")
    await node.partners.knowing.forget(actor, request.text("partner"), member_id)
    return {"member": member_id}


async def identify(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what an own member organisation is known by."""
    actor = await acting_person(node, request)
    found = await node.organisations.identify(
        actor,
        request.text("organisation"),
        vat_id=request.optional_text("vat_id"),
        register_id=request.optional_text("register_id"),
        domains=request.texts("domains"),
    )
    return {
        "id": found.id,
        "name": found.name,
        "vat_id": found.vat_id,
        "register_id": found.register_id,
        "domains": list(found.domains),
        "identifiers": sorted(found.known.identifiers),
    }


# -- inside -----------------------------------------------------------------------


async def _names(node: "Node") -> dict[str, str]:
    return {each.id: each.name for each in await node.members.list_organisations()}


async def _organisations(node: "Node", references: list[str]) -> list[str]:
    return [(await node.members.organisation(each)).id for each in references]


async def _asked(node: "Node", request: ControlRequest) -> KindAudience:
    kind = request.text("kind")
    found = {each.kind: each for each in await node.audiences.kinds()}
    now = found.get(kind, KindAudience(kind))
    default, ceiling = request.optional_text("default"), request.optional_text("max")
    return KindAudience(
        kind,
        now.default if default is None else _level("default", default),
        now.ceiling if ceiling is None else _level("max", ceiling),
    )


def _level(path: str, text: str) -> AudienceLevel:
    return chosen(path, text, AudienceLevel)


def _level_or_none(request: ControlRequest) -> AudienceLevel | None:
    text = request.optional_text("max")
    return None if text is None else _level("max", text)


def _group(group: Group, names: dict[str, str]) -> dict[str, Any]:
    return {
        "group": group.id,
        "name": group.name,
        "organisations": sorted(
            names[each] for each in group.organisation_ids if each in names
        ),
    }


def _kind(setting: KindAudience) -> dict[str, Any]:
    return {
        "kind": setting.kind,
        "default": setting.default.value,
        "max": setting.ceiling.value,
    }


def _limit(organisation: Organisation, ceiling: AudienceLevel | None) -> dict[str, Any]:
    return {
        "organisation": organisation.id,
        "name": organisation.name,
        "max": None if ceiling is None else ceiling.value,
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "count": effect.count,
        "viewers": [
            {"name": each.name, "hidden": each.hidden, "shown": each.shown}
            for each in effect.viewers
        ],
        "entries": [_entry(each) for each in effect.entries],
    }


def _list(found: ReleaseList) -> dict[str, Any]:
    return {
        "count": found.count,
        "kinds": dict(found.by_kind),
        "entries": [_entry(each) for each in found.entries],
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {"id": entry.uri, "kind": entry.kind, "title": dict(entry.title)}


def _member(member: KnownMember) -> dict[str, Any]:
    known = member.known
    return {
        "member": member.id,
        "name": known.name,
        "vat_id": known.vat_id,
        "register_id": known.register_id,
        "domains": list(known.domains),
        "identifiers": sorted(known.identifiers),
        "from": "office" if member.entry_uri is None else "profile",
        "noted_at": timestamp(member.noted_at),
    }
