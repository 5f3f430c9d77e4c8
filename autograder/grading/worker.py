"""The trusted process that grades: graders collected once, run for one submission after another.

Started as ``python -m autograder.grading.worker FD COURSE GRADERS PACKAGES``. It owns the warm
process; the client (``autograder.grading.client``) sends notebooks and receives outcomes and
results.
Before each check it names the check, so that the client knows which grader was running when
this process ends or hangs.
"""

import contextlib
import gc
import hashlib
import json
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest
import torch
from _pytest.runner import runtestprotocol

import autograder.quick  # noqa: F401  # before what it makes quick
from autograder.grading import items as checks
from autograder.grading import trace
from autograder.grading.cells import CodeCell
from autograder.grading.dependencies import check_digests, digest_of_check, versions
from autograder.grading.notebook import RunningNotebook, run_notebook
from autograder.grading.plugin import PROVIDER, RESULT
from autograder.grading.results import CellResult, CheckResult
from autograder.grading.submission import Submission
from autograder.messages import set_language
from autograder.runner import linux, wire
from autograder.runner.asked import Asked, learn
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome
from autograder.runner.warm import Packages, WarmProcess, WarmProcessError
from autograder.runner.wire import Channel, WireClosed, WireError

IDLE_SECONDS: Final = 7 * 24 * 3600.0
_LONGEST_WHY: Final = 400
_NO_PLUGINS: Final = (
    *("cacheprovider", "terminal", "randomly"),
    # what a person would look at; they take longer than most checks
    *("logging", "faulthandler", "warnings", "unraisableexception", "threadexception"),
)


class GraderTimeout(BaseException):
    """A grader took longer than its limit."""


class _Lacking(Exception):
    """Graders asked for more than was kept of the notebook."""


@dataclass(frozen=True)
class _Clock:
    """The time of one check, in seconds."""

    seconds: float
    """What it may take by itself."""
    began: float
    waited: float
    """How long graders had waited for the submission before it began."""

    def left(self, now: float, waited: float) -> float:
        return self.seconds - (now - self.began) + (waited - self.waited)


class _Worlds:
    """The runs of one notebook, by how many CUDA devices it sees: without any, and with one."""

    def __init__(self, start: Callable[[int], RunningNotebook]) -> None:
        self._start = start
        self.runs: dict[int, RunningNotebook] = {}
        self._running = 0.0
        """Seconds that checks have waited for cells to run."""
        self._began: float | None = None

    def run(self, cuda_devices: int) -> RunningNotebook:
        """The notebook in one of the worlds: its cells run when a check first asks for it."""
        if cuda_devices not in self.runs:
            self._began = time.monotonic()
            try:
                self.runs[cuda_devices] = self._start(cuda_devices)
            finally:
                self._running += time.monotonic() - self._began
                self._began = None
        return self.runs[cuda_devices]

    @property
    def waited(self) -> float:
        """Seconds that graders have waited for it."""
        now = 0.0 if self._began is None else time.monotonic() - self._began
        return self._running + now + sum(run.waited for run in self.runs.values())

    @property
    def lacking(self) -> bool:
        """Whether graders asked for more than was kept of it."""
        return any(run.lacking for run in self.runs.values())

    def close(self) -> None:
        """End every process of the submission.

        Raises:
            WarmProcessError: they ended with their warm process, by no fault of the submission.
        """
        with contextlib.ExitStack() as ends:
            for run in self.runs.values():
                ends.callback(run.close)


def _where_and_why(path: Path, error: BaseException) -> str:
    """Where and why a grader's file ended with an exception, in one line."""
    frames = [one for one in traceback.extract_tb(error.__traceback__) if one.filename == str(path)]
    place, line = path.name, frames[-1].lineno if frames else None
    told = str(error)
    if isinstance(error, SyntaxError):
        place, line, told = Path(error.filename or path).name, error.lineno, error.msg
    where = f"{place}, line {line}: " if line else ""
    return f"{where}{type(error).__name__}: {' '.join(told.split())}"[:_LONGEST_WHY]


