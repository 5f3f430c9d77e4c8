"""What ``grade``, ``feedback`` and ``show`` do with submissions, and how they tell it."""

import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from shlex import quote
from typing import Any, Final

from rich.text import Text

from autograder import doctor, pool
from autograder.bridge.course import Course, CourseError, GradebookError, Summary
from autograder.bridge.scores import read_scores
from autograder.bridge.scratch import scratch_course
from autograder.bridge.strays import strays
from autograder.changes import Autograded, Changes, compare
from autograder.cli.base import (
    Number,
    Table,
    answer,
    console,
    errors,
    print_error,
    print_line,
    print_warning,
)
from autograder.cli.stale import listed, warn_of_changed, warn_of_source
from autograder.cli.status import Status
from autograder.doctor.course import require_engine
from autograder.grading.results import CheckResult
from autograder.plain import first_of, one_line
from autograder.progress import Shown

_NAMED: Final = 5
"""So many names of students or files are told."""
_FINISHES: Final = "stopping when what runs is finished; Ctrl-C again ends at once"
_GOES_ON: Final = "the workers go on"
_DOING: Final[dict[pool.Work, str]] = {"grade": "grading", "feedback": "feedback"}


def tasks_of(
    course: Course, chosen: list[str], student: str | None, force: bool = False
) -> list[pool.Task]:
    """The submissions of the assignments that were chosen, or only a student's.

    Raises:
        CourseError: there are none.
    """
    tasks = [
        pool.Task(name, one, force)
        for name in chosen
        for one in course.students(name)
        if student in (None, one)
    ]
    if not tasks:
        if student is not None:
            require_handed_in(course, chosen, student)
        folder = course.folder("submitted", chosen[0], student or "STUDENT")
        raise CourseError(f"no submissions: put them into {folder}")
    return tasks


def require_handed_in(course: Course, chosen: Sequence[str], student: str) -> None:
    """Make sure that a student handed one of the assignments in, unless nobody has.

    Raises:
        CourseError: others have; with some of them, those first whose id is the most alike.
    """
    known = {one for name in chosen for one in course.students(name)}
    if student in known or not known:
        return
    nearest = sorted(known, key=lambda one: (-_likeness(student, one), one))
    raise CourseError(
        f"no student {student!r} has handed in {' or '.join(chosen)}; there are "
        f"{first_of([one_line(name) for name in nearest], _NAMED)}"
    )


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.casefold(), other.casefold()).ratio()


def warn_of_strays(course: Course) -> None:
    """Say which notebooks lie where nothing looks for them."""
    if not (found := strays(course)):
        return
    print_warning(
        f"not looked at: {first_of(found, _NAMED)}; a notebook should lie in "
        f"{course.folder('submitted', 'ASSIGNMENT', 'STUDENT')}"
    )


@dataclass
class _Followed:
    """What became of a command's tasks."""

    total: int
    done: list[Summary] = field(default_factory=list)
    failure: Exception | None = None
    """Why the rest was not done, if not for a signal."""
    at_once: bool = False
    """Whether the second Ctrl-C ended it."""

    @property
    def left(self) -> int:
        """How many were not done."""
        return self.total - len(self.done)

    @property
    def failed(self) -> list[Summary]:
        """Those that could not be done."""
        return [one for one in self.done if one.error]


def _do(
    work: pool.Work, course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping
) -> _Followed:
    """Do the tasks on this machine; a signal or a failure ends it early."""
    summaries = pool.run(work, course, tasks, jobs, stopping)
    with Shown(_DOING[work], len(tasks), jobs, errors) as shown:
        return _follow(summaries, len(tasks), shown, stopping, _FINISHES)


def _follow(
    summaries: Generator[Summary | None, None, None],
    total: int,
    shown: Shown,
    stopping: pool.Stopping,
    stopped: str,
) -> _Followed:
    """Show how far it is; a signal or a failure ends it early, and ``stopped`` is then said."""
    followed = _Followed(total)
    said = False
    with closing(summaries):
        try:
            for summary in summaries:
                if stopping() and not said:
                    said = True
                    shown.stopping(stopped)
                if summary is None:
                    shown.tick()
                else:
                    followed.done.append(summary)
                    shown.done(_name_of(summary), quick=summary.skipped)
        except (GradebookError, pool.PoolError) as error:
            followed.failure = error
        except KeyboardInterrupt:
            followed.at_once = True
    followed.done.sort(key=lambda one: (one.assignment, one.student))
    return followed


