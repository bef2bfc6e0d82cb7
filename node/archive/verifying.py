"""Verify an archive without a node and without a network."""

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from federation import strict_json
from federation.documents.actor import parse_actor
from federation.documents.entry import parse_entry
from federation.documents.signed import require_proof
from federation.errors import FederationError
from federation.ids import BaseUrl, parse_base_url
from federation.json_types import JsonObject
from federation.peers import RemotePeer
from node.archive.form import ACTOR, FOLDER, FORMAT, FORMAT_VERSION, MANIFEST
from node.errors import InvalidInputError
from node.limits import (
    ARCHIVE_BYTES_MAX,
    ARCHIVE_FILE_BYTES_MAX,
    ARCHIVE_FILES_MAX,
)
from node.sentence import Sentence, system_reason

_ACTOR_PATH = "/actor"
_REASON_SENTENCES = {
    "private": "the entry is not public",
    "missing": "the file is missing",
    "added": "the file was added",
    "changed": "the file was changed",
}


@dataclass(frozen=True, slots=True)
class BrokenFile:
    """What is wrong with one file."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What an archive says and whether it is so.

    Attributes:
        fingerprints: Of the keys in the actor document that are not revoked; to be
            compared with what is known from elsewhere.
        entries: Signed entries that verified.
        faults: Empty if everything is as it was signed.
    """

    name: str
    base_url: str
    created: str
    fingerprints: tuple[str, ...]
    entries: int
    faults: tuple[BrokenFile, ...]


def verify_archive(path: Path) -> Findings:
    """Check every file of an archive, a ZIP file or a folder.

    Raises:
        InvalidInputError: It cannot be read, or it is no archive.
    """
    files = _read(path)
    try:
        manifest = _document(files, MANIFEST)
        peer = _actor_of(manifest, files)
        require_proof(manifest, peer=peer)
    except FederationError as error:
        raise InvalidInputError(
            Sentence(
                "{path} is not an archive that can be trusted: {reason}",
                path=path.name,
                reason=str(error),
            ),
            code="archive-untrusted",
            hint="Ask whoever gave it to you for another copy.",
        ) from error
    faults = _faults_of_files(manifest, files)
    verified = 0
    for name, content in sorted(files.items()):
        if not (name.startswith(FOLDER) and name.endswith(".json")):
            continue
        try:
            entry = parse_entry(strict_json.loads_object(content), peer=peer)
        except FederationError as error:
            faults.append(BrokenFile(name, str(error)))
            continue
        if not entry.entry.public:
            faults.append(BrokenFile(name, _REASON_SENTENCES["private"]))
        verified += 1
    return Findings(
        name=str(manifest.get("name", "")),
        base_url=peer.base_url,
        created=str(manifest.get("created", "")),
        fingerprints=tuple(
            key.public_key.fingerprint for key in peer.keys if key.revoked is None
        ),
        entries=verified,
        faults=tuple(faults),
    )


def _actor_of(manifest: JsonObject, files: Mapping[str, bytes]) -> RemotePeer:
    """Read the actor that the manifest names; its keys are what counts."""
    said = (manifest.get("format"), manifest.get("version"))
    if said != (FORMAT, FORMAT_VERSION):
        raise InvalidInputError(
            "This is not an archive of a format that this program knows.",
            code="archive-unknown",
        )
    address = str(manifest.get("actor", "")).removesuffix(_ACTOR_PATH)
    base_url: BaseUrl = parse_base_url(address, allow_loopback_http=True)
    actor = parse_actor(_document(files, ACTOR), base_url=base_url)
    return actor.as_peer()


def _faults_of_files(
    manifest: JsonObject, files: Mapping[str, bytes]
) -> list[BrokenFile]:
    """Compare every file with the manifest: missing, changed or added."""
    listed: dict[str, str] = {}
    said = manifest.get("files")
    for each in said if isinstance(said, list) else []:
        if isinstance(each, dict):
            listed[str(each.get("path"))] = str(each.get("sha256"))
    faults = []
    for path in sorted(listed.keys() | files.keys() - {MANIFEST}):
        if path not in files:
            faults.append(BrokenFile(path, _REASON_SENTENCES["missing"]))
        elif path not in listed:
            faults.append(BrokenFile(path, _REASON_SENTENCES["added"]))
        elif hashlib.sha256(files[path]).hexdigest() != listed[path]:
            faults.append(BrokenFile(path, _REASON_SENTENCES["changed"]))
    return faults


def _document(files: Mapping[str, bytes], name: str) -> JsonObject:
    if name not in files:
        raise InvalidInputError(
            Sentence("The file {name} is missing in it.", name=name),
            code="archive-incomplete",
        )
    return strict_json.loads_object(
        files[name], bytes_max=ARCHIVE_FILE_BYTES_MAX, nodes_max=ARCHIVE_FILES_MAX * 8
    )


def _read(path: Path) -> dict[str, bytes]:
    """Read the files of a ZIP file or folder, within bounds, by relative path."""
    try:
        if path.is_dir():
            found = [each for each in path.rglob("*") if each.is_file()]
            sizes = {each.relative_to(path).as_posix(): each for each in found}
            _require_bounds([each.stat().st_size for each in found])
            return {name: each.read_bytes() for name, each in sizes.items()}
        with zipfile.ZipFile(path) as archive:
            infos = [info for info in archive.infolist() if not info.is_dir()]
            _require_bounds([info.file_size for info in infos])
            return {info.filename: archive.read(info) for info in infos}
    except (OSError, zipfile.BadZipFile) as error:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        raise InvalidInputError(
            Sentence("{path} cannot be read: {reason}.", path=path.name, reason=reason),
            code="archive-unreadable",
            path="file",
        ) from error


def _require_bounds(sizes: list[int]) -> None:
    if (
        len(sizes) > ARCHIVE_FILES_MAX
        or sum(sizes) > ARCHIVE_BYTES_MAX
        or max(sizes, default=0) > ARCHIVE_FILE_BYTES_MAX
    ):
        raise InvalidInputError(
            "The archive is larger than this program makes one.",
            code="archive-too-large",
        )
