"""The report as one HTML page that needs nothing else."""

import base64
import hashlib
from collections.abc import Iterator
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autograder.report import likeness, plots
from autograder.report.analysis import LEAST_FOR_REMARKS, Report
from autograder.report.statistics import FEW_STUDENTS, POOR_DISCRIMINATION

_MOST_SHOWN: Final = 20
"""Pairs whose answers the page shows side by side."""
_LONGEST_EXCERPT: Final = 4000
_SCRIPT: Final = """
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
      const is_number = (row) => row.cells[column].dataset.sort !== undefined;
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === "" || y === "") return (x === "") - (y === "");  // what is not known stays last
        const order = is_number(a) ? x - y : x.localeCompare(y, undefined, { numeric: true });
        return down ? -order : order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
"""
"""Makes tables sortable; without it they are in an order that says something."""


def render(report: Report) -> str:
    """The page."""
    environment = Environment(
        loader=PackageLoader("autograder.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters |= {"decimal": _decimal, "plain": _plain, "excerpt": _excerpt}
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    return environment.get_template("page.html").render(
        report=report,
        plots=_plots(report),
        notes=list(_notes(report)),
        shown_pairs=[p for p in report.likeness.pairs if p.first in report.answers][:_MOST_SHOWN],
        script=Markup(_SCRIPT),
        script_digest=digest,
        poor=POOR_DISCRIMINATION,
        few=FEW_STUDENTS,
        least=LEAST_FOR_REMARKS,
        length=likeness.LENGTH,
        common_least=likeness.COMMON_LEAST,
        common_share=likeness.COMMON_SHARE,
        least_shared=likeness.LEAST_SHARED,
        least_likeness=likeness.LEAST_LIKENESS,
    )


def _notes(report: Report) -> Iterator[str]:
    """What a reader must know before they believe the numbers."""
    if not report.students:
        yield "There are no students yet, so there is nothing to report."
    elif not report.graded:
        yield "No submission is graded, so there are no statistics."
    elif report.graded == 1:
        yield "One student is graded: there are scores, but no statistics of a class."
    elif report.graded < FEW_STUDENTS:
        yield (
            f"Only {report.graded} students are graded: discrimination and alpha vary a good deal "
            "by chance."
        )
    if missing := report.states["missing"]:
        yield f"{missing} of {len(report.students)} students have handed in nothing."
    if report.states["not graded"]:
        yield (
            f"{report.states['not graded']} submissions are not graded: run "
            f"`autograder grade {report.assignment}` and this report again."
        )
    if report.awaiting:
        yield (
            f"{report.awaiting} students have exercises that a person must still grade. These "
            "students are left out of the totals, of discrimination and of alpha."
        )


def _plots(report: Report) -> dict[str, Markup | None]:
    if not report.totals:
        return {}
    items = {
        number: (row.item.difficulty, row.item.discrimination)
        for number, row in enumerate(report.exercises, 1)
        if row.item.difficulty is not None and row.item.discrimination is not None
    }
    places = {
        f"{number} ({report.exercises[number - 1].exercise.name})": place
        for number, place in items.items()
    }
    shares = [plots.Shares(row.exercise.name, row.outcomes) for row in report.exercises]
    return {
        "totals": plots.histogram(report.totals, report.points),
        "outcomes": plots.outcomes(shares) if shares else None,
        "places": plots.difficulty_and_discrimination(places) if places else None,
    }


def _decimal(value: float | None, digits: int | None = 2) -> str:
    """A number with some decimals, or as short as it may be, with a real minus."""
    if value is None:
        return "–"
    text = _plain(value) if digits is None else f"{value:.{digits}f}"
    return text.replace("-", "−")


def _plain(value: float) -> str:
    return f"{round(value, 2):g}"


def _excerpt(source: Any) -> str:
    text = str(source)
    return text if len(text) <= _LONGEST_EXCERPT else f"{text[:_LONGEST_EXCERPT]}\n…"
