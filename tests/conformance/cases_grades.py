"""Grade cells: what nbgrader reads out of their outputs."""

from typing import Final

from tests.conformance.model import TIMES, Case, code

CASES: Final = (
    Case(
        "all-points-or-none",
        "A grade cell without an error earns all points, one with an error none.",
        (
            "def square(x):\n    return x * x",
            ("assert square(2) == 4", 3),
            ("assert square(3) == 10, 'not ten'", 3),
            ("print('said')", 1),
            ("", 2),
            ("# only a comment", 2),
            ("def (", 2),
            ("square(missing)", 2),
        ),
    ),
    Case(
        "hidden-tests",
        "Cells as nbgrader restores them, with hidden tests, and as its autotest makes them.",
        (
            "def mean(values):\n    return sum(values) / len(values)",
            (
                code('''
                    """Check that mean works"""
                    assert mean([1, 2, 3]) == 2
                    ### BEGIN HIDDEN TESTS
                    assert mean([1, 1]) == 1
                    ### END HIDDEN TESTS
                '''),
                4,
            ),
            (
                code('''
                    """Check that mean handles nothing"""
                    ### BEGIN HIDDEN TESTS
                    try:
                        mean([])
                    except ValueError:
                        pass
                    else:
                        raise AssertionError("did not raise ValueError")
                    ### END HIDDEN TESTS
                '''),
                2,
            ),
            "x = [1, 2.5]\nname = 'ada'",
            (
                code("""
                    from hashlib import sha1
                    assert sha1(str(type(x)).encode("utf-8") + b"0d5f").hexdigest(), "type"
                    assert len(x) == 2, "len of x is not correct"
                    assert str(type(name)) == "<class 'str'>", "name is not a str"
                """),
                2,
            ),
            ("assert sha1(b'a').hexdigest() == 'b', 'value of x is not correct'", 2),
        ),
    ),
    Case(
        "partial-credit",
        "A number that is a grade cell's result is its score.",
        (
            ("1.5", 3),
            ("0", 3),
            ("3", 3),
            ("points = 0\npoints += 1\npoints", 3),
            ("import numpy as np\nnp.float64(0.5)", 3),
            ("np.array(2)", 3),
            ("1e-3", 3),
            ("'2'", 3),
            ("print(1)\n2", 3),
        ),
    ),
    Case(
        "odd-credit",
        "Results that are no score: negative, too many, text, bool, None, nan and others.",
        (
            ("-1", 3),
            ("5", 3),
            ("'text'", 3),
            ("True", 3),
            ("False", 3),
            ("None", 3),
            ("float('nan')", 3),
            ("float('inf')", 3),
            ("[1]", 3),
            ("(1, 2)", 3),
            ("1;", 3),
            ("1_0", 3),
            ("2 + 0j", 3),
            ("10**400", 3),
        ),
    ),
    Case(
        "two-outputs",
        "The first result, error or text on stderr decides.",
        (
            ("display(1)\n2", 3),
            ("print(1)", 3),
            ("import sys\nprint('careful', file=sys.stderr)\n2", 3),
            ("get_ipython().run_cell('1')\n2", 3),
            ("%time 2", 3),
            ("2\n1 / 0", 3),
        ),
        chance=TIMES,
    ),
    Case(
        "result-and-error",
        "A result that comes before an error counts, as nbgrader reads it.",
        (
            "get_ipython().ast_node_interactivity = 'all'",
            ("2\n1 / 0", 3),
            ("1 / 0\n2", 3),
            ("1\n2", 3),
        ),
    ),
    Case(
        "warnings-cost-points",
        "A warning is text on stderr, which costs all points.",
        (
            ("import warnings\nwarnings.warn('careful')", 3),
            ("import logging\nlogging.warning('careful')", 3),
            ("print('no warning')", 3),
        ),
    ),
    Case(
        "exit-in-a-grade-cell",
        "Ending the cell early is an error.",
        (
            ("import sys\nsys.exit(0)\nassert False", 3),
            ("raise KeyboardInterrupt", 3),
            ("assert True", 3),
            ("exit()\nassert False", 3),
        ),
    ),
    Case(
        "rich-results",
        "A result with more than a text.",
        (
            ("from IPython.display import HTML\nHTML('<b>2</b>')", 3),
            ("import matplotlib.pyplot as plt\nplt.plot([1])", 3),
            ("import torch\ntorch.tensor(2.0)", 3),
            (
                code("""
                    class Score:
                        def __repr__(self):
                            return '1.5'
                    Score()
                """),
                3,
            ),
            (
                code("""
                    class Two:
                        def _repr_mimebundle_(self, include=None, exclude=None):
                            return {'text/html': '2'}
                    Two()
                """),
                3,
            ),
        ),
    ),
    Case(
        "names-survive",
        "Names, changes and imports of a cell are there in the next.",
        (
            "import math\nvalues = [1]",
            "values.append(math.floor(2.5))",
            ("assert values == [1, 2]", 1),
            "del values",
            ("assert 'values' not in globals()", 1),
            "1 / 0\nhalf = 1",
            ("assert 'half' not in globals()", 1),
            "kept = 1\nraise ValueError",
            ("assert kept == 1", 1),
        ),
    ),
)
