"""A course directory seen through nbgrader: release, autograde, feedback, export, scores."""

import glob
import hashlib
import json
import logging
import os
import re
import sysconfig
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGrader
from nbgrader.converters import Autograde, GenerateAssignment, GenerateFeedback
from nbgrader.plugins import CsvExportPlugin
from nbgrader.utils import capture_log
from sqlalchemy.exc import SAWarning, SQLAlchemyError
from traitlets import TraitError

from autograder.bridge.database import one_gradebook, undo
from autograder.bridge.files import open_plain_file
from autograder.bridge.notebooks import METADATA
from autograder.bridge.preprocessors import RunGraders
from autograder.messages import set_language
from autograder.messages import translate as _

_STAMP: Final = ".autograder"
_LOCKED_TRIES: Final = 5
_LARGEST_HASHED: Final = 64 * 1024 * 1024
"""Larger submitted files are known by their size and time."""
_RAISED: Final = re.compile(r"^\s*([\w.]+(?:Error|Exception|Entry): .*)$", re.MULTILINE)
"""The last line of a traceback."""


# nbgrader 0.9 makes its rows inside autoflush; SQLAlchemy 2.1 warns of it, harmlessly.
warnings.filterwarnings("ignore", message="Object of type <Submitted", category=SAWarning)


