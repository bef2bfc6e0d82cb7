"""The node's secret key: one file that only its owner can read.

The format is PKCS #8 in PEM (RFC 8410), so that an administrator can inspect and
back it up with common tools.
"""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from federation.keys import SigningKey
from federation.ports import RandomSource
from node.errors import ConfigInvalidError, ConflictError, InputFault, UnavailableError
from node.sentence import Sentence, system_reason

KEY_FILE = "node.key"
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_KEY_FILE_BYTES_MAX = 4096  # an Ed25519 key in PEM has about 120


def create_key(folder: Path, random: RandomSource) -> SigningKey:
    """Make a new key and store it, synced to disk, readable by its owner only.

    Raises:
        ConflictError: There is a key already; it is never replaced.
        UnavailableError: The file cannot be written.
    """
    path = folder / KEY_FILE
    key = SigningKey.generate(random)
    private = Ed25519PrivateKey.from_private_bytes(key.to_bytes())
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        # O_EXCL never follows a link and never opens what exists.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
    except FileExistsError as error:
        raise ConflictError(
            Sentence("There is a node key already: {path}.", path=path),
            code="key-exists",
            path=str(path),
            hint="A node keeps its key: partners have pinned it.",
        ) from error
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "The node key {path} cannot be written: {reason}.",
                path=path,
                reason=system_reason(error),
            ),
            code="folder-unusable",
            path=str(path),
        ) from error
    return key


def load_key(folder: Path) -> SigningKey:
    """Read the key that `create_key` wrote.

    Raises:
        ConfigInvalidError: Missing, not a file, readable by others, or no key; the
            message says what to do.
    """
    path = folder / KEY_FILE
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _unusable(
            path,
            Sentence(
                "The node key is missing. Put the file back from your backup; without "
                "it partners no longer recognise the node."
            ),
        ) from error
    except OSError as error:
        raise _unusable(
            path,
            Sentence(
                "The node key cannot be opened: {reason}. Run the command as "
                "the user that the file belongs to; it must not be a link.",
                reason=system_reason(error),
            ),
        ) from error
    try:
        # The open file is examined, not the name: it cannot be exchanged between.
        _check_privacy(path, os.fstat(descriptor).st_mode)
        text = os.read(descriptor, _KEY_FILE_BYTES_MAX)
    finally:
        os.close(descriptor)
    try:
        private = load_pem_private_key(text, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _damaged(path) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise _damaged(path)
    return SigningKey.from_bytes(private.private_bytes_raw())


def _check_privacy(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise _unusable(path, Sentence("The node key is not a regular file."))
    if stat.S_IMODE(mode) & _OTHERS:
        raise _unusable(
            path,
            Sentence(
                "The node key can be read by others: its mode is "
                "{mode}. Run: chmod 600 {path}",
                mode=f"{stat.S_IMODE(mode):04o}",
                path=path,
            ),
        )


def _damaged(path: Path) -> ConfigInvalidError:
    return _unusable(
        path,
        Sentence(
            "The file holds no Ed25519 key (PKCS #8, PEM, without a password). Put it "
            "back from your backup."
        ),
    )


def _unusable(path: Path, message: Sentence) -> ConfigInvalidError:
    return ConfigInvalidError(
        Sentence("The node key {path} cannot be used.", path=path),
        faults=[InputFault(path=str(path), message=message)],
    )
