"""Alembic's entry: runs the migrations on the connection that ``database.upgrade`` gives it."""

from alembic import context

from autograder.lms.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="lms_version",
    render_as_batch=True,  # SQLite cannot change a column in its place
)
with context.begin_transaction():
    context.run_migrations()
