"""Run an exercise's corpus and mutants past its graders, and compare with what was expected."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Final, Literal

from autograder.bridge.course import Course
from autograder.bridge.seeds import public_seed
from autograder.grading.cells import CodeCell, read_code_cells
from autograder.grading.client import GradingProcess
from autograder.grading.results import CheckResult
from autograder.validity.corpus import Corpus, CorpusError, Solution, read_all
from autograder.validity.mutants import mutants

Kind = Literal["correct", "wrong", "mutant", "equivalent"]
GENERIC: Final = ("", "wrong-values", "exception")
"""Diagnoses that say no more than that something is wrong."""
LEAST_NAMED: Final = 0.9
"""The share of wrong solutions whose mistake must be named."""
NOT_ATTEMPTED: Final = "not-attempted"
"""What a check looks like whose answer is missing."""


@dataclass(frozen=True)
class Trial:
    """A solution to be tried in the place of an exercise's answer."""

    grade_id: str
    kind: Kind
    solution: Solution


@dataclass(frozen=True)
class Verdict:
    """What the graders said of a solution."""

    trial: Trial
    failed: frozenset[str]
    """The names of the checks that it did not pass."""
    diagnoses: frozenset[str]
    """What they said that it looks like."""
    fault: str = ""
    """What went wrong in a grader."""
    checks: Sequence[CheckResult] = ()
    """All that they said."""

    @property
    def accepted(self) -> bool:
        """Whether it earned all points."""
        return not self.failed

    @property
    def named(self) -> bool:
        """Whether one of the checks named the mistake."""
        return any(one not in GENERIC for one in self.diagnoses)

    @property
    def diagnosed(self) -> bool:
        """Whether the checks said what was expected."""
        return self.trial.solution.diagnosis in self.diagnoses

    @property
    def problem(self) -> str:
        """How it differs from what was expected, or nothing."""
        solution = self.trial.solution
        if self.fault:
            return f"a grader failed: {self.fault}"
        if self.trial.kind in ("correct", "equivalent"):
            return "" if self.accepted else f"it is correct, and fails {_list(self.failed)}"
        if self.accepted:
            return "it is wrong, and earns all points"
        if self.trial.kind == "mutant":
            return ""
        if self.failed != solution.failed:
            return f"it fails {_list(self.failed)}; expected: {_list(solution.failed)}"
        if not self.diagnosed:
            return f"it looks like {_list(self.diagnoses)}; expected: {solution.diagnosis!r}"
        return ""


@dataclass
class Exercise:
    """What became of all solutions of an exercise."""

    grade_id: str
    verdicts: list[Verdict] = field(default_factory=list)

    def of(self, *kinds: Kind) -> list[Verdict]:
        """The verdicts on solutions of these kinds."""
        return [one for one in self.verdicts if one.trial.kind in kinds]

    def summary(self) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
        """How many of how many: correct accepted, wrong caught, diagnoses right, named."""
        correct, wrong = self.of("correct", "equivalent"), self.of("wrong", "mutant")
        written = self.of("wrong")
        return (
            (sum(one.accepted for one in correct), len(correct)),
            (sum(not one.accepted for one in wrong), len(wrong)),
            (sum(one.diagnosed for one in written), len(written)),
            (sum(one.named for one in wrong), len(wrong)),
        )

    def problems(self) -> list[str]:
        """What is not as it must be, with the solution that shows it."""
        found = [
            f"{self.grade_id}: {one.trial.kind} {one.trial.solution.name!r}: {one.problem}"
            for one in sorted(self.verdicts, key=lambda one: one.trial.solution.name)
            if one.problem
        ]
        named, wrong = self.summary()[-1]
        if named < LEAST_NAMED * wrong:
            unnamed = [
                f"\n    {one.trial.solution.name!r}: {_list(one.diagnoses)}"
                for one in self.of("wrong", "mutant")
                if not one.named and not one.accepted
            ]
            found.append(
                f"{self.grade_id}: the mistake is named for {named} of {wrong} wrong solutions; "
                f"at least {LEAST_NAMED:.0%} are asked. Not named:{''.join(unnamed)}"
            )
        return found


def _list(names: frozenset[str]) -> str:
    return ", ".join(name if name else repr(name) for name in sorted(names)) or "nothing"


@dataclass
class Plan:
    """The solutions of an assignment's exercises that are to be tried."""

    course: Course
    assignment: str
    cells: Sequence[CodeCell]
    trials: Sequence[Trial]
    exercises: Sequence[Exercise]

    def verdicts(self, jobs: int) -> Iterator[Verdict]:
        """Try them, several at once; each verdict is kept with its exercise as well.

        Raises:
            GradingError: the graders cannot be collected or run.
        """
        homes = {exercise.grade_id: exercise for exercise in self.exercises}
        for verdict in examine(self.course, self.assignment, self.trials, self.cells, jobs):
            homes[verdict.trial.grade_id].verdicts.append(verdict)
            yield verdict


