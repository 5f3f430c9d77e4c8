"""What `autograder check` finds in notebooks and graders, each with the mend."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell

from autograder.bridge.course import Course
from autograder.check import Finding, check, fresh_release
from autograder.check.graders import uncollected, written
from autograder.check.notebooks import Notebooks
from autograder.grading.client import GradingError, GradingProcess
from tests.small_course import make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "en"
"""
ANSWER = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"
GRADER = '''
import pytest

@pytest.mark.grade_cell("x")
def test_x(submission):
    """`x` is 1."""
    assert submission.value("x") == 1
'''

MARKED_WITH_NOTHING = """
import pytest

@pytest.mark.grade_cell()
def test_a(submission): ...
"""


def sound() -> Any:
    return notebook_of([nbgrader_cell(ANSWER, "x-solution"), nbgrader_cell("x", "x", 2)])


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("course")
    (root / "nbgrader_config.py").write_text(CONFIG)
    (root / "source/one").mkdir(parents=True)
    (root / "tests/graders/one").mkdir(parents=True)
    return Course(root)


@pytest.fixture
def look(course: Course) -> Callable[[Any], Sequence[Finding]]:
    """What is found in a notebook, or in the text of one."""

    def found(notebook: Any) -> Sequence[Finding]:
        text = notebook if isinstance(notebook, str) else json.dumps(notebook)
        (course.root / "source/one/one.ipynb").write_text(text)
        looking = Notebooks(course, "one")
        looking.look()
        return looking.findings

    return found


Look = Callable[[Any], Sequence[Finding]]

# Notebooks


def test_nothing_is_found_in_a_sound_notebook(look: Look) -> None:
    assert look(sound()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nbformat": 4}', "null", '{"cells": 3}'])
def test_a_notebook_that_cannot_be_read_is_found(look: Look, text: str) -> None:
    (found,) = look(text)
    assert "no notebook that can be read" in found.what and "JupyterLab" in found.mend
    assert found.where == "source/one/one.ipynb"


def change(cell: int, **facts: Any) -> Any:
    """The sound notebook with other metadata of a cell; None takes one away."""
    notebook = sound()
    known = notebook.cells[cell].metadata.nbgrader
    known.update(facts)
    for name in [name for name, value in facts.items() if value is None]:
        del known[name]
    return notebook


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"points": None}, "grade cell 'x' has no points"),
        ({"points": "two"}, "has 'two' in the place of points"),
        ({"points": 0}, "is worth 0 points"),
        ({"points": -1}, "has negative points"),
        ({"grade_id": None}, "an nbgrader cell has no id"),
        ({"grade_id": ""}, "an nbgrader cell has no id"),
        ({"grade_id": "x-solution"}, "the id 'x-solution' is also that of source/one/one.ipynb, c"),
        ({"grade_id": "a b"}, "nbgrader refuses cell 'a b'"),
        ({"locked": None}, "nbgrader refuses cell 'x'"),
    ],
)
def test_a_grade_cell_without_what_nbgrader_needs_is_found(
    look: Look, facts: dict[str, Any], told: str
) -> None:
    (found,) = look(change(1, **facts))
    assert told in found.what and found.where == "source/one/one.ipynb, cell 2"
    assert "Create Assignment" in found.mend


@pytest.mark.parametrize(("version", "mend"), [(1, "nbgrader update source"), (9, "pip install")])
def test_metadata_of_another_nbgrader_are_found(look: Look, version: int, mend: str) -> None:
    (found,) = look(change(1, schema_version=version))
    assert f"schema {version}" in found.what and mend in found.mend


@pytest.mark.parametrize(
    ("kernel", "told"),
    [
        ({}, "names no kernel"),
        ({"name": "ir", "display_name": "R", "language": "R"}, "is for R"),
        ({"name": "mine", "display_name": "Mine", "language": "python"}, "students may not have"),
    ],
)
def test_a_kernel_that_students_do_not_have_is_found(
    look: Look, kernel: dict[str, str], told: str
) -> None:
    notebook = sound()
    notebook.metadata.kernelspec = kernel
    if not kernel:
        del notebook.metadata["kernelspec"]
    (found,) = look(notebook)
    assert told in found.what and "Python 3" in found.mend


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        (nbgrader_cell("y = 1", "y"), "solution cell 'y' has no ### BEGIN SOLUTION"),
        (new_code_cell(ANSWER), "a cell has a ### BEGIN SOLUTION and is no solution cell"),
        (
            nbgrader_cell("### BEGIN SOLUTION\ny = 1", "y"),
            "in cell 'y' BEGIN SOLUTION in line 1 has no END SOLUTION",
        ),
        (
            nbgrader_cell(f"### BEGIN SOLUTION\n{ANSWER}", "y"),
            "in cell 'y' a second BEGIN SOLUTION in line 2, before END SOLUTION",
        ),
        (
            nbgrader_cell("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "y", locked=True),
            "has a ### BEGIN HIDDEN TESTS and is no grade cell",
        ),
    ],
)
def test_a_region_that_is_not_as_nbgrader_needs_it_is_found(
    look: Look, cell: Any, told: str
) -> None:
    notebook = sound()
    notebook.cells.append(cell)
    (found,) = look(notebook)
    assert told in found.what and found.mend


