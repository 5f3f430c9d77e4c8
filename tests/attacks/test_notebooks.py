"""Attacks by means of the notebook and the files around it, each graded end to end.

Every tampering is undone, or the student reads why the notebook was not graded. None gains a
point, none stops the class and none changes a file outside ``autograded/``.
"""

import copy
import json
import os
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell

from autograder.bridge.course import Course
from tests.small_course import KERNEL, make_course, nbgrader_cell, notebook_of

CONFIG = """
from autograder.bridge import configure
c = get_config()
configure(c)
c.RunGraders.cell_seconds = 2
c.RunGraders.language = "es"
"""
GRADERS = '''
import pytest
import torch
from autograder.grading import Submission, close, fail

@pytest.mark.grade_cell("one-tensor")
def test_values(submission: Submission) -> None:
    """`t` holds three ones."""
    assert close(submission.tensor("t").tensor, torch.ones(3))

@pytest.mark.grade_cell("one-double")
def test_double(submission: Submission) -> None:
    """`double` doubles."""
    x = torch.randn(4, generator=submission.generator)
    result = submission.as_tensor(submission.call("double", x).value, "the result")
    if not close(result.tensor, 2 * x):
        fail("it does not double")
'''
RIGHT = {"one-tensor": "t = torch.ones(3)", "one-double": "def double(x):\n    return FACTOR * x"}
WRONG = {"one-tensor": "t = torch.zeros(3)", "one-double": "def double(x):\n    return 7"}
ALL = 7.0


def _source_notebook() -> Any:
    cells = [
        new_code_cell("import torch", id="imports"),
        nbgrader_cell("FACTOR = 2", "one-data", locked=True),
        nbgrader_cell(
            "### BEGIN SOLUTION\nt = torch.ones(3)\n### END SOLUTION", "one-tensor-solution"
        ),
        nbgrader_cell("assert t.shape == (3,)", "one-tensor", 3),
        nbgrader_cell("### BEGIN SOLUTION\ndouble = 1\n### END SOLUTION", "one-double-solution"),
        nbgrader_cell("assert double(1) == 2", "one-double", 4),
    ]
    return notebook_of(cells)


@dataclass
class Draft:
    """A submission that an attack changes before it is handed in."""

    notebook: Any
    """The notebook's JSON."""
    folder: Path
    course: Course
    data: bytes | None = None
    """The notebook's bytes, in place of its JSON."""
    absent: bool = False
    """The attack itself has put something in the notebook's place."""

    @property
    def cells(self) -> list[Any]:
        cells: list[Any] = self.notebook["cells"]
        return cells

    def cell(self, name: str) -> Any:
        return next(cell for cell in self.cells if cell["id"] == name)

    def move(self, name: str, to: int) -> None:
        cell = self.cell(name)
        self.cells.remove(cell)
        self.cells.insert(to, cell)

    def answer(self, answers: dict[str, str]) -> None:
        for name, source in answers.items():
            self.cell(f"{name}-solution")["source"] = source

    def hand_in(self) -> None:
        if not self.absent:
            data = self.data or json.dumps(self.notebook).encode()
            (self.folder / "one.ipynb").write_bytes(data)


@dataclass(frozen=True)
class Attack:
    """One attack and what has to become of it."""

    name: str
    tries: str
    change: Callable[[Draft], None]
    score: float = ALL
    says: str = ""
    """A pattern in what the student reads; nothing is said where it is empty."""
    page: bool = False
    """Write the feedback page too."""
    kept: tuple[str, ...] = field(default=())
    """Other files that are in ``autograded/`` afterwards."""


# --- what attacks do ---------------------------------------------------------------------------


