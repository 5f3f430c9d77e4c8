"""Runs the corpus in one mode and tells what became of each entry.

``python -m tests.attacks.run MODE RESULTS [NAME]…``: a program of its own, since it gives up
privileges. ``RESULTS`` is a JSON file, name to record.
"""

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Final

from autograder.grading.cells import CodeCell
from autograder.grading.client import Graded, GradingProcess
from autograder.runner import cgroup, linux
from autograder.runner.processes import descendants
from tests.attacks import model
from tests.attacks.modes import enter

_SETTLE_SECONDS: Final = 3.0


class Harness:
    """The tiny course, its grading process, and the servers that no submission must reach."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.course = root / "course"
        graders = self.course / "tests/graders" / model.ASSIGNMENT
        graders.mkdir(parents=True)
        self.canary = graders / "test_mini.py"
        self.canary.write_text(model.GRADERS)
        os.environ["AUTOGRADER_TEST_SECRET"] = model.CANARY
        self.grading = GradingProcess(self.course, self.course / "tests/graders")
        self._servers = _servers(root)
        self._groups = cgroup.find()
        self._before: object = None

    def places(self) -> dict[str, str]:
        """What stands for the placeholders of the corpus."""
        tcp, udp, stream, datagram, abstract = self._servers
        return {
            "@COURSE@": str(self.course),
            "@CANARY_FILE@": str(self.canary),
            "@CANARY_NAME@": "AUTOGRADER_TEST_SECRET",
            "@TCP_PORT@": str(tcp.getsockname()[1]),
            "@UDP_PORT@": str(udp.getsockname()[1]),
            "@UNIX_PATH@": str(stream.getsockname()),
            "@UNIX_DGRAM_PATH@": str(datagram.getsockname()),
            "@ABSTRACT@": abstract.getsockname()[1:].decode(),
        }

    def grade(
        self, cells: list[CodeCell], cell_seconds: float = model.LIMITS.cell_seconds
    ) -> tuple[Graded, float]:
        """Grade a notebook; the seconds that it took too."""
        began = time.monotonic()
        limits = replace(model.LIMITS, cell_seconds=cell_seconds)
        graded = self.grading.grade(
            model.ASSIGNMENT, cells, limits, seed=1, language="es", check_seconds=20
        )
        return graded, time.monotonic() - began

    def warm_up(self) -> None:
        """Grade an honest notebook and remember what is there without any attack."""
        record = tell(*self.grade(model.notebook({})))
        assert record["score"] == model.FULL, record
        self._before = self._surroundings()

    def left_behind(self) -> list[str]:
        """What is there now and was not before; waits a little for what is just ending."""
        deadline = time.monotonic() + _SETTLE_SECONDS
        while (found := self._surroundings()) != self._before and time.monotonic() < deadline:
            time.sleep(0.02)
        return [] if found == self._before else [f"before {self._before}", f"now {found}"]

    def _surroundings(self) -> object:
        temporary = Path(tempfile.gettempdir())
        files = sorted((str(path), path.lstat().st_mtime_ns) for path in self.course.rglob("*"))
        marks = [str(path) for folder in (temporary, Path("/dev/shm"))
                 for path in folder.glob("autograder-attack-*")]  # fmt: skip
        processes = descendants(os.getpid())
        groups = [] if self._groups is None else [
            str(path) for parent in set(self._groups.parents.values()) for pid in processes
            for path in parent.glob(f"autograder-{pid}-*")
        ]  # fmt: skip
        folders = [str(path) for pid in processes
                   for path in temporary.glob(f"autograder-{pid}-*/tmp*")]  # fmt: skip
        return files, marks, groups, folders, len(processes)

    def reached(self) -> list[str]:
        """Servers that somebody reached since the last time."""
        found = []
        for server, name in zip(self._servers, ("tcp", "udp", "unix", "datagram", "abstract"),
                                strict=True):  # fmt: skip
            try:
                if server.type == socket.SOCK_STREAM:
                    server.accept()[0].close()
                else:
                    server.recv(1)
            except BlockingIOError:
                continue
            found.append(name)
        return found


def _servers(root: Path) -> list[socket.socket]:
    kinds: list[tuple[int, int, Any]] = [
        (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        (socket.AF_UNIX, socket.SOCK_STREAM, str(root / "stream")),
        (socket.AF_UNIX, socket.SOCK_DGRAM, str(root / "datagram")),
        (socket.AF_UNIX, socket.SOCK_STREAM, f"\0autograder-test-{os.getpid()}"),
    ]
    servers = []
    for family, kind, address in kinds:
        server = socket.socket(family, kind)
        server.bind(address)
        server.setblocking(False)
        if kind == socket.SOCK_STREAM:
            server.listen()
        servers.append(server)
    return servers


def tell(graded: Graded, seconds: float) -> dict[str, Any]:
    """A graded notebook as data."""
    code = dict(zip(model.EXERCISES, graded.outcomes[1::2], strict=False))
    texts = [json.dumps(outcome.outputs, ensure_ascii=False) for outcome in graded.outcomes]
    said = [text for result in graded.results for check in result.checks
            for text in (check.message, check.hint, check.detail)]  # fmt: skip
    return {
        "score": sum(result.score(3.0) for result in graded.results),
        "statuses": {name: outcome.status for name, outcome in code.items()},
        "faults": [c.detail for r in graded.results for c in r.checks if c.status == "fault"],
        "outputs": "\n".join(_plain(outcome.outputs) for outcome in graded.outcomes),
        "everything": "\n".join([*texts, *said])[:200_000],
        "seconds": seconds,
    }


def _plain(outputs: list[dict[str, Any]]) -> str:
    parts: list[str] = []
    for output in outputs:
        parts += [str(output.get(key, "")) for key in ("text", "ename", "evalue", "data")]
        parts += output.get("traceback", [])
    return "\n".join(part[:20_000] for part in parts)


def _filled(code: str, places: Mapping[str, str]) -> str:
    for place, text in places.items():
        code = code.replace(place, text)
    return code


def _run_attacks(harness: Harness, mode: str, names: set[str]) -> Iterator[tuple[str, Any]]:
    for _class, attack in model.attacks():
        if mode not in attack.modes or (names and attack.name not in names):
            continue
        answers = {k: _filled(code, harness.places()) for k, code in attack.answers.items()}
        record = tell(*harness.grade(model.notebook(answers), attack.cell_seconds))
        record["left"] = harness.left_behind()
        record["reached"] = harness.reached()
        after = _filled(attack.after, harness.places())
        record["next"] = tell(*harness.grade(model.notebook({}, after)))
        yield attack.name, record


def _run_programs(harness: Harness, mode: str, names: set[str]) -> Iterator[tuple[str, Any]]:
    for program in model.programs():
        if mode in program.modes and (not names or program.name in names):
            graded, seconds = harness.grade([CodeCell(program.cell)])
            (outcome,) = graded.outcomes
            outputs = _plain(list(outcome.outputs))
            yield program.name, {"status": outcome.status, "outputs": outputs, "seconds": seconds}


@contextmanager
def _harness() -> Iterator[Harness]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="attacked-")))
        harness = Harness(root)
        stack.callback(harness.grading.stop)
        harness.warm_up()
        yield harness


def main(mode: str, results: Path, names: set[str]) -> None:
    """Run everything that the corpus has for a mode, or only what is named."""
    with results.open("w", encoding="utf-8") as file:
        enter(mode)  # only now, since the file may lie where the mode's user has no access
        linux.adopt_orphans()  # whatever escapes its jail becomes visible below this process
        _write(file, mode, names)


def _write(file: IO[str], mode: str, names: set[str]) -> None:
    with _harness() as harness:
        for run in (_run_attacks, _run_programs):
            for name, record in run(harness, mode, names):
                file.write(json.dumps([name, record]) + "\n")
                file.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), set(sys.argv[3:]))
