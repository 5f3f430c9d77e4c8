"""What the tests of workers share: a Postgres that lasts, and empty databases in it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from autograder.bridge.course import Course
from autograder.workers.database import database_url, open_queue
from tests.lms import postgres
from tests.workers.quick_course import make_quick_course
from tests.workers.server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A Postgres for all tests of a run."""
    if postgres.find() is None:
        missing = pytest.fail if os.environ.get("AUTOGRADER_TESTS_NEED_ALL") else pytest.skip
        missing("Postgres is not installed here (Debian's package: postgresql)")
    made = Server()
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def url(server: Server) -> str:
    """The URL of an empty database."""
    return server.create(f"test_{uuid.uuid4().hex}")


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    """A queue's database with all tables."""
    opened = open_queue(database_url(url))
    yield opened
    opened.dispose()


@pytest.fixture
def course(url: str, tmp_path: Path) -> Course:
    """A released course whose gradebook is in the database, and nobody who hands in."""
    return make_quick_course(tmp_path, url)
