"""Every command of the READMEs is run, in a copy of the repository; every piece of code too."""

import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.bench.commands import environment
from tests.docs import transcript
from tests.docs.transcript import Command, Done, Shell
from tests.packaging.installed import NO_SOURCE, ROOT
from tests.sample_class.build import notebook_of

READMES: Final = {"en": ROOT / "README.md", "es": ROOT / "README.es.md"}
MAKE_TEST, MAKE_DOCS, LAB, SERVE = "make test", "make docs", "autograder lab", "autograder serve"
EXPORT, ROSTER = "tensores.zip", "class.csv"
"""What a learning platform has exported, and the list of the class, in the READMEs' examples."""
HANDED_IN: Final = ("perfecto-1", "un-poco-de-todo")
DEMONSTRATED: Final = ("un-poco-de-todo", "backward-dos-veces", "bucle-infinito", "json-cortado")
"""The part of the demo's class that it is tried with: whom the README shows."""
READY: Final = ".ready"
"""What ``make setup`` leaves in ``.venv``."""
_CODE: Final = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_AS_NBGRADER: Final = "from traitlets.config import Config as get_config\n"


def commands(language: str) -> list[str]:
    """The commands of a README."""
    return [one.line for one in transcript.read(READMES[language]) if isinstance(one, Command)]


def repository(folder: Path) -> Path:
    """A copy of the repository, with an export of a platform and a roster in it."""
    copy = shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*NO_SOURCE))
    with zipfile.ZipFile(copy / EXPORT, "w") as archive:
        for student in HANDED_IN:
            archive.writestr(f"{student}/tensores.ipynb", notebook_of(copy, "tensores", student))
    (copy / ROSTER).write_text("\n".join(["id", *HANDED_IN]), encoding="utf-8")
    return copy


def as_set_up(copy: Path) -> Mapping[str, str]:
    """The environment after ``make setup``, which has been done where these tests run.

    The copy's own ``.venv`` leads to what is installed here, so nothing must be installed into it:
    it is newer than all that it depends on, and there is no Python to make another with.
    """
    own = copy / ".venv"
    own.mkdir()
    for path in Path(sys.prefix).iterdir():
        if path.name != READY:
            (own / path.name).symlink_to(path)
    (own / READY).touch()
    around = {**environment(), "PYTHONPATH": str(copy), "PYTHON": "false"}
    around["COLUMNS"] = "140"  # for rows of one line, as the README shows them
    return {**around, "STUDENTS": " ".join(DEMONSTRATED)}


def told_only(shell: Shell) -> Done:
    """What ``make test`` would run: it is what runs this test."""
    done = shell.run(Command("make --dry-run test"))
    assert "mypy" in done.output and "pytest" in done.output
    return done


@dataclass(frozen=True)
class Server:
    """A command that goes on until somebody ends it."""

    line: str
    options: tuple[str, ...]
    """So that it takes any free port, and opens nothing."""
    ready: str
    """What it prints when somebody can be served."""
    end: signal.Signals
    ended: str

    def __call__(self, shell: Shell) -> Done:
        """Serve until somebody can be served, and end it."""
        with subprocess.Popen(
            [*self.line.split(), *self.options],
            cwd=shell.folder,
            env=shell.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            said = ""
            for line in process.stdout:
                said += line
                if self.ready in line:
                    process.send_signal(self.end)
            status = process.wait(60)
        assert status == 0 and self.ready in said and self.ended in said, said
        return Done(Command(self.line), status, said)


SERVERS: Final = (
    Server(SERVE, ("--port", "0"), "Ctrl-C ends it", signal.SIGINT, "ended"),
    Server(
        LAB,
        ("--port", "0", "--no-browser", "--allow-root"),
        "?token=",
        signal.SIGTERM,
        "Shutting down",
    ),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """What became of each command of the English README."""
    copy = repository(tmp_path_factory.mktemp("readme") / "repository")
    instead: dict[str, Callable[[Shell], Done | None]] = {
        MAKE_TEST: told_only,
        MAKE_DOCS: lambda _shell: None,
        **{server.line: server for server in SERVERS},
    }
    shell = Shell(copy, as_set_up(copy), instead)
    assert "pip" not in shell.run(Command("make --dry-run demo")).output
    steps = [one for one in transcript.read(READMES["en"]) if isinstance(one, Command)]
    return {one.command.line: one for one in shell.follow(steps)}


def test_the_demo_leaves_what_the_readme_promises(done: dict[str, Done]) -> None:
    assert "score" in done["make demo"].output


def test_the_commands_for_teachers_grade_the_class_that_was_imported(done: dict[str, Done]) -> None:
    assert "2 of 2 submissions graded" in " ".join(done["autograder grade"].output.split())


def test_both_readmes_have_the_same_commands() -> None:
    """So what was run is also what the Spanish one says; ``make docs`` is run by ``test_site``."""
    assert commands("es") == commands("en")
    assert {MAKE_TEST, MAKE_DOCS, LAB, SERVE} <= set(commands("en"))


@pytest.mark.parametrize("language", sorted(READMES))
def test_the_code_of_the_readme_runs(language: str) -> None:
    pieces = _CODE.findall(READMES[language].read_text(encoding="utf-8"))
    assert pieces
    code = _AS_NBGRADER + "\n".join(pieces)
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=os.environ, check=True)


@pytest.mark.parametrize("language", sorted(READMES))
def test_what_the_readme_links_to_is_there(language: str) -> None:
    text = READMES[language].read_text(encoding="utf-8")
    targets = re.findall(r"\]\((?!http)([^)#]+)[^)]*\)", text)
    assert targets
    assert not [target for target in targets if not (ROOT / target).exists()]
