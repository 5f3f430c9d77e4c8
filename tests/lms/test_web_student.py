"""A student opens an assignment, hands in, sees what becomes of it, and has a receipt."""

import hashlib
import io
import re
import zipfile
from pathlib import Path

import pytest
from httpx import Response

from autograder.bridge.course import Course, CourseError
from autograder.lms.database import open_database, writing
from autograder.lms.handins import grades
from autograder.lms.schema import Context, Link, Submission
from autograder.web.formats import duration, zone_of
from tests.lms.small_class import DEADLINE
from tests.lms.web_world import Browser, WebWorld, make_web_world, text_of


def follow(browser: Browser, answer: Response) -> Response:
    """The page to which a form leads."""
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["location"])


def deadline_in(web: WebWorld, **times: float) -> None:
    """Let the deadline be so many seconds from now."""
    web.world.set_deadline(web.world.clock.now + times["seconds"])


# What the page says


def test_the_page_says_what_to_do_until_when_and_for_how_many_points(web: WebWorld) -> None:
    page = web.login("ana").get("/assignments/one")
    text = text_of(page)
    assert "<h1>Task 1: tensors</h1>" in page.text and "You are Ana Pérez." in text
    assert "Sunday, March 17, 2030, 17:46 (UTC)" in text
    assert '<time datetime="2030-03-17T17:46:40+00:00">' in page.text
    assert "Points 10" in text and "as many as you like" in text and "The last one counts" in text
    assert re.search("Download.*Work on it.*Hand in", text)


def test_the_deadline_is_told_in_the_time_of_the_course(template: Path, tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'lms.db'}")
    config = template / "nbgrader_config.py"
    before = config.read_text()
    config.write_text(before + '\nc.Exchange.timezone = "America/Bogota"\n')
    try:
        web = make_web_world(template, tmp_path / "course", engine)
    finally:
        config.write_text(before)
    page = web.login("ana").get("/assignments/one")
    assert "Sunday, March 17, 2030, 12:46 (America/Bogota, UTC−5)" in text_of(page)
    assert '<time datetime="2030-03-17T12:46:40-05:00">' in page.text
    web.close()


def test_a_time_zone_that_does_not_exist_is_named(web: WebWorld) -> None:
    course: Course = web.world.course
    course.app.config.Exchange.timezone = "Mars/Olympus"
    with pytest.raises(CourseError, match=r"c\.Exchange\.timezone: there is no time zone 'Mars"):
        zone_of(course)


def test_more_time_moves_the_deadline_of_its_student_alone(web: WebWorld) -> None:
    grades.extend(web.engine, web.world.course, "one", "ana", 26 * 3600.0, actor="profe")
    text = text_of(web.login("ana").get("/assignments/one"))
    assert "Monday, March 18, 2030, 19:46" in text and "With 1 day 2 h more for you" in text
    assert "Sunday, March 17, 2030, 17:46" in text_of(web.login("luis").get("/assignments/one"))


@pytest.mark.parametrize(
    ("late", "told", "refused"),
    [
        ("accept", "It is taken, and loses points", False),
        ("refuse", "Nothing is taken after", True),
    ],
)
def test_the_page_says_what_becomes_of_late_work(
    web: WebWorld, late: str, told: str, refused: bool
) -> None:
    web.world.rules(late=late)
    ana = web.login("ana")
    assert told in text_of(ana.get("/assignments/one"))
    web.world.clock.now = DEADLINE + 60
    ana = web.login("ana")
    text = text_of(ana.get("/assignments/one"))
    assert ("nothing more is taken" in text) == refused
    assert ("what you hand in now is late" in text) == (not refused)
    answer = ana.hand_in(web.world.notebook(4))
    assert answer.status_code == (422 if refused else 303)
    if not refused:
        assert "1 min late" in text_of(follow(ana, answer))


def test_attempts_are_counted_down_and_then_the_form_is_gone(web: WebWorld) -> None:
    web.world.rules(attempts=2, counts="best")
    ana = web.login("ana")
    assert "2 of 2 left The best one counts" in text_of(ana.get("/assignments/one"))
    for number in (1, 2):
        assert ana.hand_in(web.world.notebook(number)).status_code == 303
        web.world.clock.now += 60
    page = ana.get("/assignments/one")
    assert "0 of 2 left" in text_of(page) and "You have used all your attempts" in text_of(page)
    assert 'id="hand-in"' not in page.text
    answer = ana.hand_in(web.world.notebook(3))
    assert answer.status_code == 422 and "All 2 attempts have been used" in text_of(answer)


