"""A teacher sees the class, releases grades to the LMS, gives more time and grades again."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, update

from autograder.bridge.course import CourseError, GradebookError
from autograder.bridge.handin import mark
from autograder.bridge.totals import Totals, read_totals
from autograder.lms.database import reading, writing
from autograder.lms.gradefiles.files import grade_file
from autograder.lms.gradefiles.rows import rows_of
from autograder.lms.handins import attempts
from autograder.lms.handins.grades import ReleaseReport, Row, class_table, extend, regrade, release
from autograder.lms.schema import (
    Audit,
    Context,
    Delivery,
    Enrolment,
    Identity,
    Link,
    Released,
    Submission,
)
from autograder.lms.services.ags import Answer, Result, Score
from autograder.lms.services.outbox import Outbox
from tests.lms.platforms import Platform
from tests.lms.small_class import DEADLINE, World, make_world


@pytest.fixture
def world(template: Path, tmp_path: Path, engine: Engine) -> World:
    return make_world(template, tmp_path / "course", engine)


def released(world: World, *students: str) -> ReleaseReport:
    return release(
        world.engine,
        world.course,
        world.settings,
        "one",
        list(students) or None,
        actor="prof",
        clock=world.clock,
    )


def sent(world: World) -> dict[str, tuple[float, float]]:
    """What is on its way to the LMS: the score of each user, and its maximum."""
    return {row.user: (row.given, row.maximum) for row in world.all_of(Delivery)}


def in_class(world: World, student: str) -> Row:
    return {row.student: row for row in class_table(world.engine, world.course, "one")}[student]


def graded(world: World, **points: float) -> None:
    """Enrol students, and have their work graded."""
    world.enrol(*points)
    for student, x in points.items():
        world.hand_in(student, x)
    world.grade_here()


# Releasing


def test_a_released_grade_is_shown_and_sent(world: World) -> None:
    graded(world, ana=7, luis=4)
    report = released(world)
    assert (report.released, report.queued) == (["ana", "luis"], 2)
    assert sent(world) == {"sub-ana": (7.0, 10.0), "sub-luis": (4.0, 10.0)}
    rows = {row.student: row for row in world.all_of(Released)}
    assert (rows["ana"].score, rows["ana"].maximum) == (7.0, 10.0)
    assert rows["ana"].submission_id == world.rows("ana")[0].id
    assert [(row.actor, row.action, row.student, row.before, row.after) for row in audit(world)][
        -2:
    ] == [("prof", "release", "ana", "", "7/10"), ("prof", "release", "luis", "", "4/10")]


def audit(world: World) -> Sequence[Audit]:
    return world.all_of(Audit)


def test_a_released_grade_arrives_in_the_lms(world: World) -> None:
    graded(world, ana=7)
    released(world)
    platform = Platform()

    class Service:
        def post(self, line_item: str, score: Score) -> Answer:
            return platform.take(line_item, score)

        def results(self, line_item: str, user: str) -> Sequence[Result]:
            return platform.results(line_item, user)

        def drop_token(self) -> None:
            pass

    Outbox(world.engine, lambda _registration: Service(), world.clock).deliver()
    assert platform.scores["https://lms.invalid/items/1", "sub-ana"].given == 7.0
    assert in_class(world, "ana").delivery == "delivered"


def test_what_is_unchanged_is_not_sent_again_and_what_is_changed_is(world: World) -> None:
    graded(world, ana=7, luis=4)
    released(world)
    world.give_by_hand("ana", 9)
    report = released(world)
    assert (report.released, report.unchanged, report.queued) == (["ana"], ["luis"], 1)
    releases = {row.user: row.release for row in world.all_of(Delivery)}
    assert releases == {"sub-ana": 2, "sub-luis": 1}
    assert sent(world)["sub-ana"] == (9.0, 10.0)
    assert [row.before for row in audit(world) if row.action == "release"] == ["", "", "7/10"]
    assert world.rows("ana")[0].score == 9.0, "the student sees it as well"


def test_a_score_that_the_lms_refused_is_sent_again_when_it_is_released_again(
    world: World,
) -> None:
    graded(world, ana=7)
    released(world)
    with writing(world.engine) as session:
        session.execute(update(Delivery).values(state="stopped", error="422: no user"))
    assert in_class(world, "ana").delivery_error == "422: no user"
    assert released(world).queued == 1
    assert in_class(world, "ana").delivery == "due"


def test_a_line_item_that_comes_later_gets_the_score_then(world: World) -> None:
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.execute(update(Link).values(line_item=""))
    assert released(world).queued == 0 and sent(world) == {}
    with writing(world.engine) as session:
        session.execute(update(Link).values(line_item="https://lms.invalid/items/2"))
    report = released(world)
    assert (report.unchanged, report.queued) == (["ana"], 1)


def test_a_student_in_two_courses_of_the_lms_gets_the_score_in_both(world: World) -> None:
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.add(Context(id=2, registration_id=1, deployment="1", context="other"))
        session.flush()
        session.add(Link(context_id=2, resource_link="l", assignment="one", line_item="https://b"))
        session.add(Enrolment(context_id=2, identity_id=1, role="student"))
    assert released(world).queued == 2
    assert {row.line_item for row in world.all_of(Delivery)} == {
        "https://lms.invalid/items/1",
        "https://b",
    }


@pytest.mark.parametrize(("role", "active"), [("student", False), ("teacher", True)])
def test_nothing_is_sent_for_who_is_no_student_of_the_course_any_more(
    world: World, role: str, active: bool
) -> None:
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.execute(update(Enrolment).values(role=role, active=active))
    report = released(world)
    assert (report.released, report.queued) == (["ana"], 0)
    assert not in_class(world, "ana").on_roster


def test_more_points_than_the_maximum_and_less_than_none_are_released_as_they_can_be(
    world: World,
) -> None:
    graded(world, ana=7, luis=4)
    with world.course.gradebook() as gradebook:
        gradebook.find_grade("check", "one", "one", "ana").extra_credit = 5
        gradebook.find_grade("check", "one", "one", "luis").manual_score = -3
        gradebook.db.commit()
    released(world)
    assert sent(world) == {"sub-ana": (12.0, 10.0), "sub-luis": (0.0, 10.0)}


def test_the_penalty_is_in_the_score_and_said_in_the_comment(world: World) -> None:
    world.set_deadline()
    world.rules(url="https://grader.example")
    world.clock.now = DEADLINE + 3600
    graded(world, ana=7)
    released(world)
    (row,) = world.all_of(Delivery)
    assert row.given == 6.0
    assert row.comment == (
        "Points taken for being late: 1. Feedback: https://grader.example/assignments/one"
    )


# What is not released


def test_a_grade_is_not_released_while_the_next_attempt_is_graded(world: World) -> None:
    graded(world, ana=7, luis=4)
    world.hand_in("ana", 2)
    report = released(world)
    assert (report.released, report.waiting) == (["luis"], ["ana"])
    assert set(sent(world)) == {"sub-luis"}
    world.grade_here()
    assert released(world).released == ["ana"]
    assert sent(world)["sub-ana"] == (2.0, 10.0)


def test_a_grade_is_not_released_while_the_gradebook_has_another_attempt(world: World) -> None:
    """The best one is to be put back: the gradebook's points are of a worse one."""
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.execute(update(Submission).values(in_gradebook=False))
    assert released(world).waiting == ["ana"] and sent(world) == {}


