"""Shows the figures: as tables, in the docs' ``speed.md`` between two marks, as JSON, as a plot."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tests.bench.clock import OTHER
from tests.bench.figures import SIDES, targets

BEGIN: Final = "<!-- figures: written by `make bench` -->"
END: Final = "<!-- end of the figures -->"
_NAMES: Final = {
    "stock": "stock nbgrader",
    "plain": "nbgrader with our configuration",
    "ours": "autograder grade",
    "regrade": "autograder grade, unchanged",
}
_COLOURS: Final = (
    *("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377"),
    *("#997700", "#88ccaa", "#ee8866", "#bbbbbb"),
)
_STEP: Final = "step: "
_LEAST: Final = 1e-4
"""The shortest bar, in seconds."""


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    lines = [list(header), *map(list, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        "| "
        + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        + " |"
        for line in (lines[0], rule, *lines[1:])
    )


def text(figures: dict[str, Any]) -> str:
    """All tables."""
    return "\n\n".join(
        [
            _about(figures),
            _targets(figures),
            "Whole commands, from process start to end:",
            _throughput(figures),
            "Where a submission's time goes, one after the other on a warm service "
            f"(means of {figures['profile']['on the way']['submissions']}):",
            _profile(figures["profile"]),
            "The same cells and graders in one process, to see inside the grading process:",
            _parts(figures["profile"]["inside the grading process"]),
        ]
    )


def _about(figures: dict[str, Any]) -> str:
    machine, sizes = figures["machine"], figures["sizes"]
    facts = ", ".join(f"{name} {value}" for name, value in machine.items())
    return (
        f"Measured on: {facts}. {sizes['rounds']} round(s), in each and for each assignment "
        f"{sizes['batch']} submissions by stock and a class of {sizes['size']} by the others, "
        f"{sizes['jobs']} jobs. Of stock's seconds {figures['in-notebook imports']:.2f} "
        "a submission are imports of the in-notebook tests."
    )


def _targets(figures: dict[str, Any]) -> str:
    signs = {None: "", True: "✔", False: "✘"}
    rows = [(one.what, one.figure, one.target, signs[one.met]) for one in targets(figures)]
    return table(("what", "measured", "target", ""), rows)


def _throughput(figures: dict[str, Any]) -> str:
    rows = []
    for side in SIDES:
        own = figures["throughput"][side]
        rows.append(
            (
                _NAMES[side],
                f"{own['submissions']}",
                f"{own['seconds each']:.4f}",
                f"{own['start-up seconds']:.2f}",
                f"{own['start-up share'] * 100:.0f} %",
                f"{own['seconds each without start-up']:.4f}",
            )
        )
    header = ("command", "submissions", "s each", "start-up, s", "its share", "s each without it")
    return table(header, rows)


def _profile(profile: dict[str, Any]) -> str:
    floor = (
        f"the floor, the cells alone in a warm process: {profile['floor'] * 1000:.1f} ms (median)"
    )
    lost = f"\n\nNot found, so part of others: {', '.join(profile['not found'])}"
    return f"{_parts(profile['on the way'])}\n\n{floor}{lost if profile['not found'] else ''}"


def _parts(profile: dict[str, Any]) -> str:
    """The parts of a submission's time, the largest first, with their sum."""
    parts = profile["seconds"]
    whole = sum(parts.values())
    rows = [
        (name, f"{seconds * 1000:.1f}", f"{seconds / whole * 100:.1f} %", _times(profile, name))
        for name, seconds in sorted(parts.items(), key=lambda part: -part[1])
    ]
    return table(
        ("part", "ms", "share", "times"), [*rows, ("sum", f"{whole * 1000:.1f}", "100 %", "")]
    )


def _times(profile: dict[str, Any], name: str) -> str:
    return "" if name == OTHER else f"{profile['times'][name]:.1f}"


def write(figures: dict[str, Any], folder: Path, template: Path) -> None:
    """Write ``speed.json``, ``speed.svg`` and the figures' place in ``speed.md``.

    Args:
        figures: of ``tests.bench.figures``.
        folder: where to.
        template: the page to fill in, if there is none in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = json.dumps(figures, indent=1, ensure_ascii=False)
    (folder / "speed.json").write_text(f"{data}\n", encoding="utf-8")
    page = folder / "speed.md"
    before = (page if page.is_file() else template).read_text(encoding="utf-8")
    head, rest = before.split(BEGIN)
    tail = rest.split(END)[1]
    page.write_text(f"{head}{BEGIN}\n\n{text(figures)}\n\n{END}{tail}", encoding="utf-8")
    draw(figures, folder / "speed.svg")


def draw(figures: dict[str, Any], path: Path) -> None:
    """Draw seconds per submission by command, and the parts of a submission's time."""
    with rc_context({"svg.hashsalt": "autograder", "font.size": 10}):
        figure = Figure(figsize=(9, 6.5), layout="constrained")
        above, below = figure.subplots(2, 1, height_ratios=(1, 1))
        _draw_commands(above, figures)
        _draw_profile(below, figures["profile"])
        figure.savefig(path, metadata={"Date": None, "Creator": None})


def _draw_commands(axes: Axes, figures: dict[str, Any]) -> None:
    by_side = figures["throughput"]
    each = {
        _NAMES[side].replace(" with", "\nwith"): by_side[side]["seconds each"] for side in SIDES
    }
    unchanged = by_side["regrade"]["seconds each without start-up"]
    each["the same,\nstart-up left out"] = max(unchanged, _LEAST)  # noise may make it negative
    bars = axes.barh(list(each), list(each.values()), color=_COLOURS[0])
    axes.bar_label(bars, [_seconds(value) for value in each.values()], padding=4)
    axes.set_xscale("log")
    axes.set_xlim(min(each.values()) / 3, max(each.values()) * 4)
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("seconds per submission, logarithmic; whole commands, start-up counted")
    axes.set_title("Grading the same submissions", loc="left")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _seconds(value: float) -> str:
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value:.2f} s"


def _draw_profile(axes: Axes, profile: dict[str, Any]) -> None:
    parts = _largest(profile["on the way"]["seconds"], 8)
    left = 0.0
    for (name, seconds), colour in zip(parts.items(), _COLOURS, strict=False):
        grey = colour if name != OTHER else _COLOURS[-1]
        label = f"{name} ({seconds * 1000:.0f} ms)"
        axes.barh("one submission", seconds * 1000, left=left, color=grey, label=label)
        left += seconds * 1000
    floor = profile["floor"] * 1000
    bars = axes.barh("its cells alone", floor, color="#555555")
    axes.bar_label(bars, [f"{floor:.0f} ms"], padding=4)
    axes.set_xlim(right=left * 1.02)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds, on a warm service, one submission after the other")
    axes.set_title("Where a submission's time goes", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.45, -0.25), ncols=2, fontsize=8, frameon=False
    )


def _largest(parts: dict[str, float], count: int) -> dict[str, float]:
    """The largest parts, with all steps of nbgrader's as one, and the rest as another."""
    merged: dict[str, float] = {}
    for name, seconds in parts.items():
        group = "the steps of nbgrader and ours" if name.startswith(_STEP) else name
        merged[group] = merged.get(group, 0.0) + seconds
    rest = merged.pop(OTHER, 0.0)
    ordered = sorted(merged.items(), key=lambda part: -part[1])
    rest += sum(seconds for _, seconds in ordered[count:])
    return dict(ordered[:count]) | {OTHER: rest}
