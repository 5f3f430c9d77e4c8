"""A gradebook copied into another database: from SQLite into Postgres, or back."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Assignment, Base
from nbgrader.api import Course as CourseRow
from sqlalchemy import Connection, Table, func, insert, inspect, select, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from autograder.bridge.course import CourseError, GradebookError
from autograder.bridge.database import newest_schema
from autograder.bridge.gradebook import (
    engine_of,
    error_told,
    is_made,
    is_postgres,
    problem_of,
    schema_of,
)

_ROWS_AT_ONCE: Final = 5000
_VERSION: Final = "alembic_version"


@dataclass
class Copied:
    """What was copied of a gradebook."""

    rows: Counter[str] = field(default_factory=Counter)
    """So many rows of each table."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows that belong to something that is not there, and that nbgrader therefore never finds.

    SQLite does not look whether it is; Postgres does.
    """


def copy_gradebook(from_url: str, to_url: str) -> Copied:
    """Copy a whole gradebook into an empty database, in one transaction.

    It is the gradebook of one moment: what is stored after that is not in the copy.

    Args:
        from_url: the gradebook's.
        to_url: that of a database without tables of nbgrader's; of SQLite it is made.

    Raises:
        GradebookError: there is no gradebook, or it cannot be read.
        CourseError: the target cannot be written, or is not empty; then nothing was written.
    """
    _require_source(from_url)
    if problem := problem_of(to_url, ()):
        raise CourseError(f"the target: {problem}")
    try:
        with _reading(from_url) as source, _writing(to_url) as target:
            if _tables_in(target):
                raise CourseError(
                    "the target has tables of a gradebook already: give the URL of an empty "
                    "database, such as one that `createdb` has just made"
                )
            Base.metadata.create_all(target)
            _write_version(target)
            copied = copy_rows(source, target)
            _require_counts(target, copied.rows)
    except DBAPIError as error:
        raise CourseError(
            f"the gradebook was not copied, and nothing was written: {error_told(error)}"
        ) from error
    return copied


def copy_rows(source: Connection, target: Connection) -> Copied:
    """Copy the rows of all of nbgrader's tables into empty ones."""
    copied = Copied()
    known: dict[str, set[Any]] = {}
    for table in Base.metadata.sorted_tables:  # first those that others refer to
        known[table.name] = set()
        rows = source.execute(select(table)).mappings()
        while part := rows.fetchmany(_ROWS_AT_ONCE):
            kept = [dict(row) for row in part if _belongs(table, row, known)]
            copied.left_out[table.name] += len(part) - len(kept)
            _add(target, table, kept, copied, known)
        if table is CourseRow.__table__:
            _add(target, table, _missing_courses(source, known[table.name]), copied, known)
    return copied


def _add(
    target: Connection,
    table: Table,
    rows: list[dict[str, Any]],
    copied: Copied,
    known: dict[str, set[Any]],
) -> None:
    if rows:
        target.execute(insert(table), rows)
    copied.rows[table.name] += len(rows)
    known[table.name].update(row["id"] for row in rows)


def _belongs(table: Table, row: Any, known: dict[str, set[Any]]) -> bool:
    """Whether all that a row refers to is there."""
    return all(
        row[key.parent.name] is None or row[key.parent.name] in known[key.column.table.name]
        for key in table.foreign_keys
    )


def _missing_courses(source: Connection, known: set[Any]) -> list[dict[str, Any]]:
    """The courses of assignments for which there is no row: nbgrader adds none without a name."""
    named = source.scalars(select(Assignment.course_id).distinct())
    return [{"id": course} for course in sorted(set(named) - known)]


def _require_source(url: str) -> None:
    """See that there is a gradebook with the tables of this nbgrader.

    Raises:
        GradebookError: there is none.
    """
    if problem := problem_of(url, ()):
        raise GradebookError(problem)
    if not is_made(url):
        raise GradebookError("there is no gradebook yet: `autograder release` makes one")
    found, known = schema_of(url)
    if found != known:
        raise GradebookError(
            f"the gradebook's schema is {found or 'not told'}, that of this nbgrader {known}: "
            "make a copy of gradebook.db, then run `nbgrader db upgrade` in the course's folder"
        )


def _tables_in(connection: Connection) -> set[str]:
    """Those of nbgrader's tables that are there."""
    return {*Base.metadata.tables, _VERSION} & set(inspect(connection).get_table_names())


def _write_version(target: Connection) -> None:
    """Say which schema it is, as nbgrader does for a new gradebook."""
    target.execute(text(f"CREATE TABLE {_VERSION} (version_num VARCHAR(32) NOT NULL)"))
    target.execute(
        text(f"INSERT INTO {_VERSION} (version_num) VALUES (:version)"),
        {"version": newest_schema()},
    )


def _require_counts(target: Connection, rows: Counter[str]) -> None:
    """See that the copy has all rows.

    Raises:
        CourseError: it has not.
    """
    for table in Base.metadata.sorted_tables:
        there = target.scalar(select(func.count()).select_from(table))
        if there != rows[table.name]:
            raise CourseError(
                f"the copy of {table.name} has {there} rows of {rows[table.name]}, so nothing was "
                "written: run the command again"
            )


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    """A connection that sees the gradebook as it is at one moment."""
    engine = engine_of(url)
    if is_postgres(engine.url):
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    with engine.connect() as connection:
        if not is_postgres(engine.url):
            connection.exec_driver_sql("BEGIN")  # Python's module begins only to write
        yield connection


@contextmanager
def _writing(url: str) -> Iterator[Connection]:
    """A connection whose writing is stored at the end, or nothing of it."""
    file = Path(make_url(url).database or "")
    is_new = not is_postgres(make_url(url)) and not file.exists()
    try:
        with engine_of(url).begin() as connection:
            if not is_postgres(make_url(url)):
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
    except BaseException:
        if is_new:
            file.unlink(missing_ok=True)
        raise
