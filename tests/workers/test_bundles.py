"""Versions of courses as bytes: which ones are the same, and what is in the way of sending one."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from autograder.bridge.course import Course
from autograder.workers import bundle, queue
from autograder.workers.bundle import hash_of, make_bundle, open_bundle
from autograder.workers.schema import Bundle
from tests.workers.quick_course import make_quick_course


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
