"""Files of grades on the disk, as ``autograder export --as`` writes them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.engine import make_url

from autograder.bridge.course import Course, CourseError
from autograder.lms.gradefiles import gradescope
from autograder.lms.gradefiles.files import file_name, grade_file, rows_of, titles_of
from autograder.lms.gradefiles.templates import Warn
from autograder.lms.settings import serve_settings

__all__ = ["file_name", "write_file", "write_results"]


def write_file(
    course: Course,
    kind: str,
    assignments: Sequence[str],
    to: Path,
    *,
    template: Path | None,
    titles: Mapping[str, Sequence[str]],
    warn: Warn,
) -> None:
    """Write a file of grades for an LMS, whole or not at all.

    Args:
        course: the course.
        kind: one of ``gradefiles.KINDS``.
        assignments: their names.
        to: the file to write.
        template: what the LMS exported, to be filled in.
        titles: what the LMS calls assignments; else what launches called them, or their names.
        warn: is told what did not fit.

    Raises:
        CourseError: it cannot be made or written.
    """
    with _database(course) as engine:
        rows = rows_of(engine, course, assignments)
        called = titles_of(engine, assignments) | dict(titles)
    data = None if template is None else template.read_bytes()
    _write(to, grade_file(kind, rows, assignments, data, called=called, warn=warn))


def write_results(course: Course, assignment: str, to: Path, warn: Warn) -> int:
    """Write Gradescope's results of an assignment into a folder, one file for each student.

    Returns:
        How many students have results.

    Raises:
        CourseError: they cannot be made or written.
    """
    with _database(course) as engine:
        rows = rows_of(engine, course, [assignment])
    files = list(gradescope.results(course, assignment, rows, warn=warn))
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"cannot write into {to}: {error.strerror or error}") from error
    for name, content in files:
        _write(to / name, content)
    return len(files)


@contextmanager
def _database(course: Course) -> Iterator[Engine | None]:
    """Our own database; None where the course has none, since no LMS is connected to it.

    Raises:
        CourseError: it cannot be used.
    """
    url = make_url(serve_settings(course).database_url(course.root))
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        yield None
        return
    try:
        from autograder.database import DatabaseError
        from autograder.lms.database import open_database
    except ImportError as error:
        raise CourseError(
            "the course is connected to an LMS, and what that needs is not installed: "
            "pip install 'pytorch-autograder[lms]'"
        ) from error
    try:
        engine = open_database(url.render_as_string(hide_password=False))
    except DatabaseError as error:
        raise CourseError(str(error)) from error
    try:
        yield engine
    finally:
        engine.dispose()


def _write(path: Path, content: bytes) -> None:
    """Write a file beside its place first, and put it there when it is whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        raise CourseError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
