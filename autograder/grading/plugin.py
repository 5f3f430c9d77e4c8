"""The pytest plugin: marker, fixture, and the teacher's way to debug a grader.

``pytest tests/graders`` grades the course's own source notebooks, which must pass;
``pytest tests/graders --submission PATH`` grades one notebook and prints its checks.
"""

from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from autograder.grading.notebook import RunningNotebook
    from autograder.grading.results import CheckResult
    from autograder.grading.submission import Submission
    from autograder.runner.warm import WarmProcess


class Provider(Protocol):
    """Where the ``submission`` fixture comes from."""

    def submission(self, item: pytest.Item) -> "Submission":
        """The submission as the item's grade cell saw it."""
        ...


PROVIDER: pytest.StashKey[Provider] = pytest.StashKey()
RESULT: pytest.StashKey["CheckResult"] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--submission`` and ``--allow-unsafe``."""
    parser.getgroup("autograder").addoption(
        "--submission",
        metavar="PATH",
        type=Path,
        help="grade this notebook, named as its assignment, and print its checks "
        "(default: each assignment's own source notebook)",
    )
    parser.getgroup("autograder").addoption(
        "--allow-unsafe",
        action="store_true",
        help="run a submission even where the walls against strangers cannot be had",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker and, unless a worker did, a provider that runs notebooks itself."""
    config.addinivalue_line(
        "markers",
        "grade_cell(grade_id, weight=1): this check belongs to that grade cell of the "
        "assignment that its folder is named after",
    )
    if PROVIDER not in config.stash:
        config.stash[PROVIDER] = NotebookProvider(config)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--submission``, keep only the graders of its assignment."""
    path: Path | None = config.getoption("--submission")
    if path is None:
        return
    if not path.is_file():
        raise pytest.UsageError(f"--submission {path}: there is no such file")
    kept = [item for item in items if item.path.parent.name == path.stem]
    if not kept:
        raise pytest.UsageError(
            f"--submission {path}: no graders in a folder named {path.stem!r}; "
            "the notebook must be named as its assignment"
        )
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture
def submission(request: pytest.FixtureRequest) -> "Submission":
    """The submission being graded, as it was at the grade cell of the requesting check."""
    return request.config.stash[PROVIDER].submission(request.node)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the check's result, and show a failed one as the student will read it."""
    from autograder.grading import items, trace
    from autograder.grading.submission import NeedsReview

    report = yield
    bound = items.binding(item)
    if bound is None:
        return report
    error = call.excinfo.value if call.excinfo is not None else None
    if call.when == "setup" or error is not None:
        doubt = getattr(getattr(item, "funcargs", {}).get("submission"), "doubt", "")
        if doubt and isinstance(error, AssertionError):
            told = f"{doubt}; then the check fails: {error}\n{trace.told()}".strip()
            error = NeedsReview(told).with_traceback(error.__traceback__)
        item.stash[RESULT] = items.result(item, bound, error, in_grader=call.when == "call")
    if report.failed and item.stash[RESULT].status != "fault":
        found = item.stash[RESULT]
        parts = (found.status, found.message, found.hint, found.diagnosis, found.detail)
        report.longrepr = "\n".join(part for part in parts if part)
    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """With ``--submission``, print the checks and the score of each grade cell."""
    provider = config.stash[PROVIDER]
    if config.getoption("--submission") is None or not isinstance(provider, NotebookProvider):
        return
    terminalreporter.section("checks")
    for line in provider.summary():
        terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the warm process, if one was started."""
    provider = config.stash.get(PROVIDER, None)
    if isinstance(provider, NotebookProvider):
        provider.close()


class NotebookProvider:
    """Runs the notebooks that the session needs, once each, in a warm process of its own."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._warm: WarmProcess | None = None
        self._notebooks: dict[tuple[Path, int], RunningNotebook] = {}
        self._points: dict[str, float] = {}
        self._items: dict[str, list[pytest.Item]] = {}

    def submission(self, item: pytest.Item) -> "Submission":
        """The submission or, without one, the assignment's source notebook."""
        from autograder.grading import items, trace
        from autograder.grading.submission import Submission

        trace.begin()
        bound = items.binding(item)
        if bound is None:
            raise pytest.UsageError(f"{item.nodeid}: it has no grade_cell marker")
        self._items.setdefault(bound.grade_id, []).append(item)
        given: Path | None = self._config.getoption("--submission")
        name = bound.assignment
        path = given or self._config.rootpath / "source" / name / f"{name}.ipynb"
        return Submission(
            self._notebook(path).at(bound.grade_id),
            0,
            items.check_name(item),
            run_with_cuda=lambda: self._notebook(path, 1).at(bound.grade_id),
        )

    def _notebook(self, path: Path, cuda_devices: int = 0) -> "RunningNotebook":
        from autograder.grading.cells import points_of, read_code_cells
        from autograder.grading.notebook import run_notebook
        from autograder.messages import set_language
        from autograder.runner.limits import Limits
        from autograder.runner.warm import WarmProcess

        given = self._config.getoption("--submission")  # else the teacher's own notebook
        if (path, cuda_devices) not in self._notebooks:
            set_language("es")
            self._warm = self._warm or WarmProcess()
            cells = read_code_cells(path)
            points = points_of(cells)
            self._points |= points
            unsafe: bool = self._config.getoption("--allow-unsafe")
            self._notebooks[path, cuda_devices] = run_notebook(
                self._warm,
                cells,
                points,
                Limits(),
                0,
                cuda_devices=cuda_devices,
                allow_unsafe=unsafe or given is None,
            )
        return self._notebooks[path, cuda_devices]

    def summary(self) -> Generator[str, None, None]:
        """Lines that show each grade cell's score and checks."""
        from autograder.grading.results import CellResult

        for grade_id, items in self._items.items():
            checks = [item.stash[RESULT] for item in items if RESULT in item.stash]
            points = self._points.get(grade_id, 0.0)
            yield f"{grade_id}: {CellResult(grade_id, checks).score(points):g} / {points:g}"
            for check in checks:
                yield f"  [{check.status}] {check.title} {check.message}".rstrip()

    def close(self) -> None:
        """End the notebooks' processes."""
        for notebook in self._notebooks.values():
            notebook.close()
        if self._warm is not None:
            self._warm.stop()
