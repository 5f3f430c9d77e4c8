"""The commands of stock nbgrader, of ours and of nbgrader with our configuration, in turn.

A class is graded by ours and by ``plain`` (nbgrader's own command with our configuration); a part
of it by ``stock``, which takes as long for each of its submissions. Each command is also run on a
few submissions (one for each job), which tells what it costs to start. All of it alternates, so
that whatever else the machine does meanwhile meets each of them.
"""

import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import commands
from tests.bench.courses import (
    ASSIGNMENTS,
    Scores,
    Student,
    Template,
    class_of,
    differences,
    grade_cells,
    spread,
    stored_scores,
)


@dataclass(frozen=True)
class Timing:
    """One command on one batch."""

    what: str
    """``stock``, ``ours``, ``plain`` or ``regrade``."""
    assignment: str
    submissions: int
    seconds: float
    few: bool
    """Whether it was run on a few submissions, to see what it costs to start."""


@dataclass(frozen=True)
class Sizes:
    """How much is graded."""

    rounds: int
    batch: int
    """Submissions of an assignment that stock grades in a round."""
    size: int
    """The class that ours and plain grade in a round."""
    jobs: int
    unsafe: bool
    """Whether walls are missing on this machine, so that ``grade`` needs ``--allow-unsafe``."""

    @property
    def options(self) -> Sequence[str]:
        """The options of ``autograder grade``."""
        return ["--jobs", str(self.jobs), *(["--allow-unsafe"] if self.unsafe else [])]


@dataclass
class Measured:
    """What all rounds gave."""

    timings: list[Timing] = field(default_factory=list)
    compared: int = 0
    """Scores of stock's that were compared with ours."""
    differences: list[str] = field(default_factory=list)

    def of(self, what: str, few: bool = False) -> list[Timing]:
        """The timings of one of the commands, on batches or on a few submissions."""
        return [one for one in self.timings if one.what == what and one.few == few]


def seconds_each(timings: Iterable[Timing]) -> float:
    """Seconds for each submission, over whole commands."""
    timings = list(timings)
    return sum(one.seconds for one in timings) / sum(one.submissions for one in timings)


def marginal(batches: Sequence[Timing], few: Sequence[Timing]) -> float:
    """Seconds that one more submission takes: what batches take longer than the small runs."""
    more = sum(one.submissions for one in batches) - sum(one.submissions for one in few)
    seconds = sum(one.seconds for one in batches) - sum(one.seconds for one in few)
    return seconds / more if more > 0 else seconds_each(batches)


def startup(batches: Sequence[Timing], few: Sequence[Timing]) -> float:
    """Seconds that a command takes beside its submissions."""
    each = marginal(batches, few)
    return sum(one.seconds - one.submissions * each for one in few) / len(few)


class Rounds:
    """Measures round after round."""

    def __init__(
        self, stock: Template, ours: Template, sizes: Sizes, say: Callable[[str], None]
    ) -> None:
        self._stock = stock
        self._ours = ours
        self._sizes = sizes
        self._say = say
        self.measured = Measured()

    def run(self) -> Measured:
        """All rounds, on each assignment in turn; the order of the commands changes."""
        for number in range(self._sizes.rounds):
            for assignment in ASSIGNMENTS:
                self._say(f"round {number + 1} of {self._sizes.rounds}, {assignment}")
                self._round(number, assignment)
        return self.measured

    def _round(self, number: int, assignment: str) -> None:
        students = class_of(assignment, self._sizes.size)
        chosen = spread(students, self._sizes.batch * self._sizes.rounds)
        batch = chosen[number :: self._sizes.rounds]
        scores: dict[str, Scores] = {}
        steps: list[Callable[[], None]] = [
            lambda: scores.update(stock=self._grade("stock", assignment, batch)),
            lambda: scores.update(ours=self._grade("ours", assignment, students)),
            lambda: scores.update(plain=self._grade("plain", assignment, students)),
        ]
        for step in steps if number % 2 == 0 else reversed(steps):
            step()
        measured = self.measured
        measured.compared += len(scores["stock"])
        for name, graded in (("stock", batch), ("plain", students)):
            if len(scores[name]) != grade_cells(graded):
                measured.differences.append(f"{assignment}: {name} has not graded everything")
            measured.differences += differences(name, scores[name], scores["ours"])

    def _grade(self, what: str, assignment: str, students: Sequence[Student]) -> Scores:
        """Grade a few submissions, then a batch, each in a fresh course; the batch's scores."""
        template = self._stock if what == "stock" else self._ours
        few = students[-self._sizes.jobs :] if what == "ours" else students[-1:]
        small, course = template.copy(few), template.copy(students)
        try:
            self._both(what, small, course, assignment, (len(few), len(students)))
            if what == "ours":  # nothing has changed since
                self._both("regrade", small, course, assignment, (len(few), len(students)))
            return stored_scores(course, assignment)
        finally:
            shutil.rmtree(small)
            shutil.rmtree(course)

    def _both(
        self, what: str, small: Path, course: Path, assignment: str, counts: tuple[int, int]
    ) -> None:
        for folder, count in zip((small, course), counts, strict=True):
            if what in ("ours", "regrade"):
                seconds = commands.ours(folder, assignment, self._sizes.options)
            else:
                seconds = commands.nbgrader(folder, assignment)
            self.measured.timings.append(Timing(what, assignment, count, seconds, folder is small))
            self._say(f"  {what:8} {count:5} submissions  {seconds:8.2f} s")
