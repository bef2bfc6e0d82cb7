"""What the pages must know about the node that shows them."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """Facts about this node, fixed while it runs.

    Attributes:
        base_url: Scheme, host and port of every address of the node, without a
            slash at the end.
        cluster_name: Name of the cluster as it stands in the header.
        node_id: Short identifier; part of every cookie name, because browsers do
            not separate cookies by port.
        demo: Whether the data are invented; shows a bar on every page.
        default_language: Language of visitors who express no wish, e.g. `de`.
        timezone: IANA name of the zone in which times are shown.
        former_urls: Where the node was before; people who come there are led on.
        legal_links: Address by page (`imprint`, `privacy`, `accessibility`), where
            the cluster has its own; the rest lead to the node's own pages.
    """

    base_url: str
    cluster_name: str
    node_id: str
    demo: bool = False
    default_language: str = "de"
    timezone: str = "Europe/Berlin"
    former_urls: tuple[str, ...] = ()
    legal_links: Mapping[str, str] = field(default_factory=dict)

    @property
    def https(self) -> bool:
        """Whether visitors reach the node over TLS."""
        return self.base_url.startswith("https:")

    @property
    def authority(self) -> str:
        """Host and, where it is not the scheme's own, port; lower case."""
        return _authority_of(self.base_url)

    def is_former(self, authority: str) -> bool:
        """Whether the node was at this host and port before."""
        return any(authority == _authority_of(each) for each in self.former_urls)

    def cookie_name(self, purpose: str = "") -> str:
        """Name a cookie of this node.

        Args:
            purpose: Suffix; the session itself has none.

        Returns:
            `spalier_<node id>`, prefixed so that browsers refuse a cookie set by
            another host or without TLS (RFC 6265bis §4.1.3.2) where there is TLS.
        """
        name = "_".join(part for part in ("spalier", self.node_id, purpose) if part)
        return f"__Host-{name}" if self.https else name


@functools.cache  # every request asks, and a process has one address
def _authority_of(base_url: str) -> str:
    parts = urlsplit(base_url)
    host = (parts.hostname or "").lower()
    if parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme):
        return host
    return f"{host}:{parts.port}"
