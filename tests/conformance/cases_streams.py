"""What cells print: Python's streams, what C code writes, logging and warnings."""

from typing import Final

from tests.conformance.model import Case, Cell, code

CASES: Final = (
    Case(
        "print",
        "Printed texts come as they are, also without an end of line.",
        (
            "print('hola')\nprint('a', 'b', sep='-', end='!')",
            "print('', end='')",
            "print()",
            "print('one'); print('two'); print('three')",
            "print('ñandú € 漢字 😀 \\u200b|\\u2028|\\x00|')",
            "'ñ😀\\x00'",
        ),
    ),
    Case(
        "stderr",
        "stderr is a stream of its own.",
        (
            "import sys\nprint('to stderr', file=sys.stderr)",
            "print('out')\nprint('err', file=sys.stderr)\nprint('out again')",
        ),
    ),
    Case(
        "interleaved-and-flushed",
        "What is flushed comes in the order in which it was written.",
        (
            code("""
                import sys
                for number in range(3):
                    print('out', number, flush=True)
                    print('err', number, file=sys.stderr, flush=True)
            """),
            "print('last out', flush=True)\nprint('last err', file=sys.stderr, flush=True)",
        ),
        strict=("streams",),
    ),
    Case(
        "displays-among-prints",
        "A display stands between the texts that were printed before and after it.",
        (
            code("""
                import sys
                from IPython.display import display
                print('before')
                display('shown')
                print('between')
                print('between, too', file=sys.stderr)
                display('shown again')
                print('after')
                'result'
            """),
        ),
    ),
    Case(
        "carriage-return",
        "Carriage returns and backspaces stay in the text.",
        (
            r"print('10%\r20%\r100%')",
            r"print('abc\b\bX')",
            r"print('a\tb\x0bc\x1b[31mred\x1b[0m')",
        ),
    ),
    Case(
        "stream-methods",
        "sys.stdout is a stream with the methods and attributes of one.",
        (
            "import sys\nsys.stdout.write('written')",
            r"sys.stdout.writelines(['a\n', 'b\n'])",
            "sys.stdout.flush()",
            "sys.stdout.write(b'bytes')",
            "sys.stdout.isatty(), sys.stdout.writable(), sys.stdout.encoding, sys.stdout.name",
            "sys.stdout.readable(), sys.stdout.seekable()",
            "sys.stdout.errors, sys.stdout.closed",
            "sys.stdout.fileno() > 2, sys.stderr.fileno() > 2",
            "sys.stdout is sys.__stdout__",
            "type(sys.stdout).__name__",
        ),
    ),
    Case(
        "redirected",
        "contextlib's redirections and a replaced sys.stdout work, and end with the cell's doing.",
        (
            code("""
                import contextlib, io, sys
                with contextlib.redirect_stdout(io.StringIO()) as kept:
                    print('kept')
                print('shown', repr(kept.getvalue()))
            """),
            "own = sys.stdout\nsys.stdout = io.StringIO()\nprint('lost')",
            "print('lost, too')",
            "sys.stdout = own\nprint('shown again')",
        ),
    ),
    Case(
        "lone-surrogate",
        "A text that is no Unicode is printed, with a mark in the place of what is none.",
        ("print('a\\ud800b')",),
        differs={"cell 1, outputs*": "ipykernel loses the text and shows an error of its own"},
    ),
    Case(
        "long-output",
        "A long output comes whole, also of many small pieces.",
        (
            "for number in range(5000):\n    print(number % 10, end='')",
            "for number in range(3000):\n    print(number, 'x' * 10)",
            "print('y' * 20_000)",
            "'z' * 20_000",
        ),
    ),
    Case(
        "far-too-long-output",
        "Output beyond the limit is cut.",
        ("print('x' * 11_000_000)", "print('next')"),
        differs={
            "cell 1, outputs*The output is longer than 10240 KiB*": "a teacher's disk is finite",
            "cell 1, outputs*": "a teacher's disk is finite",
        },
    ),
    Case(
        "logging",
        "Loggers write to stderr, at the level that is set.",
        (
            "import logging\nlogging.warning('careful')\nlogging.info('not shown')",
            code("""
                logging.basicConfig(level=logging.INFO, format='%(message)s!', force=True)
                logging.info('now shown')
            """),
            "logging.getLogger('mine').error('an error')",
        ),
    ),
    Case(
        "logging-of-an-error",
        "logging.exception shows the traceback, with lines of the cell.",
        (
            code("""
                import logging
                try:
                    1 / 0
                except ZeroDivisionError:
                    logging.exception('divided')
            """),
        ),
    ),
    Case(
        "warnings",
        "A warning shows the cell's line, once for each place.",
        (
            "import warnings\nwarnings.warn('careful')",
            code("""
                def old():
                    warnings.warn('old', DeprecationWarning)
                for _ in range(3):
                    old()
            """),
            "old()\nwarnings.warn('future', FutureWarning, stacklevel=2)",
            "'\\d'",
            "warnings.simplefilter('ignore')\nwarnings.warn('unseen')",
        ),
    ),
    Case(
        "written-by-c-code",
        "What is written to the descriptors 1 and 2 is printed, too, by sys.__stdout__ as well.",
        (
            "import os, time\nos.write(1, b'raw out\\n')\ntime.sleep(0.4)",
            "os.write(2, b'raw err\\n')\ntime.sleep(0.4)",
            code("""
                import ctypes
                libc = ctypes.CDLL(None)
                libc.puts(b'from libc')
                libc.fflush(None)
                time.sleep(0.4)
            """),
            code("""
                import sys, time
                print('to the original', file=sys.__stdout__, flush=True)
                time.sleep(0.4)
            """),
            "print('to the original', file=sys.__stderr__, flush=True)\ntime.sleep(0.4)",
        ),
    ),
    Case(
        "traceback-printed",
        "traceback.print_exc shows the lines of the cells.",
        (
            "def divide(a, b):\n    return a / b",
            code("""
                import sys, traceback
                try:
                    divide(1, 0)
                except ZeroDivisionError:
                    traceback.print_exc()
                    traceback.print_exc(file=sys.stdout)
            """),
        ),
    ),
    Case(
        "late-prints",
        "What a thread prints after the end of its cell belongs to the cell that is running.",
        (
            code("""
                import threading
                again = threading.Event()
                def late():
                    again.wait()
                    print('late')
                thread = threading.Thread(target=late)
                thread.start()
            """),
            "again.set()\nthread.join()\nprint('joined')",
        ),
    ),
    Case(
        "markdown-and-raw-cells",
        "Cells that are no code are left alone.",
        (
            Cell("# A title", kind="markdown"),
            "print('code')",
            Cell("raw", kind="raw"),
            "print('more code')",
        ),
    ),
)
