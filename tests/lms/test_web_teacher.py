"""A teacher sees the class, releases, has graded again, gives more time and connects links."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import Response

from autograder.bridge.totals import read_facts
from autograder.lms.database import open_database, writing
from autograder.lms.schema import (
    Audit,
    Context,
    Delivery,
    Enrolment,
    Extension,
    Link,
    Released,
    Submission,
)
from autograder.lms.services import roster
from autograder.lms.services.ags import NoAnswerError
from autograder.lms.services.roster import RosterChange
from tests.lms.small_class import DEADLINE, wait_for
from tests.lms.web_world import ORIGIN, Browser, WebWorld, make_web_world, text_of


@pytest.fixture
def teacher(web: WebWorld) -> Browser:
    return web.login("profe")


@pytest.fixture(scope="module")
def three(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebWorld]:
    """A class of three of whom two have handed in; tests only look at it."""
    folder = tmp_path_factory.mktemp("web")
    web = make_web_world(
        template, folder / "course", open_database(f"sqlite:///{folder / 'lms.db'}")
    )
    web.world.enrol("rita")
    web.hand_in("ana", 4, graded=True)
    web.hand_in("rita", 9, graded=True)
    do(web.login("profe"), "release", students="ana", whom="selected")
    yield web
    web.close()


def do(browser: Browser, action: str, **form: Any) -> str:
    """Send a form of the class's page; what the next page says."""
    answer = browser.post(f"/teacher/one/{action}", form)
    assert answer.status_code == 303, answer.text
    return text_of(browser.get(answer.headers["location"]))


def row_of(page: Response, student: str) -> str:
    """What the table says of a student."""
    for row in re.findall(r"<tr>.*?</tr>", page.text, re.DOTALL):
        if f'value="{student}"' in row:
            return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row))
    raise AssertionError(f"{student} is not in the table")


# The class


