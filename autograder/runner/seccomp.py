"""Seccomp: the system calls that a submission may make, as a filter for the kernel.

The binding of libseccomp that PyPI offers needs a system library that pip cannot install, so the
filter is assembled here: the classic BPF of Documentation/userspace-api/seccomp_filter.rst. Calls
that are named in no list answer ENOSYS, so that the C library falls back to older ones; calls of
another architecture (32-bit, x32) end the process.
"""

import errno
import platform
import struct
from collections.abc import Iterable, Sequence
from typing import Final

from autograder.runner import linux, syscalls

ALLOWED: Final = """
read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek close
creat dup dup2 dup3 pipe pipe2 flock fsync fdatasync ftruncate fallocate fadvise64 sendfile splice
tee copy_file_range readahead sync_file_range stat fstat lstat newfstatat statx statfs fstatfs
access faccessat faccessat2 readlink readlinkat getdents getdents64 getcwd chdir fchdir umask mkdir
mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mprotect
munmap mremap madvise brk msync mlock munlock mincore pkey_alloc pkey_free pkey_mprotect membarrier
get_mempolicy futex set_robust_list rseq set_tid_address arch_prctl fork exit exit_group wait4
waitid getpid gettid getppid getpgrp getpgid setpgid getsid setsid getuid geteuid getgid getegid
getresuid getresgid getgroups capget getrlimit setrlimit getrusage times sysinfo uname getcpu
getrandom getpriority sched_yield sched_getaffinity sched_getscheduler sched_getparam sched_getattr
sched_get_priority_max sched_get_priority_min sched_rr_get_interval rt_sigaction rt_sigprocmask
rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigsuspend sigaltstack pause restart_syscall alarm
getitimer setitimer timer_create timer_settime timer_gettime timer_getoverrun timer_delete nanosleep
clock_nanosleep clock_gettime clock_getres gettimeofday time timerfd_create timerfd_settime
timerfd_gettime eventfd eventfd2 signalfd signalfd4 poll ppoll select pselect6 epoll_create
epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 sendto recvfrom recvmsg recvmmsg
shutdown getsockname getpeername getsockopt
""".split()
"""Calls on what a process already has, and on files, which Landlock and the root mediate."""

CHANGES_METADATA: Final = """
chmod fchmod fchmodat chown fchown lchown fchownat utime utimes futimesat utimensat
""".split()
"""Calls that Landlock does not mediate. Where not every file in reach is the submission's own, they
are answered as done, and nothing is done: so that ``shutil.copy`` and its like work."""

ATTRIBUTES: Final = """
getxattr lgetxattr fgetxattr listxattr llistxattr flistxattr setxattr lsetxattr fsetxattr
removexattr lremovexattr fremovexattr
""".split()
"""Extended attributes: answered as by a file system that has none."""

REFUSED: Final = """
socket bind listen connect accept accept4 execve execveat vfork ptrace process_vm_readv
process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal kcmp mount umount2 pivot_root chroot
unshare setns mount_setattr move_mount open_tree fsopen fsconfig fsmount fspick mknod mknodat
name_to_handle_at open_by_handle_at setuid setgid setreuid setregid setresuid setresgid setfsuid
setfsgid setgroups capset add_key request_key keyctl bpf perf_event_open userfaultfd
io_uring_setup io_uring_enter io_uring_register memfd_create memfd_secret shmget shmat shmctl shmdt
semget semop semctl semtimedop msgget msgsnd msgrcv msgctl mq_open mq_unlink mq_timedsend
mq_timedreceive mq_notify mq_getsetattr inotify_init inotify_init1 inotify_add_watch
inotify_rm_watch fanotify_init fanotify_mark personality modify_ldt iopl ioperm sethostname
setdomainname settimeofday clock_settime adjtimex clock_adjtime reboot kexec_load kexec_file_load
init_module finit_module delete_module swapon swapoff acct syslog quotactl vhangup
sched_setscheduler sched_setparam sched_setattr ioprio_set mbind set_mempolicy migrate_pages
move_pages mlockall munlockall mlock2 process_madvise remap_file_pages vmsplice sync syncfs
nfsservctl lookup_dcookie seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self
get_robust_list sendmsg sendmmsg io_setup io_submit io_destroy io_getevents io_cancel
rt_tgsigqueueinfo
""".split()
"""Calls that answer EPERM, so that a program gets a sensible error."""

