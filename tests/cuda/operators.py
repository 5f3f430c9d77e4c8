"""torch's own samples of its operators, computed by the CPU and on the emulated device.

``python -m tests.cuda.operators`` prints how many of them agree, and what the others do instead;
``--write-table`` writes the operators of the latter into ``operators.toml``, where a person then
says why (reasons that are there are kept); ``--all`` takes every sample that torch has.

torch tests its operators with a database of them (``torch.testing._internal.opinfo``): functions
and arguments that they take. A case is one sample of one form of an operator, such as ``x.add_(y)``
for ``add``, that the CPU computes. It agrees if the emulated device gives what the CPU gives,
values, shapes and dtypes, what became of the arguments, gradients, and if all of it is on
``cuda:0``.
"""

from __future__ import annotations

import random
import sys
import time
import tomllib
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from json import dumps
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from autograder import cuda

TABLE: Final = Path(__file__).with_suffix(".toml")
"""The operators that do not agree, each with the reason."""
FEW: Final = 6
"""Samples of each operator, and of each of its other forms, when the tests run."""
MANY: Final = 24
"""The same for the figures that are printed."""

_DATABASES: Final = {
    "common_methods_invocations": (
        "op_db foreach_unary_op_db foreach_binary_op_db foreach_pointwise_op_db "
        "foreach_reduce_op_db foreach_other_op_db"
    ),
    "autograd_function_db": "autograd_function_db",
    "custom_op_db": "custom_op_db",
}
"""Modules of ``torch.testing._internal`` and their lists of operators.

Left out: ``python_ref_db``, another implementation of the same operators that users do not call,
and ``hop_db``, operators for ``torch.compile``, which is not emulated.
"""
_UNINITIALISED: Final = frozenset(
    {"empty", "empty_like", "empty_permuted", "empty_strided", "new_empty", "new_empty_strided"}
)
"""Operators whose values are whatever the memory held before."""
_CANNOT: Final = "computes what CUDA has no kernel for"

_Form = Callable[..., Any]


def operators() -> Iterator[Any]:
    """The entries of the databases that the CPU computes in float32."""
    for module, names in _DATABASES.items():
        database = import_module(f"torch.testing._internal.{module}")
        for name in names.split():
            for operator in getattr(database, name, ()):
                if operator.supports_dtype(torch.float32, "cpu"):
                    yield operator


def name_of(operator: Any) -> str:
    """An entry's name: that of the operator, with the entry's variant if it has more than one."""
    return ".".join(filter(None, (operator.name, operator.variant_test_name)))


def _seed(generator: torch.Generator) -> None:
    """Begin random numbers anew: not with ``torch.manual_seed``, which is slow without a GPU."""
    random.seed(0)
    np.random.seed(0)
    generator.manual_seed(0)


def samples_of(operator: Any) -> list[Any]:
    """An operator's samples, the same ones each time."""
    _seed(torch.default_generator)
    gradients = operator.supports_autograd
    with torch.no_grad():
        return list(operator.sample_inputs_func(operator, "cpu", torch.float32, gradients))


