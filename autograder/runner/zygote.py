"""The warm process: packages imported once, one forked child per submission.

Executed by ``autograder.runner.outer_walls`` inside the outer walls. It holds no grader, no
solution and no path of them; all it knows of the trusted side is the control socket, on which it
is told to fork a child or to end one. See ``autograder.runner.warm`` for the other end.
"""

import contextlib
import gc
import importlib
import json
import os
import resource
import signal
import site
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from autograder.runner import inner_walls, linux, preload, processes, walls, wire
from autograder.runner.limits import Limits

_HUGE_PAGE: Final = 2 * 1024 * 1024
_MAX_FDS: Final = 200
_INIT: Final = ("/bin/sleep", "infinity")
"""The first process of a submission's pid namespace: when it is killed, all end with it."""


@dataclass
class _Running:
    """A submission that has been forked."""

    pid: int
    """The process that runs its cells."""
    init: int | None
    """The first process of its pid namespace, if it has one."""


def main(arguments: Sequence[str]) -> None:
    """Warm up, say so, and serve the control socket until the trusted side closes it."""
    job = json.loads(arguments[0])
    sys.orig_argv[:] = sys.argv[:] = [""]
    linux.adopt_orphans()
    linux.die_with_parent()
    sys.path += job["packages"]
    site.sethelper()  # -S leaves out what site gives to interactive work
    control = socket.socket(fileno=job["control"])
    control.set_inheritable(False)
    os.set_inheritable(job["proc"], False)
    try:
        runs = _warm_up(job) if job["serves"] else None
    except preload.UnfitError as error:
        control.send(wire.pack({"unfit": error.package, "reason": str(error)}))
        return
    Zygote(control, _surroundings(job), runs).serve()


def _surroundings(job: Mapping[str, Any]) -> inner_walls.Surroundings:
    outer = frozenset(job["raised"])
    _make_forks_cheap(job["proc"])
    data_bytes, uid_map = _measure(job["proc"])
    readable = inner_walls.readable_paths(outer, job["interpreter"], job["packages"], sys.path[0])
    if walls.ROOT in outer:  # what was written while warming up, such as font lists, stays as it is
        flags = linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV
        linux.restrict_mount(job["home"], flags)
    inner_walls.prepare(outer)
    return inner_walls.Surroundings(
        outer=outer,
        readable=readable,
        data_bytes=data_bytes,
        without=frozenset(job["without"]),
        by_root=job["by_root"],
        first_id=inner_walls.ids_for_submissions(outer, readable, uid_map),
    )