def test_a_grade_is_not_released_if_another_one_is_graded_while_the_gradebook_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    graded(world, ana=7)

    def slowly(*arguments: Any, **options: Any) -> Totals:
        found = read_totals(*arguments, **options)
        monkeypatch.undo()
        world.hand_in("ana", 2)
        world.grade_here()
        return found

    monkeypatch.setattr("autograder.lms.handins.grades.read_totals", slowly)
    assert released(world).waiting == ["ana"] and sent(world) == {}


def test_who_needs_a_person_is_released_only_by_name(world: World) -> None:
    graded(world, ana=7, luis=4)
    with world.course.gradebook() as gradebook:
        gradebook.find_grade("check", "one", "one", "ana").needs_manual_grade = True
        gradebook.db.commit()
    report = released(world)
    assert (report.released, report.needs_person) == (["luis"], ["ana"])
    assert in_class(world, "ana").needs_person
    assert released(world, "ana").released == ["ana"]


def test_what_failed_has_no_grade(world: World) -> None:
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.execute(
            update(Submission).values(
                state="failed", error="it broke", score=None, counts=False, in_gradebook=False
            )
        )
    assert released(world).no_grade == ["ana"]
    row = in_class(world, "ana")
    assert (row.state, row.error, row.score) == ("failed", "it broke", None)


