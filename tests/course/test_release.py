"""The releases: fresh, without solutions or graders, and kind to a student who did nothing."""

import json
import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from autograder.bridge.course import Course
from autograder.check import check, fresh_release
from tests.sample_class import POINTS

ROOT = Path(__file__).parents[2]
ASSIGNMENTS = sorted(POINTS)


def notebook_path(step: str, assignment: str) -> Path:
    return ROOT / step / assignment / f"{assignment}.ipynb"


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_release_is_what_generate_assignment_makes_today(
    assignment: str, tmp_path: Path
) -> None:
    fresh = fresh_release(Course(ROOT), assignment, tmp_path) / f"{assignment}.ipynb"
    committed = notebook_path("release", assignment)
    assert json.loads(committed.read_text()) == json.loads(fresh.read_text())


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_notebook_has_the_grade_cells_and_points_of_the_plan(assignment: str) -> None:
    notebook = nbformat.read(notebook_path("source", assignment), as_version=4)
    cells = [cell.metadata.get("nbgrader", {}) for cell in notebook.cells]
    assert {c["grade_id"]: c["points"] for c in cells if c.get("grade")} == POINTS[assignment]


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_release_contains_no_solution_and_no_grader(assignment: str) -> None:
    source = nbformat.read(notebook_path("source", assignment), as_version=4)
    release = notebook_path("release", assignment).read_text()
    text = "\n".join(cell.source for cell in nbformat.reads(release, as_version=4).cells)
    for cell in source.cells:
        regions = re.findall(
            r"### BEGIN SOLUTION\n(.*?)\s*### END SOLUTION", cell.source, re.DOTALL
        )
        for line in (line.strip() for region in regions for line in region.splitlines()):
            if len(line) > 12 and not line.startswith("#"):
                others = [c.source for c in source.cells if c is not cell]
                assert line not in text or any(line in other for other in others), line
    assert "SOLUTION" not in text
    for secret in ("autograder.grading", "grade_cell", "submission.", "solutions import"):
        assert secret not in text


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_an_untouched_release_runs_to_its_end_in_a_real_kernel(assignment: str) -> None:
    notebook = nbformat.read(notebook_path("release", assignment), as_version=4)
    NotebookClient(notebook, timeout=120, allow_errors=True).execute()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.execution_count is not None
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            (error,) = [output for output in cell.outputs if output.output_type == "error"]
            assert error.ename in ("AssertionError", "NotImplementedError"), error.evalue
            assert len(error.evalue) > 10


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_teachers_notebook_runs_without_any_error_in_a_real_kernel(assignment: str) -> None:
    notebook = nbformat.read(notebook_path("source", assignment), as_version=4)
    NotebookClient(notebook, timeout=120).execute()


@pytest.mark.parametrize("assignment", ASSIGNMENTS)
def test_the_course_has_no_findings(assignment: str, tmp_path: Path) -> None:
    assert check(Course(ROOT), assignment) == []


def test_every_section_that_a_hint_names_is_a_heading_of_a_lesson() -> None:
    notebooks = [nbformat.read(notebook_path("source", name), as_version=4) for name in ASSIGNMENTS]
    texts = [c.source for n in notebooks for c in n.cells if c.cell_type == "markdown"]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("#")]
    headings = {line.lstrip("# ").replace("`", "") for line in lines}
    graders = list((ROOT / "tests/graders").glob("*/*.py"))
    # hints are literals over several lines: join them as Python does
    texts = [re.sub(r'"\n\s*f?"', "", path.read_text(encoding="utf-8")) for path in graders]
    named = {name for text in texts for name in re.findall(r"Repasa «([^»]+)»", text)}
    assert len(graders) > 10 and len(named) > 10
    assert named <= headings