def _name_of(summary: Summary) -> str:
    return f"{summary.assignment}/{summary.student}"


def _end_early(followed: _Followed, goes_on: bool = False) -> None:
    """End the command if something is left to do, and say how to go on."""
    if not followed.left:
        return
    if followed.failure is not None:
        print_error(followed.failure)
    next_time = "goes on there" if goes_on else "begins anew"
    print_warning(
        f"stopped; {followed.left} of {followed.total} submissions are left: "
        f"the same command {next_time}"
    )
    sys.exit(Status.FAILED if followed.failure is not None else Status.INTERRUPTED)


def _warn_of_source(course: Course, tasks: list[pool.Task], followed: _Followed) -> None:
    """Say what waits for a release, unless there are other worries."""
    if followed.failure is None and not followed.at_once:
        warn_of_source(course, sorted({task.assignment for task in tasks}))


def _how_far(followed: _Followed) -> dict[str, Any]:
    """For scripts: what is left, and what kept it from being done."""
    failure = followed.failure
    return {"left": followed.left, "stopped_by": None if failure is None else str(failure)}


def _require_safety(course: Course, tasks: list[pool.Task]) -> list[str]:
    """One error now rather than one for each submission; the walls that are missing."""
    require_engine(course)
    course.require_gradebook({task.assignment for task in tasks})
    course.settings.secret()
    return doctor.require_walls(course.settings.allow_unsafe)


def _warn_of_missing_walls(lacking: Sequence[str]) -> None:
    """Say what was not around submissions, if anything."""
    if lacking:
        print_warning(
            f"UNSAFE: graded without {', '.join(lacking)}; "
            "a submission could have read or changed what this user can",
            strong=True,
        )


# Grading


def grade(course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping) -> None:
    """Grade, and tell the scores; ends the command where something was not graded."""
    lacking = _require_safety(course, tasks)
    followed = _do("grade", course, tasks, jobs, stopping)
    _tell_scores(followed, lacking)
    _warn_of_source(course, tasks, followed)
    _end_early(followed, goes_on=not any(task.force for task in tasks))
    _end_with_failures(followed)


def _tell_scores(followed: _Followed, lacking: Sequence[str]) -> None:
    if followed.done and not followed.at_once:
        _print_scores(followed.done)
    _warn_of_missing_walls(lacking)
    answer(
        {
            "submissions": [_score_of(one) for one in followed.done],
            "mean": _mean(followed.done),
            "missing_walls": list(lacking),
            **_how_far(followed),
        }
    )


def _end_with_failures(followed: _Followed) -> None:
    if followed.failed:
        print_error("some submissions were not graded; see the table")
        sys.exit(Status.FAILED)


def grade_elsewhere(
    course: Course, tasks: list[pool.Task], db: str, stopping: pool.Stopping, *, attach: bool
) -> None:
    """Have workers grade, and tell the scores; ends the command where something was not graded.

    Args:
        course: the course.
        tasks: what to queue; nothing with ``attach``.
        db: the URL of the queue's database.
        stopping: ends the following; the workers go on.
        attach: only follow what is queued.
    """
    from autograder.workers import remote  # needs what only the extra `workers` installs

    require_engine(course)
    course.require_gradebook({task.assignment for task in tasks})
    opened = remote.open_for(course, db)
    total = remote.attach(opened) if attach else len(tasks)
    if not total:
        raise CourseError("nothing of this course is queued, or waits to be collected")
    with Shown(_DOING["grade"], total, 1, errors) as shown:
        summaries = (
            remote.follow(opened, stopping, print_warning)
            if attach
            else remote.run(opened, tasks, stopping, print_warning)
        )
        followed = _follow(summaries, total, shown, stopping, _GOES_ON)
    _tell_scores(followed, [])
    if followed.left and followed.failure is None:
        print_warning(
            f"{followed.left} of {followed.total} submissions are not graded yet: the workers go "
            "on with what is queued, which `autograder grade --db URL --attach` follows; the same "
            "command queues the rest"
        )
        sys.exit(Status.INTERRUPTED)
    _end_early(followed, goes_on=True)
    _end_with_failures(followed)


