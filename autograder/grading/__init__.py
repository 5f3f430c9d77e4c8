"""Hidden pytest graders: what they import, and the plugin that runs them."""

from autograder.grading.submission import CheckFailed, NotAttempted, Submission, fail, type_name
from autograder.grading.tolerance import close
from autograder.runner.values import (
    ArrayValue,
    AxesValue,
    Expression,
    FigureValue,
    FunctionValue,
    LineValue,
    OpaqueValue,
    TensorValue,
    Value,
)
from autograder.runner.warm import Call

__all__ = [
    "ArrayValue",
    "AxesValue",
    "Call",
    "CheckFailed",
    "Expression",
    "FigureValue",
    "FunctionValue",
    "LineValue",
    "NotAttempted",
    "OpaqueValue",
    "Submission",
    "TensorValue",
    "Value",
    "close",
    "fail",
    "type_name",
]
