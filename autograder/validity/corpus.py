"""The corpus of an exercise: correct and wrong solutions as data, with what must become of each.

One TOML file for each exercise, ``CORPUS/ASSIGNMENT/GRADE_ID.toml``::

    [[correct]]
    name = "as-tensor"
    code = "tensor_data = torch.as_tensor(data)"

    [[wrong]]
    name = "capital-letter"
    failed = ["test_dtype"]        # the checks that fail; all others pass
    diagnosis = "wrong-dtype"      # what one of them must say that it looks like
    code = "tensor_data = torch.Tensor(data)"

    [equivalent]                   # mutants of the reference that are correct, and why
    "a + b -> b + a" = "the order of a sum does not matter"
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "correct": frozenset({"name", "code"}),
    "wrong": frozenset({"name", "code", "failed", "diagnosis"}),
}


class CorpusError(Exception):
    """A file of the corpus cannot be used; the message says which, where and why."""


@dataclass(frozen=True)
class Solution:
    """What somebody could write into the solution cell of an exercise."""

    name: str
    code: str
    failed: frozenset[str] = frozenset()
    """The names of the checks that it must fail; none: it is correct."""
    diagnosis: str = ""
    """What one of these checks must say that it looks like."""


@dataclass(frozen=True)
class Corpus:
    """The solutions of one exercise."""

    assignment: str
    grade_id: str
    correct: Sequence[Solution] = ()
    wrong: Sequence[Solution] = ()
    equivalent: Mapping[str, str] = field(default_factory=dict)
    """Mutants of the reference that are correct as well, by name: the reason."""


def read_all(folder: Path, assignment: str) -> list[Corpus]:
    """The corpora of an assignment's exercises, sorted by grade_id.

    Raises:
        CorpusError: there is none, or one cannot be used.
    """
    paths = sorted((folder / assignment).glob("*.toml"))
    if not paths:
        raise CorpusError(
            f"no solutions to try: put GRADE_ID.toml files into {folder / assignment}, or set "
            "c.RunGraders.corpus in nbgrader_config.py"
        )
    return [read(path) for path in paths]


def read(path: Path) -> Corpus:
    """The corpus in a file, named after its grade cell, in a folder named after its assignment.

    Raises:
        CorpusError: it cannot be read, or is not as described above.
    """
    try:
        facts = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path}: {error}") from error
    unknown = facts.keys() - {*_KEYS, "equivalent"}
    if unknown:
        raise CorpusError(f"{path}: it has no place for {', '.join(sorted(unknown))}")
    equivalent = facts.get("equivalent", {})
    if not isinstance(equivalent, dict) or not all(
        isinstance(reason, str) and reason.strip() for reason in equivalent.values()
    ):
        raise CorpusError(f"{path}: [equivalent] gives a reason, a text, for each mutant")
    correct, wrong = (
        [_solution(path, kind, one) for one in _list(path, kind, facts)] for kind in _KEYS
    )
    names = [solution.name for solution in (*correct, *wrong)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise CorpusError(f"{path}: more than one solution is called {', '.join(twice)}")
    return Corpus(path.parent.name, path.stem, correct, wrong, equivalent)


def _list(path: Path, kind: str, facts: Mapping[str, Any]) -> list[Any]:
    found = facts.get(kind, [])
    if not isinstance(found, list):
        raise CorpusError(f"{path}: write [[{kind}]], with two brackets")
    return found


def _solution(path: Path, kind: str, facts: Any) -> Solution:
    where = f"{path}: [[{kind}]] {facts.get('name', '?') if isinstance(facts, dict) else facts!r}"
    if not isinstance(facts, dict) or facts.keys() != _KEYS[kind]:
        raise CorpusError(f"{where}: it must have {', '.join(sorted(_KEYS[kind]))} and no more")
    failed = facts.get("failed", [])
    if not isinstance(failed, list) or not all(isinstance(one, str) for one in failed):
        raise CorpusError(f"{where}: `failed` lists the names of checks")
    texts = [facts["name"], facts["code"], facts.get("diagnosis", "")]
    if not all(isinstance(text, str) for text in texts) or not all(texts[:2]):
        raise CorpusError(f"{where}: `name`, `code` and `diagnosis` are texts")
    if kind == "wrong" and not failed:
        raise CorpusError(f"{where}: a wrong solution fails at least one check")
    return Solution(texts[0], texts[1].strip("\n"), frozenset(failed), texts[2])
