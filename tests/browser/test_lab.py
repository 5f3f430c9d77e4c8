"""A student's and a teacher's way in JupyterLab, with nbgrader's extensions, in a real Chromium.

One course and one server; a way is walked once, and what there is to see on it is looked at by
several tests. Teacher and student are the same user of the machine.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pytest
from playwright.sync_api import Browser, FrameLocator, Locator, Page, Route, expect

from autograder.lab.validation import MORE, NOT_SAVED
from autograder.messages import in_language, translate
from tests.browser.conftest import picture
from tests.browser.lab_server import ASSIGNMENT, Lab, running

WRONG: Final = "tensor_data = torch.tensor(data, dtype=torch.int32)"
"""Passes the visible check of the first exercise, and fails a hidden one."""
RIGHT: Final = "tensor_data = torch.tensor(data)"
HEADING: Final = "Ejercicio: un tensor desde una lista"
EXERCISE, ANSWER, POINTS = "tensores-lista", "tensores-lista-solucion", 4
SCORE: Final = 3
"""What the wrong one earns; all other exercises are left undone."""
UNSAVED: Final = "  # escrito y no guardado"
COMMENT: Final = "El tipo se deduce solo: no hace falta pedirlo."
PASSES: Final = (
    "The visible checks pass. Grading checks more, also with data that is not shown here."
)
_WAIT_MS: Final = 60_000


def es(text: str) -> str:
    """What a student reads in Spanish."""
    with in_language("es"):
        return translate(text)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("lab")) as found:
        yield found


@pytest.fixture(scope="module")
def page(chromium: Browser, lab: Lab) -> Iterator[Page]:
    """One window of the browser, for all tests: JupyterLab takes long to open."""
    expect.set_options(timeout=_WAIT_MS)
    context = chromium.new_context(locale="es-ES", viewport={"width": 1400, "height": 900})
    context.set_default_timeout(_WAIT_MS)
    made = context.new_page()
    made.goto(lab.address())
    yield made
    context.close()


def open_tool(page: Page, name: str) -> None:
    """Choose one of nbgrader's tools in the menu."""
    page.get_by_role("menuitem", name="Nbgrader").click()
    page.get_by_role("menuitem", name=name, exact=True).click()


def formgrader(page: Page) -> FrameLocator:
    """The formgrader, opened anew."""
    for tab in page.locator(".lm-TabBar-tab", has_text="Formgrader").all():
        tab.locator(".lm-TabBar-tabCloseIcon").click()
    open_tool(page, "Formgrader")
    frame = page.frame_locator("#formgrader-iframe iframe")
    expect(frame.locator("#main-table td.name")).to_have_text(ASSIGNMENT)
    return frame


def do(frame: FrameLocator, what: str, done: str) -> None:
    """Press one of the formgrader's signs, and read that it has succeeded."""
    frame.locator(f"td.{what} a").click()
    expect(frame.locator(".modal.in .modal-body")).to_contain_text(done)
    frame.get_by_role("button", name="OK").click()
    expect(frame.locator(".modal-backdrop")).to_have_count(0)


def submissions(page: Page) -> FrameLocator:
    """The formgrader's table of what has been handed in."""
    frame = formgrader(page)
    frame.locator("td.num-submissions a").click()
    expect(frame.locator("td.autograde a")).to_be_visible()
    return frame


def submission(page: Page) -> FrameLocator:
    """The formgrader's page of the one submission."""
    frame = submissions(page)
    frame.get_by_role("link", name="Manual Grading").click()
    for _ in ("the assignment", "its notebook"):
        frame.locator("#main-table td.name a").get_by_text(ASSIGNMENT, exact=True).click()
    frame.get_by_role("link", name="Submission #1").click()
    expect(frame.locator(f"#{EXERCISE}")).to_have_attribute("placeholder", re.compile(r"\d"))
    return frame


def assignments(page: Page) -> Locator:
    """The list of assignments, as it is now."""
    open_tool(page, "Assignment List")
    shown = page.locator("#nbgrader-assignment-list")
    shown.locator("#refresh_assignments_list").click()
    expect(shown.locator("#submitted_assignments_list_loading")).to_be_hidden()
    return shown


