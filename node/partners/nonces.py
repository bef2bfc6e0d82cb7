"""Nonces of request signatures, kept in the transaction of the request's effect."""

from datetime import datetime

from federation.errors import SignatureInvalidError
from federation.limits import SIGNATURE_AGE_MAX, SIGNATURE_AHEAD_MAX
from node.storage.database import Database, Transaction
from node.storage.nonces import add_nonce, has_nonce


class PendingNonce:
    """The nonce of one request: looked up when it is authenticated, written later.

    `remember` only looks; `store` writes, in the transaction of what the request
    causes. A request whose transaction fails therefore leaves no nonce and may
    come again unchanged, to be decided anew. Of two copies at the same time both
    may pass `remember`; only one of them passes `store`.
    """

    def __init__(
        self, database: Database, *, restored_at: datetime | None = None
    ) -> None:
        """Take the database.

        Args:
            database: Where nonces are written.
            restored_at: When it was put back from a backup. What may have been
                received before is refused: nobody knows its nonces any more.
        """
        self._database = database
        self._forgotten_until: datetime | None = None
        if restored_at is not None:
            # A request of before may have been signed by a clock that is ahead.
            latest = restored_at + SIGNATURE_AHEAD_MAX
            self._forgotten_until = latest + SIGNATURE_AGE_MAX + SIGNATURE_AHEAD_MAX
        self._seen: tuple[str, str, datetime] | None = None

    async def remember(self, key_id: str, nonce: str, /, *, until: datetime) -> bool:
        """Keep the nonce for `store`; False if it was, or may have been, used."""
        if self._forgotten_until is not None and until <= self._forgotten_until:
            return False
        self._seen = (key_id, nonce, until)
        async with self._database.look_up() as tx:
            return not await has_nonce(tx, key_id, nonce)

    async def store(self, tx: Transaction) -> None:
        """Write the nonce.

        Raises:
            SignatureInvalidError: Another request with it was faster.
        """
        if self._seen is None:
            msg = "the request was not authenticated"
            raise LookupError(msg)
        key_id, nonce, until = self._seen
        if not await add_nonce(tx, key_id, nonce, until):
            raise SignatureInvalidError(
                "The request was received before; sign it again with a new nonce.",
                code="replayed",
            )