SIGNALS: Final = ("kill", "tkill", "tgkill", "rt_sigqueueinfo")

# clone(2): new namespaces, a parent that is not the caller, tracing
_CLONE_REFUSED: Final = 0x7E020000 | 0x8000 | 0x2000
_CLONE_THREAD: Final = 0x10000
_CLONE_FILES: Final = 0x400
_CLOSE_RANGE_UNSHARE: Final = 2
# prctl(2): names, dumpable, capabilities read, no_new_privs, names of mappings. Not the signal at
# the parent's death: the processes that depend on it could be told to stay.
_PRCTL_ALLOWED: Final = (2, 3, 15, 16, 21, 23, 38, 39, 0x53564D41)
# ioctl(2): TCGETS, TIOCGWINSZ (isatty), FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_IOCTL_ALLOWED: Final = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
# fcntl(2): F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY send signals to anybody
_FCNTL_REFUSED: Final = (8, 10, 15, 1024, 1026)
_OPEN_MASK: Final = 0o1003  # O_TRUNC and the access mode: a file that is only read is not cut
_OPEN_REFUSED: Final = 0o1000
_ACCESS_MODE: Final = 3  # as a value, an access mode that only means ioctl(2), and truncates too
_MAP_KIND: Final = 0x21  # MAP_ANONYMOUS, and MAP_SHARED or MAP_SHARED_VALIDATE
_SOL_SOCKET: Final = 1
_BUFFER_SIZES: Final = (7, 8, 32, 33)  # SO_SNDBUF, SO_RCVBUF and their FORCE
_AF_UNIX: Final = 1
_SOCK_STREAM: Final = 1  # a datagram socket could be sent to any other

_AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT: Final = 0x40000000
_KILL: Final = 0x80000000
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_ANY_BIT: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

Instruction = tuple[int, int, int, int]
"""An instruction: code, jump if true, jump if false, operand (``struct sock_filter``)."""
_REFUSE: Final[Instruction] = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
_PASS: Final[Instruction] = (_RETURN, 0, 0, _ALLOW)


def available() -> bool:
    """Whether this machine has a table of system calls here and a kernel that takes filters."""
    return platform.machine() in _AUDIT_ARCH and linux.can_filter_system_calls()


