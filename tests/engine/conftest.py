"""What several test files of this folder use."""

from collections.abc import Iterator

import pytest

from autograder.runner.warm import WarmProcess


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    """A warm process, started, for the tests of a file."""
    process = WarmProcess()
    process.start()
    yield process
    process.stop()
