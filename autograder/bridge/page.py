"""The page of feedback: nbgrader makes it, this is what stands around the notebook's cells.

nbgrader's own frame is English, whatever language the course has, and its list of contents does
not tell one exercise from another. A course that has a template of its own keeps it.
"""

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import nbgrader
from nbconvert.exporters import HTMLExporter
from nbformat.notebooknode import NotebookNode
from nbgrader.preprocessors import NbGraderPreprocessor
from traitlets import List

from autograder.bridge.notebooks import PROBLEM_CELL
from autograder.bridge.outputs import tell_score_given
from autograder.bridge.preprocessors import RunGraders
from autograder.bridge.sections import headings, last_heading
from autograder.messages import in_language
from autograder.messages import translate as _

TEMPLATE: Final = "autograder_feedback"
TEMPLATES: Final = Path(__file__).parent / "templates"
_NBGRADERS: Final = ("feedback", Path("server_extensions", "formgrader", "templates"))
"""The template that nbgrader chooses where a course chooses none, and its folder in nbgrader."""
_EMPHASIS: Final = re.compile(r"(?<!\w)(\*{1,3}|_{1,3})(?=\S)([^*_]{1,300})(?<=\S)\1(?!\w)")
_UNTOUCHED: Final = "No response."
"""nbgrader's comment on a written answer that nobody has touched."""
_VIEWPORT: Final = '<meta name="viewport" content="width=device-width, initial-scale=1">'
_STYLES: Final = """
@media (max-width: 700px) {
  body { padding: 0; }
  .container, #notebook-container { width: 100% !important; padding: 0 2px !important; }
  .panel-body { padding: 4px; }
  div.cell, div.output_area, div.input { display: block; }
  div.prompt { min-width: 0 !important; padding: 0 !important; text-align: left !important; }
  div.inner_cell, div.output_subarea { max-width: 100%; padding: 2px; }
  div.nbgrader_cell .panel-heading { height: auto !important; overflow: hidden; }
  .rendered_html ul, .rendered_html ol { margin: 0 0 0 1.2em; padding-left: 0; }
}
img, svg { max-width: 100%; height: auto; }
pre, .rendered_html table { overflow-x: auto; max-width: 100%; }
.rendered_html code { overflow-wrap: anywhere; }
"""


class ReadableOnPhones(NbGraderPreprocessor):  # type: ignore[misc]
    """Adds to the page that it may be as narrow as a phone.

    Without it a phone shows the page as wide as a desk's screen, with letters too small to read.
    """

    display_data_priority: Any = List(config=True)
    """Not used. nbgrader makes it no option, so that exporters, which set it, give a warning."""

    def preprocess(self, nb: NotebookNode, resources: Any) -> tuple[NotebookNode, Any]:
        """Add to what nbgrader's template puts into the head of the page.

        The template takes style sheets, and nothing else; so ours ends one, and begins another.
        """
        sheets = resources.setdefault("inlining", {}).setdefault("css", [])
        sheets.append(f"{_STYLES}</style>{_VIEWPORT}<style>")
        return nb, resources


@dataclass(frozen=True)
class Box:
    """The border around a cell of nbgrader's."""

    anchor: str
    name: str
    score: str = ""
    """Empty where the cell is worth no points."""
    earned: float = 0.0
    comment: str = ""
    """The anchor of the teacher's comment."""
    told: str = ""
    """The comment itself, as Markdown."""
    by_person: bool = True
    """Whether a person has written it, and not nbgrader."""


@dataclass
class Entry:
    """An exercise in the list of contents."""

    anchor: str
    heading: str
    score: str = ""
    comments: list[str] = field(default_factory=list)
    """Where the teacher has written something about it."""


