"""Notebook files that no editor writes: each is read as a valid notebook or refused with a reason.

Hypothesis draws small notebooks and seeds; each seed makes a few hundred mutated files.
"""

import json
import random
import time
from collections.abc import Callable
from typing import Any

import nbformat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.bridge.notebooks import UnreadableNotebook, parse_submission

FILES = 200_000
_PER_EXAMPLE = 400
_EXAMPLES = FILES // _PER_EXAMPLE
_SECONDS_PER_FILE = 5  # a file takes well under a millisecond; this finds a hang


def _nested(levels: int) -> Any:
    value: Any = {"nbgrader": []}
    for level in range(levels):
        value = [value] if level % 2 else {"metadata": value}
    return value


HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 3, 4, 5, 99, 10**30, -(10**30), 1.5, float("nan"), float("inf"),
    float("-inf"), "", "x", "code", "markdown", "raw", "heading", "html", "one", "\ud800", "\udfff",
    "\ud83d\ude00", "\0", "a\0b", "\x1b[31m", "\u2028", "\ufffe", "ñ" * 40, "no", "NaN",
    "a b", "../..", "autograder-notes", "restored-0", "cell-1", "--flag", "<script>", [], {}, [[]],
    [{}], [None], ["a", 1], ["\ud83d", "\ude00"], ["a\n", "b"], {"nbgrader": []},
    {"nbgrader": {}}, {"nbgrader": {"grade_id": {}}}, {"nbgrader": {"grade_id": "one"}},
    {"grade_id": "one", "points": "NaN", "schema_version": "x", "locked": "no"},
    {"\ud800": 1}, _nested(40), _nested(70),
]  # fmt: skip
KEYS = [
    "cells", "worksheets", "metadata", "nbformat", "nbformat_minor", "cell_type", "source", "input",
    "code", "text", "outputs", "attachments", "id", "level", "nbgrader", "grade_id",
    "kernelspec", "language_info", "widgets", "jupytext", "execution_count", "\ud800", "",
]  # fmt: skip
TOKENS = [
    b"{", b"}", b"[", b"]", b",", b":",
    b'"', b"\\", b"\\u", b"\\ud800", b"\\u0000", b"null", b"NaN",
    b"-Infinity", b"1e999", b"-", b"9" * 30, b"9" * 5000, b"[" * 3000, b'{"a":' * 3000,
    b"[" * 70 + b"]" * 70, b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\0", b"\n", b" ", b"\x7f",
    b'"cells":[]', b'"cells":', b'"id":"x"', b'"nbformat":3',
]  # fmt: skip


def _cell_strategy() -> st.SearchStrategy[dict[str, Any]]:
    text = st.text(max_size=12)
    facts = st.fixed_dictionaries({"grade_id": st.sampled_from(["one", "two", ""]) | text})
    return st.fixed_dictionaries(
        {
            "cell_type": st.sampled_from(["code", "markdown", "raw"]),
            "metadata": st.just({}) | st.fixed_dictionaries({"nbgrader": facts}),
            "source": text | st.lists(text, max_size=3),
        },
        optional={"id": text, "outputs": st.just([]), "attachments": st.just({})},
    )


def _notebooks() -> st.SearchStrategy[dict[str, Any]]:
    cells = st.lists(_cell_strategy(), max_size=4)
    new = st.fixed_dictionaries(
        {"cells": cells, "metadata": st.just({}), "nbformat": st.just(4)},
        optional={"nbformat_minor": st.integers(0, 6)},
    )
    sheets = st.lists(st.fixed_dictionaries({"cells": cells}), max_size=2)
    old = st.fixed_dictionaries({"worksheets": sheets, "nbformat": st.integers(1, 3)})
    return new | old


def _holders(node: Any) -> list[Any]:
    """Every list and dictionary of a document that is not empty."""
    found, left = [], [node]
    while left:
        one = left.pop()
        if one and isinstance(one, dict | list):
            found.append(one)
            left += one.values() if isinstance(one, dict) else one
    return found


def mutate_structure(data: bytes, chance: random.Random) -> bytes:
    """Replace, delete, add, double or move a value."""
    document = json.loads(data)
    holder = chance.choice(_holders(document))
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    action = chance.randrange(6)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[chance.choice(KEYS)] = chance.choice(HOSTILE)
    elif action == 2 and isinstance(holder, list):
        holder.insert(key, chance.choice([*HOSTILE, holder[key]]))
    elif action == 3:
        holder[key] = [holder[key]]
    else:
        holder[key] = chance.choice(HOSTILE)
    return json.dumps(document, ensure_ascii=chance.random() < 0.9).encode("utf-8", "surrogatepass")


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Change, cut, double or insert some bytes."""
    start = chance.randrange(len(data) + 1)
    end = min(len(data), start + chance.randrange(1, 12))
    new: list[Callable[[], bytes]] = [
        lambda: b"",
        lambda: chance.randbytes(chance.randrange(1, 4)),
        lambda: chance.choice(TOKENS),
        lambda: data[start:end] * chance.randrange(2, 5),
        lambda: data[chance.randrange(len(data) + 1) :][:20],
    ]
    middle = chance.choice(new)()
    if chance.random() < 0.05:
        return data[:start] + middle  # cut short
    return data[:start] + middle + data[end if chance.random() < 0.7 else start :]


def check_file(data: bytes) -> bool:
    """Read one file; was it a notebook?"""
    began = time.perf_counter()
    try:
        notebook = parse_submission(data)
    except UnreadableNotebook as error:
        assert str(error)
        return False
    finally:
        assert time.perf_counter() - began < _SECONDS_PER_FILE
    json.dumps(notebook, allow_nan=False, ensure_ascii=False).encode("utf-8")
    nbformat.validate(notebook, relax_add_props=False)
    ids = [cell["id"] for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    return True


def test_every_mutated_file_is_read_or_refused() -> None:
    read = refused = 0

    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_notebooks(), st.integers(0, 2**64))
    def check_example(base: dict[str, Any], seed: int) -> None:
        nonlocal read, refused
        chance = random.Random(seed)
        whole = data = json.dumps(base).encode()
        assert check_file(whole), whole
        for _number in range(_PER_EXAMPLE):
            broken = chance.random() < 0.35
            data = (mutate_bytes if broken else mutate_structure)(data, chance)
            if check_file(data):
                read += 1
            else:
                refused += 1
            try:  # go on from what was mutated while it is small and a document
                document = json.loads(data)
                good = isinstance(document, dict) and document and len(data) < 1500
            except (ValueError, RecursionError):
                good = False
            if not good or chance.random() < 0.2:
                data = whole

    check_example()
    assert read + refused >= FILES
    assert min(read, refused) > FILES // 20  # both sides of the border were met
