"""What the drop-in must give: the same outputs and scores as nbgrader's own ``Execute``.

Notebooks of varied behaviour are run by both, and all that came of them is compared. What differs
by design is listed with the case that shows it.
"""

from collections.abc import Sequence
from typing import Final

from tests.conformance import (
    cases_displays,
    cases_errors,
    cases_files,
    cases_grades,
    cases_ipython,
    cases_processes,
    cases_streams,
    cases_walls,
)
from tests.conformance.model import Case

CASES: Final[Sequence[Case]] = (
    *cases_streams.CASES,
    *cases_displays.CASES,
    *cases_errors.CASES,
    *cases_ipython.CASES,
    *cases_processes.CASES,
    *cases_files.CASES,
    *cases_grades.CASES,
    *cases_walls.CASES,
)
PRELOADED: Final = ("numpy", "matplotlib.pyplot", "torch")
"""What the warm process has imported before any case, as it would for a course."""

__all__ = ["CASES", "PRELOADED", "Case"]