def _remove(*names: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.cells[:] = [cell for cell in draft.cells if cell["id"] not in names]

    return change


def _move(name: str, to: int) -> Callable[[Draft], None]:
    return lambda draft: draft.move(name, to)


def _reverse(draft: Draft) -> None:
    draft.cells[1:] = draft.cells[:0:-1]


def _edit(name: str, **values: object) -> Callable[[Draft], None]:
    return lambda draft: draft.cell(name).update(values)


def _facts(values: dict[str, object], *names: str) -> Callable[[Draft], None]:
    """Set values in the nbgrader metadata of grade cells, while the answers are wrong."""

    def change(draft: Draft) -> None:
        draft.answer(WRONG)
        for name in names or ("one-tensor", "one-double"):
            draft.cell(name)["metadata"]["nbgrader"].update(values)

    return change


def _replace_facts(value: object) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        for name in ("one-tensor", "one-double"):
            draft.cell(name)["metadata"]["nbgrader"] = value

    return change


def _all_metadata(value: object) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.notebook["metadata"] = value
        for name in ("imports", "one-data", "one-tensor", "one-double"):
            draft.cell(name)["metadata"] = value

    return change


def _notebook_metadata(**values: object) -> Callable[[Draft], None]:
    return lambda draft: draft.notebook["metadata"].update(values)


def _same_ids(draft: Draft) -> None:
    for cell in draft.cells:
        cell["id"] = "same"


def _odd_ids(draft: Draft) -> None:
    odd = ["a b", "x" * 1000, 7, None, "../..", {"a": []}]
    for cell, name in zip(draft.cells, odd, strict=True):
        cell["id"] = name


def _our_ids(draft: Draft) -> None:
    for number, name in enumerate(["autograder-notes", "restored-0", "restored-1", "cell-9"]):
        draft.cells[number]["id"] = name
    draft.cells.pop(3)


def _plain(source: object, name: str, **more: object) -> dict[str, object]:
    cell: dict[str, object] = {"cell_type": "code", "id": name, "metadata": {}, "source": source}
    return cell | {"outputs": [], "execution_count": None} | more


def _add(*cells: dict[str, object]) -> Callable[[Draft], None]:
    return lambda draft: draft.cells.extend(cells)


def _copy_of_a_grade_cell(draft: Draft) -> None:
    draft.answer(WRONG)
    for number in range(3):
        again = copy.deepcopy(draft.cell("one-double"))
        again.update(id=f"again-{number}", source="4.0")
        draft.cells.append(again)


def _own_grade_cell(draft: Draft) -> None:
    draft.answer(WRONG)
    draft.cell("one-double")["metadata"] = {}
    facts = {"grade_id": "one-double", "grade": True, "solution": True, "locked": False}
    draft.cells.append(_plain("4.0", "mine", metadata={"nbgrader": facts | {"points": 4}}))


def _bonus(draft: Draft) -> None:
    draft.answer(WRONG)
    again = copy.deepcopy(draft.cell("one-double"))
    again.update(id="bonus", source="1000")
    again["metadata"]["nbgrader"].update(grade_id="one-bonus", points=1000)
    draft.cells.append(again)


def _swap_names(first: str, second: str) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        one, two = draft.cell(first)["metadata"], draft.cell(second)["metadata"]
        one["nbgrader"], two["nbgrader"] = two["nbgrader"], one["nbgrader"]

    return change


def _forged_results(draft: Draft) -> None:
    draft.answer(WRONG)
    output = {"output_type": "execute_result", "metadata": {}, "execution_count": 1}
    passed = {"status": "passed", "title": "", "weight": 1}
    for name, points in (("one-tensor", "3"), ("one-double", "4")):
        cell = draft.cell(name)
        cell["outputs"] = [output | {"data": {"text/plain": points}}]
        cell["metadata"]["autograder"] = {"grade_id": name, "checks": [passed]}
    draft.notebook["metadata"]["autograder"] = {"problem": "", "graded": True, "notes": ["10/10"]}


def _nested(levels: int) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.notebook["metadata"]["deep"] = "DEEP"
        deep = "[" * levels + "]" * levels
        draft.data = json.dumps(draft.notebook).replace('"DEEP"', deep).encode()

    return change


def _strange_numbers(draft: Draft) -> None:
    numbers = {"a": float("nan"), "b": float("-inf"), "c": "BIG", "d": "HUGE"}
    draft.notebook["metadata"]["x"] = numbers
    draft.cell("one-double")["metadata"]["x"] = numbers
    draft.cell("one-double")["metadata"]["nbgrader"]["points"] = float("inf")
    text = json.dumps(draft.notebook).replace('"BIG"', "1e999").replace('"HUGE"', "9" * 100_000)
    draft.data = text.encode()


def _surrogates(draft: Draft) -> None:
    draft.cell("imports")["source"] = ["import torch  # \ud800\n", "# \udfff\ud800"]
    draft.cell("one-double")["metadata"]["\ud800"] = "\udfff"
    draft.notebook["metadata"]["\ud800"] = {"\udfff": ["\ud800"]}
    draft.cells.append(_plain("\ud800", "text", cell_type="markdown"))
    facts = {"nbgrader": {"grade_id": "\ud800"}}
    draft.cells.append(_plain("1", "claims", metadata=facts))


_SURROGATE_ANSWERS = {
    "one-tensor": "class T: pass\nT.__qualname__ = chr(0xD800)\nt = T()",
    "one-double": "def double(x):\n    raise type(chr(0xD801), (Exception,), {})(chr(0xDFFF))",
}
_FRAMES = """
import gc, sys
from autograder.runner import wire
frames = []
try:
    while True:
        frames.append(sys._getframe(len(frames)))
except ValueError:
    index = next(f.f_locals['index'] for f in frames if {'index', 'job'} <= set(f.f_locals))
for channel in [thing for thing in gc.get_objects() if type(thing) is wire.Channel]:
    output = {'output_type': 'execute_result', 'data': {'text/plain': chr(0xD800)}, 'metadata': {},
              'execution_count': -5}
    for _ in range(2):
        channel.send({'cell': index, 'status': 'ok', 'execution_count': -5, 'outputs': [output]})
"""


def _control_characters(draft: Draft) -> None:
    every = "".join(map(chr, range(32))) + "\x7f\u2028\ufffe\uffff"
    draft.cells.append(_plain(every, "text", cell_type="markdown"))
    draft.cells.append(_plain(f"'{every}'", "code"))
    draft.cells.append(_plain(every, "raw", cell_type="raw"))


def _wrong_types(draft: Draft) -> None:
    draft.cell("imports").update(outputs=7, execution_count="x", attachments=["a"])
    draft.cell("one-double").update(outputs=None, attachments={"a": 1}, surprise=[1])
    draft.notebook.update(nbformat_minor="x", nbformat=None, surprise={})


def _old_format(draft: Draft) -> None:
    for cell in draft.cells:
        cell["input"] = cell.pop("source")
        del cell["id"]
    draft.notebook = {"nbformat": 3, "worksheets": [{"cells": draft.cells}], "metadata": {}}


def _bytes(data: bytes) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.data = data

    return change


def _whole(**values: object) -> Callable[[Draft], None]:
    return lambda draft: draft.notebook.update(values)


def _in_place(make: Callable[[Path], None]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        draft.absent = True
        make(draft.folder / "one.ipynb")

    return change


def _link_to_honest(draft: Draft) -> None:
    draft.absent = True
    honest = draft.course.folder("submitted", "one", "honest") / "one.ipynb"
    (draft.folder / "one.ipynb").symlink_to(honest)


def _folder_of_honest(draft: Draft) -> None:
    draft.absent = True
    draft.folder.rmdir()
    draft.folder.symlink_to(draft.course.folder("submitted", "one", "honest"))


def _links(draft: Draft) -> None:
    root = draft.course.root
    (draft.folder / "notes.db").symlink_to(root / "gradebook.db")
    (draft.folder / "everything").symlink_to(root)
    (draft.folder / "dangling").symlink_to("nowhere")
    (draft.folder / "sub").mkdir()
    (draft.folder / "sub/solution.txt").symlink_to(root / "source/one/one.ipynb")
    (draft.folder / "sub/mine.txt").write_text("mine")


def _special_files(draft: Draft) -> None:
    os.mkfifo(draft.folder / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(draft.folder)  # names of sockets are short
        server.bind("socket")
        os.chdir(here)
    (draft.folder / "mine.txt").write_text("mine")


def _large_files(draft: Draft) -> None:
    with (draft.folder / "large.bin").open("wb") as file:
        file.truncate(10**8)
    for number in range(7):
        with (draft.folder / f"part-{number}.bin").open("wb") as file:
            file.truncate(9 * 1024**2)


def _many_files(draft: Draft) -> None:
    for number in range(600):
        (draft.folder / f"f{number:03}").write_text("")


def _timestamp(make: Callable[[Path], object]) -> Callable[[Draft], None]:
    def change(draft: Draft) -> None:
        make(draft.folder / "timestamp.txt")

    return change


def _names_of_ours(draft: Draft) -> None:
    (draft.folder / ".autograder").mkdir()
    (draft.folder / ".autograder/x").write_text("x")
    (draft.folder / ".autograder.partial").write_text("x")
    (draft.folder / "one.html").write_text("x")


def _in_the_teachers_way(draft: Draft) -> None:
    (draft.folder / "data.csv").mkdir()
    (draft.folder / "data.csv/x").write_text("x")
    (draft.folder / "more").write_text("x")


def _odd_names(draft: Draft) -> None:
    for name in (b"\xff.txt", b"a\nb", b"<b>.txt", b"-rf", b"x" * 255, "ñ [1].txt".encode()):
        Path(os.fsdecode(os.fsencode(draft.folder) + b"/" + name)).write_text("x")
    (draft.folder / "[a]*").mkdir()
    (draft.folder / "[a]*/one.ipynb").write_text("x")


ATTACKS = [
    Attack("deleted-checks", "delete the checks", _remove("one-tensor", "one-double"),
           says="repuestas: one-tensor, one-double"),
    Attack("deleted-data", "delete a given cell", _remove("one-data"),
           says="enunciado .*: one-data"),
    Attack("deleted-all", "delete all but the answers",
           _remove("one-data", "one-tensor", "one-double"), says="(?s)repuestas.*enunciado"),
    Attack("check-first", "be checked before running", _move("one-double", 0),
           says="devueltas a su lugar: one-double"),
    Attack("check-last", "be checked after everything", _move("one-tensor", 5),
           says="devueltas a su lugar: one-tensor"),
    Attack("data-last", "run without the given cell", _move("one-data", 5),
           says="devueltas a su lugar: one-data"),
    Attack("reversed", "turn the notebook around", _reverse, says="devueltas a su lugar"),
    Attack("edited-data", "change a given cell", _edit("one-data", source="FACTOR = 7")),
    Attack("edited-check", "change a check", _edit("one-double", source="1000")),
    Attack("check-as-text", "hide a check as text", _edit("one-double", cell_type="markdown")),
    Attack("check-as-raw", "hide a check as raw", _edit("one-tensor", cell_type="raw")),
    Attack("check-as-nothing", "a type of no cell", _edit("one-tensor", cell_type={"a": 1})),
    Attack("answer-as-raw", "an answer as raw", _edit("one-double-solution", cell_type="raw")),
    Attack("answer-as-text", "as text", _edit("one-tensor-solution", cell_type="markdown")),
    Attack("data-as-text", "a given cell as text", _edit("one-data", cell_type="markdown")),
    Attack("points-negative", "owe points", _facts({"points": -5}), 0),
    Attack("points-text", "points that are no number", _facts({"points": "NaN"}), 0),
    Attack("points-endless", "endless points", _facts({"points": float("inf")}), 0),
    Attack("points-more", "more points", _facts({"points": 1000}), 0),
    Attack("schema-text", "a version that is text", _facts({"schema_version": "x"}), 0),
    Attack("schema-new", "a version to come", _facts({"schema_version": 99}), 0),
    Attack("schema-old", "a version long gone", _facts({"schema_version": 0}), 0),
    Attack("unlocked", "checks that count as open", _facts({"locked": "no", "solution": True}), 0),
    Attack("no-grade", "checks that are none", _facts({"grade": False, "solution": 1}), 0),
    Attack("facts-list", "metadata that is a list", _replace_facts([]), says="repuestas"),
    Attack("facts-empty", "metadata that is empty", _replace_facts({}), says="repuestas"),
    Attack("name-object", "a name that is an object", _replace_facts({"grade_id": {}}),
           says="repuestas"),
    Attack("metadata-list", "metadata as a list", _all_metadata([1]), says="repuestas"),
    Attack("metadata-null", "no metadata at all", _all_metadata(None), says="repuestas"),
    Attack("same-ids", "the same id everywhere", _same_ids),
    Attack("odd-ids", "ids that are none", _odd_ids),
    Attack("our-ids", "ids of the engine", _our_ids, says="repuestas: one-tensor", page=True),
    Attack("copied-check", "copies of a check that print 4", _copy_of_a_grade_cell, 0,
           says="^$|devueltas"),
    Attack("own-check", "a check of one's own that prints 4", _own_grade_cell, 0),
    Attack("bonus", "a check that the course does not have", _bonus, 0),
    Attack("swapped-checks", "swap two checks", _swap_names("one-tensor", "one-double"),
           says="devueltas"),
    Attack("swapped-kinds", "be a check instead of an answer",
           _swap_names("one-double-solution", "one-double"), 3, says="devueltas"),
    Attack("forged", "write one's own results", _forged_results, 0),
    Attack("nested", "nest metadata", _nested(70), 0, says="más de 64 niveles"),
    Attack("nested-far", "nest metadata until readers fail", _nested(200_000), 0,
           says="más de 64 niveles"),
    Attack("numbers", "numbers that are none or have no end", _strange_numbers),
    Attack("surrogates", "text that fits in no file", _surrogates, page=True),
    Attack("surrogates-in-answers", "results that fit in no file",
           lambda draft: draft.answer(_SURROGATE_ANSWERS), 0, page=True),
    Attack("outcome-that-is-no-nbformat", "an outcome that fits in no notebook",
           lambda draft: draft.answer({"one-double": _FRAMES}), 3, page=True),
    Attack("control", "every control character", _control_characters, page=True),
    Attack("types", "wrong types all over", _wrong_types),
    Attack("cells-many", "too many cells",
           _add(*(_plain("1", f"n{n}") for n in range(5000))), 0, says="5006 celdas"),
    Attack("cells-of-quotes", "code that takes twice its room on its way to the graders",
           _add(*(_plain("#" + '"' * 190, "n") for n in range(2500)))),
    Attack("code-long", "a cell that is too long", _add(_plain("#" * 2**18, "long")), 0,
           says="La celda 7 es demasiado larga"),
    Attack("text-slow", "text that takes hours to show",
           _add(_plain("\\begin{a}" * 20_000, "slow", cell_type="markdown")), page=True),
    Attack("kernel-command", "start a command as the kernel",
           _notebook_metadata(kernelspec={"name": "; touch x", "argv": ["touch", "x"],
                                          "display_name": "../../x"})),
    Attack("kernel-types", "a kernel that is a list", _notebook_metadata(kernelspec=[{}]),
           page=True),
    Attack("extensions", "metadata of extensions",
           _notebook_metadata(language_info={"name": {}, "pygments_lexer": []}, widgets=[],
                              jupytext={"text_representation": 1}, title="<script>", authors=7),
           page=True),
    Attack("tags", "hide cells from the page",
           _edit("imports", metadata={"tags": ["remove-cell"], "jupyter": {"source_hidden": 1},
                                      "raw_mimetype": {}}), page=True),
    Attack("old-format", "an old format, which is fine", _old_format),
    Attack("new-format", "a format to come", _whole(nbformat=5), 0, says="formato 5"),
    Attack("cells-object", "cells that are none", _whole(cells={}), 0, says="no es un cuaderno"),
    Attack("cell-number", "a cell that is a number", _whole(cells=[7]), 0,
           says="celda 1 .* dañada"),
    Attack("source-number", "a source that is a number", _add(_plain(7, "n")), 0,
           says="celda 7 .* dañada"),
    Attack("empty", "an empty file", _bytes(b" \n"), 0, says="vacío"),
    Attack("cut", "half a file", _bytes(b'{"cells": ['), 0, says="cortado"),
    Attack("binary", "no text", _bytes(b"\xff\xfe\x00PK"), 0, says="UTF-8"),
    Attack("link", "have the passwords shown",
           _in_place(lambda path: path.symlink_to("/etc/passwd")), 0, says="enlace"),
    Attack("link-dangling", "a link to nothing",
           _in_place(lambda path: path.symlink_to("nowhere")), 0, says="enlace"),
    Attack("link-to-honest", "hand in another's notebook", _link_to_honest, 0, says="enlace"),
    Attack("folder-of-honest", "hand in another's folder", _folder_of_honest, 0,
           says="carpeta es un enlace"),
    Attack("pipe", "a pipe that blocks", _in_place(os.mkfifo), 0, says="no es un archivo"),
    Attack("folder", "a folder", _in_place(Path.mkdir), 0, says="no es un archivo"),
    Attack("other-links", "have other files copied", _links,
           says="no se tuvieron en cuenta: dangling, everything, notes.db, sub/solution.txt",
           kept=("sub/mine.txt",), page=True),
    Attack("other-special", "block the copying", _special_files, says="en cuenta: pipe, socket",
           kept=("mine.txt",)),
    Attack("other-large", "fill the disk", _large_files,
           says="en cuenta: large.bin, part-5.bin, part-6.bin",
           kept=tuple(f"part-{number}.bin" for number in range(5))),
    Attack("other-many", "fill the disk with files", _many_files, says="en cuenta: …",
           kept=tuple(f"f{number:03}" for number in range(500))),
    Attack("time-pipe", "a time that blocks", _timestamp(os.mkfifo), says="timestamp.txt"),
    Attack("time-nonsense", "no time", _timestamp(lambda path: path.write_text("soon")),
           says="timestamp.txt"),
    Attack("time-far", "a time beyond all", _timestamp(lambda path: path.write_text("9" * 40)),
           says="timestamp.txt"),
    Attack("time-link", "a time elsewhere",
           _timestamp(lambda path: path.symlink_to("/etc/passwd")), says="timestamp.txt"),
    Attack("our-names", "files where the engine's are", _names_of_ours, says=".autograder",
           page=True),
    Attack("teachers-way", "files where the teacher's go", _in_the_teachers_way,
           says="en cuenta: data.csv, more"),
    Attack("odd-names", "names of files that are none", _odd_names, says=r"en cuenta: \?a\?\?\.$",
           kept=("-rf", "ñ [1].txt"), page=True),
]  # fmt: skip


# --- the course --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    root = tmp_path_factory.mktemp("course")
    (root / "source/one/more").mkdir(parents=True)
    (root / "source/one/data.csv").write_text("1,2\n")
    (root / "source/one/more/data.csv").write_text("3,4\n")
    made = make_course(root, CONFIG, GRADERS, _source_notebook())
    hand_in(made, "honest")
    return made


@pytest.fixture(autouse=True)
def _no_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kw: object) -> None:
        raise AssertionError("a kernel was started")

    for name in ("start_kernel", "_async_start_kernel", "_async_launch_kernel"):
        monkeypatch.setattr(f"jupyter_client.manager.KernelManager.{name}", refuse)


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("temporary")


@pytest.fixture(autouse=True)
def _nothing_left_behind(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert list(temporary.glob("autograder-files-*")) == []


def hand_in(course: Course, student: str, change: Callable[[Draft], None] | None = None) -> None:
    released = course.folder("release", "one") / "one.ipynb"
    folder = course.folder("submitted", "one", student)
    folder.mkdir(parents=True)
    draft = Draft(json.loads(released.read_text()), folder, course)
    draft.answer(RIGHT)
    if change is not None:
        change(draft)
    draft.hand_in()


def files(course: Course) -> dict[str, tuple[object, ...]]:
    """Every file of the course that grading must not change, and what it is."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, names in os.walk(course.root):
        if Path(folder) == course.root:
            written = ("autograded", "feedback", ".autograder")
            folders[:] = [name for name in folders if name not in written]
            names = [name for name in names if not name.startswith("gradebook.db")]  # noqa: PLW2901
        for name in [*folders, *names]:
            if name in ("__pycache__", ".pytest_cache") or name.endswith(".pyc"):
                continue
            facts = os.lstat(os.path.join(folder, name))
            times = () if stat.S_ISDIR(facts.st_mode) else (facts.st_size, facts.st_mtime_ns)
            found[os.path.join(folder, name)] = (facts.st_mode, facts.st_ino, *times)
    return found


def check_autograded(course: Course, student: str, attack: Attack) -> None:
    folder = course.folder("autograded", "one", student)
    notebook = json.loads((folder / "one.ipynb").read_text(encoding="utf-8"))
    json.dumps(notebook, allow_nan=False)
    nbformat.validate(notebook)
    assert notebook["metadata"]["kernelspec"] == KERNEL
    facts = [cell["metadata"].get("nbgrader", {}) for cell in notebook["cells"]]
    points = {fact["grade_id"]: fact["points"] for fact in facts if fact.get("grade")}
    assert points == {"one-tensor": 3, "one-double": 4}
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert there >= {"data.csv", "more/data.csv", *attack.kept}
    assert (folder / "data.csv").read_text() == "1,2\n"
    for path in folder.rglob("*"):
        assert not path.is_symlink() and (path.is_file() or path.is_dir())
        assert path.is_dir() or path.suffix == ".ipynb" or "torch" not in path.read_text("latin-1")


def test_there_are_many_attacks_with_names_of_their_own() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_gains_nothing(course: Course, attack: Attack) -> None:
    student = f"attack-{attack.name}"
    hand_in(course, student, attack.change)
    before = files(course)
    summary = course.autograde("one", student)
    assert (summary.error, summary.faults) == ("", [])
    assert (summary.score, summary.max_score) == (attack.score, ALL)
    said = "\n".join([summary.problem, *summary.notes]).strip()
    assert re.search(attack.says or "^$", said, re.MULTILINE), said
    check_autograded(course, student, attack)
    if attack.page:
        page = course.feedback("one", student)
        assert page is not None
        assert "<html" in (page / "one.html").read_text(encoding="utf-8")
    assert files(course) == before


# --- and the class -----------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["ana maría", 'o\'neil "x"', "-rf", "ñandú", "a;b&c", "$(x)"])
def test_a_folder_with_an_odd_name_is_graded(course: Course, student: str) -> None:
    hand_in(course, student)
    summary = course.autograde("one", student)
    assert (summary.score, summary.error) == (ALL, "")


@pytest.fixture(scope="module")
def odd_class(course: Course, tmp_path_factory: pytest.TempPathFactory) -> Course:
    """A class some of whose folders have names that are glob patterns, or worse."""
    root = tmp_path_factory.mktemp("odd") / "course"
    left_out = shutil.ignore_patterns("submitted", "autograded", "feedback", "gradebook.db*")
    shutil.copytree(course.root, root, ignore=left_out)
    made = Course(root)
    made.release("one")
    hand_in(made, "a")
    for student in ("[a]", "?", "line\nbreak"):
        hand_in(made, student, lambda draft: draft.answer(WRONG))
    return made


def test_the_plain_command_grades_folders_that_look_like_patterns(odd_class: Course) -> None:
    command = [sys.executable, "-m", "nbgrader", "autograde", "one"]
    done = subprocess.run(
        command, cwd=odd_class.root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "rename the folder" in done.stderr
    scores = {student: sum(cells.values()) for student, cells in odd_class.scores("one").items()}
    assert scores == {"a": ALL, "[a]": 0, "?": 0}


@pytest.mark.parametrize("student", ["[a]", "?"])
def test_a_folder_that_looks_like_a_pattern_touches_no_other(
    odd_class: Course, student: str
) -> None:
    other = odd_class.folder("autograded", "one", "a")
    shutil.rmtree(other, ignore_errors=True)
    summary = odd_class.autograde("one", student, force=True)
    assert "rename the folder" in summary.error
    assert not other.exists()


def test_after_all_attacks_an_honest_notebook_earns_everything_and_the_class_is_exported(
    course: Course, tmp_path: Path
) -> None:
    summary = course.autograde("one", "honest")
    assert (summary.score, summary.max_score, summary.notes) == (ALL, ALL, [])
    course.export(tmp_path / "grades.csv")
    assert "honest" in (tmp_path / "grades.csv").read_text()
