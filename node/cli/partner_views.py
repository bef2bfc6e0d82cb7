"""What people see of partners."""

from collections.abc import Mapping, Sequence
from typing import Any

from node.cli.printing import moment, say, say_aside, table
from node.cli.wording import gettext as _
from node.cli.wording import ngettext


def _states() -> dict[str, str]:
    return {
        "requested": _("asks to become a partner; your office decides"),
        "waiting": _("waits for the other office to confirm"),
        "active": _("active"),
        "paused": _("paused"),
        "suspended": _("suspended; your office has to compare its key"),
        "refused": _("refused"),
        "ending": _("ended; withdrawals are on their way"),
        "ended": _("ended"),
    }


def show_invitation(document: Mapping[str, Any]) -> None:
    """Show a code and how it is used."""
    say(
        _(
            "Invitation, valid until %(expires)s, to be used once:",
            expires=moment(document["expires"]),
        ),
        "",
        _("  Code  %(code)s", code=document["code"]),
        _("  Link  %(link)s", link=document["link"]),
        "",
        _("The other office enters the code; then you confirm its request."),
    )


def show_preview(document: Mapping[str, Any]) -> None:
    """Show whom a code leads to, before anything is sent."""
    card = document["card"]
    facts = [document["name"]]
    if isinstance(card.get("members"), int):
        facts.append(ngettext("%(num)s member", "%(num)s members", card["members"]))
    if card.get("field"):
        facts.append(card["field"])
    say_aside(
        " · ".join(facts),
        _("  Address      %(address)s", address=document["base_url"]),
    )
    _compare(document)


def show_request(document: Mapping[str, Any]) -> None:
    """Show who asks to become a partner."""
    say_aside(f"{document['name']} · {document['base_url']}")
    _compare(document)


def _compare(document: Mapping[str, Any]) -> None:
    say_aside(
        _("  Key          %(fingerprint)s", fingerprint=document["fingerprint"]),
        _("  Check number %(number)s", number=document["check_number"]),
        _("Please compare the check number with the other office by telephone."),
    )


def show_consequences(document: Mapping[str, Any]) -> None:
    """Show what an end takes back."""
    sent = document["in_sync"]["sent"]
    say_aside(
        f"{document['name']} · {document['base_url']}",
        ngettext(
            "%(num)s entry that it was told is taken back; what it told us disappears.",
            "%(num)s entries that it was told are taken back; what it told us"
            " disappears.",
            sent,
        ),
    )


def show_unconfirmed(document: Mapping[str, Any]) -> None:
    """Show what a partner has not confirmed."""
    say_aside(
        f"{document['name']} · {document['base_url']}",
        ngettext(
            "%(num)s withdrawal is not confirmed and stays listed.",
            "%(num)s withdrawals are not confirmed and stay listed.",
            document["in_sync"]["waiting"],
        ),
    )


def show_effects(document: Mapping[str, Any]) -> None:
    """Show in numbers what hiding or removing concerns."""
    effects = document["effects"]
    say_aside(
        f"{document['name']} · {document['base_url']}",
        ngettext(
            "%(num)s entry of it disappears for your %(members)s members.",
            "%(num)s entries of it disappear for your %(members)s members.",
            effects["held"],
            members=effects["members"],
        ),
        ngettext(
            "%(num)s conversation stays.",
            "%(num)s conversations stay.",
            effects["conversations"],
        ),
    )


def show_tried(document: Mapping[str, Any], *, served: bool) -> None:
    """Say who is tried."""
    if not document["partners"]:
        say(_("Every partner was reached the last time; nobody has to be tried."))
        return
    for each in document["partners"]:
        say(_("%(name)s is tried now.", name=each["name"]))
    if not served:
        say(_("  Partners are told as soon as the node runs."))


def show_report(document: Mapping[str, Any]) -> None:
    """Show the account of a partnership."""
    say(
        f"{document['name']} · {document['base_url']}",
        _("  State        %(state)s", state=_states()[document["state"]]),
        _("  Since        %(at)s", at=moment(document["active_since"])),
        _("  Ended        %(at)s", at=moment(document["end_asked_at"])),
        ngettext(
            "%(num)s entry of yours was told; %(removed)s confirmed as removed,"
            " %(open)s not confirmed, %(standing)s not taken back.",
            "%(num)s entries of yours were told; %(removed)s confirmed as removed,"
            " %(open)s not confirmed, %(standing)s not taken back.",
            document["told"],
            removed=document["removed"],
            open=len(document["open"]),
            standing=document["standing"],
        ),
        ngettext(
            "%(num)s entry of theirs was removed here; %(held)s held now.",
            "%(num)s entries of theirs were removed here; %(held)s held now.",
            document["copies_removed"],
            held=document["copies_held"],
        ),
    )
    if document["undo_until"]:
        say(
            _(
                "The end can be taken back until %(at)s, as long as not everything is"
                " confirmed: spalier partner stay PARTNER",
                at=moment(document["undo_until"]),
            )
        )
    if document["open"]:
        table(
            (_("Entry"), _("Sent"), _("Lapses")),
            [
                (
                    row["entry"],
                    moment(row["told_at"]),
                    moment(row["lapses_at"])
                    if row["lapses"]
                    else _("public: not by itself"),
                )
                for row in document["open"]
            ],
        )


