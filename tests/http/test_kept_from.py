"""Whom an entry is kept from: by name, by membership, by group, ceiling and release.

Two real nodes on both engines. What Nord excludes, calls a group or permits at most
carries one word that must be found in nothing that Süd ever got.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from federation.transport.wire import GuardedSession
from node.catalogue.model import AudienceLevel, Entry
from node.errors import InvalidInputError
from node.members.identifiers import Known
from node.members.model import Person, Role
from node.storage.ceilings import KindAudience
from node.storage.tables import metadata
from node.visibility import PartnerViewer, Verdict
from tests.http.nodes import MovableClock
from tests.http.pages.sites import Site, site_of
from tests.postgres_server import PostgresServer

WORD = "zwetschgenkern"
RIVAL = {
    "name": f"Rivale {WORD} GmbH",
    "vat_id": "DE 999 888 777",
    "domains": [f"www.{WORD}.example"],
}


@dataclass
class Scene:
    """Nord and Süd are partners who have compared; an owner at Nord."""

    nord: Site
    sued: Site
    owner: Person
    traffic: list[bytes] = field(default_factory=list)

    @property
    async def office(self) -> Person:
        return await self.nord.node.members.office_person()

    async def publish(self, **audience: Any) -> Entry:
        audience.setdefault("level", "trusted")
        return await self.nord.publish(self.owner, audience=audience)

    async def change(self, entry: Entry, **audience: Any) -> Entry:
        audience.setdefault("level", "trusted")
        document = {**entry.content, "audience": audience}
        return await self.nord.node.catalogue.publish(
            self.owner, document, entry_ref=entry.id
        )

    async def settle(self) -> None:
        for _round in range(3):
            await self.nord.settle()
            await self.sued.settle()

    async def at_sued(self) -> set[str]:
        """Ids of Nord's entries that Süd holds."""
        table = metadata.tables["received_entries"]
        async with self.sued.node.context.database.read() as tx:
            rows = await tx.all(
                select(table.c.entry_uri).where(table.c.state == "present")
            )
        return {row.entry_uri for row in rows}

    async def verdict(self, entry: Entry) -> Verdict:
        (sued,) = await self.nord.node.partners.list()
        return await self.nord.node.catalogue.why(PartnerViewer.of(sued), entry.id)

    async def profile(self, **changes: Any) -> Entry:
        """Süd publishes the profile of a member for all its partners."""
        person = await self.sued.member("rita@rivale.example", "Rivale")
        document = {
            "kind": "organisation_profile",
            "title": {"de": "Rivale"},
            "summary": {"de": "Macht dasselbe."},
            "legal_name": "Rivale Optik",
            "org_type": "company",
            "audience": {"level": "trusted"},
            **changes,
        }
        return await self.sued.node.catalogue.publish(person, document)

    async def nothing_left(self) -> None:
        """Neither the traffic nor a table of Süd holds the word."""
        assert self.traffic, "nothing was exchanged at all"
        for body in self.traffic:
            assert WORD not in body.decode("utf-8", "replace").casefold()
        async with self.sued.node.context.database.read() as tx:
            for table in metadata.sorted_tables:
                for row in await tx.all(select(table)):
                    raw = [bytes(x) for x in row if isinstance(x, bytes | memoryview)]
                    assert WORD not in repr(tuple(row)).casefold(), table.name
                    assert not any(WORD.encode() in x.lower() for x in raw), table.name


