"""One look: the consoles, tables that fit, and the lines of results, warnings and errors.

On a terminal nothing is wider than it. Elsewhere, in a pipe or a file, a row is a line, whatever
its length, without frames or control codes: scripts search and cut lines.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.table import Table as Grid
from rich.text import Text

from autograder.plain import printable

_WIDE: Final = 1_000_000
"""No line is longer; where there is no terminal nothing is folded."""
_LEAST: Final = 12
"""To so many characters a column of text may be folded before a table is laid out otherwise."""
_GAP: Final = "  "
_COLORS: Final[dict[bool | None, Literal["auto", "standard"] | None]] = {
    None: "auto",
    True: "standard",
    False: None,
}


class Output(Console):
    """A console that folds on terminals only."""

    def __init__(self, *, stderr: bool = False) -> None:
        self._begin(stderr, None)

    def begin(self, color: bool | None = None) -> None:
        """Look anew at where the output goes; ``color``: as asked for, else as fits there."""
        self._begin(self.stderr, color)

    def _begin(self, stderr: bool, color: bool | None) -> None:
        super().__init__(
            stderr=stderr,
            color_system=_COLORS[color],
            no_color=False if color else None,  # else as NO_COLOR says
            highlight=False,
        )
        if not self.is_terminal:
            self.width = _WIDE


console: Final = Output()
"""Results, on standard output; silent where a script gets a JSON object there."""
errors: Final = Output(stderr=True)
"""All that is no result, on standard error."""


def begin(color: bool | None = None) -> None:
    """Prepare both consoles for a command."""
    console.begin(color)
    errors.begin(color)


def plain(text: str) -> str:
    """Text that comes from a submission, with nothing that rich or a terminal would obey."""
    return escape(printable(text))


def print_line(text: str, style: str = "") -> None:
    """Print a line of results; it may hold what students wrote."""
    _print(console, text, style)


def print_error(error: Exception | str) -> None:
    """Print an error that a teacher can mend: what, where, how to mend it."""
    _print(errors, f"autograder: {error}", "red")


def print_warning(text: str, *, strong: bool = False) -> None:
    """Print what a teacher should know although the command goes on."""
    _print(errors, f"autograder: {text}", "bold red" if strong else "yellow")


def _print(where: Console, text: str, style: str) -> None:
    where.print(Text(printable(text), style), soft_wrap=True)


@dataclass(frozen=True)
class Number:
    """The title of a column of numbers: they stand at the right, and are never folded."""

    title: str


class Table:
    """Rows under titles, laid out as it fits: a table, or a block for each row.

    Its cells are taken as they are, never as markup, and stripped of what a terminal would obey.
    """

    def __init__(self, *titles: str | Number, title: str = "") -> None:
        self._numbers = [isinstance(one, Number) for one in titles]
        self._titles = [one.title if isinstance(one, Number) else one for one in titles]
        self._title = title
        self._rows: list[list[Text]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, *cells: str | Text) -> None:
        """Add a row, with a cell for each title."""
        self._rows.append([_clean(cell) for cell in cells])

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        if self._title:
            yield Text(printable(self._title), "bold")
        if not console.is_terminal:
            yield from self._lines()
        elif self._least() <= options.max_width:
            yield self._grid()
        else:
            yield from self._blocks()

    def _columns(self) -> list[list[Text]]:
        return [[row[place] for row in self._rows] for place in range(len(self._titles))]

    def _least(self) -> int:
        """The width below which a table cannot be read."""
        widths = []
        for title, is_number, cells in zip(
            self._titles, self._numbers, self._columns(), strict=True
        ):
            full = max([cell_len(title), *(_width(cell) for cell in cells)])
            widths.append(full if is_number else min(full, max(_LEAST, cell_len(title))))
        return sum(widths) + 3 * len(widths) + 1

    def _grid(self) -> Grid:
        grid = Grid(header_style="bold") if any(self._titles) else Grid.grid(padding=(0, 2, 0, 0))
        for title, is_number in zip(self._titles, self._numbers, strict=True):
            grid.add_column(
                title,
                justify="right" if is_number else "left",
                no_wrap=is_number,
                overflow="fold",
            )
        for row in self._rows:
            grid.add_row(*row)
        return grid

    def _blocks(self) -> Iterator[RenderableType]:
        """Each row as lines of title and cell, for narrow terminals."""
        width = max(map(cell_len, self._titles))
        for row in self._rows:
            block = Grid.grid(padding=(0, 2, 0, 0))
            block.add_column(style="bold", no_wrap=True, min_width=width)
            block.add_column(overflow="fold")
            for title, cell in zip(self._titles, row, strict=True):
                if cell.plain:
                    block.add_row(title, cell)
            yield block
            yield Text()

    def _lines(self) -> Iterator[Text]:
        """Each row as one line, for pipes and files."""
        rows = [[Text("; ", end="").join(cell.split("\n")) for cell in row] for row in self._rows]
        if any(self._titles):
            rows.insert(0, [Text(title) for title in self._titles])
        places = range(len(self._titles))
        widths = [max((cell_len(row[place].plain) for row in rows), default=0) for place in places]
        for row in rows:
            line = Text()
            for cell, width, is_number in zip(row, widths, self._numbers, strict=True):
                space = " " * (width - cell_len(cell.plain))
                line.append_text(Text.assemble(*((space, cell) if is_number else (cell, space))))
                line.append(_GAP)
            line.rstrip()
            yield line


def _clean(cell: str | Text) -> Text:
    clean = Text(cell) if isinstance(cell, str) else cell.copy()
    clean.plain = printable(clean.plain)  # of the same length, so styles stay where they are
    return clean


def _width(cell: Text) -> int:
    return max(map(cell_len, cell.plain.split("\n")))
