"""The plots of the report, as SVG that stands in a page by itself."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

_WIDTH: Final = 4.6
"""Inches: about as wide as a phone, so that letters stay readable there."""
_STYLE: Final[Any] = {
    "svg.fonttype": "none",  # letters as text: small, and the reader's own fonts
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.parse_math": False,  # a `$` in the name of an exercise is a `$`
}
_COLOURS: Final = {
    "all points": "#1b6ca8",
    "a part": "#8cc0e0",
    "attempted, nothing": "#f0b27a",
    "not attempted": "#d5d8dc",
}
"""Told apart by people who see few colours, and in grey."""
_LONGEST_LABEL: Final = 28


@dataclass(frozen=True)
class Shares:
    """How many students an exercise gave what to; the names are those of the colours."""

    exercise: str
    counts: Mapping[str, int]


def histogram(totals: Sequence[float], points: float) -> Markup:
    """The distribution of the total scores."""
    highest = max([points, *totals, 1.0])
    lowest = min([0.0, *totals])
    with _figure(2.8) as figure:
        axes = figure.add_subplot()
        edges = np.linspace(lowest, highest, 11)
        counts, _edges, _bars = axes.hist(totals, bins=edges.tolist(), color="#1b6ca8", ec="white")
        axes.set_xlabel("points")
        axes.set_ylabel("students")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        parts = [
            f"{low:g} to {high:g}: {int(count)}"
            for low, high, count in zip(edges, edges[1:], np.asarray(counts).ravel(), strict=False)
        ]
        return _svg(figure, "Students by total points. " + "; ".join(parts))


def outcomes(shares: Sequence[Shares]) -> Markup:
    """For each exercise how many earned all points, a part and nothing."""
    with _figure(0.9 + 0.32 * len(shares)) as figure:
        axes = figure.add_subplot()
        places = np.arange(len(shares))[::-1]
        begin = np.zeros(len(shares))
        for name, colour in _COLOURS.items():
            values = np.asarray([float(one.counts.get(name, 0)) for one in shares])
            axes.barh(places, values, left=begin, color=colour, label=name, height=0.7)
            begin += values
        axes.set_yticks(places, labels=[_label(one.exercise) for one in shares])
        axes.set_xlabel("students")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(
            *axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False
        )
        told = "; ".join(
            f"{one.exercise}: " + ", ".join(f"{name} {n}" for name, n in one.counts.items())
            for one in shares
        )
        return _svg(figure, f"What students earned in each exercise. {told}")


def difficulty_and_discrimination(points: Mapping[str, tuple[float, float]]) -> Markup:
    """Where each exercise is between easy and difficult, telling and not telling.

    Args:
        points: difficulty and discrimination, by the number and name of the exercise.
    """
    with _figure(3.4) as figure:
        axes = figure.add_subplot()
        lowest = min([-0.1, *(value - 0.1 for _easy, value in points.values())])
        axes.axhspan(lowest, 0, color="#fadbd8", zorder=0)
        axes.axhline(0.2, color="#909497", linewidth=0.8, linestyle="--")
        for name, (easy, value) in points.items():
            axes.plot(easy, value, "o", color="#1b6ca8")
            number = name.partition(" ")[0]
            axes.annotate(number, (easy, value), xytext=(5, 3), textcoords="offset points")
        easiest = [easy for easy, _value in points.values()]
        axes.set_xlim(min(easiest) - 0.08, max(easiest) + 0.08)
        axes.set_ylim(lowest, max(0.3, *(value + 0.1 for _easy, value in points.values())))
        axes.set_xlabel("difficulty (mean share of points)")
        axes.set_ylabel("discrimination")
        told = "; ".join(
            f"{name}: difficulty {easy:.2f}, discrimination {value:.2f}"
            for name, (easy, value) in points.items()
        )
        return _svg(figure, f"Exercises by difficulty and discrimination. {told}")


@contextmanager
def _figure(height: float) -> Iterator[Figure]:
    """A figure without pyplot, whose state is the whole process's."""
    with matplotlib.rc_context(_STYLE):
        yield Figure(figsize=(_WIDTH, height), layout="constrained")


def _label(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else f"{name[: _LONGEST_LABEL - 1]}…"


def _svg(figure: Figure, told: str) -> Markup:
    """The figure as an element of a page, with a text for those who do not see it."""
    text = io.StringIO()
    salt: Any = {"svg.hashsalt": told}  # ids that are the same each time, and differ between plots
    with matplotlib.rc_context(salt):
        FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>", "", drawn, flags=re.DOTALL)
    label = escape(re.sub(r"\s+", " ", told))
    return Markup(drawn.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))
