"""A course directory seen through nbgrader: release, autograde, feedback, export, scores."""

import copy
import glob
import hashlib
import json
import logging
import os
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy
from nbgrader.api import (
    Grade,
    Gradebook,
    InvalidEntry,
    MissingEntry,
    SubmittedAssignment,
)
from nbgrader.apps import NbGrader
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.plugins import CsvExportPlugin
from nbgrader.utils import capture_log
from sqlalchemy.exc import DataError, DBAPIError, SAWarning, SQLAlchemyError
from traitlets import TraitError

from autograder.bridge import inputs, record
from autograder.bridge.database import know_schema, one_gradebook, store, undo
from autograder.bridge.export import write_csv
from autograder.bridge.files import open_plain_file
from autograder.bridge.gradebook import (
    error_told,
    has_submissions,
    not_released,
    problem_of,
    problem_told,
)
from autograder.bridge.notebooks import METADATA
from autograder.bridge.options import misspelt
from autograder.bridge.outputs import read_result
from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.record import Record, digest
from autograder.bridge.releasing import GenerateBeside, other_cells_told, replacing
from autograder.bridge.stored import cells_of, pages_of, rows_of, submissions_of
from autograder.messages import set_language
from autograder.messages import translate as _
from autograder.plain import one_line

T = TypeVar("T")
_TOLD: Final = ("problem", "notes", "faults")
"""What is kept of a summary; its scores are the gradebook's."""
_NBGRADER_API: Final = logging.getLogger("tornado.application")
"""Where nbgrader's gradebook logs what a database refuses, which it raises as well."""
_TRIES: Final = 5
_PASSES: Final = re.compile(
    "database is locked|UNIQUE constraint failed|duplicate key value|deadlock detected"
)
"""What nbgrader says when another process wrote to the gradebook at the same moment."""
_NAMED: Final = 3
"""So many notebooks of other names are told."""
_LARGEST_HASHED: Final = 64 * 1024 * 1024
"""Larger submitted files are known by their size and time."""
_RAISED: Final = re.compile(r"^\s*([\w.]+(?:Error|Exception|Entry): .*)$", re.MULTILINE)
"""The last line of a traceback."""


# nbgrader 0.9 makes its rows inside autoflush; SQLAlchemy 2.1 warns of it, harmlessly.
warnings.filterwarnings("ignore", message="Object of type <Submitted", category=SAWarning)


class CourseError(Exception):
    """The course cannot be used as asked; the message says what, where and how to mend it."""


class GradebookError(CourseError):
    """The gradebook cannot be used, which is no matter of one submission."""


@contextmanager
def gradebook_errors(doing: str = "used") -> Iterator[None]:
    """Say in one sentence what a database's driver says of the gradebook.

    Args:
        doing: what could not be done with it: ``used``, ``read`` or ``written``.

    Raises:
        GradebookError: in the place of a ``DBAPIError``.
        CourseError: in the place of one that is of what was asked or stored alone.
    """
    try:
        yield
    except DBAPIError as error:
        # Who waits until the gradebook can be used again would wait for data without end.
        kind = CourseError if isinstance(error, DataError) else GradebookError
        raise kind(error_told(error, doing)) from error