@dataclass(frozen=True)
class Frame:
    """What the page says around the notebook, in the language of its student."""

    language: str
    title: str
    entries: Sequence[Entry]
    penalty: str
    """What was taken for being late; empty if nothing was."""
    words: Mapping[str, str]
    shown: Sequence[Any]
    """The cells that the page shows."""

    @classmethod
    def of(cls, cells: Sequence[Any], facts: Mapping[str, Any], language: str) -> "Frame":
        """The frame of a notebook whose cells have the scores and comments of the gradebook.

        Args:
            cells: the cells of the notebook.
            facts: what nbgrader knows of it: its name, score and penalty.
            language: that of the student, which is also the current one.
        """
        most = facts.get("max_score", 0)
        total = _("{score:g} of {points:g} points", **_points(facts.get("score", 0), most))
        late = float(facts.get("late_penalty") or 0)
        penalty = _("Points taken because it came late: {points:g}", points=round(late, 2))
        words = {
            "contents": _("Contents"),
            "comment": _("Comment of your teacher"),
            "top": _("Back to the top"),
        }
        title = f"{facts['notebook']}: {total}"
        shown = _shown_cells(cells)
        return cls(language, title, _entries(shown), penalty if late > 0 else "", words, shown)

    @staticmethod
    def box(cell: Any) -> Box | None:
        """The border of a cell; None for one that is not nbgrader's, or only locked."""
        facts = cell.metadata.get("nbgrader", {})
        answers, graded, task = (bool(facts.get(kind)) for kind in ("solution", "grade", "task"))
        if not (answers or graded or task):
            return None
        anchor = str(facts.get("grade_id", ""))
        name = _("Your answer") if answers else _("Task") if task else _("Check")
        numbers = _points(facts.get("score", 0), facts.get("points", 0))
        score = _("{score:g} of {points:g} points", **numbers) if graded or task else ""
        told = str(facts.get("comment") or "") if answers or task else ""
        by_person = told != _UNTOUCHED
        told = told if by_person else _("You have not written anything here.")
        return Box(anchor, name, score, numbers["score"], f"comment-{anchor}", told, by_person)


def _shown_cells(cells: Sequence[Any]) -> Sequence[Any]:
    """All cells; of a notebook that could not be read, what is said of it.

    Its other cells are those of the release, unless a person has given points or a comment there.
    """
    problems = [cell for cell in cells if cell.get("id") == PROBLEM_CELL]
    boxes = [box for cell in cells if (box := Frame.box(cell))]
    marked = any(box.earned or (box.told and box.by_person) for box in boxes)
    return problems if problems and not marked else cells


def _points(score: Any, points: Any) -> dict[str, float]:
    """Two numbers as the page tells them."""
    return {"score": round(float(score or 0), 2), "points": round(float(points or 0), 2)}


def _entries(cells: Sequence[Any]) -> list[Entry]:
    """A line for each cell that is worth points, and for comments on no such cell."""
    entries: list[Entry] = []
    heading, comments, open_since = "", [], ""
    for cell in cells:
        box = Frame.box(cell)
        if cell.get("id") == PROBLEM_CELL:
            continue
        if box is None:
            heading = last_heading([cell]) or heading
            continue
        if box.told and box.by_person:
            comments.append(box.comment)
            open_since = open_since or box.anchor
        if box.score:
            facts = cell.metadata["nbgrader"]
            numbers = _points(facts.get("score", 0), facts.get("points", 0))
            score = _("{score:g} of {points:g}", **numbers)
            entries.append(Entry(box.anchor, _shown(heading) or box.anchor, score, comments))
            comments, open_since = [], ""
    if comments:
        entries.append(Entry(open_since, _shown(heading) or open_since, comments=comments))
    return entries


def _shown(heading: str) -> str:
    """A heading without the marks of Markdown that only change its letters."""
    return _EMPHASIS.sub(r"\2", heading)


class FeedbackExporter(HTMLExporter):
    """nbconvert's exporter of pages, with a frame in the student's language.

    It takes its own template where nbgrader would take nbgrader's.
    """

    def __init__(self, config: Any = None, **kw: Any) -> None:
        """Choose the template."""
        config = deepcopy(config)
        if config is not None and _is_nbgraders(config.HTMLExporter):
            config.FeedbackExporter.template_name = TEMPLATE
            config.FeedbackExporter.extra_template_basedirs = [str(TEMPLATES)]
        super().__init__(config=config, **kw)
        self._settings = RunGraders(parent=self)

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> Any:
        """Convert a notebook, all in the language of its student."""
        student = (resources or {}).get("nbgrader", {}).get("student", "")
        with in_language(self._settings.language_of(student)):
            return super().from_notebook_node(nb, resources, **kw)

    def _preprocess(self, nb: Any, resources: Any) -> Any:
        """Add the frame, when the gradebook's scores and comments are there."""
        nb, resources = super()._preprocess(nb, resources)
        facts = resources["nbgrader"]
        language = self._settings.language_of(facts["student"])
        hints, lesson = self._settings.hints_for(facts["assignment"]), headings(nb.cells)
        for cell in nb.cells:
            given = cell.metadata.get("nbgrader", {}).get("score")
            if given is not None:
                tell_score_given(cell, float(given), hints, lesson)
        frame = resources["frame"] = Frame.of(nb.cells, facts, language)
        nb.cells = list(frame.shown)
        return nb, resources


def _is_nbgraders(chosen: Any) -> bool:
    """Whether what is configured is the template that nbgrader chooses by itself."""
    name, folder = _NBGRADERS
    folders = [Path(path).resolve() for path in chosen.get("extra_template_basedirs", [])]
    own = (Path(nbgrader.__file__).parent / folder).resolve()
    return chosen.get("template_name") == name and folders == [own]
