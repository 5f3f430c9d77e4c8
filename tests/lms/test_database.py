"""Our own tables: made at first use, brought to the newest schema; else one clear error."""

import sqlite3
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from autograder.database import DatabaseError
from autograder.lms.database import open_database, reading, writing
from autograder.lms.schema import Base, Deployment, Registration


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def test_the_migrations_make_the_tables_that_the_program_expects(url: str) -> None:
    engine = open_database(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "lms_version"})
        assert compare_metadata(context, Base.metadata) == []


def test_a_database_is_opened_again_with_all_that_is_in_it(url: str) -> None:
    insert = (
        'INSERT INTO delivery (registration, deployment, line_item, "user", given, maximum,'
        " comment, release, state, sent_at, uncertain, tries, next_try, error)"
        " VALUES (1, '1', 'u', 'ana', 1, 2, '', 1, 'due', 0, false, 0, 0, '')"
    )
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text(insert))
    engine.dispose()
    with open_database(url).connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM delivery")) == 1


def test_the_tables_stand_beside_those_of_nbgraders_gradebook(tmp_path: Path) -> None:
    path = tmp_path / "gradebook.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('nbgraders-own')")
    engine = open_database(f"sqlite:///{path}")
    assert {"alembic_version", "delivery"} <= set(inspect(engine).get_table_names())
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "nbgraders-own"


def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    engine = open_database(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE lms_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(DatabaseError, match=r"newer version \(schema 9999\): install"):
        open_database(url)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("no url", "not a database"),
        ("oracle+nothing://x", "not a database"),
        ("sqlite:////no/such/folder/lms.db", "Does its folder exist"),
    ],
)
def test_a_database_that_cannot_be_had_is_one_clear_error(url: str, told: str) -> None:
    with pytest.raises(DatabaseError, match=told):
        open_database(url)


def test_a_file_that_is_none_is_one_clear_error_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("no database, but somebody's notes of the whole year\n" * 20)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a database"):
        open_database(f"sqlite:///{path}")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "url",
    [
        "sqlite://user:secret@/{folder}/none/lms.db",
        "sqlite:///{folder}/none/lms.db?password=secret",
        "postgresql+psycopg://user@127.0.0.1:1/lms?password=secret",
        "postgresql+psycopg://user:pa@secret@127.0.0.1:1/lms",
    ],
)
def test_a_password_is_not_told(tmp_path: Path, url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        open_database(url.format(folder=tmp_path))
    assert "secret" not in str(caught.value)


def test_writers_wait_for_each_other_also_when_they_have_read_first(url: str) -> None:
    engine = open_database(url)

    def count(_turn: int) -> None:
        for _ in range(20):
            with writing(engine) as session:
                row = session.get(Deployment, 1)
                assert row is not None
                row.deployment = str(int(row.deployment) + 1)

    with writing(engine) as session:
        session.add(Registration(id=1, created=0.0, **dict.fromkeys(_TEXTS, "x")))
        session.flush()
        session.add(Deployment(id=1, registration_id=1, deployment="0"))
    with ThreadPool(4) as threads:
        threads.map(count, range(4))
    with reading(engine) as session:
        row = session.get(Deployment, 1)
    assert row is not None and row.deployment == "80"


def test_nothing_is_stored_of_what_ends_in_an_error(url: str) -> None:
    engine = open_database(url)
    with pytest.raises(KeyError), writing(engine) as session:
        session.add(Registration(id=1, created=0.0, **dict.fromkeys(_TEXTS, "x")))
        session.flush()
        raise KeyError
    with reading(engine) as session:
        assert session.get(Registration, 1) is None


_TEXTS = ("issuer", "client_id", "auth_login_url", "auth_token_url", "key_set_url")
