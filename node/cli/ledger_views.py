"""What people see of the ledger, its history and its receipts."""

import json
from collections.abc import Mapping
from typing import Any

from node.cli.entry_views import version_words, waiting_words
from node.cli.printing import moment, say, table
from node.cli.wording import gettext as _


def _operations() -> dict[str, str]:
    return {
        "upsert": _("told"),
        "withdraw": _("withdrawal"),
        "delete": _("deletion"),
    }


def show_ledger(document: Mapping[str, Any]) -> None:
    """Show what was told to whom."""
    if not document["rows"]:
        say(_("Nothing was told to any partner."))
        return
    table(
        (_("Partner"), _("What"), _("Version"), _("Sent"), _("Confirmed"), _("Entry")),
        [
            (
                row["partner"],
                _operations().get(row["op"], row["op"]),
                version_words(row["version"]),
                moment(row["told_at"]),
                _confirmation(row),
                row["entry"],
            )
            for row in document["rows"]
        ],
    )


def _confirmation(row: Mapping[str, Any]) -> str:
    if row["refused_reason"]:
        return _("refused: %(reason)s", reason=row["refused_reason"])
    if row["acknowledged_at"] is None and row["op"] != "upsert":
        return waiting_words(row)
    return moment(row["acknowledged_at"])


def show_history(document: Mapping[str, Any]) -> None:
    """Show what partners ever confirmed of one entry, as sentences."""
    say(document["entry"])
    show_ledger(document)
    if not document["history"]:
        say(_("No partner has confirmed anything yet."))
        return
    say("", _("What partners have confirmed, the latest first:"))
    for row in document["history"]:
        say(f"  {_sentence(row)}")
        if row["receipt"]:
            say(_("    Receipt %(id)s", id=row["receipt"]))


def _sentence(row: Mapping[str, Any]) -> str:
    values = {
        "at": moment(row["acknowledged_at"]),
        "partner": row["partner"],
        "version": version_words(row["version"]),
    }
    if row["op"] == "delete":
        return _(
            "%(at)s: %(partner)s confirmed that it has deleted its copy"
            " (version %(version)s).",
            **values,
        )
    if row["op"] == "withdraw":
        return _(
            "%(at)s: %(partner)s confirmed that it has removed its copy"
            " (version %(version)s).",
            **values,
        )
    if row["refused_reason"]:
        return _(
            "%(at)s: %(partner)s kept version %(version)s out: %(reason)s",
            reason=row["refused_reason"],
            **values,
        )
    return _(
        "%(at)s: %(partner)s confirmed that it holds version %(version)s.", **values
    )


def show_receipt(document: Mapping[str, Any]) -> None:
    """Print a receipt as it was signed."""
    say(json.dumps(document["document"], ensure_ascii=False, indent=2))
