"""Bring table and files together: the ring of a node that is being opened.

File and table are never changed at one moment, so each step is in an order that
leaves something that can be explained wherever it is broken off (SPEC NOD-024):
a new secret is on disk before its row exists, and the row says that a secret is
no longer needed before its file goes.
"""

from collections.abc import Sequence
from pathlib import Path

from federation.ids import NodeAddress
from federation.keys import SigningKey
from node.errors import ConfigInvalidError, InputFault
from node.keys.model import KeyState, NodeKey
from node.keys.ring import KeyRing
from node.node_key import key_file, load_key, stored_numbers
from node.sentence import Sentence


def open_ring(
    folder: Path,
    keys: Sequence[NodeKey],
    address: NodeAddress,
    *,
    without_secrets: bool = False,
) -> KeyRing:
    """Read the secrets that the table says must be there.

    Args:
        folder: The node's folder.
        keys: What the table says.
        address: The node's own addresses.
        without_secrets: Open although a secret is missing, so that a command can
            put it back or replace it; nothing can be signed with it until then.

    Raises:
        ConfigInvalidError: A secret is missing, cannot be used, or is another one
            than the table knows; every fault at once.
    """
    secrets, faults = read_secrets(folder, keys)
    fault = None
    if faults:
        fault = ConfigInvalidError(
            "The node's keys cannot be used as they are.", faults=faults
        )
        if not without_secrets:
            raise fault
    return KeyRing(address, keys, secrets, fault=fault)


def read_secrets(
    folder: Path, keys: Sequence[NodeKey]
) -> tuple[dict[int, SigningKey], list[InputFault]]:
    """Read the secrets that fit the table, and say what is wrong with the others.

    The secret of a key that was revoked while it signed is read too if it is
    there: the key signs its own revocation.
    """
    secrets: dict[int, SigningKey] = {}
    faults: list[InputFault] = []
    present = set(stored_numbers(folder))
    for key in keys:
        if not key.is_live and key.number not in present:
            continue
        if key.state is KeyState.RETIRED:
            continue  # its file is about to go
        try:
            secret = load_key(folder, number=key.number)
        except ConfigInvalidError as error:
            if key.is_live:
                faults.extend(error.faults)
            continue
        if secret.public_key == key.public_key:
            secrets[key.number] = secret
        elif key.is_live:
            faults.append(_other_key(folder / key_file(key.number), secret, key))
    return secrets, faults


def unknown_files(folder: Path, keys: Sequence[NodeKey]) -> list[int]:
    """List the numbers of key files that the table does not know.

    Such a file is left by a rotation that was broken off before it told anybody,
    or the database is older than the folder. It is never removed by itself.
    """
    known = {key.number for key in keys}
    return [number for number in stored_numbers(folder) if number not in known]


def _other_key(path: Path, found: SigningKey, wanted: NodeKey) -> InputFault:
    return InputFault(
        path=str(path),
        message=Sentence(
            "The file holds the key {found}, but the database knows key {number} as "
            "{wanted}. Move the file away and put the right one back from your "
            "backup (spalier keys restore FILE).",
            found=found.public_key.fingerprint,
            number=wanted.number,
            wanted=wanted.fingerprint,
        ),
    )
