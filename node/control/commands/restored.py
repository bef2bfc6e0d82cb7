"""`backup report` and `unaccounted …`: what is to be seen to after a restore."""

from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person, person_by_email
from node.control.commands.described import partner_document, timestamp
from node.control.request import ControlRequest
from node.errors import InvalidInputError, NotAuthorisedError
from node.exchange.unaccounted import Settlement, UnaccountedEntry
from node.members.model import Person
from node.office.restored import last_restore
from node.office.standing import read_standings
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.app import Node

_LISTS = (
    *("deleted", "closed", "narrowed", "older", "lost"),
    *("persons", "partners", "lost_partners", "purged", "keys"),
)


async def report(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say what the last restore has changed, and who has compared since."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office may see this.")
    found = await last_restore(node.context, node.folder)
    if found is None:
        return {"restored": None, "from": None, "partners": [], "open": 0}
    unaccounted = await node.unaccounted.listed()
    return {
        "restored": timestamp(found.restored_at),
        "from": timestamp(found.restored_from),
        **{name: found.named(name) for name in _LISTS},
        "closing": bool(found.number("closing")),
        "mails": found.number("mails"),
        "invitations": found.number("invitations"),
        "partners_compared": [
            {
                "base_url": each.partner.base_url,
                "name": each.partner.name,
                "compared": each.ours,
                "verified": each.theirs,
            }
            for each in found.partners
        ],
        "open": len(unaccounted),
    }


async def list_unaccounted(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what partners hold of us and our ledger cannot explain."""
    actor = await acting_person(node, request)
    if not actor.is_office:
        raise NotAuthorisedError("Only the office may see this.")
    named = request.optional_text("partner")
    partner = None if named is None else await node.partners.find(named)
    found = await node.unaccounted.listed(
        partner_id=None if partner is None else partner.id,
        is_open=not request.flag("all"),
    )
    urls = {each.id: each.base_url for each in await node.partners.list()}
    return {"entries": [_described(each, urls[each.partner_id]) for each in found]}


async def settle(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Do what the office decides about one of them."""
    actor: Person | None = None
    if request.acting_as is not None:
        actor = await person_by_email(node, request.acting_as)
    partner = await node.partners.find(request.text("partner"))
    entry = request.text("entry")
    settled = await node.unaccounted.settle(
        actor,
        node.context.address.entry_local_id(entry) or entry,
        partner.id,
        _decision(request.text("decision")),
    )
    return _described(settled, partner.base_url)


async def tell(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Tell a partner entries although it does not say what it holds."""
    actor: Person | None = None
    if request.acting_as is not None:
        actor = await person_by_email(node, request.acting_as)
    partner = await node.partners.find(request.text("partner"))
    told = await node.comparing.tell_uncompared(actor, partner.id)
    (standing,) = await read_standings(node.context, [told])
    return partner_document(standing)


def _decision(text: str) -> Settlement:
    try:
        return Settlement(text)
    except ValueError as error:
        raise InvalidInputError(
            Sentence(
                "The decision must be one of: {words}.",
                words=", ".join(Settlement),
            ),
            path="decision",
        ) from error


def _described(each: UnaccountedEntry, base_url: str) -> dict[str, Any]:
    return {
        "id": each.entry_uri,
        "partner": base_url,
        "name": each.partner_name,
        "title": None if each.title is None else dict(each.title),
        "held": [each.held.version.incarnation, each.held.version.counter],
        "state": each.held.state.value,
        "found": timestamp(each.found_at),
        "choices": [choice.value for choice in each.choices],
        "settled": timestamp(each.settled_at),
        "decision": None if each.settled_as is None else each.settled_as.value,
    }
