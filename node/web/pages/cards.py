"""Entries as cards of a list, for every page that lists some."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from babel.dates import format_time

from node.catalogue.model import Entry
from node.feed import FeedItem, own_item
from node.visibility import Form
from node.web.formats import Formats
from node.web.i18n import current_language
from node.web.i18n import gettext as _
from node.web.pages.wording import (
    kind_label,
    kind_tone,
    state_words,
    term,
    unconfirmed_words,
)
from node.web.site import SiteSettings
from node.web.views import Action, EntryCard, Origin, Status

_PUBLISHED = frozenset({"published", "present"})


def entry_path(local_id: str, step: str = "") -> str:
    """Address of an entry's page, or of a page for one step with it."""
    return f"/e/{local_id}/{step}" if step else f"/e/{local_id}"


def is_open(item: FeedItem) -> bool:
    """Whether an entry is published now, so that it can be answered."""
    return item.state in _PUBLISHED


def public_item(entry: Entry, site: SiteSettings) -> FeedItem:
    """Describe one of our entries for somebody outside the cluster."""
    return own_item(
        entry,
        origin_name=site.cluster_name,
        origin_base_url=site.base_url,
        form=Form.CHIFFRE if entry.is_chiffre else Form.FULL,
        outside=True,
    )


def card_of(
    item: FeedItem,
    formats: Formats,
    *,
    actions: tuple[Action, ...] = (),
    reason: str = "",
) -> EntryCard:
    """Draw up the card of an entry."""
    is_event = item.known_kind and item.kind == "event"
    return EntryCard(
        href=entry_path(item.local_id),
        tone=kind_tone(item.kind if item.known_kind else ""),
        kind_label=kind_label(item.kind if item.known_kind else ""),
        title=item.content.get("title") or {"en": item.uri},
        summary=item.content.get("summary") or {},
        origin=Origin(item.origin_name, own=item.own),
        owner=owner_words(item),
        since=item.since,
        valid_until=None if is_event else item.valid_until,
        when=event_words(item.content, formats) if is_event else "",
        status=_status(item, formats),
        unconfirmed=item.unconfirmed_since is not None,
        actions=actions,
        reason=reason,
    )


def _status(item: FeedItem, formats: Formats) -> Status | None:
    if item.unconfirmed_since is not None:
        return Status(unconfirmed_words(item.unconfirmed_since, formats), "warning")
    return state_words(item.state)


def owner_words(item: FeedItem) -> str:
    """Name the organisation and, where the entry does, the person; or the number."""
    if item.box_number is not None:
        return _("box number %(number)s", number=item.box_number)
    names = (item.owner_person, item.owner_organisation)
    return ", ".join(name for name in names if name)


def event_words(content: Mapping[str, Any], formats: Formats) -> str:
    """Say when and where an event is, e.g. 14. Januar 2027, Regensburg."""
    starts = local_time(content.get("starts"))
    place = content.get("location", {}).get("city", "")
    if not place and content.get("attendance"):
        place = term("attendances", content["attendance"])
    day = formats.write_date(starts.date()) if starts is not None else ""
    return ", ".join(part for part in (day, place) if part)


def event_time(content: Mapping[str, Any], formats: Formats) -> str:
    """Say from when to when an event takes place, on the clock of its place."""
    starts, ends = local_time(content["starts"]), local_time(content["ends"])
    if starts is None or ends is None:
        return ""
    first, last = _clock(starts), _clock(ends)
    if starts.date() == ends.date():
        return _(
            "%(day)s, %(first)s to %(last)s",
            day=formats.write_date(starts.date(), "full"),
            first=first,
            last=last,
        )
    return _(
        "%(first)s to %(last)s",
        first=f"{formats.write_date(starts.date(), 'full')}, {first}",
        last=f"{formats.write_date(ends.date(), 'full')}, {last}",
    )


def local_time(value: object) -> datetime | None:
    """Read a time on the clock of a place; None if there is none."""
    return datetime.fromisoformat(value) if isinstance(value, str) else None


def _clock(moment: datetime) -> str:
    return format_time(moment.time(), "short", locale=current_language().locale)
