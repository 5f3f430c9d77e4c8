"""The processes of a worker, each of one version of a course, and the folders they work in."""

import os
import re
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from autograder.bridge.keyfile import write_private
from autograder.bridge.parcels import ParcelError
from autograder.pool import Slot
from autograder.workers import queue
from autograder.workers.bundle import GRADEBOOK, hash_of, open_bundle
from autograder.workers.queue import Graded, Taken

_MODULE: Final = "autograder.workers.process"
_TICK_SECONDS: Final = 0.5
_START_SECONDS: Final = 300.0
_OTHERS: Final = 2
"""So many processes more than places wait: courses take turns, and to begin takes seconds."""
_KEPT: Final = re.compile(r"[0-9a-f]{64}\.zip")
"""The name of a version of a course in the cache, by its hash."""
_KEPT_SECONDS: Final = 30 * 86_400.0
"""A version of a course that no worker has opened for so long is fetched again if need be."""
_LONGEST_SECONDS: Final = 1800.0
"""What a submission may take; its own limits are far below."""


class EndedError(Exception):
    """The process that graded ended; the message says how, for a teacher."""


class StoppedError(Exception):
    """The worker was told to end at once."""


class Courses:
    """Versions of courses, fetched once, checked by hash, each in a folder of this process's."""

    def __init__(self, engine: Engine, cache: Path) -> None:
        """Make the folders; those of workers that were killed are swept by the next grading.

        Args:
            engine: the queue's database.
            cache: where versions are kept between runs, for the owner only.

        Raises:
            OSError: it cannot be written.
        """
        self._engine = engine
        self._cache = cache
        self._lock = threading.Lock()
        self._roots: dict[str, Path] = {}
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._prune()
        self._folder = Path(tempfile.mkdtemp(prefix=f"autograder-{os.getpid()}-worker-"))

    def root_of(self, bundle: str) -> Path:
        """The folder of a version of a course.

        Raises:
            ParcelError: what the database has is not what the hash says.
            OSError: it cannot be written.
        """
        with self._lock:
            if bundle not in self._roots:
                root = self._folder / bundle[:16]
                shutil.rmtree(root, ignore_errors=True)  # of a try that failed
                open_bundle(self._content(bundle), root)
                self._roots[bundle] = root
            return self._roots[bundle]

    def keep_only(self, bundles: Set[str]) -> None:
        """Remove the folders of other versions of courses; one that is wanted again is made anew.

        Args:
            bundles: the versions that processes have or are to have.
        """
        with self._lock:
            for bundle in self._roots.keys() - bundles:
                shutil.rmtree(self._roots.pop(bundle), ignore_errors=True)

    def remove(self) -> None:
        """Remove the folders of this process."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _prune(self) -> None:
        """Remove what no worker of this machine has opened for long, and no file of others."""
        for kept in (path for path in self._cache.iterdir() if _KEPT.fullmatch(path.name)):
            with suppress(FileNotFoundError):  # another worker was quicker
                if time.time() - kept.stat().st_mtime > _KEPT_SECONDS:
                    kept.unlink()

    def _content(self, bundle: str) -> bytes:
        kept = self._cache / f"{bundle}.zip"
        try:
            content = kept.read_bytes()
        except FileNotFoundError:
            content = b""
        if content and hash_of(content) == bundle:
            with suppress(FileNotFoundError):  # another worker has pruned it meanwhile
                os.utime(kept)
            return content
        kept.unlink(missing_ok=True)
        self._prune()
        content = queue.bundle_content(self._engine, bundle)
        if hash_of(content) != bundle:
            raise ParcelError(
                f"the course's version {bundle[:12]} in the database is damaged: its hash is "
                f"{hash_of(content)[:12]}. Queue the class again with `autograder grade --db`"
            )
        write_private(kept, content)
        return content


class Slots:
    """Processes that wait for submissions; threads take them from here and put them back."""

    def __init__(
        self,
        courses: Courses,
        gradebook: URL,
        *,
        most: int,
        allow_unsafe: bool,
        stopped: Callable[[], bool],
    ) -> None:
        """Remember what processes need.

        Args:
            courses: where the versions of courses are.
            gradebook: the address of the gradebook, which is the queue's database.
            most: so many gradings there are at once; a few more processes may wait for work.
            allow_unsafe: whether they grade where walls are missing.
            stopped: whether all is to end at once.
        """
        self._courses = courses
        self._environment = {
            **os.environ,
            GRADEBOOK: gradebook.render_as_string(hide_password=False),
        }
        self._arguments = ["unsafe"] if allow_unsafe else []
        self._most = most + _OTHERS
        self._stopped = stopped
        self._lock = threading.Lock()
        self._wanted: Counter[str] = Counter()
        """How many gradings there are now, by the version of the course."""
        self._free: list[tuple[str, Slot]] = []
        """The longest free first."""

    def grade(self, taken: Taken) -> Graded:
        """Have a submission graded by a process of its version of the course.

        Raises:
            EndedError: the process ended, or does not start.
            StoppedError: all is to end at once.
            ParcelError: the version of the course is damaged.
            OSError: no process can be started.
        """
        with self._wanting(taken.bundle):
            slot = self._taken(taken.bundle)
            try:
                slot.give(taken)
                said = self._heard(slot, _LONGEST_SECONDS)
            except BaseException:
                slot.kill()
                raise
            self._put_back(taken.bundle, slot)
        assert isinstance(said, Graded)
        return said

    def end(self) -> None:
        """End the processes that wait."""
        with self._lock:
            free, self._free = self._free, []
        for _bundle, slot in free:
            slot.end()

    @contextmanager
    def _wanting(self, bundle: str) -> Iterator[None]:
        """Keep the folder of a version of a course."""
        with self._lock:
            self._wanted[bundle] += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted[bundle] -= 1

    def _taken(self, bundle: str) -> Slot:
        with self._lock:
            for index, (its, slot) in enumerate(self._free):
                if its == bundle:
                    del self._free[index]
                    return slot
        root = self._courses.root_of(bundle)
        slot = Slot(_MODULE, [str(root), *self._arguments], self._environment)
        try:
            self._heard(slot, _START_SECONDS)
        except BaseException:
            slot.kill()
            raise
        return slot

    def _put_back(self, bundle: str, slot: Slot) -> None:
        with self._lock:
            self._free.append((bundle, slot))
            extra = self._free[: -self._most]
            del self._free[: -self._most]
            if extra:
                used = {bundle for bundle, _slot in self._free}
                self._courses.keep_only(used | set(+self._wanted))
        for _bundle, other in extra:
            other.end()

    def _heard(self, slot: Slot, most: float) -> object:
        until = time.monotonic() + most
        while not wait([slot.connection], _TICK_SECONDS):
            if self._stopped():
                raise StoppedError
            if time.monotonic() > until:
                raise EndedError(f"the process that worked on it was ended after {most:.0f} s")
        try:
            return slot.receive()
        except EOFError:
            what = "worked on it ended" if slot.ready else "was to work on it did not start"
            raise EndedError(f"the process that {what}") from None
