"""For all tests: nothing is written into the user's own folders; a Postgres for those who ask."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine makes no example wrong
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def own_data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for secrets of courses that ends with the tests."""
    folder = tmp_path_factory.mktemp("data")
    os.environ["XDG_DATA_HOME"] = str(folder)
    return folder


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of Postgres's programs; without them a test is left out, and in CI fails."""
    from tests import postgres  # needs the driver, which other tests do without

    programs = postgres.find()
    if programs is None:
        missing = pytest.fail if os.environ.get("AUTOGRADER_TESTS_NEED_ALL") else pytest.skip
        missing("Postgres is not installed here (Debian's package: postgresql)")
    return programs


@pytest.fixture(scope="session")
def postgres_server(postgres_programs: Path) -> Iterator[str]:
    """A Postgres server for all tests of a run."""
    from tests import postgres

    with postgres.server(postgres_programs) as url:
        yield url
