"""The trusted side's handle on the warm process and on a submission that it runs."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from autograder.runner import cgroup, outer_walls, walls, wire
from autograder.runner.asked import MOST_AT_ONCE, Asked, Kept
from autograder.runner.events import MAX_CHARACTERS, index_of, outcome_of, size_of
from autograder.runner.limits import Limits
from autograder.runner.outcome import CellOutcome, Status
from autograder.runner.patience import Patience
from autograder.runner.processes import descendants
from autograder.runner.refusals import TEXTS
from autograder.runner.tree import Tree
from autograder.runner.usage import LimitReached, Usage
from autograder.runner.wire import Channel, WireError, WireTimeout

if TYPE_CHECKING:
    from autograder.runner.checkpoint import Checkpoint

START_SECONDS: Final = 120.0
_GRACE_SECONDS: Final = 3.0
"""What a cell that ignores its limit gets before its process is killed."""
_LATE_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 5.0
_HOME_PREFIX: Final = "autograder-"
_ROOMS_INSIDE: Final = ("runner", "cuda")
"""The rooms of the engine whose code runs with a submission."""
LOCALE: Final = "locale"
PACKAGE_FOLDERS: Final = frozenset({"site-packages", "dist-packages"})
"""What folders of installed packages are called."""
_STOPS: Final = (signal.SIGTERM, signal.SIGKILL)
_CAPS: Final = {"memory": walls.MEMORY, "pids": walls.PIDS}
ENGLISH: Final = {
    "program": "no other program can be started while grading",
    "network": "there is no network while grading",
    "workers": "no worker processes can be started while grading",
}
_PASSED_ENVIRONMENT: Final = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "TZ")


class WarmProcessError(Exception):
    """The warm process could not be started, or ended by itself."""


class JailError(WarmProcessError):
    """The walls that untrusted submissions need cannot be had on this machine."""

    @classmethod
    def of(cls, lacking: Sequence[str]) -> Self:
        """The error for what ``walls.missing_for_untrusted`` names."""
        return cls(
            "this machine cannot keep submissions apart from itself; missing: "
            f"{', '.join(lacking)}. `autograder doctor` says what to do; with --allow-unsafe (or "
            "c.Jail.allow_unsafe = True) it is graded all the same, for people whom you trust"
        )


Serves = Literal["child", "kernel", ""]


@dataclass(frozen=True)
class Packages:
    """What a warm process imports before it forks."""

    asked: Sequence[str] = ()
    """What must be there: where it cannot be, that is an error."""
    found: Sequence[str] = ()
    """What notebooks import: left out where it cannot be preloaded."""

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self.asked, *self.found]))

    def to_json(self) -> str:
        """The names as text."""
        return json.dumps([list(self.asked), list(self.found)])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What ``to_json`` wrote."""
        asked, found = json.loads(text)
        return cls(tuple(asked), tuple(found))


FOR_GRADERS: Final = Packages(asked=("numpy", "torch", "matplotlib.pyplot"))
"""What the graders' questions need in a submission's process."""


@dataclass(frozen=True)
class Cell:
    """A code cell to run, or the place of a grade cell, at which the namespace is kept."""

    source: str
    grade: bool = False
    asked: Asked | None = None
    """What graders are known to ask for there; None: anything, so everything is kept."""


def _job(cell: Cell) -> list[Any]:
    """A cell as its process is told of it."""
    return [cell.source, cell.grade, None if cell.asked is None else cell.asked.to_wire()]


