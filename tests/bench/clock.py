"""Wall-clock time by part: each moment belongs to the innermost part that is running."""

import functools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

OTHER: Final = "other"

Part = str | Callable[..., str]
"""A part's name, or what tells it from the arguments of a call."""


@dataclass
class Spent:
    """Seconds of each part, and how many times it was entered."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    times: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def total(self) -> float:
        """The seconds of all parts."""
        return sum(self.seconds.values())


@dataclass(frozen=True)
class Profile:
    """Means over submissions: the seconds and the times of each part."""

    seconds: dict[str, float]
    times: dict[str, float]
    submissions: int


def mean(taken: Sequence[Spent]) -> Profile:
    """The mean over all but the slowest and the fastest tenth; its parts add up to the whole."""
    tenth = len(taken) // 10
    kept = sorted(taken, key=lambda spent: spent.total)[tenth : len(taken) - tenth]
    count = len(kept)
    parts = sorted({part for spent in kept for part in spent.seconds})
    return Profile(
        {part: sum(spent.seconds.get(part, 0.0) for spent in kept) / count for part in parts},
        {part: sum(spent.times.get(part, 0) for spent in kept) / count for part in parts},
        count,
    )


class Clock:
    """Attributes time to parts; the parts add up to the time of ``total``."""

    def __init__(self) -> None:
        self.missing: list[str] = []
        """Functions that were to be watched and are not there any more."""
        self._spent = Spent()
        self._running = [OTHER]
        self._since = 0.0
        self._undo: list[Callable[[], None]] = []

    @contextmanager
    def total(self) -> Iterator[Spent]:
        """Attribute what runs in the block; what it gives is complete once that has ended."""
        self._spent = Spent()
        self._since = time.perf_counter()
        yield self._spent
        self._charge()

    def _charge(self) -> None:
        now = time.perf_counter()
        self._spent.seconds[self._running[-1]] += now - self._since
        self._since = now

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Attribute the block to a part, but for what is attributed to others inside it."""
        self._charge()
        self._spent.times[name] += name != self._running[-1]
        self._running.append(name)
        try:
            yield
        finally:
            self._charge()
            self._running.pop()

    def watch(self, owner: Any, name: str, part: Part) -> None:
        """Attribute each call of a function to a part, until ``stop``."""
        function = getattr(owner, name, None)
        if function is None:
            self.missing.append(f"{owner.__name__}.{name}")
            return

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            with self.part(part if isinstance(part, str) else part(*args)):
                return function(*args, **kwargs)

        self.replace(owner, name, watched)

    def replace(self, owner: Any, name: str, function: Callable[..., Any]) -> None:
        """Put another function in the place of one, until ``stop``."""
        before = vars(owner).get(name)
        setattr(owner, name, function)
        if before is None:  # a method of a class above
            self._undo.append(lambda: delattr(owner, name))
        else:
            self._undo.append(lambda: setattr(owner, name, before))

    def stop(self) -> None:
        """Put back what is watched."""
        while self._undo:
            self._undo.pop()()
