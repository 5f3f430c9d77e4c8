"""Databases with tables of ours: SQLite or Postgres by URL, brought to the newest schema."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

_NO_URL: Final = (
    "what was given is not a database's URL, such as postgresql+psycopg://user@host/name or "
    "sqlite:///file.db; in a password, @ is written as %40 and / as %2F"
)


class DatabaseError(Exception):
    """The database cannot be used; the message says why and how to mend it."""


def parsed(text: str) -> URL:
    """A database's URL, if a person can have meant it so.

    Raises:
        DatabaseError: it is none, or has a password with an @ in it, which a driver takes for a
            part of the host and tells. The message has nothing of what was given.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise DatabaseError(_NO_URL) from None
    if url.host and "@" in f"{url.host}{url.database}":
        raise DatabaseError(_NO_URL)
    return url


def shown(url: URL) -> str:
    """A database's URL for a person: without its password, and without options but its place.

    Where a password has an @ that is not written as %40, a part of it is in what seems to be the
    host or the name; so all before an @ goes there.
    """
    host, name = url.host, url.database
    if host and name:
        host, name = host.rpartition("@")[2], name.rpartition("@")[2]
    options = {option: url.query[option] for option in ("host", "port") if option in url.query}
    return URL.create(
        url.drivername, url.username, host=host, port=url.port, database=name, query=options
    ).render_as_string()


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
