"""How fast grading is, beside stock nbgrader: ``python -m tests.bench.speed [OPTIONS]``.

The same submissions are graded by stock nbgrader, by nbgrader with our configuration and by
``autograder grade``, in turn, and their scores are compared cell by cell. Then: one submission on
a warm service and where its time goes, and whether a large class takes as long for each. The
figures go to ``docs/explanation/speed.json``, ``speed.md`` and ``speed.svg``; see there.
"""

import argparse
import math
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from autograder.bridge.seeds import Secret
from autograder.doctor import require_walls
from autograder.pool import default_jobs
from tests.bench import figures, large, profile, report
from tests.bench.courses import ASSIGNMENTS, Template, class_of
from tests.bench.in_notebook import SECRET, seed_of
from tests.bench.rounds import Measured, Rounds, Sizes
from tests.sample_class.demo import ROOT

DOCS: Final = ROOT / "docs/explanation"
CLASS: Final = 800
"""The class that a teacher waits an hour for today."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.speed", description=__doc__)
    parser.add_argument(
        "--submissions", type=int, default=40, metavar="N",
        help="submissions that stock nbgrader grades, all together (default: 40)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, default=2, help="rounds to spread them over (default: 2)"
    )
    parser.add_argument(
        "--class-size", type=int, default=CLASS, metavar="N",
        help=f"the class that ours grades in each round (default: {CLASS})",
    )  # fmt: skip
    parser.add_argument(
        "--large", type=int, default=2000, metavar="N",
        help="the class to see linearity with; 0 leaves it out (default: 2000)",
    )  # fmt: skip
    parser.add_argument("--jobs", type=int, default=default_jobs(), help="default: all cores")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the report (the docs')")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Measure, report, and fail where scores differ."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if seed_of("a", "b") != Secret(SECRET).seed("a", "b"):
        raise AssertionError("the stock kernel's hidden inputs are not those of the engine")
    around = figures.machine()
    unsafe = bool(require_walls(allow_unsafe=True))
    each = math.ceil(options.submissions / options.rounds / len(ASSIGNMENTS))
    size = max(options.class_size, each * options.rounds)
    sizes = Sizes(options.rounds, each, size, options.jobs, unsafe)
    with tempfile.TemporaryDirectory(prefix="autograder-bench-") as folder:
        found = _measure(Path(folder), sizes, options.large, around)
    report.write(found, options.out, DOCS / "speed.md")
    print(f"\n{report.text(found)}\n\nreport: {options.out}")
    for line in found["scores"]["differences"]:
        print(f"DIFFERENT {line}")
    print(f"ratio: {found['ratio']:.1f}")
    return 1 if found["scores"]["differences"] else 0


def _measure(
    folder: Path, sizes: Sizes, submissions: int, around: dict[str, Any]
) -> dict[str, Any]:
    _say("releasing both courses")
    unsafe = ["c.RunGraders.allow_unsafe = True"] if sizes.unsafe else []
    stock, ours = Template(folder, "stock"), Template(folder, "ours", *unsafe)
    measured: Measured = Rounds(stock, ours, sizes, _say).run()
    _say("one submission on a warm service")
    course = ours.copy(*(class_of(name, max(4, min(40, sizes.size // 4))) for name in ASSIGNMENTS))
    warm = profile.measure(course, sizes.unsafe)
    linear = None
    if submissions:
        linear = large.measure(ours, submissions, sizes, _say)
    return figures.collect(around, sizes, measured, warm, linear)


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
