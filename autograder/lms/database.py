"""The database with our own tables: SQLite by default, Postgres by URL, at the newest schema."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from autograder.database import DatabaseError, parsed, shown, upgrade

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = "lms_version"
_BUSY_SECONDS: Final = 30.0
_BEGIN: Final = "sqlite_begin"
_WRITERS: Final = 0x6C6D73
"""The number of the lock that writers hold in Postgres; any that nobody else uses."""


def open_database(url: str) -> Engine:
    """Connect to a database and bring its tables to the newest schema.

    Args:
        url: SQLAlchemy's, such as ``sqlite:///lms.db`` or ``postgresql+psycopg://...``.

    Raises:
        DatabaseError: the URL is wrong, the database cannot be reached or written, or a newer
            version of this program has made its tables.
    """
    address = parsed(url)
    try:
        engine = create_engine(address)
    except (ArgumentError, ImportError) as error:
        raise DatabaseError(f"not a database that can be used: {error}") from error
    if address.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    try:
        with engine.begin() as connection:
            upgrade(connection, _MIGRATIONS, _VERSION_TABLE)
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseError(
            f"the database {shown(address)} cannot be used: "
            f"{error.orig}. Does its folder exist, may it be written, and is it no other's file?"
        ) from error
    except DatabaseError:
        engine.dispose()
        raise
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """A session that only reads; what it has read stays usable after it."""
    with Session(engine, expire_on_commit=False) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """A session whose changes are stored together at the end, or not at all.

    It is the only one of these from its beginning to its end, in SQLite and in Postgres: what it
    has read is still so when it writes. So it must be short, and nothing else is done within.
    """
    locking = engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
    with Session(locking, expire_on_commit=False) as session, session.begin():
        if engine.dialect.name == "postgresql":
            session.execute(select(func.pg_advisory_xact_lock(_WRITERS)))
        else:
            session.connection()
        yield session


def _begin_sqlite(connection: Connection) -> None:
    """Begin transactions ourselves: Python's module would do so late, and never for reading."""
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _prepare_sqlite(connection: Any, record: object) -> None:
    """Readers and a writer at once, waiting for each other; keys to other tables must hold."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {int(_BUSY_SECONDS * 1000)}")
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
