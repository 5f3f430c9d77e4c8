"""The IPython shell that runs a student's cells and collects their outputs as nbformat data."""

import io
import sys
import zlib
from typing import Any, Final

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from autograder.runner import refusals, values

_HARD_FACTOR = 16
_MAX_OUTPUTS = 500
_MAX_TRACEBACK = 20_000
_REHEARSALS = 3


class CellTimeoutError(BaseException):
    """The cell ran longer than its limit."""


class CellOutputError(BaseException):
    """The cell wrote far more output than its limit."""


class Outputs:
    """The outputs of the running cell, bounded in number and size."""

    def __init__(self) -> None:
        self.limit = 64 * 1024
        self.clear()

    def clear(self) -> None:
        """Forget everything: a new cell begins."""
        self.items: list[dict[str, Any]] = []
        self._written = 0
        self._clear_next = False
        self.truncated = False

    def clear_output(self, wait: bool) -> None:
        """Do what ``IPython.display.clear_output`` asks for."""
        if wait:
            self._clear_next = True
        else:
            self.items = []

    def write(self, name: str, text: str) -> None:
        """Add text to a stream; adjacent texts of one stream become one output."""
        text = self._take(text)
        if not text:
            return
        last = self.items[-1] if self.items else None
        if last is not None and last["output_type"] == "stream" and last["name"] == name:
            last["text"] += text
        else:
            self.add({"output_type": "stream", "name": name, "text": text})

    def _take(self, text: str) -> str:
        """Count the text and return the part that is kept."""
        room = max(0, self.limit - self._written)
        self._written += len(text)
        if self._written > self.limit * _HARD_FACTOR:
            self.truncated = True
            raise CellOutputError
        if len(text) > room:
            self.truncated = True
        return text[:room]

    def add(self, output: dict[str, Any]) -> None:
        """Add a whole output, such as a figure or an error."""
        if self._clear_next:
            self.items, self._clear_next = [], False
        if len(self.items) < _MAX_OUTPUTS:
            self.items.append(output)
        else:
            self.truncated = True

    def update(self, display_id: str, data: dict[str, Any], metadata: dict[str, Any]) -> None:
        """Replace the display of this cell that has ``display_id``."""
        for item in self.items:
            if item.get("transient", {}).get("display_id") == display_id:
                item["data"], item["metadata"] = data, metadata


outputs = Outputs()


class _Stream(io.TextIOBase):
    """A text stream whose writes become stream outputs."""

    encoding = "utf-8"

    def __init__(self, name: str) -> None:
        self.name = name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        outputs.write(self.name, text)
        return len(text)


class _DisplayHook(DisplayHook):
    """Turns a cell's last value into an ``execute_result``."""

    def write_output_prompt(self) -> None:
        """No prompt: the notebook shows its own."""

    def write_format_data(self, format_dict: Any, md_dict: Any = None) -> None:
        data, metadata = _plain_bundle(format_dict), _plain_bundle(md_dict or {})
        outputs.add(
            {
                "output_type": "execute_result",
                "execution_count": self.prompt_count,
                "data": data,
                "metadata": metadata,
            }
        )


class _DisplayPublisher(DisplayPublisher):
    """Turns ``display(...)`` into ``display_data`` outputs."""

    def publish(
        self,
        data: Any,
        metadata: Any = None,
        source: Any = None,
        *,
        transient: Any = None,
        update: bool = False,
        **kwargs: Any,
    ) -> None:
        plain, plain_metadata = _plain_bundle(data), _plain_bundle(metadata or {})
        display_id = (transient or {}).get("display_id")
        if update and display_id is not None:
            outputs.update(str(display_id), plain, plain_metadata)
            return
        output = {"output_type": "display_data", "data": plain, "metadata": plain_metadata}
        if display_id is not None:
            output["transient"] = {"display_id": str(display_id)}
        outputs.add(output)

    def clear_output(self, wait: bool = False) -> None:
        outputs.clear_output(wait)


