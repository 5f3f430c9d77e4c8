"""Cells that fail: what the traceback shows, and what becomes of the cells after."""

from typing import Final

from tests.conformance.model import Case, Cell, code

CASES: Final = (
    Case(
        "name-error",
        "An error is an output of its cell, and the next cells run.",
        ("x = 1\ny = missing\nz = 2", "x", "z"),
    ),
    Case(
        "syntax-errors",
        "Errors before anything runs.",
        (
            "def (:",
            "x = = 1",
            "print('not run')\nreturn 5",
            "'unfinished",
            "for x in range(3):\nprint(x)",
            "  x = 1\n y = 2",
            "if True:\n    a = 1\n  b = 2",
            "f(",
            "await = 5",
            "x = 1\n\tif x:\n        y",
            "print 'two'",
            "nonlocal x",
            "print('next')",
        ),
    ),
    Case(
        "chained-errors",
        "`raise from`, an error while another is handled, and one whose cause is hidden.",
        (
            code("""
                try:
                    {}['key']
                except KeyError as error:
                    raise ValueError('of that') from error
            """),
            "try:\n    1 / 0\nfinally:\n    [][1]",
            "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise TypeError('alone') from None",
        ),
    ),
    Case(
        "error-in-a-function-of-another-cell",
        "The traceback names the cells that its lines come from.",
        (
            "def inner(x):\n    # a comment\n    return 1 / x\n\n",
            "",
            "def outer(x):\n    return inner(x - 1)",
            "print('before')\nouter(1)\nprint('not run')",
            "def f():\n    raise ValueError('first')",
            "def f():\n    raise ValueError('second')",
            "f()",
            "f()",
        ),
    ),
    Case(
        "recursion",
        "Endless recursion ends with a RecursionError.",
        (
            "import sys\nsys.getrecursionlimit()",
            "sys.setrecursionlimit(200)  # a traceback of a thousand frames takes seconds",
            "def a(n):\n    return b(n + 1)\ndef b(n):\n    return a(n)\na(0)",
        ),
    ),
    Case(
        "error-whose-text-fails",
        "An error whose __str__ fails is still an error.",
        (
            code("""
                class Mute(Exception):
                    def __str__(self):
                        raise RuntimeError('no text')
                raise Mute
            """),
            "class Odd(Exception):\n    def __str__(self):\n        return 5\nraise Odd",
            "print('next')",
        ),
    ),
    Case(
        "odd-texts-of-errors",
        "Errors without a text, with many lines, and with an own class in a module.",
        (
            "raise ValueError",
            "raise ValueError('one\\ntwo\\n')",
            "raise KeyError('it\\'s')",
            "raise Exception('a', 1)",
            "raise OSError(2, 'No such file', 'a.txt')",
            "class Own(ValueError):\n    '''An own error.'''\nraise Own('ñ€')",
            "raise ValueError('x' * 5000)",
            "raise 5",
        ),
    ),
    Case(
        "notes-and-groups",
        "Notes on errors and groups of errors are shown.",
        (
            code("""
                error = ValueError('noted')
                error.add_note('first note')
                error.add_note('second note')
                raise error
            """),
            "raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])",
            code("""
                try:
                    raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])
                except* ValueError:
                    print('handled')
            """),
        ),
    ),
    Case(
        "keyboard-interrupt",
        "A KeyboardInterrupt that a cell raises is an error like others.",
        (
            "raise KeyboardInterrupt",
            "print('next')",
            "raise KeyboardInterrupt('with a text')",
            "import signal\nsignal.raise_signal(signal.SIGINT)",
        ),
    ),
    Case(
        "system-exit",
        "SystemExit is an error, and the next cells run.",
        (
            "import sys\nsys.exit()",
            "sys.exit(3)",
            "sys.exit('a text')",
            "raise SystemExit",
            "print('still here')",
        ),
    ),
    Case(
        "exit",
        "exit() lets its cell go on.",
        ("print('before')", "exit()\nprint('after')"),
    ),
    Case(
        "quit",
        "quit without parentheses does the same.",
        ("quit",),
    ),
    Case(
        "exit-and-more",
        "A tenth of a second after exit() the kernel ends, which ends the run.",
        ("exit()\nimport asyncio\nawait asyncio.sleep(5)", "print('not run')"),
    ),
    Case(
        "assertions",
        "Assertions with and without a text, and warnings that are made errors.",
        (
            "assert 1 == 2",
            "assert False, 'why'",
            "assert [] == [], 'equal'",
            "assert 0, ['a', 1]",
            "import warnings\nwarnings.simplefilter('error')\nwarnings.warn('now an error')",
            "print('next')",
        ),
    ),
    Case(
        "error-in-a-result",
        "A result whose repr fails is an error of its cell.",
        (
            code("""
                class Bad:
                    def __repr__(self):
                        raise ValueError('no repr')
                Bad()
            """),
            "[Bad()]",
            "print(Bad())",
            "class Odd:\n    def __repr__(self):\n        return 5\nOdd()",
            "print('next')",
        ),
    ),
    Case(
        "base-exception",
        "An own BaseException and a GeneratorExit.",
        (
            "class Own(BaseException):\n    pass\nraise Own('text')",
            "raise GeneratorExit",
            "raise StopIteration(5)",
            "print('next')",
        ),
    ),
    Case(
        "errors-of-libraries",
        "The traceback through the lines of a library.",
        (
            "import json\njson.loads('{')",
            "import numpy as np\nnp.zeros((2, 3)) @ np.zeros((2, 3))",
            "import torch\ntorch.ones(2) + torch.ones(3)",
            "import missing_module",
            "from math import missing_name",
            "int('five')",
            "open('missing.txt')",
        ),
    ),
    Case(
        "errors-in-comprehensions-and-lambdas",
        "Frames that are no named functions.",
        (
            "[1 / x for x in (1, 0)]",
            "f = lambda x: x.missing\nf(1)",
            "class A:\n    x = 1 / 0",
            "exec('1 / 0')",
            "eval('1 +')",
            "exec(compile('a = 1\\nb = a / 0', 'own.py', 'exec'))",
        ),
    ),
    Case(
        "errors-with-other-modes",
        "%xmode and %colors change what tracebacks look like.",
        (
            "%xmode Plain",
            "1 / 0",
            "%xmode Minimal",
            "1 / 0",
            "%xmode Verbose",
            "def f(number):\n    return 1 / number\nf(0)",
        ),
    ),
    Case(
        "own-error-handler",
        "set_custom_exc and sys.excepthook.",
        (
            code("""
                def handler(shell, kind, value, trace, tb_offset=None):
                    print('handled', kind.__name__)
                get_ipython().set_custom_exc((ValueError,), handler)
                raise ValueError('x')
            """),
            "raise TypeError('shown')",
            "import sys\nsys.excepthook = lambda *a: print('hook')\nraise TypeError('shown')",
        ),
    ),
    Case(
        "hidden-traceback",
        "showtraceback replaced by a cell: nbgrader still records that an error occurred.",
        (
            "get_ipython().showtraceback = lambda *args, **kwargs: None",
            ("1 / 0", 2),
            ("5 - 4", 2),
        ),
    ),
    Case(
        "errors-not-allowed",
        "With allow_errors off the first error ends the run.",
        ("print('before')", "print('said')\n1 / 0", "print('not run')"),
        attributes={"allow_errors": False},
    ),
    Case(
        "syntax-error-not-allowed",
        "With allow_errors off a syntax error ends the run.",
        ("def (:", "print('not run')"),
        attributes={"allow_errors": False},
    ),
    Case(
        "allow-errors-is-no-setting",
        "nbgrader does not let a course's configuration turn allow_errors off.",
        ("1 / 0", "print('run')"),
        config={"allow_errors": False},
    ),
    Case(
        "raises-exception",
        "The tag `raises-exception` allows one cell to fail.",
        (
            Cell("1 / 0", tags=("raises-exception",)),
            "print('run')",
            "[][0]",
            "print('not run')",
        ),
        attributes={"allow_errors": False},
    ),
    Case(
        "allowed-error-names",
        "Some errors can be allowed by name.",
        ("1 / 0", "print('run')", "[][0]", "print('not run')"),
        config={"allow_error_names": ["ZeroDivisionError"]},
        attributes={"allow_errors": False},
    ),
    Case(
        "forced-errors",
        "force_raise_errors overrides all that allows errors.",
        (Cell("1 / 0", tags=("raises-exception",)), "print('not run')"),
        config={"force_raise_errors": True},
    ),
    Case(
        "skipped-cells",
        "The tag `skip-execution` leaves a cell alone.",
        ("x = 1", Cell("x = 2", tags=("skip-execution",)), "x"),
    ),
    Case(
        "moments",
        "The moments of a cell's life are put down in its metadata.",
        ("1 + 1", "1 / 0", ""),
        strict=("moments",),
    ),
    Case(
        "no-timing",
        "record_timing off leaves no times in the metadata.",
        ("1 + 1", "1 / 0"),
        config={"record_timing": False},
    ),
)
