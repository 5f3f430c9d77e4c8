"""The page of feedback around the cells: its title, contents, names, points and comments."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbformat.v4 import new_markdown_cell

from autograder.bridge import preprocessors
from autograder.bridge.course import Course
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG: Final = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
c.RunGraders.language = "en"
c.RunGraders.languages = {"ana": "es"}
"""
GRADERS: Final = '''
import pytest

@pytest.mark.grade_cell("check-a")
def test_a(submission):
    """`a` is 2."""
    assert submission.value("a") == 2

@pytest.mark.grade_cell("check-b", weight=3)
def test_b(submission):
    """`b` is 2."""
    assert submission.value("b") == 2

@pytest.mark.grade_cell("check-b")
def test_more_b(submission):
    """`b` is positive."""
    assert submission.value("b") > 0
'''
EVIL: Final = "<script>alert('EVIL')</script>"


def notebook(*more: Any, a: str = "a = 2", b: str = "b = 2") -> Any:
    essay = new_markdown_cell("Because.", id="essay")
    essay.metadata["nbgrader"] = {
        "grade_id": "essay", "grade": True, "solution": True, "locked": False, "task": False,
        "schema_version": 3, "points": 2, "cell_type": "markdown",
    }  # fmt: skip
    return notebook_of(
        [
            new_markdown_cell("# Lesson", id="lesson"),
            new_markdown_cell("Read this.\n\n## The **first** `a`", id="first"),
            nbgrader_cell(a, "a"),
            nbgrader_cell("# a", "check-a", 4),
            new_markdown_cell("## The second one", id="second"),
            *more,
            nbgrader_cell(b, "b"),
            nbgrader_cell("# b", "check-b", 4),
            new_markdown_cell("## Why", id="why"),
            essay,
        ]
    )


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Course]:
    root = tmp_path_factory.mktemp("course")
    yield make_course(root, CONFIG, GRADERS, notebook())
    for process in preprocessors._processes.values():
        process.stop()
    preprocessors._processes.clear()


def hand_in(course: Course, student: str, submitted: Any | str) -> None:
    path = course.folder("submitted", "one", student) / "one.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(submitted, str):
        path.write_text(submitted)
    else:
        nbformat.write(submitted, path)
    summary = course.autograde("one", student)
    assert not summary.error, summary


def page_of(course: Course, student: str) -> BeautifulSoup:
    folder = course.feedback("one", student)
    assert folder is not None
    return BeautifulSoup((folder / "one.html").read_text(encoding="utf-8"), "html.parser")


def text_of(tag: Any) -> str:
    return " ".join(tag.get_text(" ").split())


def contents(page: BeautifulSoup) -> list[str]:
    nav = page.find("nav")
    assert isinstance(nav, Tag)
    return [text_of(item) for item in nav.find_all("li")]


@pytest.fixture(scope="module")
def marked(course: Course) -> BeautifulSoup:
    """The page of a late student whose work a person has commented on."""
    heading = new_markdown_cell(f"## {EVIL} & more", id="mine")
    hand_in(course, "luis", notebook(heading, b="b = 1"))
    with course.gradebook() as gradebook:
        where = "one", "one", "luis"
        gradebook.find_comment("b", *where).manual_comment = f"Look at *this*. {EVIL}"
        essay = gradebook.find_grade("essay", *where)
        essay.manual_score, essay.needs_manual_grade = 1.5, False
        gradebook.find_comment("essay", *where).manual_comment = "Say more."
        gradebook.find_submission_notebook(*where).late_submission_penalty = 0.75
        gradebook.db.commit()
    return page_of(course, "luis")


def test_the_title_says_what_was_earned(marked: BeautifulSoup) -> None:
    title, heading = marked.find("title"), marked.find("h1")
    assert title is not None and title.get_text() == "one: 5.75 of 10 points"
    assert heading is not None and heading.get_text() == "one: 5.75 of 10 points"


def test_the_contents_name_each_exercise_by_the_heading_above_it(marked: BeautifulSoup) -> None:
    assert contents(marked) == [
        "The first a — 4 of 4",
        f"{EVIL} & more — 1 of 4 · Comment of your teacher",
        "Why — 1.5 of 2 · Comment of your teacher",
        "Points taken because it came late: 0.75",
    ]