class CourseError(Exception):
    """The course cannot be used as asked; the message says what, where and how to mend it."""


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
                "Change to the course's folder or give it with --course"
            )
        _find_scripts()
        with self._in_root():
            self.app = NbGrader()
            self.app.log.setLevel(logging.CRITICAL + 1)
            self.app.initialize([], root=str(self.root))
        self.directory = self.app.coursedir
        try:
            self.settings = RunGraders(parent=self.app)
        except TraitError as error:
            raise CourseError(f"{self.root / 'nbgrader_config.py'}: {error}") from error
        set_language(self.settings.language)

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

        Raises:
            CourseError: nbgrader refuses; with what it says.
        """
        self.require(assignment)
        self._convert(GenerateAssignment, assignment, ".")

    def allow_unsafe(self) -> None:
        """Run submissions also where the walls against strangers cannot be had."""
        self.app.config.Jail.allow_unsafe = True
        self.settings.allow_unsafe = True

    def autograde(self, assignment: str, student: str, force: bool = False) -> Summary:
        """Grade one submission with nbgrader's Autograde and store its scores.

        Never raises for what a submission is; ``Summary.error`` tells when grading failed.
        """
        if problem := _name_problem(student):
            return Summary(assignment, student, error=problem)
        stamp = self._stamp(assignment, student)
        stamp_file = self.folder("autograded", assignment, student) / _STAMP
        if not force and _read(stamp_file) == stamp:
            return self.summary(assignment, student, skipped=True)
        try:
            if not any(
                os.path.lexists(self.folder("submitted", assignment, student) / f"{name}.ipynb")
                for name in self.notebooks(assignment)
            ):
                return self._store_missing(assignment, student)
            self._convert(Autograde, assignment, student)
        except CourseError as error:
            return Summary(assignment, student, error=str(error))
        _write(stamp_file, stamp)
        return self.summary(assignment, student)

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
            plugin = CsvExportPlugin(parent=self.app)
            plugin.to = str(to)
            plugin.export(gradebook)

    def gradebook(self) -> Any:
        """nbgrader's gradebook, as a context manager."""
        return Gradebook(self.directory.db_url, self.directory.course_id)

    def scores(self, assignment: str) -> dict[str, dict[str, float]]:
        """The stored automatic scores: student to grade_id to score (0 where there is none)."""
        with self.gradebook() as gradebook:
            return {
                submission.student.id: {
                    grade.name: float(grade.auto_score or 0.0)
                    for notebook in submission.notebooks
                    for grade in notebook.grades
                }
                for submission in gradebook.assignment_submissions(assignment)
            }

    def summary(self, assignment: str, student: str, skipped: bool = False) -> Summary:
        """What the gradebook and the autograded notebooks say of one submission."""
        with self.gradebook() as gradebook:
            submission = gradebook.find_submission(assignment, student)
            score, most = float(submission.score), float(submission.max_score)
        result = Summary(assignment, student, score, most, skipped=skipped)
        for path in sorted(self.folder("autograded", assignment, student).glob("*.ipynb")):
            notebook = json.loads(path.read_text(encoding="utf-8"))  # our own, and valid
            facts = notebook["metadata"].get(METADATA, {})
            result.problem = result.problem or facts.get("problem", "")
            if not facts.get("problem"):  # then everything was put back, which says nothing
                result.notes += facts.get("notes", [])
            for cell in notebook["cells"]:
                checks = cell["metadata"].get(METADATA, {}).get("checks", [])
                result.faults += [c["detail"] for c in checks if c["status"] == "fault"]
        if not result.max_score:
            result.problem = result.problem or _("No notebook was handed in.")
        return result

    def _store_missing(self, assignment: str, student: str) -> Summary:
        """Store 0 for a submission without a notebook, as nbgrader does for a missing one."""
        with self.gradebook() as gradebook:
            gradebook.update_or_create_student(student)
            try:
                submission = gradebook.update_or_create_submission(assignment, student)
            except MissingEntry as error:
                raise CourseError(_not_released(assignment)) from error
            for notebook in submission.notebooks:
                for grade in notebook.grades:
                    grade.auto_score = 0
                    grade.needs_manual_grade = False
            gradebook.db.commit()
            most = float(submission.max_score)
        names = ", ".join(f"{name}.ipynb" for name in self.notebooks(assignment))
        problem = _("No notebook named {names} was handed in.", names=names)
        return Summary(assignment, student, 0.0, most, problem=problem)

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
        """Run a converter; what it logged if it failed, and then nothing of it is stored."""
        try:
            with self._in_root(), _logging(self.app.log), one_gradebook():
                result = capture_log(app)
                if not result["success"]:
                    undo()
                    return f"{result.get('log', '')}{result.get('error', '')}"
        except SQLAlchemyError as error:  # what was told the gradebook could not be stored
            return str(error)
        return None

    def _convert(self, converter: type[Any], assignment: str, student: str) -> None:
        """Run one of nbgrader's converters on one submission.

        Raises:
            CourseError: it failed; with the last error that it logged.
        """
        for attempt in range(_LOCKED_TRIES):
            self.directory.assignment_id = assignment
            self.directory.student_id = student
            app = converter(coursedir=self.directory, parent=self.app)
            app.force = True
            log = self._run(app)
            if log is None:
                return
            if "database is locked" not in log or attempt == _LOCKED_TRIES - 1:
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
    try:
        yield
    finally:
        log.level, log.handlers, log.propagate = level, handlers, spread


def _not_released(assignment: str) -> str:
    return (
        f"assignment {assignment!r} is not in the gradebook: "
        f"run `autograder release {assignment}` first"
    )


def _explain(log: str, assignment: str, student: str) -> str:
    """One line for a teacher from nbgrader's log of a failure."""
    if "No assignment with ID" in log or "did you forget to run" in log:
        return _not_released(assignment)
    if "database is locked" in log:
        return "the gradebook is locked by another program: close it and run the command again"
    if "readonly database" in log:
        return "the gradebook cannot be written: check who owns gradebook.db and its folder"
    where = f"{assignment}/{student}" if student != "." else assignment
    raised = [line for line in _RAISED.findall(log) if not line.startswith("nbgrader.converters")]
    return (
        f"{where}: {_short(raised[-1]) if raised else log.strip() or 'nbgrader does not say why'}"
    )


def _short(raised: str) -> str:
    """A raised error without its module: ``GradingError: …``."""
    name, _separator, text = raised.partition(": ")
    return f"{name.rpartition('.')[2]}: {text}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _write(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