def test_nobody_is_released_whom_nobody_knows(world: World) -> None:
    graded(world, ana=7)
    assert released(world, "nobody").no_grade == ["nobody"]


def test_an_assignment_without_points_is_one_clear_error(world: World) -> None:
    graded(world, ana=7)
    with sqlite3.connect(world.root / "gradebook.db") as base:
        base.execute("UPDATE grade_cells SET max_score = 0")
    with pytest.raises(CourseError, match="no points can be had in 'one'"):
        released(world)


def test_a_gradebook_that_cannot_be_read_is_one_clear_error(world: World) -> None:
    with pytest.raises(CourseError, match="run `autograder release three`"):
        release(
            world.engine, world.course, world.settings, "three", actor="prof", clock=world.clock
        )
    lock = sqlite3.connect(world.root / "gradebook.db")
    lock.execute("BEGIN EXCLUSIVE")
    with pytest.raises(GradebookError, match="locked by another program"):
        released(world)
    lock.close()


# Work that came by another way


def test_work_that_came_by_another_way_is_shown_and_released(world: World) -> None:
    world.set_deadline()
    world.enrol("ana")
    world.by_command("ana", 8)
    row = in_class(world, "ana")
    assert (row.state, row.score, row.attempts, row.submission) == ("graded", 7.0, 0, None)
    assert (row.received, row.late_seconds) == (DEADLINE + 3600, 3600.0)
    report = released(world)
    assert (report.released, report.queued) == (["ana"], 1)
    assert sent(world) == {"sub-ana": (7.0, 10.0)}
    assert world.all_of(Released)[0].submission_id is None


def test_work_of_somebody_whom_the_lms_does_not_know_is_shown_and_kept(world: World) -> None:
    world.by_command("zoe", 8)
    assert released(world).not_in_lms == ["zoe"]
    row = in_class(world, "zoe")
    assert (row.score, row.on_roster, row.released) == (8.0, False, None)


def test_a_row_of_the_gradebook_in_which_nothing_was_graded_is_no_grade(world: World) -> None:
    """formgrader makes one of 0 points for whoever is looked at."""
    world.enrol("ana")
    with world.course.gradebook() as gradebook:
        gradebook.update_or_create_student("ana")
        gradebook.update_or_create_submission("one", "ana")
    assert released(world).no_grade == ["ana"]
    assert in_class(world, "ana").state is None and in_class(world, "ana").score is None


def test_a_command_that_grades_anew_is_seen_and_its_page_is_written_again(world: World) -> None:
    graded(world, ana=7)
    (world.root / "more").write_text("2")
    world.course.autograde("one", "ana", force=True)
    assert in_class(world, "ana").score == 9.0
    released(world)
    assert world.rows("ana")[0].feedback_due and sent(world) == {"sub-ana": (9.0, 10.0)}


# The class


