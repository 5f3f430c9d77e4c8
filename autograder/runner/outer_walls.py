"""The outer walls: namespaces and a root of their own, inside which the warm process starts.

Run as a program before anything else is imported. It builds what the system allows, then
executes the warm process anew, so that nothing of this process's memory, arguments or
environment is left in it. Three processes take part:

- the first stays outside; it writes the id maps, which only a process outside may, and waits.
  When the grading process ends without a word, it ends whatever is left below itself;
- the second enters the namespaces and builds the root; it waits for
- the third, the first one of the new pid namespace, which becomes the warm process.

See namespaces(7), user_namespaces(7), pivot_root(2). As root the root is built first, with the
powers to reach every file, and the user namespace entered afterwards; an ordinary user needs the
user namespace to build anything.
"""

import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Final, NoReturn

from autograder.runner import linux, processes, walls

WARM_MODULE: Final = "autograder.runner.zygote"
PRIVATE: Final = "/tmp"
"""Where a submission's own folder is mounted in the new root."""
HOME: Final = "/home"
_ENGINE: Final = "/engine"
_PACKAGES: Final = "/packages"
_IDS: Final = 20_000
"""How many user ids the warm process gets, to give each submission its own."""
_HIGHEST_FIRST_ID: Final = 0x70000000
"""Above the ranges that distributions give out to people and containers."""
_DEVICES: Final = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
"""Not ``/dev/zero``: to map it is to have anonymous memory that nobody counts."""
SYSTEM: Final = (
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/fonts",
)
"""What programs need of the system, besides the interpreter and its packages."""

START: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from autograder.runner.{module} import main; main(sys.argv[2:])"
)


@dataclass(frozen=True)
class Plan:
    """What the trusted side says about the warm process that it starts."""

    python: str
    """The interpreter."""
    interpreter: Sequence[str]
    """Its files and folders, such as the standard library."""
    packages: Sequence[str]
    """Folders of installed packages, as for ``sys.path``."""
    engine: str
    """The folder that holds this room, and nothing else of the engine."""
    home: str
    """A folder of the warm process's own."""
    control: int
    """The descriptor of the control socket."""
    by_root: bool = False
    """Whether the machine's root grades."""
    without: Collection[str] = ()
    """Walls not to build, for tests and benchmarks."""
    serves: str = ""
    """The module of this room that runs submissions; none to learn only which walls stand."""
    preload: Sequence[str] = ()
    """Packages that it imports beforehand."""

    def to_json(self) -> str:
        """The plan as text."""
        return json.dumps(asdict(self), default=list)


def main(arguments: Sequence[str]) -> NoReturn:
    """Build the outer walls and start the warm process; end as it ends."""
    linux.adopt_orphans()
    signal.signal(signal.SIGTERM, _end_all)
    linux.die_with_parent(signal.SIGTERM)
    plan = Plan(**json.loads(arguments[0]))
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)  # to read its own statm later
    pid = None if walls.MOUNT in plan.without else _start_inside(plan, proc)
    if pid is None:
        pid = os.fork()
        if pid == 0:
            _begin_child()
            _become_warm(plan, proc, [], plan.home)
    os.close(plan.control)
    _, status = os.waitpid(pid, 0)
    processes.end_all_below()
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _end_all(number: int, frame: FrameType | None) -> None:
    """The grading process has ended: so does everything that it started."""
    processes.end_all_below()
    os._exit(128 + number)


def _begin_child() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    linux.die_with_parent()


def _start_inside(plan: Plan, proc: int) -> int | None:
    """Start the second process; None on a system with user namespaces that give nothing."""
    ask, answer = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ask[0])
        os.close(answer[1])
        _begin_child()
        _enter(plan, proc, ask[1], answer[0])
    os.close(ask[1])
    os.close(answer[0])
    if os.read(ask[0], 1):
        try:
            _map_ids(pid, readable_for_all([*plan.interpreter, *plan.packages]))
        except OSError:
            processes.end(pid)
            return None
        os.write(answer[1], b"m")
    return pid


def _enter(plan: Plan, proc: int, ask: int, answer: int) -> NoReturn:
    """In the second process: enter the namespaces, build the root, start the third."""
    raised: list[str] = []
    if os.geteuid() == 0 and _unshare(linux.CLONE_NEWNS, walls.MOUNT, raised):
        _try_root(plan, raised)
    if _unshare(linux.CLONE_NEWUSER, walls.USER, raised):
        os.write(ask, b"u")
        os.read(answer, 1)
        _take_first_id()
        linux.die_with_parent()  # a change of ids forgets it
        _unshare(linux.CLONE_NEWNS, walls.MOUNT, raised)
    os.close(ask)
    os.close(answer)
    if walls.ROOT not in raised and walls.MOUNT in raised:
        _try_root(plan, raised)
    for flag, name in (
        (linux.CLONE_NEWPID, walls.PID),
        (linux.CLONE_NEWIPC, walls.IPC),
        (linux.CLONE_NEWUTS, walls.UTS),
        (linux.CLONE_NEWNET, walls.NET),
        (linux.CLONE_NEWCGROUP, walls.CGROUP),
    ):
        _unshare(flag, name, raised)
    pid = os.fork()
    if pid == 0:
        linux.die_with_parent()
        _become_warm(plan, proc, raised, HOME if walls.ROOT in raised else plan.home)
    os.close(plan.control)
    os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) & 0xFF)


def _unshare(flag: int, name: str, raised: list[str]) -> bool:
    """Enter a new namespace and note it; False where the system refuses."""
    try:
        linux.unshare(flag)
    except OSError:
        return False
    if name not in raised:
        raised.append(name)
    return True


