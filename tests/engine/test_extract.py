"""Tests moved out of notebooks' cells: they grade as they did there, or stay, with the reason."""

import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import nbgrader
import numpy as np
import pytest
import torch
from nbformat.v4 import new_code_cell

from autograder.authoring.extract import Extraction, extract
from autograder.authoring.moving import CannotMoveError, Given, cell_tests, grader_of
from autograder.bridge.course import Course, CourseError
from autograder.bridge.regions import Marks
from autograder.check import check
from autograder.grading import NeedsReview
from autograder.grading import plain as plain_module
from autograder.runner.values import ArrayValue, OpaqueValue, from_wire, to_wire
from tests.small_course import nbgrader_cell, notebook_of

HIDDEN = Marks("BEGIN HIDDEN TESTS", "END HIDDEN TESTS")
CLASSIC = """
from autograder.bridge import configure_execute
c = get_config()
configure_execute(c)
"""
PLAIN = 'c = get_config(); c.CourseDirectory.course_id = "old-101"\n'
"""A course of nbgrader's alone."""
GRADERS = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.language = "en"
"""


def answer(code: str, before: str = "") -> str:
    return f"{before}### BEGIN SOLUTION\n{code}\n### END SOLUTION"


def hidden(tests: str) -> str:
    return f"### BEGIN HIDDEN TESTS\n{tests}\n### END HIDDEN TESTS"


SQUARES = """def squares(n):
    if n < 1:
        raise ValueError("n must be positive")
    return [i ** 2 for i in range(1, n + 1)]"""
CELLS = [
    new_code_cell("%matplotlib inline\nimport io\nimport numpy as np", id="imports"),
    new_code_cell("data = [3, 1, 2]\nrate = 2", id="given"),
    nbgrader_cell(answer(SQUARES), "squares"),
    nbgrader_cell(
        '"""Check that squares returns the correct output."""\n'
        "assert squares(1) == [1]\n"
        + hidden(
            'assert squares(3) == [1, 4, 9], "Look at the «end» of the range."\n'
            "text = '''one\ntwo'''\nassert len(text) == 7\nassert len(squares(11)) == 11"
        ),
        "squares_right",
        2,
    ),
    nbgrader_cell(
        hidden(
            "try:\n    squares(0)\nexcept ValueError:\n    pass\nelse:\n"
            '    raise AssertionError("it did not raise")'
        ),
        "squares_invalid",
        1,
    ),
    nbgrader_cell(answer("x = np.arange(4) * 2.0"), "array"),
    nbgrader_cell(
        "assert x.shape == (4,)\nnp.testing.assert_allclose(x, [0, 2, 4, 6])\n"
        "def check(values):\n    return sorted(values) == sorted(data)\n"
        "assert check([1, 2, 3])",
        "array_right",
        3,
    ),
    nbgrader_cell(answer("def sort(values):\n    values.sort()"), "sort"),
    nbgrader_cell(hidden("mine = [2, 1]\nsort(mine)\nassert mine == [1, 2]"), "sort_in_place", 1),
    nbgrader_cell(
        answer(
            "def show():\n    print('hello')\n"
            "def scaled(v):\n    return rate * v\n"
            "def adder(n):\n    return lambda m: m + n\n"
            "class Stack:\n    size = 3"
        ),
        "rest",
    ),
    nbgrader_cell(
        "from contextlib import redirect_stdout\nout = io.StringIO()\n"
        "with redirect_stdout(out):\n    show()\n" + hidden("assert out.getvalue() == 'hello\\n'"),
        "prints",
        1,
    ),
    nbgrader_cell("%time\nassert scaled(1) == 2", "magic", 1),
    nbgrader_cell(hidden("rate = 5\nassert scaled(1) == 5\nrate = 2"), "setting", 1),
    nbgrader_cell(hidden("assert adder(3)(4) == 7"), "closure", 1),
    nbgrader_cell(hidden("assert Stack().size == 3"), "objects", 1),
    nbgrader_cell("score = 0\nif scaled(2) == 4:\n    score += 1.5\nscore", "partial", 2),
]
MOVED = ["squares_right", "squares_invalid", "array_right", "sort_in_place"]
KEPT = {
    "prints": "captures what the student's code prints",
    "magic": "a magic or a shell command (line 1)",
    "setting": "sets `rate`, which functions of the notebook read",
    "closure": "an object of type function cannot leave the student's process",
    "objects": "uses the class `Stack`",
    "partial": "takes for partial credit",
}
ANSWERS: Mapping[str, Mapping[str, str]] = {
    "untouched": {},
    "right": {
        "squares": "def squares(n):\n    assert True\n    if n <= 0:\n        raise ValueError\n"
        "    return list(np.arange(1, n + 1) ** 2)",
        "array": "x = np.array([0, 2, 4, 6])",
        "sort": "def sort(values):\n    values[:] = sorted(values)",
        "rest": answer(""),
    },
    "wrong": {
        "squares": "def squares(n):\n    return [(i + 1) ** 2 for i in range(min(n, 2))]",
        "array": "x = [0, 2, 4, 6]",
        "sort": "def sort(values):\n    return sorted(values)",
        "rest": "def scaled(v):\n    return 3",
    },
    "half": {
        "squares": SQUARES.replace("ValueError", "TypeError"),
        "array": "x = 3",
        "rest": "def show():\n    print('hello')\ndef scaled(v):\n    return rate * v",
    },
    "all": {"squares": SQUARES, "sort": "def sort(values):\n    values.sort()"},
}


@dataclass
class World:
    """A course before its tests were moved and after, and what its submissions earned."""

    classic: Course
    moved: Course
    extraction: Extraction
    scores: tuple[Mapping[str, Mapping[str, float]], Mapping[str, Mapping[str, float]]]


def grade(course: Course) -> Mapping[str, Mapping[str, float]]:
    """Release, hand in and grade; the scores."""
    course.release("ps1")
    release = course.folder("release", "ps1") / "ps1.ipynb"
    for student, answers in ANSWERS.items():
        notebook = nbformat.read(release, as_version=4)
        for cell in notebook.cells:
            grade_id = cell.metadata.get("nbgrader", {}).get("grade_id", "")
            cell.source = answers.get(grade_id, cell.source)
        path = course.folder("submitted", "ps1", student) / "ps1.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
        assert not course.autograde("ps1", student).error
    return course.scores("ps1")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("classic")
    (root / "nbgrader_config.py").write_text(CLASSIC)
    (root / "source/ps1").mkdir(parents=True)
    nbformat.write(notebook_of(CELLS), root / "source/ps1/ps1.ipynb")
    classic = Course(root)
    before = grade(classic)
    after = tmp_path_factory.mktemp("moved") / "course"
    shutil.copytree(root / "source", after / "source")
    (after / "nbgrader_config.py").write_text(GRADERS)
    moved = Course(after)
    extraction = extract(moved, "ps1")
    return World(classic, moved, extraction, (before, grade(moved)))


def sources(course: Course, step: str) -> Mapping[str, str]:
    notebook = nbformat.read(course.folder(step, "ps1") / "ps1.ipynb", as_version=4)
    return {cell.id: cell.source for cell in notebook.cells}


# A whole assignment


@pytest.mark.parametrize("student", ANSWERS)
def test_a_submission_earns_what_it_earned_with_the_tests_in_cells(
    world: World, student: str
) -> None:
    before, after = world.scores
    assert after[student] == before[student]


def test_the_submissions_tell_the_moved_tests_apart(world: World) -> None:
    scores = world.scores[1]
    moved = {who: [scores[who][grade_id] for grade_id in MOVED] for who in ANSWERS}
    assert moved["right"] == [2, 1, 3, 1]
    assert moved["wrong"] == moved["untouched"] == [0, 0, 0, 0]
    assert moved["half"] == [2, 0, 0, 0]


def test_what_can_be_moved_is_and_the_rest_stays_with_its_reason(world: World) -> None:
    assert world.extraction.moved == MOVED
    told = {kept.grade_id: kept.why for kept in world.extraction.kept}
    assert told.keys() == KEPT.keys()
    assert {name: KEPT[name] in told[name] for name in KEPT} == dict.fromkeys(KEPT, True), told
    assert world.extraction.kept[0].where == "source/ps1/ps1.ipynb, cell 11"
    assert world.extraction.configured


def test_hidden_tests_are_no_longer_in_the_notebook_and_visible_ones_still_are(
    world: World,
) -> None:
    after = sources(world.moved, "source")
    assert after["squares_right"].endswith("assert squares(1) == [1]")
    assert "HIDDEN" not in "".join(after[name] for name in MOVED)
    assert after["squares_invalid"] == "# Your answer is checked when you hand it in."
    assert after["array_right"] == next(c.source for c in CELLS if c.id == "array_right")


def test_the_reason_is_in_the_cell_and_not_in_the_release(world: World) -> None:
    after = sources(world.moved, "source")
    assert all("# autograder extract: not moved to a grader: " in after[name] for name in KEPT)
    assert "autograder extract" not in "".join(sources(world.moved, "release").values())


def test_a_grader_is_a_file_that_a_teacher_can_go_on_writing(world: World) -> None:
    text = (world.moved.graders / "ps1/test_ps1_squares_right.py").read_text()
    assert '    "Check that squares returns the correct output."\n' in text
    assert '    squares = from_notebook(submission, "squares")\n' in text
    assert '            fail("Look at the «end» of the range.")\n' in text
    assert "        text = '''one\ntwo'''\n" in text


def test_what_an_assert_says_is_told_to_the_student(world: World) -> None:
    world.moved.feedback("ps1", "wrong")
    page = world.moved.folder("feedback", "ps1", "wrong") / "ps1.html"
    assert "Look at the «end» of the range." in page.read_text()


def test_what_stays_is_nothing_to_be_mended(world: World) -> None:
    assert check(world.moved, "ps1") == []


def test_nbgraders_own_example_can_be_moved(tmp_path: Path) -> None:
    """All but the test that replaces a function which the student's own one calls."""
    example = Path(nbgrader.__file__).parent / "docs/source/user_guide/source/ps1"
    shutil.copytree(example, tmp_path / "source/ps1")
    (tmp_path / "nbgrader_config.py").write_text(GRADERS)
    done = extract(Course(tmp_path), "ps1")
    assert done.moved == ["correct_squares", "squares_invalid_input", "correct_sum_of_squares"]
    (kept,) = done.kept
    assert kept.grade_id == "sum_of_squares_uses_squares" and "it sets `squares`" in kept.why


