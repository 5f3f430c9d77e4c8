"""How pages, exports and the service's queries do when a course has grown.

Makes a course whose tables are filled by a script (``growth_course``), then times what teachers,
students and the service do with them, through the real application. The course lies in a temporary
folder, about 4 GB for 100,000 submissions; with ``--db`` it may be in Postgres: the URL of an empty
database, or ``postgres`` for a server of its own on loopback.
"""

import argparse
import gc
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from fastapi.testclient import TestClient
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy import update

from autograder.bridge.scores import read_scores
from autograder.bridge.totals import read_deadlines, read_totals
from autograder.lms.database import reading, writing
from autograder.lms.gradefiles.export import write_file
from autograder.lms.handins import attempts
from autograder.lms.handins.attempts import Job
from autograder.lms.handins.grades import regrade_late
from autograder.lms.lti.keys import Keys
from autograder.lms.schema import Submission
from autograder.lms.services.outbox import Outbox
from autograder.lms.settings import serve_settings
from autograder.report.data import read_class
from autograder.web import sessions
from autograder.web.app import create_app
from autograder.web.state import AppState
from tests import postgres
from tests.bench.growth_course import ASSIGNMENTS, NOW, TEACHER, Grown, grow
from tests.lms.web_world import URL, NoPlatform

_FIRST: Final = ASSIGNMENTS[0]
_SLOW_SECONDS: Final = 1.0
_PATIENCE_SECONDS: Final = 10.0
"""What takes longer is done once."""
_EXPORTED: Final = 4
"""nbgrader's own export takes about an hour for all of 5,000 students."""


@dataclass
class Times:
    """How long everything took."""

    repeats: int
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def of(self, what: str, function: Callable[[], object]) -> None:
        """Do it a few times; print the median, the longest and the mean of this process's work.

        The last says more where the machine is busy with something else.
        """
        taken, before = self.seconds.setdefault(what, []), time.process_time()
        while len(taken) < self.repeats and sum(taken) < _PATIENCE_SECONDS:
            began = time.perf_counter()
            function()
            taken.append(time.perf_counter() - began)
        slow = "  SLOW" if max(taken) > _SLOW_SECONDS else ""
        own = (time.process_time() - before) / len(taken)
        times = f"{statistics.median(taken):8.3f} s {max(taken):8.3f} s {own:8.3f} s"
        print(f"{what:58} {times}{slow}", flush=True)


