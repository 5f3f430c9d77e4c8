"""What the tests of the LMS share: databases, real ones of both kinds."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from autograder.lms.database import open_database
from autograder.lms.lti.keys import Keys
from tests import postgres
from tests.lms.small_class import make_template
from tests.lms.tool_double import Swap, Tool, swapping, tool_running
from tests.lms.web_world import WebWorld, make_web_world


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database: SQLite's, then Postgres's."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'lms.db'}"
        return
    yield postgres.new_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An open database with our tables: SQLite's, then Postgres's."""
    opened = open_database(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Engine]:
    """An open SQLite database with our tables, where one kind is enough."""
    opened = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    yield opened
    opened.dispose()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    """The tool's keys, which take a moment to make."""
    return Keys.open(tmp_path_factory.mktemp("keys") / "lti")


@pytest.fixture
def web(template: Path, sqlite: Engine, tmp_path: Path) -> Iterator[WebWorld]:
    """The web application on a copy of the small course."""
    made = make_web_world(template, tmp_path / "course", sqlite)
    yield made
    made.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small course, which takes nbgrader seconds to make: tests work on copies of it."""
    return make_template(tmp_path_factory.mktemp("course"))


@pytest.fixture(scope="module")
def tool() -> Iterator[Tool]:
    """A tool that platforms can call."""
    with tool_running() as tool:
        yield tool


@pytest.fixture(scope="module")
def swap() -> Iterator[Swap]:
    """A server whose application a test sets."""
    with swapping() as swap:
        yield swap