def test_a_second_time_nothing_is_left_to_move(world: World) -> None:
    source = world.moved.folder("source", "ps1") / "ps1.ipynb"
    before = source.read_bytes()
    done = extract(world.moved, "ps1")
    assert (done.moved, done.written) == ([], [])
    assert done.already == MOVED and len(done.kept) == len(KEPT)
    assert source.read_bytes() == before


def test_the_command_shows_what_it_would_do_and_writes_nothing(world: World) -> None:
    root = world.classic.root
    source = (root / "source/ps1/ps1.ipynb").read_bytes()
    command = [sys.executable, "-m", "autograder", "--course", str(root), "extract", "ps1"]
    done = subprocess.run(
        [*command, "--dry-run"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"✔ +squares_right +moved", done.stdout)
    assert "4 moved, 6 stay; nothing was written: this was a dry run" in done.stdout
    assert done.stdout.endswith("next: autograder extract ps1\n")
    assert "does not run hidden graders yet" in done.stderr
    assert (root / "source/ps1/ps1.ipynb").read_bytes() == source
    assert not (root / "tests").exists()


def test_a_course_of_nbgraders_alone_is_moved_and_told_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(PLAIN)
    (tmp_path / "source/ps1").mkdir(parents=True)
    cells = [
        nbgrader_cell(answer(SQUARES), "squares"),
        nbgrader_cell(hidden("assert squares(2) == [1, 4]"), "squares_right", 1),
    ]
    nbformat.write(notebook_of(cells), tmp_path / "source/ps1/ps1.ipynb")
    command = [sys.executable, "-m", "autograder", "--course", str(tmp_path), "extract", "ps1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 moved, 0 stay" in done.stdout
    assert "does not run hidden graders yet" in done.stderr
    assert 'configure(c)\n  c.RunGraders.language = "en"' in done.stderr
    grader = (tmp_path / "tests/graders/ps1/test_ps1_squares_right.py").read_text()
    assert "The tests of this exercise pass." in grader


def test_nothing_is_written_where_a_grader_is_there_already(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.classic.root / "source", tmp_path / "source")
    (tmp_path / "nbgrader_config.py").write_text(GRADERS)
    path = tmp_path / "tests/graders/ps1/test_ps1_array_right.py"
    path.parent.mkdir(parents=True)
    path.write_text("mine = 1")
    before = (tmp_path / "source/ps1/ps1.ipynb").read_bytes()
    with pytest.raises(CourseError, match="nothing is overwritten"):
        extract(Course(tmp_path), "ps1")
    assert (tmp_path / "source/ps1/ps1.ipynb").read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_two_cells_whose_graders_would_be_one_stay(tmp_path: Path) -> None:
    """Else the tests of the first would be lost."""
    solution = nbgrader_cell(answer(SQUARES), "squares")
    right = [
        nbgrader_cell(hidden(f"assert len(squares({count})) == {count}"), name, 1)
        for count, name in enumerate(("q-1", "q_1", "q2", "q3"), 1)
    ]
    (tmp_path / "nbgrader_config.py").write_text(GRADERS)
    (tmp_path / "source/ps1").mkdir(parents=True)
    for name, cells in (("ps1", right[:3]), ("ps2", right[2:])):
        nbformat.write(notebook_of([solution, *cells]), tmp_path / f"source/ps1/{name}.ipynb")
    done = extract(Course(tmp_path), "ps1", dry_run=True)
    assert done.moved == ["q3"]
    assert [one.grade_id for one in done.kept] == ["q-1", "q_1", "q2", "q2"]
    assert {one.why for one in done.kept[:2]} == {
        "its grader would be in the file of another's: give one of `q-1`, `q_1` another id"
    }
    assert "`q2`, `q2`" in done.kept[2].why


def test_marks_that_are_not_closed_are_one_error(tmp_path: Path) -> None:
    cells = [nbgrader_cell("### BEGIN HIDDEN TESTS\n%time f(1)", "q1", 1)]
    (tmp_path / "nbgrader_config.py").write_text(GRADERS)
    (tmp_path / "source/ps1").mkdir(parents=True)
    nbformat.write(notebook_of(cells), tmp_path / "source/ps1/ps1.ipynb")
    with pytest.raises(
        CourseError, match=r"ps1\.ipynb, cell 1: BEGIN HIDDEN TESTS in line 1 has no"
    ):
        extract(Course(tmp_path), "ps1")


# One cell


def given_of(*sources: str) -> Given:
    given = Given()
    for source in sources:
        given.add(source)
    return given


GIVEN = given_of(
    "import numpy as np\nimport matplotlib.pyplot as plt\nimport beside\nfrom math import sqrt",
    "n = 1\ncount = 0\nclass Point:\n    pass",
    "def sqrt(x):\n    return x ** 0.5\n"
    "def sum(values):\n    return n\ndef step():\n    global count\n    count += 1",
)


def moved(source: str) -> Any:
    return cell_tests("cell-1", source, GIVEN, HIDDEN, "A title.")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("!ls\nassert f()", "a magic or a shell command (line 1)"),
        ("assert f(", "it is no Python"),
        ("# nothing", "it has no tests"),
        ('"""Only a text."""', "it has no tests"),
        ("### AUTOTEST f(1)\npass", "AUTOTEST"),
        ("assert 'f' in globals()", "it uses `globals`"),
        ("import sys\nsys.stdout = 1", "captures what"),
        ("from unittest.mock import patch\npass", "mock"),
        ("import inspect\nassert inspect.getsource(f)", "source code (line 1)"),
        ("assert plt.gca().lines", "submission.figures()"),
        ("import beside\nassert f()", "imports `beside`"),
        ("assert beside.check(f)", "imports `beside`"),
        ("from math import *\nassert f()", "everything of `math`"),
        ("assert Point().x", "the class `Point`"),
        ("step()\nassert count == 1", "uses `count`, which functions of the notebook set"),
        ("n = 3\nassert sum([]) == 3", "it sets `n`"),
        ("np.random.rand = f\nassert f()", "it changes `np`"),
        ("assert await f()", "`await`"),
        ("fail = 3\nassert f(fail)", "the name `fail`"),
        ("a = [1]\nassert f(a) is not a", "asks with `is` whether two objects are the same"),
        ("a = [1]\nassert id(f(a)) != id(a)", "asks with `id` which object"),
        ("assert not np.shares_memory(f(x), x)", "asks with `shares_memory`"),
        ("a = [1]\nb = f(a)\nb[0] = 9\nassert a == [1]", "it changes `b`, and looks at"),
        ("a = [1]\nb = f(a)\na.append(2)\nassert b == [1]", "it changes `a`"),
        ("y = f(x)\ny += 1\nassert x[0] == 0", "it changes `y`"),
        ("y = f(x)\ny.zero_()\nassert x[0] == 1", "it changes `y`"),
        ("for a in ([1], [2]):\n    f(a).clear()\n    f(b).b = a\n    b.clear()\n", "`b`"),
        ("try:\n    f(0)\nexcept AssertionError:\n    pass", "it catches `AssertionError`"),
        ("try:\n    f(0)\nexcept (ValueError, AssertionError):\n    pass", "it catches"),
        ("import pytest\nwith pytest.raises(AssertionError):\n    f(0)", "it catches"),
    ],
)
def test_what_a_grader_cannot_do_is_told(source: str, why: str) -> None:
    with pytest.raises(CannotMoveError) as told:
        moved(source)
    assert why in str(told.value)


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("assert f(1) == x", ["f", "x"]),
        ("y = 1\nassert f(y)", ["f"]),
        ("y = y + 1\nassert y == 2", ["y"]),
        ("for i in range(3):\n    assert f(i)", ["f"]),
        ("assert [i for i in x]", ["x"]),
        ("def check(a):\n    return g(a)\nassert check(1)", ["g"]),
        ("assert sum([1]) == len([1])", ["sum"]),
        ("import math\nassert math.isclose(f(), np.pi)", ["f"]),
        ("with open('a') as file:\n    assert file.read() == x", ["x"]),
        ("assert type(f(1)) is int and f(2) is None", ["f"]),
        ("assert f(1).dtype is np.float64", ["f"]),
        ("import numpy\nassert f(1).dtype is numpy.float64", ["f"]),
        ("y = f(1)\ny.sort()\nassert y == [1]", ["f"]),
        ("total = 0\nfor i in range(3):\n    total += f(i)\nassert total == x", ["f", "x"]),
        ("a = {}\na['b'] = 1\nassert f(a) == x", ["f", "x"]),
        ("try:\n    f(0)\nexcept ValueError:\n    pass\nelse:\n    raise AssertionError", ["f"]),
        ("assert sqrt(4) == np.sqrt(4)", ["sqrt"]),
    ],
)
def test_the_names_that_tests_use_of_the_notebook_are_found(source: str, names: list[str]) -> None:
    assert moved(source).names == names


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('assert f(1), "ä message"', 'if not (f(1)):\n            fail("ä message")'),
        ('assert (\n    f(1)\n    == 2\n), "m"', "if not (f(1)\n            == 2):\n"),
        ('for i in x:\n    assert f(i), "m"', "            if not (f(i)):\n                fail("),
        ('assert f(1), f"{1}"', 'assert f(1), f"{1}"'),
        ('a = 1; assert f(1), "m"', 'a = 1; assert f(1), "m"'),
        ('assert f("é"), "m"; assert g', 'assert f("é"), "m"; assert g'),
        ('x = """a\n  b\nc"""\nassert f(x)', 'x = """a\n  b\nc"""\n        assert'),
    ],
)
def test_tests_stay_as_they_were_but_for_messages(source: str, expected: str) -> None:
    text = grader_of([moved(source)], "one")
    ast.parse(text)
    assert expected in text