@asynccontextmanager
async def scene_in(
    folder: Path, databases: tuple[str, str], *, release: bool = True
) -> AsyncIterator[Scene]:
    clock = MovableClock()
    async with AsyncExitStack() as stack:
        nord, sued = [
            await stack.enter_async_context(
                site_of(folder / name, name, clock=clock, database_url=url)
            )
            for name, url in zip(("nord", "sued"), databases, strict=True)
        ]
        host = await nord.node.members.office_person()
        created = await nord.node.partners.invite(host)
        guest = await sued.node.members.office_person()
        await sued.node.partners.accept(guest, created.code)
        await sued.node.partners.mark_compared(guest, nord.base_url)
        await nord.node.partners.confirm(
            host, sued.base_url, compared=True, release=release
        )
        owner = await nord.member("olga@optik.example", "Optik GmbH")
        scene = Scene(nord, sued, owner)
        await scene.settle()
        yield scene


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    if request.param == "sqlite":
        yield "", ""
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    with server.fresh_database() as first, server.fresh_database() as second:
        yield first, second


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every body that any node sends or gets while it asks another one."""
    seen: list[bytes] = []
    exchange = GuardedSession.exchange

    async def listened(self: GuardedSession, request: Any) -> Any:
        answer = await exchange(self, request)
        seen.extend([request.target.encode(), request.body or b"", answer.body])
        return answer

    monkeypatch.setattr(GuardedSession, "exchange", listened)
    return seen


@pytest.fixture
async def scene(
    tmp_path: Path, databases: tuple[str, str], traffic: list[bytes]
) -> AsyncIterator[Scene]:
    async with scene_in(tmp_path, databases) as made:
        made.traffic = traffic
        yield made


async def test_an_excluded_cluster_gets_nothing_and_a_change_is_told(
    scene: Scene,
) -> None:
    exclude = {"partners": [scene.sued.base_url]}
    kept = await scene.publish(exclude=exclude)
    free = await scene.publish()
    await scene.settle()
    assert await scene.at_sued() == {free.uri}
    assert (await scene.verdict(kept)).rule == "VIS-060"
    # Exactly the difference: one is taken back, the other one comes.
    await scene.change(free, exclude=exclude)
    await scene.change(kept, exclude={})
    await scene.settle()
    assert await scene.at_sued() == {kept.uri}
    await scene.change(free, exclude={})
    await scene.settle()
    assert await scene.at_sued() == {kept.uri, free.uri}


async def test_what_is_not_said_about_exclusions_stays_as_it_is(scene: Scene) -> None:
    entry = await scene.publish(exclude={"partners": [scene.sued.base_url]})
    await scene.change(entry)
    await scene.change(entry, level="partners", partners=[scene.sued.base_url])
    await scene.settle()
    assert await scene.at_sued() == set()


async def test_a_known_member_keeps_the_whole_cluster_out(scene: Scene) -> None:
    office = await scene.office
    (sued,) = await scene.nord.node.partners.list()
    member = await scene.nord.node.partners.knowing.note(
        office, sued.id, Known(name="Rivale", vat_id="de999888777")
    )
    kept = await scene.publish(exclude={"organisations": [RIVAL]})
    sent = await scene.publish(
        exclude={"organisations": [{**RIVAL, "send_anyway": True}]}
    )
    await scene.settle()
    assert await scene.at_sued() == {sent.uri}
    assert (await scene.verdict(kept)).rule == "VIS-061"
    # The author decides otherwise, and otherwise again.
    await scene.change(
        kept, exclude={"organisations": [{**RIVAL, "send_anyway": True}]}
    )
    await scene.change(sent, exclude={"organisations": [RIVAL]})
    await scene.settle()
    assert await scene.at_sued() == {kept.uri}
    # The office takes its note back.
    await scene.nord.node.partners.knowing.forget(office, sued.id, member.id)
    await scene.settle()
    assert await scene.at_sued() == {kept.uri, sent.uri}
    await scene.nothing_left()


@pytest.mark.parametrize(
    "known",
    [
        {"vat_id": "DE-999.888.777"},
        {"register_id": "hrb 4711 Köln"},
        {"website": f"https://{WORD}.example/de/"},
    ],
    ids=lambda known: next(iter(known)),
)
async def test_a_profile_that_comes_later_takes_the_entry_back(
    scene: Scene, known: dict[str, str]
) -> None:
    excluded = {**RIVAL, "register_id": "HRB 4711, Köln"}
    entry = await scene.publish(exclude={"organisations": [excluded]})
    await scene.settle()
    assert await scene.at_sued() == {entry.uri}
    profile = await scene.profile(**known)
    await scene.settle()
    assert await scene.at_sued() == set()
    assert (await scene.verdict(entry)).rule == "VIS-061"
    # Taking the profile back opens nothing again (VIS-006).
    rita = await scene.sued.node.members.person_by_email("rita@rivale.example")
    await scene.sued.node.catalogue.delete(rita, profile.id)
    await scene.settle()
    table = metadata.tables["partner_members"]
    async with scene.nord.node.context.database.read() as tx:
        assert await tx.all(select(table)) == []
    assert await scene.at_sued() == set()
    # Nor does an edit that leaves the list as it is.
    await scene.change(entry, exclude={"organisations": [excluded]})
    await scene.settle()
    assert await scene.at_sued() == set()
    # The author strikes it from the list.
    await scene.change(entry, exclude={})
    await scene.settle()
    assert await scene.at_sued() == {entry.uri}


async def test_a_name_alone_proves_nothing(scene: Scene) -> None:
    entry = await scene.publish(
        exclude={"organisations": [{"name": "Rivale Optik GmbH"}]}
    )
    await scene.profile(website="https://www.linkedin.com/company/rivale")
    await scene.settle()
    assert await scene.at_sued() == {entry.uri}
    document = {
        **entry.content,
        "audience": {
            "level": "trusted",
            "exclude": {"organisations": [{"name": "Rivale Optik GmbH"}]},
        },
    }
    own, sued, _public = await scene.nord.node.catalogue.preview(
        scene.owner, document, entry_ref=entry.id
    )
    assert (own.alike, sued.alike, sued.known) == ((), ("Rivale Optik",), 1)


async def test_an_excluded_member_of_our_own_does_not_read(scene: Scene) -> None:
    person = await scene.nord.member("rolf@rivale.example", "Rivale Nord")
    neighbour = await scene.nord.member("nora@laser.example", "Laser AG")
    entry = await scene.publish(level="cluster", exclude={"organisations": [RIVAL]})
    catalogue = scene.nord.node.catalogue
    assert (await catalogue.why(person, entry.id)).visible
    await scene.nord.node.organisations.identify(
        await scene.office,
        "Rivale Nord",
        vat_id="DE999888777",
        register_id=None,
        domains=[],
    )
    assert (await catalogue.why(person, entry.id)).rule == "VIS-025"
    assert (await catalogue.why(neighbour, entry.id)).rule == "VIS-024"
    # Losing the number opens nothing again.
    await scene.nord.node.organisations.identify(
        await scene.office, "Rivale Nord", vat_id=None, register_id=None, domains=[]
    )
    assert (await catalogue.why(person, entry.id)).rule == "VIS-025"
    by_name = await scene.publish(
        level="cluster", exclude={"organisations": [{"name": "laser ag"}]}
    )
    assert (await catalogue.why(neighbour, by_name.id)).rule == "VIS-025"


async def test_what_everybody_reads_excludes_nobody(scene: Scene) -> None:
    with pytest.raises(InvalidInputError) as caught:
        await scene.publish(level="public", exclude={"organisations": [RIVAL]})
    assert caught.value.faults[0].path == "/audience/exclude"
    entry = await scene.publish(exclude={"organisations": [RIVAL]})
    with pytest.raises(InvalidInputError):
        await scene.change(entry, level="public")


async def test_a_group_is_for_its_members_and_never_leaves(scene: Scene) -> None:
    inside = await scene.nord.member("nora@laser.example", "Laser AG")
    outside = await scene.nord.member("adam@glas.example", "Glas KG")
    office, audiences = await scene.office, scene.nord.node.audiences
    group = await audiences.make_group(
        office, f"Arbeitskreis {WORD}", [inside.organisation_id]
    )
    entry = await scene.publish(level="group", group=f"arbeitskreis {WORD}")
    catalogue = scene.nord.node.catalogue
    assert (await catalogue.why(inside, entry.id)).rule == "VIS-026"
    assert (await catalogue.why(outside, entry.id)).rule == "VIS-027"
    assert (await catalogue.why(scene.owner, entry.id)).rule == "VIS-022"
    assert (await scene.verdict(entry)).rule == "VIS-035"
    await audiences.change_group(
        office, group.id, organisation_ids=[outside.organisation_id]
    )
    assert (await catalogue.why(inside, entry.id)).rule == "VIS-027"
    assert (await catalogue.why(outside, entry.id)).rule == "VIS-026"
    assert await audiences.remove_group(office, group.id) == 1
    assert (await catalogue.why(outside, entry.id)).rule == "VIS-027"
    await scene.publish()
    await scene.settle()
    await scene.nothing_left()


async def test_a_ceiling_by_kind_holds_for_what_exists(scene: Scene) -> None:
    office, audiences = await scene.office, scene.nord.node.audiences
    public = await scene.publish(level="public")
    trusted = await scene.publish()
    await scene.settle()
    both = {public.uri, trusted.uri}
    limit = KindAudience("capacity_offer", ceiling=AudienceLevel.TRUSTED)
    effect = await audiences.foresee_kind(limit)
    assert [(each.name, each.hidden, each.shown) for each in effect.viewers] == [
        (None, 1, 0)
    ]
    assert await audiences.set_kind(office, limit) == 1
    await scene.settle()
    assert await scene.at_sued() == both
    assert await _is_public_at_sued(scene) == {public.uri: False, trusted.uri: False}
    limit = KindAudience("capacity_offer", ceiling=AudienceLevel.CLUSTER)
    effect = await audiences.foresee_kind(limit)
    assert [(each.name, each.hidden, each.shown) for each in effect.viewers] == [
        ("sued", 2, 0)
    ]
    await audiences.set_kind(office, limit)
    await scene.settle()
    assert await scene.at_sued() == set()
    assert (await scene.verdict(trusted)).rule == "VIS-062"
    with pytest.raises(InvalidInputError):
        await scene.publish()
    # What was above it comes back as it was.
    await audiences.set_kind(office, KindAudience("capacity_offer"))
    await scene.settle()
    assert await scene.at_sued() == both
    assert await _is_public_at_sued(scene) == {public.uri: True, trusted.uri: False}


async def test_an_organisation_limits_its_persons(scene: Scene) -> None:
    admin = await scene.nord.member(
        "otto@optik.example", "Optik GmbH", role=Role.ORGANISATION_ADMIN
    )
    stranger = await scene.nord.member(
        "nora@laser.example", "Laser AG", role=Role.ORGANISATION_ADMIN
    )
    audiences = scene.nord.node.audiences
    entry = await scene.publish()
    await scene.settle()
    with pytest.raises(Exception, match="administrators"):
        await audiences.set_organisation(
            stranger, scene.owner.organisation_id, AudienceLevel.CLUSTER
        )
    assert await audiences.set_organisation(
        admin, scene.owner.organisation_id, AudienceLevel.CLUSTER
    )
    await scene.settle()
    assert await scene.at_sued() == set()
    assert (await scene.verdict(entry)).rule == "VIS-063"
    await audiences.set_organisation(admin, scene.owner.organisation_id, None)
    await scene.settle()
    assert await scene.at_sued() == {entry.uri}


async def _is_public_at_sued(scene: Scene) -> dict[str, bool]:
    table = metadata.tables["received_entries"]
    async with scene.sued.node.context.database.read() as tx:
        return {row.entry_uri: row.is_public for row in await tx.all(select(table))}


async def test_the_list_waits_for_the_release(
    tmp_path: Path, databases: tuple[str, str]
) -> None:
    async with scene_in(tmp_path, databases, release=False) as scene:
        trusted, public = await scene.publish(), await scene.publish(level="public")
        named = await scene.publish(level="partners", partners=[scene.sued.base_url])
        await scene.settle()
        assert await scene.at_sued() == {public.uri, named.uri}
        assert (await scene.verdict(trusted)).rule == "VIS-036"
        releasing = scene.nord.node.partners.releasing
        (sued,) = await releasing.unreleased()
        waiting = await releasing.waiting(sued)
        assert (waiting.by_kind, [each.id for each in waiting.entries]) == (
            {"capacity_offer": 1},
            [trusted.id],
        )
        _partner, told = await releasing.release(await scene.office, sued.id)
        assert told == 1
        await scene.settle()
        assert await scene.at_sued() == {trusted.uri, public.uri, named.uri}
        assert await releasing.unreleased() == []
