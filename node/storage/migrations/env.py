"""Alembic's entry: runs revisions on the connection that `node.storage.schema` has.

There is no ini file and no way to run without a connection.
"""

from alembic import context

from node.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by copying the table
    compare_type=True,
)
# The transaction is the caller's: all revisions or none.
context.run_migrations()
