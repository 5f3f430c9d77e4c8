"""What a hidden grader sees of a submission: the ``submission`` fixture."""

import hashlib
import random
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import Any, Final, NoReturn, Self, TypeVar

import torch

from autograder.grading import trace
from autograder.grading.notebook import Place
from autograder.grading.results import not_made
from autograder.messages import translate as _
from autograder.runner.checkpoint import NOT_EMULATED, Call, CallFailed, Checkpoint
from autograder.runner.values import (
    ArrayValue,
    FigureValue,
    FunctionValue,
    OnDevice,
    TensorValue,
    Value,
)
from autograder.runner.wire import WireError

_T = TypeVar("_T")
_ENDED: Final = {
    "WireTimeout": "the call did not return within its time limit",
    "WireClosed": "the process ended during the call",
}
"""What a teacher is told of a call that gave no answer."""
_TYPES: Final = frozenset(
    "NoneType bool bytes complex dict dict_items dict_keys dict_values dtype float frozenset "
    "generator int list map module range set slice str tuple type zip Axes DataFrame Figure "
    "Fraction Decimal Generator Linear Line2D Module Sequential Size Tensor Parameter device "
    "grad ndarray memoryview property".split()
)
"""Types that students are told by name: one of their own could be named after hidden inputs."""


class CheckFailed(AssertionError):
    """The student's result is not what was asked; ``message`` and ``hint`` are for them."""

    def __init__(self, message: str, hint: str = "", diagnosis: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.diagnosis = diagnosis
        self.detail = detail


class UnknownNameError(LookupError):
    """A grader asks for a name that the teacher's own notebook does not define."""


class NeedsReview(Exception):
    """Nothing can be said of the student's result by itself: a person must look."""


class NotAttempted(CheckFailed):
    """The student has not done this part yet."""


def fail(message: str, hint: str = "", diagnosis: str = "") -> NoReturn:
    """Fail the running check.

    Args:
        message: what is wrong with the student's result, in the course's language; never a
            hidden input, a value of the reference or its code.
        hint: what to look at next.
        diagnosis: a slug of the usual mistake that it looks like, for statistics.

    Raises:
        CheckFailed: always.
    """
    raise CheckFailed(message, hint, diagnosis)


class Submission:
    """One student's notebook as it was when execution reached the check's grade cell."""

    def __init__(
        self,
        place: Place,
        seed: int,
        check: str,
        names: Collection[str] | None = None,
        run_with_cuda: Callable[[], Place] | None = None,
    ) -> None:
        """Make the view of one check.

        Args:
            place: the grade cell.
            seed: the submission's seed; the same one gives the same hidden inputs.
            check: the check's name, mixed into the seed.
            names: those that the teacher's own notebook defines; None if that is not known.
            run_with_cuda: runs the notebook where there is CUDA, and gives the same grade cell.
        """
        digest = hashlib.sha256(f"{seed}/{check}".encode()).digest()
        own_seed = int.from_bytes(digest[:7], "big")
        self._place = place
        self._seed = seed
        self._check = check
        self._names = names
        self._run_with_cuda = run_with_cuda
        self.random = random.Random(own_seed)
        """Random numbers for hidden inputs, seeded by the submission and the check."""
        self.generator = torch.Generator().manual_seed(own_seed)
        """The same for torch: ``torch.randn(3, generator=submission.generator)``."""

    @property
    def cuda_available(self) -> bool:
        """Whether the student's code saw a CUDA device: only in ``with_cuda``."""
        return self._place.cuda_devices > 0

    @cached_property
    def with_cuda(self) -> Self:
        """The same submission, run once more on a machine that has CUDA: an emulated device.

        Its hidden inputs are others. Where it needs what the emulation cannot do, a check that
        fails is left to a person.
        """
        if self.cuda_available or self._run_with_cuda is None:
            return self
        check = f"{self._check} with cuda"
        return type(self)(self._run_with_cuda(), self._seed, check, self._names)

    @property
    def worlds(self) -> Iterator[Self]:
        """The submission as a machine without CUDA ran it, and then as one with CUDA does."""
        yield self
        yield self.with_cuda

    @property
    def doubt(self) -> str:
        """Why what fails may not be the student's mistake; empty if there is no such reason."""
        used = self.__dict__.get("with_cuda")
        own = one_line(self._place.not_emulated)
        return own or ("" if used is None or used is self else used.doubt)

    def _reached(self) -> Checkpoint:
        if self._place.checkpoint is None:
            raise NotAttempted(self._told(self._place.reason))
        return self._place.checkpoint

    def _check_devices(self, values: Iterable[Any]) -> None:
        """Refuse arguments of a grader's that cannot be had, which is no mistake of a student's."""
        for value in values:
            if isinstance(value, OnDevice):
                device = torch.device(value.device)
                if device.type == "cuda" and (device.index or 0) >= self._place.cuda_devices:
                    raise ValueError(
                        f"OnDevice(..., {value.device!r}): this machine has no such device; ask "
                        "`submission.with_cuda`, which has cuda:0"
                    )
            elif isinstance(value, list | tuple):
                self._check_devices(value)
            elif isinstance(value, dict):
                self._check_devices(value.values())

    def _told(self, message: str) -> str:
        """A message, with the world that it is about where that is not the usual one."""
        if not self.cuda_available:
            return message
        return _("On a machine with CUDA: {message}", message=message)

    def _no_answer(self, error: WireError) -> CheckFailed:
        detail = f"{type(error).__name__}: {error}"
        message = _("Your notebook's process ended or did not answer.")
        return CheckFailed(self._told(message), detail=detail)

    def has(self, name: str) -> bool:
        """Whether the namespace has ``name``."""
        try:
            self.value(name)
        except (NotAttempted, UnknownNameError):
            return False
        return True

    def value(self, name: str) -> Value:
        """The value of ``name``.

        Raises:
            NotAttempted: there is no such name.
            UnknownNameError: nor is there in the teacher's own notebook.
            CheckFailed: the student's process does not answer.
        """
        try:
            return self._reached().read(name)
        except KeyError:
            if self._names is not None and name not in self._names:
                raise UnknownNameError(
                    f"no cell of the source notebook defines {name!r}: "
                    "correct the name here or there"
                ) from None
            raise NotAttempted(
                self._told(not_made(name)),
                _("Write your answer in the cell above, run it, and check for errors in it."),
            ) from None
        except WireError as error:
            raise self._no_answer(error) from error

    def tensor(self, name: str) -> TensorValue:
        """The value of ``name``, which must be a tensor; ``CheckFailed`` if it is not."""
        return self._of_type(self.value(name), TensorValue, f"`{name}`", "torch.Tensor")

    def array(self, name: str) -> ArrayValue:
        """The value of ``name``, which must be a NumPy array; ``CheckFailed`` if it is not."""
        return self._of_type(self.value(name), ArrayValue, f"`{name}`", "numpy.ndarray")

    def text(self, name: str) -> str:
        """The value of ``name``, which must be a text; ``CheckFailed`` if it is not."""
        return self._of_type(self.value(name), str, f"`{name}`", "str")

    def as_tensor(self, value: Value, what: str) -> TensorValue:
        """``value``, which must be a tensor: a check that fails says that ``what`` is none."""
        return self._of_type(value, TensorValue, what, "torch.Tensor")

    def _of_type(self, value: Value, kind: type[_T], what: str, expected: str) -> _T:
        if isinstance(value, kind):
            return value
        actual = type_name(value)
        if value is None:
            raise NotAttempted(self._told(_("{what} is still None.", what=what)))
        raise CheckFailed(
            self._told(_("{what} is of type {actual}; {expected} was asked.", what=what,
                         actual=actual, expected=expected)),
            _("Look at how it is made: `type(...)` tells what you have."),
            "wrong-type",
            f"type: {getattr(value, 'type_name', type(value).__name__)}",
        )  # fmt: skip

    def figures(self) -> list[FigureValue]:
        """Every figure made up to the grade cell, also shown and closed ones."""
        try:
            return self._reached().figures()
        except WireError as error:
            raise self._no_answer(error) from error

    def call(self, name: str, *args: Any, autograd: bool = True, **kwargs: Any) -> Call:
        """Call the student's function ``name``.

        The calls at a grade cell run in a copy of the student's process, so they cannot change
        what the checks of another one see; each has its own time limit.

        Args:
            name: the function's name.
            *args: tensors (with their ``requires_grad`` and ``.grad``), ``OnDevice``, arrays,
                numbers, strings, containers of them, or ``Expression``.
            autograd: False makes any use of autograd fail.
            **kwargs: named arguments of the same kinds.

        Raises:
            NotAttempted: there is no such function, or it raises ``NotImplementedError``.
            CheckFailed: it raises, ends its process or takes too long.
            NeedsReview: it needs what the emulated CUDA device cannot do.
            ValueError: an argument is on a device that this machine does not have.
        """
        self._check_devices([*args, *kwargs.values()])
        function = self.value(name)
        self._of_type(function, FunctionValue, f"`{name}`", _("a function"))
        trace.called(name, args, kwargs)
        try:
            return self._reached().call(name, args, kwargs, autograd)
        except CallFailed as error:
            if error.kind == NOT_EMULATED and self.cuda_available:
                raise NeedsReview(f"`{name}`: {one_line(error.text)}") from error
            failed = _call_failed(name, error)
            failed.message = self._told(failed.message)
            raise failed from error
        except WireError as error:
            raise self._no_answer(error) from error


def _call_failed(name: str, error: CallFailed) -> CheckFailed:
    """The failed check for a call that did not return.

    The exception's text stays with the teacher: a function could put its inputs into it.
    """
    detail = _ENDED.get(error.kind) or f"{error.kind}: {error.text}".removesuffix(": ")
    if error.kind == "NotImplementedError":
        return NotAttempted(_("`{name}` is still to be written.", name=name), detail=detail)
    if error.kind == "WireTimeout":
        return CheckFailed(
            _("`{name}` did not finish in time.", name=name),
            _("Look for a loop that never ends."),
            "timeout",
            detail,
        )
    if error.kind == "WireClosed":
        return CheckFailed(
            _("`{name}` ended the whole process.", name=name), "", "process-ended", detail
        )
    if error.kind == "AutogradDisabledError":
        return CheckFailed(
            _("`{name}` uses autograd, which is switched off here.", name=name),
            _("Write the formula of the gradient with tensor operations."),
            "autograd-used",
            detail,
        )
    message = _("`{name}` raises {kind} when it is called.", name=name, kind=error.kind)
    if error.line is not None:
        message += " " + _("It happens in line {line} of its cell.", line=error.line)
    hint = _("Call it yourself with small tensors of other shapes and dtypes and read the error.")
    return CheckFailed(message, hint, "exception", detail)


def one_line(text: str) -> str:
    """What a student wrote, as a terminal can show it: printable, on one line, not long."""
    return "".join(c if c.isprintable() else " " for c in text)[:300]


def type_name(value: Value) -> str:
    """The name of a value's type, as a student knows it; ``object`` for one of their own."""
    if isinstance(value, TensorValue):
        return "torch.Tensor"
    if isinstance(value, ArrayValue):
        return "numpy.ndarray"
    if isinstance(value, FunctionValue):
        return _("a function")
    name = str(getattr(value, "type_name", type(value).__name__))
    return name if name in _TYPES else "object"


def device_of(value: Value) -> torch.device | None:
    """The device that a value is or names, None when it is none."""
    if isinstance(value, torch.device):
        return value
    if isinstance(value, str) and len(value) < 40:
        try:
            return torch.device(value)
        except RuntimeError:
            return None
    return None
