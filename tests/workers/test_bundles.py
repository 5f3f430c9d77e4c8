"""Versions of courses as bytes, and where they go: what is the same, and what is in the way."""

import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Final, cast

import psycopg
import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from autograder.bridge import parcels, record
from autograder.bridge.course import Course, CourseError
from autograder.bridge.parcels import unpack
from autograder.bridge.record import Record
from autograder.bridge.sending import keep_graded, pack_graded, pack_submission
from autograder.database import DatabaseError
from autograder.workers import bundle, queue, remote
from autograder.workers.bundle import hash_of, make_bundle, open_bundle
from autograder.workers.database import database_url, open_queue, told
from autograder.workers.schema import Bundle
from tests.postgres import execute, rows
from tests.workers.quick_course import hand_in, make_quick_course

MIB: Final = 1024 * 1024
SECRET: Final = "geheim"


@pytest.fixture
def local(tmp_path: Path) -> Course:
    """A released course, for what needs no database of a queue."""
    return make_quick_course(tmp_path, f"sqlite:///{tmp_path / 'gradebook.db'}")


def needs_in(engine: Engine) -> dict[str, dict[str, str]]:
    """What the versions in the database need, by their hashes."""
    with Session(engine) as session:
        return {known.hash: known.needs for known in session.scalars(select(Bundle))}


def test_the_same_course_on_the_same_machine_is_the_same_version(local: Course) -> None:
    assert make_bundle(local) == make_bundle(local)


def test_what_a_worker_fetches_is_checked_by_the_hash_alone(local: Course) -> None:
    made = make_bundle(local)
    assert hash_of(made.content) == made.hash


