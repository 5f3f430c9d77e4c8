"""The runner: what a student's notebook does, and what the trusted side sees of it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import torch

from autograder.runner.checkpoint import CallFailed
from autograder.runner.limits import Limits
from autograder.runner.values import (
    ArrayValue,
    Expression,
    FigureValue,
    FunctionValue,
    OpaqueValue,
    TensorValue,
)
from autograder.runner.warm import Cell, Run, WarmProcess

LIMITS = Limits(cell_seconds=1.0, submission_seconds=20.0, call_seconds=1.0, memory_mib=256)
GRADE = Cell("", grade=True)


@contextmanager
def running(
    warm: WarmProcess, *cells: str | Cell, limits: Limits = LIMITS, seed: int = 1
) -> Iterator[Run]:
    jobs = [cell if isinstance(cell, Cell) else Cell(cell) for cell in cells]
    with warm.run(jobs, limits, seed) as run:
        yield run


def statuses(run: Run) -> Sequence[str]:
    return [outcome.status for outcome in run.outcomes]


def test_outputs_come_back_as_nbformat(warm: WarmProcess) -> None:
    with running(warm, "print('hola')\nimport sys\nprint('eh', file=sys.stderr)\n2 + 3") as run:
        stdout, stderr, result = run.outcomes[0].outputs
    assert stdout == {"output_type": "stream", "name": "stdout", "text": "hola\n"}
    assert stderr["name"] == "stderr"
    assert result["output_type"] == "execute_result" and result["data"] == {"text/plain": "5"}
    assert run.outcomes[0].execution_count == 1


def test_a_figure_comes_back_as_png_and_as_data_though_it_was_closed(warm: WarmProcess) -> None:
    cell = (
        "import matplotlib.pyplot as plt\nplt.plot([0, 1], [2, 3], label='f')\n"
        "plt.xlabel('x')\nplt.legend()\nplt.grid(True)\nplt.show()\nplt.close('all')"
    )
    with running(warm, cell, GRADE) as run:
        (figure,) = run.checkpoints[1].figures()
        assert "image/png" in run.outcomes[0].outputs[0]["data"]
    assert isinstance(figure, FigureValue)
    (axes,) = figure.axes
    assert (axes.xlabel, axes.legend, axes.grid) == ("x", ("f",), True)
    assert axes.lines[0].x.tolist() == [0, 1] and axes.lines[0].y.tolist() == [2, 3]


def test_a_notebook_may_ask_for_its_figures_inline(warm: WarmProcess) -> None:
    """The line stands at the top of many notebooks, before what they import."""
    plot = "plt.plot([0, 1], [2, 3])\nplt.show()"
    with running(warm, "%matplotlib inline\nimport matplotlib.pyplot as plt", plot) as run:
        assert statuses(run) == ["ok", "ok"]
        assert run.outcomes[0].outputs == []
        assert "image/png" in run.outcomes[1].outputs[0]["data"]


def test_a_legend_of_the_whole_figure_counts_for_its_axes(warm: WarmProcess) -> None:
    cell = (
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\n"
        "ax.plot([0, 1], [2, 3], label='f')\nfig.legend()\nplt.show()"
    )
    with running(warm, cell, GRADE) as run:
        (figure,) = run.checkpoints[1].figures()
    assert figure.axes[0].legend == ("f",)


def test_magics_and_top_level_await_work(warm: WarmProcess) -> None:
    cells = ("%time 1 + 1", "import asyncio\nawait asyncio.sleep(0)\n'ya'")
    with running(warm, *cells) as run:
        assert statuses(run) == ["ok", "ok"]
        assert run.outcomes[1].outputs[-1]["data"]["text/plain"] == "'ya'"


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("1 / 0", "error"),
        ("def (", "error"),
        ("import sys\nsys.exit(3)", "error"),
        ("while True: pass", "timeout"),
        ("while True:\n    try:\n        pass\n    except BaseException: pass", "timeout"),
        ("while True: print('x' * 1000)", "output"),
        ("kept = [bytearray(10**7) for _ in range(10**4)]", "memory"),
        ("import torch\ntorch.ones(10**10)", "memory"),
        ("!ls", "error"),
    ],
)
def test_a_cell_that_fails_leaves_the_next_ones_running(
    warm: WarmProcess, cell: str, status: str
) -> None:
    with running(warm, cell, "'sigue'", GRADE) as run:
        assert run.outcomes[0].status == status
        assert run.outcomes[1].status == "ok"
        assert 2 in run.checkpoints


def test_a_cell_that_cannot_be_interrupted_keeps_what_came_before(warm: WarmProcess) -> None:
    stubborn = (
        "import signal, time\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass"
    )
    with running(warm, "a = 1", GRADE, stubborn, "b = 2", GRADE) as run:
        assert statuses(run) == ["ok", "checkpoint", "timeout", "not run", "not run"]
        assert run.checkpoints[1].read("a") == 1
        assert 4 not in run.checkpoints


def test_a_process_that_dies_keeps_what_came_before(warm: WarmProcess) -> None:
    with running(warm, "a = 1", GRADE, "import os\nos._exit(0)", "b = 2") as run:
        assert statuses(run) == ["ok", "checkpoint", "died", "not run"]
        assert run.checkpoints[1].read("a") == 1


def test_a_grade_cell_sees_the_namespace_as_it_was_there(warm: WarmProcess) -> None:
    with running(warm, "a = 1", GRADE, "a = 2", GRADE) as run:
        assert (run.checkpoints[1].read("a"), run.checkpoints[3].read("a")) == (1, 2)


def test_a_missing_name_is_told_apart_from_none(warm: WarmProcess) -> None:
    with running(warm, "a = None", GRADE) as run:
        assert run.checkpoints[1].read("a") is None
        with pytest.raises(KeyError):
            run.checkpoints[1].read("b")


def test_a_function_is_called_with_tensors_and_functions(warm: WarmProcess) -> None:
    cell = (
        "import torch\ndef slope(f, x):\n    x = x.clone().requires_grad_()\n"
        "    return torch.autograd.grad(f(x).sum(), x)[0]"
    )
    with running(warm, cell, GRADE) as run:
        assert isinstance(run.checkpoints[1].read("slope"), FunctionValue)
        call = run.checkpoints[1].call(
            "slope", [Expression("lambda t: t ** 2"), torch.tensor([3.0])], {}, True
        )
    assert isinstance(call.value, TensorValue) and call.value.tensor.tolist() == [6]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("from collections import OrderedDict\nv = OrderedDict(a=1)", {"a": 1}),
        ("from collections import defaultdict\nv = defaultdict(int, {'a': 1})", {"a": 1}),
        ("from collections import namedtuple\nv = namedtuple('P', 'x y')(1, 2)", (1, 2)),
        ("from enum import IntEnum\nclass E(IntEnum):\n    A = 3\nv = E.A", 3),
        ("class L(list): pass\nv = L([1, [2]])", [1, [2]]),
        ("class T(str): pass\nv = T('x')", "x"),
        ("class F(float): pass\nv = F(1.5)", 1.5),
        ("class D(dict):\n    def items(self): return [('b', 2)]\nv = D(a=1)", {"a": 1}),
    ],
)
def test_what_derives_from_a_plain_type_comes_as_that(
    warm: WarmProcess, cell: str, value: object
) -> None:
    with running(warm, cell, GRADE) as run:
        found = run.checkpoints[1].read("v")
    assert found == value and type(found) is type(value)


def test_a_matrix_is_an_array(warm: WarmProcess) -> None:
    with running(warm, "import numpy as np\nv = np.matrix([[1, 2]])", GRADE) as run:
        found = run.checkpoints[1].read("v")
    assert isinstance(found, ArrayValue) and found.array.tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("cell", "values"),
    [
        ("t = torch.stack([torch.ones(1), torch.zeros(1)], -1)[..., 0]", [1.0]),
        ("t = torch.arange(6.0).reshape(3, 2)[1:2, 1]", [3.0]),
        ("t = torch.eye(1).diagonal()", [1.0]),
        ("t = torch.arange(4.0)[::4]", [0.0]),
        ("t = torch.arange(6.0)[::2]", [0.0, 2.0, 4.0]),
    ],
)
def test_a_tensor_of_any_strides_comes_as_one(
    warm: WarmProcess, cell: str, values: list[float]
) -> None:
    with running(warm, f"import torch\n{cell}", GRADE) as run:
        value = run.checkpoints[1].read("t")
    assert isinstance(value, TensorValue) and value.tensor.tolist() == values


def test_the_gradient_that_a_tensor_inside_the_graph_retains_comes_with_it(
    warm: WarmProcess,
) -> None:
    cell = (
        "import torch\na = torch.ones(2, requires_grad=True)\nx = a * 3\nx.retain_grad()\n"
        "(x ** 2).sum().backward()\ny = a * 2"
    )
    with running(warm, cell, GRADE) as run:
        x, y = (run.checkpoints[1].read(name) for name in "xy")
    assert isinstance(x, TensorValue) and isinstance(y, TensorValue)
    assert x.grad is not None and x.grad.tensor.tolist() == [6, 6] and not x.is_leaf
    assert y.grad is None


def test_a_label_of_the_whole_figure_is_one_of_its_axes(warm: WarmProcess) -> None:
    cell = (
        "import matplotlib.pyplot as plt\nfig, ax = plt.subplots()\nax.plot([0, 1])\n"
        "fig.supxlabel('x')\nfig.supylabel('height')\nax.set_ylabel('y')"
    )
    with running(warm, cell, GRADE) as run:
        (figure,) = run.checkpoints[1].figures()
    assert (figure.axes[0].xlabel, figure.axes[0].ylabel) == ("x", "y")


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(6.0).reshape(2, 3).T,
        lambda: torch.arange(12.0)[::2],
        lambda: torch.arange(24.0).reshape(2, 3, 4).permute(2, 0, 1),
        lambda: torch.arange(24.0, requires_grad=True).detach().reshape(4, 6)[:, 1:3],
        lambda: torch.ones(3, 1).expand(3, 4),
    ],
    ids=["transposed", "every second", "permuted", "columns", "expanded"],
)
def test_an_argument_lies_in_memory_as_the_grader_made_it(
    warm: WarmProcess, make: Callable[[], torch.Tensor]
) -> None:
    """Except for one whose elements share memory, which is written out."""
    given = make()
    with running(warm, "def f(t):\n    return t.stride(), t * 2, t.requires_grad", GRADE) as run:
        call = run.checkpoints[1].call("f", [given], {}, True)
    assert isinstance(call.value, tuple)
    strides, doubled, requires_grad = call.value
    assert isinstance(doubled, TensorValue)
    assert strides == (given.stride() if 0 not in given.stride() else (4, 1))
    assert torch.equal(doubled.tensor, 2 * given.detach())
    assert requires_grad == given.requires_grad


def test_autograd_works_in_a_call_after_backward_in_a_cell(warm: WarmProcess) -> None:
    cells = (
        "import torch\nw = torch.ones(2, requires_grad=True)\n(w ** 2).sum().backward()",
        "def g(v):\n    return torch.autograd.grad((v ** 3).sum(), v)[0]",
    )
    with running(warm, *cells, GRADE) as run:
        call = run.checkpoints[2].call("g", [torch.ones(2, requires_grad=True)], {}, True)
    assert isinstance(call.value, TensorValue) and call.value.tensor.tolist() == [3, 3]


def test_a_call_shows_what_it_did_to_its_arguments_and_changes_no_other_grade_cell(
    warm: WarmProcess,
) -> None:
    cell = "n = 0\ndef f(x):\n    global n\n    n += 1\n    x.add_(1)\n    return n"
    with running(warm, cell, GRADE, GRADE) as run:
        here, there = run.checkpoints[1], run.checkpoints[2]
        first = here.call("f", [torch.zeros(1)], {}, True)
        assert here.call("f", [torch.zeros(1)], {}, True).value == 2, "as in a notebook"
        assert there.call("f", [torch.zeros(1)], {}, True).value == 1
        assert here.call("f", [torch.zeros(1)], {}, True).value == 1, "another one was asked"
        assert (first.value, here.read("n")) == (1, 0)
    assert isinstance(first.args[0], TensorValue) and first.args[0].tensor.tolist() == [1]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("raise KeyError('x')", "KeyError"),
        ("raise NotImplementedError", "NotImplementedError"),
        ("while True: pass", "WireTimeout"),
        ("import os; os._exit(0)", "WireClosed"),
        ("raise type('Ajeno', (ValueError,), {})", "ValueError"),
    ],
)
def test_a_call_that_fails_says_how(warm: WarmProcess, body: str, kind: str) -> None:
    with running(warm, f"def f():\n    {body}", GRADE) as run:
        with pytest.raises(CallFailed) as caught:
            run.checkpoints[1].call("f", [], {}, True)
        assert caught.value.kind == kind


@pytest.mark.parametrize(
    "use",
    [
        "x.sum().backward(); return x.grad",
        "return torch.autograd.grad(x.sum(), x)",
        "return torch.func.grad(lambda t: t.sum())(x)",
        "return grad(x.sum(), x)",
    ],
)
def test_autograd_can_be_switched_off_for_a_call(warm: WarmProcess, use: str) -> None:
    cell = f"import torch\nfrom torch.autograd import grad\ndef f(x):\n    {use}"
    with running(warm, cell, GRADE) as run:
        with pytest.raises(CallFailed) as caught:
            run.checkpoints[1].call("f", [torch.ones(2, requires_grad=True)], {}, False)
        assert caught.value.kind == "AutogradDisabledError"


def test_the_same_seed_gives_the_same_random_numbers(warm: WarmProcess) -> None:
    cell = "import torch, random, numpy\nr = [torch.rand(1).item(), random.random()]"
    drawn = []
    for seed in (1, 1, 2):
        with running(warm, cell, GRADE, seed=seed) as run:
            drawn.append(run.checkpoints[1].read("r"))
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_child_sees_nothing_of_the_teachers_environment(
    warm: WarmProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_TEACHER", "1")
    with own_process() as own, running(own, "import os\ne = sorted(os.environ)", GRADE) as run:
        names = run.checkpoints[1].read("e")
    assert isinstance(names, list) and "SECRET_OF_THE_TEACHER" not in names


@contextmanager
def own_process() -> Iterator[WarmProcess]:
    process = WarmProcess()
    try:
        yield process
    finally:
        process.stop()


def test_ending_one_submission_leaves_another_alive(warm: WarmProcess) -> None:
    with running(warm, "a = 1", GRADE) as first:
        with running(warm, "a = 2", GRADE) as second:
            assert second.checkpoints[1].read("a") == 2
        assert first.checkpoints[1].read("a") == 1


def test_a_value_that_is_too_large_for_the_wire_is_only_a_type(warm: WarmProcess) -> None:
    cell = (
        "import torch\nw = torch.ones(1, requires_grad=True)\n"
        "losses = [(w * n).sum() for n in range(9000)]\n"
        "few = losses[:100]\ndef f(x): return losses"
    )
    with running(warm, cell, GRADE, limits=Limits()) as run:
        assert run.checkpoints[1].read("losses") == OpaqueValue("list")
        few = run.checkpoints[1].read("few")
        assert isinstance(few, list) and len(few) == 100
        assert run.checkpoints[1].call("f", [torch.ones(1)], {}, True).value == OpaqueValue("list")
