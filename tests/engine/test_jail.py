"""The walls around a submission: what its cells try to reach, and that they cannot."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.runner.limits import Limits
from autograder.runner.warm import Cell, WarmProcess

LIMITS = Limits(cell_seconds=5.0, submission_seconds=30.0, memory_mib=512)
COURSE = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmProcess]:
    process = WarmProcess()
    process.start()
    try:
        if not process.walls["files"]:
            pytest.skip("this kernel has no Landlock")
        yield process
    finally:
        process.stop()


def ending(warm: WarmProcess, cell: str) -> tuple[str, str]:
    """How a cell ended, and the name of its error."""
    with warm.run([Cell(cell)], LIMITS, 1) as run:
        outcome = run.outcomes[0]
    return outcome.status, "".join(output.get("ename", "") for output in outcome.outputs)


@pytest.mark.parametrize(
    "path",
    [
        COURSE / "solutions/gradientes.py",
        COURSE / "tests/graders/gradientes/test_gradientes_funcion.py",
        COURSE / "nbgrader_config.py",
        "/etc/passwd",
        "/proc/self/maps",
        "/proc/1/environ",
    ],
)
def test_files_of_the_course_and_of_the_machine_cannot_be_read(
    warm: WarmProcess, path: Path | str
) -> None:
    assert Path(path).exists()
    assert ending(warm, f"open({str(path)!r}).read()") == ("error", "PermissionError")


@pytest.mark.parametrize("path", [COURSE, COURSE / "tests/graders", "/tmp", "/proc"])
def test_folders_of_the_course_and_of_the_machine_cannot_be_listed(
    warm: WarmProcess, path: Path | str
) -> None:
    assert ending(warm, f"import os; os.listdir({str(path)!r})") == ("error", "PermissionError")


def test_nothing_can_be_written_outside_the_private_folder(
    warm: WarmProcess, tmp_path: Path
) -> None:
    tmp_path.chmod(0o777)
    kept = tmp_path / "kept"
    kept.write_text("whole")
    for action in (
        f"open({str(tmp_path / 'new')!r}, 'w')",
        f"open({str(kept)!r}, 'w')",
        f"import os; os.remove({str(kept)!r})",
        f"import os; os.symlink('/', {str(tmp_path / 'link')!r})",
        f"import os; os.mkdir({str(tmp_path / 'folder')!r})",
        "import torch; open(torch.__file__, 'a')",
    ):
        assert ending(warm, action) == ("error", "PermissionError"), action
    assert [path.name for path in tmp_path.iterdir()] == ["kept"] and kept.read_text() == "whole"


def test_a_server_on_this_machine_cannot_be_reached(warm: WarmProcess) -> None:
    if not warm.walls["network"]:
        pytest.skip("this system gives no network namespace")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        port = server.getsockname()[1]
        status, _name = ending(
            warm, f"import socket; socket.create_connection(('127.0.0.1', {port}), 2)"
        )
        assert status == "error"
        with pytest.raises(TimeoutError):
            server.accept()


def test_a_program_of_the_machine_cannot_be_started(warm: WarmProcess) -> None:
    assert ending(warm, "import subprocess; subprocess.run(['/bin/true'])")[0] == "error"


@pytest.mark.parametrize(
    "cell",
    [
        "import tempfile\nwith tempfile.NamedTemporaryFile() as f: f.write(b'x')",
        "import sqlite3\nb = sqlite3.connect('a.db')\nb.execute('create table t (x)')\nb.commit()",
        "import torch\ntorch.save(torch.ones(2), 'a.pt')\nassert torch.load('a.pt').sum() == 2",
        "import torch\ntorch.linalg.svd(torch.rand(4, 4))\ntorch.fft.fft(torch.rand(8))",
        "import threading\nt = threading.Thread(target=print)\nt.start()\nt.join()",
        "import matplotlib.pyplot as plt\nplt.title('ñ $x^2$')\nplt.savefig('a.pdf')\nplt.show()",
        "import zoneinfo\nzoneinfo.ZoneInfo('Europe/Madrid')",
    ],
)
def test_honest_programs_keep_working(warm: WarmProcess, cell: str) -> None:
    assert ending(warm, cell) == ("ok", "")
