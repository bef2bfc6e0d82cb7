"""The three nodes of the demonstration: where each lives and who signs in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from node.demo.data import CLUSTERS, DemoCluster, load_cluster

LOOPBACK = "127.0.0.1"

# Members whose entries the partner cluster sees, so that there is something to try.
_MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "optence": "marek.sowa@praezisionsoptik.example",
        "swissmem-photonics": "andrea.gerber@optikpruefung.example",
        "beispiel-netz-laser": "anke.behrens@lasertechnik.example",
    }
)


@dataclass(frozen=True, slots=True)
class DemoNode:
    """One node of the demonstration.

    Attributes:
        slug: Name of its folder and log.
        cluster: Its sample data.
        office: E-mail of its office.
        member: E-mail of a member to try it as.
    """

    slug: str
    cluster: DemoCluster
    folder: Path
    log: Path
    port: int
    office: str
    member: str

    @property
    def base_url(self) -> str:
        """Its address."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def exists(self) -> bool:
        """Whether it was set up to the end."""
        settings, unfinished = self.folder / "node.toml", "node.init-unfinished"
        return settings.exists() and not (self.folder / unfinished).exists()


def card_of(cluster: DemoCluster, *, language: str) -> dict[str, Any]:
    """Return a cluster's card as a node keeps it: texts in one language."""
    return {
        name: value[language] if isinstance(value, Mapping) else value
        for name, value in cluster.card.items()
        if value is not None
    }


def demo_nodes(folder: Path, *, first_port: int) -> tuple[DemoNode, ...]:
    """Return the three nodes below `folder`, on three ports in a row."""
    nodes = []
    for index, slug in enumerate(CLUSTERS):
        cluster = load_cluster(slug)
        nodes.append(
            DemoNode(
                slug=slug,
                cluster=cluster,
                folder=folder / slug,
                log=folder / "log" / f"{slug}.log",
                port=first_port + index,
                office=cluster.card["contact"],
                member=_MEMBERS[slug],
            )
        )
    return tuple(nodes)