def _make_forks_cheap(proc: int) -> None:
    """Gather what every fork copies the page tables of into huge pages: half a fork's time.

    Only what is there is gathered: what a fork adds or changes comes in small pages as before.
    """
    with open(os.open("self/maps", os.O_RDONLY, dir_fd=proc), encoding="utf-8") as lines:
        mappings = [line.split() for line in lines]
    for fields in mappings:
        if fields[1].startswith("rw-p") and fields[4] == "0" and fields[-1] != "[stack]":
            first, last = (int(number, 16) for number in fields[0].split("-"))
            first, last = -(-first // _HUGE_PAGE) * _HUGE_PAGE, last // _HUGE_PAGE * _HUGE_PAGE
            if first < last:
                with contextlib.suppress(OSError):  # then its forks take longer
                    linux.gather_in_huge_pages(first, last - first)


def _measure(proc: int) -> tuple[int, str]:
    """Private writable memory of this process and its id map; closes the descriptor.

    From proc(5), where no other way is left once the root is changed: ``statm``, ``uid_map``.
    """

    def read(name: str) -> str:
        file = os.open(f"self/{name}", os.O_RDONLY, dir_fd=proc)
        with open(file, encoding="ascii") as lines:
            return lines.read()

    data_bytes = int(read("statm").split()[5]) * resource.getpagesize()
    uid_map = read("uid_map")
    os.close(proc)
    return data_bytes, uid_map


def _warm_up(job: Mapping[str, Any]) -> Any:
    """Import what notebooks need; the module that runs submissions.

    Raises:
        UnfitError: a package must not be imported before forking.
    """
    runs = importlib.import_module(f"autograder.runner.{job['serves']}")
    runs.prepare()
    preload.preload(job["preload"], job["proc"])
    gc.collect()
    gc.freeze()
    return runs


class Zygote:
    """The loop of the warm process."""

    def __init__(self, control: socket.socket, around: inner_walls.Surroundings, runs: Any) -> None:
        self._control = control
        self._around = around
        self._runs = runs
        """The module that runs submissions; None: only the walls are of interest."""
        self._running: dict[int, _Running] = {}
        self._self = linux.pidfd_of(os.getpid()) if walls.PID in around.outer else -1

    def serve(self) -> None:
        """Do what the control socket asks for, until it is closed; then end every submission."""
        self._tell({"ready": True})
        while True:
            data, fds, _, _ = socket.recv_fds(self._control, 65536, _MAX_FDS)
            if not data:
                break
            for fd in fds:  # recv_fds passes no MSG_CMSG_CLOEXEC on
                os.set_inheritable(fd, False)
            request = wire.unpack(data)
            if request["op"] == "run":
                self._run(request, fds)
            elif request["op"] == "interrupt":
                if request["pid"] in self._running:
                    processes.send(request["pid"], signal.SIGINT)
                self._tell({"interrupted": True})
            elif request["op"] == "reap":
                self._reap()
                self._tell({"reaped": True})
            else:
                self._end(request["pid"])
                self._tell({"ended": True})
        for pid in list(self._running):
            self._end(pid)

    def _tell(self, answer: Mapping[str, Any]) -> None:
        self._control.send(wire.pack(answer))

    def _run(self, request: Mapping[str, Any], fds: list[int]) -> None:
        """Fork a submission's process, the second one of a pid namespace of its own."""
        try:
            init = self._new_pid_namespace()
        except OSError as error:
            self._tell({"broken": f"no pid namespace for a submission: {error}"})
            return
        own_id = inner_walls.next_id(self._around.first_id)
        pid = os.fork()
        if pid == 0:
            self._become_child(request, fds, own_id)
        for fd in fds:
            os.close(fd)
        if init is not None:
            linux.enter(self._self, linux.CLONE_NEWPID)
        self._running[pid] = _Running(pid, init)
        self._tell({"pid": pid})

    def _new_pid_namespace(self) -> int | None:
        """Make a pid namespace for the next fork; its first process, None without one.

        A program of its own is that first process, since the cells' process may end before its
        checkpoints, and a second fork of this large process would cost ten milliseconds.
        """
        if self._self < 0:
            return None
        linux.unshare(linux.CLONE_NEWPID)
        # It inherits this, and so nothing that loses its parent to it holds a place as a zombie.
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            return os.posix_spawn(_INIT[0], _INIT, {})
        except OSError:
            linux.enter(self._self, linux.CLONE_NEWPID)
            raise
        finally:
            signal.signal(signal.SIGCHLD, before)

    def _become_child(self, request: Mapping[str, Any], fds: list[int], own_id: int | None) -> None:
        """In the forked process: raise the walls, say which, and run the submission."""
        count = request["sockets"]
        try:
            self._control.close()
            os.setsid()
            linux.die_with_parent()
            linux.close_all_but(set(fds))
            sockets = [socket.socket(fileno=fd) for fd in fds[:count]]
            channel = wire.Channel(sockets[0])
            limits = Limits(**request["limits"])
            place = inner_walls.Place(
                limits, request["folder"], own_id, doors=fds[count:], caps=request["caps"]
            )
            try:
                raised = inner_walls.raise_walls(self._around, place)
            except OSError as error:
                channel.send({"broken": f"a wall could not be raised: {error}"})
                os._exit(71)
            channel.send({"walls": raised, "own_id": own_id})
            if self._runs is not None:
                self._runs.main(channel, sockets[1:], limits)
        finally:
            os._exit(70)

    def _end(self, pid: int) -> None:
        """End a submission with all its processes."""
        run = self._running.pop(pid, None)
        if run is None:  # it was ended before
            return
        if run.init is not None:
            processes.send(run.init, signal.SIGKILL)  # the kernel kills the rest of its namespace
            processes.end(run.pid)  # first, since the namespace ends only when this is gone
            processes.end(run.init)
            return
        while left := self._strays():
            processes.end_all(self._strays)
            for one in left:
                processes.end(one)

    def _reap(self) -> None:
        """Take note of the end of processes that lost their parent, which hold places until then.

        In a pid namespace of their own its first process does.
        """
        known = {pid for run in self._running.values() for pid in (run.pid, run.init)}
        for pid in processes.children(os.getpid()) if self._self < 0 else ():
            if pid not in known:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def _strays(self) -> list[int]:
        """Processes of no running submission: without a pid namespace, orphans come to us."""
        roots = [one for one in processes.children(os.getpid())
                 if _group(one) not in self._running]  # fmt: skip
        return [*roots, *(pid for root in roots for pid in processes.descendants(root))]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0