def test_a_student_who_must_wait_reads_until_when(web: WebWorld) -> None:
    web.world.rules(cooldown_minutes=30)
    web.hand_in("ana")
    text = text_of(web.login("ana").get("/assignments/one"))
    assert "You can hand in again from Saturday, March 16, 2030, 18:17 (UTC) on." in text


def test_an_assignment_without_a_deadline_says_so(web: WebWorld) -> None:
    web.world.set_deadline(None)
    page = web.login("ana").get("/assignments/one")
    text = text_of(page)
    assert "Deadline None" in text and "late" not in text
    assert 'class="far"' not in page.text, "so short a fact takes no row of its own"


def test_who_left_the_course_reads_earlier_work_and_hands_in_nothing(web: WebWorld) -> None:
    number = web.hand_in("gone", graded=True)
    gone = web.login("gone")
    page = gone.get("/assignments/one")
    assert "You are no longer in this course" in text_of(page) and 'id="hand-in"' not in page.text
    assert gone.get(f"/submissions/{number}/receipt").status_code == 200
    answer = gone.hand_in(web.world.notebook(4))
    assert answer.status_code == 403 and "no longer in this course" in text_of(answer)


def test_earlier_work_is_read_also_where_only_another_assignment_was_opened(web: WebWorld) -> None:
    web.hand_in("ana")
    ana = web.login("ana", 4)
    page = ana.get("/assignments/one")
    assert page.status_code == 200 and "open this assignment from your course" in text_of(page)
    answer = ana.hand_in(web.world.notebook(4))
    assert answer.status_code == 403 and "open the assignment there" in text_of(answer)


def test_a_link_that_opens_nothing_yet_is_told_so(web: WebWorld) -> None:
    ana = web.login("ana", 2)
    page = follow(ana, ana.get("/"))
    assert page.status_code == 404 and "not set up yet" in text_of(page)


def test_an_assignment_that_is_not_released_is_told_so(web: WebWorld) -> None:
    (web.world.root / "source/new").mkdir()
    one = web.world.root / "source/one/one.ipynb"
    (web.world.root / "source/new/new.ipynb").write_bytes(one.read_bytes())
    with writing(web.engine) as session:
        session.get_one(Link, 2).assignment = "new"
    page = web.login("ana", 2).get("/assignments/new")
    assert page.status_code == 404 and "not ready yet" in text_of(page)


def test_a_teacher_sees_the_students_page_and_hands_in_nothing(web: WebWorld) -> None:
    teacher = web.login("profe")
    page = teacher.get("/assignments/one")
    assert "the page as your students see it" in text_of(page) and 'id="hand-in"' not in page.text
    answer = teacher.hand_in(web.world.notebook(4))
    assert answer.status_code == 403 and "Teachers do not hand in" in text_of(answer)
    assert not web.world.rows()


def test_names_from_the_platform_are_text_and_nothing_else(web: WebWorld) -> None:
    with writing(web.engine) as session:
        session.get_one(Context, 1).title = "<script>alert(1)</script>"
    page = web.login("ana").get("/assignments/one").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_jupyterhub_is_offered_where_there_is_one(web: WebWorld) -> None:
    assert "JupyterHub" not in web.login("ana").get("/assignments/one").text
    web.world.rules(hub="https://hub.example/open?path={assignment}")
    page = web.login("ana").get("/assignments/one").text
    assert 'href="https://hub.example/open?path=one"' in page


# What is downloaded


def test_one_notebook_is_downloaded_as_it_is(web: WebWorld) -> None:
    answer = web.login("ana").get("/assignments/one/release")
    assert answer.content == (web.world.root / "release/one/one.ipynb").read_bytes()
    assert answer.headers["content-disposition"] == 'attachment; filename="one.ipynb"'


def test_several_files_are_downloaded_as_an_archive_which_follows_the_release(
    web: WebWorld,
) -> None:
    folder = web.world.root / "release/two"
    (folder / "data").mkdir()
    (folder / "data/points.csv").write_text("1,2\n")
    (folder / "secret").symlink_to(web.world.root / "source")
    (folder / "outside.csv").symlink_to(web.world.root / "nbgrader_config.py")
    (folder / ".hidden").write_text("x")
    ana = web.login("ana", 4)
    found = archive(ana.get("/assignments/two/release"))
    assert set(found) == {"two/left.ipynb", "two/right.ipynb", "two/data/points.csv"}
    assert found["two/left.ipynb"] == (folder / "left.ipynb").read_bytes()
    (folder / "data/points.csv").write_text("3,4,5\n")
    assert archive(ana.get("/assignments/two/release"))["two/data/points.csv"] == b"3,4,5\n"


