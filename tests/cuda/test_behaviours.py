"""Every line of the table of behaviours, on the emulated CUDA and on a real one."""

import math
import re
import warnings

import pytest
import torch

from autograder import cuda
from tests.cuda.behaviours import BEHAVIOURS, VERSION, Behaviour, Raises

REAL_GPUS = 0 if cuda.is_enabled() else torch.cuda.device_count()


def each(lines: list[Behaviour]) -> pytest.MarkDecorator:
    """A test for each line, by its name; lines of newer versions of torch are skipped."""
    params = [
        pytest.param(
            line,
            id=line.name,
            marks=pytest.mark.skipif(
                line.since > VERSION, reason=f"so since torch {'.'.join(map(str, line.since))}"
            ),
        )
        for line in lines
    ]
    return pytest.mark.parametrize("line", params)


def same(actual: object, expected: object) -> bool:
    """Whether a value is the expected one, of the same type; floats within their precision."""
    if isinstance(expected, (list, tuple)):
        return (
            type(actual) is type(expected)
            and isinstance(actual, (list, tuple))
            and len(actual) == len(expected)
            and all(same(*pair) for pair in zip(actual, expected, strict=True))
        )
    if isinstance(expected, float) and isinstance(actual, float):
        return math.isclose(actual, expected, rel_tol=1e-5)
    return type(actual) is type(expected) and actual == expected


def check(line: Behaviour) -> None:
    """Run a behaviour and compare."""
    torch.manual_seed(20)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(line.expected, Raises):
            with pytest.raises(BaseException) as caught:
                line.run()
            error, expected = caught.value, line.expected
            assert type(error) is expected.kind, repr(error)
            if isinstance(expected.text, re.Pattern):
                assert expected.text.fullmatch(str(error)), str(error)
            else:
                assert str(error) == expected.text
        else:
            actual = line.run()
            assert same(actual, line.expected), f"{actual!r} instead of {line.expected!r}"


@each(BEHAVIOURS)
def test_the_emulation_behaves_like_cuda(line: Behaviour) -> None:
    with cuda.emulated(line.devices):
        check(line)


@pytest.mark.real_gpu
@pytest.mark.skipif(not REAL_GPUS, reason="there is no GPU")
@each([line for line in BEHAVIOURS if not line.emulated_only])
def test_cuda_behaves_so(line: Behaviour) -> None:
    if line.devices > REAL_GPUS:
        pytest.skip(f"needs {line.devices} GPUs")
    check(line)


def test_each_behaviour_has_a_name_of_its_own_and_a_source() -> None:
    names = [line.name for line in BEHAVIOURS]
    assert len(names) == len(set(names)) >= 170
    assert all(line.source.place for line in BEHAVIOURS)
