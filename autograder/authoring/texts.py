"""The text of new notebooks, graders, references and corpora, in the course's language.

An exercise begins as a small one that works, the mean of a list: a teacher changes what is there
rather than fills in what is missing, and can run it at every moment.
"""

import json
from string import Template
from typing import Any, Final

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.authoring.names import Exercise
from autograder.messages import translate as _

_KERNEL: Final = {"display_name": "Python 3", "language": "python", "name": "python3"}

_REFERENCE: Final = Template('''\
def $function(data: list[float]) -> float:
    """The mean of the numbers."""
    return sum(data) / len(data)
''')

_CHECK: Final = Template("""\
def _check_$function():
    function = globals().get($name)
    assert callable(function), $missing
    try:
        result = function([1.0, 2.0, 6.0])
    except NotImplementedError:
        raise AssertionError($unwritten) from None
    assert isinstance(result, (int, float)), $no_number
    print($good)


_check_$function()""")

_GRADER: Final = Template('''\
"""Graders of ``$grade_id``: ``$function(data)``, the mean of a list of numbers."""

import math

import pytest

from autograder.grading import ArrayValue, Submission, fail
from solutions import $module as reference

LESSON = $lesson

# What a wrong result looks like, in the order of asking: the first that fits is told.
MISTAKES = (
    (
        "wrong-sign",
        lambda data: -sum(data) / len(data),
        $wrong_sign,
    ),
    (
        "sum-for-mean",
        sum,
        $sum_for_mean,
    ),
    (
        "term-forgotten",
        len,
        $count,
    ),
    (
        "wrong-operator",
        lambda data: sum(data) * len(data),
        $multiplied,
    ),
    (
        "swapped",
        lambda data: len(data) / sum(data),
        $swapped,
    ),
)


def _numbers(submission: Submission, count: int) -> list[float]:
    """Hidden inputs: other ones for each student, the same ones in a regrade."""
    return [round(submission.random.uniform(-50, 50), 2) for _ in range(count)]


def _close(actual: float, expected: float) -> bool:
    return math.isclose(actual, expected, rel_tol=1e-5, abs_tol=1e-4)


def _check(submission: Submission, data: list[float]) -> None:
    """Call the student's function, and name the mistake where the result is wrong."""
    value = submission.call("$function", data).value
    if isinstance(value, ArrayValue) and value.shape == ():  # a number of NumPy's
        value = value.array.item()
    if value is None:
        fail($nothing, $end_with_return, "returns-nothing")
    if isinstance(value, bool) or not isinstance(value, int | float):
        fail($no_number, LESSON, "wrong-type")
    if _close(value, reference.$function(data)):
        return
    for diagnosis, formula, message in MISTAKES:
        if _close(value, formula(data)):
            fail(message, LESSON, diagnosis)
    fail($wrong, LESSON, "wrong-values")


@pytest.mark.grade_cell("$grade_id", weight=2)
def test_several(submission: Submission) -> None:
    """$title_several"""
    _check(submission, _numbers(submission, submission.random.randint(4, 9)))


@pytest.mark.grade_cell("$grade_id", weight=1)
def test_one(submission: Submission) -> None:
    """$title_one"""
    _check(submission, _numbers(submission, 1))
''')

_CORPUS: Final = Template('''\
# Solutions to try the graders on: autograder check --mutation $assignment --exercise $grade_id
# When a student shows you a mistake of the graders, add their answer here first.

[[correct]]
name = "loop"
code = """
def $function(data):
    total = 0
    for number in data:
        total += number
    return total / len(data)
"""

[[correct]]
name = "statistics"
code = """
import statistics

def $function(data):
    return statistics.fmean(data)
"""

[[wrong]]
name = "sum"
failed = ["test_several"] # all other checks pass
diagnosis = "sum-for-mean" # one of the checks says so
code = """
def $function(data):
    return sum(data)
"""

[[wrong]]
name = "printed"
failed = ["test_several", "test_one"]
diagnosis = "returns-nothing"
code = """
def $function(data):
    print(sum(data) / len(data))
"""

[[wrong]]
name = "list"
failed = ["test_several", "test_one"]
diagnosis = "wrong-type"
code = """
def $function(data):
    return [sum(data) / len(data)]
"""
''')


