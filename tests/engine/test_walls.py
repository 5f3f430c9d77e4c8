"""The walls themselves: which stand, what is told of missing ones, and what the jail holds."""

import ctypes
import ctypes.util
import json
import mmap
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from autograder.runner import cgroup, seccomp, syscalls, walls
from autograder.runner.checkpoint import CallFailed
from autograder.runner.limits import Limits
from autograder.runner.processes import descendants, has_ended
from autograder.runner.tree import Tree
from autograder.runner.usage import Held, Usage, folder_usage, hidden_files
from autograder.runner.warm import Cell, JailError, WarmProcess, WarmProcessError, sweep
from autograder.runner.wire import WireError
from tests.attacks.modes import ROOM, available

GRADE = Cell("", grade=True)
LIMITS = Limits(cell_seconds=3.0, submission_seconds=20.0, memory_mib=256)
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def in_mode(mode: str, code: str) -> str:
    """What a program prints that is run in a mode of the attack corpus."""
    start = f"from tests.attacks.modes import enter; enter({mode!r})\n"
    command = [sys.executable, "-c", start + textwrap.dedent(code)]
    done = subprocess.run(
        command, cwd=ROOM, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- which walls stand ------------------------------------------------------------------------

PROBE = """
import json
from autograder.runner.limits import Limits
from autograder.runner.warm import WarmProcess
process = WarmProcess(serves="")
print(json.dumps(process.probe(Limits())))
process.stop()
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_for_root_every_wall_stands_that_the_kernel_has(warm: WarmProcess) -> None:
    with warm.run([], LIMITS, 1) as run:
        missing = set(walls.WALLS) - set(run.walls)
    assert missing <= {walls.MEMORY, walls.PIDS, walls.LANDLOCK}, "a container may lack these"


def test_an_ordinary_user_lacks_only_what_needs_root() -> None:
    raised = json.loads(in_mode("user", PROBE))
    assert set(walls.WALLS) - set(raised) <= {walls.UID, walls.MEMORY, walls.PIDS}


@pytest.mark.parametrize("mode", ["bare", "container"])
def test_without_namespaces_the_minimum_still_stands(mode: str) -> None:
    if not available(mode):
        pytest.skip("only root can be root")
    raised = json.loads(in_mode(mode, PROBE))
    assert (walls.UID in raised) == (mode == "container")
    assert {walls.SECCOMP, walls.LANDLOCK, walls.CAPABILITIES, walls.RLIMITS} <= set(raised)
    assert walls.ROOT not in raised and walls.PID not in raised
    assert walls.missing_for_untrusted(raised) == []


def test_on_a_defenceless_machine_grade_refuses_unless_told_otherwise(tmp_path: Path) -> None:
    code = """
        from autograder.doctor import require_walls
        from autograder.runner.warm import JailError
        try:
            require_walls(allow_unsafe=False)
        except JailError as error:
            print(error)
        print(require_walls(allow_unsafe=True))
    """
    refused, unsafe = in_mode("defenceless", code).splitlines()
    assert "no network" in refused and "no file access" in refused and "--allow-unsafe" in refused
    assert "no network" in unsafe


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be root")
def test_root_does_not_run_a_submission_as_itself(tmp_path: Path) -> None:
    """Where namespaces are refused and the interpreter can be read by root alone."""
    code = """
        import os
        from autograder.doctor import require_walls
        from autograder.runner.warm import JailError
        os.chmod(tempfile.gettempdir(), 0o700)
        try:
            require_walls(allow_unsafe=False)
        except JailError as error:
            print(error)
    """
    (tmp_path / "closed").mkdir()
    start = f"import tempfile; tempfile.tempdir = {str(tmp_path / 'closed')!r}\n"
    told = in_mode("container", start + textwrap.dedent(code))
    assert "not root" in told and "autograder doctor" in told


@pytest.mark.parametrize("without", [{walls.MOUNT, walls.LANDLOCK}, {walls.MOUNT, walls.SECCOMP}])
def test_without_the_minimum_a_submission_is_not_run(without: set[str]) -> None:
    process = WarmProcess(without=without)
    try:
        with pytest.raises(JailError, match="autograder doctor"):
            process.run([Cell("1")], LIMITS, 1)
        with process.run([Cell("1")], LIMITS, 1, allow_unsafe=True) as run:
            assert run.outcomes[0].status == "ok"
    finally:
        process.stop()


def test_doctor_says_of_each_wall_whether_it_stands_and_how_to_mend_it() -> None:
    code = """
        import tempfile
        from autograder.cli import main
        main(["--course", tempfile.mkdtemp(), "doctor"])
    """
    lines = in_mode("bare", code).splitlines()
    rows = lines[lines.index("walls around a submission") + 1 :]
    told = {re.split(" {2,}", line)[1]: line for line in rows if line[:1] in "✔!✘"}
    assert list(told)[:-1] == list(walls.WALLS)
    assert told[walls.SECCOMP].startswith("✔")
    assert told[walls.ROOT].startswith("!") and "To mend:" in told[walls.ROOT]
    assert told["submissions of strangers"].startswith("✔")
    assert "can be graded on this machine" in lines[-1]


# --- what the jail holds ----------------------------------------------------------------------


def test_no_process_of_a_submission_stays(warm: WarmProcess) -> None:
    assert warm.pid is not None
    before = len(descendants(warm.pid))
    cell = "import os, time\na = 1\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)"
    with warm.run([Cell(cell), GRADE], LIMITS, 1) as run:
        assert run.checkpoints[1].read("a") == 1
        assert_at_most(before + 2, warm)  # the checkpoint, and the first of its pid namespace
    assert len(descendants(warm.pid)) == before


def test_what_calls_leave_running_ends_when_another_grade_cell_is_asked(
    warm: WarmProcess,
) -> None:
    cell = "import os, time\ndef f():\n    if os.fork() == 0:\n        os.setsid()\n"
    cell += "        time.sleep(60)\n    return 1"
    assert warm.pid is not None
    with warm.run([Cell(cell), GRADE, Cell("def f(): return 2"), GRADE], LIMITS, 1) as run:
        before = len([pid for pid in descendants(warm.pid) if not has_ended(pid)])
        for _ in range(3):
            assert run.checkpoints[1].call("f", [], {}, True).value == 1
        assert run.checkpoints[3].call("f", [], {}, True).value == 2
        assert_at_most(before + 1, warm)  # the process that has just been called


def assert_at_most(count: int, warm: WarmProcess) -> None:
    assert warm.pid is not None
    deadline = time.monotonic() + 5
    while len(left := [pid for pid in descendants(warm.pid) if not has_ended(pid)]) > count:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


def test_one_submission_s_end_leaves_another_s_checkpoints(warm: WarmProcess) -> None:
    cells = [Cell("a = 1\ndef f(): return 2"), GRADE]
    with warm.run(cells, LIMITS, 1) as first, warm.run(cells, LIMITS, 1) as second:
        for run in (first, second, first):
            assert run.checkpoints[1].call("f", [], {}, True).value == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root reads another's memory")
def test_the_warm_process_holds_no_path_of_the_course_and_nothing_of_another_submission(
    warm: WarmProcess,
) -> None:
    token = "the-first-students-own-" + "words"
    with warm.run([Cell(f"a = {token!r}"), GRADE], LIMITS, 1) as run:
        assert run.checkpoints[1].read("a") == token
    assert warm.pid is not None
    zygote = descendants(warm.pid)[-1]  # the innermost of the three
    memory = memory_of(zygote)
    assert b"torch._dynamo" in memory, "this is the warm process"
    course = [f"{ROOM}/{name}" for name in ("source", "solutions", "tests", "autograder", "demo")]
    for secret in (token, "tests/graders", "gradebook.db", "nbgrader_config", *course):
        found = memory.find(secret.encode())
        assert found < 0, memory[max(0, found - 80) : found + 80]
    environment = Path(f"/proc/{zygote}/environ").read_bytes().decode()
    assert str(ROOM) not in environment and "PATH=/usr/bin:/bin" in environment
    links = {one.name: os.readlink(one) for one in Path(f"/proc/{zygote}/fd").iterdir()}
    files = {link for name, link in links.items() if link.startswith("/") and name != "2"}
    assert all(link.startswith(("/packages/", "/dev/")) for link in files), links


def memory_of(pid: int) -> bytes:
    """All memory that a process can write, heap and stacks among it."""
    parts = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found is None:
                continue
            begin, end = (int(number, 16) for number in found.groups())
            memory.seek(begin)
            parts.append(memory.read(end - begin))
    return b"\n".join(parts)


@pytest.mark.parametrize("mode", ["own", "bare"])
def test_a_grading_process_that_is_killed_takes_everything_along(mode: str) -> None:
    """Also where no pid namespace holds a process that a cell has left to itself."""
    code = f"""
        import sys, time
        sys.path.insert(0, {str(ROOM)!r})
        from autograder.runner.limits import Limits
        from autograder.runner.warm import Cell, WarmProcess
        warm = WarmProcess()
        warm.start()
        print("running", flush=True)
        warm.run([Cell("", grade=True), Cell({LEAVES_A_PROCESS!r})], Limits(cell_seconds=90), 1)
    """
    folder = Path(tempfile.mkdtemp(prefix="killed-"))  # where an ordinary user can go
    folder.chmod(0o777)
    environment = dict(os.environ) | {"TMPDIR": str(folder)}
    start = "" if mode == "own" else f"from tests.attacks.modes import enter; enter({mode!r})\n"
    process = subprocess.Popen(
        [sys.executable, "-c", start + textwrap.dedent(code)],
        cwd=ROOM,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdout is not None and process.stdout.readline() == b"running\n"
    before = len(descendants(process.pid))
    deadline = time.monotonic() + 20
    while len(below := descendants(process.pid)) < before + 3:  # cells, checkpoint, daemon
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    below = descendants(process.pid)
    process.kill()
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 10
    while (left := [pid for pid in below if not has_ended(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert list(folder.glob("autograder-*")), "its folder is still there"
    sweep = "from autograder.runner.warm import sweep; sweep()"
    subprocess.run(
        [sys.executable, "-c", start + sweep], cwd=ROOM, env=environment, check=True, timeout=60
    )
    assert not list(folder.glob("autograder-*")), "until the next one removes it"
    folder.rmdir()


LEAVES_A_PROCESS = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
time.sleep(60)
"""


def test_sweeping_removes_what_is_deep_and_leaves_what_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    deep = tmp_path / "autograder-4194305-x"  # no process has such an id
    deep.mkdir()
    here = os.open(deep, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    strange = tmp_path / "autograder-4194306-x"
    strange.mkdir()
    if os.geteuid() == 0:
        os.chown(strange, 12345, 12345)
    sweep()
    assert not deep.exists()
    assert strange.exists() == (os.geteuid() == 0)


def test_a_warm_process_that_does_not_answer_is_replaced() -> None:
    process = WarmProcess(serves="")
    try:
        process.start()
        first = process.pid
        assert first is not None and process._control is not None
        for pid in descendants(first):
            os.kill(pid, 19)  # SIGSTOP
        process._control.settimeout(0.2)
        with pytest.raises(WarmProcessError):
            process.probe(LIMITS)
        assert walls.SUBPROCESS in process.probe(LIMITS)
        assert process.pid != first
    finally:
        process.stop()


def test_sweeping_leaves_what_is_in_use(warm: WarmProcess) -> None:
    sweep()
    with warm.run([Cell("1")], LIMITS, 1) as run:
        assert run.outcomes[0].status == "ok"


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("open('a', 'wb').write(bytes(40 << 20))", "disk"),
        ("for n in range(10**4): open(f'{n}', 'w').close()", "disk"),
        ("import os\nheld = [os.dup(1) for n in range(10**4)]", "files"),
        ("import os\nfor n in range(10**3): os.fork() or __import__('time').sleep(9)", "processes"),
        (
            "import threading, time\nfor n in range(10**3):\n"
            "    threading.Thread(target=time.sleep, args=(3,), daemon=True).start()",
            "processes",
        ),
        ("held = bytearray(10**10)", "memory"),
    ],
)
def test_a_cell_that_hits_a_limit_is_told_which_and_earlier_points_stay(
    warm: WarmProcess, cell: str, status: str
) -> None:
    limits = Limits(cell_seconds=5, memory_mib=256, disk_mib=32, files=500, processes=30)
    with warm.run([Cell("a = 1"), GRADE, Cell(cell)], limits, 1) as run:
        assert run.outcomes[2].status == status
        assert run.checkpoints[1].read("a") == 1


