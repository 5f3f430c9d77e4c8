"""What a student handed in through the web, put into nbgrader's folders and graded there."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from nbconvert.exporters import NotebookExporter
from nbgrader.api import InvalidEntry, MissingEntry
from nbgrader.converters import Autograde
from sqlalchemy.exc import SQLAlchemyError

from autograder.bridge.course import (
    Course,
    CourseError,
    GradebookError,
    Summary,
    where_others_write,
)
from autograder.bridge.database import one_gradebook
from autograder.bridge.files import TIMESTAMP, detour, replace_folder
from autograder.bridge.gradebook import not_released, problem_told
from autograder.bridge.preprocessors import RunGraders, grading_process
from autograder.bridge.record import digest
from autograder.bridge.totals import read_totals, seconds_of
from autograder.grading.cells import CodeCell
from autograder.grading.client import GradingError
from autograder.grading.dependencies import imported

_TEMPORARY: Final = ".hand-in-"
_STAMP_FORMAT: Final = "%Y-%m-%d %H:%M:%S.%f UTC"
"""As nbgrader's exchange writes it."""
_CONFIG: Final = ("nbgrader_config.py", "nbgrader_config.json")


@dataclass(frozen=True)
class Person:
    """What the LMS says of a student, for a gradebook that does not know it."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""


@dataclass(frozen=True)
class HandIn:
    """An attempt of a student, to be put into nbgrader's folders and graded."""

    key: int
    """The caller's name for it."""
    assignment: str
    student: str
    received: float = 0.0
    """UTC seconds since 1970."""
    extension: float | None = None
    """Seconds after the deadline; None leaves what the gradebook has, 0 takes it away."""
    notebooks: Mapping[str, bytes] = field(default_factory=dict)
    """By the assignment's names, without suffix; none: only the feedback is written again."""
    person: Person = Person()
    force: bool = False
    """Grade it again even if nothing that a grading depends on has changed."""


@dataclass
class Marked(Summary):
    """What became of an attempt, with all that is shown of it."""

    penalty: float = 0.0
    """Points that nbgrader took for being late; ``score`` is without them."""
    late_seconds: float = 0.0
    """How late it was, by the deadline and extension that the gradebook had before the grading."""
    needs_person: bool = False
    by_hand: str = ""
    """A digest of what persons gave, which the pages show."""
    pages: dict[str, bytes] = field(default_factory=dict)
    """The feedback, HTML by notebook."""


def mark(course: Course, hand_in: HandIn) -> Marked:
    """Put an attempt into nbgrader's folders, grade it, and write its feedback.

    Whoever calls it has the submission's lock. What was begun and killed is done again from the
    beginning, with the same end.

    Raises:
        GradebookError: the gradebook cannot be used.
        CourseError: nbgrader refuses.
        OSError: the folders cannot be written.
    """
    summary = Summary(hand_in.assignment, hand_in.student)
    late = 0.0
    if hand_in.notebooks:
        place(course, hand_in)
        late = _prepare_gradebook(course, hand_in)
        course.forget_inputs()
        summary = course.autograde(hand_in.assignment, hand_in.student, hand_in.force)
        if summary.error:
            return Marked(**asdict(summary))
    marked = Marked(**asdict(summary), late_seconds=late)
    _add_total(course, marked)
    try:
        _add_pages(course, marked)
    except GradebookError:
        raise
    except CourseError as error:
        if not hand_in.notebooks:
            raise
        marked.faults.append(f"the feedback could not be written: {error}")
    return marked


def _add_total(course: Course, marked: Marked) -> None:
    """Add what the gradebook has of it, a person's points among it."""
    totals = read_totals(course, marked.assignment, [marked.student])
    total = totals.students[marked.student]
    marked.score, marked.max_score = total.score, totals.facts.maximum
    marked.penalty, marked.needs_person = total.penalty, total.needs_person
    marked.by_hand = total.by_hand


def _add_pages(course: Course, marked: Marked) -> None:
    folder = course.feedback(marked.assignment, marked.student)
    if folder is None:
        return
    graded = course.folder("autograded", marked.assignment, marked.student)
    for path in sorted(graded.glob("*.ipynb")):  # other pages there are the assignment's own
        marked.pages[path.stem] = (folder / f"{path.stem}.html").read_bytes()


# nbgrader's folders


