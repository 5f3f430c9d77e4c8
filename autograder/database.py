"""Databases with tables of ours: SQLite or Postgres by URL, brought to the newest schema."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


class DatabaseError(Exception):
    """The database cannot be used; the message says why and how to mend it."""


def _configuration(migrations: Path) -> Config:
    """Alembic's configuration, without a file, for a folder of migrations."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    return config


def upgrade(connection: Connection, migrations: Path, version_table: str) -> None:
    """Bring tables to the newest schema, in a transaction of the caller's.

    Args:
        connection: of the database.
        migrations: the folder of Alembic's migrations.
        version_table: the table with the version of the schema that these migrations make.

    Raises:
        DatabaseError: a newer version of this program has made the tables.
        DBAPIError: the database refuses.
    """
    config = _configuration(migrations)
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    current = context.get_current_revision()
    if current is not None and current not in known:
        raise DatabaseError(
            f"the database has tables of a newer version (schema {current}): install that "
            "version, or use a backup from before it"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
