"""What the jail costs: ``python -m tests.bench.jail [ROUNDS]``.

Runs the course's own notebooks in two warm processes in turn, one with every wall and one with
none, and prints the medians side by side. Both measurements share whatever else the machine does.
"""

import os
import statistics
import sys
import time
from pathlib import Path
from typing import Final

from autograder.grading.cells import read_code_cells
from autograder.runner import walls
from autograder.runner.limits import Limits
from autograder.runner.processes import descendants
from autograder.runner.warm import Cell, WarmProcess

ROOT: Final = Path(__file__).parents[2]
NOTEBOOKS: Final = ("gradientes", "optimizacion")
ROUNDS: Final = 40
TARGET_MS: Final = 10.0
TARGET_MB: Final = 40.0


def cells_of(name: str) -> list[Cell]:
    """The notebook's cells, with one grade cell at its end to look at its memory."""
    path = ROOT / "source" / name / f"{name}.ipynb"
    return [*(Cell(cell.source) for cell in read_code_cells(path)), Cell("", grade=True)]


def once(warm: WarmProcess, cells: list[Cell]) -> tuple[float, float]:
    """Milliseconds from the request to the end of every process, and private megabytes."""
    warm.start()
    assert warm.pid is not None
    before = set(descendants(warm.pid))
    began = time.perf_counter()
    with warm.run(cells, Limits(), 1, allow_unsafe=True) as run:
        took = time.perf_counter() - began
        assert {outcome.status for outcome in run.outcomes} == {"ok", "checkpoint"}
        memory = max(map(private_megabytes, set(descendants(warm.pid)) - before))
        ending = time.perf_counter()
    return (took + time.perf_counter() - ending) * 1000, memory


def private_megabytes(pid: int) -> float:
    """What a process does not share with the warm process it was forked from."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except ProcessLookupError:  # it has ended and waits to be reaped
        return 0.0
    kib = [int(line.split()[1]) for line in lines if line.startswith("Private_")]
    return sum(kib) / 1024


def main(rounds: int) -> None:
    """Measure and print."""
    print(f"{rounds} rounds, {os.cpu_count()} cores, medians; seconds of start-up not counted")
    jailed, bare = WarmProcess(), WarmProcess(without=walls.WALLS)
    try:
        for name in NOTEBOOKS:
            cells = cells_of(name)
            times: dict[WarmProcess, list[float]] = {jailed: [], bare: []}
            memory: list[float] = []
            for _ in range(rounds + 1):
                for warm in (jailed, bare):
                    took, megabytes = once(warm, cells)
                    times[warm].append(took)
                    memory += [megabytes] if warm is jailed else []
            report(name, times[jailed][1:], times[bare][1:], memory[1:])
    finally:
        jailed.stop()
        bare.stop()


def report(name: str, jailed: list[float], bare: list[float], memory: list[float]) -> None:
    """Print one notebook's figures."""
    with_jail, without = statistics.median(jailed), statistics.median(bare)
    added = statistics.median(a - b for a, b in zip(jailed, bare, strict=True))
    private = statistics.median(memory)
    print(f"\n{name}")
    print(f"  with every wall   {with_jail:7.1f} ms")
    print(f"  without           {without:7.1f} ms")
    print(f"  the jail adds     {added:7.1f} ms   (target: under {TARGET_MS:g})")
    print(f"  ratio             {with_jail / without:7.2f}")
    print(f"  private memory    {private:7.1f} MB   (target: under {TARGET_MB:g})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS)
