"""The trusted side's handle on the warm process and on a submission that it runs."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

from autograder.runner import values, wire
from autograder.runner.limits import Limits
from autograder.runner.outcome import STATUSES, CellOutcome
from autograder.runner.wire import Channel, WireError

START_SECONDS: Final = 120.0
_GRACE_SECONDS: Final = 1.5
"""What a cell that ignores its limit gets before its process is killed."""
_PASSED_ENVIRONMENT: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TZ")
_MIMES: Final = frozenset(
    {
        "text/plain",
        "text/html",
        "text/markdown",
        "text/latex",
        "image/png",
        "image/jpeg",
        "image/svg+xml",
        "application/json",
    }
)
_MAX_TEXT: Final = 4 * 1024 * 1024


class WarmProcessError(Exception):
    """The warm process could not be started, or ended by itself."""


@dataclass(frozen=True)
class Cell:
    """A code cell to run, or the place of a grade cell, at which the namespace is kept."""

    source: str
    grade: bool = False


class CallFailed(Exception):
    """The student's function did not return; ``kind`` is the exception's built-in name."""

    def __init__(self, kind: str, line: int | None, text: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.line = line
        self.text = text


@dataclass(frozen=True)
class Call:
    """The result of a call and its arguments as they were afterwards (functions as None)."""

    value: values.Value
    args: tuple[values.Value, ...]


class Checkpoint:
    """The namespace as it was at one grade cell."""

    def __init__(self, channel: Channel, limits: Limits) -> None:
        self._channel = channel
        self._limits = limits
        self._known: dict[str, values.Value] = {}
        self._missing: set[str] = set()

    def read(self, name: str) -> values.Value:
        """The value of a name.

        Raises:
            KeyError: the namespace has no such name.
            WireError: the process does not answer, or not in the wire's form.
        """
        if name not in self._known and name not in self._missing:
            found = self._ask({"op": "read", "names": [name]}, _GRACE_SECONDS + 5).get("values")
            if not isinstance(found, dict):
                raise WireError("a malformed reply")
            if name in found:
                self._known[name] = values.from_wire(found[name])
            else:
                self._missing.add(name)
        return self._known[name]

    def figures(self) -> list[values.FigureValue]:
        """Every figure made up to the grade cell.

        Raises:
            WireError: the process does not answer, or not in the wire's form.
        """
        wires = self._ask({"op": "figures"}, _GRACE_SECONDS + 5).get("figures")
        if not isinstance(wires, list):
            raise WireError("a malformed reply")
        decoded = [values.from_wire(figure) for figure in wires[: values.MAX_FIGURES]]
        return [figure for figure in decoded if isinstance(figure, values.FigureValue)]

    def call(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], autograd: bool
    ) -> Call:
        """Call a function of the namespace.

        Raises:
            CallFailed: it raised, ended its process or ran out of time.
            WireError: the process does not answer, or not in the wire's form.
        """
        request = {
            "op": "call",
            "name": name,
            "args": [values.to_wire(arg) for arg in args],
            "kwargs": {key: values.to_wire(arg) for key, arg in kwargs.items()},
            "autograd": autograd,
        }
        answer = self._ask(request, self._limits.call_seconds + _GRACE_SECONDS)
        if "error" in answer:
            raise _call_failed(answer["error"])
        after = answer.get("args")
        if not isinstance(after, list) or "value" not in answer:
            raise WireError("a malformed reply")
        decoded = tuple(values.from_wire(arg) for arg in after)
        return Call(values.from_wire(answer["value"]), decoded)

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        request_id = secrets.token_hex(8)
        self._channel.send(request | {"id": request_id})
        answer = self._channel.receive(timeout)
        if not isinstance(answer, dict) or answer.get("id") != request_id:
            raise WireError("a reply to another request")
        return answer

    def close(self) -> None:
        """Let the checkpoint's process end."""
        self._channel.close()


def _call_failed(error: Any) -> CallFailed:
    if not isinstance(error, dict):
        raise WireError("a malformed reply")
    line = error.get("line")
    return CallFailed(
        str(error.get("type", "Exception"))[:100],
        line if isinstance(line, int) else None,
        str(error.get("text", ""))[:2000],
    )


class Run:
    """A submission that has run: its cells' outcomes and its checkpoints. Close it after use."""

    def __init__(self, warm: WarmProcess, pid: int, folder: str, cells: Sequence[Cell]) -> None:
        self._warm = warm
        self._pid = pid
        self._folder = folder
        self.outcomes = [CellOutcome() for _ in cells]
        self.checkpoints: dict[int, Checkpoint] = {}
        """The checkpoint of each grade cell that was reached, by the cell's index."""
        self.out_of_time = False
        """Whether the submission as a whole ran out of time."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process of the submission and remove its folder."""
        for checkpoint in self.checkpoints.values():
            checkpoint.close()
        self._warm.end(self._pid)
        shutil.rmtree(self._folder, ignore_errors=True)

    def follow(self, channel: Channel, cells: Sequence[Cell], limits: Limits) -> None:
        """Collect the outcomes of the cells until they have ended or their time is over."""
        deadline = time.monotonic() + limits.submission_seconds
        running: int | None = None
        cell_deadline = deadline
        try:
            while True:
                now = time.monotonic()
                event = channel.receive(max(0.0, min(deadline, cell_deadline) - now))
                if not isinstance(event, dict) or event.get("end") is True:
                    return
                index = _index(event, cells)
                if event.get("status") == "started":
                    running = index
                    cell_deadline = time.monotonic() + limits.cell_seconds + _GRACE_SECONDS
                else:
                    self.outcomes[index] = _outcome(event)
                    running, cell_deadline = None, deadline
        except WireError as error:
            timeout = isinstance(error, wire.WireTimeout)
            self.out_of_time = timeout and time.monotonic() >= deadline
            if running is not None:
                self.outcomes[running].status = "timeout" if timeout else "died"
            self._warm.stop_cells(self._pid)


