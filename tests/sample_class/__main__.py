"""Command line: ``python -m tests.sample_class --course DIR`` builds the sample class."""

import argparse
from pathlib import Path

from tests.sample_class.build import build
from tests.sample_class.cases import TABLE, table
from tests.sample_class.model import POINTS


def main() -> None:
    """Build the sample class into a course, or write the table of expected scores."""
    parser = argparse.ArgumentParser(prog="python -m tests.sample_class", description=__doc__)
    todo = parser.add_mutually_exclusive_group(required=True)
    todo.add_argument("--course", type=Path, help="an nbgrader course with released assignments")
    todo.add_argument("--write-table", action="store_true", help="write expected.csv anew")
    parser.add_argument(
        "--assignment", action="append", choices=list(POINTS), help="only this one (repeatable)"
    )
    args = parser.parse_args()
    if args.write_table:
        TABLE.write_text(table(), encoding="utf-8")
        print(TABLE)
        return
    cases = build(args.course, args.assignment)
    print(f"{len(cases)} submissions written to {args.course / 'submitted'}")


if __name__ == "__main__":
    main()
