"""What an import says, for members and entries alike."""

from typing import Any

from node.members.import_report import ImportReport


def import_report(report: ImportReport) -> dict[str, Any]:
    """Describe an import by row."""
    return {
        "added": report.added,
        "changed": report.changed,
        "unchanged": report.unchanged,
        "errors": [
            {"row": error.row, "message": error.message} for error in report.errors
        ],
        "links": [
            {"email": link.email, "link": link.link} for link in report.links
        ],
        "without_consent": report.without_consent,
        "changes": [
            {"row": change.row, "key": change.key, "fields": list(change.fields)}
            for change in report.changes
        ],
    }
