"""Scratch copies of a course, to release and grade in without changing anything of the course.

Their gradebook is a copy, or a new one; what is only read is linked to. What releasing and grading
write goes into the copy.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Base, Gradebook
from sqlalchemy.engine import make_url

from autograder.bridge import record
from autograder.bridge.copying import copy_rows
from autograder.bridge.course import Course, CourseError
from autograder.bridge.gradebook import engine_of

_CONFIG_FILES: Final = ("nbgrader_config.py", "nbgrader_config.json")
_CONFIG: Final = """\
import os
from traitlets.config import Config

load_subconfig({config!r})
c = get_config()
c.merge(Config({json!r}))
c.CourseDirectory.root = {root!r}
c.CourseDirectory.db_url = {db_url}
c.RunGraders.secret_file = {secret!r}
"""
_GRADED: Final = ("autograded", "feedback")
"""The steps that grading writes."""
_ALL_STEPS: Final = ("source", "release", "submitted", *_GRADED)


@contextmanager
def scratch_course(course: Course) -> Iterator[Course]:
    """A copy of a course to grade in, which is removed afterwards.

    Raises:
        CourseError: the course's folders are such that grading in a copy would write to them.
        DBAPIError: the gradebook cannot be read.
        OSError: there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-scratch-") as folder:
        root = Path(folder)
        _link(course, root, _GRADED)
        if (course.root / record.FOLDER).is_dir():
            partial = shutil.ignore_patterns("*.partial")  # another command may be writing
            shutil.copytree(course.root / record.FOLDER, root / record.FOLDER, ignore=partial)
        _copy_gradebook(course.directory.db_url, _db_url(root))
        made = _configured(course, root)
        if course.settings.allow_unsafe:  # perhaps by an option, which no file tells
            made.allow_unsafe()
        _require_apart(made, root.resolve(), _GRADED)
        yield made


def source_course(course: Course, assignment: str, root: Path) -> Course:
    """Make a copy of a course with one assignment's source alone, and nothing of students.

    Args:
        course: the course; its graders and whatever else it has are linked to.
        assignment: whose source is copied.
        root: an empty folder.

    Raises:
        CourseError: the course's folders are such that releasing in a copy would write to them.
        OSError: there is no room for the copy.
    """
    _link(course, root, _ALL_STEPS)
    made = _configured(course, root)
    _require_apart(made, root.resolve(), _ALL_STEPS)
    copy_source(course, assignment, made)
    return made


def copy_source(course: Course, assignment: str, made: Course) -> None:
    """Copy an assignment's source into a copy of the course, in the place of what is there."""
    there = made.folder("source", assignment)
    shutil.rmtree(there, ignore_errors=True)
    shutil.copytree(course.folder("source", assignment), there)


def _db_url(root: Path) -> str:
    return f"sqlite:///{root / 'gradebook.db'}"


def _configured(course: Course, root: Path) -> Course:
    """The copy, with the course's configuration but for its place and gradebook."""
    write_config(
        root,
        course.root / "nbgrader_config.py",
        json_of(course.root / "nbgrader_config.json"),
        db_url=repr(_db_url(root)),
        secret=course.settings.secret_path(),
    )
    return Course(root)


def write_config(
    root: Path, config: Path, settings: dict[str, Any], *, db_url: str, secret: Path
) -> None:
    """Write a copy's configuration: the course's own, but for its place, gradebook and secret.

    Args:
        root: the copy's folder.
        config: the course's Python file.
        settings: what its JSON file says, as ``json_of`` reads it.
        db_url: Python code for the gradebook's address; it may use ``os``.
        secret: the file with the course's secret.
    """
    (root / "nbgrader_config.py").write_text(
        _CONFIG.format(
            config=str(config), json=settings, root=str(root), db_url=db_url, secret=str(secret)
        ),
        encoding="utf-8",
    )


def _link(course: Course, root: Path, steps: Sequence[str]) -> None:
    """Link to what is in a course's folder, but for what these steps of nbgrader's write."""
    directories = [getattr(course.directory, f"{step}_directory") for step in steps]
    written = {Path(directory).parts[0] for directory in directories}
    for path in course.root.iterdir():
        if path.name not in {*_CONFIG_FILES, "gradebook.db", record.FOLDER, *written}:
            (root / path.name).symlink_to(path)


def json_of(path: Path) -> dict[str, Any]:
    """The configuration in a JSON file, which nbgrader prefers to the Python file's."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _require_apart(scratch: Course, root: Path, steps: Sequence[str]) -> None:
    """Make sure that what these steps write in the copy cannot get into the course.

    Raises:
        CourseError: it could.
    """
    places = [
        scratch.folder(step, assignment, "student")
        for assignment in [*scratch.assignments(), "assignment"]
        for step in steps
    ]
    places.append(Path(make_url(scratch.directory.db_url).database or ""))
    outside = [place for place in places if not place.resolve().is_relative_to(root)]
    if outside or scratch.root != root:
        raise CourseError(
            "this works in a copy of the course, and the configured folders (c.CourseDirectory) "
            f"would lead out of it: give {', '.join(f'{step}_directory' for step in steps)} names "
            "of their own in the course's folder"
        )


def _copy_gradebook(from_url: str, to_url: str) -> None:
    """Copy a gradebook of any database into a new one."""
    with Gradebook(to_url) as made:  # makes the tables, and a row for the course
        for table in reversed(Base.metadata.sorted_tables):
            made.db.execute(table.delete())
        made.db.commit()
    with engine_of(from_url).connect() as source, engine_of(to_url).begin() as target:
        copy_rows(source, target)
