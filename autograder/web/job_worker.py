"""The process that does one work of ``jobs``: ``python -m autograder.web.job_worker COURSE``.

It reads one JSON object on its standard input, and writes lines of JSON: ``done`` and ``total``
now and then, at the end ``result`` or ``error``. It is one of its own because grading in a copy of
the course changes the working directory, and draws on what pages need to be quick.
"""

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder import doctor, pool
from autograder.bridge.course import Course, CourseError, Summary
from autograder.bridge.scratch import scratch_course
from autograder.changes import Changes, compare
from autograder.runner import linux
from autograder.runner.warm import WarmProcessError

_NICENESS: Final = 10
Say = Callable[..., None]


def main(root: Path) -> None:
    """Do what standard input asks for."""
    linux.die_with_parent()
    os.nice(_NICENESS)
    order = json.load(sys.stdin)
    output, sys.stdout = sys.stdout, sys.stderr

    def say(**facts: object) -> None:
        print(json.dumps(facts), file=output, flush=True)

    try:
        with pool.Stopping() as stopping:
            course = Course(root)
            if order["allow_unsafe"]:
                course.allow_unsafe()
            say(result=_KINDS[order["kind"]](course, order, say, stopping))
    except (CourseError, WarmProcessError, pool.PoolError, OSError) as error:
        say(error=str(error))


def _changes(
    course: Course, order: dict[str, Any], say: Say, stopping: pool.Stopping
) -> dict[str, Any]:
    """What grading again would change."""
    assignment = order["assignment"]
    chosen = None if order["students"] is None else set(order["students"])
    students = [one for one in course.students(assignment) if chosen is None or one in chosen]
    course.require_gradebook({assignment})
    course.settings.secret()
    doctor.require_walls(course.settings.allow_unsafe)
    left = [
        pool.Task(assignment, one) for one in students if not course.is_current(assignment, one)
    ]
    say(done=0, total=len(left))
    done: list[Summary] = []
    with scratch_course(course) as scratch:
        with closing(pool.run("grade", scratch, left, order["jobs"], stopping)) as summaries:
            for summary in summaries:
                if summary is not None:
                    done.append(summary)
                    say(done=len(done))
        if len(done) < len(left):
            raise CourseError(f"stopped; {len(left) - len(done)} of {len(left)} were left")
        found = compare(course, scratch, done)
    return _told(found, len(students) - len(left))


def _told(found: Changes, current: int) -> dict[str, Any]:
    return {
        "changes": [
            {
                "student": one.student,
                "exercise": one.grade_id,
                "before": one.before,
                "after": one.after,
                "why": [*one.checks, *one.why],
            }
            for one in found.changes
        ],
        "errors": [{"student": one.student, "error": one.error} for one in found.errors],
        "students": len(found.students),
        "graded": found.graded - len(found.errors),
        "current": current,
    }


def _statistics(
    course: Course, order: dict[str, Any], say: Say, stopping: pool.Stopping
) -> dict[str, Any]:
    """The report, as a page."""
    from autograder.report.analysis import analyse
    from autograder.report.data import read_class
    from autograder.report.page import render

    data = read_class(course, order["assignment"])
    if order["students"] is not None:
        chosen = set(order["students"])
        data.submissions = [one for one in data.submissions if one.student in chosen]
    report = analyse(data, with_code=True)
    return {"page": render(report), "graded": report.graded, "students": len(report.students)}


_KINDS: Final = {"changes": _changes, "statistics": _statistics}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