def archive(answer: Response) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(answer.content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


# Handing in


def test_a_student_without_javascript_hands_in_and_reads_the_receipt(web: WebWorld) -> None:
    ana = web.login("ana")
    notebook = web.world.notebook(7)
    page = ana.get("/assignments/one").text
    form = re.search(r'<form id="hand-in" method="post" action="([^"]+)" enctype="([^"]+)"', page)
    token = re.search(r'name="csrf" value="([^"]+)"', page)
    assert form is not None and token is not None and form[2] == "multipart/form-data"
    files = [("files", ("mío.ipynb", notebook))]
    answer = ana.client.post(form[1], data={"csrf": token[1]}, files=files)
    after = text_of(follow(ana, answer))
    assert "Handed in: attempt 1" in after and "It is stored" in after
    assert "Waiting to be graded" in after and "Look again" in after
    receipt = ana.get("/submissions/1/receipt")
    assert hashlib.sha256(notebook).hexdigest() in receipt.text
    text = text_of(receipt)
    assert "mío.ipynb" in text and f"{len(notebook)} bytes" in text and "Ana Pérez (ana)" in text
    assert "2030-03-16 17:46:40 (UTC)" in text
    assert ana.get("/submissions/1/files/one").content == notebook


def test_the_same_files_again_are_told_to_be_the_same(web: WebWorld) -> None:
    ana = web.login("ana")
    ana.hand_in(web.world.notebook(7))
    web.world.clock.now += 60
    page = follow(ana, ana.hand_in(web.world.notebook(7)))
    assert "You had handed in these files before" in text_of(page)
    assert len(web.world.rows()) == 1


def test_several_notebooks_are_handed_in_at_once(web: WebWorld) -> None:
    ana = web.login("ana", 4)
    files = [
        ("files", (f"{name}.ipynb", web.world.notebook(1, "two", name)))
        for name in ("left", "right")
    ]
    answer = ana.post("/assignments/two/submissions", files=files)
    text = text_of(ana.get(follow(ana, answer).request.url.path))
    assert answer.status_code == 303 and "Attempt 1" in text
    receipt = text_of(ana.get("/submissions/1/receipt"))
    assert "left.ipynb" in receipt and "right.ipynb" in receipt


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("one.ipynb", b"", "The file is empty"),
        ("one.ipynb", b"not a notebook", "one.ipynb"),
        ("one.zip", b"PK\x03\x04", "is a zip archive"),
        ("", b"", "No file was chosen"),
        ("<b>.ipynb", b"x", "<b>.ipynb"),
    ],
)
def test_what_cannot_be_taken_is_told_above_the_form_which_is_still_there(
    web: WebWorld, name: str, content: bytes, told: str
) -> None:
    answer = web.login("ana").hand_in(content, name)
    assert answer.status_code == 422
    assert told in text_of(answer) and "It was not handed in" in text_of(answer)
    assert 'role="alert"' in answer.text and 'id="hand-in"' in answer.text
    assert "<b>" not in answer.text


def test_a_notebook_of_another_assignment_is_told_which_it_is(web: WebWorld) -> None:
    answer = web.login("ana").hand_in(web.world.notebook(1, "two", "left"), "left.ipynb")
    assert answer.status_code == 422 and "a notebook of the assignment two" in text_of(answer)


def test_a_form_without_files_is_told_so(web: WebWorld) -> None:
    answer = web.login("ana").post("/assignments/one/submissions")
    assert answer.status_code == 422 and "No file was chosen" in text_of(answer)


# What becomes of it


def state(browser: Browser) -> dict[str, object]:
    found: dict[str, object] = browser.get("/assignments/one/state").json()
    return found


