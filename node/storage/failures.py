"""What goes wrong with a database, in words that people understand."""

import logging
import sqlite3

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from node.errors import UnavailableError

logger = logging.getLogger(__name__)

# Connection lost, out of resources, shut down, system error (PostgreSQL app. A).
_POSTGRES_OUTAGE_CLASSES = frozenset({"08", "53", "57", "58"})
# The server has become a standby (failover), has ended a transaction that stood
# still, or a lock was not to be had in time.
_POSTGRES_OUTAGE_STATES = frozenset({"25006", "25P03", "55P03"})
_SQLITE_PRIMARY_CODE = 0xFF
_SQLITE_OUTAGES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }
)

NESTED = (
    "work must use the transaction that it is given: a second one cannot see its "
    "changes, and waiting for a second write would never end"
)


def stopping() -> UnavailableError:
    """Return the error for whoever comes too late."""
    return UnavailableError(
        "The node is stopping.", code="stopping", hint="Try again after the restart."
    )


def for_caller(error: BaseException) -> BaseException:
    """Turn what the machine is to blame for into an error that people understand."""
    return outage(error) if _is_outage(error) else error


def outage(cause: BaseException | None = None) -> UnavailableError:
    """Return the error for a database that cannot be used."""
    failure = UnavailableError(
        "The database cannot be used at the moment.",
        code="storage-unavailable",
        hint="Check free space and permissions of the node's folder, or the "
        "database server.",
    )
    failure.__cause__ = cause
    return failure


class OutageLog:
    """Says once that nothing can be written, and once that it is over.

    Every caller gets an error of its own; a line for each would bury the one that
    says why.
    """

    def __init__(self) -> None:
        self._lasts = False

    def failed(self, error: BaseException | None) -> None:
        """Take note of a write that failed, whatever the reason."""
        cause = error.__cause__ if isinstance(error, UnavailableError) else error
        if self._lasts or cause is None or not _is_outage(cause):
            return
        self._lasts = True
        logger.error("nothing can be written to the database: %s", _reason(cause))

    def succeeded(self) -> None:
        """Take note of a write that is stored."""
        if self._lasts:
            self._lasts = False
            logger.warning("the database can be written again")


def _reason(error: BaseException) -> str:
    """Say in the driver's words, without values, what is wrong."""
    by_driver = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(by_driver, sqlite3.Error):
        name = getattr(by_driver, "sqlite_errorname", type(by_driver).__name__)
        return f"{by_driver} ({name})"
    state = getattr(by_driver, "sqlstate", None)
    return f"{type(by_driver).__name__} {state or ''}".strip()


def _is_outage(error: BaseException) -> bool:
    if isinstance(error, PoolTimeoutError):
        return True
    by_driver = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(by_driver, sqlite3.Error):
        # Absent if the driver itself complains, not SQLite.
        code = getattr(by_driver, "sqlite_errorcode", 0)
        return (code & _SQLITE_PRIMARY_CODE) in _SQLITE_OUTAGES
    if not isinstance(error, DBAPIError):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state in _POSTGRES_OUTAGE_STATES:
        return True
    if isinstance(error, OperationalError):
        return state is None or state[:2] in _POSTGRES_OUTAGE_CLASSES
    return error.connection_invalidated
