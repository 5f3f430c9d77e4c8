"""What goes on beside the pages: deliveries to the LMS, rosters, and tidying up."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from sqlalchemy import Engine, delete

from autograder.bridge.course import Course, CourseError
from autograder.lms.database import writing
from autograder.lms.schema import Invitation, Login, WebSession
from autograder.lms.services import roster
from autograder.lms.services.outbox import Outbox
from autograder.lms.trace import trace

if TYPE_CHECKING:
    from autograder.lms.services.platform import PlatformServices
    from autograder.lms.services.roster import RosterChange

log: Final = logging.getLogger(__name__)
_LONGEST_WAIT: Final = 30.0
"""So often is looked for what another process released."""
_TIDY_SECONDS: Final = 3600.0
_ROSTERS_AT_ONCE: Final = 2


class Deliveries:
    """A thread that delivers released scores when they are due."""

    def __init__(
        self, engine: Engine, outbox: Outbox, clock: Callable[[], float] = time.time
    ) -> None:
        self._engine = engine
        self._outbox = outbox
        self._clock = clock
        self._woken = threading.Event()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="deliveries", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """Look at once for what is due."""
        self._woken.set()

    def stop(self, seconds: float = 30.0) -> None:
        """End when what is under way is done; what is left goes on with the next start."""
        self._stopped = True
        self._woken.set()
        self._thread.join(seconds)

    def _run(self) -> None:
        tidy = 0.0
        while not self._stopped:
            self._woken.clear()
            try:
                if self._clock() >= tidy:
                    tidy = self._clock() + _TIDY_SECONDS
                    tidy_up(self._engine, self._clock())
                while not self._stopped and self._outbox.deliver(most=10):
                    pass
                wait = self._until_due()
            except Exception as error:  # what is due stays due, and nobody else delivers it
                log.error("deliveries wait: %s", trace(error))
                wait = _LONGEST_WAIT
            self._woken.wait(wait)

    def _until_due(self) -> float:
        due = self._outbox.next_due()
        return _LONGEST_WAIT if due is None else min(max(due - self._clock(), 0.05), _LONGEST_WAIT)


def tidy_up(engine: Engine, now: float) -> None:
    """Remove logins and sessions that nobody can use any more."""
    with writing(engine) as session:
        for table in (WebSession, Login, Invitation):
            session.execute(delete(table).where(table.expires < now))


@dataclass
class RosterState:
    """How the reading of a roster goes."""

    state: Literal["running", "done", "failed"]
    at: float
    change: RosterChange | None = None
    error: str = ""


class Rosters:
    """Reads rosters beside the pages, which takes as long as the platform takes."""

    def __init__(
        self,
        engine: Engine,
        services: Callable[[int], PlatformServices],
        course: Course,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._services = services
        self._course = course
        self._clock = clock
        self._states: dict[int, RosterState] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(_ROSTERS_AT_ONCE, thread_name_prefix="roster")

    def start(self, context: int) -> None:
        """Read the roster of a platform's course, unless that is under way."""
        with self._lock:
            known = self._states.get(context)
            if known is not None and known.state == "running":
                return
            self._states[context] = RosterState("running", self._clock())
        self._threads.submit(self._read, context)

    def state(self, context: int) -> RosterState | None:
        """How the last reading went, None if there was none since the start."""
        return self._states.get(context)

    def stop(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _read(self, context: int) -> None:
        try:
            change = roster.sync(self._engine, self._services, self._course, context, self._clock)
            state = RosterState("done", self._clock(), change)
        except (roster.RosterError, CourseError, OSError) as error:
            state = RosterState("failed", self._clock(), error=str(error))
        except Exception as error:
            log.error("the roster of context %d: %s", context, trace(error))
            state = RosterState(
                "failed", self._clock(), error="a fault of this server; see its log"
            )
        self._states[context] = state