def _index(event: dict[Any, Any], cells: Sequence[Cell]) -> int:
    index = event.get("cell")
    if type(index) is not int or not 0 <= index < len(cells):
        raise WireError("an event of no cell")
    return index


def _outcome(event: dict[Any, Any]) -> CellOutcome:
    status = event.get("status")
    outputs = event.get("outputs", [])
    count = event.get("execution_count")
    if status not in STATUSES or not isinstance(outputs, list):
        raise WireError("a malformed outcome")
    clean = [output for output in map(_clean_output, outputs[:1000]) if output is not None]
    return CellOutcome(
        status=status,
        outputs=clean,
        execution_count=count if type(count) is int and 0 <= count < 10**6 else None,
        truncated=event.get("truncated") is True,
    )


def _clean_output(output: Any) -> dict[str, Any] | None:
    """An output that is valid nbformat whatever the student's process sent, or None."""
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        name = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"output_type": kind, "name": name, "text": _clean(output.get("text"))}
    if kind == "error":
        lines = output.get("traceback")
        trace = [_clean(line) for line in lines[:400]] if isinstance(lines, list) else []
        names = {key: _clean(output.get(key)) for key in ("ename", "evalue")}
        return {"output_type": kind, "traceback": trace} | names
    if kind in ("display_data", "execute_result") and isinstance(output.get("data"), dict):
        data = {m: _clean_data(c) for m, c in output["data"].items() if m in _MIMES}
        clean: dict[str, Any] = {"output_type": kind, "data": data, "metadata": {}}
        if kind == "execute_result":
            count = output.get("execution_count")
            clean["execution_count"] = count if type(count) is int else None
        return clean
    return None


def _clean(text: Any) -> str:
    """Text of bounded length without lone surrogates, which no UTF-8 file can hold."""
    if not isinstance(text, str):
        return ""
    return text[:_MAX_TEXT].encode("utf-8", "replace").decode("utf-8")


def _clean_data(content: Any) -> Any:
    return _clean(content) if isinstance(content, str) else _clean(str(content))


class WarmProcess:
    """A process with the packages imported, which forks a child for each submission."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._home = ""
        self.walls: dict[str, bool] = {}
        """Which walls stand around a submission: ``files`` (Landlock) and ``network``."""

    def start(self) -> None:
        """Start it, if it is not running, and wait until it is warm.

        Raises:
            WarmProcessError: it ended or did not get ready in time.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home = tempfile.mkdtemp(prefix="autograder-")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "autograder.runner.zygote", str(theirs.fileno())],
                env=_clean_environment(self._home),
                cwd=self._home,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(START_SECONDS)
        self._control = ours
        self.walls = {name: up is True for name, up in self._answer()["walls"].items()}

    def run(self, cells: Sequence[Cell], limits: Limits, seed: int) -> Run:
        """Run the cells of one submission and keep its checkpoints alive.

        Raises:
            WarmProcessError: the warm process itself failed.
        """
        self.start()
        pairs = [socket.socketpair() for _ in range(1 + sum(cell.grade for cell in cells))]
        ours, theirs = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        folder = tempfile.mkdtemp(dir=self._home)
        request = wire.pack({"op": "run", "folder": folder})
        assert self._control is not None
        try:
            socket.send_fds(self._control, [request], [end.fileno() for end in theirs])
        except OSError as error:
            raise WarmProcessError(f"the warm process ended: {error}") from error
        finally:
            for end in theirs:
                end.close()
        run = Run(self, int(self._answer()["pid"]), folder, cells)
        channel = Channel(ours[0])
        job = {
            "limits": limits.to_wire(),
            "seed": seed,
            "cells": [{"source": cell.source, "grade": cell.grade} for cell in cells],
        }
        with contextlib.suppress(WireError):  # then `follow` finds it ended as well
            channel.send(job)
        run.follow(channel, cells, limits)
        channel.close()
        grades = [index for index, cell in enumerate(cells) if cell.grade]
        for index, end in zip(grades, ours[1:], strict=True):
            if run.outcomes[index].status == "checkpoint":
                run.checkpoints[index] = Checkpoint(Channel(end), limits)
            else:
                end.close()
        return run

    def stop_cells(self, pid: int) -> None:
        """Kill the process that runs a submission's cells; its checkpoints stay."""
        self._tell({"op": "stop", "pid": pid})

    def end(self, pid: int) -> None:
        """Kill every process of a submission."""
        self._tell({"op": "end", "pid": pid})

    def stop(self) -> None:
        """End the warm process and everything that it forked."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
        shutil.rmtree(self._home, ignore_errors=True)

    def _tell(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._control is None:
            return {}
        try:
            self._control.send(wire.pack(request))
        except OSError as error:
            raise WarmProcessError(f"the warm process ended: {error}") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._control is not None
        try:
            data = self._control.recv(65536)
        except OSError as error:
            raise WarmProcessError(f"the warm process does not answer: {error}") from error
        if not data:
            raise WarmProcessError("the warm process ended; see the messages above")
        answer = wire.unpack(data)
        if not isinstance(answer, dict):
            raise WarmProcessError("the warm process gave a malformed answer")
        return answer


def _clean_environment(home: str) -> dict[str, str]:
    """The environment of the warm process: nothing of the teacher's but what the CPU needs."""
    kept = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return kept | {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",  # a submission may open no device: see runner/landlock.py
        "IPYTHONDIR": os.path.join(home, "ipython"),
        "MPLCONFIGDIR": os.path.join(home, "matplotlib"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
