"""All checks, in the order in which they run, and the list of them for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.conform import (
    behaviour_checks,
    discovery_checks,
    end_checks,
    handshake_checks,
    holdings_checks,
    json_checks,
    key_checks,
    message_checks,
    ownership_checks,
    page_checks,
    pull_checks,
    signature_checks,
    stranger_checks,
)

if TYPE_CHECKING:
    from node.conform.checks import Check

AS_STRANGER: Final[tuple[Check, ...]] = (
    *discovery_checks.CHECKS,
    *stranger_checks.READING_CHECKS,
    *stranger_checks.INBOX_CHECKS,
    *json_checks.CHECKS,
)
"""What can be asked without an invitation."""

AS_PARTNER: Final[tuple[Check, ...]] = (
    *handshake_checks.CHECKS,
    *page_checks.CHECKS,
    *signature_checks.CHECKS,
    *ownership_checks.CHECKS,
    *pull_checks.CHECKS,
    *holdings_checks.CHECKS,
    *message_checks.CHECKS,
    *key_checks.CHECKS,
    *end_checks.CHECKS,
)
"""What needs an invitation; without one each is skipped."""

OVERALL: Final[tuple[Check, ...]] = (
    *stranger_checks.SLOW_CHECKS,
    *behaviour_checks.CHECKS,
)
"""What is known at the end."""

CHECKS: Final[tuple[Check, ...]] = (*AS_STRANGER, *AS_PARTNER, *OVERALL)
"""Everything."""

_HEAD: Final = """\
# What `spalier conform` checks

Written by `python -m deploy.setup.conformance_list` from `node/conform`; do not edit.

`spalier conform URL` asks another node from outside whether it keeps `SPEC.md`.
With `--code INVITATION` it becomes a temporary partner and checks what only partners
see. *must*: a node that fails does not speak the protocol. *should*: it speaks it, and
something about it is poor.

```
spalier conform https://spalier.cluster.example
spalier conform https://spalier.cluster.example --code … --listen 127.0.0.1:8090 \
    --guest-url https://test.example
spalier conform http://127.0.0.1:8101 --allow-loopback-http --code …
```

The temporary node needs an address that the other one reaches: `--guest-url`, which a
reverse proxy with TLS leads to `--listen`. Its key is made for the visit and forgotten
afterwards. It tells test entries alone, plainly named, and takes all of them back and
leaves, also after Ctrl-C. A message, which cannot be taken back, is sent only about the
entry that `--message-about` names. Where the other node limits requests, it waits.

With `--json` the result is one document: `target`, `version` (of Spalier), `protocol`,
`checks` with `id`, `door`, `clause`, `severity`, `result` (`ok`, `failed`, `skipped`),
`title`, `sent`, `expected`, `found` and, if skipped, `reason`; then how many are
`failed` (*must*), `poor` (*should*) and `skipped`, and `remains`: what stays at the
other side.
Exit 0, or 1 if `failed` is not 0.

"""


def as_markdown() -> str:
    """Return the list of all checks for docs/conformance.md."""
    parts = [_HEAD]
    for heading, checks in (
        ("As a stranger", AS_STRANGER),
        ("As a partner (`--code`)", AS_PARTNER),
        ("Over the whole visit", OVERALL),
    ):
        parts.append(
            f"## {heading}\n\n| id | door | clause | severity | what should be so |\n"
            "|---|---|---|---|---|\n"
        )
        parts.extend(
            f"| `{check.id}` | {check.door.value} | {check.clause} "
            f"| {check.severity.value} | {check.title} |\n"
            for check in checks
        )
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"