@dataclass
class Summary:
    """What became of one submission."""

    assignment: str
    student: str
    score: float = 0.0
    max_score: float = 0.0
    problem: str = ""
    """Why it could not be graded, for the student."""
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Graders that failed, for the teacher."""
    error: str = ""
    """Why grading failed although the submission may be fine; nothing was stored."""
    skipped: bool = False
    """It was graded before and has not changed since."""
    needs_person: bool = False
    """A person must still give a score, or look again at one that they gave."""
    of_gradebook: bool = False
    """The error is one of the gradebook, which every other submission would meet as well."""


@dataclass(frozen=True)
class Due:
    """What a grading that is to be done depends on."""

    stamp: str
    """A digest of what was handed in."""
    inputs: str
    """A digest of all."""
    known: Record
    """What is known of the last one."""


@dataclass(frozen=True)
class _Stored:
    """What the gradebook has of a submission."""

    score: float = 0.0
    most: float = 0.0
    """The highest possible score."""
    automatic: float = -1.0
    """The sum of its automatic scores; -1 where the gradebook does not have it."""
    needs_person: bool = False


def _failed(assignment: str, student: str, error: CourseError) -> Summary:
    of_gradebook = isinstance(error, GradebookError)
    return Summary(assignment, student, error=str(error), of_gradebook=of_gradebook)


def where_others_write(work: Callable[[], T]) -> T:
    """Do what writes to the gradebook, and again where others wrote the same at that moment.

    Args:
        work: what to do; what it has told the gradebook so far is undone before it is tried again.
    """
    for _attempt in range(_TRIES - 1):
        try:
            return work()
        except (InvalidEntry, SQLAlchemyError) as error:
            if not _PASSES.search(str(error)):
                raise
            undo()
    return work()


class Course:
    """An nbgrader course directory and its configuration."""

    def __init__(self, root: Path) -> None:
        """Read the course's configuration.

        Raises:
            CourseError: there is no course in ``root``.
        """
        self.root = root.resolve()
        if not (self.root / "nbgrader_config.py").is_file():
            raise CourseError(
                f"{self.root} is no course: it has no nbgrader_config.py. "
                "Change to the course's folder, give it with --course, or make one with "
                "`autograder new course`"
            )
        _find_scripts()
        know_schema()
        with self._in_root():
            self.app = NbGrader(raise_config_file_errors=True)
            self.app.log.setLevel(logging.CRITICAL + 1)
            self._configure()
        self.directory = self.app.coursedir
        try:
            self.settings = RunGraders(parent=self.app)
        except TraitError as error:
            raise CourseError(f"{self.root / 'nbgrader_config.py'}: {error}") from error
        self._inputs_of: dict[str, str] = {}
        set_language(self.settings.language)

    def _configure(self) -> None:
        """Read the configuration: nbgrader would go on without one that cannot be read.

        Raises:
            CourseError: it cannot be read, or has an option that does not exist.
        """
        path = self.root / "nbgrader_config.py"
        try:
            with redirect_stdout(sys.stderr):  # what it prints is no result of a command
                self.app.initialize([], root=str(self.root))
        except SystemExit as error:  # how traitlets ends where a value is not allowed
            raise CourseError(f"{path}: {error.__context__ or 'it ends the program'}") from error
        except Exception as error:  # the file is a program: it can raise anything
            frames = traceback.extract_tb(error.__traceback__)
            lines = [frame.lineno for frame in frames if frame.filename == str(path)]
            where = f"{path}, line {lines[-1]}" if lines else path
            raise CourseError(f"{where}: {type(error).__name__}: {error}") from error
        if wrong := misspelt(self.app.config):
            raise CourseError(f"{path}: {wrong}")

    @contextmanager
    def _in_root(self) -> Iterator[None]:
        before = Path.cwd()
        os.chdir(self.root)
        try:
            yield
        finally:
            os.chdir(before)

    @property
    def graders(self) -> Path:
        """The folder of the hidden graders."""
        return self.root / self.settings.graders

    @property
    def sets_language(self) -> bool:
        """Whether the configuration says in which language students read."""
        kinds = [kind.__name__ for kind in RunGraders.__mro__] + ["JailedExecute"]
        return any("language" in self.app.config.get(kind, {}) for kind in kinds)

    @property
    def runs_graders(self) -> bool:
        """Whether the configuration has hidden graders run: whether it calls ``configure``."""
        chosen = self.app.config.Autograde.get("autograde_preprocessors")
        steps = chosen if isinstance(chosen, list) else []  # lazy where it was only added to
        return any(str(getattr(one, "__name__", one)).endswith("RunGraders") for one in steps)

    def folder(self, step: str, assignment: str, student: str = ".") -> Path:
        """The folder of an assignment at a step: ``source``, ``release``, ``submitted`` …"""
        name = getattr(self.directory, f"{step}_directory")
        return Path(self.directory.format_path(name, student, assignment))

    def assignments(self) -> list[str]:
        """The names of the assignments that have a source notebook, sorted."""
        source = self.folder("source", "*")
        return sorted(p.name for p in source.parent.glob("*") if any(p.glob("*.ipynb")))

    def require(self, assignment: str) -> None:
        """Raise ``CourseError`` unless the assignment exists."""
        known = self.assignments()
        if assignment not in known:
            names = ", ".join(known) or "none"
            raise CourseError(
                f"no assignment {assignment!r} in {self.folder('source', '.')}: there are {names}"
            )

    def notebooks(self, assignment: str) -> list[str]:
        """The names of an assignment's notebooks, without suffix."""
        return sorted(p.stem for p in self.folder("source", assignment).glob("*.ipynb"))

    def students(self, assignment: str) -> list[str]:
        """The ids of the students who have a folder of submissions for the assignment."""
        submitted = self.root / self.directory.submitted_directory
        pattern = self.folder("submitted", assignment, "*").relative_to(submitted)
        return sorted(p.relative_to(submitted).parts[0] for p in submitted.glob(str(pattern)))

    def release(self, assignment: str) -> None:
        """Generate the students' version of an assignment with nbgrader.

        Where it fails, the release and the gradebook stay as they were.

        Raises:
            CourseError: nbgrader refuses; with what it says.
            OSError: the release cannot be put into its place.
        """
        self.require(assignment)
        self._inputs_of.pop(assignment, None)
        with replacing(self.directory, assignment):
            self._convert(GenerateBeside, assignment, ".")

    def allow_unsafe(self) -> None:
        """Run submissions also where the walls against strangers cannot be had."""
        self.app.config.Jail.allow_unsafe = True
        self.settings.allow_unsafe = True

    def autograde(self, assignment: str, student: str, force: bool = False) -> Summary:
        """Grade one submission with nbgrader's Autograde and store its scores.

        Never raises for what a submission is; ``Summary.error`` tells when grading failed.
        """
        try:
            with gradebook_errors():
                return self._autograde(assignment, student, force)
        except CourseError as error:
            return _failed(assignment, student, error)

    def _autograde(self, assignment: str, student: str, force: bool) -> Summary:
        with one_gradebook():
            due = self._due(assignment, student, force)
            if isinstance(due, Summary):
                return due
            path = record.path_of(self.root, assignment, student)
            # before the rest goes, lest a kill leave it alone
            path.unlink(missing_ok=True)
            with record.grading(due.known) as kept:
                self._convert(Autograde, assignment, student)
            stored = self._stored_of(assignment, student)
            kept.score, kept.inputs, kept.submission = stored.automatic, due.inputs, due.stamp
            found = Summary(assignment, student, stored.score, stored.most)
            found.needs_person = stored.needs_person
            summary = self._summary(found)
            kept.summary = {name: getattr(summary, name) for name in _TOLD}
            kept.write(path)
            return summary

    def due(self, assignment: str, student: str, force: bool = False) -> "Due | Summary":
        """What the grading of a submission would depend on; or what became of it without one.

        There is nothing to run where nothing has changed since it was graded, where there is no
        notebook, which is stored as 0, and where an error keeps it from being graded.
        """
        try:
            with gradebook_errors(), one_gradebook():
                return self._due(assignment, student, force)
        except CourseError as error:
            return _failed(assignment, student, error)

    def _due(self, assignment: str, student: str, force: bool) -> "Due | Summary":
        if problem := _name_problem(student):
            return Summary(assignment, student, error=problem)
        path = record.path_of(self.root, assignment, student)
        stamp, depends_on = self.inputs_of(assignment, student)
        known = Record() if force else Record.read(path)
        if known.inputs == depends_on and (
            unchanged := self._unchanged(known, assignment, student)
        ):
            return unchanged
        if not any(
            os.path.lexists(self.folder("submitted", assignment, student) / f"{name}.ipynb")
            for name in self.notebooks(assignment)
        ):
            path.unlink(missing_ok=True)
            return self._store_missing(assignment, student)
        return Due(stamp, depends_on, known)

    def inputs_of(self, assignment: str, student: str) -> tuple[str, str]:
        """Digests of what was handed in, and of all that its grading depends on.

        Raises:
            CourseError: the assignment is not released.
            DBAPIError: the gradebook cannot be read.
        """
        stamp = self._stamp(assignment, student)
        return stamp, digest(stamp, self._inputs(assignment))

    def forget_inputs(self) -> None:
        """Look anew at what gradings depend on, where this object outlives a command."""
        self._inputs_of.clear()

    def is_current(self, assignment: str, student: str) -> bool:
        """Whether what is stored of a submission is what grading it again would give."""
        known = Record.read(record.path_of(self.root, assignment, student))
        return (
            not _name_problem(student)
            and known.inputs == self.inputs_of(assignment, student)[1]
            and self._unchanged(known, assignment, student) is not None
        )

    def changed(self, assignment: str) -> list[str]:
        """The students whose submission is another one than was graded."""
        graded = {
            student: Record.read(record.path_of(self.root, assignment, student)).submission
            for student in self.students(assignment)
            if not _name_problem(student)
        }
        return [
            student
            for student, stamp in graded.items()
            if stamp and stamp != self._stamp(assignment, student)
        ]

    def _unchanged(self, known: Record, assignment: str, student: str) -> Summary | None:
        """The summary of a grading that is still good; None if it is no longer stored."""
        stored = self._stored_of(assignment, student)
        notebooks = self.folder("autograded", assignment, student).glob("*.ipynb")
        if stored.automatic != known.score or not any(notebooks):
            return None
        found = Summary(assignment, student, stored.score, stored.most, **known.summary)
        found.skipped, found.needs_person = True, stored.needs_person
        return found

    def _stored_of(self, assignment: str, student: str) -> "_Stored":
        """What the gradebook has of a submission."""
        with self.gradebook() as gradebook:
            cells = cells_of(gradebook.db, assignment)
            if cells is None:
                return _Stored()
            most = SubmittedAssignment.max_score
            found = submissions_of(gradebook.db, cells, [student], most)
            if not found:
                return _Stored()
            query = sqlalchemy.select(
                Grade.notebook_id,
                sqlalchemy.func.sum(Grade.score),
                sqlalchemy.func.sum(Grade.auto_score),
                sqlalchemy.func.max(sqlalchemy.cast(Grade.needs_manual_grade, sqlalchemy.Integer)),
            ).group_by(Grade.notebook_id)
            pages = pages_of(gradebook.db, cells, [student])
            sums = list(rows_of(gradebook.db, cells, pages, query, Grade))
        return _Stored(
            float(sum(row[1] or 0.0 for row in sums)),
            float(found[0][1]),
            float(sum(row[2] or 0.0 for row in sums)),
            any(row[3] for row in sums),
        )

    def _inputs(self, assignment: str) -> str:
        """A digest of what its grading depends on besides the submission, as this course began."""
        if assignment not in self._inputs_of:
            try:
                with self.gradebook() as gradebook:
                    released = inputs.assignment(
                        gradebook,
                        assignment,
                        source=self.folder("source", assignment),
                        course=self.root,
                        graders=self.graders / assignment,
                    )
            except MissingEntry as error:
                raise CourseError(not_released(assignment)) from error
            secret = self.settings.secret().fingerprint
            config = copy.deepcopy(self.app.config)
            config.CourseDirectory.pop("db_url", None)  # no matter of a grading, and it can move
            facts = (released, str(config), secret, inputs.environment())
            self._inputs_of[assignment] = digest(*facts)
        return self._inputs_of[assignment]

    def require_gradebook(self, assignments: Collection[str], patience: float = 0.0) -> None:
        """Raise ``GradebookError`` unless scores of these assignments can be stored now.

        Args:
            assignments: their names.
            patience: seconds to wait for a Postgres that cannot be reached.
        """
        if problem := problem_of(self.directory.db_url, assignments, patience):
            raise GradebookError(problem)

    def has_submissions(self, assignment: str) -> bool:
        """Whether the gradebook has submissions of an assignment, which keep its cells as they are.

        False also where there is no gradebook that can be read.
        """
        return has_submissions(self.directory.db_url, assignment)

    def feedback(self, assignment: str, student: str) -> Path | None:
        """Write one student's feedback page; its folder, or None when nothing was graded.

        Raises:
            CourseError: nbgrader refuses; with what it says.
        """
        if not any(self.folder("autograded", assignment, student).glob("*.ipynb")):
            return None
        self._convert(GenerateFeedback, assignment, student)
        return self.folder("feedback", assignment, student)

    def export(self, to: Path) -> None:
        """Write nbgrader's CSV of all scores to ``to``."""
        with self.gradebook() as gradebook:
            write_csv(gradebook, CsvExportPlugin(parent=self.app), to)

    def gradebook(self) -> Any:
        """nbgrader's gradebook, as a context manager."""
        return Gradebook(self.directory.db_url, self.directory.course_id)

    def scores(
        self, assignment: str, students: Collection[str] | None = None
    ) -> dict[str, dict[str, float]]:
        """The stored automatic scores: student to grade_id to score (0 where there is none).

        Both in alphabetical order.

        Args:
            assignment: its name.
            students: whose; None for all who have a submission.
        """
        whose = None if students is None else list(students)
        with self.gradebook() as gradebook:
            connection = gradebook.db.connection()
            if (cells := cells_of(connection, assignment)) is None:
                return {}
            found: dict[str, dict[str, float]] = {
                student: {} for (student,) in submissions_of(connection, cells, whose)
            }
            pages = pages_of(connection, cells, whose)
            query = sqlalchemy.select(Grade.notebook_id, Grade.cell_id, Grade.auto_score)
            for page, cell, score in rows_of(connection, cells, pages, query, Grade):
                _notebook, name = cells.names[cell]
                scores = found.setdefault(pages.rows[page].student, {})
                scores[name] = float(score or 0.0)
        return {student: dict(sorted(found[student].items())) for student in sorted(found)}

    def _summary(self, result: Summary) -> Summary:
        """A submission's scores with what the autograded notebooks say of it."""
        folder = self.folder("autograded", result.assignment, result.student)
        for path in sorted(folder.glob("*.ipynb")):
            notebook = json.loads(path.read_text(encoding="utf-8"))  # our own, and valid
            facts = notebook["metadata"].get(METADATA, {})
            result.problem = result.problem or facts.get("problem", "")
            if not facts.get("problem"):  # then everything was put back, which says nothing
                result.notes += facts.get("notes", [])
            for cell in notebook["cells"]:
                if (graded := read_result(cell)) is not None:
                    result.faults += [c.detail for c in graded.checks if c.status == "fault"]
        if not result.max_score:
            result.problem = result.problem or _("No notebook was handed in.")
        return result

    def _store_missing(self, assignment: str, student: str) -> Summary:
        """Store 0 for a submission without a notebook, as nbgrader does for a missing one."""

        def give_nothing() -> float:
            with _logging(self.app.log), self.gradebook() as gradebook:
                gradebook.update_or_create_student(student)
                submission = gradebook.update_or_create_submission(assignment, student)
                for notebook in submission.notebooks:
                    for grade in notebook.grades:
                        grade.auto_score = 0
                        grade.needs_manual_grade = False
                gradebook.db.commit()
                most = float(submission.max_score)
            store()
            return most

        try:
            most = where_others_write(give_nothing)
        except MissingEntry as error:
            raise CourseError(not_released(assignment)) from error
        names = ", ".join(f"{name}.ipynb" for name in self.notebooks(assignment))
        found = self._notebooks_in(self.folder("submitted", assignment, student))
        problem = (
            _(
                "No notebook named {names} was handed in; there is {found}.",
                names=names,
                found=", ".join(found[:_NAMED]),
            )
            if found
            else _("No notebook named {names} was handed in.", names=names)
        )
        return Summary(assignment, student, 0.0, most, problem=problem)

    @staticmethod
    def _notebooks_in(folder: Path) -> list[str]:
        """All notebooks below a folder, whatever they are called."""
        return sorted(
            one_line(str(Path(place, name).relative_to(folder)))
            for place, _folders, names in os.walk(folder)
            for name in names
            if name.lower().endswith(".ipynb")
        )

    def _stamp(self, assignment: str, student: str) -> str:
        """What a finished grading depended on: the submitted files, as far as they are read."""
        digest = hashlib.sha256()
        folder = self.folder("submitted", assignment, student)
        for place, _folders, names in os.walk(folder):
            for name in sorted(names):
                path = Path(place, name)
                digest.update(os.fsencode(path.relative_to(folder)))
                digest.update(_fingerprint(path))
        return digest.hexdigest()

    def _run(self, app: Any) -> str | None:
        """Run a converter; what it logged if it failed, and then nothing of it is stored.

        Raises:
            KeyboardInterrupt: Ctrl-C, which nbgrader would log as a failure.
        """
        interrupts = _keep_interrupts(app)
        try:
            with self._in_root(), _logging(self.app.log), one_gradebook():
                result = capture_log(app)
                if interrupts:
                    raise interrupts[0]
                if not result["success"]:
                    undo()
                    return f"{result.get('log', '')}{result.get('error', '')}"
        except SQLAlchemyError as error:  # what was told the gradebook could not be stored
            undo()
            return str(error)
        return None

    def _convert(self, converter: type[Any], assignment: str, student: str) -> None:
        """Run one of nbgrader's converters on one submission.

        Raises:
            CourseError: it failed; with the last error that it logged.
        """
        for attempt in range(_TRIES):
            self.directory.assignment_id = assignment
            self.directory.student_id = student
            app = converter(coursedir=self.directory, parent=self.app)
            app.force = True
            log = self._run(app)
            if log is None:
                return
            if not _PASSES.search(log) or attempt == _TRIES - 1:
                if problem := problem_told(log):
                    raise GradebookError(problem)
                raise CourseError(_explain(log, assignment, student))