def test_a_text_that_is_graded_by_hand_needs_no_region(look: Look) -> None:
    notebook = sound()
    text = new_markdown_cell("An answer.", id="text")
    text.metadata.nbgrader = {
        **{"grade": True, "solution": True, "locked": False, "task": False},
        **{"grade_id": "text", "points": 3, "schema_version": 3},
    }
    notebook.cells.append(text)
    assert look(notebook) == []


def test_an_answer_that_is_graded_by_hand_needs_no_region_either(look: Look) -> None:
    notebook = sound()
    by_hand = nbgrader_cell("draw()", "by-hand", 3)
    by_hand.metadata.nbgrader.update(solution=True, locked=False)
    notebook.cells.append(by_hand)
    assert look(notebook) == []


# Graders


def test_graders_may_lie_outside_the_course(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    (tmp_path / "elsewhere/one").mkdir(parents=True)
    (tmp_path / "elsewhere/one/test_a.py").write_text("def test_y(submission): ...")
    text = f"{CONFIG}\nc.RunGraders.graders = {str(tmp_path / 'elsewhere')!r}\n"
    (tmp_path / "course/nbgrader_config.py").write_text(text)
    (found,) = written(Course(tmp_path / "course"), "one")
    assert found.where == f"{tmp_path}/elsewhere/one/test_a.py, line 1"


def test_tests_that_never_count_are_found(course: Course) -> None:
    folder = course.graders / "one"
    (folder / "test_a.py").write_text(f"{GRADER}\ndef test_y(submission):\n    pass\n")
    (folder / "test_b.py").write_text(
        'import pytest\npytestmark = pytest.mark.grade_cell("x")\ndef test_z(submission): ...\n'
    )
    (folder / "checks.py").write_text(GRADER)
    found = {one.where: one for one in written(course, "one")}
    assert found.keys() == {"tests/graders/one/test_a.py, line 9", "tests/graders/one/checks.py"}
    assert "test_y has no marker" in found["tests/graders/one/test_a.py, line 9"].what
    assert found["tests/graders/one/checks.py"].mend == "rename it to test_checks.py"


def test_graders_that_cannot_be_collected_are_found_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (tmp_path / "solutions").mkdir()
    (tmp_path / "solutions/__init__.py").write_text("")
    folder = tmp_path / "tests/graders/one"
    folder.mkdir(parents=True)
    (tmp_path / "tests/graders/two").mkdir()
    texts = {
        "test_syntax.py": "x = 1\ndef (",
        "test_reference.py": "from solutions import one as reference",
        "test_module.py": "import solutions.two",
        "test_package.py": "import no_such_package_anywhere.part",
        "test_raises.py": "\n\nraise KeyError('a mistake')",
        "test_marker.py": MARKED_WITH_NOTHING,
        "../two/test_other.py": "1 / 0",
        "../two/test_marked.py": MARKED_WITH_NOTHING,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    told = {one.where: one for one in uncollected(Course(tmp_path), "one")}
    prefix = "tests/graders/one"
    assert told.keys() == {
        f"{prefix}/test_syntax.py, line 2",
        f"{prefix}/test_reference.py, line 1",
        f"{prefix}/test_module.py, line 1",
        f"{prefix}/test_package.py, line 1",
        f"{prefix}/test_raises.py, line 3",
        f"{prefix}/test_marker.py",
        "tests/graders/two/test_marked.py",
    }
    assert "SyntaxError" in told[f"{prefix}/test_syntax.py, line 2"].what
    assert "solutions/one.py" in told[f"{prefix}/test_reference.py, line 1"].mend
    assert "solutions/two.py" in told[f"{prefix}/test_module.py, line 1"].mend
    assert "install no_such_package_anywhere" in told[f"{prefix}/test_package.py, line 1"].mend
    assert "KeyError: 'a mistake'" in told[f"{prefix}/test_raises.py, line 3"].what
    assert "the-grade-id" in told[f"{prefix}/test_marker.py"].what
    assert "every assignment" in told["tests/graders/two/test_marked.py"].what


# The command


@pytest.fixture(scope="module")
def course_with_mistakes(tmp_path_factory: pytest.TempPathFactory) -> Course:
    """Assignments of which each has other mistakes, without releases."""
    root = tmp_path_factory.mktemp("mistakes")
    (root / "nbgrader_config.py").write_text(CONFIG)
    notebooks = {
        "one": sound(),
        "empty": notebook_of([new_code_cell("x = 1")]),
        "fault": sound(),
        "hidden": sound(),
        "refused": sound(),
    }
    graders = dict.fromkeys(notebooks, GRADER)
    graders["fault"] = GRADER.replace('submission.value("x")', 'pytest.no_such_thing("x")')
    hidden = "### BEGIN HIDDEN TESTS\nassert x == 1\n### END HIDDEN TESTS"
    notebooks["hidden"].cells[1].source = hidden
    notebooks["hidden"].cells.append(nbgrader_cell(hidden, "y", 1))
    notebooks["refused"].cells.append(new_code_cell(ANSWER))
    for name, notebook in notebooks.items():
        (root / "source" / name).mkdir(parents=True)
        nbformat.write(notebook, root / "source" / name / f"{name}.ipynb")
        (root / "tests/graders" / name).mkdir(parents=True)
        (root / "tests/graders" / name / f"test_{name}.py").write_text(graders[name])
    return Course(root)


def test_what_is_found_is_printed_with_place_and_mend(course_with_mistakes: Course) -> None:
    root = course_with_mistakes.root
    command = [sys.executable, "-m", "autograder", "--course", str(root), "check"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = done.stdout
    assert "it has no release\n    mend: run `autograder release one`" in told
    assert "`autograder new exercise empty EXERCISE` adds one" in told
    assert "has no attribute 'no_such_thing'" in told
    assert "mend: correct the grader (fault/test_fault.py::test_x), or the reference" in told
    assert "'x' has graders, so the hidden tests in it never count" in told
    assert "grade cell 'y' has no grader" in told and "see `autograder extract hidden`" in told
    assert "nbgrader refuses to release it: " in told
    assert "source/refused/refused.ipynb, cell 3: a cell has a ### BEGIN SOLUTION" in told
    assert not (root / "release").exists()


def test_an_assignment_is_not_graded_without_graders_that_cannot_be_imported(
    course_with_mistakes: Course, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its other checks alone would give other scores; other assignments do not mind."""
    course = course_with_mistakes
    path = course.graders / "hidden/test_broken.py"
    path.write_text("import no_such_module_anywhere")
    process = GradingProcess(course.root, course.graders)
    why = r"test_broken\.py cannot be imported \(test_broken\.py, line 1: ModuleNotFoundError: No"
    try:
        (*_, found) = check(course, "hidden", process)
        with pytest.raises(GradingError, match=why):
            process.grade("hidden", [], course.settings.limits("hidden"), seed=0)
        assert process.grade_ids("one") == {"x"}
        assert "Traceback" not in capfd.readouterr().err, "the one line says it all"
    finally:
        process.stop()
        path.unlink()
    assert found.where == "tests/graders/hidden/test_broken.py, line 1"
    assert "install no_such_module_anywhere" in found.mend


def test_a_fresh_release_leaves_the_gradebook_alone_wherever_it_is(tmp_path: Path) -> None:
    """The configuration names the gradebook by its full path, which a copy would use as well."""
    url = f"sqlite:///{tmp_path}/elsewhere.db"
    text = f"{CONFIG}\nc.CourseDirectory.db_url = {url!r}\n"
    text += f"c.CourseDirectory.root = {str(tmp_path)!r}\n"
    (tmp_path / "nbgrader_config.py").write_text(text)
    (tmp_path / "source/one").mkdir(parents=True)
    (tmp_path / "copy").mkdir()
    nbformat.write(sound(), tmp_path / "source/one/one.ipynb")
    made = fresh_release(Course(tmp_path), "one", tmp_path / "copy")
    assert (made / "one.ipynb").is_file() and made.is_relative_to(tmp_path / "copy")
    assert not (tmp_path / "elsewhere.db").exists()
    assert not (tmp_path / "release").exists()


def test_a_source_that_was_only_saved_in_jupyterlab_has_no_stale_release(tmp_path: Path) -> None:
    """JupyterLab writes what it knows of the kernel into a notebook that it saves."""
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (tmp_path / "source/one").mkdir(parents=True)
    (tmp_path / "tests/graders/one").mkdir(parents=True)
    (tmp_path / "tests/graders/one/test_one.py").write_text(GRADER)
    source = tmp_path / "source/one/one.ipynb"
    notebook = sound()
    nbformat.write(notebook, source)
    course = Course(tmp_path)
    course.release("one")
    notebook.metadata["language_info"] = {"name": "python", "version": "3.11.7"}
    notebook.metadata["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    nbformat.write(notebook, source)
    assert check(course, "one") == []


def test_a_cell_of_the_source_that_raises_is_found_with_its_place_and_its_error(
    tmp_path: Path,
) -> None:
    notebook = sound()
    notebook.cells[:0] = [new_markdown_cell("A text."), new_code_cell("# first\nimport no_such")]
    (found,) = check(make_course(tmp_path, CONFIG, GRADER, notebook), "one")
    assert found.where == "source/one/one.ipynb, cell 2"
    assert found.what == "it raises ModuleNotFoundError: No module named 'no_such'"
