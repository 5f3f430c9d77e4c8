"""A student's values and functions as ordinary objects, for tests that were written for a notebook.

A test that stood in a notebook's cell says ``assert double(x) == 4`` of the student's own objects.
In a grader, ``double`` and ``x`` from here stand in their places: values are copies, and a call
runs in the student's process, as with ``Submission.call``.
"""

import builtins
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from autograder.grading.submission import (
    CheckFailed,
    NeedsReview,
    NotAttempted,
    Submission,
    UnknownNameError,
)
from autograder.messages import translate as _
from autograder.runner import values
from autograder.runner.checkpoint import CallFailed
from autograder.runner.values import (
    ArrayValue,
    FigureValue,
    FunctionValue,
    OpaqueValue,
    TensorValue,
)


class StaysInNotebookError(NeedsReview):
    """An object that cannot leave the student's process, or that cannot be handed to it.

    In the cell the test may have passed with it: a person must look.
    """


def from_notebook(submission: Submission, name: str) -> Any:
    """What the student's notebook has under a name: a copy of a value, or a function to call.

    Raises:
        NotAttempted: there is no such name.
        StaysInNotebookError: it is neither.
    """
    value = submission.value(name)
    return _Function(submission, name) if isinstance(value, FunctionValue) else plain(value)


def plain(value: Any) -> Any:
    """A value that came from a student's process, as the object that it was there.

    Raises:
        StaysInNotebookError: it did not travel; only the name of its type is known.
    """
    if isinstance(value, TensorValue):
        return _tensor(value)
    if isinstance(value, ArrayValue):
        return value.array.copy()[()]  # a number of NumPy's where it has no dimension
    if isinstance(value, list | tuple | set) and not isinstance(value, torch.Size):
        return type(value)(plain(item) for item in value)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    if isinstance(value, FunctionValue | OpaqueValue | FigureValue):
        kind = getattr(value, "type_name", "Figure")
        raise StaysInNotebookError(f"an object of type {kind} cannot leave the student's process")
    return value


def _tensor(value: TensorValue) -> torch.Tensor:
    tensor = value.tensor.clone().requires_grad_(value.requires_grad)
    if value.grad is not None:
        tensor.grad = _tensor(value.grad)
    return tensor


class _Function:
    """A student's function; what it does to its arguments is seen in them afterwards."""

    def __init__(self, submission: Submission, name: str) -> None:
        self._submission = submission
        self.__name__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for value in (*args, *kwargs.values()):
            _require_portable(values.to_wire(value))
        try:
            call = self._submission.call(self.__name__, *args, **kwargs)
        except CheckFailed as error:
            raise _as_raised(error) from error
        for before, after in zip(args, call.args, strict=False):
            _write_back(before, after)
        return plain(call.value)


def _require_portable(wire: Any) -> None:
    """Refuse an argument, in its wire form, that a student's function would not get as it is."""
    if not isinstance(wire, list):
        return
    tag, content = wire[0], wire[1]
    if tag in ("function", "opaque"):
        raise StaysInNotebookError(f"an object of type {content} cannot be handed to a function")
    if tag in ("list", "tuple", "set"):
        for item in content:
            _require_portable(item)
    elif tag == "dict":
        for pair in content:
            for item in pair:
                _require_portable(item)


def _as_raised(error: CheckFailed) -> CheckFailed:
    """The failed check for a call that raised, as the exception that it raised as well.

    So ``except ValueError`` in a test sees what it would have seen in the notebook.
    """
    cause = error.__cause__
    kind = getattr(builtins, cause.kind, None) if isinstance(cause, CallFailed) else None
    if not isinstance(kind, type) or not issubclass(kind, Exception):
        return error
    base = NotAttempted if isinstance(error, NotAttempted) else CheckFailed
    made = _both(base, kind)
    return error if made is None else made(error.message, error.hint, error.diagnosis, error.detail)


def _both(base: type[CheckFailed], kind: type[Exception]) -> type[CheckFailed] | None:
    """A class of both kinds; None where Python cannot make one."""
    try:
        return type(kind.__name__, (base, kind), {})
    except TypeError:  # both keep something of their own, or one is a base of the other
        return None


def _write_back(before: Any, after: Any) -> None:
    """Make an argument what the function has made of it."""
    if isinstance(before, list) and isinstance(after, list):
        if (now := plain(after)) != before:
            before[:] = now
    elif isinstance(before, dict | set) and isinstance(after, dict | set):
        if (now := plain(after)) != before:
            before.clear()
            before.update(now)
    elif isinstance(before, np.ndarray) and isinstance(after, ArrayValue):
        if before.shape == after.shape and before.flags.writeable:
            before[...] = after.array
    elif (
        isinstance(before, torch.Tensor)
        and isinstance(after, TensorValue)
        and before.shape == after.shape
    ):
        with torch.no_grad():
            before.copy_(after.tensor)
        before.grad = None if after.grad is None else _tensor(after.grad)


@contextmanager
def errors_fail() -> Iterator[None]:
    """Have an exception of a test fail its check, as it does in a notebook's cell.

    In a grader that is written as one it would be the grader's own fault.
    """
    try:
        yield
    except (AssertionError, NeedsReview, UnknownNameError):
        raise
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        raise CheckFailed(_("The result is not the one asked for."), detail=detail) from error