class Run:
    """A submission that has run: its cells' outcomes and its checkpoints. Close it after use."""

    def __init__(
        self,
        warm: WarmProcess,
        pid: int,
        *,
        folder: str,
        group: cgroup.Group | None,
        count: int,
        patience: Patience,
        tree: Tree,
    ) -> None:
        self._warm = warm
        self._pid = pid
        self.folder = folder
        """Its private folder outside, used where none can be mounted."""
        self._group = group
        self.outcomes = [CellOutcome() for _ in range(count)]
        self.asked: Mapping[int, Asked] = {}
        """What graders are known to ask for at grade cells, by the cell's index."""
        self.kept: dict[int, Kept] = {}
        """What was handed over at grade cells, by the cell's index."""
        self.checkpoints: dict[int, Checkpoint] = {}
        """The checkpoint of each grade cell that was reached, by the cell's index."""
        self.tree = tree
        """Its processes."""
        self.patience = patience
        """How long graders have waited for it, and may."""
        self.out_of_time = False
        """Whether the submission as a whole ran out of time."""
        self._closed = False
        self._lost: WarmProcessError | None = None
        self.walls: list[str] = []
        """The walls around it: names of ``autograder.runner.walls``."""
        self.usage: Usage | None = None
        """What it uses; None until its walls stand."""
        self.own_id: int | None = None
        """The user that it is, if it is one of its own, as its namespace knows it."""

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
        """End every process of the submission and remove its folder; once is enough.

        Raises:
            WarmProcessError: they ended with their warm process, by no fault of the submission.
                What it seems to have done must not be believed.
        """
        if not self._closed:
            self._closed = True
            self._end()
        if self._lost is not None:
            raise self._lost

    def _end(self) -> None:
        for checkpoint in self.checkpoints.values():
            checkpoint.close()
        if self._group is not None:
            self._group.end()
        try:
            self._warm.end(self._pid, self.tree)
        except WarmProcessError as error:
            self._lost = error
        if self._group is not None:
            self._group.remove()
        _remove(self.folder)

    def interrupt(self) -> None:
        """Interrupt the running cell, as a signal does at a terminal."""
        self._warm.interrupt(self._pid)

    def enter(self, channel: Channel, allow_unsafe: bool) -> None:
        """Learn which walls stand, before anything of the student's is sent.

        Raises:
            JailError: the minimum does not stand, and ``allow_unsafe`` is False.
            WarmProcessError: a wall could not be raised, or the process ended.
        """
        try:
            told = channel.receive(_GRACE_SECONDS + 30)
        except WireError as error:
            raise WarmProcessError(f"a submission's process ended at its start: {error}") from error
        if "broken" in told:
            raise WarmProcessError(str(told["broken"]))
        self.walls = list(told["walls"])
        self.own_id = told["own_id"]
        lacking = walls.missing_for_untrusted(self.walls)
        if lacking and not allow_unsafe:
            raise JailError.of(lacking)

    def follow(self, channel: Channel, limits: Limits, usage: Usage) -> None:
        """Collect the outcomes of the cells until they have ended or their time is over.

        Then nothing of the submission runs any more but its checkpoints.
        """
        try:
            self._collect(channel, limits, usage)
        finally:
            self.tree.end_strays()
        if any(outcome.status == "disk" for outcome in self.outcomes):
            usage.forgive()

    def _collect(self, channel: Channel, limits: Limits, usage: Usage) -> None:
        deadline = time.monotonic() + limits.submission_seconds
        running: int | None = None
        last = -1
        cell_deadline = deadline
        room = MAX_CHARACTERS
        try:
            while True:
                left = min(deadline, cell_deadline) - time.monotonic()
                if left < -_LATE_SECONDS:  # it always has another frame ready
                    raise WireTimeout("it talks beyond its time")
                event = channel.receive(max(0.0, left))
                if not isinstance(event, dict) or event.get("end") is True:
                    return
                index = index_of(event, len(self.outcomes))
                starts = event.get("status") == "started"
                turn = last + 1 if running is None else running
                if index != turn or (starts and running is not None):
                    raise WireError("an event out of turn")
                last = index
                if starts:
                    running = index
                    cell_deadline = time.monotonic() + limits.cell_seconds + _GRACE_SECONDS
                else:
                    self.outcomes[index] = outcome_of(event, room)
                    room -= sum(map(size_of, self.outcomes[index].outputs))
                    running, cell_deadline = None, deadline
                    if event["status"] == "checkpoint":
                        self._keep(event, index)
        except WireError as error:
            self.out_of_time = isinstance(error, WireTimeout) and time.monotonic() >= deadline
            if running is not None:
                self.outcomes[running].status = self._status_after(error, usage)

    def _keep(self, event: Mapping[Any, Any], index: int) -> None:
        asked, packed = self.asked.get(index), event.get("kept")
        if asked is not None and isinstance(packed, bytes) and len(packed) <= MOST_AT_ONCE:
            self.kept[index] = Kept(asked, packed, event.get("pid"))
        if event.get("pid") is None:
            return
        self.tree.keep(event["pid"])
        if self._group is not None:
            self.tree.prefer_cells(self._pid, (index + 1) / len(self.outcomes))

    def _status_after(self, error: WireError, usage: Usage) -> Status:
        """How the cell ended that was running when its process stopped to answer."""
        if isinstance(error, LimitReached):
            return "disk"
        if isinstance(error, WireTimeout):
            return "timeout"
        if usage.out_of_memory or (self._group is not None and self._group.out_of_memory()):
            return "memory"
        return "died"


