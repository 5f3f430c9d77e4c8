"""The trusted side's view of one grade cell: the namespace as it was there, as data."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from autograder.runner import values
from autograder.runner.asked import Asked, Kept
from autograder.runner.events import valid_text
from autograder.runner.limits import Limits
from autograder.runner.patience import Patience
from autograder.runner.tree import Tree
from autograder.runner.wire import Channel, WireError

_T = TypeVar("_T")
NOT_EMULATED: Final = "NotEmulatedError"
"""What the emulated CUDA device raises where real CUDA could do more."""
GRACE_SECONDS: Final = 1.5
"""What a submission that ignores a limit gets before it is taken for stuck."""


class CallFailed(Exception):
    """The student's function did not return; ``kind`` is the exception's built-in name."""

    def __init__(self, kind: str, line: int | None, text: str) -> None:
        super().__init__(kind)
        self.kind = kind
        self.line = line
        self.text = text


@dataclass(frozen=True)
class Call:
    """The result of a call and its arguments as they were afterwards (functions as None)."""

    value: values.Value
    args: tuple[values.Value, ...]


class Checkpoint:
    """The namespace as it was at one grade cell."""

    def __init__(
        self,
        channel: Channel,
        limits: Limits,
        patience: Patience,
        tree: Tree,
        kept: Kept | None = None,
    ) -> None:
        """Make the view of one grade cell.

        Args:
            channel: to the process that answers for it, if there is one.
            limits: the submission's.
            patience: how long graders may wait for it.
            tree: its processes.
            kept: what was handed over at the grade cell; without, everything is asked of the
                process, which can then answer whatever is asked.
        """
        self._channel = channel
        self._kept = kept
        self.asked = Asked()
        """What graders have asked for."""
        self.lacking = False
        """Whether they asked for more than was kept: what they found then means nothing."""
        self._limits = limits
        self._patience = patience
        self._tree = tree
        self._known: dict[str, values.Value] = {}
        self._missing: set[str] = set()

    def read(self, name: str) -> values.Value:
        """The value of a name.

        Raises:
            KeyError: the namespace has no such name.
            WireError: the process does not answer, or not in the wire's form.
        """
        self.asked.names.add(name)
        if name not in self._known and name not in self._missing:
            found = self._part(
                "values",
                dict,
                {"op": "read", "names": [name]},
                self._kept is not None and name in self._kept.asked.names,
            )
            if name in found:
                self._known[name] = values.from_wire(found[name])
            else:
                self._missing.add(name)
        return self._known[name]

    def _part(self, part: str, kind: type[_T], request: dict[str, Any], is_kept: bool) -> _T:
        """A part of what was handed over, or of the process's answer to a request."""
        if self._kept is None:
            found = self._ask(request, GRACE_SECONDS + 5).get(part)
        elif is_kept:
            found = self._kept.part(part)
        else:
            raise self._lacks(f"what was asked of the {part}")
        if not isinstance(found, kind):
            raise WireError("a malformed reply")
        return found

    def _lacks(self, what: str) -> WireError:
        self.lacking = True
        return WireError(f"{what} was not kept")

    def figures(self) -> list[values.FigureValue]:
        """Every figure made up to the grade cell.

        Raises:
            WireError: the process does not answer, or not in the wire's form.
        """
        self.asked.figures = True
        is_kept = self._kept is not None and self._kept.asked.figures
        wires = self._part("figures", list, {"op": "figures"}, is_kept)
        decoded = [values.from_wire(figure) for figure in wires[: values.MAX_FIGURES]]
        return [figure for figure in decoded if isinstance(figure, values.FigureValue)]

    def call(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], autograd: bool
    ) -> Call:
        """Call a function; the calls at this grade cell share a process of their own.

        Raises:
            CallFailed: it raised, ended its process or ran out of time.
            WireError: the process does not answer, or not in the wire's form.
        """
        self.asked.autograd.add(autograd)
        request = {
            "op": "call",
            "name": name,
            "args": [values.to_wire(arg) for arg in args],
            "kwargs": {key: values.to_wire(arg) for key, arg in kwargs.items()},
            "autograd": autograd,
            "first": self._tree.begin_calls(self, self._kept.pid if self._kept else None),
        }
        answer = self._answer_to_call(request)
        if "error" in answer:
            raise _call_failed(answer["error"])
        after = answer.get("args")
        if not isinstance(after, list) or "value" not in answer:
            raise WireError("a malformed reply")
        decoded = tuple(values.from_wire(arg) for arg in after)
        return Call(values.from_wire(answer["value"]), decoded)

    def _answer_to_call(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._kept is None:
            return self._ask(request, self._limits.call_seconds + GRACE_SECONDS)
        if self._kept.asked.autograd != {request["autograd"]}:
            raise self._lacks("a process for such a call")
        try:
            return self._ask(request, self._limits.call_seconds)
        except WireError as error:
            raise self._lacks("another process for a call that did not return") from error

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        request_id = secrets.token_hex(8)
        answer = self._patience.ask(self._channel, request | {"id": request_id}, timeout)
        if not isinstance(answer, dict) or answer.get("id") != request_id:
            raise WireError("a reply to another request")
        return answer

    def close(self) -> None:
        """Let the checkpoint's process end."""
        self._channel.close()


def _call_failed(error: Any) -> CallFailed:
    if not isinstance(error, dict):
        raise WireError("a malformed reply")
    line = error.get("line")
    return CallFailed(
        valid_text(error.get("type"), 100) or "Exception",
        line if type(line) is int and 0 < line < 10**6 else None,
        valid_text(error.get("text"), 2000),
    )
