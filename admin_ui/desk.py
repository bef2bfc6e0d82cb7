"""Who works at the office's pages, and with what."""

from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from node.app import Node
from node.errors import NotFoundError
from node.members.model import Person, Role
from node.office import Overview
from node.partners.model import Partner
from node.web.access import signed_in_as
from node.web.running import NODE


@dataclass(frozen=True, slots=True)
class Desk:
    """The node, and the person of the office who asks."""

    node: Node
    person: Person

    @property
    def overview(self) -> Overview:
        """Counts and lists beside the services' own."""
        return Overview(self.node.context)

    @property
    def now(self) -> datetime:
        """The node's time, aware UTC."""
        return self.node.context.clock.now()


def desk_of(request: web.Request) -> Desk:
    """Return the desk; lead visitors to the sign-in page, refuse members.

    Raises:
        web.HTTPSeeOther: Nobody is signed in.
        NotAuthorisedError: The person does not act for the office.
    """
    person = signed_in_as(request, Role.OFFICE)
    return Desk(request.config_dict[NODE], person)


async def partner_in(request: web.Request, desk: Desk) -> Partner:
    """Load the partner that the address names by our id of it.

    Raises:
        NotFoundError: There is none.
    """
    wanted = request.match_info["partner_id"]
    for partner in await desk.node.partners.list():
        if partner.id == wanted:
            return partner
    raise NotFoundError(
        "This partner cluster is not known here.",
        hint="Look it up in the list of partner clusters.",
    )


def page_number(request: web.Request) -> int:
    """Return the page of a list that the query names; 1 for anything else."""
    text = request.query.get("seite", "")
    return int(text) if text.isascii() and text.isdigit() and text != "0" else 1