def test_an_upgrade_makes_another_version_of_a_course_that_has_not_changed(
    course: Course, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = make_bundle(course)
    queue.send_bundle(engine, old)
    upgraded = old.needs | {"torch": "99.0"}
    monkeypatch.setattr(bundle, "needs", lambda packages: upgraded)
    new = make_bundle(course)
    queue.send_bundle(engine, new)
    assert new.hash != old.hash
    assert needs_in(engine) == {old.hash: old.needs, new.hash: upgraded}


def test_an_opened_version_has_the_course_s_files_and_nothing_of_the_sending(
    local: Course, tmp_path: Path
) -> None:
    opened = tmp_path / "opened"
    open_bundle(make_bundle(local).content, opened)
    assert (opened / "source/one/one.ipynb").read_bytes() == (
        local.root / "source/one/one.ipynb"
    ).read_bytes()
    assert not list(opened.glob("*needs*"))


def test_a_large_file_of_the_course_arrives_as_it_is(local: Course, tmp_path: Path) -> None:
    data = b"weights " * (33 * MIB // 8)
    (local.root / "source/one/weights.bin").write_bytes(data)
    open_bundle(make_bundle(local).content, tmp_path / "opened")
    assert (tmp_path / "opened/source/one/weights.bin").read_bytes() == data


def test_a_course_that_is_too_large_names_its_largest_file(
    local: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "LARGEST", 3 * MIB)
    large = local.root / "source/one/weights.bin"
    large.write_bytes(b"x" * 4 * MIB)
    with pytest.raises(CourseError, match="may have 3 MB") as told:
        make_bundle(local)
    assert f"{large} (4 MB)" in str(told.value)


def test_a_course_with_too_many_files_is_told_where_they_are(
    local: Course, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "MOST_FILES", 20)
    for number in range(30):
        local.root.joinpath(f"source/one/{number}.csv").touch()
    with pytest.raises(CourseError, match="and 20 files") as told:
        make_bundle(local)
    assert f"most are in {local.root / 'source/one'}" in str(told.value)


def test_a_file_whose_name_cannot_be_sent_is_no_link_to_nowhere_on_a_worker(local: Course) -> None:
    (local.root / "source/one/a\xa0b.csv").touch()
    with pytest.raises(CourseError, match="rename it"):
        make_bundle(local)


# What is handed in and comes back


def submission_with(course: Course, size: int) -> Path:
    """A student's folder with a file of so many bytes."""
    hand_in(course, "ana", "5")
    path = course.folder("submitted", "one", "ana") / "mine.bin"
    path.write_bytes(b"m" * size)
    return path


def test_a_student_s_file_that_no_grading_reads_goes_as_its_size(
    local: Course, tmp_path: Path
) -> None:
    submission_with(local, 33 * MIB)
    unpack(pack_submission(local, "one", "ana"), tmp_path / "arrived")
    arrived = tmp_path / "arrived/mine.bin"
    assert arrived.stat().st_size == 33 * MIB
    assert not arrived.read_bytes().strip(b"\0")


def test_a_student_s_file_that_the_course_lets_in_arrives_as_it_is(
    local: Course, tmp_path: Path
) -> None:
    with (local.root / "nbgrader_config.py").open("a") as config:
        config.write("c.SubmissionExporter.other_file_mib = 40\n")
    raised = Course(local.root)
    path = submission_with(raised, 33 * MIB)
    unpack(pack_submission(raised, "one", "ana"), tmp_path / "arrived")
    assert (tmp_path / "arrived/mine.bin").read_bytes() == path.read_bytes()


def test_what_was_graded_comes_back_with_its_large_files(local: Course) -> None:
    of_course, of_student = b"c" * 33 * MIB, b"s" * 33 * MIB
    (local.root / "source/one/weights.bin").write_bytes(of_course)
    graded = local.folder("autograded", "one", "ana")
    graded.mkdir(parents=True)
    (graded / "weights.bin").write_bytes(of_course)
    (graded / "mine.bin").write_bytes(of_student)
    Record().write(record.path_of(local.root, "one", "ana"))
    parcel = pack_graded(local, "one", "ana")
    shutil.rmtree(graded)
    keep_graded(local, "one", "ana", parcel, inputs="", stamp="")
    assert (graded / "weights.bin").read_bytes() == of_course
    assert (graded / "mine.bin").read_bytes() == of_student


# The database that they are sent to


@pytest.mark.parametrize(
    "wrong",
    [
        f"mysql://grader:{SECRET}@host/course",
        f"mysql://grader@host/course?password={SECRET}",
        f"postgresql://grader:{SECRET}@host",
        f"postgresql://grader:{SECRET}/course",
        f"postgresql://grader:pa@{SECRET}@host/course",
        f"postgresql://grader:pa@ss/{SECRET}@host/course",
        f"postgresql://grader@host?sslpassword={SECRET}",
        f"{SECRET}",
    ],
)
def test_an_address_that_is_wrong_is_one_error_without_its_password(wrong: str) -> None:
    with pytest.raises(DatabaseError, match="--db needs a") as told:
        database_url(wrong)
    assert SECRET not in str(told.value)


def test_what_is_told_of_a_database_has_no_password_and_says_where_it_is() -> None:
    url = database_url(f"postgresql://ana:{SECRET}@/course?host=/run/pg&password={SECRET}&port=5")
    sentence = told(url, psycopg.OperationalError("it is away"))
    assert SECRET not in sentence
    assert "postgresql+psycopg://ana@/course?host=%2Frun%2Fpg&port=5 cannot be used" in sentence
    assert "it is away" in sentence


@pytest.mark.parametrize(
    "own",
    [
        f"postgresql+psycopg://ana:{SECRET}@there/course?password={SECRET}",
        f"postgresql+psycopg://ana:pa@{SECRET}@there/course",
        f"postgresql+psycopg://ana:pa@ss/{SECRET}@there/course",
    ],
)
def test_where_the_gradebook_must_be_is_told_without_passwords(tmp_path: Path, own: str) -> None:
    with pytest.raises(CourseError, match="gradebook copy --to") as told:
        require_gradebook_in(tmp_path, own, f"postgresql://ana@here/course?password={SECRET}")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize("own", [SECRET, f"postgresql+psycopg://ana:{SECRET}/course"])
def test_a_gradebook_s_address_that_is_wrong_is_one_error_without_its_password(
    tmp_path: Path, own: str
) -> None:
    with pytest.raises(CourseError, match=r"c\.CourseDirectory\.db_url") as told:
        require_gradebook_in(tmp_path, own, "postgresql://ana@here/course")
    assert SECRET not in str(told.value)


@pytest.mark.parametrize(
    ("own", "given", "same"),
    [
        ("postgresql+psycopg://localhost:5432/course", "postgresql:///course", True),
        ("postgresql+psycopg://ana@db/course", "postgresql://eva@db:5432/course", True),
        ("postgresql:///course?host=/run/one", "postgresql:///course?host=/run/one", True),
        ("postgresql://db/course", "postgresql:///course?host=db", True),
        ("postgresql:///course?host=/run/one", "postgresql:///course?host=/run/two", False),
        ("postgresql:///course?port=1", "postgresql:///course?port=2", False),
        ("postgresql://db/course", "postgresql://db/other", False),
        ("postgresql://db/course?host=other", "postgresql://db/course", False),
        ("postgresql:///a?dbname=b", "postgresql:///a", False),
        ("sqlite:///course", "postgresql:///course", False),
    ],
)
def test_a_gradebook_is_in_the_queue_s_database_if_both_addresses_lead_to_the_same_place(
    tmp_path: Path, own: str, given: str, same: bool
) -> None:
    with nullcontext() if same else pytest.raises(CourseError, match="gradebook copy"):
        require_gradebook_in(tmp_path, own, given)


def require_gradebook_in(root: Path, own: str, given: str) -> None:
    """Compare a course's gradebook with a queue's database, of which none need be there."""
    directory = SimpleNamespace(db_url=own)
    course = cast(Course, SimpleNamespace(root=root, directory=directory))
    remote._require_gradebook_in(course, database_url(given))


def test_tables_of_a_newer_procrastinate_are_left_alone(url: str) -> None:
    open_queue(database_url(url)).dispose()
    execute(url, "UPDATE queue_procrastinate SET newest = '99.00.00_01_newer.sql'")
    with pytest.raises(DatabaseError, match="newer version of procrastinate"):
        open_queue(database_url(url))
    assert rows(url, "SELECT newest FROM queue_procrastinate") == [("99.00.00_01_newer.sql",)]


def test_a_migration_that_fails_is_one_error(url: str) -> None:
    open_queue(database_url(url)).dispose()
    execute(url, "UPDATE queue_procrastinate SET newest = '03.00.00_01_before.sql'")
    with pytest.raises(DatabaseError, match=r"cannot be used: .*already exists"):
        open_queue(database_url(url))
