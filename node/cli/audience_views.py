"""What people see of groups, ceilings, releases and known members."""

from collections.abc import Mapping, Sequence
from typing import Any

from node.cli.printing import say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import in_own_language, ngettext

_LINES_SHOWN = 20  # in a terminal; --json has more


def _level(code: str | None) -> str:
    return {
        None: _("no limit"),
        "group": _("a group of members"),
        "cluster": _("own cluster"),
        "partners": _("chosen partner clusters"),
        "trusted": _("all partner clusters"),
        "public": _("public"),
    }[code]


def show_kinds(document: Mapping[str, Any]) -> None:
    """Show default and maximum of every kind."""
    table(
        [_("Kind"), _("Default"), _("At most")],
        [
            [each["kind"], _level(each["default"]), _level(each["max"])]
            for each in document["kinds"]
        ],
    )
    for each in document["organisations"]:
        say(
            _(
                "%(name)s publishes at most for: %(level)s.",
                name=each["name"],
                level=_level(each["ceiling"]),
            )
        )


def show_effect(document: Mapping[str, Any]) -> None:
    """Say what a setting would change."""
    effect = document["effect"]
    if not effect["count"]:
        say_aside(_("This changes nothing about entries that are published."))
        return
    for each in effect["viewers"]:
        name = each["name"] or _("Everybody, without signing in")
        say_aside(
            _(
                "%(name)s: %(hidden)s no longer visible, %(shown)s newly visible.",
                name=name,
                hidden=each["hidden"],
                shown=each["shown"],
            )
        )
    _titles(effect["entries"], effect["count"])


def show_set(document: Mapping[str, Any]) -> None:
    """Say that a setting counts."""
    say(_("At most: %(level)s.", level=_level(document["max"])))
    say(
        ngettext(
            "%(num)s entry is told anew.",
            "%(num)s entries are told anew.",
            document["told"],
        )
    )


def show_groups(document: Mapping[str, Any]) -> None:
    """Show all groups."""
    if not document["groups"]:
        say_aside(_("There are no groups yet."))
        return
    table(
        [_("Group"), _("Members")],
        [
            [each["name"], ", ".join(each["organisations"])]
            for each in document["groups"]
        ],
    )


def show_group(document: Mapping[str, Any]) -> None:
    """Show one group."""
    members = ", ".join(document["organisations"]) or _("nobody")
    say(f"{document['name']}: {members}")


def show_group_entries(document: Mapping[str, Any]) -> None:
    """Say what is for a group before it is dissolved."""
    say_aside(
        ngettext(
            "%(num)s entry is for this group; afterwards only its owner and the"
            " office see it.",
            "%(num)s entries are for this group; afterwards only their owners and the"
            " office see them.",
            len(document["entries"]),
        )
    )
    _titles(document["entries"], len(document["entries"]))


def show_removed(document: Mapping[str, Any]) -> None:
    """Say that a group is gone."""
    say(_("The group %(name)s is dissolved.", name=document["name"]))


def show_list(document: Mapping[str, Any]) -> None:
    """Show what a release would give a partner."""
    if document["released_at"] is not None:
        say(
            _(
                "%(name)s already gets what is for all partner clusters.",
                name=document["name"],
            )
        )
        return
    say(
        ngettext(
            "%(name)s would get %(num)s entry that is for all partner clusters.",
            "%(name)s would get %(num)s entries that are for all partner clusters.",
            document["count"],
            name=document["name"],
        )
    )
    for kind, number in document["kinds"].items():
        say(f"  {number} {kind}")
    _titles(document["entries"], document["count"])


def show_released(document: Mapping[str, Any]) -> None:
    """Say that the list was released."""
    say(
        _(
            "%(name)s gets from now on what is for all partner clusters.",
            name=document["name"],
        )
    )


def show_known(document: Mapping[str, Any]) -> None:
    """Show what is known of a partner's members."""
    known, stated = document["members"], document["stated"]
    if stated is None:
        say(_("%(num)s members are known by name.", num=len(known)))
    else:
        say(
            _(
                "%(num)s of %(stated)s members are known by name.",
                num=len(known),
                stated=stated,
            )
        )
    if not known:
        return
    sources = {"office": _("our office"), "profile": _("its profile")}
    table(
        [_("Name"), _("Known by"), _("From"), _("Member")],
        [
            [
                each["name"],
                ", ".join(each["identifiers"]),
                sources[each["from"]],
                each["member"],
            ]
            for each in known
        ],
    )


def show_noted(document: Mapping[str, Any]) -> None:
    """Say that a member was noted."""
    say(
        _(
            "Noted: %(name)s (%(known)s).",
            name=document["name"],
            known=", ".join(document["identifiers"]),
        )
    )


def show_forgotten(_document: Mapping[str, Any]) -> None:
    """Say that a note was taken back."""
    say(_("The note is taken back."))


def show_identified(document: Mapping[str, Any]) -> None:
    """Say what an organisation is known by."""
    known = ", ".join(document["identifiers"]) or _("nothing")
    say(_("%(name)s is known by: %(known)s.", name=document["name"], known=known))


def _titles(entries: Sequence[Mapping[str, Any]], count: int) -> None:
    for each in entries[:_LINES_SHOWN]:
        say_aside(f"  {in_own_language(each['title'])}")
    more = count - min(len(entries), _LINES_SHOWN)
    if more > 0:
        say_aside(_("  and %(num)s more", num=more))
