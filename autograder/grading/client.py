"""The handle on a grading process, for the nbgrader bridge and the pool."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from autograder.grading.cells import CodeCell
from autograder.grading.results import CellResult
from autograder.runner import wire
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome
from autograder.runner.warm import FOR_GRADERS, Packages
from autograder.runner.wire import Channel, WireClosed, WireError, WireTimeout

_START_SECONDS: Final = 180.0
_SLACK_SECONDS: Final = 15.0


class GradingError(Exception):
    """Grading itself failed; the message says what and how to mend it."""


@dataclass(frozen=True)
class Graded:
    """A graded notebook: what became of each code cell, and each grade cell's result."""

    outcomes: Sequence[CellOutcome]
    results: Sequence[CellResult]
    keys: Mapping[str, str] = field(default_factory=dict)
    """A digest of what each check depended on; none for checks that must run again."""
    versions: Mapping[str, Any] = field(default_factory=dict)
    """Digests of the ``graders`` and ``solutions``, and the ``walls`` around the submission."""


class GradingProcess:
    """A process that holds the collected graders and a warm process; started at first use."""

    def __init__(self, course: Path, graders: Path, packages: Packages = FOR_GRADERS) -> None:
        """Remember what it will need.

        Args:
            course: the course's root.
            graders: the folder of the hidden graders.
            packages: what its warm process imports beforehand.
        """
        self._course = course
        self._packages = packages
        self._graders = graders
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._bound: dict[tuple[str, str], str] = {}
        """By assignment and grade_id: the first grader that is marked so."""
        self._broken: dict[str, tuple[str, str]] = {}
        self._refused: str | None = None
        self._was_killed = False
        """Whether the process that ended last was killed: it did not end by itself."""

    def grade_ids(self, assignment: str) -> set[str]:
        """The grade cells of an assignment that have hidden graders.

        Raises:
            GradingError: the graders cannot be collected.
        """
        self._start()
        self._require_whole(assignment)
        return {grade_id for name, grade_id in self._bound if name == assignment}

    def _require_whole(self, assignment: str) -> None:
        """Refuse an assignment of which some graders are missing: its scores would be wrong."""
        if assignment in self._broken:
            path, why = self._broken[assignment]
            raise GradingError(
                f"the graders in {path} cannot be imported ({why}): correct it; "
                f"`autograder check {assignment}` says more"
            )

    def _require_bound(self, assignment: str, grade_cells: Collection[str]) -> None:
        """Refuse an assignment with a grader of a cell that is nowhere: it would never count."""
        for (name, grade_id), grader in self._bound.items():
            if name != assignment or grade_id in grade_cells:
                continue
            near = difflib.get_close_matches(grade_id, grade_cells, 1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            raise GradingError(
                f"the grader {grader} is marked grade_cell({grade_id!r}), and {assignment} has no "
                f"such grade cell{meant}: correct the marker; `autograder check {assignment}` "
                "says what else is wrong"
            )

    def grade(
        self,
        assignment: str,
        cells: Sequence[CodeCell],
        limits: Limits,
        *,
        seed: int,
        files: Mapping[str, bytes] | None = None,
        names: Collection[str] | None = None,
        grade_cells: Collection[str] | None = None,
        run_key: str = "",
        known: Mapping[str, tuple[str, dict[str, Any]]] | None = None,
        language: str = "es",
        check_seconds: float = 20.0,
        allow_unsafe: bool = False,
    ) -> Graded:
        """Run one notebook and its graders.

        Args:
            assignment: whose graders.
            cells: the notebook's code cells.
            limits: what it may use.
            seed: the submission's seed.
            files: what lies beside the notebook.
            names: those that the teacher's own notebook defines, if that is known: a grader that
                asks for another one is at fault.
            grade_cells: those of all notebooks of the assignment, if they are known: a grader of
                another one is refused.
            run_key: a digest of all that the run of the cells depends on.
            known: results of checks by name, each with what ``Graded.keys`` said of it: a check
                that depends on the same still is not run again.
            language: of what students read.
            check_seconds: what a check may take by itself.
            allow_unsafe: run it even where the walls against strangers cannot be had.

        A grader that ends or blocks the process costs only its own check: the notebook is run
        again without it, and the check is reported as a fault. If the process was killed the
        notebook is run once more as it is, since that is hardly the grader's doing.

        Raises:
            GradingError: the graders cannot be collected or belong to no cell, the walls that
                untrusted submissions need cannot be had (unless ``allow_unsafe``), or the process
                fails otherwise.
        """
        self._start()
        if grade_cells is not None:
            self._require_bound(assignment, grade_cells)
        skip: list[str] = []
        spared: list[str | None] = []
        request = {
            "assignment": assignment,
            # one text, since the header of a frame is short
            "cells": json.dumps([[cell.source, cell.grade_id] for cell in cells]),
            "limits": limits.to_wire(),
            "seed": seed,
            "names": json.dumps(None if names is None else sorted(names)),
            "run_key": run_key,
            "known": json.dumps(known or {}),
            "files": dict(files or {}),
            "language": language,
            "check_seconds": check_seconds,
            "allow_unsafe": allow_unsafe,
        }
        for _ in range(20):
            running, failed_in = self._attempt(request | {"skip": skip}, limits, check_seconds)
            if running is not None and "refused" in running:
                raise GradingError(running["refused"])
            if running is not None:
                return _graded(running)
            if self._was_killed and failed_in not in spared:
                spared.append(failed_in)
            elif failed_in is None:
                break
            else:
                skip.append(failed_in)
        raise GradingError("the grading process ended while it ran the notebook, before any check")

    def _attempt(
        self, request: dict[str, Any], limits: Limits, check_seconds: float
    ) -> tuple[dict[str, Any] | None, str | None]:
        """One try: the answer, or None and the check that was running when it failed."""
        self._start()
        self._require_whole(request["assignment"])
        assert self._channel is not None
        check: str | None = None
        timeout = limits.submission_seconds + _SLACK_SECONDS
        try:
            self._channel.send(request)
            while True:
                answer: dict[str, Any] = self._channel.receive(timeout)
                if "check" not in answer:
                    return answer, None
                check = answer["check"]
                # it may run the notebook where there is CUDA; then both runs may be made once
                # more, with everything kept
                timeout = 3 * limits.submission_seconds + 2 * limits.grading_seconds
                timeout += check_seconds + _SLACK_SECONDS
        except (WireClosed, WireTimeout) as error:
            self._end(error)
            return None, check
        except WireError as error:
            self.stop()
            raise GradingError(
                f"the notebook cannot be sent to the grading process: {error}"
            ) from error

    def _start(self) -> None:
        if self._process is not None:
            return
        if self._refused is not None:
            raise GradingError(self._refused)
        if not self._graders.is_dir():
            raise GradingError(
                f"no folder of graders: {self._graders}. Make it, or set c.RunGraders.graders in "
                "nbgrader_config.py"
            )
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "autograder.grading.worker",
                    str(theirs.fileno()),
                    str(self._course),
                    str(self._graders),
                    self._packages.to_json(),
                ],
                pass_fds=[theirs.fileno()],
                env={name: text for name, text in os.environ.items() if name != "PYTEST_ADDOPTS"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._channel = Channel(ours)
        try:
            ready = self._channel.receive(_START_SECONDS)
        except WireError as error:
            self._end(error)
            if self._was_killed:
                raise GradingError("the grading process was killed when it started") from error
            self._refused = (
                f"the graders in {self._graders} could not be collected ({error}); "
                f"run `pytest {self._graders}` to see why"
            )
            raise GradingError(self._refused) from error
        self._bound = {(name, grade_id): grader for name, grade_id, grader in ready["ready"]}
        self._broken = {name: (path, why) for name, (path, why) in ready["broken"].items()}

    def _end(self, error: WireError) -> None:
        """Take note of how it ended, if it has, and end it and everything that it started."""
        self._was_killed = False
        if isinstance(error, WireClosed) and self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._was_killed = self._process.wait(timeout=5) == -signal.SIGKILL
        self.stop()

    def stop(self) -> None:
        """End the process and everything that it started."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)  # it ends by itself when its channel closes
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def _graded(answer: dict[str, Any]) -> Graded:
    outcomes = [CellOutcome(**wire.unpack(outcome)) for outcome in answer["outcomes"]]
    results = [CellResult.from_dict(result) for result in answer["results"]]
    return Graded(outcomes, results, answer["keys"], answer["versions"])