class CellShell(InteractiveShell):
    """IPython without a terminal, a history or anything left on disk."""

    def _showtraceback(self, etype: type, evalue: BaseException, stb: Any) -> None:
        text = "\n".join(stb) if isinstance(stb, list) else str(stb)
        outputs.add(
            {
                "output_type": "error",
                "ename": etype.__name__[:200],
                "evalue": short_text(evalue)[:2000],
                "traceback": text[-_MAX_TRACEBACK:].split("\n"),
            }
        )

    def enable_gui(self, gui: str | None = None) -> None:
        """Do nothing: there is no window, and `%matplotlib inline` asks for none."""

    def system(self, cmd: str) -> None:
        """Refuse shell commands: a submission has no other programs."""
        refusals.program_refused()


CellShell.system_piped = CellShell.system_raw = CellShell.system  # type: ignore[assignment,method-assign]


def short_text(error: BaseException) -> str:
    """The text of an exception, whatever its ``__str__`` does."""
    try:
        return str(error)
    except Exception as broken:  # a student's own __str__ may do anything
        return f"<{type(broken).__name__} in __str__>"


def _plain_bundle(bundle: Any) -> dict[str, Any]:
    """A MIME bundle as plain data: figures' bytes as base64 text, everything else as text."""
    from base64 import b64encode

    plain: dict[str, Any] = {}
    for mime, content in dict(bundle).items():
        if isinstance(content, bytes):
            plain[str(mime)] = b64encode(content).decode("ascii")
        elif isinstance(content, dict | list | int | float | bool):
            plain[str(mime)] = content
        else:
            plain[str(mime)] = str(content)
    return plain


_PICTURES: Final = {
    # to crop a picture tightly it is laid out twice more: over half the time of a plot
    "bbox_inches": None,
    # run lengths are what lines on white have to compress: files of the same size, much sooner
    "pil_kwargs": {"compress_type": zlib.Z_RLE},
}

figures: list[Any] = []
"""Every figure made so far, kept so that its data outlive ``plt.show`` and ``plt.close``."""


def _remember_figures() -> None:
    """Keep a reference to each matplotlib figure from its making on."""
    from matplotlib.figure import Figure

    make = Figure.__init__

    def remember(self: Any, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        if len(figures) < values.MAX_FIGURES:
            figures.append(self)

    Figure.__init__ = remember  # type: ignore[method-assign]


def make_shell() -> CellShell:
    """Build the shell, once, in the warm process; children inherit it by fork."""
    config = Config()
    config.HistoryManager.enabled = False
    config.InteractiveShell.autocall = 0
    config.InteractiveShell.colors = "nocolor"
    config.InteractiveShell.xmode = "Plain"
    config.InteractiveShell.cache_size = 100
    shell = CellShell.instance(
        config=config,
        displayhook_class=_DisplayHook,
        display_pub_class=_DisplayPublisher,
    )
    _remember_figures()
    shell.run_cell("%matplotlib inline", silent=True)
    shell.run_cell(f"%config InlineBackend.print_figure_kwargs = {_PICTURES}", silent=True)
    _rehearse(shell)
    return shell


_TYPICAL: Final = """
import matplotlib.pyplot as plt
figure, axes = plt.subplots()
axes.plot([0, 1], [0, 2], label="a")
axes.plot([0, 1], [1, 0], "--", label="b")
axes.set(xlabel="x", ylabel="y", title="t")
axes.legend()
axes.grid(True)
plt.show()
"""


def _rehearse(shell: CellShell) -> None:
    """Run a typical cell, so that fonts and the renderer are loaded before any fork.

    Some times, since Python adapts code that runs often to what it meets: a submission finds
    that done, and has fewer pages of memory to write to.
    """
    for _ in range(_REHEARSALS):
        shell.run_cell(_TYPICAL, silent=True)
    figures.clear()
    outputs.clear()
    shell.reset(new_session=False)
    shell.execution_count = 1


def connect_streams() -> None:
    """Send ``print`` and warnings to the cell's outputs."""
    sys.stdout = _Stream("stdout")
    sys.stderr = _Stream("stderr")
    sys.stdin = io.StringIO()
