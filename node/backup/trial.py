"""Try a backup: restore it into a scratch folder and look whether all is there.

A backup counts only after this. The scratch database is SQLite, whatever the node
has, and lies in the node's folder: a backup may be encrypted because of where it is
kept, and its rows must not lie there in the clear.

Source: SPEC.md NOD-063.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from sqlalchemy import URL, Connection, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from federation.errors import FederationError
from federation.exchange import ViewDigest
from federation.ids import BaseUrl, NodeAddress
from federation.keys import PublicKey
from federation.signatures.proof import verify_proof
from federation.version import Version
from node.backup.copying import Advance, copied_tables
from node.backup.file_format import Header, Reader
from node.backup.loading import load
from node.errors import InvalidInputError, UnavailableError
from node.limits import BACKUP_PROOFS_TRIED
from node.sentence import Sentence, system_reason
from node.storage.node_state import BORN, FORMER, names_of
from node.storage.tables import (
    disclosures,
    entries,
    node_keys,
    node_state,
    partner_views,
    received_entries,
)

SCRATCH_PREFIX: Final = "node.trial-"
_OWNER_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What a trial restore has shown.

    Attributes:
        rows: By table.
        proofs: Entries whose proofs were verified.
        views: Partners' views whose digests were computed anew.
        bytes: Size of the file.
    """

    header: Header
    rows: Mapping[str, int]
    proofs: int
    views: int
    bytes: int