def _score_of(summary: Summary) -> dict[str, Any]:
    return {
        "assignment": summary.assignment,
        "student": summary.student,
        "graded": not summary.error,
        "score": None if summary.error else summary.score,
        "max_score": None if summary.error else summary.max_score,
        "unchanged": summary.skipped,
        "needs_person": summary.needs_person,
        "problem": summary.problem,
        "notes": summary.notes,
        "faults": summary.faults,
        "error": summary.error,
    }


def _mean(done: Sequence[Summary]) -> float | None:
    scores = [one.score for one in done if not one.error]
    return sum(scores) / len(scores) if scores else None


def _print_scores(done: list[Summary]) -> None:
    """A table of scores, with what a teacher should look at."""
    table = Table("assignment", "student", Number("score"), Number("of"), "look at")
    for one in done:
        score = "–" if one.error else f"{one.score:g}"
        table.add(one.assignment, one.student, score, f"{one.max_score:g}", _remarks(one))
    console.print(table)
    _print_faults(done)
    graded, mean = [one for one in done if not one.error], _mean(done)
    print_line(
        f"{len(graded)} of {len(done)} submissions graded, mean "
        f"{'–' if mean is None else f'{mean:.1f}'} points; "
        f"{sum(bool(one.problem) for one in done)} unreadable or missing, "
        f"{sum(bool(one.faults) for one in done)} with grader faults, "
        f"{sum(one.needs_person for one in done)} need a person"
    )


def _print_faults(done: list[Summary]) -> None:
    """Each fault of graders once, with those whose scores it touches."""
    touched: dict[str, dict[str, None]] = {}
    for one in done:
        for fault in one.faults:
            touched.setdefault(fault, {})[_name_of(one)] = None
    for fault, names in touched.items():
        print_warning(f"grader fault, of {listed([*names])}: {fault}")


def _remarks(summary: Summary) -> Text:
    told = [
        *([Text.assemble(("NOT GRADED", "red"), f" {summary.error}")] if summary.error else []),
        *(
            [Text.assemble(("unreadable", "yellow"), f" {summary.problem}")]
            if summary.problem
            else []
        ),
        *([Text("grader fault", "magenta")] if summary.faults else []),
        *([Text("needs a person", "magenta")] if summary.needs_person else []),
        *map(Text, summary.notes),
        *([Text("unchanged", "dim")] if summary.skipped else []),
    ]
    return Text("\n").join(told)


# What grading again would change


def show_changes(
    course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping
) -> None:
    """Grade in a copy of the course what is not as it would be graded now, and compare."""
    _warn_of_missing_walls(lacking := _require_safety(course, tasks))
    left = [
        task for task in tasks if task.force or not course.is_current(task.assignment, task.student)
    ]
    with scratch_course(course) as scratch:
        followed = _do("grade", scratch, left, jobs, stopping)
        changes = compare(course, scratch, followed.done)
    current = len(tasks) - len(left)
    _print_changes(changes, current)
    _warn_of_source(course, tasks, followed)
    answer(
        {
            "changes": [asdict(one) for one in changes.changes],
            "graded": changes.graded - len(changes.errors),
            "current": current,
            "failed": [_failure_of(one) for one in changes.errors],
            "missing_walls": lacking,
            **_how_far(followed),
        }
    )
    _end_early(followed)
    if changes.errors:
        sys.exit(Status.FAILED)


def _failure_of(summary: Summary) -> dict[str, str]:
    return {
        "assignment": summary.assignment,
        "student": summary.student,
        "error": summary.error,
    }


def _print_failures(failed: Sequence[Summary]) -> None:
    for summary in failed:
        print_error(f"{_name_of(summary)}: {summary.error}")