def test_the_class_has_all_of_the_roster_and_all_who_handed_in(world: World) -> None:
    graded(world, ana=7)
    world.enrol("eva", "luis")
    world.hand_in("luis", 4)
    rows = class_table(world.engine, world.course, "one")
    assert [(row.student, row.state, row.attempts, row.score) for row in rows] == [
        ("ana", "graded", 1, 7.0),
        ("eva", None, 0, None),
        ("luis", "received", 1, None),
    ]
    assert [row.name for row in rows] == ["Name of ana", "Name of eva", "Name of luis"]
    assert all(row.on_roster and row.maximum == 10.0 for row in rows)


def test_who_has_left_stays_with_the_work_and_who_had_none_goes(world: World) -> None:
    graded(world, ana=7)
    world.enrol("eva")
    with writing(world.engine) as session:
        session.execute(update(Enrolment).values(active=False))
    (row,) = class_table(world.engine, world.course, "one")
    assert (row.student, row.on_roster, row.score) == ("ana", False, 7.0)


def test_students_of_a_course_without_the_assignment_are_not_missed(world: World) -> None:
    world.enrol("ana")
    with writing(world.engine) as session:
        session.add(Context(id=2, registration_id=1, deployment="1", context="other"))
        session.add(
            Identity(id=9, issuer="https://lms.invalid", deployment="1", sub="x", student="leo")
        )
        session.flush()
        session.add(Enrolment(context_id=2, identity_id=9, role="student"))
    assert [row.student for row in class_table(world.engine, world.course, "one")] == ["ana"]


def test_what_a_teacher_must_look_at_is_in_the_row(world: World) -> None:
    world.set_deadline()
    world.clock.now = DEADLINE + 3540
    graded(world, ana=7)
    with writing(world.engine) as session:
        session.execute(
            update(Submission).values(faults=["a grader broke"], problem="It is damaged.")
        )
    extend(world.engine, world.course, "one", "ana", 1800, actor="prof")
    row = in_class(world, "ana")
    assert (row.faults, row.problem, row.state) == (
        ("a grader broke",),
        "It is damaged.",
        "received",
    )
    assert (row.late_seconds, row.extension, row.penalty) == (1800.0, 1800.0, 1.0)


def test_a_failed_attempt_after_the_one_that_counts_is_seen(world: World) -> None:
    graded(world, ana=7)
    world.hand_in("ana", 2)
    with writing(world.engine) as session:
        session.execute(
            update(Submission).where(Submission.number == 2).values(state="failed", error="broke")
        )
    row = in_class(world, "ana")
    assert (row.state, row.error, row.score, row.attempts) == ("failed", "broke", 7.0, 2)


def test_a_grade_that_was_changed_after_its_release_is_marked(world: World) -> None:
    graded(world, ana=7)
    released(world)
    assert not in_class(world, "ana").is_outdated
    world.give_by_hand("ana", 9)
    row = in_class(world, "ana")
    assert row.is_outdated and (row.score, row.released) == (9.0, 7.0)


def test_a_large_class_takes_as_few_queries_as_a_small_one(world: World) -> None:
    def queries() -> int:
        count = [0]

        def counted(*_arguments: object) -> None:
            count[0] += 1

        event.listen(Engine, "before_cursor_execute", counted)
        try:
            class_table(world.engine, world.course, "one")
        finally:
            event.remove(Engine, "before_cursor_execute", counted)
        return count[0]

    graded(world, ana=7)
    small = queries()
    world.enrol(*[f"s-{number}" for number in range(50)])
    for number in range(20):
        world.hand_in(f"s-{number}", 5)
    assert len(class_table(world.engine, world.course, "one")) == 51
    assert queries() == small < 25


# More time, and grading again