def test_the_state_is_told_until_it_is_graded(web: WebWorld) -> None:
    ana, luis = web.login("ana"), web.login("luis")
    assert state(ana) == {"number": 0, "state": "none", "told": "", "final": True}
    web.hand_in("luis", 3)
    web.hand_in("ana", 7)
    told = "Waiting to be graded; one other is before it."
    assert state(ana) == {"number": 1, "state": "received", "told": told, "final": False}
    assert state(luis)["told"] == "Waiting to be graded."
    with writing(web.engine) as session:
        session.get_one(Submission, 2).state = "grading"
    assert state(ana)["told"] == "Being graded now."
    with writing(web.engine) as session:
        session.get_one(Submission, 2).state = "received"
    web.world.grade_here()
    assert state(ana) == {"number": 1, "state": "graded", "told": "Graded.", "final": True}


def test_points_and_feedback_are_shown_at_once_but_are_no_grade_yet(web: WebWorld) -> None:
    web.hand_in("ana", 7, graded=True)
    ana = web.login("ana")
    page = ana.get("/assignments/one")
    assert "7 of 10" in text_of(page) and "This is not your grade yet" in text_of(page)
    assert 'href="/submissions/1/feedback/one"' in page.text
    assert "x = 7" in text_of(ana.get("/submissions/1/feedback/one"))


def test_a_released_grade_is_shown_large(web: WebWorld) -> None:
    web.hand_in("ana", 7.25, graded=True)
    web.login("profe").post("/teacher/one/release", {"students": "ana", "whom": "selected"})
    page = web.login("ana").get("/assignments/one")
    assert "Your grade 7.25 of 10" in text_of(page) and "for attempt 1" in text_of(page)
    assert re.search(r"Released on \w+, March \d+, 2030, \d\d:\d\d \(UTC\)", text_of(page))
    assert "This is not your grade yet" not in text_of(page)


def test_points_that_wait_for_their_release_are_nowhere(web: WebWorld) -> None:
    web.world.rules(feedback="released")
    number = web.hand_in("ana", 7, graded=True)
    ana = web.login("ana")
    for path in ("/assignments/one", f"/submissions/{number}", f"/submissions/{number}/receipt"):
        text = text_of(ana.get(path))
        assert "7 / 10" not in text and "7 of 10" not in text
    assert "when your teacher releases them" in text_of(ana.get("/assignments/one"))
    assert ana.get(f"/submissions/{number}/feedback/one").status_code == 404
    assert web.login("profe").get(f"/submissions/{number}/feedback/one").status_code == 200
    web.login("profe").post("/teacher/one/release", {"students": "ana", "whom": "selected"})
    assert "7 of 10" in text_of(ana.get("/assignments/one"))
    assert ana.get(f"/submissions/{number}/feedback/one").status_code == 200


def test_what_failed_without_the_students_fault_says_so(web: WebWorld) -> None:
    web.hand_in("ana")
    with writing(web.engine) as session:
        row = session.get_one(Submission, 1)
        row.state, row.error = "failed", "the graders are broken"
    text = text_of(web.login("ana").get("/assignments/one"))
    assert "no fault of yours" in text and "graders are broken" not in text


def test_all_attempts_are_listed_the_latest_first_with_the_one_that_counts(web: WebWorld) -> None:
    for x in (4, 9):
        web.hand_in("ana", x, graded=True)
    page = text_of(web.login("ana").get("/assignments/one"))
    table = page.partition("Your attempts")[2]
    assert re.search(r"2 .*graded\s+counts .*9 / 10 .* 1 .*graded .*4 / 10", table)


# Languages


def test_a_student_reads_in_the_language_that_is_set_for_them(web: WebWorld) -> None:
    web.world.course.settings.languages = {"ana": "es"}
    assert '<html lang="es">' in web.login("ana").get("/assignments/one").text
    assert '<html lang="en">' in web.login("luis").get("/assignments/one").text
    assert '<html lang="es">' in web.login("ana").get("/nowhere").text
    assert '<html lang="en">' in web.login("profe").get("/assignments/one").text


def test_a_teacher_sees_the_students_page_in_the_language_of_the_course(web: WebWorld) -> None:
    web.world.course.settings.language = "es"
    profe = web.login("profe")
    page = profe.get("/assignments/one")
    assert '<html lang="es">' in page.text and "Fecha límite" in text_of(page)
    assert '<html lang="en">' in profe.get("/teacher/one").text, "their own pages stay English"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3660, "1 h 1 min"),
        (86_400, "1 day"),
        (2 * 86_400 + 3 * 3600 + 5 * 60, "2 days 3 h"),
    ],
)
def test_a_time_span_is_told_in_its_two_largest_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told
