"""Dates, times, numbers and money as the reader's language writes them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal

from federation.ports import Clock
from node.web.i18n import current_language, gettext

_AGO_LIMIT = timedelta(days=28)  # older times are named by their date
_NOW_LIMIT = timedelta(seconds=45)


class Formats:
    """Writes values in the current language and the node's time zone.

    Dates and times may also come as ISO 8601 text, numbers as decimal text, as
    entries carry them.

    Args:
        clock: Tells what "3 minutes ago" refers to.
        timezone: IANA name of the zone.
    """

    def __init__(self, clock: Clock, timezone: str) -> None:
        self._clock = clock
        self._zone = ZoneInfo(timezone)

    def write_date(self, value: date | datetime | str, width: str = "long") -> str:
        """Write a day, e.g. 31. März 2027."""
        return format_date(self._day(value), width, locale=current_language().locale)

    def write_datetime(self, value: datetime | str, width: str = "medium") -> str:
        """Write a day with the time, e.g. 21.11.2026, 14:02."""
        moment = self._local(value)
        locale = current_language().locale
        day = format_date(moment.date(), width, locale=locale)
        return f"{day}, {format_time(moment, 'short', locale=locale)}"

    def write_time(self, value: datetime | str) -> str:
        """Write the time of day, e.g. 14:02."""
        locale = current_language().locale
        return format_time(self._local(value), "short", locale=locale)

    def moment(self, value: datetime | str) -> str:
        """Write a time of today as time of day, any other with its day."""
        moment = self._local(value)
        if moment.date() == self._local(self._clock.now()).date():
            return self.write_time(moment)
        return self.write_datetime(moment)

    def weekday(self, value: date | datetime | str) -> str:
        """Write a day with its weekday, e.g. Do., 14. Januar."""
        locale = current_language().locale
        pattern = "EEE, d. MMMM" if locale.language == "de" else "EEE d MMMM"
        return format_datetime(
            datetime.combine(self._day(value), datetime.min.time()),
            pattern,
            locale=locale,
        )

    def ago(self, value: datetime | str) -> str:
        """Say how long ago or ahead, e.g. vor 3 Minuten; far away, the day."""
        moment = self._local(value)
        distance = moment - self._clock.now()
        if abs(distance) > _AGO_LIMIT:
            return self.write_date(moment, "medium")
        if abs(distance) < _NOW_LIMIT:
            return gettext("just now")
        return format_timedelta(
            distance, add_direction=True, locale=current_language().locale
        )

    def iso(self, value: date | datetime | str) -> str:
        """Write for machines: the `datetime` attribute of a `time` element."""
        if isinstance(value, str):
            return value
        if isinstance(value, datetime):
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return value.isoformat()

    def number(self, value: Decimal | int | str) -> str:
        """Write a number with the language's separators and all its decimals.

        A trailing zero says how exactly something was measured.
        """
        amount = Decimal(value)
        exponent = amount.as_tuple().exponent
        places = max(0, -exponent) if isinstance(exponent, int) else 0
        return format_decimal(
            amount,
            format="#,##0" + ("." + "0" * places if places else ""),
            locale=current_language().locale,
        )

    def money(self, value: Decimal | int | str, currency: str) -> str:
        """Write an amount with its currency, e.g. 85,00 €."""
        amount = Decimal(value)
        return format_currency(amount, currency, locale=current_language().locale)

    def listing(self, values: list[str]) -> str:
        """Join words, e.g. Nord, Süd und West."""
        return format_list(values, locale=current_language().locale)

    def _local(self, value: datetime | str) -> datetime:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if moment.tzinfo is None:
            msg = "a time without a zone cannot be shown"
            raise ValueError(msg)
        return moment.astimezone(self._zone)

    def _day(self, value: date | datetime | str) -> date:
        if isinstance(value, str):
            value = (
                datetime.fromisoformat(value)
                if "T" in value
                else date.fromisoformat(value)
            )
        return self._local(value).date() if isinstance(value, datetime) else value
