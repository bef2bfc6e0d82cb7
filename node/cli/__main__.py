"""`python -m node.cli` is `spalier`."""

from node.cli import main

main()
