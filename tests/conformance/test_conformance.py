"""Every case: what the drop-in gives is what nbgrader gives, but for what is said to differ."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

import pytest
from nbgrader.preprocessors import Execute

from autograder.bridge.execute import JailedExecute
from tests.conformance import CASES, PRELOADED, Case
from tests.conformance.compare import Difference, Record, differences, run, run_in_turn

BY_NAME: Final = {case.name: case for case in CASES}
OURS: Final[dict[str, Any]] = {"preload": list(PRELOADED)}


def record_of(text: str) -> Record:
    """The record of a notebook of one cell that prints a text."""
    output = {"output_type": "stream", "name": "stdout", "text": text}
    cell = {"source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
    return {"cells": [cell], "metadata": {}}


def test_every_case_has_a_name_of_its_own_and_there_are_enough() -> None:
    doubled = [name for name, count in Counter(case.name for case in CASES).items() if count > 1]
    assert not doubled and len(CASES) >= 60


def test_a_difference_is_told_with_its_place_and_both_values() -> None:
    (found,) = differences(record_of("a"), record_of("b"))
    assert str(found) == "cell 1, outputs[0].text: 'a' != 'b'"


@pytest.mark.parametrize(
    ("pattern", "is_meant"),
    [
        ("cell 1, outputs[0].text", True),
        ("cell 1, outputs*", True),
        ("cell 1, outputs[0].text: 'a' != *", True),
        ("cell 1, outputs[0].text: 'b' != *", False),
        ("cell 1", False),
        ("cell 1, outputs?0?.text", False),
    ],
)
def test_a_pattern_means_a_place_or_all_that_is_told(pattern: str, is_meant: bool) -> None:
    found = Difference("cell 1, outputs[0].text", "'a'", "'b'")
    assert found.matches(pattern) == is_meant


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case.name))
def test_the_drop_in_gives_what_nbgrader_gives(case: Case) -> None:
    found = differences(run(case, Execute), run(case, JailedExecute, **OURS))
    unexpected = [str(one)[:1000] for one in found if not any(map(one.matches, case.differs))]
    assert not unexpected, f"{case.shows} Yet:\n" + "\n".join(unexpected)
    needless = [pattern for pattern in case.differs if not any(o.matches(pattern) for o in found)]
    assert not needless, f"no longer differs: {needless}"


@pytest.mark.parametrize(
    "name",
    [
        "errors-not-allowed",
        "bundle-that-is-no-notebook",
        "exit-and-more",
        "timeout-swallowed-for-good",
        "timeout-that-ends-the-run",
        "death-by-exit",
    ],
)
def test_a_run_that_ends_early_leaves_the_next_one_alone(name: str) -> None:
    following = replace(BY_NAME["print"], config={"timeout": 3})
    expected = run(following, Execute)
    assert expected["raised"] is None
    _early, *next_ones = run_in_turn([BY_NAME[name], following, following], JailedExecute, **OURS)
    for record in next_ones:
        found = differences(expected, {"complaints": [], **record})
        assert not found, "\n".join(str(one)[:1000] for one in found)
