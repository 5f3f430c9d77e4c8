"""Alembic's migrations of the tables of ``autograder.lms.schema``, oldest first in ``versions``."""
