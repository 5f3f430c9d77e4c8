"""Names that a shell completes. It asks at every press of Tab, so no course is opened for it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from autograder.plain import one_line

_STEPS: Final = ("source", "submitted", "autograded")


def complete_assignments(
    ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[str]:
    """The assignments that begin so and have a source notebook, but for those given already."""
    source = _course_of(ctx) / _folders(_course_of(ctx))["source"]
    found = (path.name for path in _folders_in(source) if any(path.glob("*.ipynb")))
    given = ctx.params.get(parameter.name or "") or ()
    return _named((name for name in found if name not in given), incomplete)


def complete_students(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The students that begin so, of the assignments given before if there are some."""
    course = _course_of(ctx)
    folders = _folders(course)
    one = ctx.params.get("assignment")
    # an option without its value stops click's parser, which then leaves the rest in `args`
    assignments = [one] if one else list(ctx.params.get("assignments") or ctx.args)
    found = {
        path.name
        for step in ("submitted", "autograded")
        for path in _folders_in(course / folders[step])
        if not assignments or any((path / name).is_dir() for name in assignments)
    }
    return _named(found, incomplete)


def _course_of(ctx: click.Context) -> Path:
    return Path(ctx.find_root().params.get("course") or ".")


def _folders(course: Path) -> dict[str, str]:
    """The names of the course's folders, as its configuration says them in plain words.

    The configuration is not run: that takes a second, and may do anything.
    """
    names = {step: step for step in _STEPS}
    try:
        tree = ast.parse((course / "nbgrader_config.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return names
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                step = ast.unparse(target).rpartition(".CourseDirectory.")[2]
                name = step.removesuffix("_directory")
                if name in names and step != name and isinstance(node.value.value, str):
                    names[name] = node.value.value
    return names


def _folders_in(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if path.is_dir())
    except OSError:  # not there, or not to be read: then there is nothing to complete
        return


def _named(names: Iterator[str] | set[str], incomplete: str) -> list[str]:
    """Those that begin so; not those that a shell or a terminal would take for something else."""
    return sorted(
        name
        for name in names
        if name.startswith(incomplete) and name == one_line(name) and not name.startswith("-")
    )
