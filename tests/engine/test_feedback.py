"""What students read of a grading: levels of hints, languages, links, colours, errors."""

import re
from collections.abc import Callable, Iterator, Mapping
from logging import getLogger
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest
from bs4 import BeautifulSoup, Tag
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.bridge import preprocessors, render, sections
from autograder.bridge.course import Course, CourseError
from autograder.bridge.page import ReadableOnPhones
from autograder.bridge.render import HINTS, Hints, cell_html
from autograder.bridge.safe_html import clean_html
from autograder.explain import mistake
from autograder.grading.results import CellResult, CheckResult
from autograder.messages import in_language
from autograder.validity.corpus import read
from autograder.validity.examine import NOT_ATTEMPTED
from tests.small_course import make_course, nbgrader_cell, notebook_of

LESSON: Final = {"section.la-capa-afín-x-w-b": "La capa afín: x·w + b"}
FAILED: Final = CheckResult(
    "one/test_one.py::test_a",
    "`a` es un tensor.",
    1,
    "failed",
    message="Su forma es (3, 2).",
    hint="Repasa «La capa afín: x·w + b», el producto; la pérdida «con logits» no.",
    diagnosis="wrong-shape",
    detail="secret of the teacher",
)
PASSED: Final = CheckResult("one/test_one.py::test_b", "`b` existe.", 3, "passed")


def page_of(*checks: CheckResult, hints: Hints = "full") -> BeautifulSoup:
    with in_language("es"):
        html = cell_html(CellResult("one-a", checks), 4, hints, LESSON)
    assert clean_html(html) == str(BeautifulSoup(clean_html(html), "html.parser"))
    return BeautifulSoup(clean_html(html), "html.parser")


# Levels of hints


@pytest.mark.parametrize("hints", HINTS)
def test_at_every_level_the_points_and_the_status_of_each_check_are_told(hints: Hints) -> None:
    text = page_of(FAILED, PASSED, hints=hints).get_text(" ")
    assert "3 de 4 puntos" in text and "1 de 2 comprobaciones superadas" in text
    assert "✘ todavía no" in text and "✔ bien" in text
    assert "es un tensor." in text and "existe." in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("hints", "category", "link", "message"),
    [
        ("none", False, False, False),
        ("category", True, False, False),
        ("pointer", True, True, False),
        ("full", True, True, True),
    ],
)
def test_each_level_tells_more_than_the_one_before(
    hints: Hints, category: bool, link: bool, message: bool
) -> None:
    page = page_of(FAILED, hints=hints)
    text = page.get_text(" ")
    assert ("Tipo de fallo: la forma" in re.sub(r"\s+", " ", text)) is category
    assert (page.find("a") is not None) is link
    assert ("Su forma es (3, 2)." in text) is message
    assert ("el producto" in text) is message


def test_a_part_that_was_not_attempted_is_no_mistake() -> None:
    check = CheckResult("n", "`a`.", 1, "not attempted", "`a` todavía no existe.", "Escríbela.")
    text = page_of(check).get_text()
    assert "○ sin hacer" in text and "Escríbela." in text and "✘" not in text
    assert "todavía no existe" not in page_of(check, hints="pointer").get_text()


@pytest.mark.parametrize("hints", HINTS)
def test_a_fault_of_a_grader_is_told_at_every_level(hints: Hints) -> None:
    check = CheckResult("n", "`a`.", 1, "fault", "La revisará tu profesorado.", detail="line 3")
    text = page_of(check, hints=hints).get_text()
    assert "? por revisar" in text and "La revisará" in text and "line 3" not in text


def test_a_kind_of_mistake_that_the_engine_does_not_know_has_no_phrase() -> None:
    check = CheckResult("n", "`a`.", 1, "failed", "Mal.", diagnosis="of-this-course-alone")
    assert "Tipo de fallo" not in page_of(check, hints="category").get_text()


def test_every_mistake_that_the_course_s_graders_name_has_a_phrase() -> None:
    folder = Path(__file__).parents[1] / "solutions_corpus"
    named = {one.diagnosis for path in folder.glob("*/*.toml") for one in read(path).wrong}
    assert {"wrong-shape", "wrong-dtype", "backward-twice", "typed-values"} <= named
    assert not [slug for slug in sorted(named - {NOT_ATTEMPTED}) if not mistake(slug)]


