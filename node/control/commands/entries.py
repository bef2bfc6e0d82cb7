"""`entry …` and `feed`."""

from typing import TYPE_CHECKING, Any

from federation.errors import PeerError
from federation.strict_json import loads
from node.catalogue.model import Entry
from node.control.commands.acting import acting_person
from node.control.commands.described import (
    day,
    entry_document,
    standing_document,
    timestamp,
)
from node.control.request import ControlRequest
from node.errors import InvalidInputError
from node.feed.feed import FeedItem
from node.feed.visible import FeedQuery
from node.sentence import Sentence
from schemas import KINDS

if TYPE_CHECKING:
    from node.app import Node


async def publish(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Publish a file, or a new version of an entry."""
    actor = await acting_person(node, request)
    entry = await node.catalogue.publish(
        actor,
        _read_entry_file(request.file("file")),
        entry_ref=request.optional_text("entry"),
        draft=request.flag("draft"),
    )
    return await _described(node, entry)


async def import_file(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Import entries from a CSV file."""
    actor = await acting_person(node, request)
    report = await node.entry_import.import_entries(
        actor, request.file("file"), dry_run=request.flag("dry_run")
    )
    return dict(report.as_json())


async def withdraw(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Take an entry back everywhere."""
    actor = await acting_person(node, request)
    entry = await node.catalogue.withdraw(actor, request.text("entry"))
    return await _described(node, entry)


async def delete(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Delete an entry everywhere, for good."""
    actor = await acting_person(node, request)
    entry = await node.catalogue.delete(actor, request.text("entry"))
    return await _described(node, entry)


async def fulfil(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Close an entry that found what it looked for."""
    actor = await acting_person(node, request)
    entry = await node.catalogue.fulfil(actor, request.text("entry"))
    return await _described(node, entry)


async def confirm(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Say that an entry still holds."""
    actor = await acting_person(node, request)
    entry = await node.catalogue.confirm(actor, request.text("entry"))
    return await _described(node, entry)


async def show(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Show an entry, ours or a partner's, as the acting person sees it."""
    actor = await acting_person(node, request)
    item, verdict = await node.feed.item(actor, request.text("entry"))
    if item.own:
        entry, _ = await node.catalogue.show(actor, item.uri)
        document = await _described(node, entry)
        if actor.may_act_for(entry.organisation_id):
            lines = await node.ledger.lines_of_entry(entry.id)
            document["standing"] = standing_document(lines)
    else:
        document = {
            "id": item.uri,
            "version": list(item.version),
            "kind": item.kind,
            "state": item.state,
            # Its origin keeps to itself whom else it told.
            "audience": None,
        }
    return {
        **document,
        "form": verdict.form.value,
        "origin": item.origin_base_url,
        "owner": {"organisation": item.owner_organisation, "person": item.owner_person},
        "since": timestamp(item.since),
        "valid_until": day(item.valid_until),
        "content": dict(item.content),
    }


async def list_entries(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List the acting person's own entries; for the office those of all members."""
    actor = await acting_person(node, request)
    base_urls = await _base_urls(node)
    return {
        "entries": [
            {
                **entry_document(entry, base_urls),
                "title": dict(entry.title),
                "owner": entry.organisation_name,
                "valid_until": day(entry.valid_until),
            }
            for entry in await node.catalogue.mine(actor)
        ]
    }


async def feed(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List what the acting person may see, own cluster and partners."""
    actor = await acting_person(node, request)
    kind = request.optional_text("kind")
    if kind is not None and kind not in KINDS:
        raise InvalidInputError(
            Sentence("There is no kind “{kind}”.", kind=kind),
            path="kind",
            hint=Sentence("Kinds are: {names}.", names=", ".join(KINDS)),
        )
    query = FeedQuery(
        kind=kind,
        only_partners=request.flag("only_partners"),
        text=request.optional_text("search") or "",
    )
    items = await node.feed.all_items(actor, query)
    return {"entries": [_feed_document(item) for item in items]}


def _feed_document(item: FeedItem) -> dict[str, Any]:
    return {
        "id": item.uri,
        "version": list(item.version),
        "kind": item.kind,
        "title": dict(item.title),
        "origin": item.origin_base_url,
        "since": timestamp(item.since),
        "form": item.form,
        "origin_name": item.origin_name,
    }


def _read_entry_file(data: bytes) -> object:
    try:
        return loads(data.removeprefix(b"\xef\xbb\xbf"))
    except PeerError as error:
        raise InvalidInputError(
            Sentence(
                "The file is not a JSON document that can be published: {reason}",
                reason=error.safe_text,
            ),
            code="not-json",
            hint="Save it as JSON in UTF-8; numbers with a fraction go in quotes.",
        ) from error


async def _described(node: "Node", entry: Entry) -> dict[str, Any]:
    return entry_document(entry, await _base_urls(node))


async def _base_urls(node: "Node") -> dict[str, str]:
    return {partner.id: partner.base_url for partner in await node.partners.list()}
