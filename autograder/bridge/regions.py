"""The regions of a cell that students do not get: solutions and hidden tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions

NOT_MOVED: Final = "# autograder extract: not moved to a grader: "
"""How the line begins that says of a cell why its tests stay in it."""


@dataclass(frozen=True)
class Region:
    """A region of a cell, in lines that count from 1, those with its marks included."""

    first: int
    last: int


@dataclass(frozen=True)
class Marks:
    """What a line has that begins or ends a region."""

    begin: str
    end: str

    def regions(self, source: str) -> Sequence[Region]:
        """The regions of a cell.

        Raises:
            ValueError: one is not closed, or begins inside another; with what and the line.
        """
        found: list[Region] = []
        first = 0
        for number, line in enumerate(source.split("\n"), 1):
            if self.begin in line:
                if first:
                    raise ValueError(f"a second {self.begin} in line {number}, before {self.end}")
                first = number
            elif self.end in line and first:
                found.append(Region(first, number))
                first = 0
        if first:
            raise ValueError(f"{self.begin} in line {first} has no {self.end}")
        return found

    def begins_in(self, source: str) -> bool:
        """Whether a region begins somewhere in a cell."""
        return self.begin in source


def solution_marks(app: Any) -> Marks:
    """The marks of solutions, as they are configured for an application of nbgrader's."""
    made = ClearSolutions(parent=app)
    return Marks(made.begin_solution_delimeter, made.end_solution_delimeter)


def hidden_marks(app: Any) -> Marks:
    """The marks of hidden tests, as they are configured for an application of nbgrader's."""
    made = ClearHiddenTests(parent=app)
    return Marks(made.begin_test_delimeter, made.end_test_delimeter)
