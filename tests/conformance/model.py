"""What a case of the conformance test is: a notebook, and what may differ by design."""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias


@dataclass(frozen=True)
class Cell:
    """A cell that is more than its source."""

    source: str
    points: float | None = None
    """What the cell is worth, if it is a grade cell."""
    tags: tuple[str, ...] = ()
    kind: str = "code"
    """nbformat's ``cell_type``."""


Written: TypeAlias = str | tuple[str, float] | Cell
"""A cell as cases write it: its source; the source and points of a grade cell; or all of it."""

TIMES: Final[Mapping[str, str]] = {
    r"(CPU times|Wall time): .*": r"\1: <time>",
    r"[\d.]+ (?:ns|[μµu]s|ms|s)\b": "<time>",
}
"""What ``%time`` and ``%timeit`` print: no two runs take the same time."""


STAYS_INSIDE: Final[Mapping[str, str]] = {
    "notebook, files.*": "what a cell writes stays in the jail and vanishes with it"
}
"""What differs where cells write files."""


@dataclass(frozen=True)
class Case:
    """One notebook that both preprocessors run."""

    name: str
    shows: str
    """What the case shows, as a sentence about both."""
    cells: tuple[Written, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files beside the notebook, by path."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Traits of ``Execute``, as a course would set them."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Traits that nbgrader does not let a course set; they are set on the preprocessor."""
    differs: Mapping[str, str] = field(default_factory=dict)
    """What differs by design, with the reason.

    A key is a pattern, in which only ``*`` is special, for the place of a difference (``cell 1,
    outputs[0].text``) or for all that is said of it (``cell 1, outputs[0].text: 'a' != 'b'``,
    where what nbgrader gives comes first). Each must be needed: the list cannot rot.
    """
    chance: Mapping[str, str] = field(default_factory=dict)
    """Regular expressions of what no two runs have in common, and what stands in its place."""
    strict: tuple[str, ...] = ()
    """What is compared as it is, though in other cases it is not, by name:

    ``streams``: the order of stdout and stderr; every write of such a case is flushed.
    ``moments``: which moments of a cell's life nbclient has put down in its metadata.
    ``places``: where the folder, the packages and the files of cells lie.
    """

    def code(self) -> list[Cell]:
        """The cells, with all that they are."""
        return [_cell(written) for written in self.cells]


def _cell(written: Written) -> Cell:
    if isinstance(written, Cell):
        return written
    if isinstance(written, tuple):
        return Cell(*written)
    return Cell(written)


def refused(cell: int, error: str, why: str) -> dict[str, str]:
    """What differs where the jail answers with an error what nbgrader's kernel does."""
    return {f"cell {cell}, outputs*{error}*": why, f"cell {cell}, outputs*": why}


def code(text: str) -> str:
    """The source of a cell, written as an indented block."""
    return textwrap.dedent(text).strip("\n")
