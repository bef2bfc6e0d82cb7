"""What people see of the audit log."""

from collections.abc import Mapping
from typing import Any

from node.cli.printing import moment, say, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext
from node.control.failures import sentence_from
from node.sentence import in_words


def show_lines(document: Mapping[str, Any]) -> None:
    """Show decisions as sentences."""
    if not document["rows"]:
        say(_("Nothing was decided."))
        return
    table(
        (_("No."), _("When"), _("Who"), _("What"), _("Reason")),
        [
            (
                str(row["number"]),
                moment(row["at"]),
                row["by"] or _("the node"),
                in_words(sentence_from(row["words"]), _),
                row["reason"] or "",
            )
            for row in document["rows"]
        ],
    )


def is_right(document: Mapping[str, Any]) -> bool:
    """Whether nothing speaks against the log."""
    receipt = document.get("receipt")
    fits = receipt is None or receipt["number"] is not None
    return bool(document["whole"]) and fits


def show_check(document: Mapping[str, Any]) -> None:
    """Say whether the log is whole, and whether it fits a receipt."""
    damage = document["first_damage"]
    if damage is None:
        say(
            ngettext(
                "The audit log is whole: %(num)s row, and every hash fits.",
                "The audit log is whole: %(num)s rows, and every hash fits.",
                document["rows"],
            )
        )
    elif damage["missing"]:
        say(_("Row %(number)s of the audit log is missing.", number=damage["number"]))
    else:
        say(
            _(
                "Row %(number)s of the audit log was changed, or the one before it.",
                number=damage["number"],
            )
        )
    receipt = document.get("receipt")
    if receipt is None:
        return
    if receipt["number"] is None:
        say(
            _(
                "The receipt fits no row: the log was written anew since, or it was "
                "put back from an older backup."
            )
        )
        return
    say(
        _(
            "When the receipt was signed, row %(number)s of %(at)s was the newest.",
            number=receipt["number"],
            at=moment(receipt["at"]),
        )
    )


def show_export(document: Mapping[str, Any]) -> None:
    """Say where the log was written."""
    say(
        ngettext(
            "%(num)s row was written to %(file)s.",
            "%(num)s rows were written to %(file)s.",
            document["rows"],
            file=document["file"],
        )
    )
