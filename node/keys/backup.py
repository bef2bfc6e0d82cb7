"""A backup of the secret keys: a file that is useless without its recovery code.

The file is JSON, in one piece:

    {"format": "spalier-key-backup", "version": 1,
     "node_id": …, "base_url": …, "created": "2026-11-21T10:00:00Z",
     "keys": [{"number": 1, "publicKeyMultibase": "z6Mk…"}],
     "kdf": {"name": "argon2id", "memory_kib": 65536, "iterations": 3, "lanes": 1,
             "salt": "<base64>"},
     "cipher": {"name": "AES-256-GCM", "nonce": "<base64>"},
     "ciphertext": "<base64>", "checksum": "<SHA-256, hex>"}

The cipher's key is derived from the 20 bytes of the recovery code by Argon2id
(RFC 9106). The ciphertext holds `{"secrets": [{"number": 1, "seed": "<base64>"}]}`;
everything else but the checksum is authenticated with it, as canonical JSON
(RFC 8785). The checksum tells a damaged file from a wrong code.

Source: SPEC.md NOD-030.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from federation.canonical import canonical_bytes
from federation.errors import FederationError
from federation.handshake import LettersError, format_groups, parse_groups
from federation.json_types import JsonObject
from federation.keys import PublicKey, SigningKey
from federation.ports import RandomSource
from federation.timestamps import format_timestamp, parse_timestamp
from node.errors import InvalidInputError
from node.keys.model import NodeKey
from node.passphrases import derived_key, new_kdf, require_bearable
from node.sentence import Sentence

FORMAT: Final = "spalier-key-backup"
VERSION: Final = 1
FILE_SUFFIX: Final = ".spalier-keys"
CODE_BYTES: Final = 20
"""160 bits: eight groups of five letters."""
FILE_BYTES_MAX: Final = 64 * 1024
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_FIELDS: Final = frozenset(
    {
        *("format", "version", "node_id", "base_url", "created", "keys"),
        *("kdf", "cipher", "ciphertext", "checksum"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup that was just made.

    Attributes:
        content: The file.
        code: The recovery code, which is kept nowhere.
        numbers: Numbers of the keys in it.
    """

    content: bytes
    code: str = field(repr=False)
    numbers: tuple[int, ...]
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedBackup:
    """A backup as it was read; nothing in it is proven before it is opened.

    Attributes:
        keys: Public keys by number.
    """

    node_id: str
    base_url: str
    created: datetime
    keys: Mapping[int, PublicKey]
    document: Mapping[str, Any] = field(repr=False)


def seal(
    keys: Sequence[NodeKey],
    secrets: Mapping[int, SigningKey],
    *,
    node_id: str,
    base_url: str,
    at: datetime,
    random: RandomSource,
) -> Backup:
    """Encrypt secret keys under a new recovery code.

    Args:
        keys: The keys to back up.
        secrets: Their secrets, by number.
        node_id: Which installation they belong to.
        base_url: Its address.
        at: When, aware.
        random: Source of code, salt and nonce.
    """
    code = random.bytes(CODE_BYTES)
    document: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "node_id": node_id,
        "base_url": base_url,
        "created": format_timestamp(at),
        "keys": [
            {"number": key.number, "publicKeyMultibase": key.multibase} for key in keys
        ],
        "kdf": new_kdf(random),
        "cipher": {
            "name": "AES-256-GCM",
            "nonce": _text(random.bytes(_NONCE_BYTES)),
        },
    }
    inside: JsonObject = {
        "secrets": [
            {"number": key.number, "seed": _text(secrets[key.number].to_bytes())}
            for key in keys
        ]
    }
    cipher = AESGCM(derived_key(code, document["kdf"]))
    sealed = cipher.encrypt(
        _bytes(document["cipher"]["nonce"]),
        canonical_bytes(inside),
        canonical_bytes(document),
    )
    document["ciphertext"] = _text(sealed)
    document["checksum"] = _checksum(document)
    return Backup(
        content=json.dumps(document, indent=1).encode("ascii") + b"\n",
        code=format_groups(code),
        numbers=tuple(key.number for key in keys),
        created=at,
    )


