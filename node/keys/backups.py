"""Make backups of the secret keys, try them, and put keys back from them."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from federation.keys import SigningKey
from node.errors import ConfigInvalidError, ConflictError
from node.keys.backup import (
    Backup,
    SealedBackup,
    open_backup,
    read_backup,
    seal,
)
from node.keys.own_keys import OwnKeys
from node.keys.rules import require_admin
from node.members.model import Person
from node.node_key import key_file, load_key, store_key, stored_numbers
from node.ports import NodeContext
from node.sentence import Sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Restoration:
    """What a backup can do for this node, or has done; numbers of keys.

    Attributes:
        restored: Put back, or would be: their files are missing.
        present: Their files are there and the same.
        ended: Retired or revoked since the backup was made; they stay away.
        unknown: Not known to the database, which is older than the backup.
        missing: Files that are needed and that the backup does not have.
    """

    restored: tuple[int, ...]
    present: tuple[int, ...]
    ended: tuple[int, ...]
    unknown: tuple[int, ...]
    missing: tuple[int, ...]


class KeyBackups:
    """Backups of the keys of one node.

    Args:
        context: The node.
        folder: Where the secrets are.
        own_keys: Follows when secrets come back.
    """

    def __init__(
        self, context: NodeContext, *, folder: Path, own_keys: OwnKeys
    ) -> None:
        self._context = context
        self._folder = folder
        self._own_keys = own_keys

    async def make(self, actor: Person | None) -> Backup:
        """Encrypt every secret key under a new recovery code.

        The keys count as backed up only once `note_taken` says that somebody has
        the file.

        Raises:
            NodeError: A secret is missing, or the person may not do this.
        """
        require_admin(actor)
        ring = self._context.keys
        if ring.fault is not None:
            raise ring.fault
        return await asyncio.to_thread(
            seal,
            [key for key in ring.keys if key.is_live],
            ring.secrets,
            node_id=self._context.node_id,
            base_url=self._context.address.base_url,
            at=self._context.clock.now(),
            random=self._context.random,
        )

    async def note_taken(self, actor: Person | None, content: bytes) -> None:
        """Note that somebody has stored a backup of ours.

        Raises:
            InvalidInputError: It is damaged.
            ConflictError: It is another node's.
        """
        require_admin(actor)
        backup = self._own(content)
        await self._own_keys.note_backup(actor, backup.keys)

    async def check(
        self, actor: Person | None, content: bytes, *, code: str
    ) -> Restoration:
        """Try a backup: say what `restore` would do; nothing changes.

        Raises:
            InvalidInputError: No backup, damaged, or the code is wrong.
            ConflictError: Another node's, or another key than ours in it.
        """
        require_admin(actor)
        plan, _ = await asyncio.to_thread(self._opened, content, code)
        return plan

    async def restore(
        self, actor: Person | None, content: bytes, *, code: str
    ) -> Restoration:
        """Put missing secret keys back; what is there is never replaced.

        Raises:
            InvalidInputError: No backup, damaged, or the code is wrong.
            ConflictError: Another node's, or another key than ours in it or in the
                folder. Nothing is written then.
        """
        require_admin(actor)
        plan, secrets = await asyncio.to_thread(self._opened, content, code)
        for number in plan.restored:
            await asyncio.to_thread(
                store_key, self._folder, secrets[number], number=number
            )
        await self._own_keys.restored()
        return plan

    def _own(self, content: bytes) -> SealedBackup:
        """Read a backup and make sure that it is ours, before any code is asked."""
        backup = read_backup(content)
        context = self._context
        # One from before a move names a former address (SPEC NOD-084).
        is_own_address = backup.base_url in context.address.names
        if backup.node_id != context.node_id or not is_own_address:
            raise ConflictError(
                Sentence(
                    "This is a backup of another node: {base_url} ({node_id}).",
                    base_url=backup.base_url,
                    node_id=backup.node_id,
                ),
                code="backup-of-another-node",
                path="file",
            )
        for key in context.keys.keys:
            stored = backup.keys.get(key.number)
            if stored is not None and stored != key.public_key:
                raise ConflictError(
                    Sentence(
                        "Key {number} is {stored} in the backup, but {known} in the "
                        "database.",
                        number=key.number,
                        stored=stored.fingerprint,
                        known=key.fingerprint,
                    ),
                    code="backup-of-another-key",
                    path="file",
                )
        return backup

    def _opened(
        self, content: bytes, code: str
    ) -> tuple[Restoration, dict[int, SigningKey]]:
        backup = self._own(content)
        secrets = open_backup(backup, code)
        known = {key.number: key for key in self._context.keys.keys}
        files = set(stored_numbers(self._folder))
        live = {number for number, key in known.items() if key.is_live}
        plan = Restoration(
            restored=tuple(sorted((live & set(secrets)) - files)),
            present=tuple(sorted(live & set(secrets) & files)),
            ended=tuple(sorted((set(secrets) & set(known)) - live)),
            unknown=tuple(sorted(set(secrets) - set(known))),
            missing=tuple(sorted(live - set(secrets) - files)),
        )
        for number in plan.present:
            self._require_same(number, secrets[number])
        return plan, secrets

    def _require_same(self, number: int, secret: SigningKey) -> None:
        path = self._folder / key_file(number)
        try:
            found = load_key(self._folder, number=number).public_key
        except ConfigInvalidError as error:
            raise ConflictError(
                Sentence(
                    "{path} is there but cannot be used; it is not replaced.", path=path
                ),
                code="key-exists",
                path=str(path),
                hint="Move it away, then restore again.",
            ) from error
        if found != secret.public_key:
            raise ConflictError(
                Sentence("{path} holds another key; it is not replaced.", path=path),
                code="key-exists",
                path=str(path),
                hint="Move it away, then restore again.",
            )