def _print_changes(changes: Changes, current: int) -> None:
    """A table of scores that would change, and why."""
    if changes.changes:
        table = Table("assignment", "student", "exercise", Number("now"), Number("then"), "why")
        for one in changes.changes:
            before = "–" if one.before is None else f"{one.before:g}"
            why = "\n".join((*one.checks, *one.why))
            table.add(one.assignment, one.student, one.grade_id, before, f"{one.after:g}", why)
        console.print(table)
    _print_failures(changes.errors)
    print_line(
        f"{len(changes.students)} submissions would earn other points, of "
        f"{changes.graded - len(changes.errors)} that were graded again to see; {current} are "
        "unchanged. Nothing was written: the same command without --diff applies it"
    )


# Feedback


def write_feedback(
    course: Course, tasks: list[pool.Task], jobs: int, stopping: pool.Stopping
) -> None:
    """Write pages of feedback; ends the command where one could not be written."""
    followed = _do("feedback", course, tasks, jobs, stopping)
    _print_failures(followed.failed)
    folder = course.root / course.directory.feedback_directory
    print_line(f"feedback: {folder}/STUDENT/ASSIGNMENT/")
    if not followed.at_once:
        _warn_of_changed(course, tasks)
    answer(
        {
            "folder": str(folder),
            "submissions": [
                {
                    "assignment": one.assignment,
                    "student": one.student,
                    "folder": _written_to(course, one),
                }
                for one in followed.done
                if not one.error
            ],
            "failed": [_failure_of(one) for one in followed.failed],
            **_how_far(followed),
        }
    )
    _end_early(followed)
    if followed.failed:
        sys.exit(Status.FAILED)


def _warn_of_changed(course: Course, tasks: list[pool.Task]) -> None:
    names, students = (
        {getattr(task, what) for task in tasks} for what in ("assignment", "student")
    )
    warn_of_changed(course, sorted(names), students.pop() if len(students) == 1 else None)


def _written_to(course: Course, summary: Summary) -> str | None:
    """The folder of a submission's pages; None where it has none, since it is not graded."""
    folder = course.folder("feedback", summary.assignment, summary.student)
    return str(folder) if any(folder.glob("*.html")) else None


# One submission in full


def show(course: Course, assignment: str, student: str) -> None:
    """Tell all that is known of a graded submission.

    Raises:
        CourseError: it is not graded.
    """
    folder = course.folder("autograded", assignment, student)
    found = Autograded.read(folder)
    if not found.made_by:
        require_handed_in(course, [assignment], student)
        raise CourseError(
            f"nothing graded in {folder}: run "
            f"`autograder grade {quote(assignment)} --student {quote(student)}`"
        )
    scores = course.scores(assignment, [student]).get(student, {})
    others = {
        name: grade
        for (_, name), grade in read_scores(course, assignment).grades.get(student, {}).items()
        if name not in found.checks
    }
    scores |= {name: grade.score for name, grade in others.items()}
    exercises = {**found.checks, **dict.fromkeys(others, ())}
    for grade_id, checks in exercises.items():
        score = scores.get(grade_id, 0)
        print_line(f"{grade_id}: {score:g} point{'' if score == 1 else 's'}", "bold")
        lines = [line for check in checks for line in _lines_of(check)]
        if grade_id in others:
            lines = ["awaits a person" if others[grade_id].awaits_person else "no hidden checks"]
        for line in lines:
            print_line(f"  {line}")
    print_line("made by", "bold")
    for notebook, made_by in found.made_by.items():
        print_line(f"  {notebook}")
        for what, version in made_by.items():
            print_line(f"    {what}: {version}")
    answer(
        {
            "assignment": assignment,
            "student": student,
            "exercises": [
                {
                    "grade_id": grade_id,
                    "score": scores.get(grade_id, 0.0),
                    "checks": [asdict(check) for check in checks],
                }
                for grade_id, checks in exercises.items()
            ],
            "made_by": found.made_by,
        }
    )


def _lines_of(check: CheckResult) -> list[str]:
    named = f" [{check.diagnosis}]" if check.diagnosis else ""
    lines = [f"{check.status}{named}: {check.title}", check.message, check.hint]
    return [line for line in (*lines, *check.detail.splitlines()) if line]
