"""What is wrong with an assignment's graders before they grade anything."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from autograder.bridge.course import Course
from autograder.check.collecting import Trouble
from autograder.check.finding import Finding, place_of
from autograder.grading.items import MARKER

_SECONDS: Final = 180
_LONGEST: Final = 400
_FUNCTIONS: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def written(course: Course, assignment: str) -> Iterator[Finding]:
    """Tests in the assignment's folder that never count, seen in their text alone."""
    for path in sorted((course.graders / assignment).glob("*.py")):
        place = place_of(course, path)
        text = path.read_text(encoding="utf-8", errors="replace")
        if not (path.name.startswith("test_") or path.stem.endswith("_test")):
            if f".{MARKER}(" in text:
                what = (
                    "it has graders, which are never collected: its name does not begin with test_"
                )
                yield Finding(assignment, what, f"rename it to test_{path.name}", place)
            continue
        for name, line in _unmarked(text):
            yield Finding(
                assignment,
                f"{name} has no marker, so it never counts",
                f'write @pytest.mark.{MARKER}("GRADE_ID") above it',
                f"{place}, line {line}",
            )


def _unmarked(text: str) -> Iterator[tuple[str, int]]:
    """Test functions to which no ``grade_cell`` marker belongs, with their lines."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):  # collecting says so
        return
    if any(isinstance(node, ast.Assign) and _has_marker(node.value) for node in tree.body):
        return  # pytestmark
    for node in tree.body:
        classes = isinstance(node, ast.ClassDef) and not any(map(_has_marker, node.decorator_list))
        inner = node.body if classes and isinstance(node, ast.ClassDef) else [node]
        for one in inner:
            if (
                isinstance(one, _FUNCTIONS)
                and one.name.startswith("test")
                and not any(map(_has_marker, one.decorator_list))
            ):
                yield one.name, one.lineno


def _has_marker(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == MARKER for n in ast.walk(node))


def uncollected(course: Course, assignment: str) -> list[Finding]:
    """Why the graders cannot be collected; nothing where they can."""
    if not course.graders.is_dir():
        mend = f"`autograder new exercise {assignment} EXERCISE` writes the first, or set "
        mend += "c.RunGraders.graders in nbgrader_config.py"
        return [Finding(assignment, f"there is no folder of graders: {course.graders}", mend)]
    command = [sys.executable, "-m", "autograder.check.collecting"]
    done = subprocess.run(
        [*command, str(course.root), str(course.graders)],
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        return []
    troubles = [Trouble(**one) for one in json.loads(done.stdout.splitlines()[-1])]
    return [
        _finding(course, assignment, one)
        for one in troubles
        if one.of_all or Path(one.grader).parent.name == assignment
    ]


def _finding(course: Course, assignment: str, trouble: Trouble) -> Finding:
    """What is told of a file that cannot be collected, and how to mend it."""
    path = Path(trouble.path)
    place = place_of(course, path)
    where = f"{place}, line {trouble.line}" if trouble.line else place
    what = f"graders cannot be collected: {trouble.error[:_LONGEST]}"
    if trouble.of_all:
        what += " (this stops the grading of every assignment)"
    return Finding(assignment, what, _mend(course, trouble, place), where)


def _mend(course: Course, trouble: Trouble, place: str) -> str:
    top, _dot, rest = trouble.missing.partition(".")
    if top == "solutions" or (top and (course.root / top).is_dir()):
        name = rest.partition(".")[0]
        module = f"{top}/{name}.py" if name else f"{top}/"
        return f"write the reference solution that it imports into {module}, or correct the import"
    if trouble.missing:
        return f"install {top}, or correct the import"
    return f"correct it; `pytest {place}` shows the whole error"
