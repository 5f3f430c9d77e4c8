"""How far a command is, how fast it goes and how long it will take: a bar, or lines in a log."""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from autograder.plain import one_line

_LINE_SECONDS: Final = 10.0
_REMEMBERED: Final = 200
"""About so many results count for the rate."""
_CALM_SECONDS: Final = 15.0
"""What is shown as the time left follows what is reckoned in about this time."""
_FIRST_RATE_SECONDS: Final = 3.0
_FIRST_RATE_COUNT: Final = 3
_WITH_NAME: Final = 100
"""From so many characters on a terminal has room for the name of what was done last."""
_WITH_BAR: Final = 72
"""From so many on, for the bar and the time that has passed."""


class Pace:
    """The rate at which work gets done, and the time that is left.

    Processes start before the first result, and each one's first result is late; what was done
    before takes no time. So the clock starts when each process can have given one result, and
    only what took time counts. A result that was long in coming changes much of what is reckoned,
    so what is shown follows it calmly.
    """

    def __init__(self, total: int, at_once: int) -> None:
        """Prepare for so many pieces of work, so many of them at once."""
        self._left = total
        self._warming_up = min(at_once, total)
        self._count = 0.0
        self._seconds = 0.0
        self._last = math.nan
        self._shown: tuple[float, float] | None = None
        """When the time left was asked for, and what was said."""

    def count(self, now: float, quick: bool = False) -> None:
        """Take note that a piece is done; ``quick``: it needed no work."""
        self._left -= 1
        if quick:
            return
        if self._warming_up:
            self._warming_up -= 1
        else:
            kept = 1 - 1 / _REMEMBERED
            self._count = self._count * kept + 1
            self._seconds = self._seconds * kept + now - self._last
        self._last = now

    @property
    def rate(self) -> float | None:
        """Pieces a second, once that can be said."""
        known = self._count >= _FIRST_RATE_COUNT and self._seconds >= _FIRST_RATE_SECONDS
        return self._count / self._seconds if known else None

    def left(self, now: float) -> float | None:
        """The seconds until all is done, if what is left needs work."""
        if self.rate is None or not self._left:
            return None
        reckoned = self._left / self.rate - (now - self._last)
        if self._shown is not None:
            before, shown = self._shown
            shown -= now - before
            reckoned += (shown - reckoned) * math.exp(-(now - before) / _CALM_SECONDS)
        self._shown = (now, max(1.0, reckoned))
        return self._shown[1]


class Shown:
    """Shows on a console how far the work is: a moving bar on a terminal, else a line at times."""

    def __init__(
        self,
        what: str,
        total: int,
        at_once: int,
        console: Console,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = one_line(what)
        self._total = total
        self._done = 0
        self._stopping = False
        self._console = console
        self._clock = clock
        self._pace = Pace(total, at_once)
        self._began = self._told = clock()
        moving = console.is_terminal and not console.is_dumb_terminal
        self._bar = _bar(console, moving)
        self._task = self._bar.add_task(self._what, total=total, rate="", left="", now="")
        self._moving = moving

    def __enter__(self) -> Self:
        if self._moving:
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._moving:
            self._bar.update(self._task, now="", left="")
            self._bar.stop()
        else:
            self._line()

    def done(self, name: str, quick: bool = False) -> None:
        """One more is done."""
        self._done += 1
        self._pace.count(self._clock(), quick)
        self._bar.update(self._task, advance=1, now=one_line(name))
        self.tick()

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock()
        if self._moving:
            rate, left = self._figures(now)
            self._bar.update(self._task, rate=rate, left=left)
        elif now - self._told >= _LINE_SECONDS:
            self._line()

    def stopping(self, text: str) -> None:
        """Say that it will end before all is done."""
        self._stopping = True
        self._say(text)

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _figures(self, now: float) -> tuple[str, str]:
        rate, left = self._pace.rate, self._pace.left(now)
        return (
            "" if rate is None else f"{rate:.2g}/s" if rate < 10 else f"{rate:.0f}/s",
            "stopping" if self._stopping else "" if left is None else f"{_duration(left)} left",
        )

    def _line(self) -> None:
        now = self._told = self._clock()
        rate, left = self._figures(now)
        gone = f"{_duration(now - self._began)} gone"
        parts = [f"{self._done} of {self._total}", rate, gone, left if self._left else ""]
        self._say(f"{self._what}: {', '.join(filter(None, parts))}")

    @property
    def _left(self) -> int:
        return self._total - self._done


def _bar(console: Console, moving: bool) -> Progress:
    """The bar, with as much beside it as there is room for: what moves must stay in one line."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}", markup=False),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[left]}"),
    ]
    if console.width >= _WITH_BAR:
        columns.insert(1, BarColumn(bar_width=20))
        columns.insert(4, TimeElapsedColumn())
    if console.width >= _WITH_NAME:
        columns.append(TextColumn("{task.fields[now]}", markup=False, style="dim"))
    return Progress(*columns, console=console, disable=not moving)


def _duration(seconds: float) -> str:
    """Hours, minutes and seconds, as ``0:02:45``."""
    return str(timedelta(seconds=round(seconds)))