def test_graders_wait_for_a_slow_submission_only_as_long_as_all_of_them_may(
    warm: WarmProcess,
) -> None:
    limits = Limits(call_seconds=1.0, grading_seconds=2.0)
    began = time.monotonic()
    with warm.run([Cell("import time\ndef f(): time.sleep(60)"), GRADE], limits, 1) as run:
        for _ in range(10):
            with pytest.raises((CallFailed, WireError)):
                run.checkpoints[1].call("f", [], {}, True)
    assert time.monotonic() - began < 20


# --- what is measured where the kernel caps nothing ------------------------------------------


def test_a_folder_is_measured_with_all_that_is_in_it(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(bytes(100_000))
    (tmp_path / "link").symlink_to("/usr")
    found = folder_usage(str(tmp_path), 100)
    assert found is not None and found[1] == 4 and 100_000 <= found[0] < 200_000
    few = folder_usage(str(tmp_path), 1)
    assert few is not None and few[1] >= 2


def test_a_folder_that_cannot_be_seen_through_is_no_folder_of_a_known_size(tmp_path: Path) -> None:
    names = ["d" * 200] * 30
    try:
        here = os.open(tmp_path, os.O_RDONLY)
        for name in names:
            os.mkdir(name, dir_fd=here)
            below = os.open(name, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(here)
        assert folder_usage(str(tmp_path), 100) is None
    finally:
        subprocess.run(["rm", "-rf", *tmp_path.iterdir()], check=True)
    assert folder_usage(str(tmp_path / "gone"), 100) == (0, 0)


def test_files_without_a_name_are_found_by_what_holds_them(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w+b", buffering=0) as file:
        file.write(bytes(100_000))
        area = mmap.mmap(file.fileno(), 4096)
        (tmp_path / "file").unlink()
        held = Held.by([os.getpid()])
        assert held.deleted[os.fstat(file.fileno()).st_ino] >= 100_000
        assert not hidden_files(str(tmp_path), held, [os.getpid()])
    assert hidden_files(str(tmp_path), Held(), [os.getpid()])
    area.close()
    assert not hidden_files(str(tmp_path), Held(), [os.getpid()])


def test_memory_of_forks_counts_from_the_first_page() -> None:
    """A fork begins with less in memory than the process it came from."""
    start = "import os, time\nheld = bytearray(400 << 20)\n"
    forks = (
        "for n in range(4):\n"
        "    if os.fork() == 0:\n"
        "        del held\n        more = bytearray(b'x' * (120 << 20))\n        time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", f"{start}print(flush=True)\ninput()\n{forks}time.sleep(60)"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdout.readline()
        standing = set(walls.WALLS) - {walls.MEMORY}
        tree = Tree(os.getpid(), descendants(os.getpid()))
        usage = Usage(standing, tree, "", Limits(memory_mib=64))
        usage.check()
        assert not usage.out_of_memory
        process.stdin.write(b"\n")
        process.stdin.flush()
        deadline = time.monotonic() + 20
        while not usage.out_of_memory and time.monotonic() < deadline:
            time.sleep(0.05)
            usage.check()
        assert usage.out_of_memory
    finally:
        for pid in [*descendants(process.pid), process.pid]:
            os.kill(pid, 9)
        process.communicate()


# --- seccomp ----------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", sorted(_ARCHITECTURES))
def test_the_table_of_system_calls_is_that_of_libseccomp(machine: str) -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        pytest.skip("libseccomp is not installed")
    library = ctypes.CDLL(name)
    resolve = library.seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    numbers = syscalls.numbers(machine)
    every = set(syscalls.numbers("x86_64")) | set(syscalls.numbers("aarch64"))
    theirs = {one: resolve(_ARCHITECTURES[machine], one.encode()) for one in every}
    assert numbers == {one: number for one, number in theirs.items() if number >= 0}
    assert len(numbers) > 250


@pytest.mark.parametrize("machine", sorted(_ARCHITECTURES))
@pytest.mark.parametrize("change_metadata", [True, False])
def test_the_filter_decides_as_the_lists_say(machine: str, change_metadata: bool) -> None:
    program = seccomp.program(
        change_metadata=change_metadata, share_memory=False, signal_only=77, machine=machine
    )
    numbers = syscalls.numbers(machine)

    def answer(call: str, *arguments: int) -> str:
        return decide(program, machine, numbers[call], *arguments)

    for call in set(seccomp.ALLOWED) & set(numbers):
        assert answer(call) == "allow", call
    for call in set(seccomp.REFUSED) & set(numbers):
        assert answer(call) == "errno 1", call
    for call in set(seccomp.CHANGES_METADATA) & set(numbers):
        assert answer(call) == ("allow" if change_metadata else "errno 0"), call
    if "truncate" in numbers:
        assert answer("truncate") == ("allow" if change_metadata else "errno 1")
    assert answer("clone3") == answer("openat2") == "errno 38"
    assert answer("clone", 17) == "allow"
    assert answer("clone", 0x10000 | 0x400) == "allow"
    assert answer("clone", 0x10000) == "errno 1", "a thread with descriptors of its own"
    assert (answer("close_range", 3, 9, 4), answer("close_range", 3, 9, 2)) == ("allow", "errno 1")
    for flag in (0x10000000, 0x20000000, 0x40000000, 0x20000, 0x2000000, 0x8000):
        assert answer("clone", 17 | flag) == "errno 1"
    assert answer("socketpair", 1, 1) == answer("socketpair", 1, 1 | 0o2000000) == "allow"
    assert answer("socketpair", 1, 2) == answer("socketpair", 2, 1) == "errno 1"
    assert (answer("kill", 77), answer("kill", 78)) == ("allow", "errno 1")
    assert (answer("prlimit64", 0), answer("prlimit64", 5)) == ("allow", "errno 1")
    assert (answer("ioctl", 0, 0x5401), answer("ioctl", 0, 0x5412)) == ("allow", "errno 1")
    assert (answer("fcntl", 0, 3), answer("fcntl", 0, 8)) == ("allow", "errno 1")
    assert answer("openat", 0, 0, 3) == answer("openat", 0, 0, 0o1003) == "errno 1"
    assert (answer("setpriority", 0, 0), answer("setpriority", 0, 9)) == ("allow", "errno 1")
    assert answer("setpriority", 1, 0) == answer("setpriority", 2, 0) == "errno 1"
    assert answer("sched_setaffinity", 0) == "allow"
    assert answer("sched_setaffinity", 9) == "errno 1"
    assert (answer("prctl", 15), answer("prctl", 1)) == ("allow", "errno 1")
    assert (answer("setsockopt", 0, 6, 7), answer("setsockopt", 0, 1, 2)) == ("allow", "allow")
    assert {answer("setsockopt", 0, 1, option) for option in (7, 8, 32, 33)} == {"errno 1"}
    assert (answer("mmap", 0, 0, 0, 0x22), answer("mmap", 0, 0, 0, 0x01)) == ("allow", "allow")
    assert answer("mmap", 0, 0, 0, 0x21) == answer("mmap", 0, 0, 0, 0x23) == "errno 1"
    assert (answer("openat", 0, 0, 0o1001), answer("openat", 0, 0, 0o1000)) == ("allow", "errno 1")
    assert decide(program, machine, 5000) == "errno 38"


def test_calls_of_another_architecture_end_the_process() -> None:
    program = seccomp.program(change_metadata=True, share_memory=True, machine="x86_64")
    assert decide(program, "aarch64", 0) == "kill"
    assert decide(program, "x86_64", 0x40000000 | 39) == "kill"


def decide(program: list[seccomp.Instruction], machine: str, number: int, *arguments: int) -> str:
    """Run a filter as the kernel does (bpf's classic machine, as far as it is used)."""
    words = {0: number, 4: _ARCHITECTURES[machine]}
    words |= {16 + 8 * place: value for place, value in enumerate([*arguments, 0, 0, 0][:6])}
    place = accumulator = 0
    while True:
        code, if_true, if_false, operand = program[place]
        place += 1
        if code == 0x06:
            kinds = {0x7FFF0000: "allow", 0x80000000: "kill"}
            return kinds.get(operand, f"errno {operand & 0xFFFF}")
        if code == 0x20:
            accumulator = words[operand]
        elif code == 0x54:
            accumulator &= operand
        else:
            tests = {0x15: accumulator == operand, 0x35: accumulator >= operand,
                     0x45: bool(accumulator & operand)}  # fmt: skip
            place += if_true if tests[code] else if_false


# --- control groups ---------------------------------------------------------------------------


def test_a_group_caps_memory_and_processes_and_leaves_nothing() -> None:
    controllers = cgroup.find()
    if controllers is None:
        pytest.skip("no control group can be made here")
    with controllers.group(LIMITS) as group:
        doors = group.doors()
        process = subprocess.Popen(["sleep", "60"])
        try:
            for door in doors:
                os.write(door, str(process.pid).encode())
                os.close(door)
            assert not group.out_of_memory()
            group.end()
            assert process.wait(10) == -9
        finally:
            process.kill()
    assert not [one for parent in controllers.parents.values()
                for one in parent.glob(f"autograder-{os.getpid()}-*")]  # fmt: skip


def test_version_2_is_used_where_it_is_delegated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the file system: this machine may have no second version to try."""
    own = tmp_path / "delegated"
    own.mkdir()
    (own / "cgroup.controllers").write_text("cpu memory pids")
    (own / "cgroup.subtree_control").write_text("")
    (own / "cgroup.procs").write_text("")
    monkeypatch.setattr(cgroup, "_own_folders", lambda: {"": own})
    controllers = cgroup.find()
    assert controllers is not None and controllers.version == 2
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    group = controllers.group(Limits(memory_mib=100, disk_mib=28, processes=9))
    (folder,) = own.glob("autograder-*-*")
    assert (folder / "memory.max").read_text() == str(256 << 20)
    assert (folder / "pids.max").read_text() == "9"
    assert group.controllers == ["memory", "pids"]