def place(course: Course, hand_in: HandIn) -> Path:
    """Put an attempt into nbgrader's folder of submissions, in the place of what is there.

    The folder there is always whole. A kill between its going and its coming leaves none, until
    the attempt is placed again.

    Raises:
        CourseError: a link or a file is in the way.
        OSError: it cannot be written.
    """
    submitted = course.root / course.directory.submitted_directory
    destination = course.folder("submitted", hand_in.assignment, hand_in.student)
    if reason := detour(submitted, destination):
        raise CourseError(reason)
    with _workplace(submitted, f"{hand_in.assignment}/{hand_in.student}") as work:
        new, old = work / ".new", work / ".old"
        new.mkdir()
        for name, data in hand_in.notebooks.items():
            (new / f"{name}.ipynb").write_bytes(data)
        (new / TIMESTAMP).write_text(_stamp(hand_in.received), encoding="utf-8")
        replace_folder(new, destination, old)
    return destination


def sweep(course: Course) -> None:
    """Remove what processes that were killed have left beside the submissions."""
    submitted = course.root / course.directory.submitted_directory
    for leftover in submitted.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(_STAMP_FORMAT)


@contextlib.contextmanager
def _workplace(submitted: Path, submission: str) -> Iterator[Path]:
    """A temporary folder beside the students' folders, one for each submission."""
    place = submitted / f"{_TEMPORARY}{hashlib.sha256(submission.encode()).hexdigest()[:16]}"
    if place.exists():  # of a process that was killed
        shutil.rmtree(place)
    place.mkdir(parents=True)
    try:
        yield place
    finally:
        shutil.rmtree(place)


# The gradebook


def _prepare_gradebook(course: Course, hand_in: HandIn) -> float:
    """Have the gradebook know what nbgrader's grading reads there, such as an extension.

    Returns:
        How many seconds late the attempt is.

    Raises:
        GradebookError: it cannot be used.
        CourseError: it refuses.
    """

    def prepare() -> datetime | None:
        with one_gradebook(), course.gradebook() as gradebook:
            _name_student(gradebook, hand_in)
            submission = gradebook.update_or_create_submission(hand_in.assignment, hand_in.student)
            _extend(submission, hand_in.extension)
            for notebook in submission.notebooks:
                if notebook.name not in hand_in.notebooks:
                    # nbgrader looks only at what was handed in
                    notebook.late_submission_penalty = None
            due: datetime | None = submission.duedate
            gradebook.db.commit()
        return due

    try:
        due = where_others_write(prepare)
    except MissingEntry as error:
        raise CourseError(not_released(hand_in.assignment)) from error
    except (InvalidEntry, SQLAlchemyError) as error:
        if told := problem_told(str(error)):
            raise GradebookError(told) from error
        raise CourseError(f"{hand_in.assignment}/{hand_in.student}: {error}") from error
    return 0.0 if due is None else max(0.0, hand_in.received - seconds_of(due))


def _name_student(gradebook: Any, hand_in: HandIn) -> None:
    """Make the student known, with the names that the LMS gives where there are none yet."""
    student = gradebook.update_or_create_student(hand_in.student)
    for name, value in vars(hand_in.person).items():
        if value and not getattr(student, name):
            setattr(student, name, value[:128])


def _extend(submission: Any, seconds: float | None) -> None:
    """Give the submission its extension, by which nbgrader tells how late it is."""
    if submission.assignment.duedate is None:  # nbgrader fails where one is added to nothing
        submission.extension = None
    elif seconds is not None:
        submission.extension = timedelta(seconds=seconds) if seconds else None


# A process that outlives a command


def warm_up(course: Course) -> None:
    """Start what grades now, so that the first student need not wait for it.

    What does not start is an error of the submission that is graded next.
    """
    if not course.runs_graders:
        return
    # as nbgrader makes it, by which it finds the same packages
    converter = Autograde(coursedir=course.directory, parent=course.app)
    settings = RunGraders(parent=NotebookExporter(parent=converter))
    process = grading_process(
        course.root, course.root / settings.graders, settings.packages(for_graders=True)
    )
    with contextlib.suppress(GradingError):
        process.grade(
            "",
            [CodeCell("", None)],
            settings.limits(""),
            seed=0,
            language=settings.language,
            allow_unsafe=settings.allow_unsafe,
        )


def held_inputs(course: Course) -> str:
    """A digest of what a process keeps of a course: its configuration, graders and packages.

    A process that was started with another one must not grade any more.
    """
    graders = [
        path for path in course.graders.rglob("*") if path.suffix != ".pyc" and path.is_file()
    ]
    others = {
        one for path in graders if path.suffix == ".py" for one in imported(course.root, path)
    }
    config = [course.root / name for name in _CONFIG]
    notebooks = course.folder("source", "*").parent.glob("*/*.ipynb")
    return digest([_version(path) for path in sorted({*graders, *others, *config, *notebooks})])


def _version(path: Path) -> tuple[str, int, int]:
    try:
        facts = path.stat()
    except OSError:
        return str(path), -1, -1
    return str(path), facts.st_mtime_ns, facts.st_size
