"""A cluster closes down: its archive, the deletions, the end of every partnership."""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from federation.trust import TrustState
from node.archive.making import make_archive
from node.archive.verifying import Findings, verify_archive
from node.errors import ConflictError, InvalidInputError, NotAuthorisedError
from node.storage.node_state import require_node_state
from tests.http.nodes import OFFER, MovableClock
from tests.http.whole_nodes import WholeNode, connect, settle, whole_node

PUBLIC = {**OFFER, "audience": {"level": "public"}}


@dataclass
class Clusters:
    nord: WholeNode
    sued: WholeNode
    ost: WholeNode
    clock: MovableClock

    async def advance(self) -> None:
        """What the clockwork does, until nothing is left to do, and the deliveries."""
        while await self.nord.node.closing.advance():
            pass
        await settle(self.nord, self.sued, self.ost)


@pytest.fixture
async def clusters(tmp_path: Path) -> AsyncIterator[Clusters]:
    """Nord is about to close down; it has told Süd and Ost three entries."""
    clock = MovableClock()
    async with (
        whole_node(tmp_path / "nord", "Nord", clock=clock) as nord,
        whole_node(tmp_path / "sued", "Sued", clock=clock) as sued,
        whole_node(tmp_path / "ost", "Ost", clock=clock) as ost,
    ):
        await connect(nord, sued)
        await connect(nord, ost)
        catalogue = nord.node.catalogue
        await nord.publish("Für alle Partner")
        public = {**PUBLIC, "title": {"de": "Für <alle>"}}
        await catalogue.publish(nord.office, public)
        phone = {**PUBLIC, "contact": {"mode": "open", "phone": "+49 6151 1"}}
        await catalogue.publish(nord.office, phone)
        await settle(nord, sued, ost)
        yield Clusters(nord, sued, ost, clock)


async def archive_of(
    clusters: Clusters, path: Path, *, with_contacts: bool = False
) -> Findings:
    """Make an archive, put it into a folder and verify it there."""
    context = clusters.nord.node.context
    async with context.database.read() as tx:
        made = await make_archive(tx, context, with_contacts=with_contacts)
    assert (made.held, made.left_out) == ((2, 0) if with_contacts else (1, 1))
    with zipfile.ZipFile(io.BytesIO(made.data)) as files:
        files.extractall(path)
    (path.parent / "archive.zip").write_bytes(made.data)
    assert verify_archive(path.parent / "archive.zip").faults == ()
    return verify_archive(path)


async def test_archive_is_verified_without_the_node(
    clusters: Clusters, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    found = await archive_of(clusters, folder)
    assert (found.name, found.entries, found.faults) == ("Nord", 1, ())
    key = clusters.nord.node.context.keys.active.fingerprint
    assert found.fingerprints == (key,)
    texts = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    # Nothing that is not public, no telephone number, and no markup of members.
    assert "Für alle Partner" not in texts
    assert "+49 6151" not in texts
    assert "Für <alle>" not in (folder / "index.html").read_text()
    assert "Für &lt;alle&gt;" in (folder / "index.html").read_text()
    with_contacts = await archive_of(clusters, tmp_path / "more", with_contacts=True)
    assert with_contacts.entries == 2


async def test_archive_that_was_touched_is_found_out(
    clusters: Clusters, tmp_path: Path
) -> None:
    folder = tmp_path / "archive"
    await archive_of(clusters, folder)
    (entry,) = (folder / "entries").glob("*.json")
    original = entry.read_text()
    entry.write_text(original.replace("Interferometer", "Spektrometer"))
    found = verify_archive(folder)
    name = f"entries/{entry.name}"
    assert {fault.path for fault in found.faults} == {name}
    assert found.entries == 0
    entry.unlink()
    (folder / "added.html").write_text("<p>")
    reasons = {fault.path: fault.reason for fault in verify_archive(folder).faults}
    assert reasons == {name: "the file is missing", "added.html": "the file was added"}
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["name"] = "Somebody else"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InvalidInputError) as caught:
        verify_archive(folder)
    assert caught.value.code == "archive-untrusted"
    (tmp_path / "no.zip").write_bytes(b"PK")
    with pytest.raises(InvalidInputError) as caught:
        verify_archive(tmp_path / "no.zip")
    assert caught.value.code == "archive-unreadable"


async def test_order_needs_an_administrator_and_the_name(clusters: Clusters) -> None:
    nord = clusters.nord
    member, _link = await nord.node.members.add_person(
        None, email="max@firma.example", name="Max", organisation="Firma"
    )
    with pytest.raises(NotAuthorisedError):
        await nord.node.closing.begin(member, typed="Nord")
    with pytest.raises(InvalidInputError):
        await nord.node.closing.begin(nord.office, typed="Sued")
    progress = await nord.node.closing.progress()
    assert (progress.closing_since, progress.entries) == (None, 3)
    assert len(progress.partners) == 2
    assert await nord.node.closing.advance() == 0


async def test_everything_is_deleted_everywhere_and_then_it_is_over(
    clusters: Clusters,
) -> None:
    nord, sued, ost = clusters.nord, clusters.sued, clusters.ost
    await nord.node.closing.begin(nord.office, typed="nord")
    with pytest.raises(ConflictError) as caught:
        await nord.publish("Zu spät")
    assert caught.value.code == "closing-down"
    with pytest.raises(ConflictError):
        await nord.node.partners.invite(nord.office)
    with pytest.raises(ConflictError):
        await nord.node.closing.begin(nord.office, typed="Nord")
    for _round in range(4):
        await clusters.advance()
    for other in (sued, ost):
        assert await other.held_from(nord) == {}
        assert (await other.partner(nord)).state is TrustState.ENDED
        assert (await nord.partner(other)).state is TrustState.ENDED
    progress = await nord.node.closing.progress()
    assert (progress.entries, progress.partners) == (0, ())
    assert progress.closed_at is not None
    lines = [line async for line in nord.node.ledger.each_line()]
    assert {line.op for line in lines} == {"delete"}
    assert all(line.acknowledged_at for line in lines)

    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{nord.base_url}/actor") as answer,
    ):
        gone = await answer.json(content_type=None)
    assert answer.status == 410
    assert (gone["type"], gone["id"]) == ("Tombstone", f"{nord.base_url}/actor")


async def test_partner_that_is_away_is_waited_for_until_its_copies_lapse(
    clusters: Clusters,
) -> None:
    nord, sued = clusters.nord, clusters.sued
    await sued.stop()
    await nord.node.closing.begin(nord.office, typed="Nord")
    for _round in range(3):
        await clusters.advance()
    progress = await nord.node.closing.progress()
    (waiting,) = progress.partners
    assert (waiting.partner.state, waiting.open) == (TrustState.ENDING, 3)
    # Two of them are public: these copies never lapse.
    assert waiting.lapsed_by is None
    assert progress.closed_at is None
    clusters.clock.advance(days=31)
    for _round in range(2):
        await clusters.advance()
    progress = await nord.node.closing.progress()
    assert progress.closed_at is not None
    (unconfirmed,) = progress.partners
    assert (unconfirmed.partner.state, unconfirmed.open) == (TrustState.ENDED, 3)


async def test_a_node_that_was_killed_goes_on(clusters: Clusters) -> None:
    nord = clusters.nord
    await nord.node.closing.begin(nord.office, typed="Nord")
    await nord.stop()
    await nord.start()
    for _round in range(4):
        await clusters.advance()
    async with nord.node.context.database.read() as tx:
        assert (await require_node_state(tx)).closed_at is not None