class GradingLoop:
    """Replaces pytest's loop over the items by one over submissions."""

    def __init__(self, channel: Channel, warm: WarmProcess, course: Path) -> None:
        self._channel = channel
        self._course = course
        self._digests: dict[str, dict[str, str]] = {}
        """By assignment and test: what it depends on, when it was collected."""
        self._versions: dict[str, dict[str, str]] = {}
        """By assignment: digests of its graders and solutions, when they were collected."""
        self._asked: dict[tuple[str, int], dict[str, Asked]] = {}
        """What graders have asked for so far: by assignment and world, then by grade cell."""
        self._warm = warm
        self._worlds: _Worlds | None = None
        self._seed = 0
        self._names: frozenset[str] | None = None
        self._clock = _Clock(0, 0, 0)
        self._by_cell: dict[tuple[str, str], list[pytest.Item]] = {}
        self._broken: dict[str, list[str]] = {}
        """By assignment: a file of graders that cannot be imported, and why."""

    def submission(self, item: pytest.Item) -> Submission:
        """The running submission, as the item's grade cell saw it."""
        bound = checks.binding(item)
        worlds = self._worlds
        if bound is None or worlds is None:
            raise checks.BindingError(f"{item.nodeid}: it has no grade_cell marker")
        trace.begin()
        return Submission(
            worlds.run(0).at(bound.grade_id),
            self._seed,
            checks.check_name(item),
            self._names,
            lambda: worlds.run(1).at(bound.grade_id),
        )

    def pytest_exception_interact(
        self, node: pytest.Item | pytest.Collector, call: pytest.CallInfo[Any]
    ) -> None:
        """Remember an assignment one of whose graders cannot be imported, and why."""
        if isinstance(node, pytest.Collector) and call.excinfo is not None:
            error = call.excinfo.value
            why = _where_and_why(node.path, error.__cause__ or error)
            self._broken[node.path.parent.name] = [node.nodeid, why]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Serve requests until the client closes the channel."""
        signal.signal(signal.SIGALRM, self._on_alarm)
        for item in session.items:
            bound = checks.binding(item)
            if bound is not None:
                item.repr_failure = str  # type: ignore[method-assign,assignment]  # nobody reads it
                self._by_cell.setdefault((bound.assignment, bound.grade_id), []).append(item)
        for folder in {item.path.parent for items in self._by_cell.values() for item in items}:
            self._digests[folder.name] = check_digests(self._course, folder)
            self._versions[folder.name] = versions(self._course, folder)
        gc.freeze()  # what is there stays: no collection need look at it again
        with contextlib.suppress(WireClosed):  # whoever asks has ended, at any moment, and so do we
            ready = sorted([*key, items[0].nodeid] for key, items in self._by_cell.items())
            self._channel.send({"ready": ready, "broken": self._broken})
            self._serve()
        return True

    def _serve(self) -> None:
        """Answer one request after another.

        Raises:
            WireClosed: there will be no more.
        """
        while True:
            request = self._channel.receive(IDLE_SECONDS)
            try:
                answer = self._grade(request)
            except WarmProcessError as error:
                answer = {"refused": str(error)}
            except Exception as error:  # the next submission must not depend on it
                answer = {"refused": f"{type(error).__name__}: {error}"}
            self._channel.send(answer)

    def _grade(self, request: dict[str, Any]) -> dict[str, Any]:
        """Run one notebook and its graders.

        What graders asked for in earlier submissions is taken while the cells run. Where they ask
        for more this time, the notebook is run again with everything kept.
        """
        set_language(request["language"])
        request["known"] = json.loads(request["known"])
        cells = [CodeCell(*cell) for cell in json.loads(request["cells"])]
        self._seed = request["seed"]
        names = json.loads(request["names"])
        self._names = None if names is None else frozenset(names)
        try:
            return self._attempt(cells, request, self._asked)
        except _Lacking:
            return self._attempt(cells, request, {})

    def _attempt(
        self,
        cells: Sequence[CodeCell],
        request: dict[str, Any],
        asked: Mapping[tuple[str, int], Mapping[str, Asked]],
    ) -> dict[str, Any]:
        """One run of a notebook and its graders.

        Raises:
            _Lacking: they asked for more than was kept.
        """
        assignment = request["assignment"]
        graded = {grade_id for name, grade_id in self._by_cell if name == assignment}

        def start(cuda_devices: int) -> RunningNotebook:
            return run_notebook(
                self._warm,
                cells,
                graded,
                Limits(**request["limits"]),
                self._seed,
                cuda_devices=cuda_devices,
                asked=asked.get((assignment, cuda_devices)),
                files=request["files"],
                allow_unsafe=request["allow_unsafe"],
            )

        self._worlds = _Worlds(start)
        try:
            notebook = self._worlds.run(0)
            here = [cell.grade_id for cell in cells if cell.grade_id in graded]
            results = [
                self._grade_cell(self._by_cell[assignment, grade_id], grade_id, request)
                for grade_id in here
                if grade_id is not None
            ]
            outcomes = [_packed(outcome) for outcome in notebook.outcomes]
            walls = notebook.walls
        finally:
            worlds, self._worlds = self._worlds, None
            for cuda_devices, one in worlds.runs.items():
                learn(self._asked.setdefault((assignment, cuda_devices), {}), one.asked())
            worlds.close()
        return {
            "outcomes": outcomes,
            "results": [result.to_dict() for result in results],
            "keys": self._keys_of(results, request["run_key"]),
            "versions": {**self._versions.get(assignment, {}), "walls": walls},
        }

    def _key(self, check: str, run_key: str) -> str:
        """A digest of all that a check's result depends on; empty where that is not known."""
        assignment = check.partition("/")[0]
        if assignment not in self._digests:
            return ""
        own = digest_of_check(self._digests[assignment], check)
        return hashlib.sha256(f"{run_key}/{check}/{own}".encode()).hexdigest() if own else ""

    def _keys_of(self, results: Sequence[CellResult], run_key: str) -> dict[str, str]:
        keys = {
            check.node_id: self._key(check.node_id, run_key)
            for result in results
            for check in result.checks
            if check.status != "fault"  # which may be the machine's
        }
        return {check: key for check, key in keys.items() if key}

    def _grade_cell(
        self, items: Sequence[pytest.Item], grade_id: str, request: dict[str, Any]
    ) -> CellResult:
        results = [self._known(item, request) or self._run(item, request) for item in items]
        return CellResult(grade_id, tuple(results))

    def _known(self, item: pytest.Item, request: dict[str, Any]) -> CheckResult | None:
        """The result that a check had before, if it depends on the same still."""
        name = checks.check_name(item)
        key, result = request["known"].get(name, ("", {}))
        return CheckResult(**result) if key and key == self._key(name, request["run_key"]) else None

    def _run(self, item: pytest.Item, request: dict[str, Any]) -> CheckResult:
        skipped: Collection[str] = request["skip"]
        if checks.check_name(item) in skipped:
            return _fault(item, "the grader ended or blocked the grading process")
        return self._run_check(item, request["check_seconds"])

    def _run_check(self, item: pytest.Item, seconds: float) -> CheckResult:
        self._channel.send({"check": checks.check_name(item)})
        if RESULT in item.stash:
            del item.stash[RESULT]
        assert self._worlds is not None
        self._clock = _Clock(seconds, time.monotonic(), self._worlds.waited)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            runtestprotocol(item, nextitem=None, log=False)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return _fault(item, f"{type(error).__name__}: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if self._worlds.lacking:
            raise _Lacking
        return item.stash[RESULT]

    def _on_alarm(self, number: int, frame: FrameType | None) -> None:
        """End a check whose own time is over; time that it waited for the submission is not its."""
        waited = 0.0 if self._worlds is None else self._worlds.waited
        left = self._clock.left(time.monotonic(), waited)
        if left <= 0:
            raise GraderTimeout("the grader took longer than its limit")
        signal.setitimer(signal.ITIMER_REAL, left)


def _packed(outcome: CellOutcome) -> bytes:
    """An outcome in a buffer of its own, since the header of a frame is short."""
    try:
        return wire.pack(vars(outcome))
    except WireError:  # more small pieces of output than a header holds
        return wire.pack(vars(replace(outcome, outputs=[], truncated=True)))


def _fault(item: pytest.Item, detail: str) -> CheckResult:
    bound = checks.binding(item)
    assert bound is not None
    return CheckResult(
        node_id=checks.check_name(item),
        title=bound.title,
        weight=bound.weight,
        status="fault",
        message=checks.fault_message(),
        detail=f"{item.nodeid}: {detail}",
    )


def main(descriptor: int, course: Path, graders: Path, packages: Packages) -> int:
    """Collect the graders and serve; the exit status is pytest's."""
    linux.die_with_parent()
    torch.set_num_threads(1)  # others grade beside this one
    warm = WarmProcess(packages=packages)
    channel = Channel(socket.socket(fileno=descriptor))
    loop = GradingLoop(channel, warm, course)
    sys.path.insert(0, str(course))
    set_provider = _Configure(loop)
    try:
        return int(
            pytest.main(
                [
                    str(graders),
                    f"--rootdir={course}",
                    "--override-ini=addopts=",  # options for people, such as -v or --cov
                    "--import-mode=importlib",
                    "--capture=no",
                    *(f"-pno:{name}" for name in _NO_PLUGINS),
                ],
                plugins=[set_provider, loop],
            )
        )
    finally:
        warm.stop()


class _Configure:
    """Makes the loop the provider before the installed plugin would make its own."""

    def __init__(self, loop: GradingLoop) -> None:
        self._loop = loop

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        config.stash[PROVIDER] = self._loop


if __name__ == "__main__":
    sys.exit(
        main(
            int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), Packages.from_json(sys.argv[4])
        )
    )