def test_the_links_of_the_contents_lead_to_places_of_the_page(marked: BeautifulSoup) -> None:
    links = [str(link["href"]) for link in marked.select("nav a")]
    assert links == ["#check-a", "#check-b", "#comment-b", "#essay", "#comment-essay"]
    for link in [*links, "#top"]:
        assert len(marked.find_all(id=link.removeprefix("#"))) == 1, link


def test_each_cell_has_its_name_points_and_comment(marked: BeautifulSoup) -> None:
    boxes = {str(box["id"]): box for box in marked.select(".nbgrader_cell")}
    heads = {name: text_of(box.select_one(".panel-heading")) for name, box in boxes.items()}
    assert heads == {
        "a": "Your answer Back to the top",
        "check-a": "Check 4 of 4 points Back to the top",
        "b": "Your answer Back to the top",
        "check-b": "Check 1 of 4 points Back to the top",
        "essay": "Your answer 1.5 of 2 points Back to the top",
    }
    feet = {name: box.select_one(".panel-footer") for name, box in boxes.items()}
    assert feet["a"] is feet["check-b"] is None
    assert text_of(feet["essay"]) == "Comment of your teacher: Say more."
    assert feet["b"] is not None and feet["b"].find("em", string="this") is not None
    assert "b = 1" in text_of(boxes["b"]) and "Because." in text_of(boxes["essay"])


def test_no_heading_or_comment_gets_a_script_into_the_page(marked: BeautifulSoup) -> None:
    assert not [one for one in marked.find_all("script") if "EVIL" in one.get_text()]
    assert "EVIL" in text_of(marked.find("nav"))


def test_the_page_is_in_the_language_of_its_student(course: Course, marked: BeautifulSoup) -> None:
    hand_in(course, "ana", notebook())
    page = page_of(course, "ana")
    title = page.find("title")
    assert title is not None and title.get_text() == "one: 8 de 10 puntos"
    assert page.html is not None and page.html["lang"] == "es"
    assert marked.html is not None and marked.html["lang"] == "en"


def test_a_written_answer_that_nobody_touched_is_called_so_in_the_student_s_language(
    course: Course,
) -> None:
    released = nbformat.read(course.folder("release", "one") / "one.ipynb", as_version=4)
    hand_in(course, "silent", released)
    page = page_of(course, "silent")
    foot = page.select_one("#essay .panel-footer")
    assert text_of(foot) == "You have not written anything here."
    assert "Comment of your teacher" not in text_of(page)


@pytest.mark.parametrize("where", ["before", "after"])
def test_a_template_of_the_course_stays(course: Course, tmp_path: Path, where: str) -> None:
    own = tmp_path / "mine"
    own.mkdir()
    (own / "conf.json").write_text('{"base_template": "classic"}')
    (own / "index.html.j2").write_text("Mine: {{ resources.nbgrader.score }}")
    chosen = (
        f"c.HTMLExporter.template_name = 'mine'\n"
        f"c.HTMLExporter.extra_template_basedirs = [{str(tmp_path)!r}]\n"
    )
    hand_in(course, "eva", notebook())
    config = CONFIG.replace("configure(c)\n", f"{chosen}configure(c)\n")
    config = config if where == "before" else CONFIG + chosen
    path = course.root / "nbgrader_config.py"
    path.write_text(config)
    try:
        assert Course(course.root).feedback("one", "eva") is not None
    finally:
        path.write_text(CONFIG)
    html = (course.folder("feedback", "one", "eva") / "one.html").read_text()
    assert html == "Mine: 8.0"


# An answer that stopped


def told_in(page: BeautifulSoup, check: str) -> list[str]:
    """What is said of each check of a grade cell."""
    box = page.find(id=check)
    assert isinstance(box, Tag)
    cell = box.find_parent(class_="cell")
    assert isinstance(cell, Tag)
    return [text_of(row).replace(" .", ".") for row in cell.select(".autograder li")]


STOPPED: Final = "The cell of your answer stopped with an error, so b was not made"


@pytest.mark.parametrize(
    "answer",
    [
        "b = (2",
        "!pip install numpy\nb = 2",
        "b = 'a' + 1",
        "while True: pass",
    ],
)
def test_an_answer_that_stopped_is_said_once_and_was_attempted(course: Course, answer: str) -> None:
    student = f"stopped-{sum(answer.encode())}"
    hand_in(course, student, notebook(b=answer))
    first, second = told_in(page_of(course, student), "check-b")
    assert first.startswith("✘ not yet · b is 2.") and STOPPED in first, first
    assert second == "✘ not yet · b is positive."
    assert course.scores("one")[student]["check-b"] == 0


