"""Under which identifiers an organisation is the same in two clusters.

VAT id, register number and domain, each in the one form in which they are
compared. A name is none: two firms share one, and one firm has several.

Source: SPEC.md VIS-072.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

# Many organisations have a page there; the host is none of theirs.
SHARED_HOSTS: Final = frozenset(
    {
        "facebook.com",
        "github.io",
        "google.com",
        "instagram.com",
        "linkedin.com",
        "sites.google.com",
        "twitter.com",
        "wordpress.com",
        "x.com",
        "xing.com",
        "youtube.com",
    }
)
DOMAIN: Final = re.compile(r"(?=.{4,253}\Z)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})+")
_NO_SIGN: Final = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What an organisation is known by.

    Attributes:
        name: As it is written; says nothing about whether two are the same.
        vat_id: VAT identification number, in any spelling.
        register_id: Number in a register of companies, with its court or country
            if that is known, in any spelling.
        domains: Domains, with or without `www.`.
        website: Address of its page; its host counts as a domain.
    """

    name: str
    vat_id: str | None = None
    register_id: str | None = None
    domains: tuple[str, ...] = ()
    website: str | None = None

    @property
    def identifiers(self) -> frozenset[str]:
        """What is compared: `vat:…`, `register:…` and `domain:…`."""
        found = set()
        if code := _code(self.vat_id):
            found.add(f"vat:{code}")
        if code := _code(self.register_id):
            found.add(f"register:{code}")
        hosts = [read_domain(each) for each in self.domains]
        hosts.append(host_of(self.website))
        found |= {f"domain:{host}" for host in hosts if host is not None}
        return frozenset(found)


def read_domain(text: str) -> str | None:
    """Return a domain as it is compared, None if the text is none.

    A web address stands for its host.
    """
    host = text.strip().casefold()
    if "//" in host or "/" in host:
        host = urlsplit(host if "//" in host else f"//{host}").hostname or ""
    host = host.removeprefix("www.").strip(".")
    try:
        host = host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    return host if DOMAIN.fullmatch(host) else None


def host_of(website: str | None) -> str | None:
    """Return the domain that a web address proves, None if many share its host."""
    host = None if not website else read_domain(website)
    return None if host in SHARED_HOSTS else host


def plain_name(name: str) -> str:
    """Return a name as it is compared for a possible match, which proves nothing."""
    words = _NO_SIGN.sub(" ", name.casefold()).split()
    return " ".join(word for word in words if word not in _LEGAL_FORMS)


def same_names(name: str, others: Iterable[str]) -> list[str]:
    """Return the other names that may mean the same organisation."""
    wanted = plain_name(name)
    return [each for each in others if wanted and plain_name(each) == wanted]


def _code(text: str | None) -> str:
    return _NO_SIGN.sub("", text or "").upper()


_LEGAL_FORMS: Final = frozenset(
    {"ag", "co", "gmbh", "kg", "ltd", "mbh", "ohg", "sa", "se", "sàrl", "ug", "ev"}
)
