"""Follows a page of the documentation: saves the files that it shows and runs its commands.

A fence with a title is a file of that name, or with ``NOTEBOOK#ID`` the new content of a notebook's
cell. A ``console`` fence holds commands, each after ``$``; a
line that ends with a backslash goes on in the next. They are run one after the other, and a ``cd``
lasts. A ``text`` fence after them is a part of what they print, line by line; ``…`` stands for
anything, and frames of tables, which only a terminal gets, for nothing.
"""

import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import nbformat

_FENCE: Final = re.compile(
    r'^```(?P<kind>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL
)
_COMMAND: Final = re.compile(r"^\$ (?P<line>(?:.*\\\n)*.*)$", re.MULTILINE)
_WHERE: Final = "\npwd -P >&3"
_SECONDS: Final = 900


@dataclass(frozen=True)
class File:
    """A file that a page shows."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command that a page shows, and the lines that the page says are in what it prints.

    Of several commands in one fence, the last has them.
    """

    line: str
    printed: tuple[str, ...] = ()


@dataclass(frozen=True)
class Done:
    """What became of a command."""

    command: Command
    status: int
    output: str


def read(page: Path) -> Iterator[File | Command]:
    """The files and commands of a page, in their order."""
    waiting: list[Command] = []
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        kind, title, text = found["kind"], found["title"], found["text"]
        if kind == "text" and waiting:
            waiting[-1] = Command(waiting[-1].line, tuple(text.splitlines()))
            continue
        yield from waiting
        waiting = []
        if title:
            yield File(title, text)
        elif kind == "console":
            waiting = [Command(_plain(one["line"])) for one in _COMMAND.finditer(text)]
    yield from waiting


def _plain(line: str) -> str:
    """A command without the remark that stands behind it."""
    return re.sub(r"\s+# .*$", "", line)


def _spaced(line: str) -> str:
    """A line without frames, and with single spaces."""
    return " ".join(line.replace("│", " ").split())


@dataclass
class Shell:
    """A folder, and an environment, in which a page is followed."""

    folder: Path
    environment: Mapping[str, str]
    instead: Mapping[str, Callable[["Shell"], Done | None]] = field(default_factory=dict)
    """What is done in the place of commands that a test cannot run as they are written."""

    def follow(self, steps: Iterable[File | Command]) -> list[Done]:
        """Do what a page shows.

        Raises:
            AssertionError: a command fails, or does not print what the page says.
        """
        done: list[Done] = []
        for step in steps:
            if isinstance(step, File):
                self._write(step)
            elif step.line in self.instead:
                done += filter(None, [self.instead[step.line](self)])
            else:
                done.append(self.run(step))
                self._judge(done[-1])
        return done

    def _write(self, file: File) -> None:
        """Write a file, or a cell of a notebook."""
        name, _separator, cell_id = file.name.partition("#")
        path = self.folder / name
        if not cell_id:
            path.write_text(file.text, encoding="utf-8")
            return
        notebook = nbformat.read(path, as_version=4)
        (cell,) = [cell for cell in notebook.cells if cell.id == cell_id]
        cell.source = file.text.rstrip("\n")
        nbformat.write(notebook, path)

    def run(self, command: Command) -> Done:
        """Run one command where the last one left off."""
        place = self.folder / ".where"
        try:
            with place.open("w") as where:
                told = subprocess.run(
                    ["bash", "-c", f"exec 3>&{where.fileno()}\nset -e\n{command.line}{_WHERE}"],
                    cwd=self.folder,
                    env=self.environment,
                    pass_fds=(where.fileno(),),
                    capture_output=True,
                    text=True,
                    timeout=_SECONDS,
                    check=False,
                )
            self.folder = Path(place.read_text().strip() or self.folder)
        finally:
            place.unlink()
        return Done(command, told.returncode, told.stdout + told.stderr)

    @staticmethod
    def _judge(done: Done) -> None:
        told = f"$ {done.command.line}\n{done.output[-3000:]}"
        assert done.status == 0, told
        printed = {_spaced(line) for line in done.output.splitlines()}
        for line in done.command.printed:
            wanted = ".*".join(map(re.escape, _spaced(line).split("…")))
            assert any(re.search(wanted, one) for one in printed), f"not printed: {line}\n{told}"
