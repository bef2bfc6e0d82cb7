"""Write revision 0001 anew from the tables; for maintainers, before a release."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from alembic.autogenerate import produce_migrations, render_python_code
from alembic.autogenerate.api import AutogenContext
from alembic.migration import MigrationContext
from alembic.operations.ops import CreateTableOp, ModifyTableOps, UpgradeOps
from sqlalchemy import create_engine

from node.storage.columns import UtcDateTime
from node.storage.tables import metadata

TARGET = Path(__file__).parent / "versions" / "0001_first_tables.py"

_HEAD = '''"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
'''


def _render_item(
    kind: str, item: object, _context: AutogenContext
) -> str | Literal[False]:
    # A revision stands alone: it names the type in the database, not ours.
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.BigInteger()"
    return False


def _tables() -> Iterator[tuple[str, UpgradeOps]]:
    """Yield each table's name with the operations that make it."""
    with create_engine("sqlite://").connect() as connection:
        context = MigrationContext.configure(connection)
        operations = produce_migrations(context, metadata).upgrade_ops
    if operations is None:
        return
    by_table: dict[str, UpgradeOps] = {}
    for operation in operations.ops:
        if not isinstance(operation, CreateTableOp | ModifyTableOps):
            raise TypeError(f"unexpected operation {operation!r}")
        by_table.setdefault(operation.table_name, UpgradeOps([])).ops.append(operation)
    yield from by_table.items()


def render() -> str:
    """Return the text of the revision, before formatting."""
    calls, functions = [], []
    for name, operations in _tables():
        code = render_python_code(operations, render_item=_render_item)
        body = "\n".join(
            line for line in code.splitlines() if not line.strip().startswith("#")
        )
        calls.append(f"    _create_{name}()\n")
        functions.append(f"\n\ndef _create_{name}() -> None:\n    {body.strip()}\n")
    return _HEAD + "".join(calls) + "".join(functions)


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{TARGET} is written; now: make format\n")
