"""Run a case through a preprocessor, write down all that came of it, and tell two such apart."""

import json
import os
import re
import sysconfig
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_raw_cell
from nbgrader.utils import determine_grade, is_grade
from traitlets.config import Config

from autograder.bridge.execute import JailedExecute
from autograder.runner.inner_walls import NOTEBOOK
from tests.conformance.loops import alone
from tests.conformance.model import Case, Cell
from tests.small_course import nbgrader_cell, notebook_of

Record: TypeAlias = dict[str, Any]
"""All that came of a case, as plain data, so that it can be told what differs and where."""

ADDRESSES: Final[Mapping[str, str]] = {r"0x[0-9a-f]{8,}": "0x<address>"}
"""What no two runs have in common, in any case: where objects lie in memory."""
FASTER: Final[Mapping[str, Any]] = {"shutdown_kernel": "immediate"}
"""A kernel is killed after the last cell, not asked to go: nothing of it is read any more."""


@dataclass(frozen=True)
class Difference:
    """A place at which two records differ."""

    place: str
    stock: str
    ours: str

    def __str__(self) -> str:
        return f"{self.place}: {self.stock} != {self.ours}"

    def matches(self, pattern: str) -> bool:
        """Whether a pattern of ``Case.differs`` means this difference."""
        expression = ".*".join(map(re.escape, pattern.split("*")))
        return any(re.fullmatch(expression, text, re.DOTALL) for text in (self.place, str(self)))


def run(case: Case, preprocessor: type[Any], **settings: Any) -> Record:
    """Run a case's notebook in a folder of its own, as nbgrader's autograder would.

    Args:
        case: the notebook.
        preprocessor: nbgrader's ``Execute``, or a class in its place.
        settings: more traits, of this preprocessor only.
    """
    (record,) = run_in_turn([case], preprocessor, **settings)
    return record


def run_in_turn(cases: Sequence[Case], preprocessor: type[Any], **settings: Any) -> list[Record]:
    """Run several notebooks in one event loop; what asyncio complains of is in the last record."""
    records, complaints = alone(lambda: [_run(case, preprocessor, settings) for case in cases])
    records[-1]["complaints"] = complaints
    return records


def _run(case: Case, preprocessor: type[Any], settings: Mapping[str, Any]) -> Record:
    notebook = notebook_of([_nbformat_cell(cell, n) for n, cell in enumerate(case.code(), 1)])
    with tempfile.TemporaryDirectory(prefix="conformance-") as made, _outside_pytest():
        folder = Path(made).resolve() / "notebook"
        _write_files(folder, case.files)
        config = Config({preprocessor.__name__: {**FASTER, **settings, **case.config}})
        runner = preprocessor(config=config)
        for name, value in case.attributes.items():
            setattr(runner, name, value)
        raised = None
        try:
            runner.preprocess(notebook, {"metadata": {"path": str(folder)}})
        except Exception as error:  # whatever is raised is to be compared
            raised = _exception(error)
        record = record_of(notebook, case.strict)
        record |= {"raised": raised, "files": _new_files(folder, case.files)}
    jailed = issubclass(preprocessor, JailedExecute)
    places = {} if "places" in case.strict else places_of(folder, jailed)
    return normalised(record, {**places, **ADDRESSES, **case.chance})


def record_of(notebook: NotebookNode, strict: Collection[str] = ()) -> Record:
    """All that a run changes in a notebook, as it is; for ``strict`` see ``Case``."""
    return {
        "cells": [_cell_record(cell, strict) for cell in notebook.cells],
        "metadata": _plain(notebook.metadata),
    }


def normalised(record: Record, chance: Mapping[str, str]) -> Record:
    """The record with everything replaced that regular expressions say to be chance."""
    replaced: Record = _replace(record, chance)
    return _widgets_numbered(replaced) if "widgets" in record["metadata"] else replaced


def places_of(folder: Path, jailed: bool) -> dict[str, str]:
    """Where the same things lie in a kernel of nbgrader's and in the jail.

    They are the folder of the notebook, the files that ipykernel pretends cells to be, the
    packages and Python's own library. The jail's home is the folder, and IPython's tracebacks
    write ``~`` for the home. Without namespaces, the jail's folder has a name by chance.
    """
    temporary = re.escape(tempfile.gettempdir())
    inside = rf"{NOTEBOOK}|{temporary}/autograder-\d+-\w+/\w+"
    around = inside if jailed else re.escape(str(folder))
    packages = "|".join({re.escape(sysconfig.get_path(name)) for name in ("purelib", "platlib")})
    return {
        r"(?<=[m ])~/": "<folder>/" if jailed else f"{Path.home()}/",
        rf"(?:{inside if jailed else temporary})/ipykernel_\d+/": "<cells>/",
        around: "<folder>",
        rf"{packages}|/packages/\d+(?=/)": "<packages>",
        re.escape(sysconfig.get_path("stdlib")): "<library>",
    }


@contextmanager
def _outside_pytest() -> Iterator[None]:
    """Let the kernel not know of pytest: ipykernel then leaves out what C code writes."""
    kept = os.environ.pop("PYTEST_CURRENT_TEST", None)
    try:
        yield
    finally:
        if kept is not None:
            os.environ["PYTEST_CURRENT_TEST"] = kept


