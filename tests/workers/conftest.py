"""What the tests of workers share: a Postgres that lasts, and empty databases in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from autograder.bridge.course import Course
from autograder.workers.database import database_url, open_queue
from tests.postgres import new_database
from tests.workers.quick_course import make_quick_course


@pytest.fixture
def url(postgres_server: str) -> str:
    """The URL of an empty database."""
    return new_database(postgres_server)


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
