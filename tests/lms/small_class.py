"""A course of two assignments whose points are what the student wrote, to hand in and grade.

Nothing is run: a preprocessor gives the check of ``one`` the points that ``x = 3`` says, and does
what the student's name says.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import nbformat
from sqlalchemy import Engine, select

from autograder import pool
from autograder.bridge.course import Course
from autograder.bridge.handin import mark
from autograder.lms.database import reading, writing
from autograder.lms.handins import attempts
from autograder.lms.handins.grading import GradingService
from autograder.lms.handins.handin import Upload, hand_in
from autograder.lms.schema import (
    Base,
    Context,
    Enrolment,
    Identity,
    Link,
    Registration,
    Submission,
)
from autograder.lms.settings import Serve, serve_settings
from tests.small_course import make_course, nbgrader_cell, notebook_of

Table = TypeVar("Table", bound=Base)

CONFIG: Final = r'''
import os, re, signal, time
from pathlib import Path
from nbformat.v4 import new_output
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import NbGraderPreprocessor
from autograder.bridge import configure
from autograder.bridge.database import store

if Path("broken").exists():
    raise SystemExit("this configuration ends the process")

class Behave(NbGraderPreprocessor):
    """Gives points, and does what the student's name says; each try leaves a line in `tries`."""

    def preprocess(self, nb, resources):
        store()  # as what runs cells does
        student = resources["nbgrader"]["student"]
        source = "\n".join(cell.source for cell in nb.cells)
        with open("tries", "a") as tries:
            tries.write(student + "\n")
        if student.startswith("slow"):
            time.sleep(0.5)
        if student.startswith("endless") and not Path("over").exists():
            time.sleep(600)
        if student.startswith("dies"):
            os.kill(os.getpid(), signal.SIGKILL)
        if "# breaks" in source and not Path("mended").exists():
            raise ValueError("it breaks")
        given = re.search(r"x = ([0-9.]+)", source)
        more = float(Path("more").read_text()) if Path("more").exists() else 0
        for cell in nb.cells:
            if cell.metadata.get("nbgrader", {}).get("points"):
                text = str(float(given[1]) + more)
                data = {"text/plain": text}
                cell.outputs = [new_output("execute_result", data, execution_count=1)]
        return nb, resources

class Speechless(NbGraderPreprocessor):
    """Fails where feedback is to be written for some."""

    def preprocess(self, nb, resources):
        if resources["nbgrader"]["student"].startswith("speechless"):
            raise ValueError("no words")
        return nb, resources

class OnePoint(BasePlugin):
    """Takes one point from what is late."""

    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return 1.0

