"""The ``fourpass`` command: its sub-commands, and how errors reach the user (one line, exit code 2)."""

from __future__ import annotations

import importlib
import sys
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from fourpass.errors import FourpassError

# name -> "module:function"; a module is imported only when its command is the one that runs, so that none pays for
# another's imports.
COMMANDS = {
    "upscale": "fourpass.cli.upscale:upscale",
    "models": "fourpass.cli.models:models",
    "doctor": "fourpass.cli.doctor:doctor",
    "train": "fourpass.cli.train:train",
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
        single.command(cmd_name)(target)
        return typer.main.get_command(single)


app = typer.Typer(cls=_LazyGroup, add_completion=False, rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def _root(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop.", is_eager=True),
) -> None:
    """Make photos 2, 4 or 8 times larger, faithfully or perceptually, on a plain CPU."""
    if version:
        from fourpass import __version__

        print(f"fourpass {__version__}")
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())


def main() -> None:
    """Run the command line; the entry point of the ``fourpass`` script."""
    try:
        code = app(prog_name="fourpass", standalone_mode=False)
    except FourpassError as error:
        _refuse(str(error))
    except Exception as error:
        # Typer's usage errors, which it would print on three lines; its own copy of click is none of its public names.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        help_of = context.command_path if context else "fourpass"
        _refuse(f"{error.format_message().rstrip('.')}; see {help_of} --help")
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(message: str) -> NoReturn:
    print(f"fourpass: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