def test_the_class_is_one_table_with_who_handed_in_and_what_came_of_it(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    page = teacher.get("/teacher/one")
    assert re.search("Ana Pérez ana graded 2030-03-16 17:47:40 1 7 –", row_of(page, "ana"))
    assert "nothing handed in" in row_of(page, "luis")
    assert "elsa" not in page.text, "she is in another teacher's course"
    assert "gone" not in page.text, "who left without any work is not in the table"


def test_late_work_doubts_and_failures_are_told_in_words(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    web.hand_in("luis", 7, graded=True)
    with writing(web.engine) as session:
        ana, luis = session.get_one(Submission, 1), session.get_one(Submission, 2)
        ana.received, ana.faults = DEADLINE + 3600, ["a grader fell"]
        luis.state, luis.error = "failed", "the process ended"
        ana.problem = "No notebook"
    page = teacher.get("/teacher/one")
    assert "1 h late" in row_of(page, "ana") and "grader fault" in row_of(page, "ana")
    assert "unreadable" in row_of(page, "ana") and "grading failed" in row_of(page, "luis")
    student = text_of(teacher.get("/teacher/one/students/luis"))
    assert "Grading failed: the process ended" in student


@pytest.mark.parametrize(
    ("query", "students"),
    [
        ("", ["ana", "luis", "rita"]),
        ("shown=handed-in", ["ana", "rita"]),
        ("shown=missing", ["luis"]),
        ("shown=unreleased", ["rita"]),
        ("shown=review", []),
        ("shown=undelivered", ["ana"]),
        ("sort=score&down=1", ["rita", "ana", "luis"]),
        ("sort=score", ["ana", "rita", "luis"]),
        ("sort=received&down=1", ["rita", "ana", "luis"]),
        ("q=ANA+p", ["ana"]),
    ],
)
def test_the_table_shows_who_is_asked_for_in_the_order_that_is_asked_for(
    three: WebWorld, query: str, students: list[str]
) -> None:
    page = three.login("profe").get(f"/teacher/one?{query}")
    assert re.findall(r'name="students" value="(\w+)"', page.text) == students


def test_work_that_was_graded_from_the_folder_is_not_counted_as_handed_in(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    web.world.by_command("zoe", 8)
    page = teacher.get("/teacher/one")
    assert "Handed in (1)" in text_of(page) and "Graded from the folder (1)" in text_of(page)
    assert "graded from the folder" in row_of(page, "zoe")
    assert "from the folder" not in row_of(page, "ana")
    for shown, students in (("handed-in", ["ana"]), ("folder", ["zoe"]), ("missing", ["luis"])):
        page = teacher.get(f"/teacher/one?shown={shown}")
        assert re.findall(r'name="students" value="(\w+)"', page.text) == students


def test_a_filter_or_an_order_that_does_not_exist_is_an_error_page(teacher: Browser) -> None:
    for query in ("shown=x", "sort=x", "page=0", "page=x", "q=" + 200 * "x"):
        assert teacher.get(f"/teacher/one?{query}").status_code == 422


def test_a_large_class_comes_in_pages(web: WebWorld, teacher: Browser) -> None:
    web.world.enrol(*(f"s{number:03}" for number in range(250)))
    first, second = teacher.get("/teacher/one?q=s"), teacher.get("/teacher/one?q=s&page=2")
    assert "page 1 of 2" in text_of(first) and "page 2 of 2" in text_of(second)
    assert len(re.findall('name="students"', first.text)) == 200
    assert 'href="?q=s&amp;page=2" rel="next"' in first.text
    assert len(re.findall('name="students"', second.text)) == 51  # s…, and Luis


def test_a_student_has_a_page_with_files_and_who_changed_what(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    do(teacher, "release", students="ana", whom="selected")
    page = teacher.get("/teacher/one/students/ana")
    text = text_of(page)
    assert "ana@uni.example" in text and re.search(r"profe release – 7/10", text)
    assert 'href="/submissions/1/files/one"' in page.text
    assert f"{ORIGIN}/items/1" in text and "on the way" in text
    assert teacher.get("/teacher/one/students/nobody").status_code == 404


# Releasing


def test_selected_grades_are_released_and_are_on_their_way(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    web.hand_in("luis", 4, graded=True)
    told = do(teacher, "release", students="ana", whom="selected")
    assert "Released 1 grade; 0 unchanged. 1 score on the way" in told
    (released,) = web.world.all_of(Released)
    (delivery,) = web.world.all_of(Delivery)
    assert (released.student, released.score) == ("ana", 7)
    assert (delivery.user, delivery.given, delivery.state) == ("sub-ana", 7, "due")
    assert [one.actor for one in web.world.all_of(Audit) if one.action == "release"] == ["profe"]
    assert "Released 1 grade" not in text_of(teacher.get("/teacher/one")), "it is told once"


def test_all_grades_are_released_once_that_is_confirmed(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    asked = teacher.post("/teacher/one/release", {"whom": "all", "back": "?shown=late"})
    assert asked.status_code == 200 and not web.world.all_of(Released)
    assert "1 grade will be released for the first time" in text_of(asked)
    form = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
    answer = teacher.client.post("/teacher/one/release", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/teacher/one?shown=late")
    assert [one.student for one in web.world.all_of(Released)] == ["ana"]


def test_what_is_to_be_confirmed_is_what_is_done(web: WebWorld, teacher: Browser) -> None:
    """Also of those whom no platform knows, as they were graded by a command."""
    web.hand_in("ana", 7, graded=True)
    web.world.by_command("zoe", 8)
    web.hand_in("luis", 5)
    asked = text_of(teacher.post("/teacher/one/release", {"whom": "all"}))
    assert "1 grade will be released for the first time, and 0 released grades will change" in asked
    told = do(teacher, "release", whom="all", confirm="yes")
    assert "Released 1 grade; 0 unchanged" in told
    for left_out in (
        "since work is being graded: release again when that is done: luis.",
        "since no user of the learning platform is known to be them: zoe.",
    ):
        assert f"Will not be released, {left_out}" in asked
        assert f"Not released, {left_out}" in told
    web.world.give_by_hand("ana", 9)
    asked = text_of(teacher.post("/teacher/one/release", {"whom": "all"}))
    assert "0 grades will be released for the first time, and 1 released grade will" in asked
    assert [one.score for one in web.world.all_of(Released)] == [7], "asking releases nothing"


def test_who_needs_a_person_yet_is_left_out_also_where_others_teach_a_part_of_the_class(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    with web.world.course.gradebook() as gradebook:
        gradebook.find_grade("check", "one", "one", "ana").needs_manual_grade = True
        gradebook.db.commit()
    asked = text_of(teacher.post("/teacher/one/release", {"whom": "all"}))
    assert "Will not be released, since a person has still to grade: ana." in asked
    told = do(teacher, "release", whom="all", confirm="yes")
    assert "Not released, since a person has still to grade: ana." in told
    assert not web.world.all_of(Released)


def test_who_has_no_grade_is_named(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7)
    told = do(teacher, "release", students=["ana", "luis"], whom="selected")
    assert "work is being graded: release again when that is done: ana" in told
    assert "there is no graded work: luis" in told


def test_nobody_chosen_is_said_and_nothing_is_done(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    for action in ("release", "regrade", "retry"):
        assert "Choose students first" in do(teacher, action, whom="selected")
    assert "Choose students first" in do(teacher, "extend", hours="3")
    assert not web.world.all_of(Released)


@pytest.mark.parametrize("back", ["//evil.example", "?x=<script>", "/../x", "https://evil.example"])
def test_a_form_leads_back_to_pages_of_ours_only(teacher: Browser, back: str) -> None:
    answer = teacher.post("/teacher/one/release", {"back": back})
    assert answer.headers["location"] == "/teacher/one"


@pytest.mark.parametrize("path", ["/teacher/one", "/teacher/one/students/ana"])
def test_enter_in_the_field_for_more_time_gives_more_time_and_releases_nothing(
    web: WebWorld, teacher: Browser, path: str
) -> None:
    """Browsers press a form's first button for Enter."""
    web.hand_in("ana", 7, graded=True)
    forms = re.findall(r"<form.*?</form>", teacher.get(path).text, re.DOTALL)
    (form,) = [one for one in forms if 'name="hours"' in one]
    button = re.search(r"<button[^>]*>", form)
    assert button is not None and 'formaction="/teacher/one/extend"' in button[0]


@pytest.mark.parametrize("context", ["9" * 5000, "-1", "x", ""])
def test_a_course_that_is_none_is_refused(teacher: Browser, context: str) -> None:
    assert teacher.post("/roster", {"context": context}).status_code == 422


def test_a_score_that_was_stopped_is_delivered_again(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    do(teacher, "release", students="ana", whom="selected")
    with writing(web.engine) as session:
        row = session.get_one(Delivery, 1)
        row.state, row.error, row.tries = "stopped", "404: no such user", 3
    page = teacher.get("/teacher/one")
    assert "stopped 404: no such user" in row_of(page, "ana")
    assert "1 delivery tried again now" in do(teacher, "retry", only="ana", students="luis")
    (row,) = web.world.all_of(Delivery)
    assert (row.state, row.tries) == ("due", 0)


# Grading again, and more time


def test_selected_work_is_graded_again(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    web.hand_in("luis", 7, graded=True)
    told = do(teacher, "regrade", students="ana", whom="selected")
    assert "1 attempt will be graded again" in told
    assert {row.student: row.state for row in web.world.rows()} == {
        "ana": "received", "luis": "graded",
    }  # fmt: skip


def test_all_work_is_graded_again_once_that_is_confirmed(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    asked = teacher.post("/teacher/one/regrade", {"whom": "all"})
    assert asked.status_code == 200 and web.world.rows()[0].state == "graded"
    do(teacher, "regrade", whom="all", confirm="yes")
    assert web.world.rows()[0].state == "received"


def test_selected_students_get_more_time(web: WebWorld, teacher: Browser) -> None:
    told = do(teacher, "extend", students=["ana", "luis"], hours="1,5", back="/students/ana")
    assert "ana, luis: 1 h 30 min more than the deadline" in told
    assert {one.student: one.seconds for one in web.world.all_of(Extension)} == {
        "ana": 5400, "luis": 5400,
    }  # fmt: skip
    do(teacher, "extend", students="ana", hours="0")
    assert "More time none" in text_of(teacher.get("/teacher/one/students/ana"))


@pytest.mark.parametrize("hours", ["", "-1", "x", "nan", "inf", "1e9"])
def test_a_time_that_is_none_is_refused(web: WebWorld, teacher: Browser, hours: str) -> None:
    assert "Give the time in hours" in do(teacher, "extend", students="ana", hours=hours)
    assert not web.world.all_of(Extension)


def test_the_deadline_is_set_in_the_time_of_the_course_and_late_work_graded_again(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    assert 'value="2030-03-17T17:46"' in teacher.get("/teacher/one").text
    told = do(teacher, "deadline", deadline="2030-03-16T12:00")
    assert "The deadline is set. 1 attempt will be graded again" in told
    assert read_facts(web.world.course, "one").deadline == DEADLINE - 29 * 3600 - 46 * 60 - 40
    web.world.grade_here()
    assert web.world.rows()[0].penalty == 1
    (note,) = [one for one in web.world.all_of(Audit) if one.action == "deadline"]
    assert (note.actor, note.before, note.after) == (
        "profe", "2030-03-17 17:46 UTC", "2030-03-16 12:00 UTC",
    )  # fmt: skip


def test_a_deadline_is_taken_away(web: WebWorld, teacher: Browser) -> None:
    assert "no deadline any more" in do(teacher, "deadline", deadline="")
    assert read_facts(web.world.course, "one").deadline is None


@pytest.mark.parametrize(
    "text", ["tomorrow", "2030-02-30T00:00", "9999-99-99", "9999-12-31T23:59", "0025-03-01T12:00"]
)
def test_a_deadline_that_is_none_is_refused(web: WebWorld, teacher: Browser, text: str) -> None:
    told = do(teacher, "deadline", deadline=text)
    assert "Give a date and a time of the years 2000 to 2200: nothing was done." in told
    assert read_facts(web.world.course, "one").deadline == DEADLINE


# All assignments, links and rosters


def test_all_assignments_are_listed_with_their_links_and_numbers(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    web.hand_in("elsa", 7, graded=True)
    do(teacher, "release", students="ana", whom="selected")
    text = text_of(teacher.get("/teacher"))
    assert re.search(r"one 2030-03-17 17:46:40 \(UTC\) 10 1 1 Task 1: tensors", text)
    assert re.search(r"two none 4 0 0 link-4", text)
    assert re.search(r"Campus https://lms.example 1 0", text)


def test_a_teacher_chooses_what_a_new_link_opens(web: WebWorld) -> None:
    teacher = web.login("profe", 2)
    answer = teacher.get("/")
    assert answer.headers["location"] == "/teacher"
    assert "Choose what “the new link” opens" in text_of(teacher.get("/teacher"))
    answer = teacher.post("/links/2", {"assignment": "two"})
    assert answer.headers["location"] == "/teacher/two"
    told = text_of(teacher.get("/teacher/two"))
    assert "The link “link-2” opens two now" in told
    assert "Scores cannot be sent to the platform yet" in told, "it has no line item"
    assert web.login("ana", 2).get("/").headers["location"] == "/assignments/two"


def test_a_column_that_was_made_for_another_assignment_is_not_used(web: WebWorld) -> None:
    with writing(web.engine) as session:
        session.get_one(Link, 4).maximum = 4.0  # so the tool has made it
    web.login("profe").post("/links/4", {"assignment": "one"})
    web.login("profe").post("/links/1", {"assignment": "two"})
    links = {one.id: one.line_item for one in web.world.all_of(Link)}
    assert links[4] == "" and links[1] == f"{ORIGIN}/items/1", "the launch's own one stays"


@pytest.mark.parametrize("assignment", ["", "nothing", "../source"])
def test_a_link_opens_only_what_there_is(web: WebWorld, assignment: str) -> None:
    answer = web.login("profe").post("/links/2", {"assignment": assignment})
    assert answer.status_code == 422
    assert {one.id: one.assignment for one in web.world.all_of(Link)}[2] == ""


def test_a_roster_is_read_beside_the_pages_and_its_outcome_is_shown(
    web: WebWorld, teacher: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*arguments: Any) -> RosterChange:
        with writing(web.engine) as session:
            session.get_one(Context, 1).synced = web.world.clock()
        return RosterChange(added=["eva"], students=3)

    monkeypatch.setattr(roster, "sync", read)
    assert "not read yet" in text_of(teacher.get("/teacher"))
    assert teacher.post("/roster", {"context": "1"}).status_code == 303
    wait_for(lambda: "3 students, 1 new, 0 left" in text_of(teacher.get("/teacher/one")))


@pytest.mark.parametrize("error", [NoAnswerError("timed out"), ValueError("ana@uni.example")])
def test_a_roster_that_cannot_be_read_says_why(
    web: WebWorld, teacher: Browser, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def read(*arguments: Any) -> RosterChange:
        if isinstance(error, NoAnswerError):
            raise roster.RosterError(str(error))
        raise error

    monkeypatch.setattr(roster, "sync", read)
    do(teacher, "sync", context="1")
    wait_for(lambda: "could not be read" in text_of(teacher.get("/teacher")))
    told = text_of(teacher.get("/teacher"))
    assert ("timed out" in told) == isinstance(error, NoAnswerError)
    assert "see its log" in told or "timed out" in told


def test_a_course_without_a_roster_says_how_to_get_one(web: WebWorld, teacher: Browser) -> None:
    with writing(web.engine) as session:
        session.get_one(Context, 1).memberships_url = ""
    assert "the platform offers none" in text_of(teacher.get("/teacher"))
    teacher.post("/roster", {"context": "1"})
    assert "Allow the tool to read it" in text_of(teacher.get("/teacher"))


def test_a_teacher_of_two_courses_sees_the_students_of_both(web: WebWorld) -> None:
    with writing(web.engine) as session:
        session.add(Enrolment(context_id=2, identity_id=web.identities["profe"], role="teacher"))
    page = web.login("profe").get("/teacher/one")
    assert 'value="ana"' in page.text and 'value="elsa"' in page.text


def test_work_that_came_without_the_platform_is_the_first_courses(web: WebWorld) -> None:
    web.hand_in("paper-student", 5, graded=True)
    assert "paper-student" in web.login("profe").get("/teacher/one").text
    assert "paper-student" not in web.login("other-teacher").get("/teacher/one").text
    assert web.login("other-teacher").get("/submissions/1").status_code == 404


# What takes long, and files


def finished(teacher: Browser, kind: str) -> Response:
    """The page of such work when it is done."""
    answer = teacher.post(f"/teacher/one/{kind}")
    assert answer.headers["location"] == f"/teacher/one/{kind}"
    wait_for(lambda: teacher.get(f"/teacher/one/{kind}/state").json()["state"] != "running")
    return teacher.get(f"/teacher/one/{kind}")


def test_what_would_change_is_found_without_changing_anything(
    web: WebWorld, teacher: Browser
) -> None:
    web.state.course.allow_unsafe()
    web.hand_in("ana", 7, graded=True)
    (web.world.root / "more").write_text("2")
    config = web.world.root / "nbgrader_config.py"
    config.write_text(config.read_text() + "\n# graded anew\nc.RunGraders.call_seconds = 4\n")
    text = text_of(finished(teacher, "changes"))
    assert "1 submission would earn other points" in text, text
    assert re.search(r"ana check 7 9", text)
    assert web.world.score_in_gradebook("ana") == 7


def test_who_waits_for_work_that_takes_long_reads_that_the_page_goes_on_by_itself(
    teacher: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = tmp_path / "endless"
    endless.write_text("#!/bin/sh\nexec sleep 600\n")
    endless.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(endless))
    teacher.post("/teacher/one/statistics")
    text = text_of(teacher.get("/teacher/one/statistics"))
    assert "Under way since" in text and "This page shows what comes of it by itself." in text


def test_statistics_are_made_and_shown_with_a_way_back(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    page = finished(teacher, "statistics")
    assert "1 of" in text_of(page) and "are graded" in text_of(page)
    report = teacher.get("/teacher/one/statistics/report")
    assert 'href="/teacher/one/statistics"' in report.text and "Cronbach" in report.text
    assert "script-src 'sha256-" in report.headers["content-security-policy"]
    assert web.login("other-teacher").get("/teacher/one/statistics/report").status_code == 404


def test_work_that_fails_says_why(web: WebWorld, teacher: Browser) -> None:
    (web.world.root / "gradebook.db").rename(web.world.root / "away.db")
    answer = teacher.post("/teacher/one/statistics")
    assert answer.status_code == 303
    wait_for(lambda: teacher.get("/teacher/one/statistics/state").json()["state"] == "failed")
    text = text_of(teacher.get("/teacher/one/statistics"))
    assert "It failed" in text and "autograder release one" in text


def test_work_whose_process_does_not_start_has_failed_and_can_be_asked_for_again(
    web: WebWorld, teacher: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.hand_in("ana", 7, graded=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(web.world.root / "no-python-here"))
        assert "does not start" in text_of(finished(teacher, "statistics"))
    assert "are graded" in text_of(finished(teacher, "statistics"))


def test_a_file_of_grades_has_my_students_and_says_what_it_leaves_out(
    web: WebWorld, teacher: Browser
) -> None:
    web.hand_in("ana", 7, graded=True)
    web.hand_in("elsa", 3, graded=True)
    answer = teacher.get("/teacher/one/grades/canvas")
    assert "7.00" in answer.text and "lsa" not in answer.text
    assert answer.headers["content-disposition"] == ("attachment; filename*=utf-8''one-canvas.csv")
    page = text_of(teacher.get("/teacher/one/grades"))
    assert "Canvas" in page and "Moodle" in page and "Open edX" in page
    assert teacher.get("/teacher/one/grades/nothing").status_code == 404


def test_the_platforms_own_export_is_filled_in(web: WebWorld, teacher: Browser) -> None:
    web.hand_in("ana", 7, graded=True)
    made = teacher.get("/teacher/one/grades/canvas").content
    files = [("template", ("export.csv", made.replace(b"7.00", b"")))]
    answer = teacher.post("/teacher/one/grades/canvas", files=files)
    assert answer.status_code == 200 and b"7.00" in answer.content
    files = [("template", ("export.csv", b"nonsense"))]
    answer = teacher.post("/teacher/one/grades/canvas", files=files)
    assert answer.headers["location"] == "/teacher/one/grades"
    assert re.search(r"card note bad", teacher.get("/teacher/one/grades").text)


# A gradebook that cannot be used


def test_a_gradebook_that_is_away_is_one_page_that_says_so(web: WebWorld, teacher: Browser) -> None:
    (web.world.root / "gradebook.db").rename(web.world.root / "away.db")
    page = teacher.get("/teacher/one")
    assert page.status_code == 409 and "autograder release one" in text_of(page)
    assert "autograder release one" in text_of(teacher.get("/teacher"))


def test_a_teacher_reads_what_holds_up_grading(web: WebWorld, teacher: Browser) -> None:
    class Waiting:
        problem = "the gradebook is locked by another program"

        def wake(self) -> None:
            """There is nothing to do."""

    web.state.grading = Waiting()  # type: ignore[assignment]
    for path in ("/teacher", "/teacher/one"):
        text = text_of(teacher.get(path))
        assert "Grading waits" in text and "locked by another program" in text
