"""What each command does: read arguments, call the application, describe the result.

The documents are the ones that scripts see with `--json` (SPEC CLI).
"""