def try_backup(
    path: Path, *, scratch: Path, passphrase: bytes | None, advance: Advance
) -> Tried:
    """Restore a backup into a new folder below `scratch` and examine it.

    Args:
        path: The backup.
        scratch: The node's folder; what is made there is removed again.
        passphrase: If it is encrypted.
        advance: Is told how many rows are in.

    Raises:
        InvalidInputError: It is damaged, incomplete, or contradicts itself.
        UnavailableError: It cannot be read, or there is no room to try it.
    """
    with scratch_folder(scratch) as folder:
        try:
            with path.open("rb") as file:
                return load_into_file(
                    folder / "trial.sqlite",
                    file,
                    passphrase=passphrase,
                    advance=advance,
                )
        except OSError as error:
            raise UnavailableError(
                Sentence(
                    "The backup {path} cannot be read: {reason}.",
                    path=path,
                    reason=system_reason(error),
                ),
                code="backup-unreadable",
                path=str(path),
            ) from error
        except SQLAlchemyError as error:
            raise UnavailableError(
                Sentence("The backup cannot be tried in {folder}.", folder=scratch),
                code="trial-impossible",
                path=str(scratch),
                hint="The trial needs as much room there as the database has.",
            ) from error


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Make a folder that is removed again; what a crash left goes first."""
    for left in parent.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"{SCRATCH_PREFIX}1"
    try:
        folder.mkdir(mode=_OWNER_FOLDER)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def load_into_file(path: Path, file: BinaryIO, **options: Any) -> Tried:
    """Load a backup into a new SQLite file and examine it; nothing is synced.

    Args:
        path: The file, empty or not there.
        file: The backup.
        options: See `load_and_examine`.
    """
    url = URL.create("sqlite", database=str(path))
    engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    try:
        with engine.connect() as connection:
            # Broken off, it is thrown away: nothing has to outlive a power cut.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", "foreign_keys=ON"):
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            return load_and_examine(connection, file, **options)
    finally:
        engine.dispose()


def load_and_examine(
    connection: Connection,
    file: BinaryIO,
    *,
    passphrase: bytes | None,
    advance: Advance,
) -> Tried:
    """Load a backup into an empty database, commit, and look whether all is there.

    Raises:
        InvalidInputError: The backup is damaged, newer, or contradicts itself.
    """
    reader = Reader(file, passphrase=passphrase)
    load(connection, reader, advance)
    connection.commit()
    if connection.dialect.name == "sqlite":
        _examine_file(connection)
    _examine(connection, reader)
    return Tried(
        header=reader.header,
        rows=dict(reader.rows),
        proofs=_verify_proofs(connection, reader.header),
        views=_compare_views(connection, reader.header),
        bytes=file.tell(),
    )


def _examine_file(connection: Connection) -> None:
    if connection.exec_driver_sql("PRAGMA integrity_check").scalar() != "ok":
        raise _contradiction("integrity_check")
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise _contradiction("foreign_key_check")


def _examine(connection: Connection, reader: Reader) -> None:
    header = reader.header
    names = {table.name for table in copied_tables()}
    if not names <= reader.rows.keys():
        raise _contradiction(", ".join(sorted(names - reader.rows.keys())))
    for table in copied_tables():
        found = connection.scalar(select(func.count()).select_from(table))
        if found != reader.rows[table.name]:
            raise _contradiction(table.name)
    state = connection.execute(select(node_state)).one_or_none()
    said = (header.node_id, header.base_url, header.incarnation, header.epoch)
    if state is None or said != (
        state.node_id,
        state.base_url,
        state.incarnation,
        state.epoch,
    ):
        raise _contradiction("node_state")


def _verify_proofs(connection: Connection, header: Header) -> int:
    """Verify the proofs of a sample of our own entries, spread over all ids."""
    address = _names(connection, header)
    keys: dict[str, PublicKey] = {
        NodeAddress(name).key(row.number): PublicKey.from_multibase(row.multibase)
        for row in connection.execute(select(node_keys.c.number, node_keys.c.multibase))
        for name in address.names
    }
    signed = entries.c.document.is_not(None)
    number = connection.scalar(select(func.count()).select_from(entries).where(signed))
    step = max(1, int(number or 0) // BACKUP_PROOFS_TRIED)
    numbered = (
        select(
            entries.c.id,
            entries.c.document,
            func.row_number().over(order_by=entries.c.id).label("nth"),
        )
        .where(signed)
        .subquery()
    )
    tried = 0
    sample = select(numbered.c.id, numbered.c.document).where(
        numbered.c.nth % step == 0
    )
    for row in connection.execute(sample.limit(BACKUP_PROOFS_TRIED)):
        try:
            verify_proof(
                json.loads(row.document), find_key=lambda key_id, _at: keys.get(key_id)
            )
        except (FederationError, ValueError) as error:
            raise _contradiction(f"entries/{row.id}") from error
        tried += 1
    return tried


def _compare_views(connection: Connection, header: Header) -> int:
    """Compute every view's digest anew; it must be the one that is stored."""
    address = _names(connection, header)
    stored = {
        (row.partner_id, row.direction): bytes(row.buckets)
        for row in connection.execute(select(partner_views))
    }
    computed: dict[tuple[str, str], ViewDigest] = {}
    for partner_id, direction, uri, version, digest in _elements(connection, address):
        view = computed.setdefault((partner_id, direction), ViewDigest())
        view.add(uri, version, digest)
    for key in stored.keys() | computed.keys():
        empty = ViewDigest().to_bytes()
        view_bytes = computed[key].to_bytes() if key in computed else empty
        if stored.get(key, empty) != view_bytes:
            raise _contradiction(f"partner_views/{'/'.join(key)}")
    return len(stored)


def _names(connection: Connection, header: Header) -> NodeAddress:
    """Return the node's addresses, the former ones too."""
    return names_of(
        BaseUrl(header.base_url), connection.execute(FORMER), connection.execute(BORN)
    )


def _elements(
    connection: Connection, address: NodeAddress
) -> Iterator[tuple[str, str, str, Version, str]]:
    held = disclosures.c
    for row in connection.execute(
        select(
            held.partner_id,
            held.entry_id,
            held.held_incarnation,
            held.held_counter,
            held.held_hash,
        ).where(held.held_hash.is_not(None), held.held_counter.is_not(None))
    ):
        version = Version(row.held_incarnation, row.held_counter)
        uri = address.entry(row.entry_id)
        yield row.partner_id, "out", uri, version, row.held_hash
    copies = received_entries.c
    for row in connection.execute(
        select(
            copies.partner_id,
            copies.entry_uri,
            copies.incarnation,
            copies.counter,
            copies.content_hash,
        ).where(copies.state == "present")
    ):
        version = Version(row.incarnation, row.counter)
        yield row.partner_id, "in", row.entry_uri, version, row.content_hash


def _contradiction(where: str) -> InvalidInputError:
    return InvalidInputError(
        Sentence("The trial restore of the backup failed at {where}.", where=where),
        code="trial-failed",
        path="file",
        hint="Make another backup. If that fails too, the database itself is damaged.",
    )
