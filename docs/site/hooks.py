"""What the site shows that is read from the code: commands, and options of ``nbgrader_config.py``.

A page says ``<!-- commands of package.module.group -->``, and gets the group's commands with
their help; or ``<!-- options of package.module.Class -->``, and gets a table of the options that
the class adds to those of its bases.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

import click

_COMMANDS: Final = re.compile(r"<!-- commands of (?P<module>[\w.]+)\.(?P<name>\w+) -->")
_OPTIONS: Final = re.compile(r"<!-- options of (?P<module>[\w.]+)\.(?P<name>\w+) -->")
_VERBATIM: Final = "\b\n"
"""With it begins a paragraph of a docstring whose lines Click leaves as they are."""


def on_page_markdown(markdown: str, **_page: Any) -> str:
    """Fill in what a page asks for; MkDocs calls this for each page."""
    markdown = _COMMANDS.sub(lambda found: commands(_named(found), "autograder"), markdown)
    return _OPTIONS.sub(lambda found: options(_named(found)), markdown)


def _named(found: re.Match[str]) -> Any:
    return getattr(importlib.import_module(found["module"]), found["name"])


def commands(group: click.Command, program: str) -> str:
    """All commands of a program, each with its help, in Markdown."""
    return "\n\n".join(_command(group, program, click.Context(group, info_name=program)))


def _command(command: click.Command, path: str, context: click.Context) -> Iterator[str]:
    yield f"## {path}"
    yield f"```text\n{path} {' '.join(command.collect_usage_pieces(context))}\n```"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        plain = paragraph.replace("\f", "")
        is_verbatim = plain.startswith(_VERBATIM)
        yield f"```text\n{plain.removeprefix(_VERBATIM)}\n```" if is_verbatim else plain
    records = [param.get_help_record(context) for param in command.get_params(context)]
    rows = [f"| `{_cell(name)}` | {_cell(told)} |" for name, told in filter(None, records)]
    yield "\n".join(["| option | meaning |", "|---|---|", *rows])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                inner = click.Context(below, parent=context, info_name=name)
                yield from _command(below, f"{path} {name}", inner)


def options(kind: Any) -> str:
    """The options of a class of traitlets, as a table in Markdown."""
    rows = ["| option | type | default | meaning |", "|---|---|---|---|"]
    for name, trait in sorted(kind.class_own_traits(config=True).items()):
        option, default = f"c.{kind.__name__}.{name}", repr(trait.default())
        rows.append(f"| `{option}` | {_type(trait)} | `{default}` | {_cell(trait.help)} |")
    return "\n".join(rows)


def _type(trait: Any) -> str:
    """What may be given: the choices, or a kind of value and its bound."""
    values = getattr(trait, "values", None)
    if values:
        return ", ".join(f"`{value!r}`" for value in values)
    least = getattr(trait, "min", None)
    return type(trait).__name__.lower() + ("" if least is None else f", at least {least}")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
