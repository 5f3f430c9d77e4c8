"""One submission on a warm service: how long it takes, and where its time goes.

``python -m tests.bench.profile COURSE UNSAFE`` prints the figures as JSON. A process of its own, as
a service would be: each submission goes through ``Course.autograde`` from file to stored score, one
after the other. Half of the class is timed as it is; with the other half the functions on the
way are watched. Then the inside of the grading process is measured in this one, with the same
cells and the same graders.
"""

import importlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from autograder.bridge.course import Course
from autograder.grading.cells import CodeCell, read_code_cells
from autograder.grading.client import GradingProcess
from autograder.grading.notebook import RunningNotebook, run_notebook
from autograder.grading.results import CheckResult
from autograder.runner.asked import Asked, learn
from autograder.runner.checkpoint import Checkpoint
from autograder.runner.limits import Limits
from autograder.runner.warm import Cell, WarmProcess
from autograder.runner.wire import Channel
from tests.bench.clock import Clock, Part, Profile, Spent, mean
from tests.bench.commands import CommandFailed, environment
from tests.bench.in_notebook import Grader, graders, judge, seed_of
from tests.sample_class.demo import ROOT

CELLS: Final = "grading process: cells, walls, checkpoints"
CHECKS: Final = "grading process: checks, end of processes"
_WATCHED: Final[Sequence[tuple[str, str, str, Part]]] = (
    ("autograder.bridge.course", "Course", "_stamp", "fingerprint and record"),
    ("autograder.bridge.course", "Course", "_inputs", "fingerprint and record"),
    ("autograder.bridge.record", "Record", "write", "fingerprint and record"),
    ("autograder.bridge.settings", "Jail", "packages", "packages of the course"),
    ("autograder.bridge.course", "Course", "_scores_of", "summary read back"),
    ("autograder.bridge.course", "Course", "_summary", "summary read back"),
    ("autograder.bridge.database", "", "store", "gradebook: store"),
    ("autograder.bridge.preprocessors", "", "store", "gradebook: store"),
    ("autograder.bridge.database", "_Connection", "rest", "gradebook: close"),
    ("autograder.bridge.exporter", "SubmissionExporter", "__init__", "exporter made"),
    ("autograder.bridge.exporter", "SubmissionExporter", "_read_first", "notebook: read"),
    ("nbformat", "", "reads", "notebook: read"),
    ("nbformat", "", "writes", "notebook: write"),
    ("nbconvert.writers", "FilesWriter", "write", "notebook: write"),
    ("nbconvert.exporters", "Exporter", "from_notebook_node", "notebook: copy"),
    ("nbconvert.exporters", "Exporter", "_preprocess", "notebook: copy"),
    ("nbconvert.exporters", "Exporter", "_validate_preprocessor", "notebook: validate"),
    ("nbgrader.converters", "Autograde", "__init__", "converter made"),
    ("nbgrader.converters", "Autograde", "start", "converter made"),
    ("nbgrader.converters", "Autograde", "convert_notebooks", "converter: the rest"),
    ("nbgrader.converters", "Autograde", "init_destination", "old results removed"),
    ("nbgrader.converters", "Autograde", "init_assignment", "student and submission rows"),
    ("nbgrader.converters", "Autograde", "set_permissions", "converter: the rest"),
    (
        "nbconvert.preprocessors",
        "Preprocessor",
        "__call__",
        lambda preprocessor, *rest: f"step: {type(preprocessor).__name__}",
    ),
)
"""Functions on a submission's way (module, class, name) and the part that each belongs to."""


@dataclass(frozen=True)
class Warm:
    """What a warm service was measured to do."""

    seconds: list[float]
    """From file to stored score, for each submission."""
    way: Profile
    inside: Profile
    """The grading process, measured in one process with the same cells and graders."""
    floor: float
    """Median seconds of the cells alone, in a process forked from a warm one, until it is gone."""
    missing: list[str]
    """Functions that were to be watched and are not there."""


def measure(course: Path, unsafe: bool) -> Warm:
    """Measure with a course's submissions, in a process of its own.

    Raises:
        CommandFailed: a submission was not graded.
    """
    command = [sys.executable, "-m", "tests.bench.profile", str(course), str(int(unsafe))]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise CommandFailed(f"tests.bench.profile: {done.stdout}")
    told = json.loads(done.stdout)
    return Warm(**told | {name: Profile(**told[name]) for name in ("way", "inside")})


class Service:
    """A course held open, which grades one submission after the other."""

    def __init__(self, root: Path, unsafe: bool) -> None:
        self.course = Course(root)
        if unsafe:
            self.course.allow_unsafe()

    def grade(self, assignment: str, student: str) -> None:
        """Grade a submission, from its file to its stored score."""
        summary = self.course.autograde(assignment, student, force=True)
        if summary.error:
            raise CommandFailed(f"{assignment}/{student}: {summary.error}")

    def seconds(self, submissions: Iterable[tuple[str, str]]) -> list[float]:
        """How long each of the submissions takes."""
        taken: list[float] = []
        for one in submissions:
            began = time.perf_counter()
            self.grade(*one)
            taken.append(time.perf_counter() - began)
        return taken


