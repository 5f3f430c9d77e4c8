"""The names that a teacher's notebook defines: a grader that asks for others is mistaken."""

import pytest

from autograder.grading.cells import CodeCell
from autograder.grading.names import defined_names


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("a, (b, *c) = 1, (2, 3)", {"a", "b", "c"}),
        ("x: int = 1\nx += 1", {"x"}),
        ("def f(y):\n    global total\n    total = y", {"f", "total"}),
        ("class Net: pass\nasync def g(): pass", {"Net", "g"}),
        ("import numpy as np\nimport os.path\nfrom torch import nn", {"np", "os", "nn"}),
        ("for i in range(3):\n    with open(p) as file: pass", {"i", "file"}),
        ("if (n := 3) > 2: pass", {"n"}),
        ("%matplotlib inline\n!ls\nz = 1", {"z"}),
        ("print(unknown)", set()),
        ("try:\n    pass\nexcept ValueError as error:\n    pass", {"error"}),
        ("match p:\n    case {'a': a, **rest}: pass\n    case [b, *c]: pass", {*"abc", "rest"}),
    ],
)
def test_what_binds_a_name(source: str, names: set[str]) -> None:
    assert defined_names([CodeCell(source)]) == frozenset(names)


@pytest.mark.parametrize(
    "source",
    [
        *("from helpers import *", "x = ", "files = !ls", "%time x = 5"),
        *("exec('h = 1')", "globals()['g'] = 2"),
    ],
)
def test_where_it_cannot_be_known_nothing_is_claimed(source: str) -> None:
    assert defined_names([CodeCell("a = 1"), CodeCell(source)]) is None


def test_all_cells_count() -> None:
    assert defined_names([CodeCell("a = 1"), CodeCell("b = 2")]) == frozenset("ab")
