"""A scratch copy of a course, to grade in without changing anything of the course.

Its gradebook is a copy; what a grading only reads is linked to. Autograded notebooks and records
go into the copy.
"""

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine, insert, select
from sqlalchemy.engine import make_url

from autograder.bridge import record
from autograder.bridge.course import Course, CourseError

_CONFIG_FILES: Final = ("nbgrader_config.py", "nbgrader_config.json")
_CONFIG: Final = """\
from traitlets.config import Config

load_subconfig({config!r})
c = get_config()
c.merge(Config({json!r}))
c.CourseDirectory.root = {root!r}
c.CourseDirectory.db_url = {db_url!r}
"""
_ROWS_AT_ONCE: Final = 5000


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
        _link(course, root)
        if (course.root / record.FOLDER).is_dir():
            partial = shutil.ignore_patterns("*.partial")  # another command may be writing
            shutil.copytree(course.root / record.FOLDER, root / record.FOLDER, ignore=partial)
        db_url = f"sqlite:///{root / 'gradebook.db'}"
        _copy_gradebook(course.directory.db_url, db_url)
        (root / "nbgrader_config.py").write_text(
            _CONFIG.format(
                config=str(course.root / "nbgrader_config.py"),
                json=_json_of(course.root / "nbgrader_config.json"),
                root=str(root),
                db_url=db_url,
            ),
            encoding="utf-8",
        )
        made = Course(root)
        if course.settings.allow_unsafe:  # perhaps by an option, which no file tells
            made.allow_unsafe()
        _require_apart(made, root.resolve())
        yield made


def _link(course: Course, root: Path) -> None:
    """Link to what is in a course's folder, but for what grading writes."""
    directory = course.directory
    steps = (directory.autograded_directory, directory.feedback_directory)
    written = {Path(step).parts[0] for step in steps}
    for path in course.root.iterdir():
        if path.name not in {*_CONFIG_FILES, "gradebook.db", record.FOLDER, *written}:
            (root / path.name).symlink_to(path)


def _json_of(path: Path) -> dict[str, Any]:
    """The configuration in a JSON file, which nbgrader prefers to the Python file's."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _require_apart(scratch: Course, root: Path) -> None:
    """Make sure that grading in the copy cannot write to the course.

    Raises:
        CourseError: it could.
    """
    places = [
        scratch.folder(step, assignment, "student")
        for assignment in scratch.assignments()
        for step in ("autograded", "feedback")
    ]
    places.append(Path(make_url(scratch.directory.db_url).database or ""))
    outside = [place for place in places if not place.resolve().is_relative_to(root)]
    if outside or scratch.root != root:
        raise CourseError(
            "--diff grades in a copy of the course, and the configured folders "
            "(c.CourseDirectory) would lead out of it: give autograded_directory and "
            "feedback_directory names of their own in the course's folder"
        )


def _copy_gradebook(from_url: str, to_url: str) -> None:
    """Copy a gradebook of any database into a new one."""
    with Gradebook(to_url) as made:  # makes the tables, and a row for the course
        for table in reversed(Base.metadata.sorted_tables):
            made.db.execute(table.delete())
        made.db.commit()
    source, target = create_engine(from_url), create_engine(to_url)
    try:
        with source.connect() as reading, target.begin() as writing:
            for table in Base.metadata.sorted_tables:
                rows = reading.execute(select(table)).mappings()
                while part := rows.fetchmany(_ROWS_AT_ONCE):
                    writing.execute(insert(table), [dict(row) for row in part])
    finally:
        source.dispose()
        target.dispose()
