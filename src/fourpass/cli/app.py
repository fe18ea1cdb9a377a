"""The ``fourpass`` command: its sub-commands, and how errors reach the user (one line, exit code 2)."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from fourpass.cli import help as help_text
from fourpass.cli import terminal, words
from fourpass.cli.stopping import ending_politely
from fourpass.errors import ConfigError, FourpassError

_TRACEBACK = "FOURPASS_TRACEBACK"  # environment variable

# name -> "module:function"; a module is imported only when its command is the one that runs, so that none pays for
# another's imports.
COMMANDS = {
    "upscale": "fourpass.cli.upscale:upscale",
    "models": "fourpass.cli.models:models",
    "doctor": "fourpass.cli.doctor:doctor",
    "train": "fourpass.cli.train:train",
    "recipes": "fourpass.cli.recipes:recipes",
    "score": "fourpass.cli.score:score",
    "evaluate": "fourpass.cli.evaluate:evaluate",
    "reproduce": "fourpass.cli.reproduce:reproduce",
    "compare": "fourpass.cli.compare:compare",
    "convert": "fourpass.cli.convert:convert",
    "serve": "fourpass.cli.serve:serve",
    "batch": "fourpass.cli.batch:batch",
}


class _LazyGroup(TyperGroup):
    """A command group that imports a command's module when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module, function = COMMANDS[cmd_name].split(":")
        target = getattr(importlib.import_module(module), function)
        single = typer.Typer(add_completion=False, rich_markup_mode=None)
        single.command(cmd_name, cls=help_text.Command)(target)
        command = typer.main.get_command(single)
        for parameter in command.params:
            if parameter.default != "":  # where nothing is the default, it may be said too
                _refuse_empty(parameter)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, one section per group."""
        for group, names in help_text.COMMANDS.items():
            with formatter.section(group):
                commands = [(name, self.get_command(ctx, name)) for name in names]
                formatter.write_dl([(name, command.get_short_help_str(100)) for name, command in commands])


def _refuse_empty(parameter: Any) -> None:
    """Make a parameter reject an empty text, which is what a shell makes of an unset variable."""
    process = parameter.process_value

    def checked(context: Any, value: Any) -> Any:
        if value == "" or (isinstance(value, (list, tuple)) and "" in value):
            longest = parameter.opts[-1]
            name = longest if longest.startswith("-") else (parameter.metavar or parameter.name.upper()).rstrip(".")
            raise ConfigError(
                f"{name} is empty, perhaps because a variable is not set", hint="leave it out or fill it in"
            )
        return process(context, value)

    parameter.process_value = checked


app = typer.Typer(cls=_LazyGroup, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and exit.", is_eager=True),
) -> None:
    """Make photos larger: 2, 4 or 8 times, or any size."""
    if version:
        from fourpass import __version__

        print(f"fourpass {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(help_text.START)


def main() -> None:
    """Run the command line; the entry point of the ``fourpass`` script."""
    terminal.prepare()
    try:
        with contextlib.nullcontext() if sys.argv[1:2] == ["serve"] else ending_politely():  # it has its own way
            code = app(prog_name="fourpass", standalone_mode=False)
        sys.stdout.flush()
    except FourpassError as error:
        _refuse(words.line(error))
    except KeyboardInterrupt:
        _end("stopped", 130)
    except BrokenPipeError:  # the reader of the output has stopped
        _end("", 141)
    except Exception as error:
        if type(error).__name__ == "Abort":  # what Typer makes of Ctrl-C
            _end("stopped", 130)
        # Typer's usage errors, which it would print on three lines; its own copy of click is none of its public names.
        if hasattr(error, "format_message"):
            context = getattr(error, "ctx", None)
            help_of = context.command_path if context else "fourpass"
            _refuse(f"{error.format_message().rstrip('.')}; see {help_of} --help")
        _unforeseen(error)
    sys.exit(code if isinstance(code, int) else 0)


def _unforeseen(error: Exception) -> NoReturn:
    """Report an unexpected error in one line too; an environment variable asks for the traceback."""
    if os.environ.get(_TRACEBACK):
        raise error
    if isinstance(error, MemoryError):
        _refuse("not enough memory; close other programs, or ask for less")
    if isinstance(error, OSError):  # a full disk under standard output for example
        name = f"{error.filename}: " if error.filename else ""
        _end(f"{name}{error.strerror or error}; free some space or choose another place", 2)
    _refuse(f"unexpected {type(error).__name__}: {error}; please report it with the output of {_TRACEBACK}=1")


def _refuse(message: str) -> NoReturn:
    _end(" ".join(message.split()), 2)


def _end(message: str, code: int) -> NoReturn:
    if message:
        print(f"fourpass: {terminal.printable(message)}", file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:  # nothing more can be said there, and Python would complain of it on the way out
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


if __name__ == "__main__":
    main()
