"""The node's secret keys: one file for each, which only its owner can read.

The format is PKCS #8 in PEM (RFC 8410), so that an administrator can inspect it
with common tools. Key 1 is `node.key`, the later ones are `node-2.key` and so on.
"""

import os
import re
import stat
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from federation.keys import PublicKey, SigningKey
from federation.ports import RandomSource
from node.durable_files import sync_folder
from node.errors import ConfigInvalidError, ConflictError, InputFault, UnavailableError
from node.sentence import Sentence, system_reason

KEY_FILE: Final = "node.key"
FIRST_KEY: Final = 1
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_KEY_FILE_BYTES_MAX = 4096  # an Ed25519 key in PEM has about 120
_LATER_FILE: Final = re.compile(r"node-([1-9][0-9]{0,8})\.key")


def key_file(number: int) -> str:
    """Return the name of a key's file in the node's folder."""
    return KEY_FILE if number == FIRST_KEY else f"node-{number}.key"


def stored_numbers(folder: Path) -> list[int]:
    """List the numbers of the keys that have a file, whatever is in it."""
    names = {path.name for path in folder.iterdir()}
    numbers = {FIRST_KEY} if KEY_FILE in names else set()
    numbers |= {
        int(match[1])
        for match in map(_LATER_FILE.fullmatch, names)
        if match is not None and int(match[1]) > FIRST_KEY
    }
    return sorted(numbers)


def create_key(
    folder: Path, random: RandomSource, *, number: int = FIRST_KEY
) -> SigningKey:
    """Make a new key and store it like `store_key`."""
    key = SigningKey.generate(random)
    store_key(folder, key, number=number)
    return key


def store_key(folder: Path, key: SigningKey, *, number: int) -> None:
    """Store a key, synced to disk, readable by its owner only.

    Raises:
        ConflictError: There is a file already; it is never replaced.
        UnavailableError: The file cannot be written.
    """
    path = folder / key_file(number)
    private = Ed25519PrivateKey.from_private_bytes(key.to_bytes())
    text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        # O_EXCL never follows a link and never opens what exists.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        sync_folder(folder)
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


def remove_key(folder: Path, public_key: PublicKey, *, number: int) -> bool:
    """Remove the file of a key that signs nothing any more.

    Returns:
        False if there is no such file, or another key in it: nothing is removed.

    Raises:
        UnavailableError: The file cannot be removed.
    """
    path = folder / key_file(number)
    try:
        if stat.S_ISREG(path.lstat().st_mode):
            # Also one that others can read has to go, that one above all.
            path.chmod(_OWNER_ONLY)
        if load_key(folder, number=number).public_key != public_key:
            return False
        path.unlink()
        sync_folder(folder)
    except (ConfigInvalidError, FileNotFoundError):
        return False
    except OSError as error:
        raise UnavailableError(
            Sentence(
                "The node key {path} cannot be removed: {reason}.",
                path=path,
                reason=system_reason(error),
            ),
            code="folder-unusable",
            path=str(path),
        ) from error
    return True


def load_key(folder: Path, *, number: int = FIRST_KEY) -> SigningKey:
    """Read the key that `store_key` wrote.

    Raises:
        ConfigInvalidError: Missing, not a file, readable by others, or no key; the
            message says what to do.
    """
    path = folder / key_file(number)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise _unusable(
            path,
            Sentence(
                "The node key is missing. Put it back from your backup (spalier keys "
                "restore FILE); without it partners no longer recognise the node."
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
            "The file holds no Ed25519 key (PKCS #8, PEM, without a password). Move it "
            "away and put it back from your backup (spalier keys restore FILE)."
        ),
    )


def _unusable(path: Path, message: Sentence) -> ConfigInvalidError:
    return ConfigInvalidError(
        Sentence("The node key {path} cannot be used.", path=path),
        faults=[InputFault(path=str(path), message=message)],
    )
