"""Loops, threads, questions to the user, time-outs and processes that die."""

from typing import Final

from tests.conformance.model import Case, code

CASES: Final = (
    Case(
        "top-level-await",
        "await, async for and async with work at the top of a cell.",
        (
            "import asyncio\nawait asyncio.sleep(0.01, 'awaited')",
            code("""
                async def numbers():
                    for number in range(3):
                        yield number
                        await asyncio.sleep(0)
                async for number in numbers():
                    print(number)
                [n async for n in numbers()]
            """),
            code("""
                from contextlib import asynccontextmanager
                @asynccontextmanager
                async def around():
                    print('in')
                    yield 5
                    print('out')
                async with around() as value:
                    print(value)
            """),
            "await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.sleep(0, 2))",
            "async def f():\n    return 1 / 0\nawait f()",
            "await 5",
            "f()",
        ),
    ),
    Case(
        "running-loop",
        "A loop is running already: asyncio.run is refused, get_running_loop is not.",
        (
            "import asyncio, warnings\nwarnings.simplefilter('ignore')",
            "asyncio.run(asyncio.sleep(0))",
            "asyncio.get_event_loop().run_until_complete(asyncio.sleep(0))",
            "asyncio.get_running_loop().is_running()",
            "await asyncio.sleep(0)\nasyncio.get_running_loop().is_running()",
        ),
    ),
    Case(
        "tasks",
        "A task that a cell starts, with await or without, goes on in a later cell that awaits.",
        (
            code("""
                import asyncio
                async def work():
                    await asyncio.sleep(0.05)
                    return 'worked'
                task = asyncio.create_task(work())
                await asyncio.sleep(0)
                task.done()
            """),
            "await task",
            "await asyncio.wait_for(asyncio.sleep(5), 0.05)",
            "task = asyncio.create_task(asyncio.sleep(30))\ntask.cancel()\nawait task",
            "print('next')",
            "import asyncio\ntask = asyncio.ensure_future(asyncio.sleep(0.01, 'slept'))",
            "await task",
        ),
    ),
    Case(
        "threads",
        "What threads print and display belongs to their cell, and what they raise is on stderr.",
        (
            code("""
                import threading
                def work(name):
                    print('from', name)
                for name in 'ab':
                    thread = threading.Thread(target=work, args=(name,), name=name)
                    thread.start()
                    thread.join()
                print('end')
            """),
            code("""
                def fail():
                    raise ValueError('in a thread')
                thread = threading.Thread(target=fail, name='failing')
                thread.start()
                thread.join()
                'result'
            """),
            code("""
                from concurrent.futures import ThreadPoolExecutor
                with ThreadPoolExecutor(2) as pool:
                    print(list(pool.map(lambda x: x * x, range(4))))
            """),
            "threading.current_thread() is threading.main_thread()",
            code("""
                import threading
                from IPython.display import display
                thread = threading.Thread(target=lambda: display('from a thread'))
                thread.start()
                thread.join()
            """),
            code("""
                import asyncio, threading
                results = []
                thread = threading.Thread(
                    target=lambda: results.append(asyncio.run(asyncio.sleep(0.01, 'ran')))
                )
                thread.start()
                thread.join()
                results
            """),
            "await asyncio.to_thread(lambda: 5)",
        ),
    ),
    Case(
        "input",
        "input() and getpass() are refused, since nobody answers.",
        (
            "input('name? ')",
            "x = input()\nprint('not run')",
            "import getpass\ngetpass.getpass()",
            "import sys\nsys.stdin.read()",
            "sys.stdin.readline()",
            "breakpoint()",
            "print('next')",
        ),
    ),
    Case(
        "pdb",
        "The debugger has nobody to talk to.",
        ("import pdb\npdb.set_trace()", "%debug", "print('next')"),
    ),
    Case(
        "timeout",
        "A cell that takes too long is interrupted; it has an error, and the next cells run.",
        (
            "import time\nprint('before', flush=True)\ntime.sleep(30)\nprint('not run')",
            "print('next')",
            ("while True:\n    pass", 2),
            "'last'",
        ),
        config={"timeout": 1},
    ),
    Case(
        "timeout-caught",
        "The interruption is a KeyboardInterrupt, which a cell may catch.",
        (
            code("""
                import time
                try:
                    time.sleep(30)
                except KeyboardInterrupt:
                    print('interrupted')
            """),
            "print('next')",
            "try:\n    time.sleep(30)\nfinally:\n    print('cleaned up')",
        ),
        config={"timeout": 1},
    ),
    Case(
        "timeout-swallowed",
        "A cell that swallows the interruption and goes on for a while.",
        (
            code("""
                import time
                try:
                    time.sleep(30)
                except BaseException:
                    time.sleep(0.5)
                    print('went on')
                survived = True
            """),
            "survived",
        ),
        config={"timeout": 1},
    ),
    Case(
        "timeout-swallowed-for-good",
        "A cell that swallows every interruption ends the run: its outputs never end.",
        (
            code("""
                import time
                end = time.monotonic() + 30
                while time.monotonic() < end:
                    try:
                        time.sleep(0.1)
                    except BaseException:
                        pass
            """),
            "print('not run')",
        ),
        config={"timeout": 1, "iopub_timeout": 1},
    ),
    Case(
        "timeout-of-await",
        "Awaiting too long ends the run: ipykernel does not interrupt what awaits.",
        ("import asyncio\nawait asyncio.sleep(30)", "print('next')", "await asyncio.sleep(0, 5)"),
        config={"timeout": 1, "iopub_timeout": 1},
    ),
    Case(
        "timeout-without-own-error",
        "Without error_on_timeout the error is the KeyboardInterrupt.",
        ("import time\ntime.sleep(30)", "print('next')"),
        config={"timeout": 1, "error_on_timeout": {}},
    ),
    Case(
        "timeout-with-another-error",
        "error_on_timeout can be set.",
        (("import time\ntime.sleep(30)", 1), "print('next')"),
        config={
            "timeout": 1,
            "error_on_timeout": {"ename": "Late", "evalue": "too late", "traceback": ["Late!"]},
        },
    ),
    Case(
        "timeout-that-ends-the-run",
        "Without interrupt_on_timeout a cell that takes too long ends the run.",
        ("print('before')", "import time\nprint('said')\ntime.sleep(30)", "print('not run')"),
        config={"timeout": 1, "interrupt_on_timeout": False},
    ),
    Case(
        "timeout-and-errors-not-allowed",
        "With allow_errors off a time-out ends the run.",
        ("import time\ntime.sleep(30)", "print('not run')"),
        config={"timeout": 1},
        attributes={"allow_errors": False},
    ),
    Case(
        "no-timeout",
        "A timeout of None or less than nothing is none.",
        ("import time\ntime.sleep(0.2)\n'slept'",),
        config={"timeout": None},
    ),
    Case(
        "death-by-exit",
        "A process that ends itself ends the run.",
        (
            "print('before')",
            "import os, time\nprint('said', flush=True)\ntime.sleep(0.3)\nos._exit(1)",
            "print('not run')",
        ),
    ),
    Case(
        "death-by-signal",
        "A process that kills itself ends the run.",
        ("import os, time\ntime.sleep(0.3)\nos.kill(os.getpid(), 9)", "print('not run')"),
    ),
    Case(
        "death-by-segfault",
        "A process that reads where nothing is ends the run.",
        ("import ctypes, time\ntime.sleep(0.3)\nctypes.string_at(0)", "print('not run')"),
    ),
    Case(
        "signals",
        "Own handlers of signals work, and alarms.",
        (
            code("""
                import signal, time
                signal.signal(signal.SIGUSR1, lambda *args: print('signalled'))
                signal.raise_signal(signal.SIGUSR1)
            """),
            code("""
                def late(*args):
                    raise TimeoutError('own alarm')
                signal.signal(signal.SIGALRM, late)
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                time.sleep(5)
            """),
            "signal.getsignal(signal.SIGINT)",
            "signal.getsignal(signal.SIGTERM)",
        ),
    ),
    Case(
        "at-exit",
        "What is registered for the end runs after all cells, and is seen by nobody.",
        ("import atexit\natexit.register(print, 'at the end');", "print('last cell')"),
        config={"shutdown_kernel": "graceful"},
    ),
    Case(
        "garbage",
        "Weak references and finalizers.",
        (
            code("""
                import gc, weakref
                class Thing:
                    def __del__(self):
                        print('deleted')
                thing = Thing()
                reference = weakref.ref(thing)
                del thing
                gc.collect()
                reference()
            """),
            "class Failing:\n    def __del__(self):\n        raise ValueError('del')\nFailing();",
            "a = Thing()\na",
            "del a",
        ),
    ),
    Case(
        "gc-state",
        "The garbage collector is on, with Python's thresholds, and nothing is frozen.",
        ("import gc\ngc.isenabled(), gc.get_threshold()", "gc.get_freeze_count()"),
        differs={
            "cell 2, outputs[0].data.text/plain: '0' != *": "frozen memory is shared by all forks"
        },
    ),
    Case(
        "widget",
        "A widget's state is kept in the notebook.",
        (
            "import ipywidgets\nipywidgets.IntSlider(3, description='n')",
            code("""
                out = ipywidgets.Output()
                with out:
                    print('into the widget')
                out
            """),
            "ipywidgets.interact(lambda x: x, x=(0, 3));",
        ),
    ),
)
