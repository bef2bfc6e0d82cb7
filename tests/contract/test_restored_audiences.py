"""A restore makes no entry visible to more (SPEC VIS-006, NOD-071)."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from node.catalogue.model import AudienceLevel, Entry
from node.members.identifiers import Known
from node.members.model import Person
from node.storage.ceilings import KindAudience
from node.visibility import PartnerViewer, PublicViewer, Viewer
from tests.contract.backed_node import BackedNode, backed_node
from tests.postgres_server import PostgresServer

RIVAL = {"name": "Rivale", "domains": ["rivale.example"]}
Narrowing: TypeAlias = Callable[["Scene"], Awaitable[object]]


@pytest.fixture(params=["sqlite", "postgresql"])
async def node(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[BackedNode]:
    if request.param == "sqlite":
        async with backed_node(tmp_path) as made:
            yield made
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.fresh_database() as url:
        async with backed_node(tmp_path, url) as made:
            yield made


class Scene:
    """Entries for all, for a group and for everybody, and who sees them."""

    def __init__(self, node: BackedNode) -> None:
        self.node = node

    async def set_up(self) -> None:
        await self.node.partner("west")
        self.member: Person = await self.node.member("Lena")
        office = await self.node.office()
        self.group = await self.node.node.audiences.make_group(
            office, "Kreis", [self.member.organisation_id]
        )
        listed = {"level": "trusted", "exclude": {"organisations": [RIVAL]}}
        self.trusted: Entry = await self.node.publish(audience=listed)
        self.public: Entry = await self.node.publish(audience={"level": "public"})
        self.grouped: Entry = await self.node.publish(
            audience={"level": "group", "group": "Kreis"}
        )

    async def seen(self) -> dict[str, set[str]]:
        (west,) = await self.node.node.partners.list()
        viewers: dict[str, Viewer] = {
            "west": PartnerViewer.of(west),
            "public": PublicViewer(),
            "member": self.member,
        }
        names = {self.trusted.id: "t", self.public.id: "p", self.grouped.id: "g"}
        return {
            who: {
                name
                for entry_id, name in names.items()
                if (await self.node.node.catalogue.why(viewer, entry_id)).visible
            }
            for who, viewer in viewers.items()
        }


async def exclude_a_cluster(scene: Scene) -> None:
    await scene.node.publish(
        scene.trusted.id,
        audience={
            "level": "trusted",
            "exclude": {"partners": ["https://spalier.west.example"]},
        },
    )


async def exclude_somebody_nobody_knows(scene: Scene) -> None:
    """Nothing is found yet; and yet the list is not in the backup."""
    another = {"name": "Anders", "vat_id": "DE1"}
    await scene.node.publish(
        scene.trusted.id,
        audience={"level": "trusted", "exclude": {"organisations": [another]}},
    )


async def hear_of_a_member(scene: Scene) -> None:
    office = await scene.node.office()
    known = Known(name="Rivale", domains=("rivale.example",))
    await scene.node.node.partners.knowing.note(office, "west", known)


async def limit_the_kind(scene: Scene) -> None:
    office = await scene.node.office()
    limit = KindAudience("capacity_offer", ceiling=AudienceLevel.CLUSTER)
    await scene.node.node.audiences.set_kind(office, limit)


async def limit_the_kind_to_partners(scene: Scene) -> None:
    office = await scene.node.office()
    limit = KindAudience("capacity_offer", ceiling=AudienceLevel.TRUSTED)
    await scene.node.node.audiences.set_kind(office, limit)


async def limit_the_organisation(scene: Scene) -> None:
    office = await scene.node.office()
    await scene.node.node.audiences.set_organisation(
        office, office.organisation_id, AudienceLevel.CLUSTER
    )


async def empty_the_group(scene: Scene) -> None:
    office = await scene.node.office()
    await scene.node.node.audiences.change_group(
        office, scene.group.id, organisation_ids=[]
    )


async def dissolve_the_group(scene: Scene) -> None:
    office = await scene.node.office()
    await scene.node.node.audiences.remove_group(office, scene.group.id)


@pytest.mark.parametrize(
    "narrowing",
    [
        exclude_a_cluster,
        exclude_somebody_nobody_knows,
        hear_of_a_member,
        limit_the_kind,
        limit_the_kind_to_partners,
        limit_the_organisation,
        empty_the_group,
        dissolve_the_group,
    ],
    ids=lambda each: each.__name__,
)
async def test_what_was_narrowed_since_the_backup_is_not_widened(
    node: BackedNode, narrowing: Narrowing
) -> None:
    scene = Scene(node)
    await scene.set_up()
    before = await scene.seen()
    assert before == {
        "west": {"t", "p"},
        "public": {"p"},
        "member": {"t", "p", "g"},
    }
    made = await node.backup()
    await narrowing(scene)
    narrowed = await scene.seen()
    await node.close()
    await node.restore(made.path)
    await node.open()
    seen = await scene.seen()
    for who, entries in seen.items():
        # Of what is not certain, the owner alone decides.
        assert entries <= narrowed[who], (who, entries, narrowed[who])
    if narrowing not in {exclude_a_cluster, exclude_somebody_nobody_knows}:
        touched = {"t"} if narrowing is hear_of_a_member else set()
        assert seen == {who: each - touched for who, each in narrowed.items()}
    found = (await node.entries())[scene.public.id]
    assert scene.public.document is not None
    assert b"#Public" in scene.public.document
    if narrowing is limit_the_kind_to_partners:
        assert found.document is not None
        assert b"#Public" not in found.document