def _fingerprint(path: Path) -> bytes:
    """A file's content; only size and time of one that is too large or no plain file."""
    try:
        file = open_plain_file(path)
        if file is not None:
            with file:
                if os.fstat(file.fileno()).st_size <= _LARGEST_HASHED:
                    return hashlib.file_digest(file, "sha256").digest()
        facts = path.lstat()
    except OSError as error:  # a link, or not ours to read
        return str(error.errno).encode()
    return f"{facts.st_size} {facts.st_mtime_ns}".encode()


def _name_problem(student: str) -> str:
    """Why nbgrader cannot take a folder's name for a student's id, or nothing."""
    if glob.has_magic(student) or student != student.strip() or not student.isprintable():
        return (
            f"the folder name {student!r} has characters that nbgrader takes for a pattern "
            "or drops: rename the folder"
        )
    return ""


def _find_scripts() -> None:
    """Let nbgrader find `alembic`, which it starts by name, outside an activated environment."""
    scripts = sysconfig.get_path("scripts")
    path = os.environ.get("PATH", "")
    if scripts not in path.split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join([scripts, path])


@contextmanager
def _logging(log: logging.Logger) -> Iterator[None]:
    """Let errors reach the handler that ``capture_log`` adds, and nothing reach the terminal."""
    level, handlers, spread = log.level, log.handlers, log.propagate
    log.level, log.handlers, log.propagate = logging.ERROR, [], False
    silent, _NBGRADER_API.disabled = _NBGRADER_API.disabled, True
    try:
        yield
    finally:
        _NBGRADER_API.disabled = silent
        log.level, log.handlers, log.propagate = level, handlers, spread


def _keep_interrupts(app: Any) -> list[KeyboardInterrupt]:
    """Where a converter's Ctrl-C will be, which ``capture_log`` keeps for itself."""
    found: list[KeyboardInterrupt] = []
    start = app.start

    def start_and_keep() -> None:
        try:
            start()
        except KeyboardInterrupt as error:
            found.append(error)
            raise

    app.start = start_and_keep
    return found


def _explain(log: str, assignment: str, student: str) -> str:
    """One line for a teacher from nbgrader's log of a failure."""
    if "No assignment with ID" in log or "did you forget to run" in log:
        return not_released(assignment)
    if told := other_cells_told(log, assignment):
        return told
    where = f"{assignment}/{student}" if student != "." else assignment
    raised = [line for line in _RAISED.findall(log) if not line.startswith("nbgrader.converters")]
    return (
        f"{where}: {_short(raised[-1]) if raised else log.strip() or 'nbgrader does not say why'}"
    )


def _short(raised: str) -> str:
    """A raised error without its module: ``GradingError: …``."""
    name, _separator, text = raised.partition(": ")
    return f"{name.rpartition('.')[2]}: {text}"
