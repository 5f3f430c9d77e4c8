"""What a class of thousands needs: rows are read by indexes, and only those that are asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy import Engine, event, text

from autograder.bridge.scores import read_scores
from autograder.bridge.totals import read_totals
from autograder.lms.database import reading
from autograder.lms.handins import attempts
from autograder.lms.handins.grades import class_table, regrade_late
from tests.lms.small_class import DEADLINE, World, make_world
from tests.lms.web_world import WebWorld


@pytest.fixture
def world(template: Path, sqlite: Engine, tmp_path: Path) -> World:
    """A class of three, of whom two have work in nbgrader's gradebook, one of it by hand."""
    made = make_world(template, tmp_path / "course", sqlite)
    made.set_deadline(DEADLINE)
    made.enrol("ana", "luis", "rita")
    for student, x in (("ana", 4), ("luis", 7)):
        made.hand_in(student, x)
    made.grade_here()
    made.give_by_hand("luis", 8.5, "well done")
    return made


@contextmanager
def statements(with_limit: bool = False) -> Iterator[list[tuple[str, list[str]]]]:
    """The queries of a block with SQLite's plan for each, by default but for those with a limit."""
    found: list[tuple[str, list[str]]] = []

    def note(_connection, cursor, statement, values, context, _many) -> None:  # type: ignore[no-untyped-def]
        if statement.startswith("SELECT") and (with_limit or "LIMIT" not in statement):
            plan = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            found.append((statement, [row[3] for row in plan]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    "read",
    [
        lambda course: read_totals(course, "one"),
        lambda course: read_totals(course, "one", ["ana"]),
        lambda course: read_scores(course, "one"),
        lambda course: course._stored_of("one", "ana"),
    ],
    ids=["totals of a class", "totals of a student", "scores", "a stored submission"],
)
def test_no_query_looks_at_the_grades_of_other_assignments(
    world: World, read: Callable[[object], object]
) -> None:
    with statements() as asked:
        read(world.course)
    plans = [step for statement, plan in asked for step in plan if "grade." in statement]
    assert any("SEARCH grade USING INDEX" in step for step in plans)
    scans = ("SCAN grade", "SCAN comment", "SCAN submitted_notebook", "SCAN submitted_assignment")
    steps = [step for _statement, plan in asked for step in plan]
    assert [s for s in steps if s in scans or s.startswith(tuple(f"{one} " for one in scans))] == []


def test_a_students_own_grades_are_found_by_cell_and_notebook(world: World) -> None:
    with statements() as asked:
        found = read_totals(world.course, "one", ["ana"])
    assert found.students["ana"].score == 4
    of_grades = [plan for statement, plan in asked if "FROM grade" in statement]
    assert of_grades
    assert all("(cell_id=? AND notebook_id=?)" in plan[0] for plan in of_grades)


def test_the_export_is_nbgraders_byte_for_byte(world: World, tmp_path: Path) -> None:
    with world.course.gradebook() as gradebook:
        gradebook.add_student("zoe", last_name="Núñez", first_name="Zoe", email="z@uni.example")
        page = gradebook.find_submission_notebook("one", "one", "ana")
        page.late_submission_penalty = 1.25
        gradebook.db.commit()
        plugin = CsvExportPlugin(parent=world.course.app)
        plugin.to = str(tmp_path / "theirs.csv")
        plugin.export(gradebook)
    world.course.export(tmp_path / "ours.csv")
    ours = (tmp_path / "ours.csv").read_bytes()
    assert ours == (tmp_path / "theirs.csv").read_bytes()
    assert b",luis," in ours and b",8.5,0.0,8.5,10.0\n" in ours and b",4.0,1.25,2.75,10.0\n" in ours


def test_the_export_asks_no_more_for_a_larger_class(world: World, tmp_path: Path) -> None:
    with statements() as few:
        world.course.export(tmp_path / "grades.csv")
    with world.course.gradebook() as gradebook:
        for number in range(20):
            gradebook.add_student(f"new-{number}")
            gradebook.add_submission("one", f"new-{number}")
    with statements() as many:
        world.course.export(tmp_path / "grades.csv")
    assert len(many) == len(few)


def test_the_export_leaves_out_what_the_configuration_says(world: World, tmp_path: Path) -> None:
    world.course.app.config.CsvExportPlugin.student = ["luis"]
    world.course.app.config.CsvExportPlugin.assignment = ["one"]
    world.course.export(tmp_path / "grades.csv")
    lines = (tmp_path / "grades.csv").read_text().splitlines()
    assert [line.split(",")[3] for line in lines] == ["student_id", "luis"]


def test_a_students_row_is_the_one_that_the_class_has(world: World) -> None:
    whole = {row.student: row for row in class_table(world.engine, world.course, "one")}
    assert set(whole) == {"ana", "luis", "rita"}
    for student, row in whole.items():
        assert class_table(world.engine, world.course, "one", [student]) == [row]
    assert class_table(world.engine, world.course, "one", ["nobody"]) == []


def test_the_page_of_a_student_reads_only_that_students_rows(web: WebWorld) -> None:
    for who in ("ana", "luis"):
        web.hand_in(who, 5, graded=True)
    teacher = web.login("profe")
    with statements() as asked:
        assert teacher.get("/teacher/one/students/ana").status_code == 200
    wide = [s for s, _plan in asked if "submission.assignment" in s and "submission.student" in s]
    assert wide
    assert all("submission.student IN" in s or "submission.student = " in s for s in wide)


@pytest.mark.parametrize("student", ["%00", "a%00b", "%ed%a0%80", "nobody"])
def test_who_is_no_student_has_no_page(web: WebWorld, student: str) -> None:
    answer = web.login("profe").get(f"/teacher/one/students/{student}")
    assert answer.status_code == 404


def test_the_faults_of_the_attempt_that_counts_are_told(world: World) -> None:
    with world.engine.begin() as connection:
        connection.execute(
            text("UPDATE submission SET faults = '[\"a, b\", \"c\"]' WHERE student = 'ana'")
        )
    rows = {row.student: row for row in class_table(world.engine, world.course, "one")}
    assert rows["ana"].faults == ("a, b", "c")
    assert rows["luis"].faults == ()


def test_a_look_for_late_work_reads_no_points(world: World) -> None:
    world.set_deadline(DEADLINE - 10 * 86_400)
    with statements() as asked:
        assert regrade_late(world.engine, world.course, "one", "grader") == 2
    assert not [statement for statement, _plan in asked if "FROM grade" in statement]
    assert [row.state for row in world.rows()] == ["received", "received"]


@pytest.mark.parametrize("counts", ["best", "last"])
def test_another_rule_finds_whose_attempts_count_wrongly(world: World, counts: str) -> None:
    world.hand_in("ana", 2)
    world.grade_here()
    world.rules(counts=counts)
    wrong = attempts_counted_wrongly(world)
    assert wrong == ([("one", "ana")] if counts == "best" else [])


def attempts_counted_wrongly(world: World) -> list[tuple[str, str]]:
    with reading(world.engine) as session:
        return attempts.miscounted(session, world.settings)


def test_what_is_settled_is_read_as_one_row_for_each_student(world: World) -> None:
    first = world.rows("ana")[0]
    world.hand_in("ana", 2)
    world.hand_in("rita", 5)
    with reading(world.engine) as session, rows_read() as counts:
        found = attempts.settled(session, "one")
    luis = world.rows("luis")[0]
    assert found == {"ana": None, "luis": (luis.id, luis.graded), "rita": None}
    assert counts == [3]
    world.grade_here()
    with reading(world.engine) as session:
        found = attempts.settled(session, "one")
    assert found["ana"] is not None and found["ana"][0] != first.id


def test_the_class_reads_of_old_attempts_only_how_many_they_are(world: World) -> None:
    for x in (1, 2, 3):
        world.hand_in("ana", x)
    world.grade_here()
    with rows_read() as counts:
        rows = {row.student: row for row in class_table(world.engine, world.course, "one")}
    assert rows["ana"].attempts == 4 and rows["ana"].score == 3
    assert max(counts) == 2  # one row for each of the two who have handed in, of five attempts


def test_what_is_to_be_done_next_is_not_looked_for_among_all_that_was_graded(world: World) -> None:
    world.hand_in("ana", 2)
    world.hand_in("luis", 2)
    with reading(world.engine) as session, statements(with_limit=True) as asked:
        assert [job.student for job in attempts.find(session, [], 8, rest=False)] == ["ana", "luis"]
    own = [plan for statement, plan in asked if "AND submission.student = ?" in statement]
    assert len(own) == 2
    assert all("(assignment=? AND student=?)" in plan[0] for plan in own)


@contextmanager
def rows_read() -> Iterator[list[int]]:
    """How many rows each query of our own tables' attempts gives."""
    found: list[int] = []

    def count(_connection, cursor, statement, values, _context, _many) -> None:  # type: ignore[no-untyped-def]
        if "FROM submission " in statement:
            asked = f"SELECT count(*) FROM ({statement})"
            found.append(cursor.connection.execute(asked, values).fetchone()[0])

    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", count)