def show_step(document: Mapping[str, Any]) -> None:
    """Say how the partnership stands after a step."""
    say(
        f"{document['name']}: {_states()[document['state']]}",
        _("  Key          %(fingerprint)s", fingerprint=document["fingerprint"]),
        _("  Check number %(number)s", number=document["check_number"]),
    )


def show_partner(document: Mapping[str, Any]) -> None:
    """Show one partner and whether both sides agree."""
    say(
        f"{document['name']} · {document['base_url']}",
        _("  State        %(state)s", state=_states()[document["state"]]),
        _("  Key          %(fingerprint)s", fingerprint=document["fingerprint"]),
        _("  Check number %(number)s", number=document["check_number"]),
        "  " + _in_sync(document["in_sync"]),
        *(f"  {sentence}" for sentence in _standing(document)),
    )
    if document.get("hidden_since"):
        say(
            _(
                "  Hidden from your members since %(at)s.",
                at=moment(document["hidden_since"]),
            )
        )
    if document.get("unreachable_since"):
        say(
            _(
                "  Not reachable since %(at)s (%(problem)s).",
                at=moment(document["unreachable_since"]),
                problem=document["problem"] or "?",
            ),
            _(
                "  Next attempt %(at)s; at once: spalier partner try PARTNER",
                at=moment(document["next_attempt_at"]),
            ),
        )
    announced = document.get("move_announced")
    if announced is not None:
        say(
            _("  Says to be   %(url)s", url=announced["to"]),
            _(
                "It has announced a move. Call its office on the number that you know,"
                " let it read out the check number, and confirm or refuse: spalier"
                " partner confirm-move PARTNER --number …"
            ),
        )
    question = document.get("key_in_question")
    if question is not None:
        say(
            _("  Key shown    %(fingerprint)s", fingerprint=question["shown"] or "?"),
            _(
                "Its address shows another key, or it has revoked the one that you"
                " know. Telephone its office, compare the fingerprint, and confirm it:"
                " spalier partner confirm-key PARTNER --fingerprint …"
            ),
        )


def _standing(document: Mapping[str, Any]) -> list[str]:
    """Say what stands beside the one line: the other direction, and what waits."""
    received, waiting = document["received"], document["waiting"]
    sentences = [
        _(
            "From there: %(held)s held, %(refused)s kept out by your rules; confirmed"
            " as complete: %(at)s.",
            held=received["held"],
            refused=received["kept_out"],
            at=moment(received["verified_at"]),
        ),
        _("Last exchange: %(at)s.", at=moment(document["last_exchange_at"])),
    ]
    if any(waiting.values()):
        sentences.append(
            _(
                "Waiting: entries %(entries)s, withdrawals %(withdrawals)s, messages"
                " %(messages)s.",
                **waiting,
            )
        )
    if document["unaccounted"]:
        sentences.append(
            ngettext(
                "%(num)s entry that it holds is not accounted for: spalier"
                " unaccounted list",
                "%(num)s entries that it holds are not accounted for: spalier"
                " unaccounted list",
                document["unaccounted"],
            )
        )
    restored = document["restored"]
    if restored is not None and not restored["compared"]:
        sentences.append(
            _(
                "Not compared since the restore of %(at)s: it is told no entry.",
                at=moment(restored["at"]),
            )
        )
    elif restored is not None:
        sentences.append(
            _("Compared since the restore of %(at)s.", at=moment(restored["at"]))
        )
    sentences.append(_("Last days:    %(marks)s", marks=_days(document["days"])))
    return sentences


def _days(days: Sequence[Mapping[str, Any]]) -> str:
    """Draw one sign for each day, the oldest first, with what the signs mean."""
    marks = "".join(
        "+" if each["exchanges"] else "!" if each["failures"] else "." for each in days
    )
    return _("%(marks)s (+ exchanged, ! tried and failed, . nothing due)", marks=marks)


def _in_sync(numbers: Mapping[str, Any]) -> str:
    if numbers["checked_at"] is None:
        return ngettext(
            "Nothing was confirmed yet; %(num)s entry waits.",
            "Nothing was confirmed yet; %(num)s entries wait.",
            numbers["waiting"],
        )
    values = {
        "sent": numbers["sent"],
        "held": numbers["held"],
        "refused": numbers["refused"],
        "at": moment(numbers["checked_at"]),
    }
    adds_up = numbers["sent"] == numbers["held"] + numbers["refused"]
    if numbers["agreement"] == "in-sync" and adds_up:
        return _(
            "In sync: %(sent)s sent = %(held)s held + %(refused)s refused by their"
            " rules, digests equal, checked %(at)s.",
            **values,
        )
    return _(
        "%(waiting)s waiting; %(sent)s sent, %(held)s held, %(refused)s refused,"
        " checked %(at)s.",
        waiting=numbers["waiting"],
        **values,
    )


def show_partners(document: Mapping[str, Any]) -> None:
    """Show all partners."""
    if not document["partners"]:
        say(
            _("There is no partner yet."),
            _(
                "Make a code (spalier partner invite), or enter one"
                " (spalier partner accept CODE)."
            ),
        )
        return
    table(
        (_("Name"), _("Address"), _("State"), _("Sent"), _("Held"), _("Waiting")),
        [
            (
                each["name"],
                each["base_url"],
                _states()[each["state"]],
                str(each["in_sync"]["sent"]),
                str(each["in_sync"]["held"] or 0),
                str(each["in_sync"]["waiting"]),
            )
            for each in document["partners"]
        ],
    )
