"""Column types that mean the same on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, Dialect
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware UTC time as microseconds since 1970, exact and ordered on both.

    SQLite has no time type and drops the zone; an integer is compared, indexed
    and kept without loss by either engine.
    """

    impl = BigInteger
    cache_ok = True

    @override
    def process_bind_param(
        self, value: datetime | None, dialect: Dialect
    ) -> int | None:
        """Turn an aware time into microseconds; a naive time is refused."""
        return None if value is None else self.stored(value)

    @staticmethod
    def stored(value: datetime) -> int:
        """Return an aware time as it stands in the database.

        Raises:
            ValueError: It is naive.
        """
        if value.tzinfo is None:
            msg = "a naive time reached the storage layer"
            raise ValueError(msg)
        return (value - _EPOCH) // _MICROSECOND

    @override
    def process_result_value(
        self, value: int | None, dialect: Dialect
    ) -> datetime | None:
        """Turn microseconds back into an aware UTC time."""
        return None if value is None else _EPOCH + timedelta(microseconds=int(value))