class WarmProcess:
    """A process with the packages imported, which forks a child for each submission."""

    def __init__(
        self,
        without: Collection[str] = (),
        serves: Serves = "child",
        packages: Packages = FOR_GRADERS,
    ) -> None:
        """Prepare to start it, at first use.

        Args:
            without: walls of ``autograder.runner.walls`` not to build, for benchmarks and tests.
            serves: the module of this room that runs submissions; with none it is only good to
                learn which walls stand.
            packages: what it imports beforehand.
        """
        self._without = tuple(without)
        self._serves: Serves = serves
        self._packages = packages
        self.unfit: dict[str, str] = {}
        """Packages that were left out, and why."""
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._home = ""
        self._controllers: cgroup.Controllers | None = None
        self._trees: list[Tree] = []

    @property
    def pid(self) -> int | None:
        """The process that was started, from which all others of its kind descend."""
        return None if self._process is None else self._process.pid

    def start(self) -> None:
        """Start it, if it is not running, and wait until it is warm.

        Raises:
            WarmProcessError: it ended or did not get ready in time.
        """
        if self._process is not None and self._process.poll() is None:
            return
        self.stop()
        sweep()
        if walls.MEMORY not in self._without:
            self._controllers = cgroup.find()
            if self._controllers is not None:
                self._controllers.sweep()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._home = tempfile.mkdtemp(prefix=f"{_HOME_PREFIX}{os.getpid()}-")
        os.chmod(self._home, 0o711)  # a submission with an id of its own must reach its folder
        with theirs:
            plan = self._plan(theirs.fileno())
            start = outer_walls.START.format(module="outer_walls")
            self._process = subprocess.Popen(
                [plan.python, "-I", "-S", "-c", start, plan.engine, plan.to_json()],
                env=_clean_environment(self._home),
                cwd=self._home,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        ours.settimeout(START_SECONDS)
        self._control = ours
        answer = self._answer()
        if "unfit" in answer:
            self.stop()
            self._leave_out(str(answer["unfit"]), str(answer["reason"]))
            self.start()

    def _leave_out(self, package: str, reason: str) -> None:
        """Go on without a package that must not be preloaded, unless it was asked for."""
        if package in self._packages.asked:
            raise WarmProcessError(
                f"{package} cannot be preloaded: {reason}. Take it out of c.Jail.preload; "
                "notebooks that import it do so themselves, which takes a little longer"
            )
        self.unfit[package] = reason

    def _plan(self, control: int) -> outer_walls.Plan:
        """Where everything is that the warm process needs; nothing of the course is in it."""
        engine = Path(self._home, "engine")
        package = Path(__file__).parent.parent
        sources = [package / name for name in ("__init__.py", "messages.py")]
        for room in _ROOMS_INSIDE:
            (engine / "autograder" / room).mkdir(parents=True)
            sources += (package / room).glob("*.py")
        for source in sources:
            shutil.copyfile(source, engine / "autograder" / source.relative_to(package))
        shutil.copytree(package / LOCALE, engine / "autograder" / LOCALE)
        for path in engine.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        engine.chmod(0o755)
        return outer_walls.Plan(
            python=_interpreter(),
            interpreter=_interpreter_files(),
            packages=[path for path in sys.path if Path(path).name in PACKAGE_FOLDERS],
            engine=str(engine),
            home=self._home,
            control=control,
            by_root=os.geteuid() == 0
            and outer_walls.root_is_root(Path("/proc/self/uid_map").read_text(encoding="ascii")),
            without=self._without,
            serves=self._serves,
            preload=[one for one in self._packages if one not in self.unfit],
        )

    def run(
        self,
        cells: Sequence[Cell],
        limits: Limits,
        seed: int,
        *,
        cuda_devices: int = 0,
        files: Mapping[str, bytes] | None = None,
        texts: Mapping[str, str] = ENGLISH,
        allow_unsafe: bool = False,
    ) -> Run:
        """Run the cells of one submission and keep its checkpoints alive.

        Args:
            cells: its code cells.
            limits: what it may use.
            seed: its random seed.
            cuda_devices: how many emulated CUDA devices it sees.
            files: what lies beside the notebook: relative paths and contents.
            texts: what students read where something cannot work (keys: ``refusals.TEXTS``).
            allow_unsafe: run it even where the walls against strangers cannot be had.

        Raises:
            JailError: the minimum of walls does not stand.
            WarmProcessError: the warm process itself failed.
        """
        grades = [index for index, cell in enumerate(cells) if cell.grade]
        run, channel, ours = self.begin(limits, len(cells), len(grades), allow_unsafe)
        assert run.usage is not None
        run.asked = {i: cell.asked for i, cell in enumerate(cells) if cell.asked is not None}
        try:
            # one text, since the header of a frame is short
            sources = json.dumps([_job(cell) for cell in cells])
            with contextlib.suppress(WireError):  # then `follow` finds it ended as well
                job = {"seed": seed, "cells": sources, "cuda_devices": cuda_devices}
                send_job(channel, job, texts, files or {})
            run.follow(channel, limits, run.usage)
        except BaseException:
            run.close()
            raise
        finally:
            channel.close()
        from autograder.runner.checkpoint import Checkpoint  # needs torch

        for index, end in zip(grades, ours, strict=True):
            if run.outcomes[index].status == "checkpoint":
                answers = Channel(end)
                answers.on_wait = run.usage.check
                kept = run.kept.get(index)
                run.checkpoints[index] = Checkpoint(answers, limits, run.patience, run.tree, kept)
            else:
                end.close()
        return run

    def begin(
        self, limits: Limits, cells: int, grades: int, allow_unsafe: bool
    ) -> tuple[Run, Channel, Sequence[socket.socket]]:
        """Fork a submission's process and put the walls around it.

        Args:
            limits: what it may use.
            cells: how many cells it has.
            grades: how many of them are grade cells, with a socket each.
            allow_unsafe: go on even where the walls against strangers cannot be had.

        Returns:
            The submission, the channel to its process, and our ends of the sockets.

        Raises:
            JailError: the minimum of walls does not stand.
            WarmProcessError: the warm process itself failed.
        """
        self.start()
        run, ours = self._fork(1 + grades, limits, cells)
        channel = Channel(ours[0])
        try:
            run.enter(channel, allow_unsafe)
            run.usage = Usage(run.walls, run.tree, run.folder, limits, run.own_id)
        except BaseException:
            channel.close()
            run.close()
            raise
        channel.on_wait = run.usage.check
        return run, channel, ours[1:]

    def probe(self, limits: Limits) -> list[str]:
        """The walls that stand around a submission on this machine.

        Raises:
            WarmProcessError: no submission can be run at all.
        """
        run, channel, _ = self.begin(limits, 0, 0, allow_unsafe=True)
        with run:
            channel.close()
            return run.walls

    def _fork(
        self, sockets: int, limits: Limits, count: int
    ) -> tuple[Run, Sequence[socket.socket]]:
        """Have a submission's process forked; our ends of its sockets."""
        tree = self._new_tree()
        pairs = [socket.socketpair() for _ in range(sockets)]
        folder = tempfile.mkdtemp(dir=self._home)
        group = self._new_group(limits)
        try:
            pid = self._ask_for_fork(folder, limits, [pair[1] for pair in pairs], group)
        except BaseException:
            self._trees.remove(tree)
            _remove(folder)
            for ours, _theirs in pairs:
                ours.close()
            if group is not None:
                group.end()
                group.remove()
            raise
        run = Run(
            self,
            pid,
            folder=folder,
            group=group,
            count=count,
            patience=Patience(limits.grading_seconds),
            tree=tree,
        )
        return run, [pair[0] for pair in pairs]

    def _ask_for_fork(
        self,
        folder: str,
        limits: Limits,
        sockets: Sequence[socket.socket],
        group: cgroup.Group | None,
    ) -> int:
        """Send the warm process what a submission's process needs; that one's id."""
        assert self._control is not None
        doors = [] if group is None else group.doors()
        request = {
            "op": "run",
            "folder": folder,
            "limits": limits.to_wire(),
            "sockets": len(sockets),
            "caps": [] if group is None else [_CAPS[one] for one in group.controllers],
        }
        descriptors = [*(one.fileno() for one in sockets), *doors]
        try:
            socket.send_fds(self._control, [wire.pack(request)], descriptors)
        except OSError as error:
            self.stop()  # the next submission gets another one
            raise WarmProcessError(f"the warm process ended: {error}") from error
        finally:
            for one in sockets:
                one.close()
            for door in doors:
                os.close(door)
        answer = self._answer()
        if "pid" not in answer:
            raise WarmProcessError(str(answer.get("broken")))
        return int(answer["pid"])

    def _reap(self) -> None:
        self._tell({"op": "reap"})

    def _new_tree(self) -> Tree:
        """What will tell the next submission's processes from those that are there."""
        assert self._process is not None
        for tree in self._trees:
            tree.settle()
        there = descendants(self._process.pid)
        tree = Tree(self._process.pid, there, self._reap, tuple(self._trees))
        self._trees.append(tree)
        return tree

    def _new_group(self, limits: Limits) -> cgroup.Group | None:
        """A control group for a submission; without, its usage is measured instead."""
        if self._controllers is None:
            return None
        try:
            return self._controllers.group(limits)
        except OSError:
            self._controllers = None
            return None

    def end(self, pid: int, tree: Tree) -> None:
        """Kill every process of a submission.

        Raises:
            WarmProcessError: the warm process has ended, and they with it.
        """
        self._trees.remove(tree)
        if self._control is None:
            raise WarmProcessError("the warm process ended while a submission ran")
        self._tell({"op": "end", "pid": pid})

    def interrupt(self, pid: int) -> None:
        """Send a submission's process SIGINT."""
        self._tell({"op": "interrupt", "pid": pid})

    def stop(self) -> None:
        """End the warm process and everything that it forked."""
        if self._control is not None:
            self._control.close()  # it then ends every submission and itself
            self._control = None
        if self._process is not None:
            for number in _STOPS:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_STOP_SECONDS)
                    break
                self._process.send_signal(number)
            self._process.wait()
            self._process = None
        if self._home:
            _remove(self._home)

    def _tell(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._control is None:
            return {}
        try:
            self._control.send(wire.pack(request))
        except OSError as error:
            self.stop()
            raise WarmProcessError(f"the warm process ended: {error}") from error
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._control is not None
        try:
            data = self._control.recv(65536)
        except OSError as error:
            self.stop()  # the next submission gets another one
            raise WarmProcessError(f"the warm process does not answer: {error}") from error
        if not data:
            self.stop()
            raise WarmProcessError("the warm process ended; see the messages above")
        answer = wire.unpack(data)
        if not isinstance(answer, dict):
            raise WarmProcessError("the warm process gave a malformed answer")
        return answer


def send_job(
    channel: Channel, job: dict[str, Any], texts: Mapping[str, str], files: Mapping[str, bytes]
) -> None:
    """Tell a submission's process what ``runner.settle`` expects.

    Raises:
        WireError: it does not take it.
    """
    channel.send(job | {"texts": {key: texts[key] for key in TEXTS}, "files": len(files)})
    for path, data in files.items():
        channel.send({"path": path, "data": data})


def _remove(folder: str) -> None:
    """Remove a folder that a submission could write, however deep or closed it has made it."""
    try:
        shutil.rmtree(folder)
    except (OSError, RecursionError):
        if not os.path.lexists(folder):
            return
        for command in (["chmod", "-R", "u+rwX"], ["rm", "-rf"]):
            subprocess.run([*command, "--", folder], stderr=subprocess.DEVNULL, check=False)


def sweep() -> None:
    """Remove what grading processes that were killed have left in the temporary folder."""
    for path in Path(tempfile.gettempdir()).glob(f"{_HOME_PREFIX}*-*"):
        pid = path.name.removeprefix(_HOME_PREFIX).split("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists() and _is_ours(path):
            _remove(str(path))


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.geteuid()
    except FileNotFoundError:  # another run sweeps too
        return False


def _interpreter() -> str:
    """The interpreter itself, not a virtual environment's link to it."""
    return os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)


def _interpreter_files() -> list[str]:
    """What the interpreter consists of, where it is not a part of the system's folders."""
    if sys.base_prefix not in ("/usr", "/usr/local"):
        return [os.path.realpath(sys.base_prefix)]
    names = ("stdlib", "platstdlib")
    return [_interpreter(), *sorted({sysconfig.get_path(name) for name in names})]


def _clean_environment(home: str) -> dict[str, str]:
    """The environment of the warm process: nothing of the teacher's but what the CPU needs."""
    kept = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return kept | {
        "PATH": "/usr/bin:/bin",
        "HOME": home,
        "USER": "student",
        "LANG": "C.UTF-8",
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "CUDA_VISIBLE_DEVICES": "",  # a submission may open no device: see runner/landlock.py
        "PYTHONDONTWRITEBYTECODE": "1",
    }
