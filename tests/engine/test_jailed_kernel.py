"""The jailed kernel: what it takes from a hostile process, and its limits."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nbclient.exceptions import DeadKernelError
from nbformat import validate
from nbformat.v4 import new_code_cell, new_notebook, output_from_msg
from traitlets.config import Config

from autograder.bridge import execute
from autograder.bridge.execute import JailedExecute, UnsuitedNotebookError
from autograder.runner import jailed_kernel
from autograder.runner.jailed_kernel import JailedKernel
from autograder.runner.limits import Limits
from autograder.runner.warm import WarmProcess
from autograder.runner.wire import WireError
from tests.engine.kernels import messages_of, outputs_of
from tests.small_course import KERNEL

LIMITS = Limits(disk_mib=8, output_kib=16, processes=32)


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    process = WarmProcess(serves="kernel")
    process.start()
    yield process
    process.stop()


@pytest.fixture
def kernel(warm: WarmProcess) -> Iterator[JailedKernel]:
    beside = {"data/a.txt": b"hola", "b.bin": bytes(300)}
    with JailedKernel.start(warm, LIMITS, seed=7, files=beside, allow_unsafe=True) as one:
        yield one


def test_it_runs_cells_one_after_the_other_in_one_namespace(kernel: JailedKernel) -> None:
    outputs_of(kernel, "n = 20")
    assert outputs_of(kernel, "n + 1")[0]["data"] == {"text/plain": "21"}
    replies = [one for one in messages_of(kernel, "1/0") if one.kind == "execute_reply"]
    assert (replies[0].content["status"], replies[0].content["ename"]) == (
        "error",
        "ZeroDivisionError",
    )


def test_files_beside_the_notebook_can_be_read_and_new_ones_seen_later(
    kernel: JailedKernel,
) -> None:
    read = "open('data/a.txt').read(), len(open('b.bin', 'rb').read())"
    assert outputs_of(kernel, read)[0]["data"]["text/plain"] == "('hola', 300)"
    outputs_of(kernel, "open('new.txt', 'w').write('x')")
    assert outputs_of(kernel, "open('new.txt').read()")[0]["data"]["text/plain"] == "'x'"


def test_the_next_submission_sees_nothing_of_it(warm: WarmProcess, kernel: JailedKernel) -> None:
    outputs_of(kernel, "import builtins, torch\nbuiltins.mine = torch.mine = open('mine', 'w')")
    look = "import os, torch\n'mine' in dir(__builtins__), hasattr(torch, 'mine'), os.listdir()"
    with JailedKernel.start(warm, LIMITS, seed=7, allow_unsafe=True) as other:
        assert outputs_of(other, look)[0]["data"]["text/plain"] == "(False, False, [])"


def test_the_same_seed_gives_the_same_random_numbers(warm: WarmProcess) -> None:
    code = "import random, numpy, torch\nrandom.random(), numpy.random.rand(), torch.rand(1).item()"
    shown = []
    for seed in (7, 7, 8):
        with JailedKernel.start(warm, LIMITS, seed=seed, allow_unsafe=True) as one:
            shown.append(outputs_of(one, code)[0]["data"]["text/plain"])
    assert shown[0] == shown[1] != shown[2]


def test_later_cells_are_not_in_its_process(kernel: JailedKernel) -> None:
    """What a hidden test in a later cell asks cannot be read before it runs."""
    code = "import gc\n[o for o in gc.get_objects() if isinstance(o, str) and 'SECR' 'ET' in o]"
    assert outputs_of(kernel, code)[0]["data"]["text/plain"] == "[]"
    assert outputs_of(kernel, "'SECRET'")


def test_output_beyond_its_limit_is_cut_and_the_cell_goes_on(kernel: JailedKernel) -> None:
    shown = outputs_of(kernel, "for i in range(20000): print('x' * 100)\nprint('end')")
    assert sum(len(one["text"]) for one in shown) < 40 * 1024
    assert "longer than 16 KiB and was cut" in shown[-1]["text"]
    assert outputs_of(kernel, "1 + 1")[0]["data"]["text/plain"] == "2"


def test_an_interrupt_ends_the_cell_and_not_the_kernel(kernel: JailedKernel) -> None:
    request = kernel.execute("import time\nprint('on', flush=True)\ntime.sleep(60)")
    while (message := kernel.receive()) is None or message.kind != "stream":
        assert kernel.alive
    kernel.interrupt()
    while (message := kernel.receive()) is None or message.kind != "execute_reply":
        assert kernel.alive
    assert (message.parent, message.content["ename"]) == (request, "KeyboardInterrupt")
    assert outputs_of(kernel, "2 + 2")[0]["data"]["text/plain"] == "4"


def test_what_no_submission_gets_is_refused_and_told(kernel: JailedKernel) -> None:
    assert outputs_of(kernel, "!ls")[0]["ename"] == "PermissionError"
    assert outputs_of(kernel, "import socket\nsocket.create_connection(('127.0.0.1', 1))")
    assert kernel.refused == {"program", "network"}


def test_a_process_that_ends_is_told_from_one_that_answers(kernel: JailedKernel) -> None:
    messages_of(kernel, "import os\nos._exit(3)")
    assert not kernel.alive


# --- what a hostile process can send ----------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("name", "text", "data", "metadata", "transient", "ename", "evalue", "traceback",
         "execution_count", "execution_state", "status", "wait")  # fmt: skip
contents = st.dictionaries(st.sampled_from(NAMES), plain, max_size=8)


@given(st.sampled_from(sorted(jailed_kernel._CONTENTS)), contents, plain)
def test_whatever_it_sends_becomes_a_valid_message_or_none(
    kind: str, content: dict[str, Any], parent: Any
) -> None:
    frame = {"type": kind, "content": json.dumps(content), "parent": parent}
    message = jailed_kernel._message(frame)
    json.dumps(message.content, allow_nan=False).encode()
    if kind in ("stream", "display_data", "execute_result", "error"):
        whole = {"header": {"msg_type": kind}, "msg_type": kind, "content": message.content}
        cell = new_code_cell("", outputs=[output_from_msg(whole)])
        validate(new_notebook(cells=[cell]))


@given(plain)
def test_a_frame_of_another_form_is_refused(frame: Any) -> None:
    with pytest.raises(WireError):
        jailed_kernel._message(frame)


@pytest.mark.parametrize("content", ["", "[" * 100_000, "nul", '{"data": ' * 60 + "1" + "}" * 60])
def test_content_that_is_no_short_json_is_refused(content: str) -> None:
    with pytest.raises(WireError):
        jailed_kernel._message({"type": "stream", "content": content, "parent": ""})


# --- nbgrader's Execute -----------------------------------------------------------------------


def executed(folder: Path, *sources: str, kernel: Any = KERNEL, **settings: Any) -> Any:
    config = Config()
    config.Jail.allow_unsafe = True
    config.Jail.preload = []
    config.JailedExecute.update(settings)
    notebook = new_notebook(
        cells=[new_code_cell(source) for source in sources], metadata={"kernelspec": kernel}
    )
    JailedExecute(config=config).preprocess(notebook, {"metadata": {"path": str(folder)}})
    return notebook


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [
        ({"name": "ir", "display_name": "R", "language": "R"}, "there is no kernel 'ir'"),
        ({"name": "other", "display_name": "x"}, "is not ipykernel"),
        ({"name": "elsewhere", "display_name": "x"}, "belongs to another environment, /opt/x/bin"),
    ],
)
def test_another_kernel_is_refused_with_its_reason_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: dict[str, str], reason: str
) -> None:
    specs = {
        "other": {"argv": ["bash", "-m", "x"], "language": "bash"},
        "elsewhere": {"argv": ["/opt/x/bin/python", "-m", "ipykernel"], "language": "python"},
    }
    for name, facts in specs.items():
        folder = tmp_path / "kernels" / name
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(json.dumps(facts | {"display_name": name}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with pytest.raises(UnsuitedNotebookError, match=f"{reason}.*fall_back"):
        executed(tmp_path, "1", kernel=kernel)


def test_a_notebook_that_needs_programs_is_run_by_nbgrader_where_that_is_allowed(
    tmp_path: Path,
) -> None:
    cells = ("n = 1", "!echo from-a-program", "n + 1")
    refused = executed(tmp_path, *cells)
    assert refused.cells[1].outputs[0].ename == "PermissionError"
    allowed = executed(tmp_path, *cells, fall_back=True)
    assert allowed.cells[1].outputs[0].text.split() == ["from-a-program"]
    assert allowed.cells[2].outputs[0].data["text/plain"] == "2"


def test_all_cells_together_have_a_limit(tmp_path: Path) -> None:
    with pytest.raises(DeadKernelError):
        executed(tmp_path, "1", "import time\ntime.sleep(60)", submission_seconds=1.5)


def test_more_than_its_memory_ends_the_cell_or_the_kernel(tmp_path: Path) -> None:
    try:
        done = executed(tmp_path, "x = bytearray(400 * 1024**2)", "1", memory_mib=64)
    except DeadKernelError:
        return
    assert done.cells[0].outputs[0].ename == "MemoryError"
    assert done.cells[1].outputs[0].data["text/plain"] == "1"


def test_the_notebook_itself_is_not_among_the_files(tmp_path: Path) -> None:
    """There, nbgrader puts the hidden tests back."""
    (tmp_path / "one.ipynb").write_text("{}")
    (tmp_path / "given.csv").write_text("1")
    (tmp_path / "link").symlink_to("/etc/passwd")
    shown = executed(tmp_path, "import os\nsorted(os.listdir())").cells[0].outputs[0]
    assert shown.data["text/plain"] == "['given.csv']"


def teardown_module() -> None:
    for process in execute._processes.values():
        process.stop()
    execute._processes.clear()
