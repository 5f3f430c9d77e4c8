"""Why a name does not exist: what the other cells of the notebook tell of it."""

import difflib
import functools
import keyword
import re
from collections.abc import Sequence
from typing import Final

from autograder.explain.raised import Code
from autograder.messages import translate as _

_NAME: Final = re.compile(r"name '(\w{1,60})' is not defined")
_MADE: Final = re.compile(r"(?:async\s+)?(?:def|class)\s+(\w+)")
_TARGETS: Final = re.compile(r"[\w\s,]+")
_IDENTIFIER: Final = re.compile(r"[^\W\d]\w*")
_IMPORTS: Final = {
    "torch": "import torch",
    "np": "import numpy as np",
    "numpy": "import numpy as np",
    "plt": "import matplotlib.pyplot as plt",
    "math": "import math",
    "nn": "from torch import nn",
    "F": "import torch.nn.functional as F",
    "pd": "import pandas as pd",
    "random": "import random",
}
_OTHER_LANGUAGES: Final = {"true": "True", "false": "False", "null": "None", "none": "None"}
_MOST_LINES: Final = 2000
_MOST_LINE: Final = 200
_MOST_NAMES: Final = 2000


def explain_name(text: str, cells: Sequence[Code], failed: Code) -> tuple[str, str] | None:
    """The slug and the sentence for a ``NameError``; None if it tells no name."""
    found = _NAME.search(text)
    if found is None:
        return None
    name = found[1]
    return _elsewhere(name, cells, failed) or _by_itself(name, cells)


def _elsewhere(name: str, cells: Sequence[Code], failed: Code) -> tuple[str, str] | None:
    """The name is made somewhere in the notebook."""
    makers = [cell for cell in cells if name in made_in(cell.source)]
    for cell in makers:
        if cell.number < failed.number and cell.failed:
            return "name-of-failed-cell", _(
                "`{name}` is made in cell {number}, which did not run to its end: mend that cell "
                "first.", name=name, number=cell.number,
            )  # fmt: skip
    if any(cell.number == failed.number for cell in makers):
        return "name-too-early", _(
            "`{name}` is used before the line that makes it has run: put that line first.",
            name=name,
        )
    for cell in makers:
        if cell.number > failed.number:
            return "name-of-later-cell", _(
                "`{name}` is not made until cell {number}, and cells run from top to bottom: move "
                "what makes it before this one.", name=name, number=cell.number,
            )  # fmt: skip
    return None


def _by_itself(name: str, cells: Sequence[Code]) -> tuple[str, str]:
    """No cell makes the name."""
    if name in _OTHER_LANGUAGES:
        return "name-of-other-language", _(
            "Python does not know `{name}`: write `{right}`.",
            name=name,
            right=_OTHER_LANGUAGES[name],
        )
    if name in _IMPORTS:
        return "name-not-imported", _(
            "`{name}` is a module that has not been imported: write `{code}` in the first cell.",
            name=name,
            code=_IMPORTS[name],
        )
    known = sorted({one for cell in cells for one in made_in(cell.source)})[:_MOST_NAMES]
    near = difflib.get_close_matches(name, known, 1, 0.75)
    if near:
        return "name-misspelt", _(
            "There is no `{name}`, but there is `{other}`: check how you wrote it, also capital "
            "letters.", name=name, other=near[0],
        )  # fmt: skip
    return "name-missing", _(
        "There is no `{name}`: no cell of the notebook makes it, so check how it is written, or "
        "write the line that makes it.", name=name,
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def made_in(source: str) -> frozenset[str]:
    """The names that code seems to make, also code that Python cannot read."""
    found: set[str] = set()
    for line in source.splitlines()[:_MOST_LINES]:
        found |= _made_by(line[:_MOST_LINE].strip())
    return frozenset(name for name in found if not keyword.iskeyword(name) and len(name) <= 60)


def _made_by(line: str) -> set[str]:
    if definition := _MADE.match(line):
        return {definition[1]}
    if line.startswith(("import ", "from ")):
        parts = line.rpartition("import ")[2].split(",")
        return {words[-1] for part in parts if (words := _IDENTIFIER.findall(part))}
    if line.startswith("for "):
        return set(_IDENTIFIER.findall(line[4:].partition(" in ")[0]))
    found: set[str] = set()
    for target in line.replace("==", "\0").split("=")[:-1]:
        words = _IDENTIFIER.findall(target.partition(":")[0])
        if not _TARGETS.fullmatch(target.partition(":")[0]):
            break
        if words and not keyword.iskeyword(words[0]):
            found |= set(words)
    return found
