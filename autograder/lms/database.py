"""The database with our own tables: SQLite by default, Postgres by URL, at the newest schema."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = "lms_version"
_BUSY_SECONDS: Final = 30.0


class DatabaseError(Exception):
    """The database cannot be used; the message says why and how to mend it."""


def open_database(url: str) -> Engine:
    """Connect to a database and bring its tables to the newest schema.

    Args:
        url: SQLAlchemy's, such as ``sqlite:///lms.db`` or ``postgresql+psycopg://...``.

    Raises:
        DatabaseError: the URL is wrong, the database cannot be reached or written, or a newer
            version of this program has made its tables.
    """
    try:
        parsed = make_url(url)
        engine = create_engine(parsed)
    except (ArgumentError, ImportError) as error:
        raise DatabaseError(f"not a database that can be used: {error}") from error
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
    try:
        _upgrade(engine)
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseError(
            f"the database {parsed.render_as_string(hide_password=True)} cannot be used: "
            f"{error.orig}. Does its folder exist, may it be written, and is it no other's file?"
        ) from error
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Readers and a writer at once, waiting for each other; keys to other tables must hold."""
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def configuration() -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _upgrade(engine: Engine) -> None:
    config = configuration()
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    with engine.begin() as connection:
        options = {"version_table": _VERSION_TABLE}
        current = MigrationContext.configure(connection, opts=options).get_current_revision()
        if current is not None and current not in known:
            raise DatabaseError(
                f"the database has tables of a newer version (schema {current}): install that "
                "version, or use a backup from before it"
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
