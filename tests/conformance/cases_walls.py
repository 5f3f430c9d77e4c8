"""What a jailed process must not do, or sees otherwise: here the two differ by design.

Only what holds on every machine is here, with namespaces and without.
"""

from typing import Final

from tests.conformance.model import Case, refused

CASES: Final = (
    Case(
        "folder",
        "The notebook's folder is a private one, and is the home.",
        (
            "import os\nos.path.isabs(os.getcwd()), os.path.samefile('.', os.getcwd())",
            "os.getcwd()",
            "%pwd",
            "%cd",
        ),
        strict=("places",),
        differs={
            "cell 2, outputs[0].data.text/plain": "a private folder",
            "cell 3, outputs[0].data.text/plain": "a private folder",
            "cell 4, outputs[0].text": "a private folder is the home",
        },
    ),
    Case(
        "programs",
        "Other programs are refused.",
        (
            "import subprocess\nsubprocess.run(['true']).returncode",
            "import os\nos.system('true')",
            "!echo ran",
            "%%bash\necho ran",
            "print('next')",
        ),
        differs={
            pattern: why
            for cell in (1, 2, 3, 4)
            for pattern, why in refused(cell, "PermissionError", "no other programs").items()
        },
    ),
    Case(
        "workers",
        "Worker processes are refused.",
        (
            "import multiprocessing\n"
            "process = multiprocessing.get_context('fork').Process(target=abs, args=(1,))\n"
            "process.start()\nprocess.join()",
            "print('next')",
        ),
        differs=refused(1, "RuntimeError", "no worker processes"),
    ),
    Case(
        "network",
        "The network is refused, the machine's own too.",
        (
            "import socket\nmade = socket.socket()\nmade.bind(('127.0.0.1', 0))\nmade.close()",
            "print('next')",
        ),
        differs=refused(1, "PermissionError", "no network"),
    ),
    Case(
        "files-of-others",
        "What does not belong to the notebook cannot be read.",
        ("open('/proc/self/status').read(4)", "open('/etc/passwd').read(4)", "print('next')"),
        differs={
            **refused(1, "Error", "no /proc"),
            **refused(2, "Error", "no files but its own and the interpreter's"),
        },
    ),
    Case(
        "environment",
        "The environment is not the teacher's.",
        (
            "import os\n'PATH' in os.environ, 'HOME' in os.environ",
            "os.environ.get('MPLBACKEND')",
            "os.environ.get('TERM')",
            "os.environ['MINE'] = 'x'\nos.getenv('MINE')",
            "'JPY_PARENT_PID' in os.environ",
        ),
        differs={"cell 5, outputs[0].data.text/plain": "the environment is not handed on"},
    ),
    Case(
        "machine",
        "What a cell sees of the interpreter.",
        (
            "import sys\n[type(a).__name__ for a in sys.argv][:1], len(sys.argv) > 0",
            "sys.version_info[:2], sys.flags.utf8_mode, sys.getfilesystemencoding()",
            "import os\nsys.getdefaultencoding(), open(os.devnull).encoding",
            "sys.getswitchinterval(), sys.gettrace(), sys.getprofile()",
            "import locale\nlocale.getpreferredencoding(False)",
            "import threading\nthreading.current_thread().name",
        ),
    ),
)
