"""`members add`, `members export`, `members import`, `members list`."""

import base64
from typing import TYPE_CHECKING, Any

from node.control.commands.acting import acting_person
from node.control.commands.described import day
from node.control.request import ControlRequest
from node.members.model import Role

if TYPE_CHECKING:
    from node.app import Node


async def export(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Return what is stored about one person; `file` is the ZIP file in base64."""
    actor = await acting_person(node, request)
    person = await node.members.person_by_email(request.text("email"))
    data = await node.own_data.archive(actor, person)
    return {
        "email": person.email,
        "name": person.name,
        "file": base64.b64encode(data).decode("ascii"),
    }


async def add(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Add one person; the link sets the first password."""
    actor = await acting_person(node, request)
    person, link = await node.members.add_person(
        actor,
        email=request.text("email"),
        name=request.text("name"),
        organisation=request.text("organisation"),
        role=request.optional_text("role") or Role.PERSON,
        language=request.optional_text("language") or "",
        send_invitation=request.flag("send_invitation"),
    )
    return {
        "added": 1,
        "changed": 0,
        "unchanged": 0,
        "errors": [],
        "links": [{"email": person.email, "link": link}],
    }


async def import_file(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """Import organisations or persons from a CSV file."""
    actor = await acting_person(node, request)
    report = await node.members.import_members(
        actor, request.file("file"), dry_run=request.flag("dry_run")
    )
    return dict(report.as_json())


async def list_members(node: "Node", request: ControlRequest) -> dict[str, Any]:
    """List organisations and persons."""
    await acting_person(node, request)
    organisations = await node.members.list_organisations()
    persons = await node.members.list_persons()
    return {
        "organisations": [
            {
                "id": organisation.id,
                "external_id": organisation.external_id,
                "name": organisation.name,
                "region": organisation.region,
            }
            for organisation in organisations
        ],
        "persons": [
            {
                "email": person.email,
                "name": person.name,
                "organisation": person.organisation_name,
                "role": person.role.value,
                "external_id": person.external_id,
                "consent_on": day(person.consent_on),
                "has_password": person.has_password,
            }
            for person in persons
            if person.left_at is None
        ],
    }