def readable_for_all(paths: Sequence[str]) -> bool:
    """Whether any user can read these files and folders, once they can reach them."""
    entries = [os.path.join(path, name) for path in paths if os.path.isdir(path)
               for name in os.listdir(path)[:50]]  # fmt: skip
    return all(os.stat(path).st_mode & 0o004 for path in [*paths, *entries])


def _map_ids(pid: int, may_be_others: bool) -> None:
    """Give a process in a new user namespace its ids: a range as root, else our own one."""
    if os.geteuid() == 0 and may_be_others:
        with open("/proc/self/uid_map", encoding="ascii") as lines:
            first = first_free_id(lines.read())
        with contextlib.suppress(OSError):
            for kind in ("uid", "gid"):
                _write(f"/proc/{pid}/{kind}_map", f"0 {first} {_IDS}")
            return
    _write(f"/proc/{pid}/setgroups", "deny")
    for kind, own in (("uid", os.geteuid()), ("gid", os.getegid())):
        _write(f"/proc/{pid}/{kind}_map", f"0 {own} 1")


def first_free_id(uid_map: str) -> int:
    """The first of a range of ids at the upper end of those that a process has.

    Args:
        uid_map: the process's id map, as in user_namespaces(7).
    """
    ranges = [[int(number) for number in line.split()] for line in uid_map.splitlines()]
    first, _outside, count = max(ranges, key=lambda one: one[2])
    return min(first + count - 2 * _IDS, _HIGHEST_FIRST_ID)


def root_is_root(uid_map: str) -> bool:
    """Whether the root of a process's user namespace is that of the namespace above."""
    ranges = [[int(number) for number in line.split()] for line in uid_map.splitlines()]
    return any(inside == outside == 0 for inside, outside, _count in ranges)


def _take_first_id() -> None:
    """Become the first user of the namespace."""
    with contextlib.suppress(OSError):  # an ordinary user has one id, and is it already
        os.setgroups([])
    os.setresgid(0, 0, 0)  # only with id 0 do capabilities outlast an execve
    os.setresuid(0, 0, 0)


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _try_root(plan: Plan, raised: list[str]) -> None:
    """Build the root and move into it; leave everything as it was where that fails."""
    new = os.path.join(plan.home, "root")
    try:
        linux.mount(None, "/", None, linux.MS_REC | linux.MS_PRIVATE)
        os.makedirs(new, exist_ok=True)
        linux.mount("tmpfs", new, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=4m")
        _fill_root(plan, new)
        linux.change_root(new)
    except OSError as error:
        print(f"autograder: no read-only root: {error}", file=sys.stderr)
        return
    raised.append(walls.ROOT)


def _fill_root(plan: Plan, new: str) -> None:
    read_only = linux.MS_RDONLY | linux.MS_NOSUID
    for source, target in _visible(plan):
        if os.path.islink(source) and source in SYSTEM:  # such as /lib -> usr/lib
            os.symlink(os.readlink(source), new + target)
        elif os.path.exists(source):
            _bind(source, new + target, read_only | linux.MS_NODEV)
    for device in _DEVICES:
        _bind(device, new + device, read_only)
    for folder in (PRIVATE, HOME, "/proc", "/sys"):
        os.makedirs(new + folder, exist_ok=True)
    os.symlink(PRIVATE, new + "/dev/shm")
    with contextlib.suppress(OSError):  # torch chooses its kernels by it
        shutil.copyfile("/proc/cpuinfo", new + "/proc/cpuinfo")
    free = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", new + HOME, "tmpfs", free, "mode=1777,size=64m")
    linux.mount(None, new, None, linux.MS_REMOUNT | linux.MS_BIND | read_only | linux.MS_NODEV)


def _visible(plan: Plan) -> list[tuple[str, str]]:
    """What the new root shows, and where; packages without the path that they have outside."""
    sleep = shutil.which("sleep", path="/usr/bin:/bin") or "/bin/sleep"
    return [
        *((path, path) for path in SYSTEM),
        *((path, path) for path in plan.interpreter),
        *((path, f"{_PACKAGES}/{number}") for number, path in enumerate(plan.packages)),
        (os.path.realpath(sleep), "/bin/sleep"),
        (plan.engine, _ENGINE),
    ]


def _bind(source: str, target: str, flags: int) -> None:
    """Show a file or folder at another place, restricted by ``flags``."""
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(target, "a", encoding="ascii"):
            pass
    linux.mount(source, target, None, linux.MS_BIND | linux.MS_REC)
    linux.restrict_mount(target, flags)


def _become_warm(plan: Plan, proc: int, raised: Sequence[str], home: str) -> NoReturn:
    """Execute the warm process, with nothing of this one but three descriptors' meaning."""
    inside = walls.ROOT in raised
    engine = _ENGINE if inside else plan.engine
    packages = [f"{_PACKAGES}/{number}" for number in range(len(plan.packages))]
    job = {
        "control": plan.control,
        "proc": proc,
        "raised": list(raised),
        "packages": packages if inside else list(plan.packages),
        "interpreter": list(plan.interpreter),
        "without": list(plan.without),
        "by_root": plan.by_root,
        "home": home,
        "serves": plan.serves,
        "preload": list(plan.preload),
    }
    for descriptor in (plan.control, proc):
        os.set_inheritable(descriptor, True)
    linux.close_all_but({plan.control, proc})
    os.chdir(home)
    environment = dict(os.environ) | {
        "HOME": home,
        "TMPDIR": home,
        "TORCHINDUCTOR_CACHE_DIR": os.path.join(home, "inductor"),
        "MPLCONFIGDIR": os.path.join(home, "matplotlib"),
        "IPYTHONDIR": os.path.join(home, "ipython"),
    }
    start = START.format(module="zygote")
    command = [plan.python, "-I", "-S", "-c", start, engine, json.dumps(job)]
    os.execve(plan.python, command, environment)
