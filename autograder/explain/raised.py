"""An error as a cell's output holds it, and where in the notebook it happened."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

_ANSI: Final = re.compile(r"\x1b\[[0-9;]{0,40}[A-Za-z]")
_FRAME: Final = re.compile(r"Cell In\[(\d{1,6})\], line (\d{1,6})")
_TOKENS: Final = re.compile(r"File <tokenize>:(\d{1,6})")
"""How IPython names the place of an error that Python's tokenizer has found."""
_BEGINS: Final = "Traceback (most recent call last)"
_MOST_KIND: Final = 100
_MOST_TEXT: Final = 2000
_MOST_LINES: Final = 400
_MOST_LINE: Final = 500
_MOST_STDERR: Final = 20_000


@dataclass(frozen=True)
class Code:
    """A code cell of a notebook that was run."""

    number: int
    """Its place among all cells of the notebook, from 1."""
    source: str
    count: int | None = None
    """Its execution count, by which tracebacks name it."""
    failed: bool = False
    """Whether it ended with an error, or was not run at all."""

    def line(self, number: int | None) -> str:
        """A line of it; empty if there is none."""
        lines = self.source.splitlines()
        return lines[number - 1].strip() if number and number <= len(lines) else ""


@dataclass(frozen=True)
class Frame:
    """A step of a traceback that is in a cell."""

    count: int | None
    """The cell's execution count; None for the cell itself."""
    line: int


@dataclass(frozen=True)
class Raised:
    """An error that ended a cell; every text is plain and of bounded length."""

    kind: str
    """The exception's class."""
    text: str
    frames: tuple[Frame, ...] = ()
    """The steps in cells, the innermost last."""
    stderr: str = ""
    """What the cell wrote to the stream of errors, such as warnings."""

    @classmethod
    def of(cls, outputs: Sequence[Mapping[str, Any]]) -> "Raised | None":
        """The last error among a cell's outputs; None if there is none."""
        errors = [output for output in outputs if output.get("output_type") == "error"]
        if not errors:
            return None
        written = [str(o.get("text", "")) for o in outputs if o.get("name") == "stderr"]
        return cls(
            plain(str(errors[-1].get("ename", "")), _MOST_KIND),
            plain(str(errors[-1].get("evalue", "")), _MOST_TEXT),
            _frames(errors[-1].get("traceback")),
            "".join(written)[-_MOST_STDERR:],
        )


def _frames(traceback: Any) -> tuple[Frame, ...]:
    """The steps in cells of the error that was raised last."""
    lines = traceback[-_MOST_LINES:] if isinstance(traceback, list) else []
    text = _ANSI.sub("", "\n".join(str(line)[:_MOST_LINE] for line in lines))
    text = text.rpartition(_BEGINS)[2]  # others may have led to it
    frames = [Frame(int(count), int(line)) for count, line in _FRAME.findall(text)]
    if not frames:
        frames = [Frame(None, int(line)) for line in _TOKENS.findall(text)]
    return tuple(frames)


def plain(text: str, most: int) -> str:
    """Text without terminal colours and control characters, cut to a length."""
    text = _ANSI.sub("", text[: 2 * most])
    shown = "".join(one if one.isprintable() or one == "\n" else " " for one in text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"