@dataclass(frozen=True)
class Look:
    """Looks at the course as teachers, students and the service do."""

    grown: Grown
    times: Times
    state: AppState

    def all(self, folder: Path, *, with_nbgrader: bool) -> None:
        """Time everything; files are written into a folder."""
        self.teacher()
        self.student()
        self.exports(folder)
        self.gradebook()
        self.service()
        self.backlog()
        if with_nbgrader:
            self.nbgrader(folder)

    def _client(self, who: str) -> tuple[TestClient, str]:
        token = self.grown.token(who)
        client = TestClient(create_app(self.state), base_url=URL, follow_redirects=False)
        client.cookies.set(sessions.cookie_name(self.state), token)
        return client, token

    def _pages(self, who: str, *paths: str) -> None:
        client, _token = self._client(who)
        for path in paths:

            def get(path: str = path) -> None:
                answer = client.get(path)
                assert answer.status_code == 200, (path, answer.status_code, answer.text[-2000:])

            self.times.of(f"GET {path}", get)

    def teacher(self) -> None:
        """The teacher's pages, and the forms that lead to one."""
        middle = self.grown.students[len(self.grown.students) // 2]
        self._pages(
            TEACHER,
            "/teacher",
            f"/teacher/{_FIRST}",
            f"/teacher/{_FIRST}?page=13",
            f"/teacher/{_FIRST}?shown=late&sort=score&down=1",
            f"/teacher/{_FIRST}?q={middle}",
            f"/teacher/{_FIRST}/students/{middle}",
            f"/teacher/{_FIRST}/grades",
            f"/teacher/{_FIRST}/grades/moodle",
            f"/teacher/{_FIRST}/grades/canvas",
            f"/teacher/{_FIRST}/statistics",
            f"/teacher/{_FIRST}/changes",
            "/submissions/1",
            "/submissions/1/files/first",
        )
        client, token = self._client(TEACHER)
        forms: Sequence[tuple[str, dict[str, Any]]] = (
            ("release", {"whom": "all"}),
            ("regrade", {"whom": "all"}),
            ("release", {"whom": "selected", "students": middle}),
            ("extend", {"students": middle, "hours": "3"}),
            ("retry", {"whom": "selected", "students": self.grown.students[:200]}),
        )
        for action, form in forms:

            def post(action: str = action, form: dict[str, Any] = form) -> None:
                answer = client.post(
                    f"/teacher/{_FIRST}/{action}",
                    data=form | {"csrf": token}, headers={"origin": URL},
                )  # fmt: skip
                assert answer.status_code in (200, 303), (action, answer.text[-2000:])

            self.times.of(f"POST /teacher/{_FIRST}/{action} {form.get('whom', '')}", post)

    def student(self) -> None:
        """The pages of a student."""
        middle = self.grown.students[len(self.grown.students) // 2]
        number = len(self.grown.students) // 2 + 1
        self._pages(
            middle,
            f"/assignments/{_FIRST}",
            f"/assignments/{_FIRST}/state",
            f"/submissions/{number}",
            f"/submissions/{number}/receipt",
        )

    def exports(self, folder: Path) -> None:
        """What the command line writes."""
        course = self.grown.course
        self.times.of("autograder export", lambda: course.export(folder / "grades.csv"))
        for kind in ("canvas", "moodle"):

            def write(kind: str = kind) -> None:
                write_file(
                    course, kind, ASSIGNMENTS, folder / f"{kind}.csv", template=None, titles={},
                    warn=lambda _told: None,
                )  # fmt: skip

            self.times.of(f"autograder export --as {kind}, all assignments", write)

    def gradebook(self) -> None:
        """What is read of nbgrader's gradebook."""
        course, one = self.grown.course, self.grown.students[7]
        self.times.of("read_totals of a class", lambda: read_totals(course, _FIRST))
        self.times.of("read_totals of a student", lambda: read_totals(course, _FIRST, [one]))
        self.times.of("read_scores", lambda: read_scores(course, _FIRST))
        self.times.of("read_class, for the report", lambda: read_class(course, _FIRST))
        self.times.of("Course._stored_of", lambda: course._stored_of(_FIRST, one))
        self.times.of("Course.is_current", lambda: course.is_current(_FIRST, one))
        self.times.of("Course.changed", lambda: course.changed(_FIRST))

    def service(self) -> None:
        """What the service asks its tables."""
        engine, settings = self.grown.engine, self.state.settings
        jobs = [Job(1, _FIRST, one, "grade") for one in self.grown.students[:8]]
        with reading(engine) as session:
            for what, function in (
                ("attempts.find", lambda: attempts.find(session, [], 8, rest=False)),
                ("attempts.find, rest", lambda: attempts.find(session, [], 8, rest=True)),
                ("attempts.ahead_of", lambda: attempts.ahead_of(session, 99_000)),
                ("attempts.settled", lambda: attempts.settled(session, _FIRST)),
                ("attempts.miscounted", lambda: attempts.miscounted(session, settings)),
                ("attempts.held", lambda: attempts.held(session, jobs)),
            ):
                self.times.of(what, function)
        outbox = Outbox(engine, lambda _registration: NoPlatform(), lambda: NOW)
        self.times.of("Outbox.deliver, one of what is due", lambda: outbox.deliver(1))
        self.times.of("Outbox.next_due", outbox.next_due)
        self.times.of("read_deadlines", lambda: read_deadlines(self.grown.course))
        self.times.of(
            "regrade_late, with nothing to do",
            lambda: regrade_late(engine, self.grown.course, ASSIGNMENTS[1], "grader"),
        )

    def nbgrader(self, folder: Path) -> None:
        """nbgrader's own code, to compare with."""
        course = self.grown.course

        def export() -> None:
            with course.gradebook() as gradebook:
                plugin = CsvExportPlugin(parent=course.app)
                plugin.to = str(folder / "nbgrader.csv")
                plugin.student = self.grown.students[:_EXPORTED]
                plugin.export(gradebook)

        def submissions() -> None:
            with course.gradebook() as gradebook:
                gradebook.submission_dicts(_FIRST)

        def students() -> None:
            with course.gradebook() as gradebook:
                gradebook.student_dicts()

        def notebooks() -> None:
            with course.gradebook() as gradebook:
                gradebook.notebook_submission_dicts("first", _FIRST)

        self.times.of("nbgrader: submission_dicts", submissions)
        self.times.of("nbgrader: student_dicts", students)
        self.times.of("nbgrader: notebook_submission_dicts", notebooks)
        self.times.of(f"nbgrader: CSV export of {_EXPORTED} students", export)

    def backlog(self) -> None:
        """What is asked while an assignment's attempts all wait to be graded again."""
        with writing(self.grown.engine) as session:
            rows = update(Submission).where(Submission.assignment == _FIRST)
            session.execute(rows.values(state="received"))
        with reading(self.grown.engine) as session:
            for rest in (False, True):
                self.times.of(
                    f"attempts.find of a backlog{', rest' if rest else ''}",
                    lambda rest=rest: attempts.find(session, [], 8, rest=rest),  # type: ignore[misc]
                )
            self.times.of("attempts.ahead_of, backlog", lambda: attempts.ahead_of(session, 99_000))
        self._pages(TEACHER, f"/teacher/{_FIRST}?shown=handed-in")


@contextmanager
def _database(asked: str) -> Iterator[str]:
    """The URL of an empty database, or of one in a server of its own; empty for SQLite's files."""
    if asked != "postgres":
        yield asked
        return
    programs = postgres.find()
    if programs is None:
        raise SystemExit("Postgres is not installed here (Debian's package: postgresql)")
    with postgres.server(programs) as url:
        plain = url.replace("+psycopg", "") + "postgres"
        with psycopg.connect(plain, autocommit=True) as connection:
            connection.execute("CREATE DATABASE growth")
        yield f"{url}growth"


def main(arguments: Sequence[str]) -> int:
    """Make the course, time everything and print it; 1 where anything of ours is slow."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.growth", description=__doc__)
    parser.add_argument("--submissions", type=int, default=100_000)
    parser.add_argument("--db", default="", help="a URL, or `postgres`; by default SQLite")
    parser.add_argument("--nbgrader", action="store_true", help="nbgrader's own code too: minutes")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(arguments)
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="autograder-growth-")))
        course = root / "course"
        course.mkdir()
        began = time.monotonic()
        grown = grow(course, options.submissions, stack.enter_context(_database(options.db)))
        print(f"{len(grown.students)} students, made in {time.monotonic() - began:.0f} s")
        print(f"{'':58}   median    longest   this process")
        state = AppState(
            engine=grown.engine, course=grown.course, settings=serve_settings(grown.course),
            keys=Keys.open(root / "keys"), services=lambda _registration: NoPlatform(),  # type: ignore[arg-type, return-value]
            base_url=URL, clock=lambda: NOW,
        )  # fmt: skip
        stack.callback(state.close)
        stack.callback(grown.engine.dispose)
        gc.freeze()  # as the server does when it has started
        times = Times(options.repeats)
        Look(grown, times, state).all(root, with_nbgrader=options.nbgrader)
    ours = {what: taken for what, taken in times.seconds.items() if not what.startswith("nbgrader")}
    return int(any(statistics.median(taken) > _SLOW_SECONDS for taken in ours.values()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
