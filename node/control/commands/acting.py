"""For whom a command is done."""

from typing import TYPE_CHECKING

from node.control.request import ControlRequest
from node.errors import NotFoundError
from node.members.model import Person
from node.sentence import Sentence

if TYPE_CHECKING:
    from node.app import Node


async def acting_person(node: "Node", request: ControlRequest) -> Person:
    """Return the person named by `--as`, or the office's first person.

    Whoever may use the control socket or the node's folder may act for anybody
    in it; what the person itself may do is decided by the application.

    Raises:
        NotFoundError: Nobody in this node has the address.
    """
    if request.acting_as is None:
        return await node.members.office_person()
    return await person_by_email(node, request.acting_as)


async def person_by_email(node: "Node", email: str) -> Person:
    """Find a member who has not left.

    Raises:
        NotFoundError: Nobody in this node has the address.
    """
    person = await node.members.person_by_email(email)
    if person.left_at is not None:
        raise NotFoundError(
            Sentence(
                "Nobody in this cluster has the e-mail address {email}.", email=email
            ),
            code="person-unknown",
            path="as",
            hint="See `spalier members list`.",
        )
    return person
