"""The command that teaches a shell to complete this program's commands, options and names."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from autograder.cli.base import PROGRAM, main

_VARIABLE: Final = f"_{PROGRAM.upper()}_COMPLETE"
_PROFILES: Final = {
    "bash": ("~/.bashrc", 'eval "$(autograder completion bash)"'),
    "zsh": ("~/.zshrc, after compinit", 'eval "$(autograder completion zsh)"'),
    "fish": ("~/.config/fish/config.fish", "autograder completion fish | source"),
}


@main.command()
@click.argument("shell", type=click.Choice(tuple(_PROFILES)))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands and names.

    Assignments and students are completed as well. The last line printed says which line to put
    into which file, so that each new shell does it.

    \b
    Examples:
      autograder completion bash
      eval "$(autograder completion bash)"
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows these three"
    file, line = _PROFILES[shell]
    click.echo(kind(main, {}, PROGRAM, _VARIABLE).source().rstrip())
    click.echo(f"# For each new shell, put this line into {file}:\n#   {line}")
