"""An error of a cell, explained: where, what, and one plain sentence of what to look at."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from autograder.explain import python_rules, tensor_rules
from autograder.explain.names import explain_name
from autograder.explain.raised import Code, Raised, plain
from autograder.messages import N_
from autograder.messages import translate as _

_RULES: Final = (*tensor_rules.RULES, *python_rules.RULES)
_PLACE: Final = re.compile(r" \((?:<[\w -]{1,80}>|\d{1,20}\.py), line \d{1,6}\)$")
"""A place named by a file that no student knows, Python's or a kernel's; ours is told beside it."""
_MOST_SHOWN: Final = 300
_MOST_CODE: Final = 120
_GENERAL: Final = N_(
    "Read the last line of the error, which says what Python could not do, and look at the line "
    "of code that is named here."
)
_NOT_LEAF: Final = N_(
    "`.grad` is None because this tensor is the result of an operation: PyTorch keeps gradients "
    "only in the tensors that you created with `requires_grad=True`, so look at theirs."
)
_NO_GRAD: Final = N_(
    "`.grad` is still None: create the tensor with `requires_grad=True` and call `backward()` "
    "before you use its gradient."
)


@dataclass(frozen=True)
class Explanation:
    """An explained error; its texts are plain, in the current language."""

    slug: str
    cell: int
    """The number of the cell in which it happened."""
    line: int | None
    called_from: int | None
    """The line of the failed cell that led to it, where it happened in another cell."""
    code: str
    """The line of code."""
    error: str
    """The exception and its text, cut to a length."""
    sentence: str


def explain(raised: Raised, cells: Sequence[Code], failed: Code) -> Explanation:
    """Explain an error; this never fails, whatever the error says.

    Args:
        raised: the error.
        cells: the notebook's code cells.
        failed: the one that it ended.
    """
    place, line, called_from = _place(raised, cells, failed)
    code = plain(place.line(line), _MOST_CODE)
    slug, sentence = _sentence(raised, code, cells, failed)
    first = _PLACE.sub("", raised.text.strip().partition("\n")[0])
    error = f"{raised.kind}: {first}" if first else raised.kind
    return Explanation(
        slug, place.number, line, called_from, code, plain(error, _MOST_SHOWN), sentence
    )


def _place(
    raised: Raised, cells: Sequence[Code], failed: Code
) -> tuple[Code, int | None, int | None]:
    """The cell and the line of an error, and the line that led there if it is another cell."""
    by_count = {cell.count: cell for cell in cells if cell.count is not None}
    own = [frame.line for frame in raised.frames if frame.count in (None, failed.count)]
    for frame in reversed(raised.frames):
        cell = failed if frame.count is None else by_count.get(frame.count)
        if cell is not None:
            led = own[-1] if own and cell.number != failed.number else None
            return cell, frame.line, led
    return failed, None, None


def _sentence(raised: Raised, code: str, cells: Sequence[Code], failed: Code) -> tuple[str, str]:
    """The slug of an error's kind, and the sentence."""
    if raised.kind == "NameError" and (named := explain_name(raised.text, cells, failed)):
        return named
    if "NoneType" in raised.text:
        if "is not a leaf Tensor is being accessed" in raised.stderr:
            return "grad-of-non-leaf", _(_NOT_LEAF)
        if ".grad" in code:
            return "grad-is-none", _(_NO_GRAD)
    for rule in _RULES:
        sentence = rule.explains(raised)
        if sentence is not None:
            return rule.slug, sentence
    return "other", _(_GENERAL)
