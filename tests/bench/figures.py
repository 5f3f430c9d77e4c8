"""The figures of a run: computed from what was measured, beside their targets."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tests.bench.commands import environment
from tests.bench.large import Linearity
from tests.bench.profile import Warm
from tests.bench.rounds import Measured, Sizes, marginal, seconds_each, startup

SIDES: Final = ("stock", "plain", "ours", "regrade")
PLAIN_TIMES: Final = 15.0
WARM_SECONDS: Final = 0.4
LINEAR: Final = 0.95
REGRADE_MS: Final = 10.0
_PACKAGES: Final = ("torch", "nbgrader", "nbconvert", "ipykernel", "sqlalchemy")
_HELPER: Final = (
    "import time, torch; began = time.perf_counter(); import tests.bench.in_notebook; "
    "print(time.perf_counter() - began)"
)


@dataclass(frozen=True)
class Target:
    """A figure and what it should be."""

    what: str
    figure: str
    target: str
    met: bool | None
    """None: there is no target."""


def machine() -> dict[str, Any]:
    """What the figures were measured on; nothing that tells whose it is."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "architecture": platform.machine(),
        "linux": platform.release().split("-")[0],
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in _PACKAGES},
        "load before the run": round(os.getloadavg()[0], 1),
    }


def helper_seconds() -> float:
    """What the stock kernel pays for importing the graders' modules, torch not counted."""
    command = [sys.executable, "-c", _HELPER]
    runs = [
        float(subprocess.run(command, env=environment(), capture_output=True, check=True).stdout)
        for _ in range(3)
    ]
    return statistics.median(runs)


def throughput(measured: Measured) -> dict[str, dict[str, float]]:
    """Seconds by command: whole commands, start-up, and each further submission."""
    found: dict[str, dict[str, float]] = {}
    for side in SIDES:
        batches, few = measured.of(side), measured.of(side, few=True)
        starts, whole = startup(batches, few), sum(one.seconds for one in batches)
        found[side] = {
            "submissions": sum(one.submissions for one in batches),
            "commands": len(batches),
            "seconds": whole,
            "seconds each": seconds_each(batches),
            "start-up seconds": starts,
            "start-up share": starts * len(batches) / whole,
            "seconds each without start-up": marginal(batches, few),
        }
    return found


def percentile(seconds: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of the values does not exceed."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def collect(
    around: dict[str, Any],
    sizes: Sizes,
    measured: Measured,
    warm: Warm,
    linearity: Linearity | None,
) -> dict[str, Any]:
    """All figures as plain data."""
    by_side = throughput(measured)

    def times(side: str, what: str) -> float:
        return by_side["stock"][what] / by_side[side][what]

    return {
        "machine": around,
        "sizes": asdict(sizes),
        "throughput": by_side,
        "timings": [asdict(one) for one in measured.timings],
        "ratio": times("ours", "seconds each"),
        "ratio without start-up": times("ours", "seconds each without start-up"),
        "plain ratio": times("plain", "seconds each"),
        "in-notebook imports": helper_seconds(),
        "scores": {"compared": measured.compared, "differences": measured.differences},
        "warm": {
            "submissions": len(warm.seconds),
            "median seconds": statistics.median(warm.seconds),
            "p95 seconds": percentile(warm.seconds, 0.95),
        },
        "profile": {
            "on the way": asdict(warm.way),
            "inside the grading process": asdict(warm.inside),
            "floor": warm.floor,
            "not found": warm.missing,
        },
        "linearity": None if linearity is None else asdict(linearity) | {"ratio": linearity.ratio},
    }


def targets(figures: dict[str, Any]) -> list[Target]:
    """The figures that matter, each with its target."""
    scores, warm = figures["scores"], figures["warm"]
    regrade = figures["throughput"]["regrade"]["seconds each without start-up"]
    median, without = warm["median seconds"], figures["ratio without start-up"]
    rows = [
        Target("ours, whole job: times stock", f"{figures['ratio']:.1f}", "", None),
        Target("without start-up: times stock", f"{without:.1f}", "", None),
        Target(
            "`nbgrader autograde` with our configuration: times stock",
            f"{figures['plain ratio']:.1f}",
            f"≥ {PLAIN_TIMES:g}",
            figures["plain ratio"] >= PLAIN_TIMES,
        ),
        Target(
            f"scores that differ, of {scores['compared']}",
            str(len(scores["differences"])),
            "0",
            not scores["differences"],
        ),
        Target("one submission, warm: median", f"{median:.3f} s", f"< {WARM_SECONDS:g} s",
               median < WARM_SECONDS),
        Target("one submission, warm: 95 % within", f"{warm['p95 seconds']:.3f} s", "", None),
        _unchanged("unchanged submission", regrade),
    ]  # fmt: skip
    return rows + _linear(figures["linearity"])


def _unchanged(what: str, seconds: float) -> Target:
    """What an unchanged submission takes, if it shows beside the noise of the start-up."""
    target = f"< {REGRADE_MS:g} ms"
    if seconds <= 0:
        return Target(what, "lost in the noise: the class is too small", target, None)
    return Target(what, f"{seconds * 1000:.1f} ms", target, seconds * 1000 < REGRADE_MS)


def _linear(linearity: dict[str, Any] | None) -> list[Target]:
    if linearity is None:
        return []
    size = linearity["submissions"]
    rate = sum(linearity["small"]) / len(linearity["small"])
    return [
        Target(
            f"throughput of {size} to that of {linearity['hundred']}",
            f"{linearity['ratio']:.2f}",
            f"≥ {LINEAR:g}",
            linearity["ratio"] >= LINEAR,
        ),
        Target(
            "submissions a second: small classes, large one, its first and last part",
            f"{rate:.2f}, {linearity['large']:.2f}, "
            f"{linearity['first']:.2f}, {linearity['last']:.2f}",
            "",
            None,
        ),
        _unchanged("unchanged submission in the large class", linearity["regrade"]),
        Target("peak memory, small and large class: MB",
               f"{linearity['small_mb']:.0f}, {linearity['large_mb']:.0f}", "", None),
    ]  # fmt: skip
