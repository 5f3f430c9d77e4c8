"""What the doctor finds: one thing that was looked at, its state, and how to mend it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed"]
"""``warning``: all works, but something is missing or soon will be; ``failed``: grading cannot be
done, or not safely."""
Look = Callable[[], Iterable["Check"]]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    state: State
    found: str
    mend: str = ""
    """What to do about it; empty where nothing is to be done."""


def safely(name: str, look: Look) -> Iterator[Check]:
    """What a look gives; a look that fails is a finding itself, lest it hide the others."""
    try:
        yield from look()
    except (Exception, SystemExit) as error:  # a broken machine or course can raise anything
        told = str(error) or type(error).__name__
        yield Check(name, "failed", f"could not be looked at: {told}", "mend what it says")
