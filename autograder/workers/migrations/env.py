"""Alembic's entry: runs the migrations on the connection that ``database.upgrade`` gives it."""

from alembic import context

from autograder.workers.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    version_table="queue_version",
)
with context.begin_transaction():
    context.run_migrations()
