"""What a sample submission is: its answers, how its file was spoiled, and what it must earn."""

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from nbformat import NotebookNode, v4

Answers: TypeAlias = Mapping[str, str]
"""The source of a solution cell, by the ``grade_id`` of its exercise."""

POINTS: Final[Mapping[str, Mapping[str, float]]] = {
    "tensores": {
        "tensores-lista": 4,
        "tensores-numpy": 5,
        "tensores-like": 5,
        "tensores-forma": 4,
        "tensores-atributos": 3,
        "tensores-afin": 4,
    },
    "dispositivos": {
        "dispositivos-eleccion": 5,
        "dispositivos-mover": 5,
        "dispositivos-mezcla": 5,
        "dispositivos-numpy": 5,
    },
    "gradientes": {
        "gradientes-perdida": 6,
        "gradientes-grad-fn": 3,
        "gradientes-backward": 7,
        "gradientes-funcion": 7,
        "gradientes-a-mano": 7,
    },
    "optimizacion": {
        "optimizacion-derivada": 7,
        "optimizacion-grafica": 6,
        "optimizacion-derivada-general": 6,
        "optimizacion-descenso": 6,
    },
}
"""The points of every grade cell, in the order of the notebook, by assignment."""


@dataclass
class Draft:
    """A submission in the making: first a notebook, at the end the files of a folder."""

    course: Path
    assignment: str
    notebook: NotebookNode
    files: dict[str, bytes] = field(default_factory=dict)
    """Files to write, by name. The notebook's own name, if there, wins over ``notebook``."""
    links: dict[str, str] = field(default_factory=dict)
    """Symbolic links to make, target by name; they too win over ``notebook``."""
    without_notebook: bool = False

    @property
    def name(self) -> str:
        """The file name under which the notebook is handed in."""
        return f"{self.assignment}.ipynb"

    def contents(self) -> dict[str, bytes]:
        """All files of the submission, the notebook among them unless something replaces it."""
        files = dict(self.files)
        if not self.without_notebook and self.name not in files and self.name not in self.links:
            files[self.name] = serialise(self.notebook)
        return files


Spoil: TypeAlias = Callable[[Draft], None]
"""Changes a draft after its answers were filled in."""


@dataclass(frozen=True)
class Case:
    """One submission of the sample class."""

    student: str
    assignment: str
    why: str
    """What the case shows, and why it earns what it earns."""
    answers: Answers = field(default_factory=dict)
    """Exercises without an answer stay as they were released."""
    spoil: tuple[Spoil, ...] = ()
    expected: Mapping[str, float] = field(default_factory=dict)
    """The score of each grade cell that does not earn all its points."""

    def __post_init__(self) -> None:
        """Refuse names and scores that the assignment does not have."""
        points = POINTS[self.assignment]
        unknown = (self.answers.keys() | self.expected.keys()) - points.keys()
        if unknown:
            raise ValueError(f"{self.student}/{self.assignment}: no exercise {sorted(unknown)}")
        for grade_id, score in self.expected.items():
            if not 0 <= score < points[grade_id]:
                raise ValueError(f"{self.student}/{self.assignment}: {grade_id} earns {score}?")

    def score(self, grade_id: str) -> float:
        """The expected score of a grade cell."""
        return float(self.expected.get(grade_id, POINTS[self.assignment][grade_id]))


def code(text: str) -> str:
    """The source of a cell, written as an indented block."""
    return textwrap.dedent(text).strip("\n")


def none_of(assignment: str, *but: str) -> dict[str, float]:
    """A score of 0 in every grade cell of an assignment, except in those named."""
    return {grade_id: 0.0 for grade_id in POINTS[assignment] if grade_id not in but}


def serialise(notebook: NotebookNode) -> bytes:
    """A notebook as JSON, the way Jupyter writes it, and unchecked: it may be spoiled."""
    text: str = v4.writes_json(notebook)
    return f"{text}\n".encode()