def program(
    *,
    change_metadata: bool,
    share_memory: bool,
    signal_only: int | None = None,
    machine: str = "",
) -> list[Instruction]:
    """The filter for a submission's process.

    Args:
        change_metadata: allow chmod(2), truncate(2) and their like, where every file in reach
            is the submission's own.
        share_memory: allow anonymous shared memory, where a control group counts it: it stays
            while any part of it is mapped, so it cannot be measured from outside.
        signal_only: the only process that may be signalled; None where a namespace or Landlock
            already keeps signals in.
        machine: as in ``platform.machine()``; default: this one.

    Raises:
        KeyError: there is no table for the machine.
    """
    machine = machine or platform.machine()
    numbers = syscalls.numbers(machine)
    blocks: dict[int, Sequence[Instruction]] = {}
    for names, block in _rules(change_metadata, share_memory, signal_only):
        blocks |= {numbers[name]: block for name in names if name in numbers}
    start = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    if machine == "x86_64":
        start += [(_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    return [*start, *_dispatch(blocks)]


def refusing(names: Iterable[str], machine: str = "") -> list[Instruction]:
    """A filter that answers EPERM to these calls and allows every other."""
    numbers = syscalls.numbers(machine or platform.machine())
    tests: list[Instruction] = []
    for name in names:
        tests += [(_EQUAL, 0, 1, numbers[name]), _REFUSE]
    return [(_LOAD, 0, 0, 0), *tests, _PASS]


def packed(instructions: Iterable[Instruction]) -> bytes:
    """The instructions as an array of ``struct sock_filter``."""
    return b"".join(struct.pack("=HBBI", *one) for one in instructions)


def _rules(
    change_metadata: bool, share_memory: bool, signal_only: int | None
) -> list[tuple[Iterable[str], Sequence[Instruction]]]:
    """What becomes of each call; a block decides by itself and never falls through."""
    refuse, allow = [_REFUSE], [_PASS]
    return [
        (ALLOWED, allow),
        (REFUSED, refuse),
        (ATTRIBUTES, [(_RETURN, 0, 0, _ERRNO | errno.ENOTSUP)]),
        (CHANGES_METADATA, allow if change_metadata else [(_RETURN, 0, 0, _ERRNO)]),
        (("truncate",), allow if change_metadata else refuse),  # Landlock: from ABI 3 on only
        (SIGNALS, allow if signal_only is None else _one_of(0, (signal_only,))),
        (("clone",), _no_namespace_or_hidden_files()),
        (("close_range",), [*_require(2, 0, mask=_CLOSE_RANGE_UNSHARE), _PASS]),
        (("prctl",), _one_of(0, _PRCTL_ALLOWED)),
        (("prlimit64",), _one_of(0, (0,))),
        (("ioctl",), _one_of(1, _IOCTL_ALLOWED)),
        (("fcntl",), _none_of(1, _FCNTL_REFUSED)),
        (("setsockopt",), _no_larger_buffers()),
        (("setpriority",), [*_require(0, 0), *_require(1, 0), _PASS]),  # PRIO_PROCESS, itself
        (("sched_setaffinity",), [*_require(0, 0), _PASS]),
        (("mmap",), allow if share_memory else [*_refuse_if(3, _MAP_KIND, _MAP_KIND), _PASS]),
        (("open",), _no_blind_truncation(1)),
        (("openat",), _no_blind_truncation(2)),
        (
            ("socketpair",),
            [*_require(0, _AF_UNIX), *_require(1, _SOCK_STREAM, mask=0xF), _PASS],
        ),
    ]


def _argument(index: int) -> Instruction:
    """Load the lower half of an argument: the whole of what these calls take there."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _one_of(index: int, values: Sequence[int]) -> list[Instruction]:
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_argument(index), *tests, _REFUSE, _PASS]


def _none_of(index: int, values: Sequence[int]) -> list[Instruction]:
    tests = [(_EQUAL, len(values) - place, 0, value) for place, value in enumerate(values)]
    return [_argument(index), *tests, _PASS, _REFUSE]


def _require(index: int, value: int, mask: int = 0xFFFFFFFF) -> list[Instruction]:
    """Refuse the call unless the argument's bits in ``mask`` are ``value``; else go on."""
    return [_argument(index), (_AND, 0, 0, mask), (_EQUAL, 1, 0, value), _REFUSE]


def _refuse_if(index: int, value: int, mask: int) -> list[Instruction]:
    """Refuse the call if the argument's bits in ``mask`` are ``value``; else go on."""
    return [_argument(index), (_AND, 0, 0, mask), (_EQUAL, 0, 1, value), _REFUSE]


def _no_namespace_or_hidden_files() -> list[Instruction]:
    """A thread with descriptors of its own would hide them from who looks at its process."""
    return [
        _argument(0),
        (_ANY_BIT, 0, 1, _CLONE_REFUSED),
        _REFUSE,
        (_ANY_BIT, 0, 2, _CLONE_THREAD),
        (_ANY_BIT, 1, 0, _CLONE_FILES),
        _REFUSE,
        _PASS,
    ]


def _no_blind_truncation(index: int) -> list[Instruction]:
    return [
        *_refuse_if(index, _OPEN_REFUSED, _OPEN_MASK),
        *_refuse_if(index, _ACCESS_MODE, _ACCESS_MODE),
        _PASS,
    ]


def _no_larger_buffers() -> list[Instruction]:
    sizes = [one for value in _BUFFER_SIZES for one in _refuse_if(2, value, 0xFFFFFFFF)]
    return [_argument(1), (_EQUAL, 1, 0, _SOL_SOCKET), _PASS, *sizes, _PASS]


def _dispatch(blocks: dict[int, Sequence[Instruction]]) -> list[Instruction]:
    """Find the call's block: neighbours with the same block share one comparison."""
    unknown: Sequence[Instruction] = [(_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    lines: list[Instruction] = []
    last = max(blocks)
    for number in range(last + 1):
        block = blocks.get(number, unknown)
        if number < last and blocks.get(number + 1, unknown) == block:
            continue
        lines += [(_AT_LEAST, len(block), 0, number + 1), *block]
    return [*lines, *unknown]
