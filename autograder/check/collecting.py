"""Collect graders as the grading process does, and say why one cannot be.

Started as ``python -m autograder.check.collecting COURSE GRADERS``: a grader that is imported may
do anything, so it is done in a process of its own. Prints a list of ``Trouble`` as JSON.
"""

import contextlib
import json
import re
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from autograder.grading import items as checks

_NAME: Final = re.compile(r"cannot import name '(\w+)'")


@dataclass(frozen=True)
class Trouble:
    """A grader's file that cannot be collected."""

    grader: str
    path: str
    """Where it went wrong: there, or in what it imports."""
    line: int
    """0 where that is not known."""
    error: str
    missing: str = ""
    """The module that is not there, if that is why."""
    of_all: bool = False
    """Whether other assignments cannot be graded either."""


class _Collecting:
    """Takes note of what cannot be collected."""

    def __init__(self) -> None:
        self.found: list[Trouble] = []

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]
    ) -> None:
        error = call.excinfo.value if call.excinfo is not None else None
        if error is not None:
            self.found.append(_trouble(Path(node.path), error.__cause__ or error))

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            try:
                checks.binding(item)
            except checks.BindingError as error:
                path = str(item.path)
                self.found.append(Trouble(path, path, 0, str(error), of_all=True))


def _trouble(path: Path, error: BaseException) -> Trouble:
    """Where and why a grader's file ended with an exception."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    place, line = path, frames[-1].lineno or 0 if frames else 0
    if isinstance(error, SyntaxError):
        place, line = Path(error.filename or path), error.lineno or 0
    missing = error.name or "" if isinstance(error, ImportError) else ""
    if name := _NAME.match(str(error)):  # `from solutions import one`
        missing = f"{missing}.{name[1]}"
    return Trouble(str(path), str(place), line, f"{type(error).__name__}: {error}", missing)


def main(course: str, graders: str) -> list[Trouble]:
    """Collect the graders; what cannot be."""
    sys.path.insert(0, course)
    plugin = _Collecting()
    options = ["--override-ini=addopts=", "--import-mode=importlib", "--collect-only"]
    with contextlib.redirect_stdout(sys.stderr):
        pytest.main(
            [graders, f"--rootdir={course}", *options, "-pno:cacheprovider"], plugins=[plugin]
        )
    return plugin.found


if __name__ == "__main__":
    print(json.dumps([asdict(one) for one in main(*sys.argv[1:])]))
