"""What people see of entries, feed, ledger and visibility."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import day, moment, say, table
from node.cli.wording import gettext as _
from node.cli.wording import in_own_language, ngettext


def _states() -> dict[str, str]:
    return {
        "draft": _("draft"),
        "published": _("published"),
        "fulfilled": _("fulfilled"),
        "expired": _("expired"),
        "withdrawn": _("withdrawn"),
        "deleted": _("deleted"),
        "present": _("received"),
    }


def _audience(audience: Mapping[str, Any] | None) -> str:
    if audience is None:
        return _("decided by its origin")
    words = {
        "cluster": _("own cluster"),
        "partners": _(
            "own office and: %(partners)s", partners=", ".join(audience["partners"])
        ),
        "trusted": _("own cluster and all partner clusters"),
        "public": _("everybody"),
    }
    return words[audience["level"]]


def _kind(name: str) -> str:
    from schemas import KINDS

    kind = KINDS.get(name)
    return in_own_language(kind.label) if kind else name


def version_words(version: list[int]) -> str:
    """Write a version: incarnation and counter."""
    return ".".join(str(part) for part in version)


def show_step(document: Mapping[str, Any], *, served: bool) -> None:
    """Say what became of an entry."""
    say(
        _(
            "%(kind)s, version %(version)s: %(state)s.",
            kind=_kind(document["kind"]),
            version=version_words(document["version"]),
            state=_states()[document["state"]],
        ),
        f"  {document['id']}",
        _("  For: %(audience)s", audience=_audience(document["audience"])),
    )
    if not served:
        say(_("  Partners are told as soon as the node runs."))


def show_entry(document: Mapping[str, Any]) -> None:
    """Show an entry with its fields."""
    content = document["content"]
    owner = document["owner"]
    owners = ", ".join(
        part for part in (owner["person"], owner["organisation"]) if part
    )
    say(
        in_own_language(content["title"]),
        in_own_language(content["summary"]),
        "",
    )
    table(
        ("", ""),
        [
            (_("Kind"), _kind(document["kind"])),
            (_("State"), _states()[document["state"]]),
            (_("Version"), version_words(document["version"])),
            (_("For"), _audience(document["audience"])),
            (_("From"), f"{owners} ({document['origin']})"),
            (_("Since"), moment(document["since"])),
            (_("Until"), day(document["valid_until"])),
            (_("Address"), document["id"]),
        ],
    )
    if document.get("standing"):
        show_standing(document["standing"])


def show_standing(standing: Mapping[str, Any]) -> None:
    """Say who has confirmed, who has not, and by when copies lapse."""
    if standing["told"]:
        say(
            ngettext(
                "%(confirmed)s of %(num)s partner cluster has confirmed that it"
                " arrived.",
                "%(confirmed)s of %(num)s partner clusters have confirmed that it"
                " arrived.",
                standing["told"],
                confirmed=standing["confirmed"],
            )
        )
    if standing["taken_back"]:
        say(
            ngettext(
                "%(confirmed)s of %(num)s partner cluster has confirmed that it was"
                " removed.",
                "%(confirmed)s of %(num)s partner clusters have confirmed that it was"
                " removed.",
                standing["taken_back"],
                confirmed=standing["removed"],
            )
        )
    for each in standing["open"]:
        say(f"  {each['partner']}: {waiting_words(each)}")


def waiting_words(row: Mapping[str, Any]) -> str:
    """Say why a removal is not confirmed, and by when the copy lapses."""
    parts = [
        _("not reachable since %(since)s", since=moment(row["unreachable_since"]))
        if row["unreachable_since"]
        else _("not confirmed yet")
    ]
    if row["lapses"] is False:
        parts.append(_("the copy is public and does not lapse by itself"))
    elif row["lapses"]:
        parts.append(_("the copy lapses by %(at)s", at=moment(row["lapses_at"])))
    return "; ".join(parts)


def show_entries(document: Mapping[str, Any]) -> None:
    """Show own entries."""
    if not document["entries"]:
        say(_("There are no entries yet."))
        return
    table(
        (_("State"), _("Until"), _("Kind"), _("Title"), _("Address")),
        [
            (
                _states()[each["state"]],
                day(each["valid_until"]),
                _kind(each["kind"]),
                in_own_language(each["title"]),
                each["id"],
            )
            for each in document["entries"]
        ],
    )


def show_feed(document: Mapping[str, Any]) -> None:
    """Show the feed."""
    entries = document["entries"]
    if not entries:
        say(_("There is nothing to see yet."))
        return
    table(
        (_("Since"), _("From"), _("Kind"), _("Title"), _("Address")),
        [
            (
                moment(each["since"]),
                each["origin_name"],
                _kind(each["kind"]),
                in_own_language(each["title"]),
                each["id"],
            )
            for each in entries
        ],
    )
    say(ngettext("%(num)s entry.", "%(num)s entries.", len(entries)))


def show_why(document: Mapping[str, Any]) -> None:
    """Show a decision."""
    word = _("Hidden") if document["form"] == "hidden" else _("Visible")
    reason: str = document["reason"]
    say(f"{word}: {_(reason)} ({document['rule']})")
