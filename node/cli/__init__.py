"""The command `spalier`.

Modules here import heavy packages inside functions only: `spalier --help`, and
a command that is passed on to a serving node, must start fast.
"""

import sys


def main() -> None:
    """Run the command line of this process and exit with its code."""
    from node.cli.program import run

    sys.exit(run(sys.argv[1:]))