# Links to the lesson


def text_cells(*sources: str) -> list[Any]:
    return [new_markdown_cell(source) for source in sources]


def test_headings_are_those_that_the_page_shows() -> None:
    cells = text_cells(
        "# Uno\ntext\n## `grad_fn` y *más*\n#no heading\n```python\n# a comment\n```\n### Dos ##",
        "~~~\n```\n# inside\n~~~\n## Tres",
    )
    cells.append(new_code_cell("# not a text cell"))
    shown = ["Uno", "grad_fn y *más*", "Dos", "Tres"]
    assert list(sections.headings(cells).values()) == shown
    assert list(sections.headings(cells)) == [
        "section.uno", "section.grad_fn-y-más", "section.dos", "section.tres"
    ]  # fmt: skip


def test_a_section_that_the_lesson_has_is_a_link_and_any_other_stays_text() -> None:
    page = page_of(FAILED)
    (link,) = page.find_all("a")
    assert link["href"] == "#section.la-capa-afín-x-w-b"
    assert link.get_text() == "La capa afín: x·w + b"
    assert "«La capa afín: x·w + b», el producto" in page.get_text()
    assert "«con logits»" in page.get_text()


def test_what_a_message_quotes_of_a_student_gets_no_html_into_the_page() -> None:
    evil = "<script>EVIL</script> `<b onclick=EVIL>` «<img src=x onerror=EVIL>» \" ' &lt;"
    lesson = {sections.anchor("<img src=x onerror=EVIL>"): "x"} | LESSON
    check = CheckResult("n", evil, 1, "failed", evil, evil, evil, evil)
    for hints in HINTS:
        html = cell_html(CellResult("one-a", [check]), 4, hints, lesson)
        found = {tag.name for tag in BeautifulSoup(html, "html.parser").find_all(True)}
        assert found <= {"div", "p", "strong", "ul", "li", "span", "code", "a"}
        assert "<script" not in html and "onclick=EVIL>" not in html.replace("&gt;", "")


# Looks


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def seen_without(cone: str, colour: str) -> tuple[float, ...]:
    """A colour as people without one kind of cones see it (Viénot, Brettel and Mollon, 1999)."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    if cone == "L":
        mixed = 0.1124 * red + 0.8876 * green
        return mixed, mixed, 0.004 * red - 0.004 * green + blue
    mixed = 0.2928 * red + 0.7072 * green
    return mixed, mixed, -0.0224 * red + 0.0224 * green + blue


def test_the_contrast_is_that_of_readable_text() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") < 4.5
    colours = [colour for _sign, colour in render.LOOK.values()]
    link = re.search(r"color:(#\w{6})", sections._LINK_STYLE)
    assert link is not None
    for colour in [*colours, render.TEXT, link[1]]:
        for background in (render.BACKGROUND, render.ERROR_BACKGROUND):
            assert contrast(colour, background) >= 4.5, (colour, background)
    assert contrast(*render.CODE) >= 4.5


@pytest.mark.parametrize("cone", ["L", "M"])
def test_right_and_wrong_are_told_apart_without_red_or_green(cone: str) -> None:
    right, wrong = (seen_without(cone, render.LOOK[one][1]) for one in ("passed", "failed"))
    assert max(abs(a - b) for a, b in zip(right, wrong, strict=True)) > 0.35


def test_each_status_has_a_sign_of_its_own_beside_its_colour() -> None:
    assert len({sign for sign, _colour in render.LOOK.values()}) == 4
    assert len({colour for _sign, colour in render.LOOK.values()}) == 4


def test_no_width_is_fixed_and_every_style_survives_the_cleaning() -> None:
    html = cell_html(CellResult("one-a", [FAILED, PASSED]), 4, "full", LESSON)
    assert not re.search(r"(?<!max-)width:", html) and "<style" not in html
    for style in re.findall(r'style="([^"]*)"', html):
        for part in filter(None, style.split(";")):
            assert part.split(":")[0].strip() in clean_html(html), part
    kept = re.findall(r"[\w-]+:", " ".join(re.findall(r'style="([^"]*)"', clean_html(html))))
    assert sorted(kept) == sorted(
        re.findall(r"[\w-]+:", " ".join(re.findall(r'style="([^"]*)"', html)))
    )


# A graded course

CONFIG: Final = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.Jail.allow_unsafe = True
"""
GRADERS: Final = '''
from pathlib import Path
import pytest
from autograder.grading import fail

@pytest.mark.grade_cell("check-a")
def test_a(submission):
    """`a` es 2."""
    with open(Path(__file__).parents[3] / "ran.txt", "a") as log:
        print("a", file=log)
    if submission.value("a") != 2:
        fail("`a` no es 2.", "Repasa «Qué es a», el valor.", "wrong-values")
    submission.value("b")
'''


