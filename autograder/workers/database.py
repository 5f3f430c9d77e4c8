"""The database of the queue: Postgres by URL, with procrastinate's tables and ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import psycopg
from procrastinate import App, PsycopgConnector
from procrastinate.schema import SchemaManager
from sqlalchemy import Connection, Engine, create_engine, delete, func, insert, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.orm import Session

from autograder.database import DatabaseError, parsed, shown, upgrade
from autograder.workers.schema import QueueSchema

_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_VERSION_TABLE: Final = "queue_version"
_DRIVER: Final = "postgresql+psycopg"
_CONNECTIONS: Final = 3
"""Of a worker for procrastinate: it listens on one, and fetches and ends jobs on the others."""
_MOST_MORE: Final = 300
"""Connections that are opened where many threads ask at once, and closed again."""
_MAKER: Final = 0x717565
"""The number of the lock of who makes the tables; any that nobody else uses."""
_CONNECT_SECONDS: Final = 10
_ALIVE: Final = {
    "connect_timeout": _CONNECT_SECONDS,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""So that a connection whose other end is gone is noticed within half a minute (libpq)."""


def database_url(text: str) -> URL:
    """The URL of the queue's database, with the driver that is used.

    Args:
        text: such as ``postgresql://user@host/name``; a password may be in libpq's ``.pgpass``.

    Raises:
        DatabaseError: it is no URL of a Postgres database.
    """
    try:
        url = parsed(text)
        place_of(url)
    except (DatabaseError, ArgumentError, ValueError):  # not told: it can have the password
        raise DatabaseError(
            "--db needs a URL such as postgresql://user@host/name, and what was given is none; in "
            "a password, @ is written as %40 and / as %2F"
        ) from None
    if url.get_backend_name() != "postgresql" or not url.database:
        raise DatabaseError(
            f"--db needs a Postgres database, such as postgresql://user@host/name, not {shown(url)}"
        )
    return url.set(drivername=_DRIVER)


def place_of(url: URL) -> tuple[str, str, str]:
    """The host, the port and the name by which the driver reaches a Postgres database.

    Raises:
        ArgumentError: the URL's options contradict each other.
    """
    dialect = url.set(drivername=_DRIVER).get_dialect()()
    _positional, options = dialect.create_connect_args(url)  # those after the ? come before others
    given = {name: str(value) for name, value in options.items() if value}
    return given.get("host", "localhost"), given.get("port", "5432"), given.get("dbname", "")


def open_queue(url: URL) -> Engine:
    """Connect to the queue's database and bring its tables to the newest schema.

    Raises:
        DatabaseError: it cannot be reached or written, or a newer version has made its tables.
    """
    engine = create_engine(
        url, pool_size=1, max_overflow=_MOST_MORE, pool_pre_ping=True, connect_args=_ALIVE
    )
    try:
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(_MAKER)))
            _upgrade_procrastinate(connection, _upgrade_ours(connection))
    except (DBAPIError, psycopg.Error) as error:  # the driver's own, of procrastinate's scripts
        engine.dispose()
        raise DatabaseError(told(url, error)) from error
    except DatabaseError:
        engine.dispose()
        raise
    return engine


def told(url: URL, error: BaseException) -> str:
    """What the driver says of the database, in one sentence without the password.

    Args:
        url: the database's.
        error: SQLAlchemy's, procrastinate's or the driver's own.
    """
    reason = " ".join(str(cause_of(error)).split())
    return (
        f"the database {shown(url)} cannot be used: {reason}. "
        "Does it run, does the database exist, and may this user make tables in it?"
    )


def open_app(url: URL) -> App:
    """Procrastinate's application on the queue's database, to be opened by its caller."""
    as_libpq_reads_it = url.set(drivername="postgresql").render_as_string(hide_password=False)
    connector = PsycopgConnector(
        conninfo=as_libpq_reads_it, kwargs=dict(_ALIVE), min_size=1, max_size=_CONNECTIONS
    )
    return App(connector=connector)


def cause_of(error: BaseException) -> BaseException:
    """What the driver says, of an error of SQLAlchemy's, procrastinate's or its own."""
    cause = error.orig if isinstance(error, DBAPIError) else error.__cause__
    return cause or error


@contextmanager
def transaction(engine: Engine) -> Iterator[Session]:
    """A session whose changes are stored together at the end, or not at all."""
    with Session(engine, expire_on_commit=False) as session, session.begin():
        yield session


def driver_connection(session: Session) -> Any:
    """Psycopg's own connection of a session's transaction."""
    return session.connection().connection.driver_connection


def _upgrade_ours(connection: Connection) -> str | None:
    """Bring our tables to the newest schema; the newest of procrastinate's migrations there."""
    upgrade(connection, _MIGRATIONS, _VERSION_TABLE)
    return connection.scalar(select(QueueSchema.newest))


def _upgrade_procrastinate(connection: Connection, newest: str | None) -> None:
    """Make procrastinate's tables, or run the migrations of its that they do not have yet.

    Procrastinate itself does not remember which of its migrations were run.

    Raises:
        DatabaseError: its tables are there, and were made by another program or a newer version.
        psycopg.Error: the database refuses.
    """
    migrations = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    ours = migrations[-1].name
    if newest is not None and newest > ours:  # to write ours would have them run again
        raise DatabaseError(
            f"the database has tables of a newer version of procrastinate ({newest}, and here is "
            f"{ours}): install the version that the other machines have"
        )
    if newest is None:
        if inspect(connection).has_table("procrastinate_jobs"):
            raise DatabaseError(
                "the database has tables of another program that uses procrastinate: give the "
                "queue a database of its own"
            )
        _execute(connection, SchemaManager.get_schema())
    for path in migrations:
        if newest is not None and path.name > newest:
            _execute(connection, path.read_text(encoding="utf-8"))
    connection.execute(delete(QueueSchema))
    connection.execute(insert(QueueSchema).values(newest=ours))
    # where many wait, procrastinate looks through all of them for those of one student
    connection.exec_driver_sql(
        "CREATE INDEX IF NOT EXISTS ix_queue_jobs_lock ON procrastinate_jobs (lock) "
        "WHERE status IN ('todo', 'doing')"
    )


def _execute(connection: Connection, script: str) -> None:
    """Run several statements, in which a per cent sign means itself."""
    driver: Any = connection.connection.driver_connection
    driver.execute(script)
