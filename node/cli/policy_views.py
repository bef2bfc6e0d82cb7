"""What people see of policy sheets."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import day, moment, say, say_aside
from node.cli.wording import gettext as _
from node.cli.wording import ngettext

_ENTRIES_SHOWN = 20  # in a terminal; --json has more


def _preset(code: str) -> str:
    return {
        "acquaintance": _("Getting to know"),
        "partner": _("Partner"),
        "close": _("Close partner"),
    }[code]


def _direction(code: str) -> str:
    return {"give": _("We give"), "take": _("We take")}[code]


def _profiles(code: str) -> str:
    return {
        "none": _("no profiles"),
        "organisations": _("profiles of organisations"),
        "persons": _("profiles of organisations and persons"),
    }[code]


def _in_words(sheet: Mapping[str, Any]) -> str:
    parts = [_preset(sheet["preset"]), _profiles(sheet["profiles"])]
    if sheet["chiffre"] == (sheet["preset"] == "acquaintance"):
        parts.append(_("with Chiffre") if sheet["chiffre"] else _("without Chiffre"))
    if sheet["without_kinds"]:
        parts.append(_("without %(kinds)s", kinds=", ".join(sheet["without_kinds"])))
    if sheet["without_topics"]:
        topics = ", ".join(f"“{topic}”" for topic in sheet["without_topics"])
        parts.append(_("without the topics %(topics)s", topics=topics))
    if sheet["lease_days"]:
        parts.append(
            ngettext(
                "shown for %(num)s day without confirmation",
                "shown for %(num)s days without confirmation",
                sheet["lease_days"],
            )
        )
    if sheet["retention_days"]:
        parts.append(
            ngettext(
                "content kept for %(num)s day when it is no longer shown",
                "content kept for %(num)s days when it is no longer shown",
                sheet["retention_days"],
            )
        )
    if sheet["valid_until"]:
        parts.append(_("until %(day)s", day=day(sheet["valid_until"])))
    return "; ".join(parts)


def show_rules(document: Mapping[str, Any]) -> None:
    """Show both sheets and their history."""
    say(f"{document['name']} · {document['base_url']}")
    for name in ("give", "take"):
        say(f"  {_direction(name)}: {_in_words(document[name])}")
        if document[name]["counts_as"] != document[name]["preset"]:
            say("    " + _("Counts as: %(preset)s.", preset=_preset("acquaintance")))
    if not document["compared"]:
        say(
            _(
                "The check number was not compared yet. Until then the rules count as"
                " “Getting to know” at most: spalier partner compared PARTNER"
            )
        )
    for each in document["history"]:
        who = each["by"] or _("the node")
        line = f"  {moment(each['at'])}  {who}: {_direction(each['direction'])}: "
        reason = f" ({each['reason']})" if each["reason"] else ""
        say(f"{line}{_in_words(each['sheet'])}{reason}")


def show_effect(document: Mapping[str, Any]) -> None:
    """Show what other rules would change."""
    effect = document["effect"]
    say_aside(
        f"{document['name']} · {document['base_url']}",
        f"{_direction(document['direction'])}: {_in_words(document['sheet'])}",
        _(
            "Affects %(affected)s entries: %(hidden)s become invisible, %(shown)s"
            " become visible.",
            affected=effect["affected"],
            hidden=effect["hidden"],
            shown=effect["shown"],
        ),
    )
    if effect["waiting"]:
        say_aside(
            ngettext(
                "%(num)s entry that is kept out now is looked at anew when it comes.",
                "%(num)s entries that are kept out now are looked at anew when they"
                " come.",
                effect["waiting"],
            )
        )
    if effect["capped"]:
        say_aside(
            _(
                "The check number was not compared yet; until then the rules count as"
                " “Getting to know” at most."
            )
        )
    signs = {"hidden": "-", "full": "+"}
    for each in effect["entries"][:_ENTRIES_SHOWN]:
        title = next(iter(each["title"].values()), each["id"])
        say_aside(f"  {signs.get(each['after'], '~')} {title} ({each['rule']})")
    unnamed = (
        effect["hidden"] + effect["shown"] - len(effect["entries"][:_ENTRIES_SHOWN])
    )
    if unnamed > 0:
        say_aside(ngettext("  and %(num)s more", "  and %(num)s more", unnamed))


def show_change(document: Mapping[str, Any]) -> None:
    """Show what counts now and what followed."""
    changed = document["changed"]
    name = changed["direction"]
    say(
        f"{document['name']} · {document['base_url']}",
        f"{_direction(name)}: {_in_words(document[name])}",
    )
    if name == "give":
        say(
            ngettext(
                "%(num)s change goes there.",
                "%(num)s changes go there.",
                changed["told"],
            )
        )
        return
    say(
        ngettext(
            "%(num)s copy is kept out from now on.",
            "%(num)s copies are kept out from now on.",
            changed["removed"],
        )
    )
    if changed["fetching"]:
        say(_("What may be taken again is fetched anew."))