def _some(samples: Sequence[Any], most: int) -> list[Any]:
    """At most so many samples, from the first to the last evenly."""
    count = min(most, len(samples))
    return [samples[i * (len(samples) - 1) // max(count - 1, 1)] for i in range(count)]


def _in_place(form: _Form) -> _Form:
    """A form that changes its first argument, given a copy: no leaf may be changed."""

    def call(first: Any, *args: Any, **kwargs: Any) -> Any:
        copy = first.clone() if isinstance(first, Tensor) else [each.clone() for each in first]
        returned = form(copy, *args, **kwargs)
        return copy, returned

    return call


def _into_out(form: _Form) -> _Form:
    """A form that is given tensors to write its results to; autograd does not follow those."""

    @torch.no_grad()
    def call(*args: Any, **kwargs: Any) -> Any:
        found = form(*args, **kwargs)
        if isinstance(found, Tensor):
            out: Any = torch.zeros_like(found)
        else:
            out = tuple(torch.zeros_like(each) for each in found)
        return out, form(*args, **kwargs, out=out)

    return call


def forms_of(operator: Any) -> dict[str, _Form]:
    """The ways in which an operator is called, by what they add to its name."""
    method, changing = operator.get_method(), operator.get_inplace()
    infix, assignment = operator.operator_variant, operator.inplace_operator_variant
    forms = {
        "": operator.get_op(),
        " as method": method,
        " as operator": infix,
        " in place": changing and _in_place(changing),
        " in place as operator": assignment and _in_place(assignment),
        " with out": operator.supports_out and _into_out(operator.get_op()),
    }
    return {name: form for name, form in forms.items() if form}


class _Mover:
    """Copies of arguments with their tensors on a device; the same tensor stays the same."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._copies: dict[int, Tensor] = {}
        self.names_device = False
        """Whether an argument says where the result is to be."""

    @property
    def tensors(self) -> list[Tensor]:
        return list(self._copies.values())

    def moved(self, value: Any) -> Any:
        """A copy of a value: its tensors are on the device, and it names the device."""
        if isinstance(value, Tensor):
            if id(value) not in self._copies:
                copy = value.detach().to(self._device, copy=True)
                self._copies[id(value)] = copy.requires_grad_(value.requires_grad)
            return self._copies[id(value)]
        if isinstance(value, dict):
            return {key: self.moved(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
            return type(value)(self.moved(item) for item in value)
        if value in ("cpu", torch.device("cpu")):
            self.names_device = True
            return torch.device(self._device)
        return value


def _parts(value: Any) -> Iterator[Any]:
    """What a result consists of: tensors, numbers, ..."""
    if isinstance(value, dict):
        yield from _parts(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _parts(item)
    else:
        yield value


def _tensors(value: Any) -> list[Tensor]:
    return [part for part in _parts(value) if isinstance(part, Tensor)]


def _gradients(outputs: Sequence[Tensor], inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    """The gradients of a weighted sum of outputs: the sum itself is constant for some of them."""
    followed = [output for output in outputs if output.requires_grad]
    if not followed or not inputs:
        return ()
    weights = []
    for output in followed:
        weight = torch.linspace(0.5, 1.5, output.numel(), device=output.device)
        weights.append(weight.reshape(output.shape).to(output.dtype))
    return torch.autograd.grad(followed, inputs, weights, allow_unused=True)


@dataclass
class Result:
    """What came of a sample on a device."""

    parts: list[Any] = field(default_factory=list)
    """What it gave, then its tensors, which it may have changed."""
    gradients: tuple[Tensor | None, ...] = ()
    devices: frozenset[str] = frozenset()
    """Where the tensors among all that are."""
    named: bool = True
    """Whether the sample has a tensor or the name of a device to say where results are to be."""
    error: str = ""
    """Why there is no result."""
    gradient_error: str = ""


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip() or '(no text)'}".splitlines()[0]


def run(form: _Form, sample: Any, device: str) -> Result:
    """Compute a sample and its gradients on a device."""
    mover = _Mover(device)
    first, args, kwargs = map(mover.moved, (sample.input, tuple(sample.args), sample.kwargs))
    inputs = [tensor for tensor in mover.tensors if tensor.requires_grad]
    result = Result(named=bool(mover.tensors) or mover.names_device)
    _seed(torch.default_generator if device == "cpu" else torch.cuda.default_generators[0])
    try:
        out = form(first, *args, **kwargs)
        given = _parts([out, mover.tensors])
        result.parts = [part.detach() if isinstance(part, Tensor) else part for part in given]
    except Exception as error:
        result.error = _told(error)
        return result
    try:
        result.gradients = _gradients(_tensors(sample.output_process_fn_grad(out)), inputs)
    except Exception as error:
        result.gradient_error = _told(error)
    tensors = _tensors([result.parts, result.gradients])
    result.devices = frozenset(str(tensor.device) for tensor in tensors)
    return result


def _differs(actual: Any, expected: Any, values: bool) -> str:
    """What is different about a part of a result, if something is."""
    if type(actual) is not type(expected):
        return f"a {type(actual).__name__}, not a {type(expected).__name__}"
    if not isinstance(expected, Tensor):
        # the text too, for nan is not equal to itself
        same = actual == expected or repr(actual) == repr(expected)
        return "" if same else f"{actual!r}, not {expected!r}"
    for name in ("shape", "dtype", "layout"):
        if getattr(actual, name) != getattr(expected, name):
            return f"{name} {getattr(actual, name)}, not {getattr(expected, name)}"
    if expected.dtype == torch.complex32:  # of which the CPU compares none
        actual, expected = actual.to(torch.complex64), expected.to(torch.complex64)
    if not values or (expected.layout == torch.strided and torch.equal(actual, expected)):
        return ""
    try:
        torch.testing.assert_close(actual, expected, equal_nan=True)
    except AssertionError as error:
        return f"other values: {str(error).splitlines()[0]}"
    return ""


def disagreement(actual: Result, expected: Result, values: bool = True) -> str:
    """What is wrong with a result of the emulated device; nothing where it agrees.

    Args:
        actual: the result.
        expected: the CPU's.
        values: whether numbers are compared.
    """
    if actual.error:
        return actual.error
    if actual.gradient_error and not expected.gradient_error:
        return f"backward: {actual.gradient_error}"
    pairs = [("result", actual.parts, expected.parts)]
    if not expected.gradient_error:
        pairs.append(("gradient", list(actual.gradients), list(expected.gradients)))
    for kind, ours, theirs in pairs:
        if len(ours) != len(theirs):
            return f"{kind}: {len(ours)} parts, not {len(theirs)}"
        for one, other in zip(ours, theirs, strict=True):
            if found := _differs(one, other, values):
                return f"{kind}: {found}"
    # What is made from numbers alone, without the name of a device, is the CPU's with CUDA too.
    elsewhere = actual.devices - {"cuda:0" if actual.named else "cpu"}
    return f"on {', '.join(sorted(elsewhere))}" if elsewhere else ""


@dataclass
class Figures:
    """How many cases agree."""

    operators: set[str] = field(default_factory=set)
    cases: Counter[str] = field(default_factory=Counter)
    """The samples that the CPU computes, by operator and form."""
    with_gradients: int = 0
    """In how many of them there are gradients to compare."""
    disagreements: dict[str, Counter[str]] = field(default_factory=dict)
    """What is wrong, and how often, by operator and form."""

    @property
    def agreeing(self) -> int:
        """How many cases agree."""
        wrong = sum(found.total() for found in self.disagreements.values())
        return self.cases.total() - wrong

    @property
    def share(self) -> float:
        """Which part of the cases agrees."""
        return self.agreeing / max(self.cases.total(), 1)

    def note(self, name: str, expected: Result, found: str) -> None:
        """Count a case, and what was found wrong about it."""
        self.cases[name] += 1
        self.with_gradients += any(each is not None for each in expected.gradients)
        if found:
            self.disagreements.setdefault(name, Counter())[found] += 1

    def __str__(self) -> str:
        return (
            f"torch {torch.__version__}: {len(self.operators)} operators in {len(self.cases)} "
            f"forms, {self.cases.total()} cases ({self.with_gradients} with gradients), "
            f"{self.agreeing} agree ({self.share:.2%})"
        )


def examine(operator: Any, most: int, figures: Figures) -> None:
    """Run an operator's samples on the CPU, then on the emulated device, and note what differs."""
    samples = _some(samples_of(operator), most)
    calls = [(*form, sample) for form in forms_of(operator).items() for sample in samples]
    expected = [run(form, sample, "cpu") for _, form, sample in calls]
    cases = [(*call, e) for call, e in zip(calls, expected, strict=True) if not e.error]
    with cuda.emulated():
        actual = [run(form, sample, "cuda") for _, form, sample, _ in cases]
    for (suffix, _, _, theirs), ours in zip(cases, actual, strict=True):
        found = disagreement(ours, theirs, values=operator.name not in _UNINITIALISED)
        if not operator.supports_dtype(torch.float32, "cuda"):
            found = "" if ours.error else _CANNOT
        figures.operators.add(name_of(operator))
        figures.note(name_of(operator) + suffix, theirs, found)


def measure(most: int) -> Figures:
    """Examine all operators, with at most so many samples of each form."""
    figures = Figures()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for operator in operators():
            examine(operator, most, figures)
    return figures


def reasons() -> Mapping[str, str]:
    """Why operators do not agree, by operator and form: what is in the table."""
    if not TABLE.is_file():
        return {}
    table: Mapping[str, str] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["reasons"]
    return table


def write_table(figures: Figures) -> None:
    """Make the table that of these figures; a person gives the reasons that are not there yet."""
    known = reasons()
    # what these samples do not reach stays, as another version of torch may have it
    names = {*figures.disagreements, *(name for name in known if name not in figures.cases)}
    lines = [f"{dumps(name)} = {dumps(known.get(name, ''))}" for name in sorted(names)]
    TABLE.write_text("\n".join([*_HEAD, "[reasons]", *lines, ""]), encoding="utf-8")


_HEAD: Final = (
    "# Operators that do not do on the emulated device what the CPU does, or do what CUDA cannot,",
    "# and why. `python -m tests.cuda.operators --write-table` writes the names; the tests fail if",
    "# one is missing, needless, or without a reason.",
    "",
)


def main(arguments: Sequence[str]) -> int:
    """Print the figures and what does not agree; the status is 1 where the table does not say so.

    Args:
        arguments: ``--all`` takes every sample; ``--write-table`` writes the table.
    """
    began = time.monotonic()
    figures = measure(sys.maxsize if "--all" in arguments else MANY)
    if "--write-table" in arguments:
        write_table(figures)
    known = reasons()
    for name, found in figures.disagreements.items():
        listed = "listed" if known.get(name) else "NOT LISTED"
        for what, count in found.items():
            print(f"{listed}  {name} ({count} of {figures.cases[name]}): {what[:200]}")
    print(f"{figures}, {time.monotonic() - began:.0f} s")
    return 0 if all(known.get(name) for name in figures.disagreements) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
