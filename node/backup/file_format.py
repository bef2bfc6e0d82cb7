r"""The file of a backup: rows as text, which either engine can take.

The first line is JSON and readable without a passphrase:

    {"format": "spalier-backup", "version": 1, "node_id": …, "base_url": …,
     "name": …, "language": "de", "created": "2026-11-21T10:00:00Z",
     "schema": "0001", "engine": "sqlite", "program": "1.0", "incarnation": 1,
     "epoch": "<32 hex digits>",
     "encryption": null | {"kdf": {…}, "cipher": "AES-256-GCM"}}

What follows is one zlib stream (RFC 1950), encrypted or not, of lines of JSON: for
each table its head `{"table": "entries", "columns": [["id", "text"], …]}` and a list
of values for each row, and at the end
`{"rows": {"entries": 812, …}, "sha256": "<hex>"}` over everything before, the first
line included.

Encrypted, the stream stands in pieces of 1 MiB: four bytes of length, big-endian, and
AES-256-GCM of the piece. The nonce is the number of the piece in eleven bytes and one
byte that is 1 for the last piece only; the first line is authenticated with each. The
key is Argon2id of the passphrase with a salt of this file's own, so no nonce is ever
used twice with it.

Source: SPEC.md NOD-061, NOD-062.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from federation.errors import FederationError
from federation.ports import RandomSource
from federation.timestamps import format_timestamp, parse_timestamp
from node.errors import InvalidInputError
from node.limits import (
    BACKUP_CHUNK_BYTES,
    BACKUP_HEADER_BYTES_MAX,
    BACKUP_LINE_BYTES_MAX,
)
from node.passphrases import derived_key, new_kdf, require_bearable
from node.sentence import Sentence

FORMAT: Final = "spalier-backup"
VERSION: Final = 1
SUFFIX: Final = ".spalier-backup"
_CIPHER: Final = "AES-256-GCM"
_TEXTS: Final = (
    *("node_id", "base_url", "name", "language"),
    *("schema", "engine", "program", "epoch"),
)
_TAG_BYTES: Final = 16
_LENGTH: Final = struct.Struct(">I")
_LEVEL: Final = 1  # text becomes a fifth already; more takes three times as long
_READ_BYTES: Final = 256 * 1024
_BUFFER_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What the first line says; proven only by the end of the file.

    Attributes:
        name: Of the cluster.
        language: The node's default language.
        created: When the snapshot was taken, aware, whole seconds.
        schema: Revision of the schema that the rows have.
        encryption: Parameters; None if the file is not encrypted.
    """

    node_id: str
    base_url: str
    name: str
    language: str
    created: datetime
    schema: str
    engine: str
    program: str
    incarnation: int
    epoch: str
    encryption: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def is_encrypted(self) -> bool:
        """Whether a passphrase is needed."""
        return self.encryption is not None

    def to_line(self) -> bytes:
        """Return the line."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "node_id": self.node_id,
            "base_url": self.base_url,
            "name": self.name,
            "language": self.language,
            "created": format_timestamp(self.created),
            "schema": self.schema,
            "engine": self.engine,
            "program": self.program,
            "incarnation": self.incarnation,
            "epoch": self.epoch,
            "encryption": self.encryption,
        }
        return json.dumps(document).encode("ascii") + b"\n"


def new_encryption(random: RandomSource) -> dict[str, Any]:
    """Return the parameters of a new encrypted file."""
    return {"kdf": new_kdf(random), "cipher": _CIPHER}


def read_header(file: BinaryIO) -> tuple[Header, bytes]:
    """Read the first line; the file stands behind it afterwards.

    Returns:
        The header, and the line as it stands there.

    Raises:
        InvalidInputError: It is no backup, or a newer one.
    """
    line = file.readline(BACKUP_HEADER_BYTES_MAX + 1)
    try:
        document = json.loads(line) if line.endswith(b"\n") else None
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InvalidInputError(
            "This file is no backup of a node.",
            code="not-a-backup",
            path="file",
            hint=Sentence(
                "Backups are made by `spalier backup create`; their names end in "
                "{suffix}.",
                suffix=SUFFIX,
            ),
        )
    if document.get("version") != VERSION:
        raise InvalidInputError(
            Sentence(
                "The backup has the version {version}; this program reads {known}.",
                version=document.get("version"),
                known=VERSION,
            ),
            code="backup-version",
            path="file",
            hint="Use the version of spalier that made it, or a newer one.",
        )
    try:
        return _header(document), line
    except (FederationError, KeyError, TypeError, ValueError) as error:
        raise damaged() from error


def _header(document: Mapping[str, Any]) -> Header:
    encryption = document["encryption"]
    if encryption is not None:
        require_bearable(encryption["kdf"])
        if encryption["cipher"] != _CIPHER:
            raise ValueError("another cipher")
    texts = {name: document[name] for name in _TEXTS}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("a text is none")
    incarnation = document["incarnation"]
    if type(incarnation) is not int or incarnation < 1:
        raise ValueError("incarnation")
    return Header(
        **texts,
        created=parse_timestamp(document["created"]),
        incarnation=incarnation,
        encryption=encryption,
    )


class Writer:
    """Writes a backup, line by line; `finish` makes it whole.

    Args:
        file: Empty, opened for binary writing.
        header: The first line.
        passphrase: Needed if the header says that the file is encrypted.
    """

    def __init__(
        self, file: BinaryIO, header: Header, *, passphrase: bytes | None = None
    ) -> None:
        line = header.to_line()
        file.write(line)
        self._file = file
        self._digest = hashlib.sha256(line)
        self._zip = zlib.compressobj(_LEVEL)
        self._lines = bytearray()
        self._seal: _Seal | None = None
        self._pending = bytearray()
        if header.encryption is not None:
            self._seal = _Seal(_required(passphrase), header.encryption, line)
        self._rows: dict[str, int] = {}
        self._table = ""

    @property
    def rows(self) -> Mapping[str, int]:
        """Rows written, by table."""
        return self._rows

    def begin_table(self, name: str, columns: Sequence[tuple[str, str]]) -> None:
        """Write a table's head: its columns, each with the kind of its values."""
        self._table = name
        self._rows[name] = 0
        self._line({"table": name, "columns": [list(each) for each in columns]})

    def row(self, values: Sequence[object]) -> None:
        """Write one row of the table that was begun last."""
        self._rows[self._table] += 1
        self._line(values)

    def finish(self) -> None:
        """Write the end; nothing may follow."""
        self._flush_lines()
        end = {"rows": self._rows, "sha256": self._digest.hexdigest()}
        line = json.dumps(end, separators=(",", ":")).encode("ascii") + b"\n"
        self._put(self._zip.compress(line) + self._zip.flush(), last=True)

    def _line(self, value: object) -> None:
        text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        self._lines += text.encode("utf-8") + b"\n"
        if len(self._lines) >= _BUFFER_BYTES:
            self._flush_lines()

    def _flush_lines(self) -> None:
        lines = bytes(self._lines)
        self._lines.clear()
        self._digest.update(lines)
        self._put(self._zip.compress(lines))

    def _put(self, data: bytes, *, last: bool = False) -> None:
        if self._seal is None:
            self._file.write(data)
            return
        self._pending += data
        while len(self._pending) > BACKUP_CHUNK_BYTES or last:
            piece = bytes(self._pending[:BACKUP_CHUNK_BYTES])
            del self._pending[:BACKUP_CHUNK_BYTES]
            is_last = last and not self._pending
            sealed = self._seal.close(piece, last=is_last)
            self._file.write(_LENGTH.pack(len(sealed)) + sealed)
            if is_last:
                return


