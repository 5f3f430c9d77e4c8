"""What a check has done so far, for the teacher who asks why it failed.

The last call of a student's function with its hidden inputs, and the first comparison that did
not hold: what was expected, what came, and how far apart they are. It goes into a result's
``detail``, which students never see.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import torch

from autograder.runner.values import OnDevice

_LONGEST: Final = 400
"""Characters of one value."""
_MOST_NUMBERS: Final = 60
"""Numbers of a tensor that are told, row after row."""
CALL: Final = "call: "
EXPECTED: Final = "expected: "
CAME: Final = "came: "

_call: tuple[str, Sequence[Any], Mapping[str, Any]] | None = None
"""Kept as it is: to write out the inputs of every call takes longer than the call."""
_comparison: list[str] = []


def begin() -> None:
    """Forget what another check has done."""
    global _call
    _call = None
    _comparison.clear()


def called(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Take note of a call of a student's function."""
    global _call
    _call = name, args, kwargs


def compared(actual: torch.Tensor, expected: torch.Tensor, allowed: float | None) -> None:
    """Take note of a comparison that did not hold; of several only the first.

    Args:
        actual: what came.
        expected: the reference's.
        allowed: the tolerance; None where shapes differ.
    """
    if _comparison:
        return
    _comparison[:] = [f"{EXPECTED}{_text(expected)}", f"{CAME}{_text(actual)}"]
    if allowed is None:
        shapes = f"{tuple(actual.shape)} for {tuple(expected.shape)}"
        _comparison.append(f"the shapes differ: {shapes}")
    elif actual.numel():
        wide = torch.complex128
        apart = float((actual.detach().to(wide) - expected.detach().to(wide)).abs().max())
        _comparison.append(f"largest difference {apart:.3g}, allowed {allowed:.3g}")


def told() -> str:
    """What is known, as lines of text; nothing if the check has neither called nor compared."""
    return "\n".join([*_call_told(), *_comparison])


def _call_told() -> Iterator[str]:
    if _call is not None:
        name, args, kwargs = _call
        given = [*map(_text, args), *(f"{key}={_text(one)}" for key, one in kwargs.items())]
        yield f"{CALL}{name}({', '.join(given)})"


def _text(value: Any) -> str:
    if isinstance(value, OnDevice):
        return f"{value.device} {_text(value.tensor)}"
    if isinstance(value, torch.Tensor):
        flags = ", requires_grad" if value.requires_grad else ""
        first = value.detach().reshape(-1)[:_MOST_NUMBERS].tolist()  # a result may be huge
        more = " …" if value.numel() > _MOST_NUMBERS else ""
        text = f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}{flags} {first}{more}"
    elif isinstance(value, str):
        text = repr(value)  # else nothing would be seen of an empty one
    else:
        text = str(getattr(value, "source", value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
