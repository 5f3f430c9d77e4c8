"""A scratch copy of a course, to grade in without changing anything of the course.

Its gradebook is a copy; what a grading only reads is linked to. Autograded notebooks and records
go into the copy.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nbgrader.api import Base, Gradebook
from sqlalchemy import create_engine, insert, select

from autograder.bridge import record
from autograder.bridge.course import Course

_CONFIG: Final = """\
load_subconfig({config!r})
c = get_config()
c.CourseDirectory.root = {root!r}
c.CourseDirectory.db_url = {db_url!r}
"""
_ROWS_AT_ONCE: Final = 5000


@contextmanager
def scratch_course(course: Course) -> Iterator[Course]:
    """A copy of a course to grade in, which is removed afterwards.

    Raises:
        DBAPIError: the gradebook cannot be read.
        OSError: there is no room for the copy.
    """
    with tempfile.TemporaryDirectory(prefix="autograder-scratch-") as folder:
        root = Path(folder)
        written = {course.directory.autograded_directory, course.directory.feedback_directory}
        for path in course.root.iterdir():
            if path.name not in {"nbgrader_config.py", "gradebook.db", record.FOLDER, *written}:
                (root / path.name).symlink_to(path)
        if (course.root / record.FOLDER).is_dir():
            shutil.copytree(course.root / record.FOLDER, root / record.FOLDER)
        db_url = f"sqlite:///{root / 'gradebook.db'}"
        _copy_gradebook(course.directory.db_url, db_url)
        (root / "nbgrader_config.py").write_text(
            _CONFIG.format(
                config=str(course.root / "nbgrader_config.py"), root=str(root), db_url=db_url
            ),
            encoding="utf-8",
        )
        yield Course(root)


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
