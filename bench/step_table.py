"""Where the time of the measured node goes, step by step, from its profile."""

from __future__ import annotations

import pstats
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from pathlib import Path

# What is printed, the file in which the step lives, and its function.
_STEPS: Final = (
    ("request and answer, everything", "aiohttp/web_protocol.py", "_handle_request"),
    (
        "  read the body, check its form",
        "federation/transport/server.py",
        "read_request",
    ),
    ("  the signature by what it says", "federation/inbox.py", "claim"),
    ("  pinned key, signature, nonce", "federation/inbox.py", "authenticate_claim"),
    ("  JSON", "federation/inbox.py", "read_activity"),
    ("  context, owner, schema, proof", "federation/inbox.py", "prove"),
    ("    of it the proof", "federation/signatures/proof.py", "verify_proof"),
    ("    of it the schema", "federation/validation.py", "_fits"),
    ("the writer, everything", "node/storage/database.py", "_run"),
    ("  decide and apply", "node/exchange/inbox_desk.py", "take"),
    ("    of it a page", "node/exchange/receiving.py", "receive_page"),
    ("    of it its receipt", "federation/documents/receipt.py", "build_receipt"),
    ("    of it a message", "node/conversations/conversations.py", "receive_message"),
    ("    of it the member's mail", "node/mail/outbox.py", "queue"),
    ("  hand the commit over", "node/storage/sqlite_connection.py", "commit"),
    ("database statements, wherever", "node/storage/sqlite_connection.py", "run"),
    ("  of it SQLite itself", "~", "<method 'execute' of 'sqlite3.Cursor' objects>"),
    ("Ed25519, verify", "federation/keys.py", "verify"),
    ("Ed25519, sign", "federation/keys.py", "sign"),
    ("canonical form", "federation/canonical.py", "canonical_bytes"),
)
_LOOP: Final = ("asyncio/events.py", "_run")


def step_lines(profile: Path) -> list[str]:
    """Return the table for a profile that `bench.profiled_node` wrote.

    Parts of the time that the event loop was busy. Bodies of more than 32 KiB are
    proven on threads, which the profile does not see; steps of coroutines are
    counted each time that they go on, so only the times are comparable.
    """
    stats = cast("Any", pstats.Stats(str(profile))).stats
    times: dict[tuple[str, str], float] = {}
    for (file, _line, function), (_calls, _all, _own, total, _callers) in stats.items():
        for wanted in {_LOOP, *((place, name) for _, place, name in _STEPS)}:
            if function == wanted[1] and file.replace("\\", "/").endswith(wanted[0]):
                times[wanted] = times.get(wanted, 0.0) + total
    busy = times.get(_LOOP, 0.0)
    if not busy:
        return ["the profile shows no event loop"]
    lines = [f"where the time goes, in % of {busy:.1f} s in which the loop was busy"]
    for label, place, function in _STEPS:
        part = 100 * times.get((place, function), 0.0) / busy
        lines.append(f"  {label:<36} {part:5.1f}")
    return lines
