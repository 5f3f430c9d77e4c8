"""Whether the gradebook can be used, in one sentence for a teacher."""

import functools
import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Assignment, Base, SubmittedAssignment
from sqlalchemy import Engine, create_engine, inspect, select, text
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from autograder.bridge.database import known_schemas, newest_schema
from autograder.plain import one_line

_PROBLEMS: Final = {
    "database is locked": "the gradebook is locked by another program: close it and run the "
    "command again",
    "readonly database|unable to open database file": "the gradebook cannot be written: check who "
    "owns gradebook.db and its folder",
    "file is not a database|database disk image is malformed": "the gradebook is damaged, or no "
    "gradebook at all: put a backup of gradebook.db in its place, or move it away and run "
    "`autograder release`, which begins a new one",
    "no such column": "the gradebook was made by another version of nbgrader: make a copy of "
    "gradebook.db, then run `nbgrader db upgrade` in the course's folder",
    "database or disk is full|disk I/O error": "the gradebook cannot be written, since the disk is "
    "full or fails: make room and run the command again",
}
"""What SQLite says of the database itself, and what that means."""
_CORRECT: Final = "correct c.CourseDirectory.db_url in nbgrader_config.py"
_AWAY: Final = "the gradebook's Postgres cannot be reached"
_POSTGRES_PROBLEMS: Final = {
    r"AdminShutdown|CrashShutdown|CannotConnectNow|server closed the connection|"
    r"connection is (?:lost|closed)|database system is (?:starting|shutting|in recovery)|"
    r"terminating connection|consuming input failed|sending query .*failed": f"{_AWAY} any more: "
    "run the command again when it is back",
    "password authentication failed|no password supplied|no pg_hba.conf entry|"
    'role ".*" does not exist': "the gradebook's Postgres refuses the user or the password: "
    f"{_CORRECT}, or ~/.pgpass",
    'database ".*" does not exist': "the gradebook's Postgres has no database of that name: make "
    f"it with `createdb`, or {_CORRECT}",
    "TooManyConnections|too many clients|remaining connection slots": "the gradebook's Postgres "
    "has no connection left: grade with fewer --jobs, or raise its max_connections",
    "InsufficientPrivilege|permission denied for": "the gradebook cannot be written: its Postgres "
    "does not permit it to this user; the owner of the database can, by GRANT",
    "ReadOnlySqlTransaction": "the gradebook cannot be written: its Postgres is read-only, as a "
    f"copy of another one is; {_CORRECT}",
    "DiskFull": "the gradebook cannot be written, since the disk of its Postgres is full: make "
    "room and run the command again",
    "Undefined(?:Column|Table)": "the gradebook in Postgres has not the tables of this nbgrader: "
    "docs/how-to/postgres.md says how to change them",
    "connection failed|failed to resolve host|timeout expired|connection timeout": f"{_AWAY}: "
    f"start it, or {_CORRECT}",
}
"""What Postgres or its driver says of the database itself, and what that means.

The first that fits counts.
"""
_CONNECT_SECONDS: Final = 10
"""What a Postgres may take to answer."""
_RETRY_SECONDS: Final = 0.5
_URL_ERRORS: Final = (ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError)
"""What SQLAlchemy raises for no address of a database, or for one whose driver is missing."""
_made: set[str] = set()
"""Addresses in Postgres whose tables were there once: they stay."""
_MISSING_RIGHTS: Final = text("""
    SELECT format('%s on %s', privilege, name)
    FROM unnest(CAST(:tables AS text[])) AS name,
        unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
    WHERE NOT has_table_privilege(quote_ident(name), privilege)
""")


@functools.lru_cache(maxsize=8)
def engine_of(db_url: str) -> Engine:
    """SQLAlchemy's way to a gradebook, which holds no connection of its own; for any thread.

    Raises:
        ArgumentError, NoSuchModuleError, ModuleNotFoundError, ValueError: it is no address of a
            database, or of one whose driver is missing.
    """
    url = make_url(db_url)
    options: dict[str, Any] = {}
    if is_postgres(url) and "connect_timeout" not in url.query:
        options["connect_args"] = {"connect_timeout": _CONNECT_SECONDS}
    return create_engine(url, poolclass=NullPool, **options)


def is_postgres(url: URL) -> bool:
    """Whether a gradebook is in Postgres."""
    return url.get_backend_name() == "postgresql"


def problem_told(log: str) -> str:
    """What is wrong with the gradebook, from the text of an error; nothing if that is not it."""
    for told, problem in _PROBLEMS.items():
        if re.search(rf"\(sqlite3\.\w*Error\) [\w ]*(?:{told})", log):
            return problem
    if said := re.search(r"\(psycopg\d?\.(.*)", log, re.DOTALL):
        # what follows has the statement's values, which are anybody's
        message = said[1].partition("[SQL:")[0]
        for told, problem in _POSTGRES_PROBLEMS.items():
            if re.search(told, message):
                return problem
    return ""


def error_told(error: DBAPIError, doing: str = "used") -> str:
    """What a driver says of the gradebook, in one sentence.

    Args:
        error: the driver's.
        doing: what could not be done with it: ``used``, ``read`` or ``written``.
    """
    said = one_line(str(error.orig))
    return problem_told(str(error)) or f"the gradebook cannot be {doing}: {said}"


def problem_of(db_url: str, assignments: Collection[str], patience: float = 0.0) -> str:
    """What keeps scores of these assignments from being stored, or nothing.

    Waits a few seconds for a gradebook that is locked. Writes nothing.

    Args:
        db_url: the gradebook's.
        assignments: the names of those that it has to know.
        patience: seconds to wait for a Postgres that cannot be reached, as while it restarts.
    """
    end = time.monotonic() + patience
    while True:
        problem = _problem_now(db_url, assignments)
        if not problem.startswith(_AWAY) or time.monotonic() >= end:
            return problem
        time.sleep(_RETRY_SECONDS)


