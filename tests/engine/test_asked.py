"""What graders are known to ask for is kept while the cells run; anything else is found out."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import pytest
import torch

from autograder.grading.cells import CodeCell
from autograder.grading.client import Graded, GradingProcess
from autograder.runner.asked import Asked
from autograder.runner.checkpoint import CallFailed, Checkpoint
from autograder.runner.limits import Limits
from autograder.runner.processes import descendants, has_ended
from autograder.runner.values import FigureValue, FunctionValue
from autograder.runner.warm import Cell, Run, WarmProcess
from autograder.runner.wire import WireError

LIMITS: Final = Limits(cell_seconds=2.0, submission_seconds=20.0, call_seconds=1.0, memory_mib=512)


def grade(*names: str, figures: bool = False, autograd: Sequence[bool] = ()) -> Cell:
    return Cell("", grade=True, asked=Asked(set(names), figures, set(autograd)))


def run(warm: WarmProcess, *cells: str | Cell) -> Run:
    jobs = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    return warm.run(jobs, LIMITS, 1)


def processes(warm: WarmProcess) -> int:
    assert warm.pid is not None
    return len([pid for pid in descendants(warm.pid) if not has_ended(pid)])


# What is kept


def test_a_value_is_as_it_was_at_its_grade_cell_and_no_process_stays_for_it(
    warm: WarmProcess,
) -> None:
    before = processes(warm)
    with run(warm, "a = [1]", grade("a", "b"), "a.append(2)", grade("a")) as notebook:
        first, second = notebook.checkpoints[1], notebook.checkpoints[3]
        assert (first.read("a"), second.read("a")) == ([1], [1, 2])
        with pytest.raises(KeyError):
            first.read("b")
        assert not first.lacking
        assert processes(warm) - before <= 1, "the first process of the namespace"
    assert notebook.checkpoints[1].asked.names == {"a", "b"}


def test_figures_are_handed_over_where_they_are_asked_for(warm: WarmProcess) -> None:
    cell = "import matplotlib.pyplot as plt\nplt.plot([0, 1], label='f')\nplt.show()"
    with run(warm, cell, grade(figures=True), grade()) as notebook:
        (figure,) = notebook.checkpoints[1].figures()
        with pytest.raises(WireError, match="not kept"):
            notebook.checkpoints[2].figures()
    assert isinstance(figure, FigureValue)
    assert not notebook.checkpoints[1].lacking and notebook.checkpoints[2].lacking


def test_calls_at_an_earlier_grade_cell_see_the_namespace_as_it_was_there(
    warm: WarmProcess,
) -> None:
    calls = grade("f", autograd=[True])
    with run(warm, "n = 1\ndef f(x): return n + x", calls, "n = 10", calls) as notebook:
        first, last = notebook.checkpoints[1], notebook.checkpoints[3]
        assert isinstance(first.read("f"), FunctionValue)
        assert first.call("f", [1], {}, True).value == 2
        assert last.call("f", [1], {}, True).value == 11
        assert not first.lacking and not last.lacking


def test_calls_run_when_every_cell_has_ended(warm: WarmProcess) -> None:
    """Else a later cell could show the student what a hidden check called a function with."""
    cell = "def f(x):\n    open('seen', 'w').write(str(x))\n    return x"
    later = "import os, time\ntime.sleep(0.3)\nprint(os.path.exists('seen'))"
    with run(warm, cell, grade("f", autograd=[True]), later, grade()) as notebook:
        assert notebook.checkpoints[1].call("f", [42], {}, True).value == 42
    assert notebook.outcomes[2].outputs[0]["text"] == "False\n"


def test_autograd_is_off_for_calls_that_ask_for_it(warm: WarmProcess) -> None:
    cell = "import torch\ndef f(x): return torch.autograd.grad(x.sum(), x)"
    x = torch.ones(2, requires_grad=True)
    with (
        run(warm, cell, grade("f", autograd=[False])) as notebook,
        pytest.raises(CallFailed) as caught,
    ):
        notebook.checkpoints[1].call("f", [x], {}, False)
    assert caught.value.kind == "AutogradDisabledError" and not notebook.checkpoints[1].lacking


@pytest.mark.parametrize(
    "value",
    [
        "torch.zeros(3_000_000)",
        "[(torch.ones(1, requires_grad=True) * n).sum() for n in range(9000)]",
    ],
    ids=["bytes", "pieces"],
)
def test_what_is_too_much_to_hand_over_is_asked_of_a_checkpoint(
    warm: WarmProcess, value: str
) -> None:
    with run(warm, f"import torch\nbig = {value}\nsmall = 1", grade("big", "small")) as notebook:
        checkpoint = notebook.checkpoints[1]
        assert checkpoint.read("small") == 1
        checkpoint.read("big")
        assert not checkpoint.lacking
        with pytest.raises(KeyError):
            checkpoint.read("never_asked_before")
        assert not checkpoint.lacking, "a checkpoint answers anything"


# What was not kept


@pytest.mark.parametrize(
    "ask",
    [
        lambda checkpoint: checkpoint.read("other"),
        lambda checkpoint: checkpoint.figures(),
        lambda checkpoint: checkpoint.call("f", [1], {}, False),
        lambda checkpoint: checkpoint.call("stops", [], {}, True),
        lambda checkpoint: checkpoint.call("ends", [], {}, True),
    ],
    ids=["name", "figures", "other way to call", "call that does not return", "call that ends it"],
)
def test_what_was_not_kept_is_no_answer_but_a_reason_to_run_it_again(
    warm: WarmProcess, ask: Callable[[Checkpoint], object]
) -> None:
    cell = (
        "other = 1\ndef f(x): return x\n"
        "def stops():\n    while True: pass\n"
        "def ends():\n    import os; os._exit(0)"
    )
    with run(warm, cell, grade("f", autograd=[True]), "1") as notebook:
        checkpoint = notebook.checkpoints[1]
        with pytest.raises(WireError, match="not kept"):
            ask(checkpoint)
        assert checkpoint.lacking


def test_calls_with_autograd_on_and_off_need_a_checkpoint(warm: WarmProcess) -> None:
    cell = "def f(x): return x.requires_grad"
    x = torch.ones(1, requires_grad=True)
    with run(warm, cell, grade("f", autograd=[True, False])) as notebook:
        for autograd in (True, False, True):
            assert notebook.checkpoints[1].call("f", [x], {}, autograd).value is True
        assert not notebook.checkpoints[1].lacking


# What a submission may say of it


@pytest.mark.parametrize(
    "reply", ["b'no frame'", "wire.pack([1])", "wire.pack({'values': 1})", "wire.pack({})"]
)
def test_what_is_handed_over_in_another_form_is_no_answer(warm: WarmProcess, reply: str) -> None:
    cell = (
        "from autograder.runner import answers, wire\n"
        f"answers.hand_over = lambda *asked: {reply}\na = 1"
    )
    with run(warm, cell, grade("a")) as notebook:
        with pytest.raises(WireError):
            notebook.checkpoints[1].read("a")
        assert not notebook.checkpoints[1].lacking, "its own doing: it is not run again"


def test_an_object_that_never_lets_go_costs_only_its_own_grade_cell(warm: WarmProcess) -> None:
    cell = (
        "from autograder.runner import values\nright = values.to_wire\n"
        "def to_wire(value, depth=0):\n"
        "    while value == 'stop': pass\n"
        "    return right(value, depth)\n"
        "values.to_wire = to_wire\na = 'stop'"
    )
    with run(warm, cell, grade("a"), "b = 2", grade("b")) as notebook:
        assert notebook.checkpoints[3].read("b") == 2
        with pytest.raises(WireError):
            notebook.checkpoints[1].read("a")


# What the grading process makes of it

GRADERS: Final = '''
import pytest
from autograder.grading import Submission, fail

@pytest.mark.grade_cell("one")
def test_one(submission: Submission) -> None:
    if submission.value("a") == 2 and submission.value("more") != 3:
        fail("more")

@pytest.mark.grade_cell("two")
def test_two(submission: Submission) -> None:
    if submission.call("f", 1).value != 2:
        fail("f")

@pytest.mark.grade_cell("two")
def test_three(submission: Submission) -> None:
    """Only some submissions are asked so."""
    if submission.value("a") == 2 and submission.call("f", 1, autograd=False).value != 2:
        fail("f")
'''


@pytest.fixture(scope="module")
def grading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GradingProcess]:
    course = tmp_path_factory.mktemp("course")
    (course / "graders/demo").mkdir(parents=True)
    (course / "graders/demo/test_demo.py").write_text(GRADERS)
    process = GradingProcess(course, course / "graders")
    yield process
    process.stop()


def grade_notebook(grading: GradingProcess, first: str, function: str) -> Graded:
    cells = [
        CodeCell(first),
        CodeCell("", "one", 1.0),
        CodeCell(function),
        CodeCell("", "two", 2.0),
        CodeCell("a = 'later'"),
    ]
    return grading.grade("demo", cells, LIMITS, seed=1)


def statuses(graded: Graded) -> list[str]:
    return [check.status for result in graded.results for check in result.checks]


RIGHT: Final = "def f(x):\n    return x + 1"
CASES: Final = [
    ("a = 1", RIGHT, ["passed", "passed", "passed"]),
    ("a = 2; more = 3", RIGHT, ["passed", "passed", "passed"]),
    ("a = 2; more = 4", RIGHT, ["failed", "passed", "passed"]),
    ("a = 2", RIGHT, ["not attempted", "passed", "passed"]),
    ("a = 1", "def f(x):\n    while True: pass", ["passed", "failed", "passed"]),
    ("a = 1", "def f(x):\n    import os; os._exit(0)", ["passed", "failed", "passed"]),
    ("a = 2; more = 3", "def f(x):\n    raise KeyError", ["passed", "failed", "failed"]),
    ("import os; os._exit(0)", RIGHT, ["not attempted"] * 3),
]


def test_a_submission_is_judged_alike_whatever_was_asked_before_it(
    grading: GradingProcess,
) -> None:
    for order in (CASES, CASES[::-1], CASES):
        for first, function, expected in order:
            assert statuses(grade_notebook(grading, first, function)) == expected, (first, function)