def test_more_time_grades_again_what_came_late_and_nothing_else(world: World) -> None:
    world.set_deadline()
    world.clock.now = DEADLINE - 120
    for later in (60, 120):
        world.hand_in("ana", later / 20, later)
    world.grade_here()
    extend(world.engine, world.course, "one", "ana", 7200, actor="prof", clock=world.clock)
    assert [row.state for row in world.rows("ana")] == ["graded", "received"]
    (row,) = [row for row in audit(world) if row.action == "extend"]
    assert (row.actor, row.student, row.before, row.after) == ("prof", "ana", "0 s", "7200 s")


def test_more_time_needs_a_deadline_and_is_not_less(world: World) -> None:
    with pytest.raises(CourseError, match="has no deadline to extend: set its due date"):
        extend(world.engine, world.course, "one", "ana", 60, actor="prof")
    world.set_deadline()
    for seconds in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="are no extension"):
            extend(world.engine, world.course, "one", "ana", seconds, actor="prof")


def test_grading_again_is_asked_for_by_student_or_for_all(world: World) -> None:
    graded(world, ana=7, luis=4)
    assert regrade(world.engine, "one", ["ana"], "prof") == 1
    assert [row.state for row in world.rows()] == ["received", "graded"]
    assert regrade(world.engine, "one", None, "prof") == 2
    assert regrade(world.engine, "two", None, "prof") == 0
    assert [(row.assignment, row.student) for row in audit(world) if row.action == "regrade"] == [
        ("one", "ana"),
        ("one", ""),
        ("two", ""),
    ]


def test_what_is_being_graded_is_graded_again_too(world: World) -> None:
    """Its result may be of the graders or the deadline of before."""
    world.enrol("ana")
    world.hand_in("ana", 7)
    with writing(world.engine) as session:
        session.execute(update(Submission).values(state="grading"))
    assert regrade(world.engine, "one", None, "prof", counts="last") == 1
    assert world.rows()[0].state == "received"


# Grade files


def in_file(world: World, told: list[str]) -> dict[str, float | None]:
    """What a grade file would say of each student."""
    rows = rows_of(world.engine, world.course, ["one"])
    grade_file("canvas", rows, ["one"], warn=told.append)
    return {row.student: row.grade("one") for row in rows}


def test_a_grade_file_has_no_grade_while_the_gradebook_has_another_attempt(world: World) -> None:
    world.rules(counts="best")
    graded(world, ana=9, luis=4)
    told: list[str] = []
    assert in_file(world, told) == {"ana": 9.0, "luis": 4.0} and not told
    world.hand_in("ana", 2)
    with reading(world.engine) as session:
        (job,) = attempts.find(session, [], 1, rest=True)
    assert in_file(world, told) == {"ana": None, "luis": 4.0}, "it waits"
    with writing(world.engine) as session:
        assert attempts.claim(session, job, world.settings, world.clock(), {})
        given = attempts.hand_in(session, job)
    marked = attempts.compressed(mark(world.course, given))
    with writing(world.engine) as session:
        attempts.store(session, job, world.settings, world.clock(), marked)
    assert in_file(world, told) == {"ana": None, "luis": 4.0}, "the worse one is in the gradebook"
    assert told == 2 * [
        "work is being graded or could not be graded, so there is no grade yet: ana"
    ]
    world.grade_here()
    assert in_file(world, told)["ana"] == 9.0


# What the gradebook is asked


def test_totals_of_some_students_are_those_of_all(world: World) -> None:
    graded(world, ana=7, luis=4)
    world.give_by_hand("luis", 5, "Good.")
    everybody = read_totals(world.course, "one").students
    assert set(everybody) == {"ana", "luis"}
    assert read_totals(world.course, "one", ["luis", "nobody"]).students == {
        "luis": everybody["luis"]
    }
    assert everybody["ana"].by_hand == "" != everybody["luis"].by_hand
    with reading(world.engine) as session:
        stored = session.query(Submission).filter_by(student="ana").one()
    assert everybody["ana"].handed_in == pytest.approx(stored.received)
