"""The processes of one submission, seen from outside its namespaces."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from autograder.runner.processes import descendants, end_all, has_ended, ids_in_namespaces

_END_SECONDS: Final = 2.0
_WORST: Final = 1000
"""The highest value of ``oom_score_adj``: this process first (proc(5))."""


class Tree:
    """Tells the processes of a submission from others, and its checkpoints from the rest."""

    def __init__(
        self,
        warm: int,
        others: Collection[int],
        reap: Callable[[], None] = lambda: None,
        beside: Collection[Tree] = (),
    ) -> None:
        """Take every process for the submission's own that appears from now on.

        Args:
            warm: the process from which all of a warm process's descend.
            others: the processes below it that are there already.
            reap: has the warm process take note of the end of what was left to it.
            beside: the submissions that are running still, whose checkpoints may fork.
        """
        self._warm = warm
        self._reap = reap
        self._beside = tuple(beside)
        self.others = frozenset(others)
        self._members: set[int] | None = None
        self._kept_ids: set[object] = set()
        self._kept: set[int] = set()
        self._calling: object = None
        self._called: object = None
        """The id of the process in which the calls run, where that is a kept one."""

    def every(self) -> list[int]:
        """All processes below the warm one."""
        return descendants(self._warm)

    def own(self) -> list[int]:
        """The submission's processes."""
        every = self.every()
        if self._members is None:
            known = self.others.union(*(tree.own() for tree in self._beside))
            return [pid for pid in every if pid not in known]
        found = self._members & set(every)
        return sorted(found.union(*map(descendants, found)))

    def settle(self) -> None:
        """Another submission begins: only what is there now, and below it, belongs to this one."""
        self._members = set(self.own())

    def keep(self, inner_id: object) -> None:
        """A process, by its id in its own namespace, is a checkpoint.

        The submission's process says so. What it could protect by saying it of another is only
        ended later.
        """
        if type(inner_id) is int:
            self._kept_ids.add(inner_id)

    def kept(self, pid: int) -> bool:
        """Whether a process is a checkpoint, or the first one of the pid namespace."""
        if pid not in self._kept:
            ids = ids_in_namespaces(pid)
            if ids and (ids[-1] in self._kept_ids or (len(ids) > 1 and ids[-1] == 1)):
                self._kept.add(pid)
        return pid in self._kept

    def end_strays(self) -> None:
        """Kill every process but the checkpoints: cells have ended, or the calls at a grade cell.

        Returns when they have ended and their places are free, which calls need.
        """

        def strays() -> list[int]:
            return [pid for pid in self.own() if not (self.kept(pid) or has_ended(pid))]

        ended = end_all(strays)
        deadline = time.monotonic() + _END_SECONDS
        while not all(map(has_ended, ended)) and time.monotonic() < deadline:
            time.sleep(0.001)
        if ended:
            self._reap()

    def begin_calls(self, checkpoint: object, called: object = None) -> bool:
        """A checkpoint will be asked for a call; whether another one was, or none.

        Then the processes of the calls so far are ended, with all that they have left running.

        Args:
            checkpoint: which.
            called: the id, in its own namespace, of the kept process that the calls run in; None
                where a fork of it is made for them.
        """
        if self._calling is checkpoint:
            return False
        if self._calling is not None:
            self._kept_ids.discard(self._called)
            self._kept.clear()
            self.end_strays()
        self._calling, self._called = checkpoint, called
        return True

    def prefer_cells(self, cells: int, share: float) -> None:
        """Have the kernel end the cells' process before its checkpoints, for want of memory.

        Checkpoints inherit the preference that it had when they were forked, so it must be raised
        after each.

        Args:
            cells: the id of the process that runs the cells, as the warm process knows it.
            share: how far, from 0 to 1.
        """
        for pid in self.own():
            ids = ids_in_namespaces(pid)
            if ids and ids[min(1, len(ids) - 1)] == cells:
                with contextlib.suppress(OSError):  # it has ended, or is first already
                    path = Path(f"/proc/{pid}/oom_score_adj")
                    path.write_text(str(int(_WORST * share)), encoding="ascii")
