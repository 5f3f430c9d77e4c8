"""What IPython adds to Python: results, history, counts, magics and help."""

from typing import Final

from tests.conformance.model import STAYS_INSIDE, TIMES, Case, code

CASES: Final = (
    Case(
        "results",
        "The last expression is the result; None and a semicolon give none.",
        (
            "1 + 1",
            "'text'",
            "None",
            "5;",
            "5; # a comment",
            "5 # no semicolon;",
            "x = 5",
            "1\n2\n3",
            "if True:\n    7",
            "x\n\n# a comment at the end\n",
            "def f():\n    return 1\nf()",
            "print('printed')\n'result'",
            "(1,\n 2)",
            "x == 5; x == 6",
        ),
    ),
    Case(
        "pretty-results",
        "Long and nested results are broken into lines, and cycles are shown as such.",
        (
            "list(range(100))",
            "list(range(2000))",
            "{'key %d' % n: [n] * n for n in range(12)}",
            "a = []\na.append(a)\na",
            "{3, 1, 2}, frozenset(), {'b': 1, 'a': 2}",
            "object, int, print, len",
            "'two\\nlines'",
            "'x' * 200",
            "[1.0, 1e-30, float('nan'), 10**30, 1 + 2j]",
            "range(3), slice(1, 2), ..., NotImplemented, b'bytes'",
            "from collections import Counter, OrderedDict, defaultdict, deque, namedtuple\n"
            "Counter('abca'), OrderedDict(a=1), defaultdict(int, a=1), deque([1])",
            "namedtuple('P', 'x y')(1, 2)",
        ),
    ),
    Case(
        "history-of-results",
        "_, __, ___, _N and Out hold the results.",
        (
            "1",
            "2",
            "3",
            "_, __, ___",
            "_1 + _2 + Out[3]",
            "sorted(Out)",
            "_ = 'own'",
            "99",
            "_",
            "5;",
            "_",
        ),
    ),
    Case(
        "history-of-cells",
        "In, _i, _ii and _ih hold the cells.",
        (
            "x = 1",
            "# a comment",
            "In",
            "_i, _ii, _iii",
            "_i1, len(_ih), _oh",
            "get_ipython().execution_count",
            "%history -n",
            "%history 1-2",
            "%recall 1",
        ),
    ),
    Case(
        "execution-counts",
        "What counts: comments and errors do, empty cells do not.",
        (
            "'one'",
            "",
            "   \n\n",
            "# only a comment",
            "1 / 0",
            "def (",
            "'after'",
            "In[-1], get_ipython().execution_count",
        ),
    ),
    Case(
        "time-magics",
        "%time and %%time give the result and tell a time.",
        (
            "%time 1 + 1",
            "%%time\ntotal = sum(range(10))\nprint('in between')\ntotal",
            "%time x = 5",
            "x",
            "%%time\n1 / 0",
        ),
        chance=TIMES,
    ),
    Case(
        "timeit-magics",
        "%timeit and %%timeit tell times.",
        (
            "%timeit -n1 -r1 sum(range(10))",
            "%%timeit -n2 -r2\nsum(range(10))",
            "result = %timeit -n1 -r1 -o -q pass\ntype(result).__name__",
            "%timeit -n1 -r1 1 / 0",
        ),
        chance={**TIMES, r"The slowest run took .*\n.*\n": ""},
    ),
    Case(
        "capture-magic",
        "%%capture and capture_output keep what is put out.",
        (
            "%%capture kept\nprint('inside')\ndisplay('shown')\n'result'",
            "kept.stdout, kept.stderr, len(kept.outputs)",
            "kept()",
            "kept.show()",
            "%%capture --no-stdout\nprint('shown')\ndisplay('kept')",
            "%%capture kept\nprint('before')\n1 / 0",
            code("""
                import sys
                from IPython.utils.capture import capture_output
                with capture_output() as kept:
                    print('inside')
                    print('err', file=sys.stderr)
                    display('shown')
                print(repr(kept.stdout), repr(kept.stderr), [o.data for o in kept.outputs])
            """),
        ),
    ),
    Case(
        "names-magics",
        "%who, %whos, %reset and %xdel tell and forget names.",
        (
            "a = 1\nb = [1, 2]\ndef f(): pass",
            "%who",
            "%who int",
            "%whos",
            "%who_ls",
            "%xdel a\n%who",
            "%reset -f",
            "%who",
            "b",
        ),
    ),
    Case(
        "precision-magic",
        "%precision and %pprint change how results look.",
        (
            "%precision 2",
            "3.14159",
            "%precision",
            "3.14159",
            "%pprint",
            "list(range(50))",
        ),
    ),
    Case(
        "rendering-magics",
        "%%html and its like display their text.",
        (
            "%%html\n<b>bold</b>",
            "%%latex\n$x^2$",
            "%%javascript\nalert(1)",
            "%%js\nalert(2)",
            "%%markdown\n**bold**",
            "%%svg\n<svg xmlns='http://www.w3.org/2000/svg'></svg>",
        ),
    ),
    Case(
        "writefile-magic",
        "%%writefile makes a file that later cells read, %pycat and %load show it.",
        (
            "%%writefile notes.txt\nfirst\nsegunda ñ",
            "print(open('notes.txt', encoding='utf-8').read())",
            "%%writefile -a notes.txt\nthird",
            "open('notes.txt', encoding='utf-8').read()",
            "%%writefile mine.py\nVALUE = 42",
            "import mine\nmine.VALUE",
            "%pycat mine.py",
        ),
        differs=STAYS_INSIDE,
    ),
    Case(
        "run-magic",
        "%run runs a file beside the notebook.",
        (
            "%run script.py one two",
            "made_by_script",
            "%run failing.py",
            "%run missing.py",
            "%run -i uses_names.py",
            "y = 5\n%run -i uses_names.py",
            "%run exits.py",
        ),
        files={
            "script.py": b"import sys\nprint(sys.argv[1:], __name__)\nmade_by_script = 7\n",
            "failing.py": b"def fail():\n    return 1 / 0\n\n\nfail()\n",
            "uses_names.py": b"print(y)\n",
            "exits.py": b"import sys\nsys.exit(3)\n",
        },
    ),
    Case(
        "load-ext-magic",
        "%load_ext loads what is there, and says what is not.",
        (
            "%load_ext missing_extension",
            "%load_ext autoreload\n%autoreload 2",
            "%load_ext beside",
            "%load_ext json",
            "print('next')",
        ),
        files={"beside.py": b"def load_ipython_extension(shell):\n    print('loaded')\n"},
    ),
    Case(
        "unknown-magics",
        "A magic that there is not is said not to be there.",
        ("%unknown", "%%unknown\ntext", "x = %unknown", "print('next')", "%%time"),
    ),
    Case(
        "own-magics",
        "A cell may register a magic of its own.",
        (
            code("""
                from IPython.core.magic import register_cell_magic, register_line_magic
                @register_line_magic
                def twice(line):
                    return line * 2
                @register_cell_magic
                def shout(line, cell):
                    print(line, cell.upper())
            """),
            "%twice ab",
            "%%shout say\nhello",
            "value = %twice x\nvalue",
        ),
    ),
    Case(
        "matplotlib-magic",
        "%matplotlib inline and other settings of it.",
        (
            "%matplotlib inline\nimport matplotlib\nmatplotlib.get_backend()",
            "%matplotlib --list",
            "%config InlineBackend.figure_formats",
            "%matplotlib qt",
        ),
    ),
    Case(
        "other-magics",
        "Magics that tell of the session.",
        (
            "%env CONFORMANCE=set\nimport os\nos.environ['CONFORMANCE']",
            "%env CONFORMANCE",
            "%alias_magic t time",
            "%magic_unknown",
            "%macro m 1",
            "%prun -q pass",
            "%psource len",
            "%pdoc len",
            "%pdef print",
            "%dhist",
            "%lsmagic",
            "%automagic",
            "%config IPCompleter",
            "%colors nocolor",
            "%logstate",
        ),
        chance=TIMES,
    ),
    Case(
        "save-and-notebook-magics",
        "%save and %notebook write what was run, %page shows nothing.",
        (
            "x = 1",
            "%save -f kept.py 1",
            "open('kept.py').read()",
            "%page x",
            "%notebook kept.ipynb",
            "%pinfo x",
        ),
        chance={
            r'"id": "[0-9a-f]{8}"': '"id": "<id>"',
        },
        differs=STAYS_INSIDE,
    ),
    Case(
        "help",
        "? and ?? open a pager, which is no output; help() prints.",
        (
            "print?",
            "?len",
            "import dataclasses\ndataclasses.field??",
            "missing?",
            "class A:\n    '''Words.'''\nA?",
            "%pinfo len",
            "help(len)",
            "*int*?",
            "print(__doc__)",
        ),
    ),
    Case(
        "payloads",
        "set_next_input and %load put nothing into the notebook.",
        (
            "get_ipython().set_next_input('x = 1')",
            "%load script.py",
            "%recall 1",
            "print('next')",
        ),
        files={"script.py": b"x = 1\n"},
    ),
    Case(
        "transformed-input",
        "Prompts, automagic and lines that go on are understood.",
        (
            ">>> 1 + 1",
            "In [1]: 2 + 2",
            ">>> for x in range(2):\n...     print(x)",
            "who",
            "1 + \\\n2",
            "/print 5",
            ",print a b",
            "x = [\n%time\n]",
        ),
        chance=TIMES,
    ),
    Case(
        "definitions",
        "Classes, dataclasses and enums live in __main__ and go through pickle.",
        (
            code("""
                import copy, pickle
                from dataclasses import dataclass, field
                from enum import Enum

                @dataclass(order=True)
                class Point:
                    x: int
                    y: list = field(default_factory=list)

                class Color(Enum):
                    RED = 1
                Point(1), Color.RED
            """),
            "pickle.loads(pickle.dumps(Point(1, [2]))) == Point(1, [2])",
            "pickle.loads(pickle.dumps(Color.RED)) is Color.RED",
            "copy.deepcopy(Point(1)), Point.__module__, repr(Point)",
            "def f(): pass\npickle.loads(pickle.dumps(f)) is f",
            "import sys\nsys.modules['__main__'].Point is Point",
            "import __main__\n__main__.Point is Point, vars(__main__) is globals()",
        ),
    ),
    Case(
        "inspection",
        "inspect finds the source of what cells define.",
        (
            "def mine(x):\n    '''Words.'''\n    return x + 1",
            "import inspect\nprint(inspect.getsource(mine))",
            "inspect.signature(mine), inspect.getdoc(mine)",
            "class Own:\n    def method(self):\n        return 1",
            "print(inspect.getsource(Own))",
            "print(inspect.getsource(Own.method))",
            "inspect.getsourcefile(mine) == mine.__code__.co_filename",
            "mine.__code__.co_filename",
            "inspect.currentframe().f_code.co_name",
        ),
        differs={
            "cell 5, outputs[0].traceback: *_patched_getfile*": "torch, which is there already, "
            "has put a function of its own into inspect"
        },
    ),
    Case(
        "type-hints-and-doctest",
        "typing and doctest find what cells define.",
        (
            "import doctest, typing",
            code("""
                def half(x: 'int') -> 'float':
                    '''
                    >>> half(1)
                    0.5
                    '''
                    return x / 2
            """),
            "typing.get_type_hints(half)",
            "doctest.testmod()",
            "doctest.run_docstring_examples(half, globals())",
        ),
    ),
    Case(
        "unit-tests",
        "unittest runs tests of the notebook.",
        (
            code("""
                import unittest
                class Sums(unittest.TestCase):
                    def test_right(self):
                        self.assertEqual(1 + 1, 2)
                    def test_wrong(self):
                        self.assertEqual(1 + 1, 3)
                unittest.main(argv=['x'], exit=False, verbosity=0)
            """),
        ),
        chance={r"in \d+\.\d+s": "in <time>"},
    ),
    Case(
        "names",
        "What a notebook finds in its namespace before it does anything.",
        (
            "__name__",
            "__file__",
            "__builtins__.__name__, __spec__, __loader__, __package__",
            "sorted(globals())",
            "dir()",
            "'display' in dir(__builtins__), 'get_ipython' in dir(__builtins__)",
            "exit.__class__.__name__, open, display.__module__",
        ),
    ),
    Case(
        "shell",
        "get_ipython() is the kernel's shell, which completes and inspects, too.",
        (
            "type(get_ipython()).__name__, type(get_ipython()).__module__",
            "type(get_ipython().config).__name__, sorted(get_ipython().config)",
            "get_ipython().has_trait('kernel'), hasattr(get_ipython(), 'kernel')",
            "get_ipython().colors, getattr(get_ipython(), 'xmode', None)",
            "get_ipython().user_ns is globals(), get_ipython().user_module.__name__",
            "get_ipython().ast_node_interactivity, get_ipython().autocall, get_ipython().automagic",
            "get_ipython().run_line_magic('precision', '3')",
            "get_ipython().run_cell('print(1)\\n5').result",
            "get_ipython().ev('1 + 1'), get_ipython().ex('y = 2')",
            "'IPKernelApp' in get_ipython().config, 'ipykernel' in __import__('sys').modules",
            "from IPython import get_ipython as g\ng() is get_ipython()",
            "value = 'text'\nget_ipython().complete('value.star')",
            "get_ipython().object_inspect('value')['type_name']",
            "get_ipython().inspector.info(len)['docstring']",
        ),
    ),
    Case(
        "shell-settings",
        "Settings of the shell take effect: all expressions shown, assignments shown.",
        (
            "get_ipython().ast_node_interactivity = 'all'",
            "1\n2\nx = 3\nx",
            "%config InteractiveShell.ast_node_interactivity = 'last_expr_or_assign'",
            "y = 5",
            "%config InteractiveShell.ast_node_interactivity = 'none'",
            "6",
        ),
    ),
    Case(
        "hooks",
        "Callbacks before and after cells, and transformers of their text.",
        (
            code("""
                shell = get_ipython()
                shell.events.register('pre_run_cell', lambda info: print('before', info.raw_cell))
                shell.events.register('post_run_cell', lambda result: print('after', result.result))
            """),
            "5",
            code("""
                def replaced(lines):
                    return [line.replace('ONE', '1') for line in lines]
                shell.input_transformers_post.append(replaced)
            """),
            "ONE + ONE",
        ),
    ),
)
