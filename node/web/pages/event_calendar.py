"""An event as a file for calendars (RFC 5545)."""

from zoneinfo import ZoneInfo

from node.feed.feed import FeedItem
from node.web.i18n import localized
from node.web.pages.cards import local_time
from node.web.pages.wording import term

_STATUS = {
    "scheduled": "CONFIRMED",
    "moved_online": "CONFIRMED",
    "postponed": "TENTATIVE",
    "cancelled": "CANCELLED",
}
_PRODUCT = "-//Spalier//Spalier//EN"


def write_calendar(item: FeedItem, *, page: str) -> bytes:
    """Write one event, with its time zone, so that an update replaces it.

    The event's address is its UID and its version the SEQUENCE, so that a later
    file changes the entry in the reader's calendar (RFC 5546 §2.1.4).

    Args:
        item: An entry of the kind `event`.
        page: Address of its page on this node.

    Returns:
        A VCALENDAR in UTF-8 with CRLF line ends.
    """
    # It takes 4 MiB, and is seldom asked for.
    import icalendar  # noqa: PLC0415

    content = item.content
    zone = ZoneInfo(content["timezone"])
    event = icalendar.Event()
    event.add("uid", item.uri)
    event.add("sequence", item.version[1])
    event.add("dtstamp", item.updated)
    event.add("last-modified", item.updated)
    for name, field in (("dtstart", "starts"), ("dtend", "ends")):
        moment = local_time(content[field])
        if moment is not None:
            event.add(name, moment.replace(tzinfo=zone))
    title, summary = localized(item.title), localized(item.summary)
    event.add("summary", title.text, parameters={"language": title.language})
    event.add("description", summary.text, parameters={"language": summary.language})
    place = _place(item)
    if place:
        event.add("location", place)
    event.add("url", content.get("registration_url", page))
    event.add("status", _STATUS[content.get("status", "scheduled")])
    if content.get("topics"):
        event.add("categories", list(content["topics"]))
    calendar = icalendar.Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    calendar.add_missing_timezones()
    written: bytes = calendar.to_ical()
    return written


def _place(item: FeedItem) -> str:
    place = item.content.get("location")
    if not place:
        return term("attendances", item.content["attendance"])
    country = term("countries", place["country"])
    parts = (place.get("name"), place.get("street"), place["city"], country)
    return ", ".join(part for part in parts if part)