def notebook(title: str) -> Any:
    """A new notebook without exercises."""
    made = new_notebook(metadata={"kernelspec": _KERNEL, "language_info": {"name": "python"}})
    how = [
        _("**Run the cells in order**, from top to bottom: so they are run when it is graded."),
        _(
            "Each exercise has a cell for your answer. Delete the line that raises "
            "`NotImplementedError`, write your code in its place, and keep the **names** that the "
            "exercise asks for."
        ),
        _(
            "Behind each answer there is a **check cell**. Neither delete nor edit it. It looks "
            "for the most usual slips; grading checks more, also with data that is not shown here."
        ),
        _("While it is graded there is no network: download nothing."),
        _(
            "**Save** before you hand in (Ctrl+S): what is on the disk is handed in, not what you "
            "see on the screen."
        ),
    ]
    heading = _("How to work with this notebook")
    made.cells = [
        new_markdown_cell(f"# {title}", id="title"),
        new_markdown_cell("\n".join([f"## {heading}\n", *(f"- {line}" for line in how)]), id="how"),
    ]
    return made


def cells(exercise: Exercise) -> list[Any]:
    """The cells of an exercise: lesson, what is asked, answer and check."""
    grade_id, function = exercise.grade_id, exercise.function
    lesson = _(
        "The **mean** of some numbers is their sum, divided by how many there are: that of 1, 2 "
        "and 6 is 9 / 3 = 3."
    )
    asked = _(
        "Complete **`{name}(data)`**, which returns the mean of the numbers in the list `data`.",
        name=function,
    )
    doc = _("Return the mean of the numbers in the list data.")
    answer = (
        f'def {function}(data):\n    """{doc}"""\n    ### BEGIN SOLUTION\n'
        "    return sum(data) / len(data)\n    ### END SOLUTION"
    )
    return [
        new_markdown_cell(f"## {exercise.title}\n\n{lesson}", id=f"{grade_id}-lesson"),
        new_markdown_cell(f"### {heading(exercise)}\n\n{asked}", id=f"{grade_id}-asked"),
        _nbgrader_cell(answer, solution_id(grade_id)),
        _nbgrader_cell(_check_cell(function), grade_id, exercise.points),
    ]


def heading(exercise: Exercise) -> str:
    """The heading above what is asked."""
    values = {"title": exercise.title, "points": exercise.points}
    if exercise.points == 1:
        return _("Exercise: {title} (1 point)", title=exercise.title)
    return _("Exercise: {title} ({points:g} points)", **values)


def solution_id(grade_id: str) -> str:
    """The id of the cell with the answer of an exercise."""
    return f"{grade_id}-solution"


def _nbgrader_cell(source: str, grade_id: str, points: float | None = None) -> Any:
    """A cell for an answer or, with points, a grade cell."""
    grade = points is not None
    facts: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": grade,
        "schema_version": 3,
        "solution": not grade,
        "task": False,
    }
    if points is not None:
        facts["points"] = int(points) if points == int(points) else points
    return new_code_cell(source, id=grade_id, metadata={"nbgrader": facts})


def _check_cell(function: str) -> str:
    return _CHECK.substitute(
        function=function,
        name=_literal(function),
        missing=_literal(_("There is no function `{name}` yet.", name=function)),
        unwritten=_literal(_("The function `{name}` is still to be written.", name=function)),
        no_number=_literal(_("`{name}` should return a number.", name=function)),
        good=_literal(
            _(
                "Good: `{name}` returns a number. Compare it with one that you work out by hand.",
                name=function,
            )
        ),
    )


def _literal(text: str) -> str:
    """The text as a literal of Python."""
    return json.dumps(text, ensure_ascii=False)


def reference_module(assignment: str) -> str:
    """A module of reference solutions without any."""
    return f'"""Reference solutions of the assignment ``{assignment}``."""\n'


def reference(exercise: Exercise) -> str:
    """The reference solution of an exercise."""
    return _REFERENCE.substitute(function=exercise.function)


def grader(exercise: Exercise, module: str) -> str:
    """The graders of an exercise."""
    name = exercise.function
    messages = {
        "lesson": _("Read «{title}» again.", title=exercise.title),
        "wrong_sign": _("The result has the wrong sign."),
        "sum_for_mean": _("The result is the sum of the numbers: it is to be divided."),
        "count": _("The result is how many numbers there are."),
        "multiplied": _("The sum is multiplied where it is to be divided."),
        "swapped": _("What is divided and what it is divided by are swapped."),
        "nothing": _("`{name}` returns nothing.", name=name),
        "end_with_return": _("End the function with `return`; `print` only shows the result."),
        "no_number": _("`{name}` should return a number.", name=name),
        "wrong": _("The result is not the mean of the numbers."),
    }
    return _GRADER.substitute(
        {key: _literal(text) for key, text in messages.items()},
        grade_id=exercise.grade_id,
        function=name,
        module=module,
        title_several=_("`{name}` is right for several numbers.", name=name),
        title_one=_("`{name}` is right for a single number.", name=name),
    )


def corpus(exercise: Exercise, assignment: str) -> str:
    """Solutions to try the graders of an exercise on."""
    return _CORPUS.substitute(
        assignment=assignment, grade_id=exercise.grade_id, function=exercise.function
    )
