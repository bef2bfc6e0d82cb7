"""Who may open a page: the two questions that page handlers ask first."""

from urllib.parse import urlencode, urlsplit

from aiohttp import web

from node.errors import NotAuthorisedError
from node.members.model import Person, Role
from node.web.keys import PERSON
from node.web.navigation import has_role

SIGN_IN_PATH = "/anmelden"


def signed_in(request: web.Request) -> Person:
    """Return the person; lead a visitor to the sign-in page and back again.

    Raises:
        web.HTTPSeeOther: Nobody is signed in.
    """
    person: Person | None = request.get(PERSON)
    if person is None:
        wanted = request.path_qs if request.method in {"GET", "HEAD"} else "/"
        raise web.HTTPSeeOther(f"{SIGN_IN_PATH}?{urlencode({'weiter': wanted})}")
    return person


def signed_in_as(request: web.Request, role: Role) -> Person:
    """Return the person if they have `role` or one that includes it.

    Raises:
        web.HTTPSeeOther: Nobody is signed in.
        NotAuthorisedError: The person does not have the role.
    """
    person = signed_in(request)
    if not has_role(person, role):
        raise NotAuthorisedError(
            "This page is for your cluster's office.",
            hint="Ask your office if you need something from it.",
        )
    return person


def local_path(target: str, *, default: str = "/") -> str:
    """Return `target` if it is a path on this node, else `default`.

    Browsers read two slashes, or a slash and a backslash, as another host.
    """
    parts = urlsplit(target)
    safe = (
        target.startswith("/")
        and not target.startswith(("//", "/\\"))
        and not parts.netloc
        and target.isprintable()
    )
    return target if safe else default
