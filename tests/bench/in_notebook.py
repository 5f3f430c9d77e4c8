"""The hidden graders inside a stock kernel: what an nbgrader course without an engine would do.

A grade cell of the stock course is ``score("the-grade-id", points, globals())``: the very same
grader functions, asked of the live namespace in place of a checkpoint. nbgrader reads partial
credit from the cell's last value. Nothing here keeps a student from reading or patching it all,
which is why the engine exists; it is here to be measured and to be compared with.
"""

import builtins
import contextlib
import functools
import hmac
import importlib.util
import io
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Final, NoReturn, cast

import pytest

from autograder.grading import items
from autograder.grading.notebook import Place
from autograder.grading.results import CellResult, CheckResult
from autograder.grading.submission import Submission
from autograder.runner import values
from autograder.runner.answers import AUTOGRAD, AutogradDisabledError
from autograder.runner.checkpoint import Call, CallFailed, Checkpoint

GRADERS: Final = Path(__file__).parents[1] / "graders"
_figures: list[Any] = []


@dataclass(frozen=True)
class Grader:
    """One grader function of a grade cell."""

    function: Callable[[Submission], None]
    bound: items.Binding
    item: pytest.Item
    """Only its ``nodeid``, as the grading process knows it."""


class LiveCheckpoint(Checkpoint):
    """The namespace of a running kernel, asked as a checkpoint is."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._known = {}

    def read(self, name: str) -> values.Value:
        """The value of a name, in the form that crosses the wire; ``KeyError`` without one."""
        if name not in self._known:
            self._known[name] = values.from_wire(values.to_wire(self._namespace[name]))
        return self._known[name]

    def figures(self) -> list[values.FigureValue]:
        """Every figure made since ``watch_figures``."""
        wires = [values.figure_to_wire(figure) for figure in _figures]
        return [cast(values.FigureValue, values.from_wire(wire)) for wire in wires]

    def call(
        self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any], autograd: bool
    ) -> Call:
        """Call a function of the namespace, here; ``CallFailed`` if it raises."""
        own = [_own(arg) for arg in args]
        named = {key: _own(arg) for key, arg in kwargs.items()}
        try:
            with contextlib.nullcontext() if autograd else _without_autograd():
                value = self._namespace[name](*own, **named)
            after = (None if callable(arg) else _seen(arg) for arg in own)
            return Call(_seen(value), tuple(after))
        except Exception as error:
            raise CallFailed(_kind_of(error), None, str(error)[:2000]) from error


def _own(arg: Any) -> Any:
    """A copy of an argument, as the engine makes one in the student's process."""
    return values.to_live(values.to_wire(arg))


def _seen(value: Any) -> values.Value:
    return values.from_wire(values.to_wire(value))


def _kind_of(error: Exception) -> str:
    """The nearest built-in name of an exception, as the engine tells it."""
    if isinstance(error, AutogradDisabledError):
        return type(error).__name__
    kinds = [kind.__name__ for kind in type(error).__mro__]
    return next((kind for kind in kinds if hasattr(builtins, kind)), "Exception")


@contextlib.contextmanager
def _without_autograd() -> Iterator[None]:
    """Make any use of autograd fail, until the block ends: the kernel goes on afterwards."""

    def refuse(*args: Any, **kwargs: Any) -> NoReturn:
        raise AutogradDisabledError("autograd is switched off for this function")

    before = [(owner, name, getattr(owner, name)) for owner, name in AUTOGRAD]
    try:
        for owner, name in AUTOGRAD:
            setattr(owner, name, refuse)
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def watch_figures() -> None:
    """Keep every matplotlib figure from now on, also shown and closed ones."""
    from matplotlib.figure import Figure

    make = Figure.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        _figures.append(self)

    Figure.__init__ = remember  # type: ignore[method-assign]


SECRET: Final = bytes(32)
"""What both sides make hidden inputs from."""


def seed_of(assignment: str, student: str) -> int:
    """``autograder.bridge.seeds.Secret.seed``, which cannot be imported without nbgrader."""
    digest = hmac.digest(SECRET, f"{assignment}/{student}".encode(), "sha256")
    return int.from_bytes(digest[:6], "big")


@functools.cache
def graders(assignment: str) -> dict[str, list[Grader]]:
    """The graders of an assignment by grade cell, collected without pytest's session."""
    found: dict[str, list[Grader]] = {}
    for path in sorted((GRADERS / assignment).glob("test_*.py")):
        for name, function in vars(_load(path)).items():
            if name.startswith("test_") and (marks := getattr(function, "pytestmark", [])):
                grader = _grader(path, function, marks)
                found.setdefault(grader.bound.grade_id, []).append(grader)
    return found


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"graders_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _grader(path: Path, function: Any, marks: Sequence[pytest.Mark]) -> Grader:
    """The grader that a marked function is.

    Raises:
        NotImplementedError: it uses more of pytest than this module knows.
    """
    wanted = function.__code__.co_varnames[: function.__code__.co_argcount]
    if [mark.name for mark in marks] != [items.MARKER] or wanted != ("submission",):
        raise NotImplementedError(f"{path.name}: {function.__name__}: fixtures or parameters")
    assignment = path.parent.name
    item = SimpleNamespace(nodeid=f"{assignment}/{path.name}::{function.__name__}")
    weight = float(marks[0].kwargs.get("weight", 1))
    title = function.__doc__.strip().splitlines()[0]
    bound = items.Binding(assignment, marks[0].args[0], weight, title)
    return Grader(function, bound, cast(pytest.Item, item))


def judge(grader: Grader, place: Place, seed: int) -> CheckResult:
    """The result of one grader."""
    submission = Submission(place, seed, items.check_name(grader.item))
    try:
        grader.function(submission)
    except Exception as error:
        return items.result(grader.item, grader.bound, error, in_grader=True)
    return items.result(grader.item, grader.bound, None, in_grader=True)


def score(grade_id: str, points: float, namespace: Mapping[str, Any]) -> float:
    """The score of a grade cell of the notebook that runs in ``STUDENT/ASSIGNMENT``."""
    folder = Path.cwd()
    seed = seed_of(folder.name, folder.parent.name)
    checkpoint = LiveCheckpoint(namespace)
    silence = io.StringIO()  # to nbgrader anything on stderr is an error, and 0 points
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(silence),
        contextlib.redirect_stderr(silence),
    ):
        warnings.simplefilter("ignore")
        own = graders(folder.name)[grade_id]
        checks = tuple(judge(grader, Place(checkpoint, ""), seed) for grader in own)
    return CellResult(grade_id, checks).score(points)