def _nbformat_cell(cell: Cell, number: int) -> Any:
    name = f"cell-{number}"
    if cell.kind == "markdown":
        made = new_markdown_cell(cell.source, id=name)
    elif cell.kind == "raw":
        made = new_raw_cell(cell.source, id=name)
    else:
        made = nbgrader_cell(cell.source, name, cell.points)
    if cell.tags:
        made.metadata.tags = list(cell.tags)
    return made


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _new_files(folder: Path, before: Mapping[str, bytes]) -> dict[str, str]:
    """What cells left beside the notebook: each new or changed file, and what is in it.

    Compiled modules are left out: whether Python keeps them depends on the folder.
    """
    after = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    return {name: repr(data) for name, data in after.items() if before.get(name) != data}


def _exception(error: Exception) -> dict[str, Any]:
    """What ``preprocess`` raised; nbclient's errors know the cell's ``ename`` and ``evalue``."""
    return {
        "class": f"{type(error).__module__}.{type(error).__qualname__}",
        "ename": getattr(error, "ename", None),
        "evalue": getattr(error, "evalue", None),
        "text": str(error),
    }


def _cell_record(cell: NotebookNode, strict: Collection[str]) -> dict[str, Any]:
    """All that a run changes in a cell, and the score that nbgrader reads from it."""
    metadata = _plain(cell.metadata)
    if "execution" in metadata:
        moments = sorted(metadata["execution"])
        metadata["execution"] = moments if "moments" in strict else "<moments>"
    record = {"source": cell.source, "metadata": metadata}
    if cell.cell_type == "code":
        record["execution_count"] = cell.execution_count
        record["outputs"] = _streams_joined(_plain(cell.outputs), "streams" in strict)
    if is_grade(cell):
        record["score"] = _score(cell)
    return record


def _score(cell: NotebookNode) -> float | str | None:
    """The score that ``SaveAutoGrades`` would store, or why it would not."""
    try:
        score: float | None = determine_grade(cell)[0]
    except (ValueError, KeyError) as error:  # more than all points; a result without a text
        return f"{type(error).__name__}: {error}"
    return score


def _plain(node: Any) -> Any:
    """nbformat's nodes as plain data."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [_plain(value) for value in node]
    return node


def _streams_joined(outputs: list[dict[str, Any]], strict: bool) -> list[dict[str, Any]]:
    """The outputs, with each run of stream outputs as one of stdout and one of stderr.

    ipykernel keeps a buffer for each stream and sends it after 0.2 s, when it is flushed, or at
    the end of the cell. So how many pieces there are, and which stream's comes first, depends
    on the clock; nbconvert's ``coalesce_streams`` does the same for the same reason. A strict
    case has its texts flushed, and only pieces of one stream that follow each other are joined.
    """
    joined: list[dict[str, Any]] = []
    run: dict[str, dict[str, Any]] = {}
    for output in outputs:
        if output["output_type"] != "stream":
            joined += _end_run(run)
            joined.append(output)
            continue
        if strict and output["name"] not in run:
            joined += _end_run(run)
        if output["name"] in run:
            run[output["name"]]["text"] += output["text"]
        else:
            run[output["name"]] = dict(output)
    return joined + _end_run(run)


def _end_run(run: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    ended = [run[name] for name in sorted(run, reverse=True)]
    run.clear()
    return ended


def _replace(node: Any, chance: Mapping[str, str]) -> Any:
    """The same data with everything replaced, in every text, that no two runs have in common."""
    if isinstance(node, dict):
        return {key: _replace(value, chance) for key, value in node.items()}
    if isinstance(node, list):
        return [_replace(value, chance) for value in node]
    if isinstance(node, str):
        for expression, instead in chance.items():
            node = re.sub(expression, instead, node)
    return node


def _widgets_numbered(record: Record) -> Record:
    """The record with the random ids of widgets, some of them keys, numbered as they come."""
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return numbers.setdefault(found[0], f"<widget {len(numbers) + 1}>")

    text = re.sub(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", number, json.dumps(record))
    numbered: Record = json.loads(text)
    return numbered


def differences(stock: Record, ours: Record) -> list[Difference]:
    """Every place at which two records differ, outputs of cells before anything else."""
    found: list[Difference] = []
    for number, pair in enumerate(zip(stock["cells"], ours["cells"], strict=True), 1):
        found += _walk(f"cell {number}, ", "", *pair)
    for name in sorted((stock.keys() | ours.keys()) - {"cells"}):
        found += _walk("notebook, ", name, stock.get(name, ...), ours.get(name, ...))
    return found


def _walk(where: str, path: str, a: Any, b: Any) -> Iterator[Difference]:
    """Compare two pieces of plain data; a list of another length differs as a whole."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            inner = f"{path}.{key}" if path else key
            yield from _walk(where, inner, a.get(key, ...), b.get(key, ...))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            yield from _walk(where, f"{path}[{index}]", one, other)
    elif type(a) is not type(b) or a != b:
        yield Difference(f"{where}{path}", _shown(a), _shown(b))


def _shown(value: Any) -> str:
    return "nothing" if value is ... else repr(value)
