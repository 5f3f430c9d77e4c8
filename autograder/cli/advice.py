"""What is said of a wrong command line where the right one is near."""

import click


def told(error: click.ClickException) -> str:
    """The error's message, and how the command is written where that can be told."""
    ctx = error.ctx if isinstance(error, click.UsageError) else None
    if ctx is None:
        return error.format_message()
    if isinstance(error, click.NoSuchOption):
        if _is_of_the_program(ctx, error.option_name):
            program = ctx.find_root()
            rest = ctx.command_path.removeprefix(f"{program.command_path} ")
            return (
                f"{error.option_name} goes before the command: "
                f"`{program.command_path} {error.option_name} … {rest} …`"
            )
        name = error.option_name.removeprefix("--")
        if name in {argument.removesuffix("s") for argument in _arguments(ctx.command)}:
            return (
                f"No such option: {error.option_name}. The {name} is given without it: "
                f"`{ctx.command_path} {name.upper()}`"
            )
    elif type(error) is click.UsageError and "unexpected extra argument" in error.message:
        options = [text for one in ctx.command.params for text in one.opts]
        if not _arguments(ctx.command) and "--assignment" in options:
            return f"{error.format_message()}: an assignment is given with --assignment NAME"
    return error.format_message()


def _is_of_the_program(ctx: click.Context, option: str) -> bool:
    """Whether an option is one of all commands' and stands behind the command."""
    program = ctx.find_root()
    if ctx is program:
        return False
    shared = {text for one in program.command.params for text in (*one.opts, *one.secondary_opts)}
    return option in shared and option not in {"-h", "--help"}


def _arguments(command: click.Command) -> set[str]:
    return {one.name for one in command.params if isinstance(one, click.Argument) and one.name}
