"""A class's work, taken from an export and matched to students: what is taken, and what is not."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course, CourseError
from autograder.bridge.students import add_students, read_students
from autograder.classwork.archive import Member, members_of
from autograder.classwork.choosing import HandIn
from autograder.classwork.gathering import Work, gather
from autograder.classwork.layouts import Task
from autograder.classwork.matching import How, Matcher
from autograder.classwork.names import shown
from autograder.classwork.roster import SAFE_ID, Person, Roster, of_file, of_gradebook
from autograder.classwork.settling import Settled, read_map
from autograder.classwork.writing import Outcome, Taken, Writer, workplace

_NUMBERS_CHANGE: Final = (
    "Moodle gives a student another number in each assignment, so without names in the gradebook "
    "the ids are other ones each time: give the class with --roster"
)


@dataclass
class Received:
    """What became of one student's hand-in."""

    student: str
    outcome: Outcome
    files: list[str] = field(default_factory=list)
    """What is stored now."""
    notes: list[str] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)
    """What the export calls it."""
    how: How = "no roster"
    """By what the student was found."""
    late: bool | None = None
    """None: nothing says."""


@dataclass
class Unmatched:
    """What was not taken, since it is not known whose it is."""

    entry: str
    reason: str
    candidates: tuple[Person, ...] = ()
    is_work: bool = True
    """Whether a teacher can say whose it is."""


@dataclass
class Report:
    """What became of an export."""

    received: list[Received] = field(default_factory=list)
    unmatched: list[Unmatched] = field(default_factory=list)
    missing: list[Person] = field(default_factory=list)
    """Students of the roster of whom there is nothing, neither here nor from before."""
    left_out: list[str] = field(default_factory=list)
    """What a teacher said is nobody's."""
    roster: Roster | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left behind that somebody should look at."""
        return not self.unmatched and all(one.outcome != "refused" for one in self.received)


@dataclass
class _Found:
    """Whose a hand-in is."""

    how: How
    works: list[Work] = field(default_factory=list)


def import_work(
    course: Course,
    assignment: str,
    path: Path,
    *,
    roster: Path | None = None,
    said: Path | None = None,
    replacing: bool = False,
    dry_run: bool = False,
) -> Report:
    """Put a class's work, an archive or a folder, below ``submitted``.

    Args:
        course: the course.
        assignment: which assignment it is of.
        path: what an LMS exported, or a folder of notebooks.
        roster: a list of the class; without it the gradebook's students are the class.
        said: a list of whose files are.
        replacing: take what is there already anew.
        dry_run: say the same and write nothing.

    Raises:
        CourseError: nothing can be imported at all: no such assignment, no whole archive, no list.
    """
    course.require(assignment)
    known = read_students(course)
    people = of_gradebook(known) if roster is None else of_file(roster, known)
    task = Task(assignment, course.notebooks(assignment), with_roster=people is not None)
    matcher = None if people is None else Matcher(people, task)
    settled = None if said is None else read_map(said, matcher)
    report = Report(roster=people)
    with members_of(course, path, [one for one in (roster, said) if one]) as members:
        found = _matched(members, task, matcher, settled, report)
        if not found and not report.unmatched and not report.left_out:
            raise CourseError(f"{path} holds no submissions")
        with workplace(course, dry_run) as place:
            if people is not None and people.new and not dry_run:
                add_students(course, people.new)
            writer = Writer(course, assignment, replacing, place)
            listed = {one.student: one for one in people.people} if people else {}
            report.received = [
                _received(writer, student, one, listed.get(student))
                for student, one in sorted(found.items())
            ]
    _conclude(course, assignment, found, report)
    return report


def _matched(
    members: Sequence[Member],
    task: Task,
    matcher: Matcher | None,
    settled: Settled | None,
    report: Report,
) -> dict[str, _Found]:
    """What each student handed in; the report gets what cannot be told."""
    works, strays = gather(members, task, matcher.is_student if matcher else lambda name: False)
    report.unmatched += [Unmatched(one.entry, one.reason, is_work=False) for one in strays]
    found: dict[str, _Found] = {}
    if matcher is not None:
        matcher.look([work.sender for work in works])
    for work in works:
        students = None if settled is None else settled.students_of(work)
        how: How = "map"
        if students is None and matcher is None:
            students, how = [work.sender.student], "no roster"
        elif students is None and matcher is not None:
            match = matcher.match(work.sender)
            if match.person is None:
                report.unmatched.append(Unmatched(work.entries[0], match.reason, match.candidates))
                continue
            students, how = [match.person.student], match.how
        elif not students:
            report.left_out += work.entries
        for student in students or ():
            found.setdefault(student, _Found(how)).works.append(work)
    if settled is not None:
        settled.require_used()
    return found


def _received(writer: Writer, student: str, found: _Found, listed: Person | None) -> Received:
    if SAFE_ID.fullmatch(student):
        is_known = found.how != "no roster"
        taken = writer.take(HandIn(student, found.works, is_known))
    else:
        taken = Taken("refused", notes=["this id cannot be a folder's name: give another one"])
    return Received(
        student,
        taken.outcome,
        taken.files,
        taken.notes,
        [shown(entry) for work in found.works for entry in work.entries],
        found.how,
        _is_late(found.works, listed),
    )


def _is_late(works: Sequence[Work], listed: Person | None) -> bool | None:
    """What the export says, or else the list of the class."""
    said = [work.late for work in works if work.late is not None]
    if said:
        return any(said)
    return None if listed is None else listed.late


def _conclude(course: Course, assignment: str, found: dict[str, _Found], report: Report) -> None:
    """Note who is missing, and what else a teacher should know."""
    if report.roster is None:
        if any(work.sender.layout == "Moodle" for one in found.values() for work in one.works):
            report.notes.append(_NUMBERS_CHANGE)
        return
    report.notes += report.roster.notes
    report.missing = [
        one
        for one in report.roster.people
        if one.student not in found
        and not os.path.lexists(course.folder("submitted", assignment, one.student))
    ]
