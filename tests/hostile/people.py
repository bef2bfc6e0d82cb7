"""People before the pages of a node, with headers and cookies by hand."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from node.members.model import Person
from node.signin.links import LinkPurpose, issue_link
from node.storage.database import Transaction
from tests.hostile import wire
from tests.hostile.wire import Headers, Reply
from tests.http.pages.sites import Site

HTML = ("Accept", "text/html")
OWN_PAGE = ("Sec-Fetch-Site", "same-origin")


@dataclass
class Somebody:
    """A browser: keeps its cookies, follows nothing."""

    site: Site
    language: str = "de"
    cookies: dict[str, str] = field(default_factory=dict)

    def headers(self, *more: tuple[str, str]) -> Headers:
        found = [HTML, ("Accept-Language", self.language), *more]
        if self.cookies:
            sent = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
            found.append(("Cookie", sent))
        return found

    async def get(self, path: str, *more: tuple[str, str]) -> Reply:
        return self._kept(
            await wire.ask(self.site.base_url, "GET", path, headers=self.headers(*more))
        )

    async def post(
        self,
        path: str,
        fields: Mapping[str, Any] | bytes | None = None,
        *,
        headers: Headers | None = None,
        media_type: str = "application/x-www-form-urlencoded",
    ) -> Reply:
        """Send a form; without `headers` as a page of ours would."""
        body = fields if isinstance(fields, bytes) else urlencode(fields or {}).encode()
        more = [OWN_PAGE] if headers is None else headers
        return self._kept(
            await wire.ask(
                self.site.base_url,
                "POST",
                path,
                headers=self.headers(("Content-Type", media_type), *more),
                body=body,
            )
        )

    def _kept(self, reply: Reply) -> Reply:
        for name, value in reply.headers:
            if name.lower() == "set-cookie":
                for key, morsel in SimpleCookie(value).items():
                    if morsel.value and morsel["max-age"] != "0":
                        self.cookies[key] = morsel.value
                    else:
                        self.cookies.pop(key, None)
        return reply


async def signed_in(site: Site, person: Person) -> Somebody:
    """A browser in which somebody is signed in, by a link."""

    async def work(tx: Transaction) -> str:
        return await issue_link(
            tx, site.node.context, person_id=person.id, purpose=LinkPurpose.SIGN_IN
        )

    link = await site.node.context.database.write(work)
    browser = Somebody(site)
    reply = await browser.post(link.removeprefix(site.base_url))
    assert reply.status == 303, reply.text
    assert browser.cookies
    return browser


def local_links(text: str) -> set[str]:
    """Paths that a page leads to."""
    return set(re.findall(r'(?:href|action)="(/[^"]*)"', text))
