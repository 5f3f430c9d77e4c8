"""Whether the gradebook can be used, in one sentence for a teacher."""

import re
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Assignment, Base, SubmittedAssignment
from sqlalchemy import create_engine, inspect, select
from sqlalchemy.engine import URL, Connection, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from autograder.bridge.database import newest_schema

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
"""What a driver says of the database itself, and what that means."""


def problem_told(log: str) -> str:
    """What is wrong with the gradebook, from the text of an error; nothing if that is not it."""
    for told, problem in _PROBLEMS.items():
        if re.search(rf"\(sqlite3\.\w*Error\) [\w ]*(?:{told})", log):
            return problem
    return ""


def error_told(error: DBAPIError, doing: str = "used") -> str:
    """What a driver says of the gradebook, in one sentence.

    Args:
        error: the driver's.
        doing: what could not be done with it: ``used``, ``read`` or ``written``.
    """
    return problem_told(str(error)) or f"the gradebook cannot be {doing}: {error.orig}"


def problem_of(db_url: str, assignments: Collection[str]) -> str:
    """What keeps scores of these assignments from being stored, or nothing.

    Waits a few seconds for a gradebook that is locked. Writes nothing.
    """
    try:
        url, engine = make_url(db_url), create_engine(db_url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        return _unusable(error)  # no address of a database, or of one whose driver is missing
    if not is_there(url):
        return not_released(min(assignments)) if assignments else ""
    try:
        with engine.connect() as connection:
            if url.get_backend_name() == "sqlite":
                _try_to_write(connection)
            return _look(connection, assignments)
    except DBAPIError as error:
        return problem_told(str(error)) or _unusable(error.orig)
    finally:
        engine.dispose()


def _unusable(error: BaseException | None) -> str:
    return (
        f"the gradebook cannot be used ({error}): "
        "correct c.CourseDirectory.db_url in nbgrader_config.py, or what it leads to"
    )


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
    engine = create_engine(db_url)
    try:
        with engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            if "alembic_version" not in tables:
                return ("" if tables else None), known
            found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
            return str(found or ""), known
    finally:
        engine.dispose()


def has_submissions(db_url: str, assignment: str) -> bool:
    """Whether submissions of an assignment are in the gradebook. Writes nothing.

    False where there is no gradebook, or none that can be read: what is wrong with it is told by
    the commands that need it.
    """
    try:
        url, engine = make_url(db_url), create_engine(db_url)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError):
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
    finally:
        engine.dispose()


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
    """What is missing in the gradebook: columns, or assignments."""
    found = inspect(connection)
    tables = [table for table in Base.metadata.sorted_tables if found.has_table(table.name)]
    for table in tables:
        connection.execute(select(table).limit(0)).close()  # "no such column" in an older one
    known = set(connection.scalars(select(Assignment.name))) if tables else set()
    missing = sorted(set(assignments) - known)
    return not_released(missing[0]) if missing else ""


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