c = get_config()
configure(c)
c.RunGraders.language = "en"
c.CourseDirectory.db_url = "sqlite:///" + str(Path("gradebook.db").resolve()) + "?timeout=1"
c.GenerateFeedback.preprocessors = [*c.GenerateFeedback.preprocessors, Speechless]
c.AssignLatePenalties.plugin_class = OnePoint
c.Autograde.autograde_preprocessors = [
    Behave,
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "autograder.bridge.preprocessors.StoreGrades",
]
'''
DEADLINE: Final = 1_900_000_000.0
_SERVER: Final = """
import sys
from pathlib import Path
from autograder.bridge.course import Course
from autograder.lms.database import open_database
from autograder.lms.handins.grading import GradingService
from autograder.lms.settings import serve_settings
course = Course(Path(sys.argv[1]))
service = GradingService(open_database(sys.argv[2]), course, serve_settings(course), jobs=2)
service.run()
"""


def make_template(root: Path, config: str = CONFIG) -> Path:
    """The course with ``one``, of 10 points, and ``two``, of two notebooks; nobody hands in."""
    one = notebook_of([nbgrader_cell("x = 0", "work"), nbgrader_cell("assert x", "check", 10)])
    make_course(root, config, "", one)
    (root / "source/two").mkdir()
    for name in ("left", "right"):
        cells = [nbgrader_cell("x = 0", f"{name}-work"), nbgrader_cell("x", f"{name}-check", 2)]
        nbformat.write(notebook_of(cells), root / f"source/two/{name}.ipynb")
    Course(root).release("two")
    return root


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = DEADLINE - 86_400

    def __call__(self) -> float:
        return self.now


@dataclass
class World:
    """A course, our tables, and what a test does with them."""

    root: Path
    engine: Engine
    clock: Clock = field(default_factory=Clock)
    graded_by: pool.Serving = pool.serve

    def __post_init__(self) -> None:
        self.course = Course(self.root)
        self.settings: Serve = serve_settings(self.course)

    def rules(self, **rules: Any) -> None:
        """Set rules for all assignments."""
        for name, value in rules.items():
            setattr(self.settings, name, value)

    def notebook(
        self, x: float, assignment: str = "one", notebook: str = "one", more: str = ""
    ) -> bytes:
        """A student's notebook that is worth so many points."""
        found = nbformat.read(self.root / f"release/{assignment}/{notebook}.ipynb", as_version=4)
        found.cells[0].source = f"x = {x}\n{more}"
        return bytes(nbformat.writes(found), "utf-8")

    def hand_in(self, student: str, x: float, later: float = 60.0, more: str = "") -> Submission:
        """Hand in ``one``, some seconds after what came before."""
        self.clock.now += later
        return self.upload(student, Upload("one.ipynb", self.notebook(x, more=more)))

    def upload(self, student: str, *files: Upload, assignment: str = "one") -> Submission:
        """Hand files in."""
        return hand_in(
            self.engine,
            self.course,
            self.settings,
            assignment=assignment,
            identity_student=student,
            files=files,
            clock=self.clock,
        )

    @contextmanager
    def service(self, jobs: int = 2) -> Iterator[GradingService]:
        """A running service."""
        made = GradingService(
            self.engine, self.course, self.settings, jobs=jobs, serve=self.graded_by,
            clock=self.clock,
        )  # fmt: skip
        made.start()
        try:
            yield made
        finally:
            made.stop()

    def grade(self) -> None:
        """Have all that waits done."""
        with self.service():
            wait_for(self.is_settled)

    def grade_here(self) -> None:
        """Do all that waits in this process, where no process need be started for it."""
        while True:
            with reading(self.engine) as session:
                jobs = attempts.find(session, [], 1, rest=True)
            if not jobs:
                return
            with writing(self.engine) as session:
                assert attempts.claim(session, jobs[0], self.settings, self.clock(), {})
                given = attempts.hand_in(session, jobs[0])
            marked = attempts.compressed(mark(self.course, given))
            assert not marked.error
            with writing(self.engine) as session:
                attempts.store(session, jobs[0], self.settings, self.clock(), marked)

    def by_command(self, student: str, x: float) -> None:
        """Have work that was imported from an archive graded by a command."""
        folder = self.root / f"submitted/{student}/one"
        folder.mkdir(parents=True)
        (folder / "one.ipynb").write_bytes(self.notebook(x))
        (folder / "timestamp.txt").write_text("2030-03-17 18:46:40.000000 UTC")
        assert not self.course.autograde("one", student).error

    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        return all(
            row.state in ("graded", "failed")
            and not row.feedback_due
            and row.counts == row.in_gradebook
            for row in self.rows()
        )

    def rows(self, student: str | None = None) -> Sequence[Submission]:
        """The attempts, the first one first."""
        query = select(Submission).order_by(Submission.student, Submission.number)
        if student is not None:
            query = query.where(Submission.student == student)
        with reading(self.engine) as session:
            return session.scalars(query).all()

    def score_in_gradebook(self, student: str, assignment: str = "one") -> float | None:
        """What nbgrader itself says of a student, less its penalty."""
        with self.course.gradebook() as gradebook:
            found = [
                submission
                for submission in gradebook.assignment_submissions(assignment)
                if submission.student.id == student
            ]
            return found[0].score - found[0].late_submission_penalty if found else None

    def submitted_x(self, student: str) -> float:
        """What is in nbgrader's folder of submissions."""
        path = self.root / f"submitted/{student}/one/one.ipynb"
        found = re.search(r"x = ([0-9.]+)", path.read_text())
        assert found is not None
        return float(found[1])

    def tries(self) -> Counter[str]:
        """How often each student's notebooks were begun."""
        path = self.root / "tries"
        return Counter(path.read_text().split() if path.exists() else ())

    def give_by_hand(self, student: str, points: float | None, comment: str = "") -> None:
        """What a teacher gives in formgrader."""
        with self.course.gradebook() as gradebook:
            grade = gradebook.find_grade("check", "one", "one", student)
            grade.manual_score, grade.needs_manual_grade = points, False
            gradebook.find_comment("work", "one", "one", student).manual_comment = comment or None
            gradebook.db.commit()

    def set_deadline(self, seconds: float | None = DEADLINE, assignment: str = "one") -> None:
        """Set nbgrader's due date."""
        due = None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
        with self.course.gradebook() as gradebook:
            gradebook.update_or_create_assignment(assignment, duedate=due)

    def enrol(self, *students: str, line_item: str = "https://lms.invalid/items/1") -> None:
        """Have students be in a course of an LMS with the assignment ``one``."""
        with writing(self.engine) as session:
            context = session.scalar(select(Context).limit(1)) or _lms(session, line_item)
            for student in students:
                made = Identity(
                    issuer="https://lms.invalid",
                    deployment="1",
                    sub=f"sub-{student}",
                    student=student,
                    name=f"Name of {student}",
                    given_name="Name",
                    family_name=f"of {student}",
                )
                session.add(made)
                session.flush()
                session.add(Enrolment(context_id=context.id, identity_id=made.id, role="student"))

    def all_of(self, kind: type[Table]) -> Sequence[Table]:
        """All rows of a table."""
        with reading(self.engine) as session:
            return session.scalars(select(kind)).all()


def _lms(session: Any, line_item: str) -> Context:
    urls = dict.fromkeys(("auth_login_url", "auth_token_url", "key_set_url"), "https://x.invalid")
    session.add(
        Registration(id=1, issuer="https://lms.invalid", client_id="c", created=0.0, **urls)
    )
    session.flush()
    context = Context(id=1, registration_id=1, deployment="1", context="course")
    session.add(context)
    session.flush()
    session.add(Link(context_id=1, resource_link="link", assignment="one", line_item=line_item))
    return context


def make_world(template: Path, folder: Path, engine: Engine) -> World:
    """A copy of the course, with empty tables."""
    shutil.copytree(template, folder)
    return World(folder, engine)


def start_server(world: World) -> "subprocess.Popen[bytes]":
    """A service in a process of its own."""
    url = world.engine.url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(world.root), url], start_new_session=True
    )


def kill(process: "subprocess.Popen[bytes]") -> None:
    """SIGKILL."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def wait_for(happened: Callable[[], object], seconds: float = 120) -> None:
    """Wait until it has happened."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
