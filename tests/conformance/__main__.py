"""Show what differs: ``python -m tests.conformance [--stock] [NAME]...`` (default: every case).

With ``--stock`` nbgrader's Execute is compared with itself: what differs then is by chance, and
the case has to say so. nbclient's log goes to stderr.
"""

import sys
import time
from collections.abc import Sequence

from nbgrader.preprocessors import Execute

from autograder.bridge.execute import JailedExecute
from tests.conformance import CASES, PRELOADED, Case
from tests.conformance.compare import Record, differences, run


def main(arguments: Sequence[str]) -> int:
    """Print the differences of each case; the number of cases with unexpected ones."""
    names = [name for name in arguments if not name.startswith("-")]
    failed = 0
    for case in [case for case in CASES if not names or case.name in names]:
        began = time.monotonic()
        stock = run(case, Execute)
        between = time.monotonic()
        found = differences(stock, _other(case, "--stock" in arguments))
        took = f"{between - began:.1f} s, {time.monotonic() - between:.1f} s"
        print(f"{case.name} ({took})", flush=True)
        expected = [one for one in found if any(map(one.matches, case.differs))]
        for one in found:
            print(f"  {'allowed' if one in expected else 'DIFFERS'}  {str(one)[:1500]}")
        failed += len(found) > len(expected)
    return failed


def _other(case: Case, stock: bool) -> Record:
    if stock:
        return run(case, Execute)
    return run(case, JailedExecute, preload=list(PRELOADED))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