def read_backup(content: bytes) -> SealedBackup:
    """Read a backup file without opening it.

    Raises:
        InvalidInputError: It is no backup, of a newer version, or damaged.
    """
    document = _document(content)
    if document.get("format") != FORMAT:
        raise _no_backup()
    if document.get("version") != VERSION:
        raise InvalidInputError(
            Sentence(
                "The backup has the version {version}; this program reads {known}.",
                version=document.get("version"),
                known=VERSION,
            ),
            code="backup-version",
            hint="Use the version of spalier that made it, or a newer one.",
        )
    try:
        if set(document) != _FIELDS or document["checksum"] != _checksum(document):
            raise _damaged()
        _require_bearable(document)
        return SealedBackup(
            node_id=str(document["node_id"]),
            base_url=str(document["base_url"]),
            created=parse_timestamp(document["created"]),
            keys={
                int(key["number"]): PublicKey.from_multibase(key["publicKeyMultibase"])
                for key in document["keys"]
            },
            document=document,
        )
    except (FederationError, KeyError, TypeError, ValueError) as error:
        raise _damaged() from error


def open_backup(backup: SealedBackup, code: str) -> dict[int, SigningKey]:
    """Open a backup with its recovery code.

    Returns:
        The secrets by number, each proven to belong to the public key beside it.

    Raises:
        InvalidInputError: The code is mistyped (the wrong group is named), belongs
            to another backup, or the file was changed.
    """
    document = dict(backup.document)
    del document["checksum"]
    sealed = _bytes(document.pop("ciphertext"))
    cipher = AESGCM(derived_key(read_code(code), document["kdf"]))
    try:
        inside = cipher.decrypt(
            _bytes(document["cipher"]["nonce"]), sealed, canonical_bytes(document)
        )
    except InvalidTag as error:
        raise InvalidInputError(
            "The recovery code does not belong to this backup.",
            code="code-wrong",
            path="code",
            hint="Each backup has a code of its own. Take the sheet that was printed "
            "with this file.",
        ) from error
    try:
        secrets = {
            int(each["number"]): SigningKey.from_bytes(_bytes(each["seed"]))
            for each in json.loads(inside)["secrets"]
        }
    except (FederationError, KeyError, TypeError, ValueError) as error:
        raise _damaged() from error
    found = {number: secret.public_key for number, secret in secrets.items()}
    if found != dict(backup.keys):
        raise _damaged()
    return secrets


def read_code(code: str) -> bytes:
    """Read a recovery code as somebody typed it.

    Raises:
        InvalidInputError: It is mistyped; the wrong group is named.
    """
    try:
        return parse_groups(code, size=CODE_BYTES)
    except LettersError as error:
        if error.group is None:
            raise InvalidInputError(
                Sentence(
                    "A recovery code has 40 letters and digits; this one has {number}.",
                    number=error.number,
                ),
                code="code-length",
                path="code",
                hint="Type all eight groups, as they stand on the sheet.",
            ) from error
        raise InvalidInputError(
            Sentence(
                "Group {number} ({letters}) is mistyped or in the wrong place. "
                "Please compare it with the sheet.",
                number=error.group,
                letters=error.letters,
            ),
            code="code-mistyped",
            path="code",
        ) from error


def _document(content: bytes) -> dict[str, Any]:
    if len(content) > FILE_BYTES_MAX:
        raise _no_backup()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        if FORMAT.encode("ascii") in content:
            raise _damaged() from error
        raise _no_backup() from error
    if not isinstance(document, dict):
        raise _no_backup()
    return document


def _require_bearable(document: Mapping[str, Any]) -> None:
    cipher = document["cipher"]
    require_bearable(document["kdf"])
    if (
        cipher["name"] != "AES-256-GCM"
        or len(_bytes(cipher["nonce"])) != _NONCE_BYTES
        or len(_bytes(document["ciphertext"])) < _TAG_BYTES
    ):
        raise _damaged()


def _checksum(document: Mapping[str, Any]) -> str:
    covered = {name: value for name, value in document.items() if name != "checksum"}
    return hashlib.sha256(canonical_bytes(covered)).hexdigest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, TypeError) as error:
        raise _damaged() from error


def _no_backup() -> InvalidInputError:
    return InvalidInputError(
        "This file is no backup of a node's keys.",
        code="not-a-backup",
        path="file",
        hint="It was made by `spalier keys backup` or on the page “Keys”.",
    )


def _damaged() -> InvalidInputError:
    return InvalidInputError(
        "The backup file is damaged: it has changed since it was made.",
        code="backup-damaged",
        path="file",
        hint="Take another copy of it.",
    )