def notebook(*extra: str) -> Any:
    return notebook_of(
        [
            new_markdown_cell("# Lección\n\n## Qué es `a`\n\nUn número.", id="text"),
            nbgrader_cell("a = 1", "a"),
            nbgrader_cell("# a", "check-a", 4),
            *(new_code_cell(source, id=f"more-{n}") for n, source in enumerate(extra)),
        ]
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course for the tests of this file, each of which has students of its own."""
    folder = tmp_path_factory.mktemp("course")
    make_course(folder, CONFIG, GRADERS, notebook())
    return folder


def submission_of(root: Path, student: str) -> Path:
    path = root / f"submitted/{student}/one/one.ipynb"
    if not path.exists():
        path.parent.mkdir(parents=True)
        errors = ("b = 1\nc = b / 0", "import torch\ntorch.ones(2) @ d")
        nbformat.write(notebook(*errors), path)
    return path


Grade = Callable[..., tuple[BeautifulSoup, int]]


@pytest.fixture(scope="module")
def grade(root: Path) -> Iterator[Grade]:
    """Grades as a new command does; a student's page, and how often the check ran for it."""

    def graded(student: str, more: str = "") -> tuple[BeautifulSoup, int]:
        submission_of(root, student)
        (root / "nbgrader_config.py").write_text(CONFIG + more)
        log = root / "ran.txt"
        log.unlink(missing_ok=True)
        course = Course(root)
        summary = course.autograde("one", student)
        assert not summary.error, summary
        assert course.feedback("one", student) is not None
        html = (root / f"feedback/{student}/one/one.html").read_text(encoding="utf-8")
        return BeautifulSoup(html, "html.parser"), len(log.read_text()) if log.exists() else 0

    yield graded
    for process in preprocessors._processes.values():
        process.stop()
    preprocessors._processes.clear()


def results(page: BeautifulSoup) -> str:
    boxes = page.find_all(class_="autograder")
    return "\n".join(box.get_text(" ") for box in boxes)


def test_links_lead_to_headings_of_the_page(grade: Grade) -> None:
    page, _ran = grade("ana0")
    links = [link for box in page.find_all(class_="autograder") for link in box.find_all("a")]
    assert [link.get_text() for link in links] == ["Qué es a"]
    target = page.find(id=str(links[0]["href"]).removeprefix("#"))
    assert isinstance(target, Tag) and target.name == "h2" and target.get_text() == "Qué es a"


def test_another_level_of_hints_is_written_without_running_checks_again(grade: Grade) -> None:
    page, ran = grade("ana1")
    assert ran and "`a` no es 2" not in results(page) and "no es 2." in results(page)
    page, ran = grade("ana1", "c.RunGraders.hints_of = {'one': 'category'}\n")
    assert not ran and "no es 2." not in results(page)
    assert "valores distintos de los que se piden" in results(page)
    page, ran = grade("ana1", "c.RunGraders.hints = 'none'\n")
    assert not ran and "Tipo de fallo" not in results(page) and "todavía no" in results(page)


def test_the_teacher_keeps_all_of_a_result_whatever_students_read(root: Path, grade: Grade) -> None:
    grade("ana2", "c.RunGraders.hints = 'none'\n")
    graded = nbformat.read(root / "autograded/ana2/one/one.ipynb", as_version=4)
    (check,) = [
        check
        for cell in graded.cells
        for check in cell.metadata.get("autograder", {}).get("checks", [])
    ]
    assert (check.message, check.diagnosis) == ("`a` no es 2.", "wrong-values")


def test_each_student_reads_in_their_language(grade: Grade) -> None:
    more = "c.RunGraders.languages = {'ana3': 'en'}\n"
    english, spanish = results(grade("ana3", more)[0]), results(grade("bob3", more)[0])
    assert "0 of 4 points" in english and "not yet" in english
    assert "Error in cell 4, line 2" in english and "divided by zero" in english
    assert "0 de 4 puntos" in spanish and "todavía no" in spanish
    assert "Error en la celda 4, línea 2" in spanish and "entre cero" in spanish


def test_another_language_of_one_student_runs_their_checks_again_and_no_other(
    grade: Grade,
) -> None:
    assert grade("ana4")[1] and grade("bob4")[1]
    more = "c.RunGraders.languages = {'ana4': 'en'}\n"
    assert grade("bob4", more)[1] == 0
    page, ran = grade("ana4", more)
    assert ran and "0 of 4 points" in results(page)


def test_an_unreadable_notebook_is_explained_in_the_student_s_language(
    root: Path, grade: Grade
) -> None:
    submission_of(root, "ana5").write_text("")
    page, _ran = grade("ana5", "c.RunGraders.languages = {'ana5': 'en'}\n")
    assert "This notebook could not be graded" in page.get_text()
    submission_of(root, "bob5").write_text("")
    page, _ran = grade("bob5", "c.RunGraders.languages = {'ana5': 'en'}\n")
    assert "Este cuaderno no se pudo calificar" in page.get_text()


def test_an_error_is_explained_below_its_cell(root: Path, grade: Grade) -> None:
    page, _ran = grade("ana6")
    text = results(page)
    assert "Error en la celda 4, línea 2" in text and "ZeroDivisionError: division by zero" in text
    assert "Error en la celda 5, línea 2" in text and "No existe d" in re.sub(r"\s+", " ", text)
    graded = nbformat.read(root / "autograded/ana6/one/one.ipynb", as_version=4)
    kinds = [output.output_type for output in graded.cells[3].outputs]
    assert kinds == ["error", "display_data"]
    assert graded.cells[3].outputs[1].data["text/plain"].splitlines()[:2] == [
        "Error en la celda 4, línea 2", "    c = b / 0"
    ]  # fmt: skip


def test_explanations_can_be_switched_off(grade: Grade) -> None:
    assert "Error en la celda" not in results(
        grade("ana7", "c.RunGraders.explain_errors = False\n")[0]
    )


def test_what_makes_a_page_takes_every_option_of_the_exporter_s(
    caplog: pytest.LogCaptureFixture,
) -> None:
    HTMLExporter(preprocessors=[ReadableOnPhones], log=getLogger("exporter"))
    assert "not recognized" not in caplog.text


def test_a_page_may_be_as_narrow_as_a_phone(grade: Grade) -> None:
    page, _ran = grade("ana8")
    viewport = page.find("meta", attrs={"name": "viewport"})
    assert isinstance(viewport, Tag) and "width=device-width" in str(viewport["content"])
    styles = "".join(style.get_text() for style in page.find_all("style"))
    assert "@media (max-width: 700px)" in styles


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("c.RunGraders.hints = 'some'", "hints"),
        ("c.RunGraders.hints_of = {'one': 'some'}", "hints_of['one']: there is no 'some'; choose"),
        ("c.RunGraders.languages = {'ana': 'fr'}", "languages['ana']: there is no 'fr'; choose"),
        ("c.Jail.languages = {'ana': 3}", "languages['ana']: there is no 3; choose among es, en"),
    ],
)
def test_a_setting_that_does_not_exist_is_told_in_one_sentence(
    root: Path, line: str, told: str
) -> None:
    (root / "nbgrader_config.py").write_text(f"{CONFIG}{line}\n")
    with pytest.raises(CourseError, match=re.escape(told)):
        Course(root)


def test_a_mapping_of_hints_that_names_another_assignment_changes_nothing() -> None:
    settings: Mapping[str, Any] = {"hints": "pointer", "hints_of": {"two": "none"}}
    run = preprocessors.RunGraders(**settings)
    assert (run.hints_for("one"), run.hints_for("two")) == ("pointer", "none")
    assert run.language_of("ana10") == "es"
