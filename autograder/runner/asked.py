"""What graders ask at a grade cell: learned from one submission, used for the next ones.

A checkpoint, the process that keeps a namespace for the graders, costs more than most cells. Where
it is known what they will ask, the values are taken while the cells run, and a process is kept
only for calls. Whoever asks for more than was kept has the submission run again with everything.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from autograder.runner.wire import WireError, unpack

MOST_AT_ONCE: Final = 4 * 1024 * 1024
"""Bytes that are handed over at a grade cell; with more a checkpoint is kept."""


@dataclass
class Asked:
    """What was asked at one grade cell."""

    names: set[str] = field(default_factory=set)
    """Names whose values were read."""
    figures: bool = False
    """Whether the figures were."""
    autograd: set[bool] = field(default_factory=set)
    """Whether functions were called with autograd on, off, or both."""

    def add(self, other: Asked) -> None:
        """Take in what another submission was asked."""
        self.names |= other.names
        self.figures |= other.figures
        self.autograd |= other.autograd

    def to_wire(self) -> dict[str, Any] | None:
        """What the submission's process is told; None where it must keep everything."""
        if len(self.autograd) > 1:  # the calls then need more than one process
            return None
        return {
            "names": sorted(self.names),
            "figures": self.figures,
            "calls": bool(self.autograd),
        }


def learn(known: MutableMapping[str, Asked], asked: Mapping[str, Asked]) -> None:
    """Take into what is known, by grade cell, what one submission was asked."""
    for grade_id, more in asked.items():
        known.setdefault(grade_id, Asked()).add(more)


@dataclass(frozen=True)
class Kept:
    """What a submission's process has handed over at a grade cell."""

    asked: Asked
    """What it was told to keep."""
    packed: bytes
    pid: object
    """The id, as the submission knows it, of the process that stays for calls; None without."""

    @cached_property
    def _answer(self) -> Mapping[Any, Any]:
        answer = unpack(self.packed)
        if not isinstance(answer, dict):
            raise WireError("a malformed reply")
        return answer

    def part(self, name: str) -> Any:
        """The values or the figures, as they came.

        Raises:
            WireError: not in the wire's form.
        """
        return self._answer.get(name)
