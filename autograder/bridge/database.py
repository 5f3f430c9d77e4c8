"""One connection to the gradebook for many steps, where nbgrader makes one for each.

Every step of nbgrader's conversion opens a ``Gradebook`` of its own: an engine that compiles every
query anew, a look at every table, a query for the course; and each score is stored in a
transaction of its own. That is most of nbgrader's time. Inside ``one_gradebook`` all of them share
an engine and a session, and what they store is written when ``store`` is called: before cells
run, so that nobody waits for the database meanwhile, and when a notebook is done. So a notebook's
scores are in the gradebook all at once or not at all.
"""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nbgrader.api
import sqlalchemy
from nbgrader.api import Gradebook
from nbgrader.dbutil import ALEMBIC_DIR
from sqlalchemy import Column
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from autograder.bridge.lookups import Lookups

_connections: dict[str, "_Connection"] = {}
_open = False
_may_store: Callable[[Session], None] | None = None
"""Is asked in each transaction before it is stored, and raises where it must not be."""
_lookups = Lookups()


class _LateSession(Session):
    """A session whose ``commit`` writes to the database without ending the transaction."""

    def commit(self) -> None:
        """Check what is new, and have sums computed anew.

        What only changes is sent when something is read or stored: nbgrader commits after each
        cell, and each would be a round trip to a database that is elsewhere.
        """
        if not (self.new or self.dirty or self.deleted):
            return
        if self.new or self.deleted:
            self.flush()
        for row in self:
            kind: Any = type(row)
            if sums := _computed(kind):
                self.expire(row, sums)

    def delete(self, instance: Any) -> None:
        """Delete a row, which is then no longer found."""
        _lookups.forget()
        super().delete(instance)

    def store(self) -> None:
        """Commit, which stores all that was sent; what is read later is read anew."""
        if _may_store is not None:
            _may_store(self)
        super().commit()
        self.expire_all()
        _lookups.forget()


@functools.cache
def _computed(kind: Any) -> list[str]:
    """The attributes of a kind of rows that the database computes, such as scores."""
    attributes = sqlalchemy.inspect(kind).column_attrs
    return [one.key for one in attributes if not isinstance(one.columns[0], Column)]


class _Connection:
    """The engine and the session that gradebooks of one address share."""

    def __init__(self, first: Any) -> None:
        self.engine = first.engine
        factory = sessionmaker(class_=_LateSession, bind=self.engine, expire_on_commit=False)
        self.db = scoped_session(factory)
        self.courses: set[str] = set()
        self.file = _file_of(str(first.engine.url))

    def lend(self, gradebook: Any, course_id: str, authenticator: Any) -> None:
        """Make a gradebook one of those that share this connection."""
        gradebook.engine, gradebook.db = self.engine, self.db
        gradebook.course_id, gradebook.authenticator = course_id, authenticator
        if course_id not in self.courses:
            self._add_course(course_id)
            self.courses.add(course_id)

    def _add_course(self, course_id: str) -> None:
        """Let the gradebook know a course.

        nbgrader adds none for the name that is not set, to which assignments refer all the same:
        SQLite does not mind.
        """
        if self.db.get(nbgrader.api.Course, course_id) is None:
            self.db.add(nbgrader.api.Course(id=course_id))
            self.db.commit()

    def rest(self) -> None:
        """Undo what was not stored, and hold nothing of the database."""
        self.db.remove()
        self.engine.dispose()


@contextmanager
def one_gradebook() -> Iterator[None]:
    """Let every ``Gradebook`` that is opened meanwhile share a connection; nests.

    What was not stored when an exception leaves the block is undone.
    """
    global _open
    if _open:
        yield
        return
    own_init, own_close = Gradebook.__init__, Gradebook.close

    def init(
        self: Any, db_url: str, course_id: str = "default_course", authenticator: Any = None
    ) -> None:
        known = _connections.get(db_url)
        if known is None or known.file != _file_of(db_url):
            own_init(self, db_url, course_id, authenticator)
            self.db.remove()
            _connections[db_url] = _Connection(self)
        _connections[db_url].lend(self, course_id, authenticator)

    def close(self: Any) -> None:
        """Others go on with the connection."""

    Gradebook.__init__, Gradebook.close, _open = init, close, True
    _lookups.put_in_place()
    try:
        yield
        store()
    finally:
        Gradebook.__init__, Gradebook.close, _open = own_init, own_close, False
        _lookups.remove()
        for connection in _connections.values():
            connection.rest()


@contextmanager
def storing_if(may_store: Callable[[Session], None]) -> Iterator[None]:
    """Have something asked in each transaction of a gradebook before that is stored.

    Args:
        may_store: raises where it must not be stored; what was told is then undone.
    """
    global _may_store
    _may_store = may_store
    try:
        yield
    finally:
        _may_store = None


@functools.cache
def newest_schema() -> str:
    """The version of the gradebook's schema that this nbgrader makes."""
    from alembic.script import ScriptDirectory  # slow, and only a new gradebook needs it

    return str(ScriptDirectory(ALEMBIC_DIR).get_current_head())


@functools.cache
def known_schemas() -> frozenset[str]:
    """The versions of the gradebook's schema that this nbgrader knows, its own among them."""
    from alembic.script import ScriptDirectory

    return frozenset(one.revision for one in ScriptDirectory(ALEMBIC_DIR).walk_revisions())


def know_schema() -> None:
    """Let nbgrader know it for a new gradebook without a program.

    It would start `alembic`, to which Ctrl-C goes as well: that prints a traceback.
    """
    nbgrader.api.get_alembic_version = newest_schema


def store() -> None:
    """Store what gradebooks that share a connection have been told so far."""
    if _open:
        for connection in _connections.values():
            connection.db().store()


def undo() -> None:
    """Forget what gradebooks that share a connection have been told since the last ``store``."""
    for connection in _connections.values():
        connection.db.rollback()
    _lookups.forget()


def _file_of(db_url: str) -> tuple[int, int] | None:
    """Which file an SQLite database is in, to notice when another takes its place."""
    url = make_url(db_url)
    try:
        facts = os.stat(url.database or "")
    except OSError:
        return None
    return (facts.st_dev, facts.st_ino) if url.get_backend_name() == "sqlite" else None
