"""The trusted side's view of one grade cell: the namespace as it was there, as data."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from autograder.runner import values
from autograder.runner.events import valid_text
from autograder.runner.limits import Limits
from autograder.runner.patience import Patience
from autograder.runner.tree import Tree
from autograder.runner.wire import Channel, WireError

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

    def __init__(self, channel: Channel, limits: Limits, patience: Patience, tree: Tree) -> None:
        self._channel = channel
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
        if name not in self._known and name not in self._missing:
            found = self._ask({"op": "read", "names": [name]}, GRACE_SECONDS + 5).get("values")
            if not isinstance(found, dict):
                raise WireError("a malformed reply")
            if name in found:
                self._known[name] = values.from_wire(found[name])
            else:
                self._missing.add(name)
        return self._known[name]

    def figures(self) -> list[values.FigureValue]:
        """Every figure made up to the grade cell.

        Raises:
            WireError: the process does not answer, or not in the wire's form.
        """
        wires = self._ask({"op": "figures"}, GRACE_SECONDS + 5).get("figures")
        if not isinstance(wires, list):
            raise WireError("a malformed reply")
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
        request = {
            "op": "call",
            "name": name,
            "args": [values.to_wire(arg) for arg in args],
            "kwargs": {key: values.to_wire(arg) for key, arg in kwargs.items()},
            "autograd": autograd,
            "first": self._tree.begin_calls(self),
        }
        answer = self._ask(request, self._limits.call_seconds + GRACE_SECONDS)
        if "error" in answer:
            raise _call_failed(answer["error"])
        after = answer.get("args")
        if not isinstance(after, list) or "value" not in answer:
            raise WireError("a malformed reply")
        decoded = tuple(values.from_wire(arg) for arg in after)
        return Call(values.from_wire(answer["value"]), decoded)

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
