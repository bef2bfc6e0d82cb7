"""What the demonstration prints when everything is ready."""

from pathlib import Path
from typing import Any

from node.cli.wording import gettext as _
from node.demo.clusters import DemoNode
from node.demo.progress import Progress
from node.demo.record import Logins


def demo_document(
    nodes: tuple[DemoNode, ...], logins: Logins, seconds: float
) -> dict[str, Any]:
    """Describe the running demonstration for scripts."""
    return {
        "clusters": [
            {
                "name": node.cluster.name,
                "base_url": node.base_url,
                "folder": str(node.folder),
                "office": node.office,
                "member": node.member,
            }
            for node in nodes
        ],
        "password": logins.password,
        "seconds": round(seconds, 1),
    }


def show_ready(
    nodes: tuple[DemoNode, ...], logins: Logins, folder: Path, progress: Progress
) -> None:
    """Print addresses, logins and what to try."""
    rows = [(_("Cluster"), _("Address"), _("Office"), _("Member"))]
    rows += [
        (node.cluster.name, node.base_url, node.office, node.member) for node in nodes
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    progress.line()
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        progress.line(f"  {'  '.join(cells)}".rstrip())
    progress.line(
        _(
            "  Password for all: %(password)s (valid here only)",
            password=logins.password,
        )
    )
    progress.line()
    for line in _to_try(nodes):
        progress.line(line)
    progress.line()
    progress.line(
        _(
            "Ready after %(seconds)s s. Logs: %(logs)s   Start anew: make demo-reset",
            seconds=round(progress.seconds),
            logs=_shown(folder / "log"),
        )
    )


def _to_try(nodes: tuple[DemoNode, ...]) -> tuple[str, ...]:
    host, guest, third = nodes
    return (
        _("  To try"),
        _(
            "   1  Sign in at %(url)s as %(member)s: publish an offer for %(guest)s.",
            url=host.base_url,
            member=host.member,
            guest=guest.cluster.name,
        ),
        _(
            "   2  Sign in at %(url)s as %(member)s: the offer is there; answer it.",
            url=guest.base_url,
            member=guest.member,
        ),
        _(
            "   3  Back at %(url)s: read the answer, then withdraw the offer. It is "
            "gone there too.",
            url=host.base_url,
        ),
        _(
            "   4  Sign in at %(url)s as %(office)s and decide about the request of "
            "%(third)s.",
            url=host.base_url,
            office=host.office,
            third=third.cluster.name,
        ),
        _("   5  The office's pages also show the mails; nothing is really sent."),
    )


def _shown(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