@dataclass(frozen=True, slots=True)
class TableHead:
    """A table that begins.

    Attributes:
        columns: Name and kind (`text`, `int`, `bool`, `date`, `bytes`, `json`).
    """

    name: str
    columns: tuple[tuple[str, str], ...]


class Reader:
    """Reads a backup once, from the first line to the last.

    Args:
        file: Opened for binary reading, at its beginning.
        passphrase: Needed if the file is encrypted.

    Raises:
        InvalidInputError: It is no backup, newer, or the passphrase is missing.
    """

    def __init__(self, file: BinaryIO, *, passphrase: bytes | None = None) -> None:
        self.header, line = read_header(file)
        self._file = file
        self._digest = hashlib.sha256(line)
        self._seal: _Seal | None = None
        if self.header.encryption is not None:
            self._seal = _Seal(_required(passphrase), self.header.encryption, line)
        self.rows: dict[str, int] = {}
        """Rows by table, complete once every line was read."""

    def lines(self) -> Iterator[TableHead | list[Any]]:
        """Yield the tables' heads, each followed by its rows.

        Raises:
            InvalidInputError: The file is damaged, cut off, or the passphrase wrong;
                the last line is yielded only by a file that is whole.
        """
        counted: dict[str, int] = {}
        table = ""
        before = self._digest.copy()
        end: object = None
        try:
            for line in self._texts():
                if end is not None:
                    raise damaged()
                value = json.loads(line)
                if isinstance(value, list) and table:
                    counted[table] += 1
                    yield value
                elif isinstance(value, dict) and "table" in value:
                    head = _table_head(value)
                    if head.name in counted:
                        raise damaged()
                    table, counted[head.name] = head.name, 0
                    yield head
                else:
                    end = value
                if end is None:
                    before.update(line)
        except (ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
            raise damaged() from error
        if end != {"rows": counted, "sha256": before.hexdigest()}:
            raise damaged()
        self.rows = counted

    def _texts(self) -> Iterator[bytes]:
        """Yield the lines of the unpacked stream, each with its end."""
        unzip = zlib.decompressobj()
        rest = bytearray()
        for piece in self._pieces():
            data, is_more = piece, not unzip.eof
            while is_more:
                text = unzip.decompress(data, _BUFFER_BYTES)
                data = unzip.unconsumed_tail
                # Also without input there may be more of what was packed tightly.
                is_more = not unzip.eof and bool(data or len(text) == _BUFFER_BYTES)
                rest += text
                *whole, tail = rest.split(b"\n")
                rest = bytearray(tail)
                for line in whole:
                    yield bytes(line) + b"\n"
                if len(rest) > BACKUP_LINE_BYTES_MAX:
                    raise damaged()
            if unzip.unused_data:
                raise damaged()
        if not unzip.eof or rest:
            raise damaged()

    def _pieces(self) -> Iterator[bytes]:
        if self._seal is None:
            while data := self._file.read(_READ_BYTES):
                yield data
            return
        while True:
            head = self._file.read(_LENGTH.size)
            if len(head) != _LENGTH.size:
                raise damaged()
            (length,) = _LENGTH.unpack(head)
            if not _TAG_BYTES <= length <= BACKUP_CHUNK_BYTES + _TAG_BYTES:
                raise damaged()
            sealed = self._file.read(length)
            is_last = not self._peek()
            yield self._seal.open(sealed, last=is_last)
            if is_last:
                return

    def _peek(self) -> bool:
        position = self._file.tell()
        more = bool(self._file.read(1))
        self._file.seek(position)
        return more


class _Seal:
    """Encrypts or decrypts the pieces of one file in their order."""

    def __init__(
        self, passphrase: bytes, encryption: Mapping[str, Any], line: bytes
    ) -> None:
        self._cipher = AESGCM(derived_key(passphrase, encryption["kdf"]))
        self._line = line
        self._number = 0

    def close(self, piece: bytes, *, last: bool) -> bytes:
        return self._cipher.encrypt(self._nonce(last=last), piece, self._line)

    def open(self, sealed: bytes, *, last: bool) -> bytes:
        is_first = self._number == 0
        try:
            return self._cipher.decrypt(self._nonce(last=last), sealed, self._line)
        except InvalidTag as error:
            if not is_first:
                raise damaged() from error
            raise InvalidInputError(
                "The passphrase does not belong to this backup, or the file is "
                "damaged.",
                code="passphrase-wrong",
                path="passphrase",
                hint="Take the passphrase that was set when the backup was made.",
            ) from error

    def _nonce(self, *, last: bool) -> bytes:
        nonce = self._number.to_bytes(11, "big") + bytes([last])
        self._number += 1
        return nonce


def _table_head(value: Mapping[str, Any]) -> TableHead:
    name, columns = value["table"], tuple(tuple(each) for each in value["columns"])
    texts = [name, *(text for column in columns for text in column)]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name is no text")
    return TableHead(name, tuple((column, kind) for column, kind in columns))


def _required(passphrase: bytes | None) -> bytes:
    if passphrase:
        return passphrase
    raise InvalidInputError(
        "This backup is encrypted.",
        code="passphrase-missing",
        path="passphrase",
        hint="Name the file that holds the passphrase: --passphrase-file FILE",
    )


def damaged() -> InvalidInputError:
    """Return the error for a file that is not as it was made."""
    return InvalidInputError(
        "The backup file is damaged or incomplete: it has changed since it was made.",
        code="backup-damaged",
        path="file",
        hint="Take another backup.",
    )