def test_what_was_not_touched_is_not_attempted_even_if_it_raises(course: Course) -> None:
    released = nbformat.read(course.folder("release", "one") / "one.ipynb", as_version=4)
    hand_in(course, "untouched", released)
    page = page_of(course, "untouched")
    for told in [*told_in(page, "check-a"), *told_in(page, "check-b")]:
        assert told.startswith("○ not attempted")
        assert "Write your answer in the cell above" in told
    stub = next(cell.source for cell in released.cells if cell.id == "b")
    hand_in(course, "untouched", notebook(b=f"# I will do it later\n{stub}"))
    for told in told_in(page_of(course, "untouched"), "check-b"):
        assert told.startswith("○ not attempted")


def test_an_error_in_another_exercise_s_answer_says_nothing_of_this_one(course: Course) -> None:
    released = nbformat.read(course.folder("release", "one") / "one.ipynb", as_version=4)
    next(cell for cell in released.cells if cell.id == "a").source = "a = ("
    hand_in(course, "half", released)
    page = page_of(course, "half")
    assert told_in(page, "check-a")[0].startswith("✘ not yet")
    assert all(told.startswith("○ not attempted") for told in told_in(page, "check-b"))


# A notebook that could not be read

ADVICE: Final = (
    "Open your copy in JupyterLab, see that it is all there, save it and hand it in again."
)


@pytest.mark.parametrize("damaged", ["", nbformat.writes(notebook())[:400], "[]"])
def test_of_a_damaged_notebook_only_that_and_what_to_do_is_said(
    course: Course, damaged: str
) -> None:
    student = f"damaged-{len(damaged)}"
    hand_in(course, student, damaged)
    page = page_of(course, student)
    assert text_of(page.find("h1")) == "one: 0 of 10 points" and contents(page) == []
    (cell,) = page.select(".cell")
    assert text_of(cell).startswith("This notebook could not be graded The file is")
    assert text_of(cell).endswith(ADVICE)


def test_what_a_person_gave_for_a_damaged_notebook_is_shown(course: Course) -> None:
    hand_in(course, "by-mail", "{")
    with course.gradebook() as gradebook:
        gradebook.find_grade("check-a", "one", "one", "by-mail").manual_score = 3
        gradebook.find_comment("essay", "one", "one", "by-mail").manual_comment = "Seen on paper."
        gradebook.db.commit()
    page = page_of(course, "by-mail")
    assert ADVICE in text_of(page) and "Seen on paper." in text_of(page)
    assert contents(page) == [
        "check-a — 3 of 4",
        "check-b — 0 of 4",
        "essay — 0 of 2 · Comment of your teacher",
    ]
    assert "Write your answer" not in text_of(page) and "NotImplementedError:" not in text_of(page)


def test_a_notebook_beyond_a_limit_says_itself_what_to_do(course: Course) -> None:
    hand_in(course, "long", notebook(b=f"b = 2  # {'x' * 200_000}"))
    page = page_of(course, "long")
    assert "too long" in text_of(page) and ADVICE not in text_of(page)


# A score that a person gave


def test_a_score_that_a_person_gave_stands_beside_what_the_checks_gave(course: Course) -> None:
    hand_in(course, "manual", notebook(b="b = 1"))
    with course.gradebook() as gradebook:
        gradebook.find_grade("check-a", "one", "one", "manual").manual_score = 4
        gradebook.find_grade("check-b", "one", "one", "manual").manual_score = 2.5
        gradebook.db.commit()
    page = page_of(course, "manual")
    heads = [text_of(box.find("p")) for box in page.select(".autograder") if box.find("p")]
    assert heads == [
        "4 of 4 points · 1 of 1 checks right",
        "The checks gave 1 of 4; your teacher gave 2.5. 1 of 2 checks right",
    ]
    assert "b is 2" in text_of(page.find(id="check-b").find_parent(class_="cell"))  # type: ignore[union-attr]
    assert any("— 2.5 of 4" in line for line in contents(page))
