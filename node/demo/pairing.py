"""Make partners and let members talk, through the running nodes' own commands."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from node.cli.wording import gettext as _
from node.control.client import ask
from node.control.request import ControlRequest, packed_file
from node.demo.clusters import DemoNode
from node.errors import UnavailableError
from node.visibility.policy import Preset

WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1
_LEVEL = Preset.CLOSE.value  # so that there are profiles of persons to look at


class Answer(NamedTuple):
    """A sample conversation: who asks about which entry, and what the owner says."""

    asker_cluster: str
    asker: str
    owner_cluster: str
    owner: str
    entry: str
    text: str
    reply: str | None


CONVERSATIONS = (
    Answer(
        "swissmem-photonics",
        "andrea.gerber@optikpruefung.example",
        "optence",
        "marek.sowa@praezisionsoptik.example",
        "opt-e01",
        "Guten Tag Herr Sowa, wir haben zwölf Planplatten mit 80 mm Durchmesser. "
        "Wäre in den nächsten zwei Wochen ein halber Tag möglich?",
        "Guten Tag Frau Gerber, Donnerstagvormittag ist frei. Bitte schicken Sie mir "
        "die Zeichnung und die gewünschte Genauigkeit.",
    ),
    Answer(
        "optence",
        "helga.brandis@praezisionsoptik.example",
        "swissmem-photonics",
        "urs.faessler@linsenwerk.example",
        "swp-e01",
        "Guten Tag Herr Fässler, wir suchen Kapazität für 4.000 Plankonvexlinsen aus "
        "N-BK7. Passt das auf Ihre Polierlinie?",
        None,
    ),
)


def command(
    node: DemoNode, name: str, *, acting_as: str | None = None, **arguments: object
) -> dict[str, Any]:
    """Run a command in a serving node."""
    return ask(node.folder, ControlRequest(name, arguments, acting_as))


def connect(host: DemoNode, guest: DemoNode) -> None:
    """Let the guest accept an invitation of the host, unless the host knows it."""
    known = command(host, "partner.list")["partners"]
    if any(partner["base_url"] == guest.base_url for partner in known):
        return
    code = command(host, "partner.invite", preset=_LEVEL)["code"]
    command(guest, "partner.accept", code=code, compared=True)
    for direction in ("give", "take"):
        command(
            guest,
            "partner.set-rules",
            partner=host.base_url,
            direction=direction,
            preset=_LEVEL,
            reason=_("Both offices have known each other for years."),
        )


def confirm(host: DemoNode, guest: DemoNode) -> None:
    """Confirm the guest's request and wait until the guest knows."""
    if _state(host, guest) == "requested":
        command(host, "partner.confirm", partner=guest.base_url, compared=True)
    wait_for(lambda: _state(guest, host) == "active")


def _state(node: DemoNode, other: DemoNode) -> str:
    shown = command(node, "partner.show", partner=other.base_url)
    state: str = shown["state"]
    return state


def publish(node: DemoNode, entry_file: bytes) -> str:
    """Publish an entry and return its URI."""
    document = command(node, "entry.publish", file=packed_file(entry_file))
    uri: str = document["id"]
    return uri


def delivered(*nodes: DemoNode) -> tuple[int, int]:
    """Count the lines of the ledgers that are confirmed, and all."""
    rows = [row for node in nodes for row in command(node, "ledger")["rows"]]
    return sum(1 for row in rows if row["acknowledged_at"]), len(rows)


def hold_conversation(
    nodes: Mapping[str, DemoNode], answer: Answer, *, entry_uri: str
) -> None:
    """Let one member answer an entry and its owner reply."""
    asker, owner = nodes[answer.asker_cluster], nodes[answer.owner_cluster]
    sent = command(
        asker, "answer", acting_as=answer.asker, entry=entry_uri, text=answer.text
    )
    thread = sent["thread"]
    wait_for(lambda: thread in _threads(owner, answer.owner))
    if answer.reply is not None:
        command(
            owner, "answer", acting_as=answer.owner, entry=thread, text=answer.reply
        )


def _threads(node: DemoNode, person: str) -> set[str]:
    found = command(node, "messages", acting_as=person)["threads"]
    return {thread["thread"] for thread in found}


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until something has arrived.

    Raises:
        UnavailableError: It does not arrive.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise UnavailableError(
                _("The nodes of the demonstration do not reach each other."),
                code="demo-not-delivered",
                hint=_("Look into the logs of the nodes."),
            )
        time.sleep(_POLL_SECONDS)
