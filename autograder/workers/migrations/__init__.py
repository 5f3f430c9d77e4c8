"""Alembic's migrations of the tables of ``autograder.workers.schema``, oldest first."""
