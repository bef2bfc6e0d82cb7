"""What people see of `init`, `serve` and `doctor`."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from node.cli.printing import marked, say
from node.cli.wording import gettext as _
from node.cli.wording import ngettext
from node.doctor import Finding, Severity


def show_init(document: Mapping[str, Any], *, folder: Path) -> None:
    """Say what was made and how to go on."""
    say(
        _(
            "The node %(base_url)s was set up in %(folder)s.",
            base_url=document["base_url"],
            folder=folder,
        ),
        _("  Key           %(fingerprint)s", fingerprint=document["fingerprint"]),
        _("  First sign-in %(email)s", email=document["admin"]["email"]),
        f"    {document['admin']['link']}",
        _("The link works once, as soon as the node runs:"),
        f"  spalier serve --node {shlex.quote(str(folder))}",
        _("Make a backup of its key, to be kept elsewhere:"),
        "  spalier keys backup FILE --sheet SHEET.html"
        f" --node {shlex.quote(str(folder))}",
    )


def show_serving(document: Mapping[str, Any], *, name: str) -> None:
    """Say where the node answers."""
    say(
        _(
            "%(name)s runs at %(base_url)s (Ctrl-C ends it).",
            name=name,
            base_url=document["base_url"],
        )
    )


def show_working(*, name: str) -> None:
    """Say that a worker works."""
    say(_("A worker of %(name)s runs (Ctrl-C ends it).", name=name))


def show_doctor(findings: Sequence[Finding]) -> None:
    """Show every finding, then how many need something."""
    words = {
        Severity.OK: _("ok"),
        Severity.NOTE: _("note"),
        Severity.WARNING: _("warning"),
        Severity.ERROR: _("error"),
    }
    for finding in findings:
        marked(
            finding.severity.value,
            words[finding.severity],
            finding.title,
            finding.message,
            finding.fix,
        )
    count = Counter(finding.severity for finding in findings)
    say(
        ", ".join(
            (
                ngettext("%(num)s error", "%(num)s errors", count[Severity.ERROR]),
                ngettext(
                    "%(num)s warning", "%(num)s warnings", count[Severity.WARNING]
                ),
                ngettext("%(num)s note", "%(num)s notes", count[Severity.NOTE]),
            )
        )
        + "."
    )
