"""What a worker keeps of courses: a version in use stays, one that is long forgotten goes."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import Engine

from autograder.bridge.course import Course
from autograder.bridge.sending import pack_submission
from autograder.workers import queue
from autograder.workers.bundle import make_bundle
from autograder.workers.database import database_url
from autograder.workers.queue import Taken
from autograder.workers.slots import Courses, Slots
from tests.workers.quick_course import hand_in

DAY: Final = 86_400.0


def send_version(course: Course, engine: Engine, words: str) -> str:
    """Have the database know another version of the course; its hash."""
    (course.root / "source/one/data.txt").write_text(words)
    return queue.send_bundle(engine, make_bundle(course))


def age(path: Path, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


@pytest.fixture
def courses(engine: Engine, tmp_path: Path) -> Iterator[Courses]:
    opened = Courses(engine, tmp_path / "cache")
    yield opened
    opened.remove()


@pytest.fixture
def other(engine: Engine, courses: Courses, tmp_path: Path) -> Iterator[Courses]:
    """Of another worker of the same machine."""
    opened = Courses(engine, tmp_path / "cache")
    yield opened
    opened.remove()


def test_a_version_that_no_worker_of_the_machine_has_opened_for_long_is_not_kept(
    course: Course, engine: Engine, courses: Courses, other: Courses, tmp_path: Path
) -> None:
    old, used, new = (send_version(course, engine, words) for words in ("old", "used", "new"))
    cache = tmp_path / "cache"
    for version in (old, used):
        courses.root_of(version)
        age(cache / f"{version}.zip", days=31)
    other.root_of(used)
    other.root_of(new)
    assert {path.stem for path in cache.iterdir()} == {used, new}
    (cache / "class-of-2019.zip").touch()  # of somebody who has chosen a folder that is in use
    for path in cache.iterdir():
        age(path, days=31)
    Courses(engine, cache).remove()  # of a worker that begins
    assert [path.name for path in cache.iterdir()] == ["class-of-2019.zip"]
    assert (courses.root_of(old) / "source/one/data.txt").read_text() == "old"


@pytest.fixture
def slots(courses: Courses, url: str) -> Iterator[Slots]:
    opened = Slots(courses, database_url(url), most=1, allow_unsafe=True, stopped=lambda: False)
    yield opened
    opened.end()


def test_a_worker_of_many_versions_has_folders_only_of_those_that_its_processes_have(
    course: Course, engine: Engine, courses: Courses, slots: Slots
) -> None:
    hand_in(course, "ana", "5")
    content = pack_submission(course, "one", "ana")
    versions = [send_version(course, engine, f"version {number}") for number in range(4)]
    for version in versions:
        assert slots.grade(Taken(1, 1, "quick", version, "one", "ana", content, {})).lost
    folders = courses.root_of(versions[-1]).parent.iterdir()
    assert {path.name for path in folders} == {one[:16] for one in versions[-3:]}
    assert slots.grade(Taken(1, 1, "quick", versions[0], "one", "ana", content, {})).lost