def _problem_now(db_url: str, assignments: Collection[str]) -> str:
    try:
        url, engine = make_url(db_url), engine_of(db_url)
    except _URL_ERRORS as error:
        return _unaddressed(error)
    if not is_there(url):
        return not_released(min(assignments)) if assignments else ""
    try:
        with engine.connect() as connection:
            if url.get_backend_name() == "sqlite":
                _try_to_write(connection)
            return _look(connection, assignments)
    except DBAPIError as error:
        return problem_told(str(error)) or _unusable(error.orig)


def _unaddressed(error: Exception) -> str:
    """What is wrong with an address, of which nothing is told: it can have a password."""
    known = isinstance(error, ArgumentError | NoSuchModuleError | ModuleNotFoundError)
    why = str(error) if known else "its port is no number"
    return (
        f"the gradebook cannot be used ({why}): {_CORRECT}; for Postgres it is "
        "postgresql+psycopg://USER@HOST/NAME, and needs the package psycopg"
    )


def _unusable(error: BaseException | None) -> str:
    return f"the gradebook cannot be used ({one_line(str(error))}): {_CORRECT}, or what it leads to"


def schema_of(db_url: str) -> tuple[str | None, str]:
    """The version of the gradebook's schema, and the one of this nbgrader.

    The first is None where there is no gradebook yet, and empty where it does not say.

    Raises:
        DBAPIError: the gradebook cannot be read.
    """
    known = newest_schema()
    url = make_url(db_url)
    if not is_there(url):
        return None, known
    with engine_of(db_url).connect() as connection:
        tables = inspect(connection).get_table_names()
        return (_version(connection, tables) if tables else None), known


def has_submissions(db_url: str, assignment: str) -> bool:
    """Whether submissions of an assignment are in the gradebook. Writes nothing.

    False where there is no gradebook, or none that can be read: what is wrong with it is told by
    the commands that need it.
    """
    try:
        url, engine = make_url(db_url), engine_of(db_url)
    except _URL_ERRORS:
        return False
    if not is_there(url):
        return False
    found = (
        select(SubmittedAssignment.id)
        .join(Assignment, Assignment.id == SubmittedAssignment.assignment_id)
        .where(Assignment.name == assignment)
    )
    try:
        with engine.connect() as connection:
            return connection.execute(found.limit(1)).first() is not None
    except DBAPIError:
        return False


def _try_to_write(connection: Connection) -> None:
    """Write what is there already, and undo it: this needs the lock, the file and its folder.

    Raises:
        DBAPIError: it cannot be written.
    """
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    version: Any = connection.exec_driver_sql("PRAGMA user_version").scalar()
    connection.exec_driver_sql(f"PRAGMA user_version = {version}")
    connection.exec_driver_sql("ROLLBACK")


def _look(connection: Connection, assignments: Collection[str]) -> str:
    """What is missing in the gradebook: rights, columns, or assignments."""
    found = inspect(connection).get_table_names()
    tables = [table for table in Base.metadata.sorted_tables if table.name in found]
    if problem := _newer(_version(connection, found)):
        return problem
    if connection.dialect.name == "postgresql" and (problem := _missing_right(connection, tables)):
        return problem
    for table in tables:
        connection.execute(select(table).limit(0)).close()  # an older one lacks a column
    known = set(connection.scalars(select(Assignment.name))) if tables else set()
    missing = sorted(set(assignments) - known)
    return not_released(missing[0]) if missing else ""


def _version(connection: Connection, tables: Collection[str]) -> str:
    """The version of a gradebook's schema; empty where it does not say."""
    if "alembic_version" not in tables:
        return ""
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return str(found or "")


def _newer(version: str) -> str:
    if not version or version in known_schemas():
        return ""
    return (
        f"the gradebook was made by a newer version of nbgrader (schema {one_line(version)}): "
        "install that version"
    )


def _missing_right(connection: Connection, tables: Collection[Any]) -> str:
    """What this user may not do in Postgres, which would be found at the first grading."""
    if connection.scalar(text("SHOW transaction_read_only")) == "on":
        return _POSTGRES_PROBLEMS["ReadOnlySqlTransaction"]
    if not tables:
        may = connection.scalar(text("SELECT has_schema_privilege(current_schema(), 'CREATE')"))
        missing = [] if may else ["CREATE on its schema"]
    else:
        names = [table.name for table in tables]
        missing = list(connection.scalars(_MISSING_RIGHTS, {"tables": names}))
    if not missing:
        return ""
    user = connection.scalar(text("SELECT current_user"))
    return (
        f"the gradebook cannot be written: user {user!r} of its Postgres needs {missing[0]}: "
        "the owner of the database can give it, by GRANT"
    )


def is_made(db_url: str) -> bool:
    """Whether there is a gradebook with tables, which the first release makes.

    Raises:
        DBAPIError: it cannot be read.
    """
    url = make_url(db_url)
    if db_url in _made or not is_postgres(url):
        return is_there(url)
    with engine_of(db_url).connect() as connection:
        if inspect(connection).has_table(Assignment.__tablename__):
            _made.add(db_url)
    return db_url in _made


def is_there(url: URL) -> bool:
    """Whether a gradebook is there, as far as files tell: to look into one would make it."""
    file = url.database or ""
    return url.get_backend_name() != "sqlite" or file.startswith("file:") or Path(file).is_file()


def not_released(assignment: str) -> str:
    """What a teacher is told when the gradebook does not know an assignment."""
    return (
        f"assignment {assignment!r} is not in the gradebook: "
        f"run `autograder release {assignment}` first"
    )