def answer(page: Page, code: str) -> None:
    """Open the fetched notebook, type the answer of the first exercise, and save."""
    fetched = assignments(page).locator("#fetched_assignments_list")
    fetched.locator(".assignment-notebooks-link").click()
    fetched.locator(".assignment-notebooks").get_by_text(ASSIGNMENT, exact=True).click()
    page.get_by_role("tab", name="Table of Contents").click()
    page.locator(".jp-TableOfContents").get_by_text(HEADING).click()  # only there are cells drawn
    cell = page.locator(".jp-CodeCell", has_text="# Crea tensor_data")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code)
    page.keyboard.press("Control+S")
    expect(page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(0)
    picture(page, "lab-notebook")


def write_on(page: Page, code: str) -> None:
    """Type at the end of the first exercise's answer, and save nothing."""
    page.locator(".lm-TabBar-tab", has_text=f"{ASSIGNMENT}.ipynb").click()
    page.locator(".jp-CodeCell", has_text=WRONG).locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(code)
    expect(page.locator(".jp-mod-current.jp-mod-dirty")).to_have_count(1)


def validate(page: Page) -> Locator:
    """Press the notebook's own Validate; the dialog that opens."""
    page.locator(".jp-NotebookPanel:visible").get_by_role("button", name="Validate").click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_be_visible()
    return dialog


def close(dialog: Locator) -> None:
    dialog.get_by_role("button", name="Ok").click()
    expect(dialog).to_have_count(0)


def submit(page: Page, already: int) -> None:
    """Submit from the list of assignments, and see it there."""
    shown = assignments(page)
    shown.get_by_role("button", name="Submit", exact=True).click()
    attempts = shown.locator("#submitted_assignments_list .nested_list_item")
    expect(attempts).to_have_count(already + 1)


def type_into(page: Page, field: Locator, text: str) -> None:
    """Fill in a field of the formgrader's, which stores it when it is left."""
    field.fill(text)
    with page.expect_response("**/formgrader/api/*/*") as stored:
        field.press("Tab")
    assert stored.value.ok


@dataclass(frozen=True)
class Tried:
    """What a student read on the way."""

    validation: str
    told: list[str]
    """The exercises whose checks failed, each with why."""


@pytest.fixture(scope="module")
def released(page: Page, lab: Lab) -> None:
    """The teacher makes the students' version and releases it."""
    frame = formgrader(page)
    do(frame, "assign", "Successfully created")
    do(frame, "release", "Successfully released")
    expect(frame.locator("td.status")).to_have_text("released")
    picture(page, "lab-released")


@pytest.fixture(scope="module")
def handed_in(page: Page, lab: Lab, released: None) -> Tried:
    """The student fetches it, answers one exercise, validates, writes on, and submits."""
    shown = assignments(page)
    shown.get_by_role("button", name="Fetch", exact=True).click()
    expect(shown.get_by_role("button", name="Submit", exact=True)).to_be_visible()
    answer(page, WRONG)
    dialog = validate(page)
    picture(page, "lab-validation")
    expect(dialog).to_contain_text(es("Results of the checks"))
    tried = Tried(dialog.inner_text(), dialog.locator("pre").all_inner_texts())
    close(dialog)
    write_on(page, UNSAVED)
    submit(page, already=0)
    picture(page, "lab-submitted")
    return tried


@pytest.fixture(scope="module")
def graded(page: Page, lab: Lab, handed_in: Tried) -> None:
    """The teacher collects what was submitted, and autogrades it."""
    do(formgrader(page), "collect", "Successfully collected")
    frame = submissions(page)
    do(frame, "autograde", "Successfully autograded")
    picture(page, "lab-autograded")


def test_create_assignment_shows_the_points_of_a_source_notebook(page: Page, lab: Lab) -> None:
    page.goto(lab.address(f"lab/tree/source/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"))
    expect(page.get_by_role("heading", name="Tensores", exact=True)).to_be_visible()
    page.get_by_role("tab", name="Create Assignment").click()
    panel = page.locator(".nbgrader-CreateAssignmentWidget")
    expect(panel.locator(".nbgrader-TotalPointsInput")).to_have_value("25")
    picture(page, "lab-create-assignment")


def test_validate_does_not_promise_what_hidden_graders_decide(page: Page, lab: Lab) -> None:
    page.goto(lab.address(f"lab/tree/source/{ASSIGNMENT}/{ASSIGNMENT}.ipynb"))
    dialog = validate(page)
    expect(dialog).to_contain_text(es(PASSES))
    expect(dialog).not_to_contain_text("passes all the tests")
    picture(page, "lab-validation-of-a-solution")
    close(dialog)


def test_the_course_list_has_the_course(page: Page, lab: Lab) -> None:
    page.goto(lab.address())
    open_tool(page, "Course List")
    expect(page.locator("#nbgrader-course-list").get_by_text("modulo-3")).to_be_visible()
    picture(page, "lab-courses")


def test_validate_names_the_exercise_and_what_is_wrong_with_it(handed_in: Tried) -> None:
    assert handed_in.validation.count(es("These checks do not pass yet:")) == 1
    assert es(MORE) in handed_in.validation
    assert "Ejercicio: de NumPy a PyTorch (5 puntos)" in handed_in.told
    assert "Todavía no existe `np_array`: créalo en la celda anterior." in handed_in.told
    assert "Traceback" not in handed_in.validation
    assert not any(HEADING in one for one in handed_in.told), "its visible check passes"


def test_what_a_student_fetches_is_apart_from_the_course(lab: Lab, handed_in: Tried) -> None:
    assert (lab.course / "student" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").is_file()
    assert not (lab.course / ASSIGNMENT).exists()
    assert WRONG in (lab.course / "student" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text()


def test_a_submission_goes_through_the_exchange_of_this_machine(lab: Lab, handed_in: Tried) -> None:
    inbound = lab.exchange / "modulo-3" / "inbound"
    assert [one.name.split("+")[:2] for one in inbound.iterdir()] == [[lab.student, ASSIGNMENT]]
    assert lab.exchange.parent.stat().st_mode & 0o077 == 0, "nobody else can look into it"


def test_what_is_not_saved_when_submit_is_pressed_is_handed_in_too(
    page: Page, lab: Lab, handed_in: Tried
) -> None:
    [submission] = (lab.exchange / "modulo-3" / "inbound").iterdir()
    assert f"{WRONG}{UNSAVED}" in (submission / f"{ASSIGNMENT}.ipynb").read_text()
    expect(page.locator(".jp-mod-dirty")).to_have_count(0)


def test_nothing_is_handed_in_while_saving_fails(page: Page, lab: Lab, handed_in: Tried) -> None:
    def refuse(route: Route) -> None:
        route.fulfill(status=500) if route.request.method == "PUT" else route.fallback()

    page.route("**/api/contents/**", refuse)
    write_on(page, UNSAVED)
    shown = assignments(page)
    shown.get_by_role("button", name="Submit", exact=True).click()
    expect(page.get_by_text(es(NOT_SAVED))).to_be_visible()
    picture(page, "lab-not-saved")
    page.locator(".jp-Dialog").get_by_role("button", name="Close").click()
    page.unroute("**/api/contents/**", refuse)
    expect(shown.get_by_role("button", name="Submit", exact=True)).to_be_enabled()
    assert len(list((lab.exchange / "modulo-3" / "inbound").iterdir())) == 1


def test_formgrader_grades_with_the_hidden_graders(page: Page, lab: Lab, graded: None) -> None:
    frame = submissions(page)
    expect(frame.locator("td.status")).to_have_text("graded")
    expect(frame.locator("td.score")).to_have_text(f"{SCORE} / 25")


def test_formgrader_shows_scores_and_checks(page: Page, lab: Lab, graded: None) -> None:
    frame = submission(page)
    expect(frame.locator(f"#{EXERCISE}")).to_have_attribute("placeholder", str(SCORE))
    checks = frame.locator(".autograder").filter(has_text="int64")
    expect(checks).to_contain_text(f"{SCORE} de {POINTS} puntos")
    expect(checks).to_contain_text("todavía no")
    checks.scroll_into_view_if_needed()
    picture(page, "lab-checks")


def test_a_grade_and_a_comment_of_the_teacher_s_reach_the_student(
    page: Page, lab: Lab, graded: None
) -> None:
    frame = submission(page)
    type_into(page, frame.locator(f"#{EXERCISE}"), "3.5")
    type_into(page, frame.locator(f"#{ANSWER}-comment"), COMMENT)
    picture(page, "lab-by-hand")
    frame = submissions(page)
    expect(frame.locator("td.score")).to_have_text("3.5 / 25")
    do(frame, "generate-feedback", "Successfully generated")
    do(frame, "release-feedback", "Successfully released")

    shown = assignments(page)
    shown.get_by_role("button", name="Fetch Feedback").click()
    shown.get_by_text("view feedback").click()
    page.locator(".jp-DirListing-item", has_text=f"{ASSIGNMENT}.html").dblclick()
    feedback = page.frame_locator(".jp-HTMLViewer iframe")
    expect(feedback.get_by_text(COMMENT)).to_be_visible()
    title = f"{ASSIGNMENT}: 3.5 de 25 puntos"
    expect(feedback.get_by_role("heading", name=title)).to_be_visible()
    expect(feedback.locator(".autograder").filter(has_text="int64")).to_contain_text(
        "Las comprobaciones dieron 3 de 4; tu profesorado puso 3.5."
    )
    picture(page, "lab-feedback")


def test_formgrader_shows_the_new_scores_of_a_submission_that_is_graded_again(
    page: Page, lab: Lab, graded: None
) -> None:
    frame = submission(page)
    expect(frame.locator(f"#{EXERCISE}")).to_have_attribute("placeholder", str(SCORE))
    submitted = lab.course / "submitted" / lab.student / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
    submitted.write_text(submitted.read_text().replace(WRONG, RIGHT))
    do(submissions(page), "autograde", "Successfully autograded")
    frame = submission(page)
    expect(frame.locator(f"#{EXERCISE}")).to_have_attribute("placeholder", str(POINTS))


def test_nobody_is_asked_about_news_of_jupyter_s(page: Page, lab: Lab) -> None:
    page.goto(lab.address())
    config = json.loads(page.locator("#jupyter-config-data").text_content() or "")
    assert "@jupyterlab/apputils-extension:announcements" in config["disabledExtensions"]
    expect(page.get_by_role("menuitem", name="Nbgrader")).to_be_visible()
    expect(page.get_by_text("official Jupyter news")).to_have_count(0)


def test_nothing_is_written_into_the_user_s_configuration_of_jupyter(lab: Lab, page: Page) -> None:
    kept = {path.name for path in (lab.home / "jupyter-config").rglob("*") if path.is_file()}
    assert not {name for name in kept if "config" in name}, kept