def on_the_way(service: Service, submissions: Sequence[tuple[str, str]]) -> tuple[Profile, Clock]:
    """Where the time of a submission goes in the process that nbgrader's steps run in."""
    clock = Clock()
    for module, kind, name, part in _WATCHED:
        clock.watch(_owner(module, kind), name, part)
    _watch_grading(clock)
    taken: list[Spent] = []
    for one in submissions:
        with clock.total() as spent:
            service.grade(*one)
        taken.append(spent)
    clock.stop()
    return mean(taken), clock


def _owner(module: str, kind: str) -> Any:
    """A module or a class in it; what is not there any more stands as an empty class."""
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError:
        return type(module, (), {})
    return getattr(found, kind, type(kind, (), {})) if kind else found


def _watch_grading(clock: Clock) -> None:
    """Tell the cells from the checks by what the grading process says: a name before each check."""
    receive = Channel.receive
    seen = False

    def attempt(*args: Any) -> str:
        nonlocal seen
        seen = False
        return CELLS

    def received(*args: Any, **kwargs: Any) -> Any:
        nonlocal seen
        with clock.part(CHECKS if seen else CELLS):
            answer = receive(*args, **kwargs)
        seen = seen or (isinstance(answer, dict) and "check" in answer)
        return answer

    clock.watch(GradingProcess, "_attempt", attempt)
    clock.replace(Channel, "receive", received)


def inside(course: Course, submissions: Sequence[tuple[str, str]], unsafe: bool) -> Profile:
    """Where the time of a submission goes in the grading process, measured in this one."""
    clock, warm = Clock(), WarmProcess()
    clock.watch(Checkpoint, "read", "checks: values asked for")
    clock.watch(Checkpoint, "figures", "checks: values asked for")
    clock.watch(Checkpoint, "call", "checks: functions called")
    asked: dict[str, dict[str, Asked]] = {name: {} for name, _student in submissions}
    taken: list[Spent] = []
    try:
        # twice: what graders ask for is learned in the first round
        for assignment, student in [*submissions, *submissions]:
            cells = _submitted(course, assignment, student)
            by_cell, seed = graders(assignment), seed_of(assignment, student)
            known = asked[assignment]
            with clock.total() as spent:
                with clock.part("cells, walls, checkpoints"):
                    notebook = run_notebook(
                        warm, cells, by_cell, Limits(), seed, asked=known, allow_unsafe=unsafe
                    )
                with clock.part("checks: graders themselves"):
                    _judge_all(by_cell, notebook, seed)
                learn(known, notebook.asked())
                with clock.part("end of processes"):
                    notebook.close()
            taken.append(spent)
    finally:
        clock.stop()
        warm.stop()
    return mean(taken[len(submissions) :])


def _judge_all(
    by_cell: dict[str, list[Grader]], notebook: RunningNotebook, seed: int
) -> list[CheckResult]:
    return [
        judge(grader, notebook.at(grade_id), seed)
        for grade_id, own in by_cell.items()
        for grader in own
    ]


def floors(course: Course, submissions: Sequence[tuple[str, str]]) -> list[float]:
    """Seconds of each submission's cells alone, and of the end of their process."""
    warm = WarmProcess()
    taken: list[float] = []
    try:
        for assignment, student in [submissions[0], *submissions]:
            cells = [
                Cell(cell.source)
                for cell in _submitted(course, assignment, student)
                if cell.grade_id is None
            ]
            began = time.perf_counter()
            warm.run(cells, Limits(), 1, allow_unsafe=True).close()
            taken.append(time.perf_counter() - began)
    finally:
        warm.stop()
    return taken[1:]


def _submitted(course: Course, assignment: str, student: str) -> list[CodeCell]:
    folder = course.folder("submitted", assignment, student)
    return read_code_cells(folder / f"{assignment}.ipynb")


def main(root: Path, unsafe: bool) -> int:
    """Measure, and print the figures as JSON."""
    service = Service(root, unsafe)
    course = service.course
    everyone = [
        (name, student) for name in course.assignments() for student in course.students(name)
    ]
    timed, watched = everyone[::2], everyone[1::2]
    service.seconds([timed[0], watched[-1]])  # one of each assignment: the services start
    seconds = service.seconds(timed)
    way, clock = on_the_way(service, watched)
    within = inside(course, watched, unsafe)
    floor = statistics.median(floors(course, watched))
    print(json.dumps(asdict(Warm(seconds, way, within, floor, clock.missing))))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] == "1"))