def plan_of(course: Course, assignment: str, exercise: str | None = None) -> Plan:
    """What is to be tried of an assignment, or of one exercise.

    Raises:
        CorpusError: a file of the corpus is missing or wrong.
    """
    paths = [
        course.folder("source", assignment) / f"{name}.ipynb"
        for name in course.notebooks(assignment)
    ]
    cells = [cell for path in paths for cell in read_code_cells(path)]
    corpora = read_all(course.root / course.settings.corpus, assignment)
    chosen = [one for one in corpora if exercise in (None, one.grade_id)]
    if not chosen:
        known = ", ".join(one.grade_id for one in corpora)
        raise CorpusError(f"no corpus for {exercise!r} in {assignment}: there are {known}")
    trials = [trial for corpus in chosen for trial in trials_of(corpus, cells)]
    return Plan(course, assignment, cells, trials, [Exercise(one.grade_id) for one in chosen])


def trials_of(corpus: Corpus, cells: Sequence[CodeCell]) -> list[Trial]:
    """All solutions of an exercise to be tried: the corpus, and the reference's mutants.

    Raises:
        CorpusError: there is no such exercise, its answer is no Python, or a mutant listed as
            equivalent is none.
    """
    place = _place(corpus.assignment, corpus.grade_id, cells)
    grade_id = corpus.grade_id
    found = [Trial(grade_id, "correct", one) for one in corpus.correct]
    found += [Trial(grade_id, "wrong", one) for one in corpus.wrong]
    try:
        made = mutants(cells[place].source)
    except SyntaxError as error:
        raise CorpusError(
            f"{corpus.assignment}: the answer of {grade_id!r} in the source notebook is no plain "
            f"Python, so no mutants can be made of it: {error}"
        ) from error
    unknown = corpus.equivalent.keys() - {mutant.name for mutant in made}
    if unknown:
        raise CorpusError(
            f"{corpus.assignment}/{grade_id}.toml: [equivalent] lists what is no mutant of the "
            f"solution: {'; '.join(sorted(unknown))}"
        )
    for mutant in made:
        kind: Kind = "equivalent" if mutant.name in corpus.equivalent else "mutant"
        found.append(Trial(grade_id, kind, Solution(mutant.name, mutant.code)))
    return found


def _place(assignment: str, grade_id: str, cells: Sequence[CodeCell]) -> int:
    """The index of the cell with an exercise's answer: the solution cell before its grade cell."""
    ids = [cell.grade_id for cell in cells]
    end = ids.index(grade_id) if grade_id in ids else 0
    places = [index for index, cell in enumerate(cells[:end]) if cell.solution]
    if not places:
        raise CorpusError(
            f"{assignment}/{grade_id}.toml: the source notebook has no grade cell {grade_id!r} "
            "with a solution cell before it"
        )
    return places[-1]


def notebook_with(trial: Trial, assignment: str, cells: Sequence[CodeCell]) -> list[CodeCell]:
    """The teacher's notebook up to the exercise, with a solution in the place of its answer.

    Only the exercise itself is graded.
    """
    place = _place(assignment, trial.grade_id, cells)
    end = [cell.grade_id for cell in cells].index(trial.grade_id)
    others = [replace(cell, grade_id=None) for cell in cells[:end]]
    others[place] = CodeCell(trial.solution.code, solution=True)
    return [*others, cells[end]]


def examine(
    course: Course, assignment: str, trials: Sequence[Trial], cells: Sequence[CodeCell], jobs: int
) -> Iterator[Verdict]:
    """Try solutions, several at once; verdicts come in the order of completion.

    Raises:
        GradingError: the graders cannot be collected or run.
    """
    free: SimpleQueue[GradingProcess] = SimpleQueue()
    processes = [GradingProcess(course.root, course.graders) for _ in range(jobs)]
    for process in processes:
        free.put(process)

    def judge(trial: Trial) -> Verdict:
        process = free.get()
        try:
            return _judge(course, assignment, trial, cells, process)
        finally:
            free.put(process)

    with ThreadPoolExecutor(jobs) as threads:
        try:
            running = [threads.submit(judge, trial) for trial in trials]
            for done in as_completed(running):
                yield done.result()
        finally:
            threads.shutdown(cancel_futures=True)
            for process in processes:
                process.stop()


def _judge(
    course: Course,
    assignment: str,
    trial: Trial,
    cells: Sequence[CodeCell],
    process: GradingProcess,
) -> Verdict:
    graded = process.grade(
        assignment,
        notebook_with(trial, assignment, cells),
        course.settings.limits(assignment),
        seed=public_seed(assignment, trial.solution.name),
        language=course.settings.language,
        allow_unsafe=True,  # the teacher's own solutions
    )
    checks = [check for result in graded.results for check in result.checks]
    lost = [check for check in checks if check.status != "passed"]
    return Verdict(
        trial,
        frozenset(check.node_id.rpartition("::")[2] for check in lost),
        frozenset(map(_diagnosis, lost)),
        "; ".join(check.detail for check in checks if check.status == "fault"),
        checks,
    )


def _diagnosis(check: CheckResult) -> str:
    return NOT_ATTEMPTED if check.status == "not attempted" else check.diagnosis