# A student's values


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, 2.5, "text", b"bytes", 1 + 2j, [1, (2, {"a": {3}})]),
        *(np.float64(2.5), np.arange(6).reshape(2, 3), torch.ones(2, 3)),
    ],
)
def test_a_value_arrives_as_what_it_was(value: Any) -> None:
    arrived = plain_module.plain(from_wire(to_wire(value)))
    assert type(arrived) is type(value)
    assert np.array_equal(arrived, value) if hasattr(value, "shape") else arrived == value


def test_a_tensor_arrives_with_its_gradient() -> None:
    x = torch.ones(3, requires_grad=True)
    (2 * x).sum().backward()
    arrived = plain_module.plain(from_wire(to_wire(x)))
    assert arrived.requires_grad and arrived.grad.tolist() == [2, 2, 2]


def test_what_does_not_travel_is_for_a_person_and_not_a_wrong_answer() -> None:
    """In the cell `list(x)` may have been right for an `x` that cannot leave the process."""
    with pytest.raises(NeedsReview, match="type map cannot leave"), plain_module.errors_fail():
        plain_module.plain(OpaqueValue("map"))


def test_what_does_not_travel_is_refused_by_name() -> None:
    with pytest.raises(plain_module.StaysInNotebookError, match="type DataFrame cannot leave"):
        plain_module.plain([ArrayValue(np.ones(1), 0), OpaqueValue("DataFrame")])
