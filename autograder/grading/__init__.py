"""Hidden pytest graders: what they import, and the plugin that runs them.

The names are loaded at first use: most of them need torch, which takes over a second to import,
and the commands and nbgrader's side get along without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autograder.grading.plain import errors_fail as errors_fail
    from autograder.grading.plain import from_notebook as from_notebook
    from autograder.grading.submission import CheckFailed as CheckFailed
    from autograder.grading.submission import NeedsReview as NeedsReview
    from autograder.grading.submission import NotAttempted as NotAttempted
    from autograder.grading.submission import Submission as Submission
    from autograder.grading.submission import device_of as device_of
    from autograder.grading.submission import fail as fail
    from autograder.grading.submission import type_name as type_name
    from autograder.grading.tolerance import close as close
    from autograder.grading.tolerance import looks_typed as looks_typed
    from autograder.runner.checkpoint import Call as Call
    from autograder.runner.values import ArrayValue as ArrayValue
    from autograder.runner.values import AxesValue as AxesValue
    from autograder.runner.values import Expression as Expression
    from autograder.runner.values import FigureValue as FigureValue
    from autograder.runner.values import FunctionValue as FunctionValue
    from autograder.runner.values import LineValue as LineValue
    from autograder.runner.values import OnDevice as OnDevice
    from autograder.runner.values import OpaqueValue as OpaqueValue
    from autograder.runner.values import TensorValue as TensorValue
    from autograder.runner.values import Value as Value

_HOMES = {
    "autograder.grading.plain": ("errors_fail", "from_notebook"),
    "autograder.grading.submission": (
        "CheckFailed",
        "NeedsReview",
        "NotAttempted",
        "Submission",
        "device_of",
        "fail",
        "type_name",
    ),
    "autograder.grading.tolerance": ("close", "looks_typed"),
    "autograder.runner.values": (
        "ArrayValue",
        "AxesValue",
        "Expression",
        "FigureValue",
        "FunctionValue",
        "LineValue",
        "OnDevice",
        "OpaqueValue",
        "TensorValue",
        "Value",
    ),
    "autograder.runner.checkpoint": ("Call",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME)  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
