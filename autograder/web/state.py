"""What all parts of the web application share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from fastapi import Request
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from autograder.bridge.course import Course
from autograder.lms.database import reading
from autograder.lms.schema import Registration
from autograder.lms.settings import Serve
from autograder.web.background import Deliveries, Rosters
from autograder.web.formats import zone_of
from autograder.web.jobs import Jobs
from autograder.web.limiting import Limiter
from autograder.web.notes import Notes
from autograder.web.release import Archives
from autograder.web.windows import Windows

if TYPE_CHECKING:
    from autograder.lms.handins.grading import GradingService
    from autograder.lms.lti.keys import Keys
    from autograder.lms.services.platform import PlatformServices

_ORIGINS_SECONDS: Final = 10.0


@dataclass
class AppState:
    """A course with the tool's database, keys and services."""

    engine: Engine
    course: Course
    settings: Serve
    keys: Keys
    services: Callable[[int], PlatformServices]
    base_url: str
    """Where browsers reach the tool, without a slash at the end."""
    grading: GradingService | None = None
    """What grades; None where another process does."""
    deliveries: Deliveries | None = None
    """What delivers; None where another process does."""
    clock: Callable[[], float] = time.time
    jobs: int = 1
    """Submissions that are graded at once to see what would change."""
    demo: str = ""
    """Where the demo's platform is; empty without one."""
    limiter: Limiter = field(default_factory=Limiter)
    notes: Notes = field(default_factory=Notes)
    _origins: tuple[float, tuple[str, ...]] = (0.0, ())

    @cached_property
    def archives(self) -> Archives:
        """Archives of released files."""
        return Archives()

    @cached_property
    def windows(self) -> Windows:
        """Codes for windows of their own."""
        return Windows()

    @cached_property
    def work(self) -> Jobs:
        """Long work that a teacher asked for."""
        return Jobs(self.course, self.jobs, self.clock)

    @cached_property
    def rosters(self) -> Rosters:
        """Rosters that are being read."""
        return Rosters(self.engine, self.services, self.course, self.clock)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The course's time zone."""
        return zone_of(self.course)

    def close(self) -> None:
        """End what was begun beside the pages."""
        self.work.stop()
        self.rosters.stop()
        self.archives.close()

    @property
    def secure(self) -> bool:
        """Whether browsers reach the tool over TLS."""
        return self.base_url.startswith("https://")

    @cached_property
    def prefix(self) -> str:
        """The path below which the tool is, empty or with a slash before it."""
        return urlsplit(self.base_url).path.rstrip("/")

    @cached_property
    def origin(self) -> str:
        """The origin of our own pages, as browsers write it (RFC 6454)."""
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}".lower()

    def at(self, *segments: object) -> str:
        """The path of one of our pages."""
        return "".join((self.prefix, *(f"/{quote(str(one), safe='')}" for one in segments)))

    def wake(self) -> None:
        """Let grading and deliveries look for work at once."""
        if self.grading is not None:
            self.grading.wake()
        if self.deliveries is not None:
            self.deliveries.wake()

    def frame_origins(self) -> tuple[str, ...]:
        """Origins of the registered platforms' pages; read anew every few seconds."""
        now = time.monotonic()
        read, origins = self._origins
        if not read or now - read > _ORIGINS_SECONDS:
            try:
                with reading(self.engine) as session:
                    rows = session.scalars(select(Registration.origins)).all()
            except SQLAlchemyError:
                return origins  # the page says what is wrong, where it must be framed as before
            origins = tuple(sorted({origin for row in rows for origin in row}))
            self._origins = (now, origins)
        return origins

    def origins_changed(self) -> None:
        """Read the origins anew with the next page."""
        self._origins = (0.0, ())


def state_of(request: Request) -> AppState:
    """The state of the application that serves a request."""
    state: AppState = request.app.state.autograder
    return state
