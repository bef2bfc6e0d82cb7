"""Joins whose order is known better here than by SQLite's planner.

SQLite knows how many rows a table has only after ANALYZE, and a node never runs it:
what it found would be old when it counts. PostgreSQL keeps its own figures.
"""

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Join
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class InThisOrder(Join):
    """An inner join that SQLite does from left to right.

    Source: www.sqlite.org/optoverview.html, section 8.2.
    """

    inherit_cache = True

    def __init__(
        self, left: FromClause, right: FromClause, onclause: ColumnElement[bool]
    ) -> None:
        super().__init__(left, right, onclause)


@compiles(InThisOrder)
def _as_any_join(join: InThisOrder, compiler: SQLCompiler, **options: Any) -> str:
    text: str = compiler.visit_join(join, **options)  # type: ignore[no-untyped-call]
    return text


@compiles(InThisOrder, "sqlite")
def _as_cross_join(
    join: InThisOrder,
    compiler: SQLCompiler,
    from_linter: Any = None,
    **options: Any,
) -> str:
    if from_linter:
        from_linter.edges.update(
            (left, right)
            for left in join.left._from_objects  # noqa: SLF001 - as visit_join does
            for right in join.right._from_objects  # noqa: SLF001
        )
    options["asfrom"] = True
    left = compiler.process(join.left, from_linter=from_linter, **options)
    right = compiler.process(join.right, from_linter=from_linter, **options)
    assert join.onclause is not None  # noqa: S101 - given to __init__
    condition = compiler.process(join.onclause, **{**options, "asfrom": False})
    return f"{left} CROSS JOIN {right} ON {condition}"
