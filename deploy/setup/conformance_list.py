"""Writes docs/conformance.md, the list of what `spalier conform` checks."""

from pathlib import Path

from node.conform.table import as_markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"


def main() -> None:
    """Write the document."""
    DOCUMENT.write_text(as_markdown(), encoding="utf-8")


if __name__ == "__main__":
    main()
